//! What is told of a check: what was tested and why it matters, what went in, what was expected, what came out.

use super::report::{Checked, Passed};
use crate::labs::check::Outcome;
use crate::labs::{Check, Kind, Lab, rules};

/// `text`, in which a submission may have had its say, for terminals and pages: what would move a cursor, change colours,
/// hide letters or turn them round is written as Rust writes it.
#[must_use]
pub fn plain(text: &str) -> String {
    let moves = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    text.chars().fold(String::new(), |mut plain, letter| {
        if moves(letter) || rules::hides(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
        plain
    })
}

/// A check that was not reached yet.
#[must_use]
pub fn pending(check: &Check) -> Checked {
    Checked {
        name: check.id.clone(),
        description: check.what.clone(),
        passed: Passed::Pending,
        points: 0,
        of: check.weight,
        hidden: check.hidden,
        dependency: None,
        looked: String::new(),
        rationale: check.why.clone(),
        input: String::new(),
        expected: String::new(),
        actual: String::new(),
        invariant: None,
        log: String::new(),
        schedule: None,
        chart: None,
        hint: String::new(),
        reproduce: None,
    }
}

/// How `check` of `lab` came out.
#[must_use]
pub fn checked(lab: &Lab, check: &Check, outcome: &Outcome) -> Checked {
    let mut checked = pending(check);
    checked.input = input(lab, check);
    checked.expected = expected(check);
    match outcome {
        Outcome::Passed(how) => {
            checked.passed = Passed::Yes;
            checked.points = check.weight;
            checked.looked.clone_from(how);
        }
        Outcome::Skipped(id) => {
            checked.passed = Passed::Skipped;
            checked.dependency = Some(id.clone());
        }
        Outcome::Failed(told) => {
            checked.passed = Passed::No;
            checked.actual = plain(&told.seen);
            checked.invariant = told.invariant;
            checked.log = plain(&told.picture);
            checked.schedule.clone_from(&told.schedule);
            checked.chart.clone_from(&told.chart);
            checked.hint.clone_from(&check.hint);
            checked.reproduce.clone_from(&told.again);
        }
    }
    checked
}

/// What is left for students of a check that the manifest hides.
#[must_use]
pub fn hidden(checked: &Checked) -> Checked {
    Checked {
        description: "a hidden check".into(),
        looked: String::new(),
        rationale: String::new(),
        input: String::new(),
        expected: String::new(),
        actual: String::new(),
        invariant: None,
        log: String::new(),
        schedule: None,
        chart: None,
        hint: String::new(),
        reproduce: None,
        ..checked.clone()
    }
}

fn input(lab: &Lab, check: &Check) -> String {
    let scenes = check.scenes.join(", ");
    match check.kind {
        Kind::Rules | Kind::Compiles => "the file".into(),
        Kind::Explore => format!("every interleaving of the scenes {scenes}"),
        Kind::Transfers => format!("100 schedules of the scenes {scenes}"),
        Kind::Instructions => "`bench protocols` in the kernel, by counted instructions".into(),
        Kind::Machine => {
            let script = check.script.as_deref().unwrap_or_default();
            let cpus = check.cpus.unwrap_or(4);
            let words = match check.words.as_slice() {
                [] => String::new(),
                words => format!(", with {}", words.join(" ")),
            };
            format!(
                "the kernel, {cpus} CPUs{words}: labs/{}/{script}",
                lab.folder
            )
        }
        Kind::Spares => "the script, on a kernel with a right protocol".into(),
        Kind::Kills => "the script, on a kernel with a wrong protocol".into(),
        Kind::Answer => "the script's remarks".into(),
        Kind::SeeProof => "the script without its faults".into(),
        _ => "the script".into(),
    }
}

fn expected(check: &Check) -> String {
    let most = check.most.unwrap_or(0);
    match check.kind {
        Kind::Rules => "nothing but what the lab's module offers".into(),
        Kind::Compiles => "no errors".into(),
        Kind::Explore => "no rule is broken, and nobody waits for ever".into(),
        Kind::Transfers => format!("at most {most} cache lines go from CPU to CPU"),
        Kind::Instructions => format!("at most {most} % of what the kit's scoreboard takes"),
        Kind::Machine => "the script succeeds, and the judge of the evidence finds nothing".into(),
        Kind::Spares => "it succeeds, and the judge finds nothing".into(),
        Kind::Kills => "it fails, or the judge finds something".into(),
        Kind::Answer => {
            let name = check.answer.as_deref().unwrap_or_default();
            format!("one line `# {name}: …` with the right answer")
        }
        Kind::SeeRuns => "it runs to its end".into(),
        Kind::SeeDead => "a read of the old frame after the shootdown has returned".into(),
        Kind::SeeOne => "one CPU does, and another that held the translation does not".into(),
        Kind::SeeProof => "it stops at an `expect`".into(),
        Kind::SeeCure => "that CPU reads the new frame, with no change in between".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_moves_the_cursor() {
        assert_eq!(plain("CPU 1\tÜ »\n日本\n"), "CPU 1\tÜ »\n日本\n");
        assert_eq!(
            plain("\x1b[2J\r\u{202e}\u{9b}K\u{200b}\0"),
            r"\u{1b}[2J\u{d}\u{202e}\u{9b}K\u{200b}\u{0}"
        );
    }
}
