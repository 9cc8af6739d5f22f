//! What students read of a check, and of a submission that could not be graded.

use std::fmt::Write as _;

use crate::grade::report::{Checked, Outcome, Passed, Report};

/// A check as a platform shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Its name, with its lab's number.
    pub(super) name: String,
    /// What was tested.
    pub(super) description: String,
    /// What came of it, for who wrote the solution; empty for a hidden check.
    pub(super) text: String,
    /// A hint; empty if there is none.
    pub(super) hint: String,
    pub(super) passed: bool,
    pub(super) points: u32,
    pub(super) of: u32,
    pub(super) hidden: bool,
}

/// What students read of a report: its checks, or why there are none.
pub(super) fn told(report: &Report) -> Vec<Told> {
    let lab = report.lab;
    if report.outcome != Outcome::Graded {
        return vec![Told {
            name: format!("lab {lab}: can be graded"),
            description: format!(
                "lab {lab}, {}: the solution is there and keeps the rules",
                report.title
            ),
            text: report.reason.clone(),
            hint: String::new(),
            passed: false,
            points: 0,
            of: report.of,
            hidden: false,
        }];
    }
    let checks = report.checks.iter().enumerate();
    checks
        .map(|(index, check)| one(lab, index + 1, check))
        .collect()
}

fn one(lab: u8, number: usize, check: &Checked) -> Told {
    let passed = check.passed == Passed::Yes;
    let name = match check.hidden {
        true => format!("lab {lab}: hidden check {number}"),
        false => format!("lab {lab}: {}", check.name),
    };
    let (description, text, hint) = match check.hidden {
        true => ("a hidden check".to_owned(), String::new(), String::new()),
        false => (check.description.clone(), text(check), check.hint.clone()),
    };
    Told {
        name,
        description,
        text,
        hint,
        passed,
        points: check.points,
        of: check.of,
        hidden: check.hidden,
    }
}

/// All that a report says of a check, in paragraphs.
pub(super) fn text(check: &Checked) -> String {
    let mut text = String::new();
    if let (Passed::Skipped, Some(first)) = (check.passed, &check.dependency) {
        let _ = writeln!(text, "Not tried: `{first}` has to pass first.");
    }
    let reproduce = check.reproduce.as_deref().unwrap_or_default();
    let failed = check.passed == Passed::No;
    let parts = [
        ("Tested", check.description.as_str(), true),
        ("Looked at", &check.looked, true),
        ("Why it matters", &check.rationale, failed),
        ("Given", &check.input, failed),
        ("Expected", &check.expected, failed),
        ("Seen", &check.actual, failed),
        ("Hint", &check.hint, failed),
        ("To see it again", reproduce, failed),
    ];
    for (what, said, shown) in parts {
        if shown && !said.is_empty() {
            let _ = writeln!(text, "{what}: {said}");
        }
    }
    if failed && !check.log.is_empty() {
        let _ = write!(text, "\n{}", check.log);
    }
    text
}

/// The text, or its beginning and end, in `most` bytes.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    // Room for the line between.
    let half = most.saturating_sub(60) / 2;
    let head = text.floor_char_boundary(half);
    let tail = text.ceil_char_boundary(text.len() - half);
    let out = tail - head;
    format!(
        "{}\n... {out} bytes are left out here ...\n{}",
        &text[..head],
        &text[tail..]
    )
}

/// Cuts texts, to the same length, until the document that `render` makes of them is `most` bytes at the most.
pub(super) fn fitting(
    mut told: Vec<Told>,
    most: usize,
    mut render: impl FnMut(&[Told]) -> Result<String, crate::status::Failure>,
) -> Result<String, crate::status::Failure> {
    let mut length = told.iter().map(|told| told.text.len()).max().unwrap_or(0);
    loop {
        let document = render(&told)?;
        if document.len() <= most || length == 0 {
            return Ok(document);
        }
        length /= 2;
        told.iter_mut()
            .for_each(|told| told.text = cut(&told.text, length));
    }
}

/// The sum of points, and of what can be reached.
pub(super) fn points(reports: &[Report]) -> (u32, u32) {
    let sum = |of: fn(&Report) -> u32| reports.iter().map(of).sum();
    (sum(|report| report.points), sum(|report| report.of))
}
