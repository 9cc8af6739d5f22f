//! The table against itself and against the fields it fills.

use super::*;
use crate::fake::FakeSystem;
use crate::parse::parse;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A word that `kind` takes on the fake system.
fn sample(arg: &Arg) -> String {
    match arg.kind {
        Kind::Number(least, _) => least.to_string(),
        Kind::Pages(_) | Kind::Cpu | Kind::Cpus | Kind::Space => "1".to_string(),
        Kind::Address(_) => "0x400000".to_string(),
        Kind::Choice(words) => words[0].name.to_string(),
        Kind::Name(names) => crate::System::names(&FakeSystem::new(), names).remove(0),
        Kind::Time => "200us".to_string(),
        Kind::FaultAction => "delay".to_string(),
        Kind::Command => "help".to_string(),
        Kind::Text => "any text".to_string(),
        Kind::Flag => arg.name.to_string(),
    }
}

/// `arg` as it is written on a line, with `value`.
fn written(arg: &Arg, value: &str) -> String {
    match arg.form {
        Form::Keyword(word) => format!(" {word} {value}"),
        Form::Option(word) => format!(" {word}={value}"),
        Form::Suffix(suffix) => format!(" {value}{suffix}"),
        _ => format!(" {value}"),
    }
}

/// Which words of its choice each argument may have, for `choice` of the deciding one.
fn fits(command: &Command, arg: &Arg, choice: Option<&str>, only_required: bool) -> bool {
    let need = command.needs.iter().find(|need| need.arg == arg.name);
    match (need, choice) {
        (None, _) => !only_required || arg.required,
        (Some(need), Some(choice)) => {
            need.required.contains(&choice) || !only_required && need.allowed.contains(&choice)
        }
        (Some(_), None) => false,
    }
}

/// Lines that between them give every argument of `command`, in table order.
fn lines(command: &'static Command) -> Vec<String> {
    let decides = command
        .needs
        .first()
        .and_then(|need| command.arg(need.with));
    let choices: Vec<Option<&str>> = match decides.map(|arg| arg.kind) {
        Some(Kind::Choice(words)) => words.iter().map(|word| Some(word.name)).collect(),
        _ => [None].into(),
    };
    let mut lines = Vec::new();
    for choice in choices {
        for only_required in [true, false] {
            let mut line = command.name.to_string();
            for arg in command.args {
                let deciding = decides.is_some_and(|by| by.name == arg.name);
                if deciding || fits(command, arg, choice, only_required) {
                    let value = choice
                        .filter(|_| deciding)
                        .map_or(sample(arg), String::from);
                    line.push_str(&written(arg, &value));
                }
            }
            lines.push(line);
        }
    }
    lines
}

#[test]
fn every_argument_of_every_command_can_be_given_and_fits_its_field() {
    for command in TABLE {
        for line in lines(command) {
            let parsed = parse(&line, &FakeSystem::new());
            let parsed = parsed.unwrap_or_else(|refused| panic!("{line}: {:?}", refused.failure));
            assert_eq!(
                parsed.map(|parsed| parsed.action.entry().id),
                Some(command.id),
                "{line}"
            );
        }
    }
}

#[test]
fn every_choice_of_every_argument_parses() {
    for command in TABLE {
        for arg in command.args {
            let Kind::Choice(words) = arg.kind else {
                continue;
            };
            if command.needs.iter().any(|need| need.with == arg.name) {
                continue;
            }
            for word in words {
                let mut line = command.name.to_string();
                for other in command.args.iter().filter(|other| other.required) {
                    let value = if other.name == arg.name {
                        word.name.to_string()
                    } else {
                        sample(other)
                    };
                    line.push_str(&written(other, &value));
                }
                if !arg.required {
                    line.push_str(&written(arg, word.name));
                }
                assert!(parse(&line, &FakeSystem::new()).is_ok(), "{line}");
            }
        }
    }
}

#[test]
fn every_example_parses_and_is_of_its_command() {
    for command in TABLE {
        for example in command.examples {
            let parsed = parse(example, &FakeSystem::new());
            let parsed =
                parsed.unwrap_or_else(|refused| panic!("{example}: {:?}", refused.failure));
            assert_eq!(
                parsed.map(|parsed| parsed.action.entry().id),
                Some(command.id),
                "{example}"
            );
        }
    }
}

#[test]
fn entries_stand_at_the_place_of_their_identifier_and_are_called_differently() {
    for (index, command) in TABLE.iter().enumerate() {
        assert_eq!(command.id as usize, index);
        assert_eq!(entry(command.id).name, command.name);
        assert_eq!(find(command.name).map(|found| found.id), Some(command.id));
        assert!(
            command.name.bytes().all(|byte| byte.is_ascii_lowercase()),
            "{}",
            command.name
        );
    }
}

#[test]
fn no_two_arguments_of_a_command_answer_to_one_word() {
    for command in TABLE {
        let mut words: Vec<&str> = Vec::new();
        for arg in command.args {
            match (arg.form, arg.kind) {
                (Form::Keyword(word) | Form::Option(word) | Form::Suffix(word), _) => {
                    words.push(word);
                }
                (Form::Word, Kind::Choice(choices)) => {
                    words.extend(choices.iter().map(|word| word.name));
                }
                (Form::Word, _) => words.push(arg.name),
                _ => {}
            }
        }
        let count = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), count, "{}", command.name);
    }
}

#[test]
fn an_argument_with_a_default_is_never_required_and_text_comes_last() {
    for command in TABLE {
        for arg in command.args {
            assert!(
                arg.default.is_none() || !arg.required,
                "{} {}",
                command.name,
                arg.name
            );
        }
        let open = |arg: &Arg| matches!(arg.form, Form::Rest | Form::Repeated(_));
        let later = command.args.iter().skip_while(|arg| !open(arg)).skip(1);
        assert!(
            later.clone().all(|arg| arg.form != Form::Positional),
            "{}",
            command.name
        );
    }
}

#[test]
fn summaries_fit_a_line_of_help_and_end_without_a_full_stop() {
    for command in TABLE {
        assert!(command.summary.len() <= 66, "{}", command.name);
        assert!(!command.summary.ends_with('.'), "{}", command.name);
        assert!(command.details.ends_with('.'), "{}", command.name);
        assert!(
            command.args.iter().all(|arg| !arg.doc.ends_with('.')),
            "{}",
            command.name
        );
    }
}

#[test]
fn an_address_type_cannot_hold_what_its_name_denies() {
    assert!(PageAddress::new(0x400000).is_some());
    assert!(PageAddress::new(0x400008).is_none());
    assert!(WordAddress::new(0x400008).is_some());
    assert!(WordAddress::new(0x8000_0000_0000).is_none());
    assert!(WordAddress::new(0xffff_8000_0000_0000).is_some());
    assert!(WordAddress::new(0xffff_7fff_ffff_fff8).is_none());
}

#[test]
fn others_leaves_out_the_cpu_that_acts() {
    use shootdown::{CpuId, CpuSet};
    let (me, online) = (CpuId::BOOT, CpuSet::first(4));
    assert_eq!(CpuSelection::Others.resolve(me, online).bits(), 0b1110);
    assert_eq!(CpuSelection::All.resolve(me, online), online);
    assert!(
        CpuSelection::Others
            .resolve(me, CpuSet::only(me))
            .is_empty()
    );
}
