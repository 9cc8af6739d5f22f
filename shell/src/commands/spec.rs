//! What an entry of the command table says.

use super::CommandId;
use crate::system::NameKind;

/// One command: the single source of its parsing, help, usage, completion and reference.
#[derive(Debug)]
pub struct Command {
    /// Which command it is.
    pub id: CommandId,
    /// The word typed for it: lower case.
    pub name: &'static str,
    /// Where help lists it.
    pub group: Group,
    /// What it does: one line, without a full stop.
    pub summary: &'static str,
    /// Its arguments, in the order in which usage shows them.
    pub args: &'static [Arg],
    /// Which arguments go with which choice.
    pub needs: &'static [Need],
    /// What else there is to know: plain sentences, paragraphs apart by a blank line.
    pub details: &'static str,
    /// Lines that show its use; each parses.
    pub examples: &'static [&'static str],
}

impl Command {
    /// The argument called `name`.
    pub fn arg(&self, name: &str) -> Option<&'static Arg> {
        self.args.iter().find(|arg| arg.name == name)
    }
}

/// Where a command is listed in help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// First steps, and the shell itself.
    Shell,
    /// CPUs, interrupt controllers, threads, memory.
    Machine,
    /// Address spaces and what is mapped in them.
    Memory,
    /// Shootdowns and their protocols.
    Shootdown,
    /// Measurements and tests.
    Measure,
}

impl Group {
    /// Every group, in the order of help.
    pub const ALL: [Group; 5] = [
        Group::Shell,
        Group::Machine,
        Group::Memory,
        Group::Shootdown,
        Group::Measure,
    ];

    /// The heading above its commands.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Shell => "Shell",
            Group::Machine => "Machine",
            Group::Memory => "Address spaces",
            Group::Shootdown => "Shootdown",
            Group::Measure => "Measure and test",
        }
    }
}

/// One argument of a command.
#[derive(Debug)]
pub struct Arg {
    /// What stands for the value in usage: upper case. For a flag, the word itself.
    pub name: &'static str,
    /// How it is written on the line.
    pub form: Form,
    /// What values it takes.
    pub kind: Kind,
    /// Whether a line without it is refused. One with a default never is.
    pub required: bool,
    /// What stands in when it is not given, as it would be typed.
    pub default: Option<&'static str>,
    /// What it means, in one line without a full stop.
    pub doc: &'static str,
}

/// How an argument is written on the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A value by its place among the positional arguments.
    Positional,
    /// Positional values up to the end of the line, at most this many.
    Repeated(usize),
    /// A value after this word, anywhere on the line: `from 2`.
    Keyword(&'static str),
    /// A value joined to this name, anywhere on the line: `rounds=100`.
    Option(&'static str),
    /// A value joined to these characters after it, anywhere on the line: `3*`, `50%`.
    Suffix(&'static str),
    /// One of the kind's own words, anywhere on the line: `ro`, `noshoot`.
    Word,
    /// Everything up to the end of the line.
    Rest,
}

/// What values an argument takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A number from the first to the second, both included.
    Number(u64, u64),
    /// A number of 4 KiB pages, from 1 to this.
    Pages(u64),
    /// A canonical virtual address, a multiple of this.
    Address(u64),
    /// The number of a CPU that runs.
    Cpu,
    /// A set of CPUs that run: `0,2-3`, `all`, `others`.
    Cpus,
    /// The identifier of an address space that exists.
    Space,
    /// One of these words.
    Choice(&'static [Word]),
    /// A name that the system knows.
    Name(NameKind),
    /// A length of time: `200us`.
    Time,
    /// What goes wrong at a point; or, after `clear`, the number of a fault.
    FaultAction,
    /// The name of a command.
    Command,
    /// Any text.
    Text,
    /// Nothing: the argument's own name is there or is not.
    Flag,
}

/// One word of a choice.
#[derive(Debug)]
pub struct Word {
    /// The word as typed.
    pub name: &'static str,
    /// What choosing it means.
    pub doc: &'static str,
}

/// A rule between two arguments: `arg` belongs with some choices of `with` and with no others.
#[derive(Debug)]
pub struct Need {
    /// The argument that is wanted or refused.
    pub arg: &'static str,
    /// The argument, of kind [`Kind::Choice`], that decides.
    pub with: &'static str,
    /// The choices with which `arg` must be given.
    pub required: &'static [&'static str],
    /// The choices with which `arg` may be given, beside those that require it.
    pub allowed: &'static [&'static str],
}

impl Arg {
    const fn new(name: &'static str, form: Form, kind: Kind, doc: &'static str) -> Self {
        Arg {
            name,
            form,
            kind,
            required: false,
            default: None,
            doc,
        }
    }

    /// A positional argument that may be left out.
    pub const fn positional(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Arg::new(name, Form::Positional, kind, doc)
    }

    /// Up to `most` positional values.
    pub const fn repeated(name: &'static str, most: usize, kind: Kind, doc: &'static str) -> Self {
        Arg::new(name, Form::Repeated(most), kind, doc)
    }

    /// A value after the word `keyword`.
    pub const fn keyword(
        keyword: &'static str,
        name: &'static str,
        kind: Kind,
        doc: &'static str,
    ) -> Self {
        Arg::new(name, Form::Keyword(keyword), kind, doc)
    }

    /// A value joined to `option`.
    pub const fn option(
        option: &'static str,
        name: &'static str,
        kind: Kind,
        doc: &'static str,
    ) -> Self {
        Arg::new(name, Form::Option(option), kind, doc)
    }

    /// A value joined to `suffix`, which follows it.
    pub const fn suffix(
        suffix: &'static str,
        name: &'static str,
        kind: Kind,
        doc: &'static str,
    ) -> Self {
        Arg::new(name, Form::Suffix(suffix), kind, doc)
    }

    /// One of `words`.
    pub const fn word(name: &'static str, words: &'static [Word], doc: &'static str) -> Self {
        Arg::new(name, Form::Word, Kind::Choice(words), doc)
    }

    /// The word `name`, or its absence.
    pub const fn flag(name: &'static str, doc: &'static str) -> Self {
        Arg::new(name, Form::Word, Kind::Flag, doc)
    }

    /// The rest of the line.
    pub const fn rest(name: &'static str, doc: &'static str) -> Self {
        Arg::new(name, Form::Rest, Kind::Text, doc)
    }

    /// The same argument, but a line without it is refused.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same argument, with what stands in when it is not given.
    #[must_use]
    pub const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }
}
