//! Help, from the table.

use crate::commands::{Arg, Command, Form, Group, Kind, TABLE, Word, args, find};
use crate::fault::Time;
use crate::report::{Output, Style, Table, Value, hang};
use crate::script;
use crate::system::Failure;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The usage line of `command`: what is in brackets may be left out.
pub fn usage(command: &Command) -> String {
    let mut line = command.name.to_string();
    for arg in command.args {
        let shown = synopsis(arg);
        let optional = !arg.required;
        line.push_str(&if optional {
            format!(" [{shown}]")
        } else {
            format!(" {shown}")
        });
        if let Form::Repeated(_) = arg.form {
            line.push('…');
        }
    }
    line
}

/// An argument as usage shows it.
pub(crate) fn synopsis(arg: &Arg) -> String {
    match (arg.form, arg.kind) {
        (Form::Keyword(word), _) => format!("{word} {}", arg.name),
        (Form::Option(word), _) => format!("{word}={}", arg.name),
        (Form::Suffix(suffix), _) => format!("{}{suffix}", arg.name),
        (Form::Word, Kind::Choice(words)) => names(words).join("|"),
        _ => arg.name.to_string(),
    }
}

fn names(words: &[Word]) -> Vec<&'static str> {
    words.iter().map(|word| word.name).collect()
}

/// What values `kind` takes, on any system.
pub(crate) fn describe(kind: Kind) -> String {
    match kind {
        Kind::Number(0, u64::MAX) => "a 64-bit number".to_string(),
        Kind::Number(least, most) => format!("a number from {least} to {most}"),
        Kind::Pages(most) => format!("a number of 4 KiB pages from 1 to {most}"),
        Kind::Address(1) => "a canonical address".to_string(),
        Kind::Address(align) => format!("a canonical address, a multiple of {align}"),
        Kind::Cpu => "a CPU number".to_string(),
        Kind::Cpus => "a CPU set: `0,2-3`, `all` or `others`".to_string(),
        Kind::Space => "an address space's number".to_string(),
        Kind::Choice(words) => format!("one of {}", names(words).join(", ")),
        Kind::Name(names) => format!("the name of a {}", names.noun()),
        Kind::Time => format!("a time such as `200us`, up to {}", Time::LONGEST),
        Kind::FaultAction => "an action of the point, or a fault's number".to_string(),
        Kind::Command => "the name of a command".to_string(),
        Kind::Text => "any text".to_string(),
        Kind::Flag => "present or absent".to_string(),
    }
}

/// What there is to say of an argument: meaning, values, default.
pub(crate) fn explain(arg: &Arg) -> String {
    let mut text = arg.doc.to_string();
    match arg.kind {
        Kind::Choice(words) => {
            let words: Vec<String> = words
                .iter()
                .map(|word| format!("{}: {}", word.name, word.doc))
                .collect();
            text.push_str(&format!(" ({})", words.join("; ")));
        }
        // The argument's own name says it.
        Kind::Flag | Kind::Text | Kind::Cpu | Kind::Space | Kind::Command | Kind::FaultAction => {}
        kind => text.push_str(&format!(" ({})", describe(kind))),
    }
    if let Form::Repeated(most) = arg.form {
        text.push_str(&format!(", up to {most}"));
    }
    if let Some(default) = arg.default {
        text.push_str(&format!("; {default} if not given"));
    }
    text
}

/// Carries `help` out.
pub(crate) fn run(args: &args::Help, output: &mut Output<'_>) -> Result<(), Failure> {
    match args.command.as_deref().map(|name| (name, find(name))) {
        None if output.json() => {
            output.table("commands", list(TABLE.iter()));
            output.table("statements", script::statements());
        }
        None => overview(output),
        Some((_, Some(command))) if output.json() => page_fields(command, output),
        Some((_, Some(command))) => page(command, output),
        Some((name, None)) if script::topics().any(|topic| topic == name) => script::show(output),
        Some((name, None)) => return Err(Failure::new(format_args!("no help on `{name}`"))),
    }
    Ok(())
}

fn list(commands: impl Iterator<Item = &'static Command>) -> Table {
    let mut table = Table::new(["name", "group", "summary", "usage"]);
    for command in commands {
        let texts = [command.name, command.group.title(), command.summary];
        let usage = Value::from(usage(command));
        table.row(texts.into_iter().map(Value::from).chain([usage]));
    }
    table
}

fn overview(output: &mut Output<'_>) {
    let mut console = output.console();
    let widest = TABLE
        .iter()
        .map(|command| command.name.len())
        .max()
        .unwrap_or(0);
    for group in Group::ALL {
        console.styled(Some(Style::Strong), group.title());
        console.end_line();
        for command in TABLE.iter().filter(|command| command.group == group) {
            console.line(&format!("  {:widest$}  {}", command.name, command.summary));
        }
    }
    console.styled(Some(Style::Strong), "Scripts (`help scripts`)");
    console.end_line();
    for entry in script::STATEMENTS {
        console.line(&format!("  {:widest$}  {}", entry.name, entry.summary));
    }
    output.note("`help COMMAND` explains one; Tab completes; every command takes --json.");
}

fn page(command: &'static Command, output: &mut Output<'_>) {
    output.note(format_args!("{}.\n", command.summary));
    show_pairs(
        output,
        "usage: ",
        [(String::new(), usage(command))].into_iter(),
    );
    output.note("");
    let arguments = command.args.iter();
    show_pairs(
        output,
        "  ",
        arguments.map(|arg| (synopsis(arg), explain(arg))),
    );
    let gap = if command.args.is_empty() { "" } else { "\n" };
    output.note(format_args!("{gap}{}", command.details));
    for need in command.needs {
        output.note(format_args!("{}.", need.rule()));
    }
    if !command.examples.is_empty() {
        output.note("\nexamples:");
        let examples = command.examples.iter();
        examples.for_each(|example| output.note(format_args!("  {example}")));
    }
}

/// Pairs below one another after `lead`, the second of each wrapped beside the first, or below it
/// where the first is long.
fn show_pairs(
    output: &mut Output<'_>,
    lead: &str,
    pairs: impl Iterator<Item = (String, String)> + Clone,
) {
    const WIDEST: usize = 20;
    let mut console = output.console();
    let names = pairs.clone().map(|(name, _)| name.chars().count());
    let widest = names.filter(|&width| width <= WIDEST).max().unwrap_or(0);
    let gap = if widest == 0 { 0 } else { widest + 2 };
    for (name, text) in pairs {
        let mut beside = format!("{lead}{name}");
        if name.chars().count() > widest {
            console.line(&beside);
            beside.clear();
        }
        hang(&mut console, &beside, lead.len() + gap, &text);
    }
}

fn page_fields(command: &'static Command, output: &mut Output<'_>) {
    output.field("name", command.name);
    output.field("group", command.group.title());
    output.field("summary", command.summary);
    output.field("usage", usage(command));
    let mut arguments = Table::new(["argument", "required", "default", "explanation"]);
    for arg in command.args {
        arguments.row([
            synopsis(arg).into(),
            arg.required.into(),
            arg.default.into(),
            explain(arg).into(),
        ]);
    }
    output.table("arguments", arguments);
    output.field("details", command.details);
    let mut examples = Table::new(["line"]);
    command
        .examples
        .iter()
        .for_each(|&example| examples.row([example.into()]));
    output.table("examples", examples);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{PLAIN, shown};
    use crate::report::Settings;

    #[test]
    fn help_names_every_command_once_and_fits_eighty_columns() {
        let text = shown(
            "help",
            Settings {
                columns: 80,
                ..PLAIN
            },
        );
        for command in TABLE {
            let lead = format!("\n  {} ", command.name);
            assert_eq!(text.matches(&lead).count(), 1, "{}", command.name);
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn help_on_a_command_shows_usage_arguments_and_examples() {
        for command in TABLE {
            let settings = Settings {
                columns: 80,
                ..PLAIN
            };
            let text = shown(&format!("help {}", command.name), settings);
            // Wrapped text is compared without its line breaks.
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                flat.contains(&format!("usage: {}", usage(command))),
                "{text}"
            );
            for arg in command.args {
                assert!(flat.contains(&explain(arg)), "{text}\n{}", explain(arg));
            }
            assert!(
                command
                    .examples
                    .iter()
                    .all(|example| flat.contains(example)),
                "{text}"
            );
            assert!(
                text.lines().all(|line| line.chars().count() <= 80),
                "{text}"
            );
        }
    }

    #[test]
    fn usage_shows_what_may_be_left_out() {
        let of = |name| find(name).map(usage);
        assert_eq!(of("cpus").as_deref(), Some("cpus"));
        assert_eq!(
            of("protect").as_deref(),
            Some("protect [from CPU] [in SPACE] ADDRESS [PAGES] ro|rw [noshoot]")
        );
        assert_eq!(
            of("run").as_deref(),
            Some("run [in SPACE] PROGRAM [ARG]… [on CPU-SET]")
        );
        assert_eq!(of("echo").as_deref(), Some("echo [TEXT]"));
    }
}
