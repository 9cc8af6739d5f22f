//! Which solutions of a lab are near to each other, beyond what all of them share.
//!
//! By fingerprints of the tokens: S. Schleimer, D. S. Wilkerson and A. Aiken, "Winnowing: Local Algorithms for
//! Document Fingerprinting", SIGMOD 2003. Names that a file declares, literals, comments, attributes and layout do
//! not count, nor does the order of functions; fingerprints that also stand in what everybody was given, or in the
//! kit's own solution, are left out, since whoever solves the lab as it is meant comes near to that.
//!
//! A pair is a reason to look at two files, never a verdict: the labs are small.

mod tokens;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;

use serde::Serialize;
pub use tokens::{Language, Token};

/// Tokens of a fingerprint: what is shorter is chance.
const GRAM: usize = 9;
/// Of so many fingerprints in a row one is kept: whatever two files share in `GRAM + WINDOW - 1` tokens is seen.
const WINDOW: usize = 4;
/// A file with fewer fingerprints of its own says nothing.
const OWN: usize = 12;
/// The share from which a pair is listed.
pub const THRESHOLD: f64 = 0.6;

/// A file, by what is its own.
#[derive(Clone, Debug)]
pub struct Prints {
    /// The fingerprints, with the lines where each begins and ends.
    own: BTreeMap<u64, Vec<RangeInclusive<usize>>>,
    count: usize,
}

/// Two files that share much.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The one, by its place among the files.
    pub one: usize,
    /// The other.
    pub other: usize,
    /// Which part of the fingerprints of the one with fewer the other has as well: above [`THRESHOLD`], at most 1.
    pub share: f64,
    /// Where, in the one: first and last line.
    pub lines: Vec<(usize, usize)>,
    /// Where, in the other.
    pub other_lines: Vec<(usize, usize)>,
}

/// What everybody has: all its fingerprints.
#[derive(Clone, Debug, Default)]
pub struct Common(HashSet<u64>);

impl Common {
    /// Adds what everybody was given, or would write anyway.
    pub fn add(&mut self, text: &str, language: Language) {
        let tokens = tokens::of(text, language);
        self.0
            .extend(grams(&tokens).into_iter().map(|(hash, _)| hash));
    }
}

impl Prints {
    /// The fingerprints of `text` that are not in `common`.
    #[must_use]
    pub fn of(text: &str, language: Language, common: &Common) -> Self {
        let tokens = tokens::of(text, language);
        let mut own: BTreeMap<u64, Vec<RangeInclusive<usize>>> = BTreeMap::new();
        let mut count = 0;
        for (hash, lines) in winnowed(&grams(&tokens)) {
            if !common.0.contains(&hash) {
                own.entry(hash).or_default().push(lines);
                count += 1;
            }
        }
        Self { own, count }
    }

    /// Whether there is enough to compare.
    #[must_use]
    pub fn says_anything(&self) -> bool {
        self.count >= OWN
    }

    /// Which part of the smaller of the two the other has as well, 0 to 1; 0 if one of them says nothing.
    #[must_use]
    pub fn share(&self, other: &Self) -> f64 {
        if !self.says_anything() || !other.says_anything() {
            return 0.0;
        }
        let both = self.own.iter().filter_map(|(hash, here)| {
            let there = other.own.get(hash)?;
            Some(here.len().min(there.len()))
        });
        both.sum::<usize>() as f64 / self.count.min(other.count) as f64
    }

    /// The lines of this file that hold what `other` has as well.
    fn lines(&self, other: &Self) -> Vec<(usize, usize)> {
        let shared = self
            .own
            .iter()
            .filter(|(hash, _)| other.own.contains_key(hash));
        let mut spans: Vec<(usize, usize)> = shared
            .flat_map(|(_, spans)| spans)
            .map(|span| (*span.start(), *span.end()))
            .collect();
        spans.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (first, last) in spans {
            match merged.last_mut() {
                Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        merged
    }
}

/// The pairs of files that share [`THRESHOLD`] or more, the nearest first.
#[must_use]
pub fn pairs(files: &[Prints]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (one, prints) in files.iter().enumerate() {
        for (other, others) in files.iter().enumerate().skip(one + 1) {
            let share = prints.share(others);
            if share >= THRESHOLD {
                pairs.push(Pair {
                    one,
                    other,
                    share,
                    lines: prints.lines(others),
                    other_lines: others.lines(prints),
                });
            }
        }
    }
    pairs.sort_by(|a, b| b.share.total_cmp(&a.share));
    pairs
}

type Gram = (u64, RangeInclusive<usize>);

/// A hash of every [`GRAM`] tokens in a row, with their lines.
fn grams(tokens: &[Token]) -> Vec<Gram> {
    let gram = |tokens: &[Token]| {
        let mut hasher = DefaultHasher::new();
        tokens.iter().for_each(|token| token.code.hash(&mut hasher));
        let (first, last) = (tokens[0].line, tokens[tokens.len() - 1].line);
        (hasher.finish(), first..=last)
    };
    tokens.windows(GRAM).map(gram).collect()
}

/// Of every [`WINDOW`] in a row the smallest, the last of equals, each once.
fn winnowed(grams: &[Gram]) -> Vec<Gram> {
    let mut kept = Vec::new();
    let mut before = None;
    for (start, window) in grams.windows(WINDOW.min(grams.len().max(1))).enumerate() {
        let smallest = window
            .iter()
            .enumerate()
            .rev()
            .min_by_key(|(_, gram)| gram.0);
        let Some(at) = smallest.map(|(at, _)| start + at) else {
            continue;
        };
        if before != Some(at) {
            kept.push(grams[at].clone());
            before = Some(at);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
