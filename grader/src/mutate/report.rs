//! What came of a lab's mutants.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::edit::Mutant;
use super::equivalent::{Equivalent, Equivalents};
use super::run::Verdict;
use crate::labs::Lab;

/// What came of a lab's mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many there are.
    pub generated: usize,
    /// How many do not compile.
    pub not_viable: usize,
    /// How many each check caught, in the order of the checks.
    pub caught: Vec<(String, usize)>,
    /// Those that are right too.
    pub equivalent: Vec<Left>,
    /// Those that no check catches.
    pub survivors: Vec<Left>,
    /// Entries of the table that are wrong.
    pub stale: Vec<String>,
}

/// A mutant that passes every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What made it.
    pub operator: &'static str,
    /// The first line that differs.
    pub line: usize,
    /// The lines that differ.
    pub diff: String,
    /// Why it is right; empty if it is not known to be.
    pub reason: String,
}

impl Left {
    /// `mutant` of `original`, with the reason that the table gives for it, if it does.
    #[must_use]
    pub fn new(original: &str, mutant: &Mutant, named: Option<&Equivalent>) -> Self {
        Left {
            operator: mutant.operator,
            line: mutant.line,
            diff: mutant.diff(original),
            reason: named.map_or(String::new(), |entry| entry.reason.clone()),
        }
    }
}

impl Report {
    /// Sums up `verdicts` on mutants of `original`, the reference of `lab`. `all` are all its mutants.
    #[must_use]
    pub fn new(
        lab: &Lab,
        original: &str,
        table: &Equivalents,
        all: &[Mutant],
        verdicts: &[(&Mutant, Verdict)],
    ) -> Self {
        let mut report = Report {
            generated: verdicts.len(),
            stale: table.stale(lab, all),
            ..Report::default()
        };
        let mut caught: BTreeMap<&str, usize> = BTreeMap::new();
        for (mutant, verdict) in verdicts {
            let named = table.find(lab, mutant);
            match verdict {
                Verdict::NotViable => report.not_viable += 1,
                Verdict::Caught(check) => *caught.entry(check).or_default() += 1,
                Verdict::Survived => {
                    let left = Left::new(original, mutant, named);
                    match named {
                        Some(_) => report.equivalent.push(left),
                        None => report.survivors.push(left),
                    }
                }
            }
            if let (Some(entry), true) = (named, *verdict != Verdict::Survived) {
                report.stale.push(format!(
                    "lab {}, line {}, {}: `{}` to `{}` is said to be right, and {}",
                    lab.number,
                    mutant.line,
                    entry.operator,
                    entry.was,
                    entry.becomes,
                    match verdict {
                        Verdict::Caught(check) => format!("fails `{check}`"),
                        _ => "does not compile".to_owned(),
                    }
                ));
            }
        }
        let checks = lab.checks.iter();
        report.caught = checks
            .filter_map(|check| Some((check.id.clone(), *caught.get(check.id.as_str())?)))
            .collect();
        report
    }

    /// How many were caught.
    #[must_use]
    pub fn count_caught(&self) -> usize {
        self.caught.iter().map(|(_, count)| count).sum()
    }

    /// How many of the mutants that are wrong, as far as anyone knows, were caught: of 100, rounded down.
    #[must_use]
    pub fn score(&self) -> usize {
        let caught = self.count_caught();
        (caught * 100)
            .checked_div(caught + self.survivors.len())
            .unwrap_or(100)
    }

    /// As lines for a person.
    #[must_use]
    pub fn text(&self, lab: &Lab) -> String {
        let mut text = format!(
            "{:>2}  {}: {} mutants, {} not viable, {} caught, {} equivalent, {} survivors; score {} %\n",
            lab.number,
            lab.title,
            self.generated,
            self.not_viable,
            self.count_caught(),
            self.equivalent.len(),
            self.survivors.len(),
            self.score()
        );
        let caught: Vec<String> = self
            .caught
            .iter()
            .map(|(check, count)| format!("`{check}` {count}"))
            .collect();
        if !caught.is_empty() {
            let _ = writeln!(text, "    caught by {}", caught.join(", "));
        }
        for left in &self.survivors {
            let _ = writeln!(text, "    survivor, line {}, {}:", left.line, left.operator);
            for line in left.diff.lines() {
                let _ = writeln!(text, "      {line}");
            }
        }
        text
    }

    /// As one object.
    #[must_use]
    pub fn json(&self, lab: &Lab) -> Value {
        let left = |left: &[Left]| -> Vec<Value> {
            let object = |left: &Left| {
                let mut object =
                    json!({ "line": left.line, "operator": left.operator, "diff": left.diff });
                if !left.reason.is_empty() {
                    object["reason"] = json!(left.reason);
                }
                object
            };
            left.iter().map(object).collect()
        };
        let caught: serde_json::Map<String, Value> = self
            .caught
            .iter()
            .map(|(check, count)| (check.clone(), json!(count)))
            .collect();
        json!({
            "lab": lab.number,
            "generated": self.generated,
            "not_viable": self.not_viable,
            "caught": caught,
            "score": self.score(),
            "equivalent": left(&self.equivalent),
            "survivors": left(&self.survivors),
            "stale": self.stale,
        })
    }
}
