//! What can be said about a line before it is its turn, when the system may be another.

use super::bind::{
    missing, nothing_follows, scan, too_long, unknown_command, value_of, without_option,
};
use super::rules::{check_extent, check_needs};
use super::{JSON, LINE_LIMIT, Token, tokens};
use crate::commands::{Bound, Command, Kind, find};
use crate::help;
use crate::system::{Failure, System};
use alloc::vec::Vec;

/// Checks the words of `line`, which is no comment: the command, its arguments, and values. Not
/// looked at is whether CPUs, spaces and other names exist, since that may change before the line
/// is carried out. `system` only gives names for messages.
///
/// # Errors
/// As [`parse`](super::parse).
pub(crate) fn check(line: &str, system: &dyn System) -> Result<(), Failure> {
    if line.len() > LINE_LIMIT {
        return Err(too_long());
    }
    let line = without_option(line);
    let line = line.trim_matches([' ', '\t']);
    let words: Vec<Token<'_>> = tokens(line).collect();
    let Some((first, arguments)) = words.split_first() else {
        return Ok(());
    };
    let command = find(first.text).ok_or_else(|| unknown_command(first.text))?;
    check_arguments(command, line, arguments, system)
        .map_err(|failure| failure.usage(help::usage(command)))
}

/// Checks only that `line` begins with a command, or with a variable that may become one.
///
/// # Errors
/// There is no such command.
pub(crate) fn check_name(line: &str) -> Result<(), Failure> {
    match tokens(line).find(|token| token.text != JSON) {
        Some(word) if !word.text.contains('$') && find(word.text).is_none() => {
            Err(unknown_command(word.text))
        }
        _ => Ok(()),
    }
}

fn check_arguments(
    command: &'static Command,
    line: &str,
    words: &[Token<'_>],
    system: &dyn System,
) -> Result<(), Failure> {
    let scan = scan(command, line, words)?;
    if let Some(arg) = scan.pending.and_then(|index| command.args.get(index)) {
        return Err(nothing_follows(arg, system));
    }
    check_needs(command, &scan.slots, system)?;
    let mut values: Vec<Option<Bound>> = Vec::new();
    for (arg, slot) in command.args.iter().zip(&scan.slots) {
        if arg.required && slot.is_empty() {
            return Err(missing(arg, system));
        }
        let depends = matches!(
            arg.kind,
            Kind::Cpu | Kind::Cpus | Kind::Space | Kind::Name(_)
        );
        let mut value = None;
        for word in slot
            .iter()
            .copied()
            .chain(arg.default.filter(|_| slot.is_empty()))
        {
            if !depends {
                value = Some(value_of(command, arg, word, system)?);
            }
        }
        values.push(value);
    }
    check_extent(command, &values)
}
