//! A list of fixed capacity, for before there is a heap.

use core::ops::Deref;

/// At most `N` values; what was pushed beyond that is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct List<T, const N: usize> {
    values: [T; N],
    len: usize,
    dropped: usize,
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        List {
            values: [T::default(); N],
            len: 0,
            dropped: 0,
        }
    }
}

impl<T, const N: usize> List<T, N> {
    /// Appends `value`, or counts it as dropped.
    pub(super) fn push(&mut self, value: T) {
        match self.values.get_mut(self.len) {
            Some(slot) => {
                *slot = value;
                self.len += 1;
            }
            None => self.dropped += 1,
        }
    }

    /// How many values found no room.
    pub fn dropped(&self) -> usize {
        self.dropped
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_counts_what_it_drops() {
        let mut list = List::<u8, 2>::default();
        for value in 1..=5 {
            list.push(value);
        }
        assert_eq!((&*list, list.dropped()), (&[1, 2][..], 3));
    }
}
