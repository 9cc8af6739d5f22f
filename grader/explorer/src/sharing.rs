//! Who writes what into which word, as far as has been seen.
//!
//! The [reduction](crate::reduce) relies on it, and it is learnt while searching: a search that has learnt something
//! is made again, until one learns nothing.

use crate::calls::unknown;
use crate::op::WordId;

/// Sets of accessors: a CPU's thread and its handler are two, for one can come between the other's operations.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Accessors(u128);

impl Accessors {
    pub const fn thread(cpu: usize) -> Accessors {
        Accessors(1 << (2 * cpu))
    }

    pub const fn handler(cpu: usize) -> Accessors {
        Accessors(1 << (2 * cpu + 1))
    }

    /// Both of a CPU.
    pub const fn cpu(cpu: usize) -> Accessors {
        Accessors(0b11 << (2 * cpu))
    }

    /// Whether all of `others` are among them.
    pub const fn contain(self, others: Accessors) -> bool {
        others.0 & !self.0 == 0
    }

    fn add(&mut self, others: Accessors) {
        self.0 |= others.0;
    }
}

/// A value that has been written, by whom; `None` for what a locked operation makes of what it finds.
#[derive(Clone)]
struct Written {
    value: Option<u64>,
    by: Accessors,
}

/// What is known of all words.
#[derive(Clone, Default)]
pub(crate) struct Sharing {
    words: Vec<Vec<Written>>,
    learnt: usize,
    /// Nothing is learnt.
    frozen: bool,
}

impl Sharing {
    pub fn new(words: usize) -> Self {
        Sharing {
            words: vec![Vec::new(); words],
            learnt: 0,
            frozen: false,
        }
    }

    /// `who` writes `word`.
    pub fn written(&mut self, word: WordId, value: Option<u64>, who: Accessors) {
        let all = &mut self.words[usize::from(word.0)];
        let known = all.iter_mut().find(|written| written.value == value);
        if known.as_ref().is_some_and(|known| known.by.contain(who)) {
            return;
        }
        if self.frozen {
            unknown();
        }
        self.learnt += 1;
        match known {
            Some(known) => known.by.add(who),
            None => all.push(Written { value, by: who }),
        }
    }

    /// The values that others than `these` write; `None` for any.
    pub fn by_others(
        &self,
        word: WordId,
        these: Accessors,
    ) -> impl Iterator<Item = Option<u64>> + '_ {
        let all = self.words[usize::from(word.0)].iter();
        all.filter(move |written| !these.contain(written.by))
            .map(|written| written.value)
    }

    /// From here on nothing is learnt.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// How much has been learnt.
    pub fn learnt(&self) -> usize {
        self.learnt
    }
}
