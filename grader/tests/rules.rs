//! What stands in a source file cannot break its reader, nor keep it.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::KIT;
use grader::labs::rig::Shared;
use grader::labs::rules::{LONGEST, examine};
use grader::workspace::Workspace;

fn shared() -> Arc<Shared> {
    Shared::new(&Workspace::find().unwrap(), Path::new(KIT))
}

/// What is said of `head`, then as many `open` as fit, `middle`, and as many `close`.
fn said(shared: &Shared, head: &str, open: &str, middle: &str, close: &str) -> String {
    let head = format!("#![no_std]\n#![forbid(unsafe_code)]\n{head}");
    let many = (LONGEST - head.len() - middle.len()) / (open.len() + close.len());
    let source = [&head, &open.repeat(many), middle, &close.repeat(many)].concat();
    let broken = examine(shared, source.as_bytes()).unwrap();
    let lines: Vec<String> = broken.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn nesting_that_breaks_the_reader() {
    let shared = shared();
    for (head, open, middle, close) in [
        ("const A: u8 = ", "(", "1", ")"),
        ("const A: u8 = ", "[", "1", "]"),
        ("fn f() ", "{", "", "}"),
        ("fn f() ", "{", "", ""),
        ("", ")", "", ""),
        ("const A: i8 = ", "-", "1", ";"),
        ("const A: bool = ", "!", "true", ";"),
        ("const A: &u8 = ", "&", "1", ";"),
        ("const A: ", "&", "u8 = 1", ";"),
        ("const A: ", "*const ", "u8 = 1", ";"),
        ("type A = ", "B<", "u8", ">"),
        ("fn f() { let ", "&", "a = 1; }", ""),
        ("fn f() { ", "|| ", "1", "}"),
        ("fn f() { if a {} ", "else if a {} ", "", "}"),
        ("fn f() { if ", "if ", "a", "{}"),
        ("fn f() { a", ".b()", "", "}"),
        ("fn f() { a", " + 1", "", "}"),
        ("fn f() { a", " = a", "", "}"),
        ("fn f() { a", "[0]", "", "}"),
        ("fn f() { ", "return ", "", "}"),
        ("fn f() { a", " as u8", "", "}"),
        ("use ", "a::", "b;", ""),
        ("fn f() { ", "'a: ", "loop {} }", ""),
        ("fn f() -> ", "impl Fn() -> ", "u8 {}", ""),
        ("fn f() { assert!(", "-", "1) }", ""),
        ("", "/*", "", ""),
        ("", "#[a] ", "fn f() {}", ""),
    ] {
        // It comes to an end, and what it is is said.
        let said = said(&shared, head, open, middle, close);
        assert!(said.starts_with("line "), "{head}{open}: {said}");
    }
}

#[test]
fn what_a_source_says_is_taken_for_the_reader_s_word() {
    let shared = shared();
    let source = "#![no_std]\n#![forbid(unsafe_code)]\nstatic A: &str = \"[]\";\n// []\n";
    let broken = examine(&shared, source.as_bytes()).unwrap();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0].line, 3);
}
