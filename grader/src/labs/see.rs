//! Lab 1: a script, judged by what the CPUs read.

use evidence::Timeline;
use evidence::readings::{Age, Reading, changes, readings};
use shootdown::CpuSet;

use super::court::Court;
use crate::status::{Failure, Status};

/// A run of a script, and what it left.
pub(super) struct Run {
    status: Status,
    /// What the machine printed.
    pub transcript: String,
    complaint: String,
    /// Why its evidence is not to be believed, if it is not.
    doubt: Option<String>,
    timeline: Timeline,
    readings: Vec<Reading>,
}

impl Run {
    /// Runs `script`, deterministically, with all that happens recorded.
    ///
    /// # Errors
    /// What kept the machine from being started.
    pub fn make(court: &Court<'_>, script: &str) -> Result<Self, Failure> {
        let judged = court.judged(court.machine(), script)?;
        let readings = readings(&judged.timeline);
        Ok(Run {
            status: judged.outcome.status,
            transcript: judged.outcome.script_transcript(),
            complaint: judged.outcome.complaint,
            doubt: judged.doubt,
            timeline: judged.timeline,
            readings,
        })
    }

    /// Whether the script ran to its end. That it shows a violation is what it is for.
    pub fn ends(&self) -> Result<(), String> {
        if !matches!(self.status, Status::Success | Status::Violation) {
            let last = self
                .transcript
                .lines()
                .rfind(|line| line.starts_with("script: "));
            let last = last.map_or(String::new(), |line| format!(": {line}"));
            return Err(format!(
                "{}{last}",
                self.complaint.lines().next().unwrap_or_default()
            ));
        }
        self.doubt.clone().map_or(Ok(()), Err)
    }

    /// The first read through a dead translation.
    pub fn dead(&self) -> Result<&Reading, String> {
        if let Some(dead) = self.readings.iter().find(|read| read.age == Age::Dead) {
            return Ok(dead);
        }
        let late = self.readings.iter().find(|read| read.age == Age::Late);
        Err(match late {
            Some(late) => format!(
                "CPU {} read {:#x} at {:#x} where the page table said {:#x}, but no shootdown of that change which \
                 asked it had returned: its translation was late, not dead",
                late.cpu, late.seen, late.page, late.truth
            ),
            None if self.readings.is_empty() => "no CPU read anything".into(),
            None => "every CPU read what the page table said".into(),
        })
    }

    /// Whether only one CPU did, and another that held the translation as well did not.
    pub fn one(&self) -> Result<(), String> {
        let first = self.dead()?;
        let dead = self.readings.iter().filter(|read| read.age == Age::Dead);
        let cpus: CpuSet = dead.map(|read| read.cpu).collect();
        let others = cpus.without(first.cpu);
        if !others.is_empty() {
            return Err(format!(
                "CPU {} read through a dead translation, and CPUs {others} too",
                first.cpu
            ));
        }
        let change = changes(&self.timeline, first, 0, first.record)
            .last()
            .unwrap_or(0);
        let fresh = |read: &&Reading| {
            (read.page, read.space, read.age) == (first.page, first.space, Age::Fresh)
                && read.cpu != first.cpu
        };
        let held: CpuSet = self
            .readings
            .iter()
            .filter(fresh)
            .filter(|read| read.record < change)
            .map(|read| read.cpu)
            .collect();
        let right = self
            .readings
            .iter()
            .filter(fresh)
            .filter(|read| read.record > change)
            .any(|read| held.contains(read.cpu));
        if right {
            return Ok(());
        }
        Err(format!(
            "no other CPU read {:#x} both before the change and after it",
            first.page
        ))
    }

    /// Whether that CPU later read what the page table said, which nobody had changed.
    pub fn cure(&self) -> Result<(), String> {
        let dead = self.dead()?;
        let cured = self.readings.iter().find(|read| {
            (read.cpu, read.page, read.space, read.age)
                == (dead.cpu, dead.page, dead.space, Age::Fresh)
                && read.record > dead.record
        });
        let Some(cured) = cured else {
            return Err(format!(
                "CPU {} never read what the page table says at {:#x} again",
                dead.cpu, dead.page
            ));
        };
        if changes(&self.timeline, dead, dead.record, cured.record)
            .next()
            .is_some()
        {
            return Err(format!(
                "CPU {} reads right again, but the page's entry was changed in between",
                dead.cpu
            ));
        }
        Ok(())
    }
}

/// Whether a run without faults fails for want of them.
pub(super) fn proof(run: &Run) -> Result<(), String> {
    let stopped = run
        .transcript
        .lines()
        .find(|line| line.starts_with("script: stopped at "));
    match stopped {
        Some(line) if run.status == Status::CommandFailed && line.contains("`expect ") => Ok(()),
        Some(line) => Err(format!(
            "without its faults the script stops elsewhere: {line}"
        )),
        None => Err("without its faults the script succeeds all the same".into()),
    }
}

/// The script without the lines that arm faults.
pub(super) fn without_faults(script: &str) -> String {
    let arms = |line: &&str| {
        let mut words = line.trim_start().trim_start_matches('!').split_whitespace();
        words.next() == Some("fault")
            && !matches!(
                words.next(),
                None | Some("list" | "actions" | "clear" | "save")
            )
    };
    // An empty line in its place: the numbers of lines stay.
    let lines = script
        .lines()
        .map(|line| if arms(&line) { "" } else { line });
    lines.fold(String::new(), |all, line| all + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_arms_a_fault_left_in() {
        let script = "map 0x400000\n  fault send drop\n!fault x\nfault clear\nfault\n# fault a b\n";
        assert_eq!(
            without_faults(script),
            "map 0x400000\n\n\nfault clear\nfault\n# fault a b\n"
        );
    }
}
