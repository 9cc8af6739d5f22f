//! A mutant: a source with one small change, which keeps the number of its lines.

use std::fmt::Write as _;
use std::ops::Range;

/// A change of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// What made it, by its name in [`super::operators::OPERATORS`].
    pub operator: &'static str,
    /// The first line that differs, from 1.
    pub line: usize,
    /// That line, without the space around it.
    pub was: String,
    /// What it became; empty if it was dropped.
    pub becomes: String,
    /// The whole source, changed.
    pub source: String,
}

impl Mutant {
    /// `original` with `text` where `range` was, by `operator`. Line breaks that `text` lacks follow it, so that all
    /// other lines keep their numbers. `None` if nothing differs.
    pub fn new(
        operator: &'static str,
        original: &str,
        range: Range<usize>,
        text: &str,
    ) -> Option<Self> {
        let lines = |text: &str| text.matches('\n').count();
        let missing = lines(&original[range.clone()]).saturating_sub(lines(text));
        let breaks = "\n".repeat(missing);
        let source = [
            &original[..range.start],
            text,
            &breaks,
            &original[range.end..],
        ]
        .concat();
        let mut pairs = original.lines().zip(source.lines()).enumerate();
        let (index, (was, becomes)) =
            pairs.find(|(_, (was, becomes))| was.trim() != becomes.trim())?;
        Some(Mutant {
            operator,
            line: index + 1,
            was: was.trim().to_owned(),
            becomes: becomes.trim().to_owned(),
            source,
        })
    }

    /// The lines that differ, with their numbers: `-` before what was, `+` before what it became.
    #[must_use]
    pub fn diff(&self, original: &str) -> String {
        let mut text = String::new();
        for (index, (was, becomes)) in original.lines().zip(self.source.lines()).enumerate() {
            if was == becomes {
                continue;
            }
            let _ = writeln!(text, "{:>4} - {}", index + 1, was.trim());
            if !becomes.trim().is_empty() {
                let _ = writeln!(text, "{:>4} + {}", index + 1, becomes.trim());
            }
        }
        text
    }
}
