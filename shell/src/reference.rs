//! The reference page, from the table.
//!
//! `cargo run -p shell --example reference > shell/REFERENCE.md` writes it anew; a test fails while
//! the committed file differs.

use crate::commands::{Command, Group, TABLE};
use crate::help::{explain, synopsis, usage};
use crate::script;
use crate::words;
use alloc::format;
use alloc::string::String;

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Shell commands\n\n\
         Generated from the shell's command table by \
         `cargo run -p shell --example reference > shell/REFERENCE.md`.\n",
    );
    for group in Group::ALL {
        page.push_str(&format!("\n## {}\n", group.title()));
        for command in TABLE.iter().filter(|command| command.group == group) {
            page.push_str(&section(command));
        }
    }
    page.push_str(&script::section());
    page.push_str(&words::section());
    page
}

fn section(command: &Command) -> String {
    let mut text = format!(
        "\n### `{}`\n\n{}.\n\n```\n{}\n```\n",
        command.name,
        command.summary,
        usage(command)
    );
    if !command.args.is_empty() {
        text.push('\n');
    }
    for arg in command.args {
        text.push_str(&format!("- `{}`: {}\n", synopsis(arg), explain(arg)));
    }
    text.push_str(&format!("\n{}\n", command.details));
    for need in command.needs {
        text.push_str(&format!("\n{}.\n", need.rule()));
    }
    if !command.examples.is_empty() {
        text.push_str(&format!("\n```\n{}\n```\n", command.examples.join("\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_reference_is_what_the_table_says() {
        assert!(
            super::page() == include_str!("../REFERENCE.md"),
            "run `cargo run -p shell --example reference > shell/REFERENCE.md`"
        );
    }
}
