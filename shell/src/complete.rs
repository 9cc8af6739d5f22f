//! What may come next on a line: completion, from the table.

use crate::commands::{Arg, Command, Form, Kind, TABLE, find};
use crate::fault::Action;
use crate::parse::{JSON, Token, scan, tokens};
use crate::script;
use crate::system::{NameKind, System};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use shootdown::{CpuId, Point};

/// The ways to go on at the end of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completion {
    /// Where the word to complete begins, in bytes.
    pub start: usize,
    /// What the word may become, in the table's order. One that ends with `=` wants a value
    /// without a space.
    pub candidates: Vec<String>,
}

impl Completion {
    /// What all candidates begin with.
    pub fn common_prefix(&self) -> &str {
        let Some((first, others)) = self.candidates.split_first() else {
            return "";
        };
        let common = others.iter().fold(first.chars().count(), |most, other| {
            first
                .chars()
                .zip(other.chars())
                .take(most)
                .take_while(|(a, b)| a == b)
                .count()
        });
        first
            .char_indices()
            .nth(common)
            .and_then(|(end, _)| first.get(..end))
            .unwrap_or(first)
    }
}

/// The ways to complete `line`, which is what stands left of the cursor.
pub fn complete(line: &str, system: &dyn System) -> Completion {
    let start = line.rfind([' ', '\t']).map_or(0, |space| space + 1);
    let (before, word) = line.split_at(start);
    let mut candidates = candidates(before, word, system);
    candidates.retain(|candidate| candidate.starts_with(word));
    Completion { start, candidates }
}

/// What may stand after `before`, if it begins like `word`.
fn candidates(before: &str, word: &str, system: &dyn System) -> Vec<String> {
    let words: Vec<Token<'_>> = tokens(before).filter(|token| token.text != JSON).collect();
    let Some((first, arguments)) = words.split_first() else {
        let names = TABLE.iter().map(|command| command.name);
        return names.chain(script::keywords()).map(String::from).collect();
    };
    let Some(command) = find(first.text) else {
        return Vec::new();
    };
    let Ok(scan) = scan(command, before, arguments) else {
        return Vec::new();
    };
    if let Some(arg) = scan.pending.and_then(|index| command.args.get(index)) {
        return values(arg.kind, system);
    }
    let mut found = Vec::new();
    if let Some(arg) = scan
        .next_positional(command)
        .and_then(|index| command.args.get(index))
    {
        found.extend(match arg.kind {
            Kind::FaultAction => fault_actions(arguments),
            kind => values(kind, system),
        });
    }
    let free = |(index, arg)| (scan.given(index) == 0).then_some(arg);
    for arg in command.args.iter().enumerate().filter_map(free) {
        found.extend(named(arg, word, system));
    }
    if word.starts_with('-') && !takes_text(command) {
        found.push(JSON.to_string());
    }
    found
}

/// What may go wrong at the point that is named among `words`.
fn fault_actions(words: &[Token<'_>]) -> Vec<String> {
    let mut points = words.iter().filter_map(|word| Point::from_name(word.text));
    points.next().map_or_else(Vec::new, |point| {
        Action::all_at(point)
            .map(|action| action.name().into())
            .collect()
    })
}

fn takes_text(command: &Command) -> bool {
    command.args.iter().any(|arg| arg.form == Form::Rest)
}

/// The words that name `arg`, or with which it is given.
fn named(arg: &Arg, word: &str, system: &dyn System) -> Vec<String> {
    match arg.form {
        Form::Keyword(keyword) => [keyword.to_string()].into(),
        Form::Option(option) => {
            let key = format!("{option}=");
            if !word.starts_with(&key) {
                return [key].into();
            }
            values(arg.kind, system)
                .iter()
                .map(|value| format!("{key}{value}"))
                .collect()
        }
        Form::Suffix(_) => Vec::new(),
        Form::Word if matches!(arg.kind, Kind::Flag) => [arg.name.to_string()].into(),
        Form::Word => values(arg.kind, system),
        Form::Positional | Form::Repeated(_) | Form::Rest => Vec::new(),
    }
}

/// The values of `kind` that can be listed.
fn values(kind: Kind, system: &dyn System) -> Vec<String> {
    let cpus = || {
        system
            .online()
            .into_iter()
            .map(|cpu: CpuId| cpu.to_string())
    };
    match kind {
        Kind::Cpu => cpus().collect(),
        Kind::Cpus => ["all", "others"]
            .map(String::from)
            .into_iter()
            .chain(cpus())
            .collect(),
        Kind::Space => system.names(NameKind::Space),
        Kind::Choice(words) => words.iter().map(|word| word.name.to_string()).collect(),
        Kind::Name(names) => system.names(names),
        Kind::Command => {
            let names = TABLE.iter().map(|command| command.name);
            names.chain(script::topics()).map(String::from).collect()
        }
        Kind::FaultAction => Action::names().into_iter().map(String::from).collect(),
        Kind::Number(..)
        | Kind::Pages(_)
        | Kind::Address(_)
        | Kind::Time
        | Kind::Text
        | Kind::Flag => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeSystem;

    fn offered(line: &str) -> Vec<String> {
        complete(line, &FakeSystem::new()).candidates
    }

    #[test]
    fn the_first_word_becomes_a_command() {
        assert_eq!(offered("sc"), ["scoreboard"]);
        assert_eq!(offered("").len(), TABLE.len() + script::keywords().count());
        assert_eq!(offered("rep"), ["repeat"]);
        assert_eq!(offered("help scr"), ["scripts"]);
        assert_eq!(offered("nonsense"), [""; 0]);
        assert_eq!(offered("help sco"), ["scoreboard"]);
    }

    #[test]
    fn each_kind_of_argument_is_offered_where_it_may_stand() {
        assert_eq!(offered("regs "), ["0", "1", "2", "3"]);
        assert_eq!(offered("ipi o"), ["others"]);
        assert_eq!(offered("map fr"), ["from"]);
        assert_eq!(offered("map from 1 r"), ["ro", "rw"]);
        assert_eq!(offered("map in "), ["0", "1"]);
        assert_eq!(offered("shoot pa"), ["page"]);
        assert_eq!(offered("unmap 0x400000 n"), ["noshoot"]);
        assert_eq!(offered("run rev"), ["revoker"]);
        assert_eq!(offered("storm pr"), ["proto="]);
        assert_eq!(offered("storm proto=g"), ["proto=global-lock"]);
        assert_eq!(offered("cpus --"), ["--json"]);
    }

    #[test]
    fn what_was_given_is_not_offered_again() {
        assert_eq!(offered("map from 1 f"), [""; 0]);
        assert_eq!(offered("protect 0x400000 ro r"), [""; 0]);
        assert_eq!(offered("regs 1 "), [""; 0]);
        assert_eq!(offered("echo f"), [""; 0]);
    }

    #[test]
    fn the_common_prefix_cuts_no_character_in_two() {
        let names = |names: &[&str]| Completion {
            start: 0,
            candidates: names.iter().map(|name| name.to_string()).collect(),
        };
        assert_eq!(names(&["remap", "read", "regs"]).common_prefix(), "re");
        assert_eq!(names(&["aé", "aè"]).common_prefix(), "a");
        assert_eq!(names(&[]).common_prefix(), "");
    }
}
