//! The seam's manual: the documentation of the crate `lab`, and of the machine that it shows, as one chapter.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::status::{Doing, Failure};

/// The files, in the order of reading, and what each is about.
const FILES: &[(&str, &str)] = &[
    ("labs/lab/src/lib.rs", ""),
    (
        "kernel/shootdown/src/machine.rs",
        "The machine, call by call",
    ),
    ("labs/lab/src/board.rs", "The board"),
    ("labs/lab/src/two.rs", "Lab 2"),
    ("labs/lab/src/three.rs", "Lab 3"),
    ("labs/lab/src/four.rs", "Lab 4"),
    ("labs/lab/src/five.rs", "Lab 5"),
    ("labs/lab/src/six.rs", "Lab 6"),
    ("labs/lab/src/seven.rs", "Lab 7"),
    ("labs/lab/src/ten.rs", "Lab 10"),
];

/// The manual.
///
/// # Errors
/// [`crate::status::Status::Host`] for a file that cannot be read.
pub fn manual(root: &Path) -> Result<String, Failure> {
    let mut out = "# The seam: all that your code may use\n\n".to_owned();
    for (file, title) in FILES {
        let path = root.join(file);
        let text = fs::read_to_string(&path).doing("reading", &path)?;
        if !title.is_empty() {
            let _ = write!(out, "## {title}\n\n");
        }
        out.push_str(&documented(&text));
    }
    Ok(out)
}

/// The documentation of a file, and its public items with theirs.
fn documented(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next_if(|line| line.starts_with("//!")) {
        let _ = writeln!(
            out,
            "{}",
            demoted(line[3..].strip_prefix(' ').unwrap_or(&line[3..]))
        );
    }
    out.push('\n');
    let mut docs: Vec<&str> = Vec::new();
    while let Some(line) = lines.next() {
        let inside = line.trim_start();
        if inside.starts_with("#[cfg(test)]") {
            break;
        }
        if let Some(doc) = inside.strip_prefix("///") {
            docs.push(doc.strip_prefix(' ').unwrap_or(doc));
            continue;
        }
        if inside.starts_with("#[") {
            continue;
        }
        if !docs.is_empty() && is_public(inside) {
            let mut signature = inside.to_owned();
            while !signature.ends_with(['{', ';', ',', '}'])
                || signature.matches('(').count() > signature.matches(')').count()
            {
                let Some(next) = lines.next() else { break };
                let next = next.trim();
                if !signature.ends_with('(') && !next.starts_with(')') {
                    signature.push(' ');
                }
                signature.push_str(next);
            }
            let signature = signature.trim_end_matches(['{', ';', ',']).trim_end();
            let _ = write!(
                out,
                "### `{}`\n\n",
                signature.strip_prefix("pub ").unwrap_or(signature)
            );
            for doc in &docs {
                let _ = writeln!(out, "{}", demoted(doc));
            }
            out.push('\n');
        }
        docs.clear();
    }
    out
}

/// Whether a line begins an item that others see: `pub`, or a trait's function or type.
fn is_public(line: &str) -> bool {
    [
        "pub trait ",
        "pub struct ",
        "pub enum ",
        "pub fn ",
        "pub const fn ",
        "pub type ",
        "pub const ",
        "fn ",
        "type ",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// Headings below the chapter's own; links between items, which have no pages here, as their text.
fn demoted(line: &str) -> String {
    if line.starts_with("# ") {
        return format!("##{line}");
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("[`") {
        let Some(end) = rest[at..].find("`]") else {
            break;
        };
        out.push_str(&rest[..at]);
        out.push_str(&rest[at + 1..=at + end]);
        rest = &rest[at + end + 2..];
        if rest.starts_with('(') {
            rest = rest.find(')').map_or(rest, |end| &rest[end + 1..]);
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_without_its_documentation() {
        let shown = documented(
            "//! It.\n//!\n//! # More\n\n/// What [`X`](a::b) is.\npub trait X<M> {\n    /// Does.\n    fn go(\n        &self,\n        n: u32,\n    ) -> u32;\n    fn hidden();\n}\n",
        );
        assert!(shown.starts_with("It.\n\n### More\n"), "{shown}");
        assert!(
            shown.contains("### `trait X<M>`\n\nWhat `X` is.\n"),
            "{shown}"
        );
        assert!(
            shown.contains("### `fn go(&self, n: u32,) -> u32`\n\nDoes.\n"),
            "{shown}"
        );
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
