//! The judge and `kit trace`, on evidence of real runs.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::KIT;
use evidence::judge::{Verdict, judge};
use evidence::{Key, Timeline, decode};
use grader::machine::Machine;
use grader::status::Status;
use serde_json::Value;
use tempfile::TempDir;

const KEY: Key = Key::from_bytes(*b"a key for tests.");

/// Pages shot down in every way, with a stopped CPU among them.
const EVERYTHING: &str = "\
map 0x400000 8
read 0x400000 on all
remap 0x400000
stop 2
remap 0x400000
resume 2
shoot page 0x400000 to 1
shoot range 0x400000 8
shoot space
shoot global
shoot cache
unmap 0x400000 8
storm rounds=40
storm rounds=10 pages=16
";

/// The judge's verdict on what `script` left in `machine`, which must end in success.
#[track_caller]
fn verdict(machine: &Machine, script: &str) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    common::succeed(&machine.clone().evidence(&file, KEY), script);
    let evidence = decode(&fs::read(&file).unwrap(), Some(&KEY));
    assert_eq!(evidence.defects, []);
    judge(&evidence, &Timeline::new(evidence.records.clone()))
}

fn protocols() -> [&'static str; 4] {
    ["scoreboard", "global-lock", "queue", "scoreboard-resend"]
}

#[test]
fn a_right_run_judged_wrong() {
    for protocol in protocols() {
        let machine = Machine::new(KIT).proto(protocol).deterministic();
        let verdict = verdict(&machine, EVERYTHING);
        assert!(verdict.is_clean(), "{protocol}: {:#?}", verdict.findings);
        let seen = verdict.rows.iter().filter(|row| row.held > 0).count();
        assert!(seen >= 14, "{protocol}: {:?}", verdict.rows);
    }
}

#[test]
fn a_right_run_on_racing_threads_judged_wrong() {
    for protocol in protocols() {
        let machine = Machine::new(KIT).proto(protocol).threaded();
        let verdict = verdict(&machine, "storm rounds=40\nstorm rounds=10 pages=8\n");
        assert!(verdict.is_clean(), "{protocol}: {:#?}", verdict.findings);
    }
}

/// What a scenario's evidence speaks against, where that is another invariant than the one that the
/// scenario breaks: the records show that a request was lost, and not why.
const SEEN_AS: [(&str, u8); 4] = [
    // A word written at the wrong time, or the wrong word, leaves a request that no handler finds.
    ("I03-twice", 6),
    ("I11-snapshot", 6),
    ("I13-transpose", 6),
    // An acknowledgement that the fault makes in the protocol's name passes no point.
    ("I04-copy", 3),
];

fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tlb"))
        .collect();
    files.sort();
    files
}

/// The value of a line `# name: value` of a scenario.
fn header<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let prefix = format!("# {name}: ");
    text.lines().find_map(|line| line.strip_prefix(&prefix))
}

#[test]
fn a_broken_invariant_judged_held() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    for scenario in scenarios() {
        let name = scenario.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&scenario).unwrap();
        let options = header(&text, "options").unwrap_or_default();
        let mut run = Command::new(KIT);
        run.args(["run", "--deterministic", "--evidence"])
            .arg(&file);
        run.args(options.split_whitespace());
        run.arg("--script").arg(&scenario);
        let output = run.output().unwrap();
        let key = fs::read_to_string(folder.path().join("evidence.key")).unwrap();
        let evidence = decode(
            &fs::read(&file).unwrap(),
            Key::from_hex(key.trim()).as_ref(),
        );
        assert!(
            evidence.is_sound(),
            "{name}: {:?}\n{output:?}",
            evidence.defects
        );
        let verdict = judge(&evidence, &Timeline::new(evidence.records.clone()));
        let found: BTreeSet<u8> = verdict
            .findings
            .iter()
            .map(|found| found.invariant)
            .collect();
        let breaks = header(&text, "invariant").and_then(|name| name.strip_prefix('I'));
        let breaks: u8 = breaks.unwrap().parse().unwrap();
        let other = SEEN_AS.iter().find(|(scenario, _)| *scenario == name);
        let wanted = other.map_or(breaks, |&(_, number)| number);
        assert!(found.contains(&wanted), "{name}: {found:?}\n{output:?}");
    }
}

/// A run's evidence in a folder, with its key beside it.
fn left() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    let machine = Machine::new(KIT).deterministic().evidence(&file, KEY);
    common::succeed(
        &machine,
        "map 0x400000\nread 0x400000 on all\nremap 0x400000\n",
    );
    let digits = KEY.hex().map(char::from).into_iter().collect::<String>();
    fs::write(folder.path().join("evidence.key"), digits).unwrap();
    (folder, file)
}

fn kit(arguments: &[&str], file: &Path) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(KIT)
        .arg("trace")
        .arg(file)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn code(status: Status) -> Option<i32> {
    Some(i32::from(status.code()))
}

#[test]
fn evidence_that_was_changed_and_passes() {
    let (folder, file) = left();
    let (status, verdict, _) = kit(&["--judge"], &file);
    assert_eq!(status, code(Status::Success), "{verdict}");
    assert!(verdict.contains("I5   held"), "{verdict}");
    let (_, verdict, _) = kit(&["--judge", "--json"], &file);
    let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
    assert_eq!(verdict["sound"], true, "{verdict}");
    assert_eq!(verdict["invariants"][4]["status"], "held", "{verdict}");

    let bytes = fs::read(&file).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    fs::write(&file, flipped).unwrap();
    let (status, _, complaint) = kit(&["--judge"], &file);
    assert_eq!(status, code(Status::Usage), "{complaint}");
    assert!(complaint.contains("proves nothing"), "{complaint}");
    let (status, verdict, _) = kit(&["--judge", "--json"], &file);
    assert_eq!(status, code(Status::Usage));
    let verdict: serde_json::Value = serde_json::from_str(&verdict).unwrap();
    assert_eq!(verdict["sound"], false, "{verdict}");
    assert_ne!(verdict["defects"], serde_json::json!([]), "{verdict}");

    fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
    let (status, _, complaint) = kit(&["--judge"], &file);
    assert_eq!(status, code(Status::Usage));
    assert!(complaint.contains("truncated"), "{complaint}");

    fs::write(&file, &bytes).unwrap();
    let other = "00".repeat(16);
    let (status, _, complaint) = kit(&["--judge", "--key", &other], &file);
    assert_eq!(status, code(Status::Usage));
    assert!(complaint.contains("forged"), "{complaint}");

    fs::remove_file(folder.path().join("evidence.key")).unwrap();
    let (status, _, complaint) = kit(&["--judge"], &file);
    assert_eq!(status, code(Status::Usage));
    assert!(complaint.contains("no key"), "{complaint}");
}

#[test]
fn a_drawing_without_what_was_asked_for() {
    let (_folder, file) = left();
    let (status, drawn, _) = kit(&["--width", "100"], &file);
    assert_eq!(status, code(Status::Success));
    for seen in [
        "shootdown 0: page 0x400000",
        "acknowledged",
        "send ──",
        "░ may use",
    ] {
        assert!(drawn.contains(seen), "{seen}: {drawn}");
    }
    let (_, plain, _) = kit(&["--ascii", "--cpu", "0-1"], &file);
    assert!(plain.is_ascii() && !plain.contains("CPU 2"), "{plain}");
    let (_, records, _) = kit(&["--records", "--cpu", "1"], &file);
    assert!(
        records.contains("acknowledge") && !records.contains("publish"),
        "{records}"
    );
    let (status, _, complaint) = kit(&["--shootdown", "9"], &file);
    assert_eq!(status, code(Status::Usage));
    assert!(complaint.contains("only 0 to 0"), "{complaint}");
}

#[test]
fn a_file_that_is_no_evidence_taken_for_some() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    let (status, _, complaint) = kit(&[], &file);
    assert_eq!(status, code(Status::Usage), "{complaint}");
    for bytes in [&b""[..], b"hello", &[0; 5000]] {
        fs::write(&file, bytes).unwrap();
        let (status, _, complaint) = kit(&[], &file);
        assert_eq!(status, code(Status::Usage));
        assert!(complaint.contains("holds no evidence"), "{complaint}");
    }
}

#[test]
fn a_run_traced_at_once_that_shows_nothing() {
    let run = Command::new(KIT)
        .args(["trace", "--deterministic", "--command"])
        .arg("map 0x400000; read 0x400000 on all; remap 0x400000")
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), code(Status::Success), "{text}");
    let (transcript, drawing) = text.split_once("shootdown 0:").expect(&text);
    assert!(transcript.contains("first tag"), "{text}");
    assert!(drawing.contains("local-invalidate"), "{text}");
}

/// A number of a trace event.
fn number(event: &Value, key: &str) -> f64 {
    event[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no {key}: {event}"))
}

#[test]
fn a_perfetto_trace_that_would_not_load() {
    let (folder, file) = left();
    let out = folder.path().join("trace.json");
    let (status, ..) = kit(&["--perfetto", out.to_str().unwrap()], &file);
    assert_eq!(status, code(Status::Success));
    let trace: Value = serde_json::from_slice(&fs::read(&out).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| {
        let phase = phase.to_owned();
        events
            .iter()
            .filter(move |event| event["ph"] == phase.as_str())
    };
    assert!(of("M").any(|event| event["args"]["name"] == "CPU 3"));
    // Slices of one CPU lie within one another or apart.
    let slices: Vec<(u64, f64, f64)> = of("X")
        .map(|event| {
            let from = number(event, "ts");
            let tid = event["tid"].as_u64().unwrap();
            (tid, from, from + number(event, "dur"))
        })
        .collect();
    assert!(slices.len() >= 5, "{slices:?}");
    for (index, one) in slices.iter().enumerate() {
        for other in slices[index + 1..].iter().filter(|other| other.0 == one.0) {
            let apart = one.2 <= other.1 || other.2 <= one.1;
            let within =
                one.1 <= other.1 && other.2 <= one.2 || other.1 <= one.1 && one.2 <= other.2;
            assert!(apart || within, "{one:?} {other:?}");
        }
    }
    // Every flow starts in a slice, ends in a slice, and ends later, elsewhere.
    let flows = |phase| -> BTreeMap<u64, (u64, f64)> {
        let flow = |event: &Value| {
            let tid = event["tid"].as_u64().unwrap();
            (event["id"].as_u64().unwrap(), (tid, number(event, "ts")))
        };
        of(phase).map(flow).collect()
    };
    let (starts, ends) = (flows("s"), flows("f"));
    assert_eq!(starts.len(), 3);
    assert!(starts.keys().eq(ends.keys()));
    for (id, start) in &starts {
        let end = ends[id];
        assert!(end.0 != start.0 && end.1 > start.1, "{start:?} {end:?}");
        for (tid, at) in [*start, end] {
            let inside = slices
                .iter()
                .any(|slice| slice.0 == tid && slice.1 <= at && at <= slice.2);
            assert!(inside, "{tid} {at}");
        }
    }
    let ids = |phase| {
        of(phase)
            .map(|event| event["id"].to_string())
            .collect::<BTreeSet<_>>()
    };
    assert!(!ids("b").is_empty() && ids("b") == ids("e"));
}
