//! The language: what is read is what is shown, and what makes no sense is refused.

use super::*;
use crate::commands::{Action as Parsed, Request};
use crate::complete::complete;
use crate::fake::{FakeSystem, failure};
use crate::parse::parse;
use alloc::string::ToString;
use shootdown::CpuSet;

fn arguments(line: &str) -> args::Fault {
    let parsed = parse(line, &FakeSystem::new())
        .unwrap_or_else(|refused| panic!("{line}: {:?}", refused.failure));
    match parsed.map(|parsed| parsed.action) {
        Some(Parsed::System(Request::Fault(args))) => args,
        other => panic!("{line}: {other:?}"),
    }
}

fn fault(line: &str) -> Result<Fault, Failure> {
    let args = arguments(line);
    let Subject::At(point) = args.subject else {
        panic!("{line}: no point");
    };
    Fault::new(point, &args, |cpus| {
        cpus.resolve(CpuId::BOOT, CpuSet::first(4))
    })
}

#[test]
fn a_fault_shown_by_another_line_than_arms_it() {
    let lines = [
        "fault send drop cpu 0 peer 2 1*",
        "fault acknowledge delay 200us",
        "fault publish late 1500ns cpu 1-3 20% after 7",
        "fault zero wrong-column to 3 peer 1",
        "fault notice delay 10ms 18446744073709551615*",
    ];
    for line in lines {
        assert_eq!(fault(line).unwrap().to_string(), line);
    }
    let spread = "fault 1* drop 50% cpu others send"
        .replace("1* drop 50% cpu others send", "send 1* drop cpu others 50%");
    assert_eq!(
        fault(&spread).unwrap().to_string(),
        "fault send drop cpu 1-3 1* 50%"
    );
}

#[test]
fn every_action_at_every_point_of_its_can_be_armed_and_saved() {
    for action in Action::ALL {
        for &point in action.points() {
            let operand = match action.operand() {
                Operand::Nothing => "",
                Operand::Time => " 5us",
                Operand::Cpu => " to 1",
            };
            let line = alloc::format!("fault {point} {}{operand}", action.name());
            let armed = fault(&line).unwrap();
            assert_eq!((armed.action, armed.to_string()), (action, line));
        }
    }
}

#[test]
fn two_actions_of_one_name_at_one_point() {
    for point in Point::ALL {
        let mut names: Vec<&str> = Action::all_at(point).map(Action::name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{point}");
    }
    for (index, action) in Action::ALL.into_iter().enumerate() {
        assert_eq!(Action::from_number(index as u8), Some(action));
    }
    assert_eq!(Action::from_number(Action::COUNT as u8), None);
}

#[test]
fn a_refusal_that_does_not_say_what_would_do() {
    let says = |line: &str, words: &[&str]| {
        let failure = fault(line).expect_err(line);
        let text = alloc::format!("{failure:?}");
        assert!(
            words.iter().all(|word| text.contains(word)),
            "{line}: {text}"
        );
    };
    says(
        "fault send",
        &["missing", "an action at send: delay", "drop"],
    );
    says("fault send dorp", &["did you mean `drop`?"]);
    says(
        "fault wait drop",
        &["makes no sense at wait", "it does at send"],
    );
    says("fault send delay", &["needs a time", "200us"]);
    says("fault send misdirect", &["needs a CPU", "to CPU"]);
    says("fault send drop 5us", &["takes no time: 5us"]);
    says("fault send drop to 1", &["takes no `to`"]);
    says(
        "fault pin delay 5us peer 1",
        &["nobody is at the other end"],
    );
    assert!(arguments("fault list").only_subject().is_ok());
    assert!(arguments("fault list 3*").only_subject().is_err());
    assert!(arguments("fault clear 3").only_subject_and_action().is_ok());
    assert!(
        arguments("fault clear 3 50%")
            .only_subject_and_action()
            .is_err()
    );
}

#[test]
fn a_count_or_a_share_or_a_time_that_is_none() {
    for line in [
        "fault send drop 0*",
        "fault send drop *",
        "fault send drop 101%",
        "fault send drop 0%",
        "fault send drop -1%",
        "fault send drop 1* 2*",
        "fault send delay 5",
        "fault send delay 0us",
        "fault send delay 11s",
        "fault send delay us",
        "fault send delay 99999999999999999999s",
        "fault nowhere drop",
        "fault send drop after",
        "fault send drop cpu 9",
    ] {
        assert!(failure(line).expected.is_some(), "{line}");
    }
}

#[test]
fn times_are_read_and_shown_alike() {
    for (text, ns) in [
        ("300ns", 300),
        ("200us", 200_000),
        ("5ms", 5_000_000),
        ("1500ns", 1500),
    ] {
        let time = Time::parse(text).unwrap();
        assert_eq!((time.ns(), time.to_string().as_str()), (ns, text));
    }
    assert_eq!(
        Time::parse("10s").map(|time| time.to_string()).as_deref(),
        Some("10000ms")
    );
}

#[test]
fn only_actions_of_the_point_are_offered() {
    let offered = |line: &str| complete(line, &FakeSystem::new()).candidates;
    assert_eq!(offered("fault not"), ["notice"]);
    assert_eq!(offered("fault send d"), ["delay", "drop", "duplicate"]);
    assert_eq!(offered("fault wait s"), ["skip"]);
    assert_eq!(offered("fault send drop p"), ["peer"]);
}
