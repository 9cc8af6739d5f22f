//! What the end of a run means: the status to end with, and what there is to say about it.

use crate::child::{CANNOT_START, MachineExit};
use crate::status::{Failure, Status};
use crate::wiring::{Ending, Finished};

/// The kind of run, which decides what some endings mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person or a pipe at the prompt.
    Shell,
    /// A script in the initrd, which must run to its end.
    Script,
}

/// Judges a run. `by_hand` is the command to repeat it.
///
/// # Errors
/// Everything that is not success, with what the reader should know. Signals are not judged here.
pub fn judge(finished: &Finished, kind: Kind, by_hand: &str) -> Result<(), Failure> {
    let failure = match &finished.ending {
        Ending::Exited(MachineExit::Reboot) if kind == Kind::Shell && finished.booted => {
            return Ok(());
        }
        Ending::Exited(exit) => match exited(*exit, finished, kind) {
            Some(failure) => failure,
            None => return Ok(()),
        },
        Ending::NotBooted(diagnosis) => {
            let failure = Failure::new(Status::NotBooted, "the machine did not boot");
            diagnosis
                .iter()
                .cloned()
                .fold(failure, Failure::advise)
                .advise(format!("by hand: {by_hand}"))
        }
        Ending::TimedOut => {
            let took = format!("did not finish within {} s", finished.elapsed.as_secs());
            Failure::new(Status::Unfinished, took)
                .advise(format!("last seen: {}", finished.last_seen))
        }
        Ending::Flooded => Failure::new(Status::Unfinished, "the machine writes without end")
            .advise(format!("last seen: {}", finished.last_seen)),
        Ending::Full => Failure::new(
            Status::Unfinished,
            "what is written about the machine takes too much room",
        )
        .advise(format!("last seen: {}", finished.last_seen)),
        Ending::Stuck => Failure::new(
            Status::Unfinished,
            "the input ended, but a command is still running and silent",
        )
        .advise(format!("last seen: {}", finished.last_seen)),
        Ending::Broken(reason) => Failure::host(reason.clone()),
        Ending::Prompted | Ending::Left | Ending::InputEnded | Ending::Signal(_) => return Ok(()),
    };
    Err(with_messages(failure, finished))
}

/// What the end of QEMU means; `None` for success.
fn exited(exit: MachineExit, finished: &Finished, kind: Kind) -> Option<Failure> {
    let last = format!("last seen: {}", finished.last_seen);
    let failure = |message: String| Failure::new(exit.status(), message);
    Some(match exit {
        MachineExit::Success => return None,
        MachineExit::CommandFailed => match kind {
            Kind::Script => {
                failure("a command of the script failed, or an expectation was not met".into())
            }
            Kind::Shell => failure("the shell was left with a failure".into()),
        },
        MachineExit::Panicked => failure("the kernel stopped itself: its report is above".into()),
        MachineExit::Violation => failure("the kernel saw a violation: its report is above".into()),
        MachineExit::Reboot if finished.booted => Failure::new(
            Status::CommandFailed,
            "the script restarts the machine: it would never end",
        ),
        MachineExit::Reboot => Failure::new(
            Status::NotBooted,
            "the machine asks for a restart before it has booted",
        )
        .advise(last),
        MachineExit::Hung => {
            failure("a wait lasted too long: the watchdog's report is above".into())
        }
        MachineExit::Reset => failure("the machine reset itself: a triple fault".into())
            .advise(last)
            .advise("QEMU with --int-log FILE shows the exceptions that led to it"),
        MachineExit::Emulator(CANNOT_START) => failure("the emulator could not be started".into()),
        MachineExit::Emulator(status) => {
            failure(format!("the emulator ended by itself with status {status}")).advise(last)
        }
        MachineExit::Killed(signal) => {
            failure(format!("the emulator was killed by signal {signal}")).advise(last)
        }
    })
}

fn with_messages(failure: Failure, finished: &Finished) -> Failure {
    finished
        .messages
        .lines()
        .map(|line| line.escape_debug().to_string())
        .fold(failure, Failure::advise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn status(ending: Ending, kind: Kind, booted: bool) -> Status {
        let finished = Finished {
            ending,
            transcript: Vec::new(),
            last_seen: String::new(),
            messages: String::new(),
            prompt_after: None,
            booted,
            elapsed: Duration::ZERO,
        };
        judge(&finished, kind, "").map_or_else(|failure| failure.status, |()| Status::Success)
    }

    #[test]
    fn a_script_that_reboots_passing_for_one_that_finished() {
        let reboot = || Ending::Exited(MachineExit::Reboot);
        assert_eq!(status(reboot(), Kind::Script, true), Status::CommandFailed);
        assert_eq!(status(reboot(), Kind::Shell, true), Status::Success);
        assert_eq!(status(reboot(), Kind::Shell, false), Status::NotBooted);
    }

    #[test]
    fn a_cut_off_run_passing_for_success() {
        for ending in [
            Ending::TimedOut,
            Ending::Stuck,
            Ending::Flooded,
            Ending::Full,
            Ending::Broken(String::new()),
        ] {
            assert_ne!(status(ending, Kind::Shell, true), Status::Success);
        }
    }
}
