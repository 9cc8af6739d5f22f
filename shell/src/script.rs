//! Scripts: commands in order with variables, expectations and loops, never through the line
//! editor.
//!
//! The same statements work at the prompt, a line at a time. Start reading at `statement`, what a
//! script is made of, then `parser` and `run`; `help scripts` is the language's description.
//!
//! A script is read and checked as a whole before any of it runs. Nothing here recurses deeper than
//! blocks may lie in each other, and expressions not at all, since the text is not trusted and the
//! kernel's stack is small.

mod check;
mod evaluate;
mod expectations;
mod expression;
mod guide;
mod items;
mod lexer;
mod observe;
mod operate;
mod parser;
mod path;
mod run;
mod simple;
mod statement;
mod variables;

#[cfg(test)]
mod tests;

use crate::observation::Observation;
use crate::parse::Quoted;
use crate::report::{Answer, Console, Settings, Sink, Style};
use crate::system::{Failure, System};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use guide::TOPIC;
pub(crate) use guide::{STATEMENTS, section, show, statements};
use parser::Problem;
use run::{Echo, Runner};
use variables::Variables;

/// How a script ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptOutcome {
    /// How many commands were carried out, the one that failed included.
    pub commands: usize,
    /// The statement that ended the script early, if one did.
    pub stopped: Option<Stopped>,
    /// How many violations were counted while it ran that it did not expect.
    pub violations: u64,
}

impl ScriptOutcome {
    /// Whether everything was as expected and nothing else was violated.
    pub fn passed(&self) -> bool {
        self.stopped.is_none() && self.violations == 0
    }
}

/// Where and why a script ended early.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The line's number, from 1.
    pub line: usize,
    /// The statement: a command as it was carried out, all else as it was written.
    pub command: String,
    /// What was wrong.
    pub failure: Failure,
}

/// What one line of a script or of the prompt leaves for the next.
#[derive(Debug, Default)]
pub(crate) struct Session {
    variables: Variables,
    /// The answer to the last command.
    last: Option<Answer>,
    /// What the system saw and nobody has expected.
    pending: Vec<Observation>,
}

/// The words with which statements begin that are no commands.
pub(crate) fn keywords() -> impl Iterator<Item = &'static str> {
    STATEMENTS.iter().map(|entry| entry.name)
}

/// The words that `help` explains beside commands.
pub(crate) fn topics() -> impl Iterator<Item = &'static str> {
    keywords().chain([TOPIC])
}

/// Whether `word` begins a statement that is no command.
fn keyword(word: &str) -> bool {
    word == "else" || keywords().any(|keyword| keyword == word)
}

/// Runs the script `text`. Before each answer the transcript shows the prompt and the statement.
/// Ends at the first statement that does not do as expected; with a mistake anywhere, before the
/// first.
pub fn run_script(
    text: &[u8],
    system: &mut dyn System,
    sink: &mut dyn Sink,
    settings: Settings,
) -> ScriptOutcome {
    let before = system.violations();
    // What was seen before is not the script's.
    drop(system.observations());
    let checked = parser::parse(text).and_then(|program| {
        let problems = check::check(&program, core::iter::empty(), Some(&*system));
        problems.is_empty().then_some(program).ok_or(problems)
    });
    let (commands, excused, stopped) = match checked {
        Err(problems) => (0, 0, refuse(problems, sink, settings)),
        Ok(program) => {
            let mut session = Session::default();
            sink.attend(true);
            let mut runner = Runner::new(&mut session, system, sink, settings, Echo::All);
            let stopped = runner.block(&program).err().map(|stopped| *stopped);
            let (commands, excused) = (runner.commands, runner.excused);
            sink.attend(false);
            if let Some(Stopped { line, command, .. }) = &stopped {
                let text = format!("script: stopped at line {line}: {}", Quoted(command));
                say(Style::Bad, &text, sink, settings);
            }
            (commands, excused, stopped)
        }
    };
    let seen = system.violations().saturating_sub(before);
    ScriptOutcome {
        commands,
        stopped,
        violations: seen.saturating_sub(excused),
    }
}

/// Shows the mistakes in a script; returns the first.
fn refuse(problems: Vec<Problem>, sink: &mut dyn Sink, settings: Settings) -> Option<Stopped> {
    for problem in problems.iter().take(parser::MOST_PROBLEMS) {
        let mut failure = problem.failure.clone();
        failure.message = format!("line {}: {}", problem.line, failure.message);
        failure.show(&mut Console::new(sink, settings));
        if !problem.text.is_empty() {
            let text = format!("  in {}", problem.text);
            say(Style::Dim, &text, sink, settings);
        }
    }
    say(Style::Bad, "script: nothing of it was run", sink, settings);
    problems.into_iter().next().map(|problem| Stopped {
        line: problem.line,
        command: problem.text,
        failure: problem.failure,
    })
}

fn say(style: Style, text: &str, sink: &mut dyn Sink, settings: Settings) {
    let mut console = Console::new(sink, settings);
    console.styled(Some(style), text);
    console.end_line();
}

impl Session {
    /// Carries out a line of the prompt.
    ///
    /// # Errors
    /// What its first statement that failed failed with, which was shown.
    pub(crate) fn line(
        &mut self,
        line: &str,
        system: &mut dyn System,
        sink: &mut dyn Sink,
        settings: Settings,
    ) -> Result<(), Failure> {
        let checked = parser::parse(line.as_bytes()).and_then(|program| {
            let problems = check::check(&program, self.variables.names(), None);
            problems.is_empty().then_some(program).ok_or(problems)
        });
        let program = match checked {
            Ok(program) => program,
            Err(problems) => {
                // The line is there to be seen: its first mistake will do.
                let failure = problems.into_iter().next().map(|problem| problem.failure);
                let failure = failure.unwrap_or_else(|| Failure::new("the line is no statement"));
                failure.show(&mut Console::new(sink, settings));
                return Err(failure);
            }
        };
        sink.attend(true);
        let mut runner = Runner::new(self, system, sink, settings, Echo::Inside);
        let result = runner.block(&program);
        sink.attend(false);
        result.map_err(|stopped| stopped.failure)
    }
}
