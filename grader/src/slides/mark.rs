//! Marks: comments in a document that say which command made what stands behind them.
//!
//! ```text
//! <!-- transcript 2-4: cargo kit run --deterministic --command "map 0x400000; …" -->
//! <!-- lanes 0: cargo kit run --deterministic --command "…" -->
//! <!-- scoreboard: cargo kit run --deterministic --command "…; scoreboard --json" -->
//! <!-- table round_trip targets ratio: cargo kit run --deterministic --command "bench round-trip --json" -->
//! <!-- plot at_once protocol per_million_ticks over 2,3,4: cargo kit run --deterministic --cpus % --command "…" -->
//! <!-- source: kernel/shootdown/src/scoreboard.rs from "let row" to "served +=" -->
//! ```
//!
//! Behind the first and the last stands a block of code, behind `table` a table, behind the others a picture.

use std::ops::Range;

use press::Mistake;

/// What a mark is followed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What the command prints.
    Transcript,
    /// A shootdown, in lanes.
    Lanes,
    /// The scoreboard, as the last `scoreboard --json` of the run has it.
    Scoreboard,
    /// Columns of a table that a command answers with.
    Table,
    /// Bars, or lines over several runs.
    Plot,
    /// Lines of a file of the tree, without their comments.
    Source,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "transcript" => Some(Kind::Transcript),
            "lanes" => Some(Kind::Lanes),
            "scoreboard" => Some(Kind::Scoreboard),
            "table" => Some(Kind::Table),
            "plot" => Some(Kind::Plot),
            "source" => Some(Kind::Source),
            _ => None,
        }
    }
}

/// A mark, and what stands behind it.
#[derive(Clone, Debug)]
pub struct Mark {
    /// What it is.
    pub kind: Kind,
    /// The words between its kind and the colon.
    pub words: Vec<String>,
    /// The command behind `cargo kit `; of a source, all behind the colon.
    pub command: String,
    /// The bytes of the document that are made: a block's inside, a table, a picture's address.
    pub body: Range<usize>,
    /// Its line, counted from 1.
    pub line: usize,
}

impl Mark {
    /// Ranges of numbers among its words, such as `2-4` or `1,3-5`; none if there is no such word.
    #[must_use]
    pub fn ranges(&self) -> Vec<(usize, usize)> {
        let range = |word: &str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        let ranges = |word: &String| word.split(',').map(range).collect::<Option<Vec<_>>>();
        self.words.iter().find_map(ranges).unwrap_or_default()
    }

    /// Whether a word is among its words.
    #[must_use]
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    /// What is wrong with it.
    #[must_use]
    pub fn mistake(&self, message: impl Into<String>) -> Mistake {
        Mistake {
            line: self.line,
            message: message.into(),
        }
    }
}

/// The marks of a document, in order.
///
/// # Errors
/// A mark that has no end, no command of `cargo kit`, or not behind it what it should have.
pub fn marks(text: &str) -> Result<Vec<Mark>, Mistake> {
    let mut marks = Vec::new();
    for (at, _) in text.match_indices("<!-- ") {
        if at > 0 && !text[..at].ends_with('\n') {
            continue;
        }
        let line = text[..at].matches('\n').count() + 1;
        let mistake = |message: &str| Mistake {
            line,
            message: message.to_owned(),
        };
        let rest = &text[at + 5..];
        let Some(end) = rest.find("-->") else {
            return Err(mistake("a comment has no end: `-->`"));
        };
        let Some((words, command)) = rest[..end].split_once(':') else {
            continue;
        };
        let mut words = words.split_whitespace();
        let Some(kind) = words.next().and_then(Kind::named) else {
            continue;
        };
        let command = command.split_whitespace().collect::<Vec<_>>().join(" ");
        let command = match command.strip_prefix("cargo kit ") {
            Some(command) => command,
            None if kind == Kind::Source => &command,
            None => return Err(mistake("a mark names a command: `cargo kit …`")),
        };
        let from = at + 5 + end + 3;
        let body = body(kind, text, from).ok_or_else(|| {
            mistake("behind the mark there is no block of code, picture, or table")
        })?;
        marks.push(Mark {
            kind,
            words: words.map(str::to_owned).collect(),
            command: command.to_owned(),
            body,
            line,
        });
    }
    Ok(marks)
}

/// What is made, behind the mark that ends at `from`.
fn body(kind: Kind, text: &str, from: usize) -> Option<Range<usize>> {
    let start = from + text[from..].find(|c: char| !c.is_whitespace())?;
    let rest = &text[start..];
    match kind {
        Kind::Transcript | Kind::Source => {
            let first = start + rest.strip_prefix("```").and_then(|rest| rest.find('\n'))? + 4;
            if text[first..].starts_with("```") {
                return Some(first..first);
            }
            Some(first..first + text[first..].find("\n```")? + 1)
        }
        Kind::Table => rest.starts_with('|').then(|| {
            let length = rest.find("\n\n").map_or(rest.len(), |length| length + 1);
            start..start + length
        }),
        Kind::Lanes | Kind::Scoreboard | Kind::Plot => {
            let inside = rest.strip_prefix("![")?;
            let address = start + 2 + inside.find("](")? + 2;
            Some(address..address + text[address..].find([')', ' '])?)
        }
    }
}

/// Words as a shell splits them, with double quotes only.
#[must_use]
pub fn words(command: &str) -> Vec<String> {
    let mut words = vec![];
    for (number, piece) in command.split('"').enumerate() {
        match number % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_taken_for_something_else() {
        let text = "<!-- 2 min. Note: it. -->\n<!-- transcript 2-3: cargo kit run --command \"a;\n b\" -->\n```console\ntlb> x\n```\n\
                    <!-- lanes: cargo kit run -->\n\n![a [b] c](generated/x.svg)\n<!-- table t a: cargo kit run -->\n| a |\n|---|\n| 1 |\n\nmore\n";
        let found = marks(text).unwrap();
        let bodies: Vec<&str> = found.iter().map(|mark| &text[mark.body.clone()]).collect();
        assert_eq!(
            bodies,
            ["tlb> x\n", "generated/x.svg", "| a |\n|---|\n| 1 |\n"]
        );
        assert_eq!(found[0].ranges(), [(2, 3)]);
        assert_eq!(found[0].command, "run --command \"a; b\"");
        assert_eq!(words(&found[0].command), ["run", "--command", "a; b"]);
    }

    #[test]
    fn a_mark_that_makes_nothing() {
        let wrong = |text: &str| marks(text).unwrap_err().to_string();
        assert!(
            wrong("\n<!-- lanes: cargo kit run -->\ntext\n").starts_with("line 2: behind the mark")
        );
        assert!(wrong("<!-- lanes: kit run -->\n![](a)\n").contains("names a command"));
    }
}
