//! Scripts: commands from a file, run in order, never through the line editor.

use crate::repl::{PROMPT, run_line};
use crate::report::{Console, Settings, Sink, Style};
use crate::system::{Failure, System};
use alloc::format;
use alloc::string::{String, ToString};

/// How a script ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptOutcome {
    /// How many commands were carried out, the one that failed included.
    pub commands: usize,
    /// The line that ended the script early, if one did.
    pub stopped: Option<Stopped>,
    /// How many violations were counted while it ran.
    pub violations: u64,
}

impl ScriptOutcome {
    /// Whether every command did as expected and nothing was violated.
    pub fn passed(&self) -> bool {
        self.stopped.is_none() && self.violations == 0
    }
}

/// Where and why a script ended early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The line's number, from 1.
    pub line: usize,
    /// The command, as written.
    pub command: String,
    /// What was wrong.
    pub failure: Failure,
}

/// One line of a script that is a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step<'a> {
    /// The line's number, from 1.
    pub line: usize,
    /// The command.
    pub command: &'a str,
    /// Whether it is expected to fail: it is written `! COMMAND`.
    pub fails: bool,
}

/// The commands of `text`: blank lines and comments (`#`) left out, a byte-order mark and carriage
/// returns at line ends ignored. A line that is not UTF-8 is its number alone.
pub fn steps(text: &[u8]) -> impl Iterator<Item = Result<Step<'_>, usize>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|&byte| byte == b'\n')
        .enumerate()
        .filter_map(|(index, bytes)| {
            let line = index + 1;
            let Ok(written) = core::str::from_utf8(bytes) else {
                return Some(Err(line));
            };
            let written = written.trim_matches([' ', '\t', '\r']);
            let (fails, command) = match written.strip_prefix('!') {
                Some(command) => (true, command.trim_start_matches([' ', '\t'])),
                None => (false, written),
            };
            let said = !command.is_empty() && !command.starts_with('#');
            (said || fails).then_some(Ok(Step {
                line,
                command,
                fails,
            }))
        })
}

/// Runs the commands of `text` in order. Before each answer the transcript shows the prompt and
/// the command. Ends at the first line that does not do as expected.
pub fn run_script(
    text: &[u8],
    system: &mut dyn System,
    sink: &mut dyn Sink,
    settings: Settings,
) -> ScriptOutcome {
    let before = system.violations();
    let mut outcome = ScriptOutcome {
        commands: 0,
        stopped: None,
        violations: 0,
    };
    for step in steps(text) {
        let stopped = match step {
            Ok(step) => {
                outcome.commands += 1;
                run_step(step, system, sink, settings).err().map(|failure| {
                    let command = step.command.to_string();
                    Stopped {
                        line: step.line,
                        command,
                        failure,
                    }
                })
            }
            Err(line) => {
                let failure = Failure::new("the line is not UTF-8 text");
                failure.show(&mut Console::new(sink, settings));
                Some(Stopped {
                    line,
                    command: String::new(),
                    failure,
                })
            }
        };
        if let Some(stopped) = stopped {
            let end = format!("script: stopped at line {}", stopped.line);
            let mut console = Console::new(sink, settings);
            console.styled(Some(Style::Bad), &end);
            console.end_line();
            outcome.stopped = Some(stopped);
            break;
        }
    }
    outcome.violations = system.violations().saturating_sub(before);
    outcome
}

/// # Errors
/// What the command failed with; or, where it was expected to fail, that it did not.
fn run_step(
    step: Step<'_>,
    system: &mut dyn System,
    sink: &mut dyn Sink,
    settings: Settings,
) -> Result<(), Failure> {
    let mark = if step.fails { "! " } else { "" };
    let mut console = Console::new(sink, settings);
    console.line(&format!("{PROMPT}{mark}{}", step.command));
    let result = run_line(step.command, system, sink, settings);
    match (step.fails, result) {
        (false, result) => result,
        (true, Err(_)) => Ok(()),
        (true, Ok(())) => {
            let failure = Failure::new("the command succeeded, and `!` says that it fails");
            failure.show(&mut Console::new(sink, settings));
            Err(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeSystem, PLAIN};
    use alloc::vec::Vec;

    fn run(text: &[u8]) -> (ScriptOutcome, Vec<String>, String) {
        let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
        let outcome = run_script(text, &mut system, &mut sink, PLAIN);
        let lines = system.lines().iter().map(ToString::to_string).collect();
        (
            outcome,
            lines,
            String::from_utf8(sink).expect("the shell writes UTF-8"),
        )
    }

    #[test]
    fn the_transcript_shows_each_command_and_its_answer() {
        let (outcome, _, text) = run(b"# a comment\n\necho one\n  sleep 5  \n");
        assert!(outcome.passed());
        assert_eq!(outcome.commands, 2);
        assert_eq!(
            text,
            "tlb> echo one\none\ntlb> sleep 5\nbefore  1\n5 ms to go\nafter  2\n"
        );
    }

    #[test]
    fn a_script_from_another_system_reads_the_same() {
        let unix = run(b"cpus\n! regs 9\nmem\n");
        assert_eq!(run(b"\xef\xbb\xbfcpus\r\n! regs 9\r\nmem"), unix);
        assert_eq!(unix.1, ["cpus", "mem"]);
    }

    #[test]
    fn the_first_failure_ends_it_with_its_line() {
        let (outcome, lines, text) = run(b"cpus\n\nregs 9\nreboot\n");
        assert_eq!(lines, ["cpus"]);
        assert!(!outcome.passed());
        let stopped = outcome.stopped.expect("a failure");
        assert_eq!((stopped.line, stopped.command.as_str()), (3, "regs 9"));
        assert!(text.ends_with("script: stopped at line 3\n"), "{text}");
    }

    #[test]
    fn a_failure_that_was_expected_does_not_end_it_and_a_success_that_was_not_does() {
        let (outcome, lines, text) = run(b"! regs 1\n!regs 9\ncpus\n");
        assert!(outcome.passed());
        assert_eq!(lines, ["regs 1", "cpus"]);
        assert!(text.starts_with("tlb> ! regs 1\n"), "{text}");
        let (outcome, lines, _) = run(b"! cpus\nmem\n");
        assert_eq!(lines, ["cpus"]);
        assert_eq!(outcome.stopped.map(|stopped| stopped.line), Some(1));
    }

    #[test]
    fn a_violation_fails_its_command_and_is_counted_even_where_failure_is_expected() {
        let (outcome, ..) = run(b"storm rounds=13\ncpus\n");
        assert_eq!(outcome.stopped.map(|stopped| stopped.line), Some(1));
        let (outcome, lines, _) = run(b"! storm rounds=13\ncpus\n");
        assert_eq!(lines, ["storm rounds=13", "cpus"]);
        assert_eq!((outcome.violations, outcome.passed()), (2, false));
    }

    #[test]
    fn what_is_no_text_ends_it_before_anything_runs_from_it() {
        let (outcome, lines, _) = run(b"cpus\n\xff\xfe\nmem\n");
        assert_eq!(lines, ["cpus"]);
        assert_eq!(outcome.stopped.map(|stopped| stopped.line), Some(2));
    }

    #[test]
    fn a_line_beyond_the_limit_ends_it_and_is_not_executed() {
        let mut text = b"echo ".to_vec();
        text.resize(10_000, b'x');
        let (outcome, _, shown) = run(&text);
        assert!(!outcome.passed());
        assert!(shown.contains("longer than 512 bytes"));
    }

    #[test]
    fn a_lone_mark_is_no_expected_failure() {
        assert!(!run(b"!\n").0.passed());
    }
}
