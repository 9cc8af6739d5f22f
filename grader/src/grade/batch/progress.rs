//! How a batch goes on: bars on a terminal, lines elsewhere, or reports as they come.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Show;
use crate::grade::intake::shown;
use crate::grade::report::{Outcome, Report};
use crate::say;

pub(super) struct Progress {
    show: Show,
    /// None where there is no terminal.
    bar: Option<ProgressBar>,
    planned: u64,
    finished: u64,
    kept: u64,
    /// How many of the three outcomes, in their order.
    outcomes: [u64; 3],
}

impl Progress {
    pub(super) fn new(show: Show) -> Self {
        let terminal = show != Show::Nothing && io::stderr().is_terminal();
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}");
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            show,
            bar,
            planned: 0,
            finished: 0,
            kept: 0,
            outcomes: [0; 3],
        }
    }

    /// There is one more; it may be finished, from a run before.
    pub(super) fn planned(&mut self, kept: Option<&Report>) {
        self.planned += 1;
        if let Some(bar) = &self.bar {
            bar.set_length(self.planned);
        }
        if let Some(report) = kept {
            self.kept += 1;
            self.count(report);
        }
    }

    pub(super) fn finished(&mut self, report: &Report) {
        let line = line(report);
        self.count(report);
        if let Some(bar) = &self.bar {
            bar.set_message(self.message());
            if report.outcome != Outcome::Graded {
                bar.suspend(|| say::line(&line));
            }
        } else if self.show == Show::Text {
            say::line(format_args!("[{}/{}] {line}", self.finished, self.planned));
        }
    }

    /// So many are tried once more.
    pub(super) fn again(&mut self, count: usize) {
        self.finished -= count as u64;
        self.outcomes[2] -= count as u64;
        let line = format!("this host failed for {count}: trying once more");
        match &self.bar {
            Some(bar) => {
                bar.set_position(self.finished);
                bar.suspend(|| say::line(line));
            }
            None if self.show == Show::Nothing => {}
            None => say::line(line),
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.kept > 0 && self.show != Show::Nothing {
            say::line(format_args!("{} were graded before", self.kept));
        }
    }

    fn count(&mut self, report: &Report) {
        self.finished += 1;
        match report.outcome {
            Outcome::Graded => self.outcomes[0] += 1,
            Outcome::NotGradable => self.outcomes[1] += 1,
            Outcome::Infrastructure | Outcome::Running => self.outcomes[2] += 1,
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.finished);
        }
        if let (Show::Json, Ok(text)) = (self.show, serde_json::to_string(report)) {
            // Who does not read on wants the files all the same.
            let _ = writeln!(io::stdout(), "{text}");
        }
    }

    fn message(&self) -> String {
        let [graded, not, failed] = self.outcomes;
        format!("{graded} graded, {not} not gradable, {failed} failed here")
    }
}

/// A report in a line.
fn line(report: &Report) -> String {
    let (who, lab) = (shown(&report.submission), report.lab);
    let first = shown(&report.reason_in_a_line());
    match report.outcome {
        Outcome::Graded => format!("{who}, lab {lab}: {} of {}", report.points, report.of),
        Outcome::NotGradable => format!("{who}, lab {lab}: not gradable: {first}"),
        Outcome::Infrastructure | Outcome::Running => {
            format!("{who}, lab {lab}: this host failed: {first}")
        }
    }
}
