//! Which word belongs to which argument, and whether together they make sense.

use super::rules::{check_extent, check_needs};
use super::value::{self, Quoted, nearest};
use super::{JSON, LINE_LIMIT, Parsed, Refused, Token, tokens};
use crate::commands::{Action, Arg, Bound, Command, Form, Kind, TABLE, Values, build, find};
use crate::help;
use crate::script;
use crate::system::{Failure, System};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// The words given for one argument.
pub(super) type Slot<'a> = Vec<&'a str>;

/// What the words of a line so far say.
pub(crate) struct Scan<'a> {
    /// For each argument, in the table's order, the words given for it.
    pub slots: Vec<Slot<'a>>,
    /// The argument whose keyword was the last word, and which therefore has no value yet.
    pub pending: Option<usize>,
}

/// See [`super::parse`].
pub(super) fn parse(line: &str, system: &dyn System) -> Result<Option<Parsed>, Refused> {
    let line = line.trim_matches([' ', '\t']);
    if line.starts_with('#') {
        return Ok(None);
    }
    let json = tokens(line).any(|token| token.text == JSON);
    let refused = |failure, command| Refused {
        failure,
        command,
        json,
    };
    if line.len() > LINE_LIMIT {
        return Err(refused(too_long(), None));
    }
    let without = json.then(|| without_option(line));
    let line = without.as_deref().unwrap_or(line).trim_matches([' ', '\t']);
    let words: Vec<Token<'_>> = tokens(line).collect();
    let Some((first, arguments)) = words.split_first() else {
        return if json {
            Err(refused(lone_option(), None))
        } else {
            Ok(None)
        };
    };
    let Some(command) = find(first.text) else {
        return Err(refused(unknown_command(first.text), None));
    };
    match bind(command, line, arguments, system) {
        Ok(action) => Ok(Some(Parsed { action, json })),
        Err(failure) => Err(refused(failure.usage(help::usage(command)), Some(command))),
    }
}

/// `line` without the words [`JSON`], each with the spaces after it.
pub(super) fn without_option(line: &str) -> String {
    let mut rest = line;
    let mut kept = String::with_capacity(line.len());
    while let Some(token) = tokens(rest).find(|token| token.text == JSON) {
        let (before, after) = rest.split_at(token.start);
        kept.push_str(before);
        rest = after
            .strip_prefix(JSON)
            .unwrap_or_default()
            .trim_start_matches([' ', '\t']);
    }
    kept.push_str(rest);
    kept
}

/// What is wrong with a line longer than [`LINE_LIMIT`].
pub(crate) fn too_long() -> Failure {
    Failure::new(format_args!(
        "the line is longer than {LINE_LIMIT} bytes; none of it was executed"
    ))
    .expected(format_args!("at most {LINE_LIMIT} bytes"))
}

fn lone_option() -> Failure {
    Failure::new(format_args!("{JSON} without a command")).expected("a command before or after it")
}

pub(super) fn unknown_command(word: &str) -> Failure {
    let failure = Failure::new(format_args!("there is no command {}", Quoted(word)))
        .expected("a command: `help` lists them");
    let names = TABLE.iter().map(|entry| entry.name);
    match nearest(word, names.chain(script::keywords())) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn bind(
    command: &'static Command,
    line: &str,
    words: &[Token<'_>],
    system: &dyn System,
) -> Result<Action, Failure> {
    let Scan { slots, pending } = scan(command, line, words)?;
    if let Some(arg) = pending.and_then(|index| command.args.get(index)) {
        return Err(nothing_follows(arg, system));
    }
    check_needs(command, &slots, system)?;
    let mut values = Vec::with_capacity(slots.len());
    for (arg, slot) in command.args.iter().zip(&slots) {
        values.push(bind_arg(command, arg, slot, system)?);
    }
    check_extent(command, &values)?;
    build(command.id, &mut Values::new(values))
}

pub(super) fn nothing_follows(arg: &Arg, system: &dyn System) -> Failure {
    Failure::new(format_args!("nothing follows `{}`", arg_word(arg)))
        .expected(value::expected(arg.kind, system))
}

/// Gives each of `words`, which follow the command's name in `line`, to an argument.
///
/// # Errors
/// A word that no argument can take.
pub(crate) fn scan<'a>(
    command: &'static Command,
    line: &'a str,
    words: &[Token<'a>],
) -> Result<Scan<'a>, Failure> {
    let mut scan = Scan {
        slots: vec![Vec::new(); command.args.len()],
        pending: None,
    };
    for (place, token) in words.iter().enumerate() {
        if let Some(index) = scan.pending.take() {
            scan.give(index, token.text);
        } else if let Some(index) = scan.rest(command) {
            scan.give(index, rest_of(line, words.get(place..).unwrap_or_default()));
            break;
        } else if let Some((index, value)) = named(command, token.text) {
            scan.name(command, index, value, token.text)?;
        } else if let Some(index) = scan.next_positional(command) {
            scan.give(index, token.text);
        } else {
            return Err(superfluous(command, token.text));
        }
    }
    Ok(scan)
}

impl<'a> Scan<'a> {
    fn give(&mut self, index: usize, word: &'a str) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.push(word);
        }
    }

    /// How many words the argument has.
    pub fn given(&self, index: usize) -> usize {
        self.slots.get(index).map_or(0, Vec::len)
    }

    /// Takes an argument that was named: by its keyword, when the value is still to come.
    fn name(
        &mut self,
        command: &Command,
        index: usize,
        value: Option<&'a str>,
        word: &str,
    ) -> Result<(), Failure> {
        if let Some(before) = self.slots.get(index).and_then(|slot| slot.first()) {
            let failure = Failure::new(match command.args.get(index).map(|arg| arg.form) {
                Some(Form::Word) if *before != word => {
                    format!("`{before}` and `{word}` exclude each other")
                }
                _ => format!("{} is given twice", Quoted(word)),
            });
            return Err(failure.expected("each argument once"));
        }
        match value {
            Some(value) => self.give(index, value),
            None => self.pending = Some(index),
        }
        Ok(())
    }

    /// The argument that takes the rest of the line, if it is its turn.
    fn rest(&self, command: &Command) -> Option<usize> {
        let index = self.next_positional(command)?;
        (command.args.get(index)?.form == Form::Rest).then_some(index)
    }

    /// The positional argument whose turn it is.
    pub fn next_positional(&self, command: &Command) -> Option<usize> {
        command
            .args
            .iter()
            .enumerate()
            .position(|(index, arg)| match arg.form {
                Form::Positional | Form::Rest => self.given(index) == 0,
                Form::Repeated(most) => self.given(index) < most,
                _ => false,
            })
    }
}

/// The argument that `word` names, and its value unless that is the next word.
fn named<'a>(command: &Command, word: &'a str) -> Option<(usize, Option<&'a str>)> {
    command.args.iter().enumerate().find_map(|(index, arg)| {
        let value = match (arg.form, arg.kind) {
            (Form::Keyword(keyword), _) if keyword == word => None,
            (Form::Option(option), _) => Some(word.strip_prefix(option)?.strip_prefix('=')?),
            (Form::Suffix(suffix), _) => Some(word.strip_suffix(suffix)?),
            (Form::Word, Kind::Flag) if arg.name == word => Some(word),
            (Form::Word, Kind::Choice(words)) if words.iter().any(|one| one.name == word) => {
                Some(word)
            }
            _ => return None,
        };
        Some((index, value))
    })
}

/// The text from the first of `words` to the last, as it stands in `line`.
fn rest_of<'a>(line: &'a str, words: &[Token<'a>]) -> &'a str {
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return "";
    };
    line.get(first.start..last.end()).unwrap_or_default()
}

/// The words by which arguments are named, for suggestions.
fn names(command: &'static Command) -> impl Iterator<Item = &'static str> {
    command.args.iter().flat_map(|arg| {
        let own = match arg.form {
            Form::Keyword(_) | Form::Option(_) => Some(arg_word(arg)),
            _ => None,
        };
        let words = match (arg.form, arg.kind) {
            (Form::Word, Kind::Choice(words)) => words,
            _ => &[],
        };
        let flag = matches!(arg.kind, Kind::Flag).then_some(arg.name);
        own.into_iter()
            .chain(flag)
            .chain(words.iter().map(|word| word.name))
    })
}

/// The word that names the argument on the line, or stands for it in usage.
fn arg_word(arg: &Arg) -> &'static str {
    match arg.form {
        Form::Keyword(word) | Form::Option(word) => word,
        _ => arg.name,
    }
}

fn superfluous(command: &'static Command, word: &str) -> Failure {
    let (key, quoted) = (word.split('=').next().unwrap_or(word), Quoted(word));
    let failure = Failure::new(format_args!("`{}` cannot take {quoted}", command.name));
    let failure = match nearest(key, names(command)) {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    failure.expected(if command.args.is_empty() {
        "no argument"
    } else {
        "the arguments that usage shows, each once"
    })
}

fn bind_arg(
    command: &'static Command,
    arg: &Arg,
    slot: &Slot<'_>,
    system: &dyn System,
) -> Result<Option<Bound>, Failure> {
    if let Form::Repeated(_) = arg.form {
        let values = slot.iter().map(|word| value_of(command, arg, word, system));
        return values
            .collect::<Result<Vec<_>, _>>()
            .map(|values| Some(Bound::Many(values)));
    }
    match slot.first().copied().or(arg.default) {
        Some(word) => value_of(command, arg, word, system).map(Some),
        None if arg.required => Err(missing(arg, system)),
        None => Ok(None),
    }
}

pub(super) fn missing(arg: &Arg, system: &dyn System) -> Failure {
    let name = match arg.form {
        // Usage shows the words themselves.
        Form::Word => help::synopsis(arg),
        _ => arg.name.to_string(),
    };
    Failure::new(format_args!("{name} is missing")).expected(value::expected(arg.kind, system))
}

/// Checks one word against its argument; the failure names the argument.
pub(super) fn value_of(
    command: &'static Command,
    arg: &Arg,
    word: &str,
    system: &dyn System,
) -> Result<Bound, Failure> {
    value::bind(arg.kind, word, system).map_err(|mut failure| {
        failure.message = format!("{}: {}", arg_word(arg), failure.message);
        if failure.hint.is_none() && arg.form == Form::Positional {
            failure.hint = nearest(word, names(command));
        }
        failure
    })
}
