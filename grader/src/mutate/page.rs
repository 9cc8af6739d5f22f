//! `labs/MUTANTS.md`: what came of a whole run, for whoever wants to know how good the checks are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use tempfile::NamedTempFile;

use super::digest;
use super::operators::OPERATORS;
use super::report::{Left, Report};
use crate::kernel::persist;
use crate::labs::Lab;
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// Where it is.
#[must_use]
pub fn path(workspace: &Workspace) -> PathBuf {
    workspace.labs().join("MUTANTS.md")
}

/// Writes what came of one lab into the page; what it says of others stays.
///
/// # Errors
/// [`crate::status::Status::Host`] if it cannot be written.
pub fn write(workspace: &Workspace, lab: &Lab, report: &Report) -> Result<(), Failure> {
    let path = path(workspace);
    let mut page = Page::read(&fs::read_to_string(&path).unwrap_or_default());
    page.put(lab, report, &digest::lab(workspace, lab)?);
    let folder = workspace.labs();
    let mut file = NamedTempFile::new_in(&folder).doing("writing", &path)?;
    file.write_all(page.text().as_bytes())
        .doing("writing", &path)?;
    persist(file, &path)
}

/// The page: for each lab a row of the table, and a section.
#[derive(Default)]
pub struct Page {
    labs: BTreeMap<u8, (String, String)>,
}

/// What a section begins with.
const SECTION: &str = "\n## Lab ";
/// What stands before those that are right too.
const RIGHT_TOO: &str = "\nRight too:\n\n";

impl Page {
    /// Reads a page that was written before.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut rows = BTreeMap::new();
        for line in text.lines() {
            let number = line
                .strip_prefix("| ")
                .and_then(|row| row.split(' ').next());
            if let Some(number) = number.and_then(|number| number.parse::<u8>().ok()) {
                rows.insert(number, format!("{line}\n"));
            }
        }
        let sections = text.split(SECTION).skip(1).filter_map(|section| {
            let number = section.split(':').next()?.parse().ok()?;
            let row = rows.remove(&number)?;
            Some((number, (row, format!("{SECTION}{}\n", section.trim_end()))))
        });
        Page {
            labs: sections.collect(),
        }
    }

    /// The digest that a lab's row was made for.
    #[must_use]
    pub fn digest(&self, number: u8) -> Option<&str> {
        let (row, _) = self.labs.get(&number)?;
        row.split('`').nth(1)
    }

    /// What a lab's row says: the number of mutants, and how many of them are not viable, caught, right too, and survive.
    #[must_use]
    pub fn counts(&self, number: u8) -> Option<Vec<usize>> {
        let (row, _) = self.labs.get(&number)?;
        let cells = row.split('|').skip(2).take(5);
        cells.map(|cell| cell.trim().parse().ok()).collect()
    }

    /// What a lab's section says of those that are right too.
    #[must_use]
    pub fn right_too(&self, number: u8) -> Option<&str> {
        let (_, section) = self.labs.get(&number)?;
        let said = section.split_once(RIGHT_TOO);
        Some(said.map_or("", |(_, items)| items))
    }

    /// Puts in what came of a lab.
    pub fn put(&mut self, lab: &Lab, report: &Report, digest: &str) {
        let row = format!(
            "| {} | {} | {} | {} | {} | {} | {} % | `{digest}` |\n",
            lab.number,
            report.generated,
            report.not_viable,
            report.count_caught(),
            report.equivalent.len(),
            report.survivors.len(),
            report.score()
        );
        let mut section = format!("{SECTION}{}: {}\n", lab.number, lab.title);
        let caught: Vec<String> = report
            .caught
            .iter()
            .map(|(check, count)| format!("`{check}` {count}"))
            .collect();
        let _ = writeln!(section, "\nCaught by {}.", caught.join(", "));
        for (title, left) in [
            ("\nSurvivors:\n\n", &report.survivors),
            (RIGHT_TOO, &report.equivalent),
        ] {
            if !left.is_empty() {
                let _ = write!(section, "{title}{}", items(left));
            }
        }
        self.labs.insert(lab.number, (row, section));
    }

    /// The whole page.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from(
            "# Mutants\n\nWritten by `cargo kit labs mutate --page`. Every reference, with one small mistake at a time: \
             a mutant\nis caught by the lab's first check that fails, or it is right too, as \
             [`equivalent.toml`](equivalent.toml)\nsays why, or it survives. The score is the share caught of those that \
             compile and are wrong.\n\n\
             | lab | mutants | not viable | caught | right too | survivors | score | digest of reference and checks |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        self.labs.values().for_each(|(row, _)| text.push_str(row));
        text.push_str("\n| operator | what it does |\n|---|---|\n");
        for (name, what) in OPERATORS {
            let _ = writeln!(text, "| `{name}` | {} |", what.replace('|', "\\|"));
        }
        self.labs
            .values()
            .for_each(|(_, section)| text.push_str(section));
        text
    }
}

/// Mutants as a list, each with its reason and its diff.
#[must_use]
pub fn items(left: &[Left]) -> String {
    let mut text = String::new();
    for one in left {
        let _ = write!(text, "- line {}, {}", one.line, one.operator);
        if !one.reason.is_empty() {
            let _ = write!(text, ": {}", one.reason);
        }
        text.push_str("\n\n  ```diff\n");
        for line in one.diff.lines() {
            // A diff's mark stands in the first column.
            let (number, rest) = line.split_at(line.len().min(5));
            let (mark, rest) = rest.split_at(1.min(rest.len()));
            let _ = writeln!(text, "  {mark} {} {}", number.trim(), rest.trim());
        }
        text.push_str("  ```\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labs::Manifest;

    #[test]
    fn a_lab_on_the_page_that_is_lost_when_another_is_written() {
        let lab = |number: u8| -> Lab {
            let text = format!(
                "[[lab]]\nnumber = {number}\nfolder = \"x\"\ntitle = \"X\"\nsummary = \"x\"\nminutes = 1\ncheck = []"
            );
            toml::from_str::<Manifest>(&text).unwrap().labs.remove(0)
        };
        let left = Left {
            operator: "swap",
            line: 3,
            diff: "   3 - a;\n   3 + b;\n".into(),
            reason: "a and b are one".into(),
        };
        let report = Report {
            generated: 9,
            caught: vec![("one".into(), 8)],
            equivalent: vec![left],
            ..Report::default()
        };
        let mut page = Page::default();
        page.put(&lab(4), &report, "four");
        page.put(&lab(10), &report, "ten");
        let text = page.text();
        let mut again = Page::read(&text);
        assert_eq!(again.text(), text);
        again.put(&lab(4), &Report::default(), "other");
        assert_eq!(again.digest(4), Some("other"));
        assert_eq!(again.digest(10), Some("ten"));
        assert_eq!(again.digest(5), None);
        assert!(
            text.contains(
                "- line 3, swap: a and b are one\n\n  ```diff\n  - 3 a;\n  + 3 b;\n  ```"
            )
        );
        assert_eq!(again.text().matches("a and b are one").count(), 1);
    }
}
