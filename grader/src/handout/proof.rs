//! The proof that nothing withheld is in the students' tree.
//!
//! Lines are compared without the white space in them, and wherever they begin, so a line that was indented, quoted,
//! or broken in two is found as well.

use std::collections::BTreeMap;

use aho_corasick::AhoCorasick;

use crate::status::Failure;

/// Shorter lines say too little to be anyone's.
const SHORTEST: usize = 20;

/// What must not be found.
#[derive(Default)]
pub struct Withheld {
    /// Where each line stands first, by its text without white space.
    lines: BTreeMap<String, String>,
}

/// A withheld line that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// The file that it was found in.
    pub file: String,
    /// There, from 1; 0 if the file is no text.
    pub line: usize,
    /// Where it stands in what is withheld.
    pub from: String,
}

impl Withheld {
    /// Withholds every line of `text`, which is called `name`.
    pub fn add(&mut self, name: &str, text: &str) {
        for (index, line) in text.lines().enumerate() {
            let bare = bare(line);
            if bare.chars().count() >= SHORTEST && bare.contains(char::is_alphabetic) {
                let place = || format!("{name}:{}", index + 1);
                self.lines.entry(bare).or_insert_with(place);
            }
        }
    }

    /// Gives free what stands in `text` too.
    pub fn read(&mut self, text: &str) {
        let bare = bare(text);
        self.lines.retain(|line, _| !bare.contains(line.as_str()));
    }

    /// How many lines there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// Prepares to look for them.
    ///
    /// # Errors
    /// If there are too many.
    pub fn search(&self) -> Result<Search<'_>, Failure> {
        let finder = AhoCorasick::new(self.lines.keys())
            .map_err(|error| Failure::host(format!("what is withheld: {error}")))?;
        Ok(Search {
            finder,
            places: self.lines.values().collect(),
        })
    }
}

/// Looks for withheld lines.
pub struct Search<'w> {
    finder: AhoCorasick,
    places: Vec<&'w String>,
}

impl Search<'_> {
    /// Those that are in a file, at most one a line.
    #[must_use]
    pub fn leaks(&self, file: &str, bytes: &[u8]) -> Vec<Leak> {
        let text = String::from_utf8_lossy(bytes);
        let is_text = matches!(text, std::borrow::Cow::Borrowed(_));
        let bare = bare(&text);
        let mut leaks: Vec<Leak> = self
            .finder
            .find_iter(&bare)
            .map(|found| Leak {
                file: file.to_owned(),
                line: if is_text {
                    line_of(&text, found.start())
                } else {
                    0
                },
                from: self.places[found.pattern().as_usize()].clone(),
            })
            .collect();
        leaks.dedup_by_key(|leak| leak.line);
        leaks
    }
}

fn bare(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace()).collect()
}

/// The line of `text` in which the byte is that comes after `bytes` others that are no white space.
fn line_of(text: &str, bytes: usize) -> usize {
    let mut left = bytes;
    for (index, line) in text.lines().enumerate() {
        let here = bare(line).len();
        if left < here {
            return index + 1;
        }
        left -= here;
    }
    text.lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLUTION: &str = "fn f() {\n    room.lamp(door, window).switch(brightness, Gently);\n}\n";

    fn found(text: &str) -> Vec<usize> {
        let mut withheld = Withheld::default();
        withheld.add("solution", SOLUTION);
        let leaks = withheld.search().unwrap().leaks("file", text.as_bytes());
        leaks.iter().map(|leak| leak.line).collect()
    }

    #[test]
    fn a_line_given_away_indented_quoted_or_in_two_parts() {
        let line = "room.lamp(door, window).switch(brightness, Gently);";
        assert_eq!(found(&format!("a\n\t\t{line}\n")), [2]);
        assert_eq!(found(&format!("a\nb\n// so: `{line}`\n")), [3]);
        assert_eq!(
            found("a\nroom\n    .lamp(door, window)\n    .switch(brightness, Gently);\n"),
            [2]
        );
        let other = "room.lamp(door, window).switch(brightness, Hastily);";
        assert!(found(other).is_empty(), "which is another line");
        assert_eq!(found(SOLUTION), [2]);
        assert!(found("fn f() {\n}\n").is_empty(), "which says nothing");
    }

    #[test]
    fn a_line_given_away_in_a_file_that_is_no_text() {
        let mut withheld = Withheld::default();
        withheld.add("solution", SOLUTION);
        let bytes = [&[0xff, 0, 1][..], SOLUTION.as_bytes()].concat();
        let leaks = withheld.search().unwrap().leaks("kernel.elf", &bytes);
        assert_eq!(
            (leaks.len(), leaks[0].line, &*leaks[0].from),
            (1, 0, "solution:2")
        );
    }

    #[test]
    fn a_line_that_everybody_reads_taken_for_a_solution_s() {
        let mut withheld = Withheld::default();
        withheld.add("solution", SOLUTION);
        withheld.read("  room.lamp(door, window)\n    .switch(brightness, Gently); // I4");
        assert_eq!(withheld.count(), 0);
    }
}
