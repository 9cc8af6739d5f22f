//! What is understood, and what is said of the rest.

use super::*;
use crate::commands::{Access, Builtin, CpuSelection, Extent, Request, SpaceAction, args};
use crate::fake::{FakeSystem, failure};
use alloc::string::ToString;
use shootdown::{CpuId, CpuSet, SpaceId};

fn parsed(line: &str) -> Parsed {
    match parse(line, &FakeSystem::new()) {
        Ok(Some(parsed)) => parsed,
        other => panic!("{line}: {other:?}"),
    }
}

fn request(line: &str) -> Request {
    match parsed(line).action {
        Action::System(request) => request,
        Action::Shell(builtin) => panic!("{line}: {builtin:?}"),
    }
}

fn cpu(number: usize) -> Option<CpuId> {
    CpuId::new(number)
}

#[test]
fn keywords_stand_anywhere_and_positions_keep_their_order() {
    for line in [
        "map from 2 in 1 0x400000 16 ro",
        "map 0x400000 16 ro in 1 from 2",
        "  map\tro 0x400000 from 2 16 in 1  ",
    ] {
        let Request::Map(map) = request(line) else {
            panic!("{line}")
        };
        assert_eq!(map.from, cpu(2));
        assert_eq!(map.space, Some(SpaceId(1)));
        assert_eq!((map.address.get(), map.pages), (0x40_0000, 16));
        assert_eq!(map.access, Access::ReadOnly);
    }
}

#[test]
fn what_is_not_given_takes_its_default() {
    let Request::Map(map) = request("map 0x400000") else {
        panic!()
    };
    assert_eq!((map.from, map.space, map.pages), (None, None, 1));
    assert_eq!(map.access, Access::ReadWrite);
    let Request::Storm(storm) = request("storm") else {
        panic!()
    };
    assert_eq!((storm.rounds, storm.pages, storm.protocol), (1000, 1, None));
    assert_eq!(storm.initiators, CpuSelection::All);
    let Request::Space(space) = request("space") else {
        panic!()
    };
    assert_eq!((space.action, space.id), (SpaceAction::List, None));
}

#[test]
fn cpu_sets_are_read_as_they_are_written() {
    let targets = |set: &str| match request(&alloc::format!("ipi {set}")) {
        Request::Ipi(ipi) => ipi.targets,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        targets("0,2-3"),
        CpuSelection::Only(CpuSet::from_bits(0b1101))
    );
    assert_eq!(targets("0x1"), CpuSelection::Only(CpuSet::from_bits(0b10)));
    assert_eq!(targets("all"), CpuSelection::All);
    assert_eq!(targets("others"), CpuSelection::Others);
}

#[test]
fn flags_options_and_repeated_arguments_reach_their_fields() {
    let Request::Unmap(unmap) = request("unmap noshoot 0x400000") else {
        panic!()
    };
    assert!(unmap.noshoot);
    let Request::Storm(storm) = request("storm pages=4 proto=global-lock initiators=0-1 rounds=2K")
    else {
        panic!()
    };
    assert_eq!((storm.rounds, storm.pages), (2048, 4));
    assert_eq!(storm.protocol.as_deref(), Some("global-lock"));
    let Request::Run(run) = request("run revoker 0x400000 on others 7") else {
        panic!()
    };
    assert_eq!(run.arguments, [0x40_0000, 7]);
    assert_eq!(run.on, Some(CpuSelection::Others));
    let Request::Shoot(shoot) = request("shoot range 0x400000 16 to 1-2 from 3") else {
        panic!()
    };
    assert_eq!(
        (shoot.extent, shoot.pages, shoot.from),
        (Extent::Range, Some(16), cpu(3))
    );
}

#[test]
fn json_is_understood_anywhere_and_is_no_word_of_a_text() {
    for line in [
        "--json cpus",
        "cpus --json",
        "ipi --json others 3",
        "ipi others 3 --json --json",
    ] {
        assert!(parsed(line).json, "{line}");
    }
    let text = |line| match parsed(line).action {
        Action::Shell(Builtin::Echo(args::Echo { text })) => text.unwrap_or_default(),
        other => panic!("{other:?}"),
    };
    assert_eq!(text("echo  a  b  "), "a  b");
    assert_eq!(text("echo a --json b"), "a b");
    assert_eq!(text("echo --jsonx from 99 --json"), "--jsonx from 99");
}

#[test]
fn nothing_is_nothing() {
    for line in ["", "   ", "\t", "# map 0x400000", "  # --json"] {
        assert!(
            matches!(parse(line, &FakeSystem::new()), Ok(None)),
            "{line:?}"
        );
    }
}

/// Lines that are refused, each with a part of the message, of what was expected, of the hint.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    (
        "shot page 0x400000",
        "no command `shot`",
        "`help` lists",
        "`shoot`",
    ),
    ("CPUS", "no command `CPUS`", "", "`cpus`"),
    ("--json", "without a command", "a command", ""),
    ("regs 99", "no CPU 99", "runs: 0-3", ""),
    ("regs 7", "CPU 7 does not run", "runs: 0-3", ""),
    ("regs 1 2", "cannot take `2`", "that usage shows", ""),
    ("regs x", "`x` is not a number", "CPU", ""),
    ("regs 18446744073709551616", "64 bits", "CPU", ""),
    ("ipi", "CPU-SET is missing", "`all` or `others`", ""),
    ("ipi 0-9", "CPU 4-9 do not run", "out of 0-3", ""),
    ("ipi 0-99999999999", "no CPU 99999999999", "CPU set", ""),
    ("ipi 3-1", "`3-1` runs backwards", "CPU set", ""),
    ("ipi 1,,2", "`1,,2` is not a CPU set", "CPU set", ""),
    ("ipi 1-", "not a CPU set", "CPU set", ""),
    ("ipi other", "not a CPU set", "CPU set", "`others`"),
    ("ipi all 0", "too small", "from 1 to 1000000", ""),
    ("map", "ADDRESS is missing", "multiple of 4096", ""),
    (
        "map 0x400001",
        "0x400001 is not a multiple of 4096",
        "canonical",
        "0x400000",
    ),
    ("map 0x800000000000", "not canonical", "canonical", ""),
    ("map 0x400000 0", "PAGES: `0` is too small", "from 1 to", ""),
    ("map 0x400000 rx", "`rx` is not a number", "pages", "`r"),
    (
        "map 0x7fffffffe000 3",
        "3 pages from 0x7fffffffe000",
        "at most 2 pages",
        "",
    ),
    (
        "map 0xfffffffffffff000 2",
        "canonical",
        "at most 1 pages",
        "",
    ),
    ("map 0x400000 ro rw", "`ro` and `rw` exclude", "", ""),
    ("map 0x400000 ro ro", "given twice", "once", ""),
    ("map from 1 from 2 0x400000", "given twice", "once", ""),
    ("map 0x400000 from", "nothing follows `from`", "CPU", ""),
    ("map 0x400000 in 9", "no address space `9`", "0, 1", ""),
    ("map 0x400000 in 4294967296", "no address space", "0, 1", ""),
    ("protect 0x400000", "ro|rw is missing", "ro, rw", ""),
    (
        "unmap 0x400000 1 noshot",
        "cannot take `noshot`",
        "",
        "`noshoot`",
    ),
    ("storm round=3", "cannot take `round=3`", "", "`rounds`"),
    ("storm rounds=", "rounds: `` is not a number", "from 1", ""),
    (
        "storm proto=scorebord",
        "no protocol `scorebord`",
        "scoreboard, global-lock",
        "`scoreboard`",
    ),
    ("proto globl-lock", "no protocol", "", "`global-lock`"),
    (
        "shoot",
        "page|range|space|global|cache is missing",
        "page, range",
        "",
    ),
    (
        "shoot page",
        "ADDRESS is missing with `page`",
        "multiple of 4096",
        "",
    ),
    (
        "shoot range 0x400000",
        "PAGES is missing with `range`",
        "",
        "",
    ),
    (
        "shoot global 0x400000",
        "`global` takes no ADDRESS",
        "page, range",
        "",
    ),
    (
        "shoot page 0x400000 2",
        "`page` takes no PAGES",
        "range",
        "",
    ),
    ("shoot cache in 1", "`cache` takes no SPACE", "space", ""),
    ("space use", "ID is missing with `use`", "address space", ""),
    ("space 1", "`list` takes no ID", "use, drop", ""),
    ("help shooot", "no command `shooot`", "", "`shoot`"),
    ("tour 99", "too big", "from 1 to", ""),
    ("run toucher 1 2 3 4 5 6 7", "cannot take `7`", "", ""),
    ("quit 2", "too big", "0 to 1", ""),
];

#[test]
fn a_refusal_says_what_is_wrong_and_what_was_expected() {
    for &(line, message, expected, hint) in REFUSED {
        let failure = failure(line);
        assert!(failure.message.contains(message), "{line}: {failure:?}");
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        assert!(
            text(&failure.expected).contains(expected),
            "{line}: {failure:?}"
        );
        assert!(text(&failure.hint).contains(hint), "{line}: {failure:?}");
        assert!(failure.expected.is_some(), "{line}: {failure:?}");
    }
}

#[test]
fn a_refused_line_reaches_no_system() {
    for &(line, ..) in REFUSED {
        let mut system = FakeSystem::new();
        let mut sink = alloc::vec::Vec::new();
        assert!(crate::run_line(line, &mut system, &mut sink, crate::fake::PLAIN).is_err());
        assert!(system.seen.is_empty(), "{line}");
    }
}

#[test]
fn a_line_that_names_a_command_is_refused_with_its_usage() {
    assert_eq!(
        failure("map").usage.as_deref(),
        Some("map [from CPU] [in SPACE] ADDRESS [PAGES] [ro|rw]")
    );
    assert_eq!(failure("nonsense").usage, None);
}

#[test]
fn a_message_quotes_only_the_beginning_of_a_long_word() {
    let failure = failure(&"x".repeat(500));
    assert!(failure.message.chars().count() < 80, "{}", failure.message);
}

#[test]
fn a_line_beyond_the_limit_is_refused_before_it_is_read() {
    let line = alloc::format!("echo {}", "x".repeat(LINE_LIMIT));
    assert!(failure(&line).message.contains("512 bytes"));
}

#[test]
fn a_lone_cpu_has_no_others_but_may_say_so() {
    let mut system = FakeSystem::new();
    system.online = CpuSet::only(CpuId::BOOT);
    assert!(parse("ipi others", &system).is_ok());
    let refused = parse("ipi 1", &system).expect_err("CPU 1 does not run");
    assert_eq!(refused.failure.to_string(), "CPU-SET: CPU 1 does not run");
}

#[test]
fn random_words_are_answered_and_never_panic() {
    const WORDS: [&str; 28] = [
        "map",
        "shoot",
        "storm",
        "page",
        "range",
        "from",
        "to",
        "in",
        "on",
        "0x400000",
        "1",
        "0-3",
        "all",
        "others",
        "ro",
        "rounds=",
        "rounds=5",
        "=",
        "--json",
        "-",
        "0x",
        "18446744073709551615",
        "é",
        "!",
        "#",
        "space",
        "use",
        "run",
    ];
    let mut state = 1u64;
    for _ in 0..20_000 {
        let mut line = String::new();
        loop {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let pick = (state >> 33) as usize % (WORDS.len() + 4);
            let Some(word) = WORDS.get(pick) else { break };
            line.push_str(word);
            line.push(' ');
        }
        let _ = parse(&line, &FakeSystem::new());
        let _ = crate::complete::complete(&line, &FakeSystem::new());
        let _ = crate::complete::complete(line.trim_end(), &FakeSystem::new());
    }
}
