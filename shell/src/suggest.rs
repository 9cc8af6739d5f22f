//! "Did you mean": the nearest of some names.

use alloc::vec::Vec;

/// Longer words are nobody's slip of the finger, and would cost time.
const LONGEST: usize = 32;

/// The candidate nearest to `word`, if one is near enough: case aside, one edit for each three
/// characters and at least one, or `word` as its beginning. The first wins a tie.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word
        .chars()
        .take(LONGEST + 1)
        .flat_map(char::to_lowercase)
        .collect();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let allowed = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(&word, candidate, allowed)?, candidate)))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How far `candidate` is from `word`; `None` if that is more than `allowed`.
fn distance(word: &[char], candidate: &str, allowed: usize) -> Option<usize> {
    let candidate: Vec<char> = candidate.chars().take(LONGEST).collect();
    let edits = edits(word, &candidate);
    // A single letter begins too many names, and is one edit from every other.
    if word.len() == 1 {
        return (word == candidate).then_some(0);
    }
    if edits <= allowed && edits < word.len().max(candidate.len()) {
        Some(edits)
    } else {
        candidate.starts_with(word).then_some(allowed + 1)
    }
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other
/// (optimal string alignment), by three rows of the table.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        let mut left = i + 1;
        row.push(left);
        for (j, (&to, pair)) in b.iter().zip(last.windows(2)).enumerate() {
            let &[diagonal, above] = pair else { break };
            let substituted = diagonal + usize::from(from != to);
            left = substituted.min(above + 1).min(left + 1);
            if let Some(swapped) = swap(a, b, i, j, &before) {
                left = left.min(swapped);
            }
            row.push(left);
        }
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(a.len())
}

/// The cost when the two characters up to `a[i]` and `b[j]` are each other's swap.
fn swap(a: &[char], b: &[char], i: usize, j: usize, before: &[usize]) -> Option<usize> {
    let (i1, j1) = (i.checked_sub(1)?, j.checked_sub(1)?);
    let swapped = a.get(i) == b.get(j1) && a.get(i1) == b.get(j);
    if swapped {
        Some(before.get(j1)? + 1)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = [
        "map",
        "mem",
        "unmap",
        "remap",
        "scoreboard",
        "shoot",
        "storm",
    ];

    #[test]
    fn one_slip_of_the_finger_still_finds_the_name() {
        for (typed, meant) in [
            ("shot", "shoot"),
            ("hsoot", "shoot"),
            ("scorebaord", "scoreboard"),
            ("strom", "storm"),
            ("MAP", "map"),
            ("score", "scoreboard"),
            ("unmapp", "unmap"),
        ] {
            assert_eq!(nearest(typed, NAMES), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_word_like_none_of_the_names_suggests_nothing() {
        for typed in ["", "x", "m", "zebra", "0x400000", "\u{1b}[A"] {
            assert_eq!(nearest(typed, NAMES), None, "{typed}");
        }
        let long = "m".repeat(100_000);
        assert_eq!(nearest(&long, NAMES), None);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("ab"), &chars("ba")), 1);
        assert_eq!(edits(&chars("abcd"), &chars("acbd")), 1);
        assert_eq!(edits(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(edits(&chars(""), &chars("abc")), 3);
    }
}
