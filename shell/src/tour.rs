//! The tour: the first minute, as a list of steps.

use crate::commands::args;
use crate::repl::{PROMPT, answer};
use crate::report::{Mode, Output, Report, Style};
use crate::system::{Failure, System};
use alloc::format;
use alloc::vec::Vec;

/// One step: what it shows, and the commands that show it.
#[derive(Debug)]
pub struct Step {
    /// What it is about.
    pub title: &'static str,
    /// What to watch for.
    pub text: &'static str,
    /// The commands, as they would be typed.
    pub commands: &'static [&'static str],
}

/// The steps, from 1.
pub const STEPS: &[Step] = &[
    Step {
        title: "One page, read by every CPU",
        text: "Make an address space, map one page in it, and read the page on every CPU. Each frame \
            carries a tag, so a read tells which frame it reached. From now on every CPU's TLB \
            holds the translation.",
        commands: &["space new", "map 0x400000", "read 0x400000 on all"],
    },
    Step {
        title: "The page table changes, the TLBs do not",
        text: "Put another frame under the page, and tell no CPU. Memory has changed; the CPUs \
            believe their TLBs and go on reading the old frame. That is a stale translation. (CPU 0 \
            runs the shell as well: where that has pushed the entry out of its TLB meanwhile, it \
            walks the tables and reads the new frame.)",
        commands: &["remap 0x400000 noshoot", "read 0x400000 on all"],
    },
    Step {
        title: "Shoot it down",
        text: "INVLPG clears one CPU's TLB and no other, so the others must be asked. The initiator \
            publishes a request, zeroes its word in each target's row of the scoreboard, sends the \
            IPI, and waits until every word holds its generation. Now every CPU reads the new frame.",
        commands: &["shoot page 0x400000", "read 0x400000 on all"],
    },
    Step {
        title: "What it left behind",
        text: "The scoreboard keeps the generations acknowledged last: a row a target, a column an \
            initiator. The counts say who sent and who served.",
        commands: &["scoreboard", "stats"],
    },
    Step {
        title: "As a kernel does it",
        text: "Without `noshoot`, remap does both, and returns when every target has acknowledged: \
            only then may the old frame be freed. No CPU reads the old tag afterwards.",
        commands: &["remap 0x400000", "read 0x400000 on all", "unmap 0x400000"],
    },
    Step {
        title: "All at once",
        text: "Every CPU is an initiator now, and all shoot in parallel while they serve one \
            another. A single stale read after a shootdown returned would fail this command.",
        commands: &["storm rounds=100"],
    },
];

/// Carries `tour` out: the steps asked for, each with its commands.
///
/// # Errors
/// The first command that fails ends the tour.
pub(crate) fn run(
    args: &args::Tour,
    system: &mut dyn System,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let first = usize::try_from(args.step)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let count = if args.all { STEPS.len() } else { 1 };
    let mut sections = Vec::new();
    let mut ended = Ok(());
    for (index, step) in STEPS.iter().enumerate().skip(first).take(count) {
        let (section, result) = take(index + 1, step, system, output);
        sections.push(section);
        ended = result;
        if ended.is_err() {
            break;
        }
    }
    if output.json() {
        output.sections("steps", sections);
        return ended;
    }
    ended?;
    match first + 2 {
        next if !args.all && next <= STEPS.len() => {
            output.styled_note(Style::Strong, format_args!("Next: tour {next}"));
        }
        _ => output.styled_note(
            Style::Strong,
            "That was the tour; `help` lists what else there is.",
        ),
    }
    Ok(())
}

/// Takes one step. Text is shown as it comes; the report is what JSON wants.
fn take(
    number: usize,
    step: &Step,
    system: &mut dyn System,
    output: &mut Output<'_>,
) -> (Report, Result<(), Failure>) {
    let mode = if output.json() {
        Mode::Json
    } else {
        Mode::Text
    };
    let mut section = Report::new();
    section.field("title", step.title);
    section.field("text", step.text);
    if mode == Mode::Text {
        let title = format!("Step {number} of {}: {}", STEPS.len(), step.title);
        output.styled_note(Style::Strong, title);
        output.note(step.text);
    }
    let mut answers = Vec::new();
    let mut result = Ok(());
    for command in step.commands {
        let mut console = output.console();
        if mode == Mode::Text {
            console.line(&format!("{PROMPT}{command}"));
        }
        let settings = console.settings();
        let answered = answer(command, system, console.sink(), settings, Some(mode));
        let failed = answered
            .as_ref()
            .and_then(|(answer, _)| answer.failure.clone());
        answers.extend(answered.map(|(answer, _)| answer));
        if let Some(failure) = failed {
            result = Err(Failure::new(format_args!(
                "step {number} ended at `{command}`: {failure}"
            )));
            break;
        }
    }
    section.answers("answers", answers);
    (section, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeSystem, PLAIN, shown};
    use crate::parse::parse;
    use alloc::string::String;

    #[test]
    fn every_command_of_the_tour_parses() {
        for command in STEPS.iter().flat_map(|step| step.commands) {
            assert!(parse(command, &FakeSystem::new()).is_ok(), "{command}");
        }
    }

    #[test]
    fn a_step_shows_and_runs_its_commands_and_names_the_next() {
        let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
        let result = crate::run_line("tour 2", &mut system, &mut sink, PLAIN);
        assert_eq!(result, Ok(()));
        assert_eq!(system.lines(), STEPS[1].commands);
        let text = String::from_utf8(sink).expect("the shell writes UTF-8");
        for command in STEPS[1].commands {
            assert!(text.contains(&format!("\ntlb> {command}\n")), "{text}");
        }
        assert!(text.ends_with("Next: tour 3\n"), "{text}");
        assert!(shown("tour 6", PLAIN).contains("That was the tour"));
    }

    #[test]
    fn a_command_that_fails_ends_the_tour_there() {
        let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
        system.fails = "shoot page 0x400000";
        let result = crate::run_line("tour all", &mut system, &mut sink, PLAIN);
        let failure = result.expect_err("the fake fails in step 3");
        assert!(
            failure.message.starts_with("step 3 ended at `shoot"),
            "{failure}"
        );
        // Neither the rest of the step nor the steps after it.
        assert_eq!(system.lines().last(), Some(&"shoot page 0x400000"));
    }

    #[test]
    fn the_tour_in_json_holds_the_answers_of_its_commands() {
        let text = shown("tour --json", PLAIN);
        let answer: serde_json::Value = serde_json::from_str(&text).expect("one object");
        let answers = answer["steps"][0]["answers"].as_array().expect("answers");
        assert_eq!(answers.len(), STEPS[0].commands.len());
        assert_eq!(answers[1]["command"], "map");
    }
}
