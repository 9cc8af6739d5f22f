//! Expectations, carried out.

use super::Session;
use super::expression::Expression;
use super::observe::Wanted;
use super::run::Runner;
use crate::observation::Observation;
use crate::report::Style;
use crate::system::{Failure, System};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

impl Runner<'_> {
    /// `expect CONDITION`
    ///
    /// # Errors
    /// What was seen instead.
    pub(super) fn expect(&mut self, condition: &Expression) -> Result<(), Failure> {
        let judged = condition.judge(&self.scope())?;
        if judged.holds {
            self.say(Some(Style::Good), "met");
            return Ok(());
        }
        let seen = match judged.seen.as_str() {
            "" => "it does not hold",
            seen => seen,
        };
        Err(Failure::new(format_args!("unmet: {seen}")).expected(&condition.source))
    }

    /// `expect [no] violation`, `expect [no] hang`
    ///
    /// # Errors
    /// What was seen instead.
    pub(super) fn observe(&mut self, wanted: &str, absent: bool) -> Result<(), Failure> {
        let owed = self.owed.take();
        let text = self.session.variables.expand(wanted)?;
        let wanted = Wanted::parse(&text, self.system.online())?;
        self.session.gather(self.system);
        let is_met = |seen: &&Observation| wanted.is_met_by(seen);
        let met: Vec<Observation> = self
            .session
            .pending
            .iter()
            .filter(is_met)
            .copied()
            .collect();
        match (absent, met.is_empty()) {
            (true, true) => self.say(Some(Style::Good), "met"),
            (false, false) => self.consume(&wanted, &met),
            (true, false) => return Err(unmet(&met, None, &text)),
            (false, true) => {
                let seen = &self.session.pending;
                return Err(match seen.is_empty() {
                    true => none_seen(&wanted, owed.as_ref(), &text),
                    false => unmet(seen, owed.as_ref(), &text),
                });
            }
        }
        Ok(())
    }

    /// Lets what was expected pass.
    fn consume(&mut self, wanted: &Wanted, met: &[Observation]) {
        self.session.pending.retain(|seen| !wanted.is_met_by(seen));
        for seen in met {
            if let Observation::Violation { times, .. } = seen {
                self.excused += times;
                self.system.excuse(*times);
            }
            self.say(Some(Style::Good), &format!("met: {seen}"));
        }
    }
}

/// What was seen instead of what was expected.
fn unmet(seen: &[Observation], owed: Option<&Failure>, expected: &str) -> Failure {
    const TOLD: usize = 4;
    let mut told = String::from("unmet: seen was ");
    for (index, observation) in seen.iter().take(TOLD).enumerate() {
        let gap = if index == 0 { "" } else { "; " };
        // Writing into a string cannot fail.
        let _ = write!(told, "{gap}{observation}");
    }
    if seen.len() > TOLD {
        let _ = write!(told, "; and {} more", seen.len() - TOLD);
    }
    with_owed(told, owed).expected(expected)
}

fn none_seen(wanted: &Wanted, owed: Option<&Failure>, expected: &str) -> Failure {
    let told = format!("unmet: no {} was seen", wanted.noun());
    with_owed(told, owed).expected(expected)
}

fn with_owed(mut told: String, owed: Option<&Failure>) -> Failure {
    if let Some(owed) = owed {
        let _ = write!(told, "; the command failed: {owed}");
    }
    Failure::new(told)
}

impl Session {
    /// Takes what the system saw meanwhile.
    pub(super) fn gather(&mut self, system: &mut dyn System) {
        for observation in system.observations() {
            let merged = self
                .pending
                .iter_mut()
                .any(|before| before.merge(&observation));
            if !merged {
                self.pending.push(observation);
            }
        }
    }

    /// Hangs before this are no longer the last command's.
    pub(super) fn forget_hangs(&mut self) {
        self.pending
            .retain(|seen| matches!(seen, Observation::Violation { .. }));
    }
}
