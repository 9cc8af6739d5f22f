//! What a test must leave as it found it: memory, and a protocol at rest.

use crate::{machine, protocols};
use alloc::format;
use alloc::string::String;
use hw::{frames, stack};
use shootdown::{CpuId, flush};

/// What there was when a test began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Audit {
    frames: u64,
    leaked: usize,
}

/// The frames that are free, and those in kernel stacks, which stay where they are once made.
fn frames_accounted_for() -> u64 {
    frames::usage().free + stack::frames()
}

impl Audit {
    /// Takes stock.
    pub fn begin() -> Audit {
        Audit {
            frames: frames_accounted_for(),
            leaked: flush::leaked(),
        }
    }

    /// Takes stock again.
    ///
    /// # Errors
    /// What is missing, or still pending, in words.
    pub fn end(self) -> Result<(), String> {
        let now = Audit::begin();
        if now.leaked != self.leaked {
            return Err(format!(
                "{} flushes ended without a shootdown",
                now.leaked - self.leaked
            ));
        }
        if now.frames != self.frames {
            return Err(format!(
                "{} frames were free before, {} are now",
                self.frames, now.frames
            ));
        }
        match pending() {
            Some((target, initiator)) => Err(format!(
                "CPU {initiator}'s request is still pending for CPU {target}"
            )),
            None => Ok(()),
        }
    }
}

/// A target and an initiator whose request it has not acknowledged, by the protocol in use.
pub fn pending() -> Option<(CpuId, CpuId)> {
    machine::online().into_iter().find_map(|initiator| {
        let late = protocols::outstanding(initiator).into_iter().next()?;
        Some((late, initiator))
    })
}
