//! The same language, a line at a time.

use crate::fake::{FakeSystem, FakeTty, PLAIN};
use crate::script::Session;
use crate::terminal::Memory;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What `lines` show, one after another in one session.
fn typed(lines: &[&str]) -> String {
    let (mut system, mut sink) = (FakeSystem::new(), Vec::new());
    let mut session = Session::default();
    for line in lines {
        let _ = session.line(line, &mut system, &mut sink, PLAIN);
    }
    String::from_utf8(sink).expect("the shell writes UTF-8")
}

#[test]
fn a_plain_command_answers_as_it_always_did() {
    for line in [
        "cpus",
        "echo a",
        "regs 9",
        "regs 9 --json",
        "frob",
        "",
        "# no",
        "storm rounds=13",
    ] {
        assert_eq!(typed(&[line]), crate::fake::shown(line, PLAIN), "{line}");
    }
}

#[test]
fn variables_and_the_last_answer_stay_from_line_to_line() {
    assert_eq!(
        typed(&[
            "let a = 1 + 1",
            "echo $a",
            "sleep 5",
            "expect last.after == $a",
            "expect $a == 3"
        ]),
        "a = 2\n2\nbefore  1\n5 ms to go\nafter  2\nmet\nerror: unmet: $a is 2\n  expected $a == 3\n"
    );
    assert!(
        typed(&["storm rounds=13", "cpus", "expect violation I5"]).contains("met: a violation")
    );
}

#[test]
fn commands_in_a_block_are_shown_as_they_are_carried_out() {
    assert_eq!(
        typed(&["for x in 1-2 { echo $x }; echo end"]),
        "+ echo 1\n1\n+ echo 2\n2\nend\n"
    );
    let shown = typed(&["repeat 2 {", "echo a"]);
    assert!(
        shown.starts_with("error: the block is not closed"),
        "{shown}"
    );
    assert!(shown.ends_with("\na\n"), "{shown}");
}

#[test]
fn the_prompt_itself_reads_statements() {
    let mut tty = FakeTty::typing(b"let x = 0x10\rfor y in a b { echo $y $x }\r");
    let mut memory = Memory::new();
    crate::interactive(&mut tty, &mut FakeSystem::new(), PLAIN, &mut memory);
    let shown = tty.text();
    assert!(shown.contains("x = 0x10\n"), "{shown}");
    assert!(
        shown.contains("+ echo a 0x10\na 0x10\n+ echo b 0x10\n"),
        "{shown}"
    );
}

/// A sink on which Ctrl-C is typed after so many lines.
struct Impatient {
    shown: Vec<u8>,
    lines: usize,
    attending: bool,
}

impl crate::Sink for Impatient {
    fn write(&mut self, bytes: &[u8]) {
        self.shown.extend_from_slice(bytes);
    }
    fn interrupted(&mut self) -> bool {
        let newlines = self.shown.iter().filter(|&&byte| byte == b'\n').count();
        self.attending && newlines >= self.lines
    }
    fn attend(&mut self, running: bool) {
        assert_ne!(self.attending, running);
        self.attending = running;
    }
}

#[test]
fn ctrl_c_ends_a_loop_and_not_only_the_command_in_it() {
    let mut sink = Impatient {
        shown: Vec::new(),
        lines: 6,
        attending: false,
    };
    let mut system = FakeSystem::new();
    let result = Session::default().line("repeat 1000 { echo a }", &mut system, &mut sink, PLAIN);
    assert_eq!(
        result.map_err(|failure| failure.message),
        Err("ended by Ctrl-C".into())
    );
    assert!(!sink.attending);
    assert_eq!(
        sink.shown,
        format!("{}error: ended by Ctrl-C\n", "+ echo a\na\n".repeat(3)).as_bytes()
    );
}

#[test]
fn help_explains_scripts_under_every_word_of_theirs() {
    let shown = crate::fake::shown("help scripts", PLAIN);
    for name in crate::script::topics() {
        assert_eq!(crate::fake::shown(&format!("help {name}"), PLAIN), shown);
    }
    for entry in crate::script::STATEMENTS {
        assert!(entry.usage.iter().all(|usage| shown.contains(usage)));
        assert!(
            crate::commands::find(entry.name).is_none(),
            "{}",
            entry.name
        );
    }
    let narrow = crate::report::Settings {
        columns: 80,
        ..PLAIN
    };
    let shown = crate::fake::shown("help scripts", narrow);
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
}

#[test]
fn the_example_of_help_is_a_script() {
    use super::super::{check, guide::EXAMPLE, parser};
    let program = parser::parse(EXAMPLE.join("\n").as_bytes()).expect("it parses");
    let system = FakeSystem::new();
    assert_eq!(
        check::check(&program, core::iter::empty(), Some(&system)),
        []
    );
}
