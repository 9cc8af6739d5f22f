//! Reading lines and carrying them out.

use crate::commands::{Action, Builtin};
use crate::help;
use crate::notice;
use crate::parse::{Invocation, Parsed, parse, too_long};
use crate::report::{Answer, Console, Mode, Output, Settings, Sink};
use crate::script::Session;
use crate::system::{Failure, System};
use crate::terminal::{Input, LineReader, Memory, Tty};
use crate::tour;
use alloc::string::{String, ToString};

/// What the shell prints before each line.
pub const PROMPT: &str = "tlb> ";

/// Reads lines from `tty` and carries them out, until `tty` has no more input.
///
/// `memory` holds the line and the history. The kernel's `tty` never ends, so there this returns
/// only when a command ends the machine, which is to say never.
pub fn interactive(
    tty: &mut dyn Tty,
    system: &mut dyn System,
    settings: Settings,
    memory: &mut Memory,
) {
    let mut reader = LineReader::new(memory, settings);
    let mut session = Session::default();
    loop {
        match reader.read(tty, system) {
            Input::Line(line) => {
                // Shown already; the next line's fate does not depend on it.
                let _ = session.line(&line, system, tty, settings);
            }
            Input::Abandoned => {}
            Input::TooLong => too_long().show(&mut Console::new(tty, settings)),
            Input::End => return,
        }
    }
}

/// Carries out one command and shows its answer: text, or one line of JSON. A blank line or a
/// comment succeeds without a trace.
///
/// # Errors
/// What the command failed with, which was shown. A command that succeeds while violations are
/// counted counts as failed.
pub fn run_line(
    line: &str,
    system: &mut dyn System,
    sink: &mut dyn Sink,
    settings: Settings,
) -> Result<(), Failure> {
    let answer = carry_out_line(line, system, sink, settings);
    answer.and_then(|answer| answer.failure).map_or(Ok(()), Err)
}

/// The same, returning the answer that was shown.
pub(crate) fn carry_out_line(
    line: &str,
    system: &mut dyn System,
    sink: &mut dyn Sink,
    settings: Settings,
) -> Option<Answer> {
    let (answer, mode) = answer(line, system, sink, settings, None)?;
    if mode == Mode::Json {
        let mut console = Console::new(sink, settings);
        console.text(&answer.json());
        console.end_line();
    }
    Some(answer)
}

/// Carries out one line. Text is shown; a JSON answer is only returned. `mode` overrides what the
/// line says.
pub(crate) fn answer(
    line: &str,
    system: &mut dyn System,
    sink: &mut dyn Sink,
    settings: Settings,
    mode: Option<Mode>,
) -> Option<(Answer, Mode)> {
    let of = |json| mode.unwrap_or(if json { Mode::Json } else { Mode::Text });
    let answered = match parse(line, system) {
        Ok(None) => None,
        Ok(Some(parsed)) => {
            let mode = of(parsed.json);
            let mut output = Output::new(sink, settings, mode);
            let name = parsed.action.entry().name;
            let result = carry_out(parsed, line, system, &mut output);
            Some((output.finish(Some(name), &result), mode))
        }
        Err(refused) => {
            let mode = of(refused.json);
            let output = Output::new(sink, settings, mode);
            let name = refused.command.map(|command| command.name);
            Some((output.finish(name, &Err(refused.failure)), mode))
        }
    };
    notice::show(&system.notices(), sink, settings);
    answered
}

fn carry_out(
    parsed: Parsed,
    line: &str,
    system: &mut dyn System,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let request = match parsed.action {
        Action::Shell(Builtin::Help(args)) => return help::run(&args, output),
        Action::Shell(Builtin::Tour(args)) => return tour::run(&args, system, output),
        Action::Shell(Builtin::Echo(args)) => return echo(args.text, output),
        Action::System(request) => request,
    };
    let before = system.violations();
    system.execute(
        &Invocation {
            request,
            line: line.trim().to_string(),
        },
        output,
    )?;
    match system.violations().saturating_sub(before) {
        0 => Ok(()),
        1 => Err(Failure::new("a violation was seen")),
        seen => Err(Failure::new(format_args!("{seen} violations were seen"))),
    }
}

fn echo(text: Option<String>, output: &mut Output<'_>) -> Result<(), Failure> {
    let text = text.unwrap_or_default();
    if output.json() {
        output.field("text", text);
    } else {
        output.console().line(&text);
    }
    Ok(())
}
