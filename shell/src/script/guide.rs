//! What help says about scripts. The table of statements is the source of completion as well.

use super::run::LIMIT;
use crate::report::{Output, Style, Table};
use alloc::format;
use alloc::string::String;

/// The name under which `help` knows it all.
pub(crate) const TOPIC: &str = "scripts";

/// A statement that is no command.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The word with which it begins.
    pub name: &'static str,
    /// How it is written, each way on a line of its own.
    pub usage: &'static [&'static str],
    /// What it does, in one line without a full stop.
    pub summary: &'static str,
}

/// Every statement that is no command.
pub(crate) static STATEMENTS: &[Entry] = &[
    Entry {
        name: "let",
        usage: &["let NAME = EXPRESSION"],
        summary: "Keep a value: `$NAME` or `${NAME}` stands for it from then on",
    },
    Entry {
        name: "expect",
        usage: &[
            "expect CONDITION",
            "expect [no] violation [INVARIANT] [on CPU-SET]",
            "expect [no] hang [INVARIANT] [on CPU-SET] [culprit CPU-SET]",
        ],
        summary: "Fail, and say what was seen, unless it is as expected",
    },
    Entry {
        name: "repeat",
        usage: &["repeat COUNT { … }"],
        summary: "Do something several times",
    },
    Entry {
        name: "for",
        usage: &["for NAME in WORD… { … }"],
        summary: "Do something for each word, as `1-3`, `others` or `a b`",
    },
    Entry {
        name: "if",
        usage: &["if CONDITION { … }", "if CONDITION { … } else { … }"],
        summary: "Do something on a condition",
    },
];

/// A script for help to show, and for tests to run.
pub(crate) const EXAMPLE: &[&str] = &[
    "# Every other CPU goes on reading the old frame until it is told.",
    "let page = 0x400000",
    "map $page",
    "read $page on others",
    "remap $page noshoot",
    "let new = last.first_tag",
    "for cpu in others {",
    "  read $page on $cpu",
    "  expect last.verdict == STALE and last.value < $new",
    "}",
    "shoot page $page",
    "expect last.generation == 1 and last.targets == 1-3",
    "read $page on others",
    "expect all last.verdict == fresh",
    "expect last[cpu=2].value == $new",
    "expect no violation",
];

/// What there is to know beside the statements: paragraphs.
fn paragraphs() -> [String; 6] {
    [
        "A script holds a statement a line, or several with `;` between them. A line that begins \
         with `#` is a comment. A command that fails ends the script, unless `!` before it says \
         that it fails, or the very next statement expects a violation or a hang. The same works \
         at the prompt, with a block on one line: repeat 3 { read 0x400000 on 1; stats }. A \
         script is read as a whole first: with a mistake anywhere, nothing of it runs."
            .into(),
        "In commands, `$NAME` is replaced by the variable's value, and `$$` by a dollar sign."
            .into(),
        "Expressions have 64-bit numbers without a sign, texts, CPU sets such as 0,2-3, yes and no, \
         and nothing; + - * / %, == != < <= > >=, has (a text in a text, CPUs in a set), not, and, \
         or, and parentheses. A text needs double quotes unless it is one word; a minus sign between \
         two numbers needs spaces."
            .into(),
        "`last` is the answer to the last command, with the keys that its --json has: last.KEY, \
         and for tables last.TABLE[COLUMN=VALUE].COLUMN or last.TABLE[N].COLUMN, rows counted from \
         0. TABLE may be left out where there is just one. last.ok, last.error and last.notes are \
         there always. For several rows at once: all or any before a comparison, and count, sum, \
         least and most before a path."
            .into(),
        "`expect violation` and `expect hang` pass if such a thing was noted, and consume it: what \
         is expected does not fail the run, and any other violation does. Violations count from \
         the script's beginning, hangs from the last command's. A culprit is a CPU that was waited \
         for in vain; INVARIANT is I1 to I20."
            .into(),
        format!(
            "Ctrl-C ends a run after the command, and so do {LIMIT} statements and turns of loops."
        ),
    ]
}

/// The statements, for a program.
pub(crate) fn statements() -> Table {
    let mut table = Table::new(["name", "usage", "summary"]);
    for entry in STATEMENTS {
        let usage = entry.usage.join("\n");
        table.row([entry.name.into(), usage.into(), entry.summary.into()]);
    }
    table
}

/// Shows it all.
pub(crate) fn show(output: &mut Output<'_>) {
    if output.json() {
        output.table("statements", statements());
        output.field("details", paragraphs().join("\n\n"));
        output.field("example", EXAMPLE.join("\n"));
        return;
    }
    for entry in STATEMENTS {
        for usage in entry.usage {
            output.styled_note(Style::Strong, usage);
        }
        output.note(format_args!("  {}.", entry.summary));
    }
    for paragraph in paragraphs() {
        output.note(format_args!("\n{paragraph}"));
    }
    output.note("\nexample:");
    for line in EXAMPLE {
        output.note(format_args!("  {line}"));
    }
}

/// The section of the reference page, in Markdown.
pub(crate) fn section() -> String {
    let mut text = String::from("\n## Scripts\n\n```\n");
    for entry in STATEMENTS {
        for usage in entry.usage {
            text.push_str(&format!("{usage}\n"));
        }
    }
    text.push_str("```\n\n");
    for entry in STATEMENTS {
        text.push_str(&format!("- `{}`: {}\n", entry.name, entry.summary));
    }
    for paragraph in paragraphs() {
        text.push_str(&format!("\n{paragraph}\n"));
    }
    text.push_str(&format!("\n```\n{}\n```\n", EXAMPLE.join("\n")));
    text
}
