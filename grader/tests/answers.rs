//! What is made of programs that answer for a solution and mean no good.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::KIT;
use explorer::{Answerer, Code as _, LIMIT, View, explored, scenes};
use grader::labs::answers::Starter;
use sandbox::{Layers, Limits, Policy, Starts};

/// What is answered for a scene of two CPUs: no words of its own.
const BUILT: &str = r#"{"Built":[1,{"words":[],"heads":[null,null],"slots":[null,null,null,null],"lines":null,"sends":false}]}"#;

/// A program that is a script.
struct Hostile {
    folder: tempfile::TempDir,
    limits: Limits,
}

impl Hostile {
    fn new(script: &str) -> Hostile {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let text = format!("#!/bin/bash\nbuilt='{BUILT}'\n{script}\n");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        Hostile {
            folder,
            limits: Limits {
                cpu: 1,
                memory: 256 << 20,
                processes: 8,
                disk: 1 << 20,
                files: 8,
                output: 1 << 30,
                wall: 60,
            },
        }
    }

    fn answerer(&self) -> Answerer<'static> {
        let (limits, folder) = (self.limits, self.folder.path().to_path_buf());
        let starter = Starter::by(move |program| {
            let policy = Policy {
                readable: Vec::new(),
                writable: vec![folder.clone()],
                environment: Vec::new(),
                starts: Starts::Programs,
                limits,
                layers: Layers::NONE,
            };
            sandbox::start(Path::new(KIT), &policy, &folder, program, &[])
        });
        starter.answerer(self.program(), false)
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    /// What is said of it, and whether it is the host's fault.
    fn explored(&self) -> (String, Option<String>) {
        let code = self.answerer();
        let scene = scenes::find("one").unwrap();
        let explored = explored(&code, &scene, LIMIT, None, View::default());
        let broken = explored.broken.expect("something wrong");
        (broken.violation, code.fault())
    }
}

#[test]
fn a_program_that_does_anything_but_answer() {
    for (script, expected) in [
        (
            r#"echo '{"scene":"one","states":87,"complete":true}'"#,
            "sent what is no answer",
        ),
        (
            r#"while read -r _; do printf '%s\n%s\n' "$built" "$built"; done"#,
            // Whether both are read at once is chance.
            "sent what is no answer",
        ),
        (
            r#"while read -r _; do echo "$built"; done"#,
            "it was asked what it does",
        ),
        ("read -r _; head -c 1G /dev/zero", "it does not end"),
        (
            "read -r _; exit 3",
            "ended with status 3 in the middle of a call",
        ),
        (
            r#"read -r _; echo "$built"; read -r _; exit 0"#,
            "ended with status 0",
        ),
        (r#"read -r _; echo "$built"; kill -SEGV $$"#, "crashed"),
        ("kill -TERM $$", "was ended by signal 15"),
        ("while :; do :; done", "used up its CPU time"),
        (
            "for i in {1..30}; do sleep 100 & done; wait",
            "used too much: processes",
        ),
        (
            "head -c 300M /dev/zero | tail -c 300M | sleep 100",
            "used too much: memory",
        ),
        (
            "read -r _; head -c 1G /dev/zero >&2; sleep 100",
            "used too much: output",
        ),
        (
            r#"read -r _; printf '\xff\xfe\n'"#,
            "sent what is no answer",
        ),
        (
            r#"read -r _; exec 1>&-; while :; do sleep 1; done"#,
            "closed the pipe",
        ),
    ] {
        let (said, fault) = Hostile::new(script).explored();
        assert!(said.contains(expected), "{script}: {said}");
        assert_eq!(fault, None, "{script}");
    }
}

#[test]
fn a_program_that_waits_for_nothing_taken_for_a_slow_host() {
    for (script, expected) in [
        ("sleep 1000", "waits for something that does not come"),
        ("kill -STOP $$", "waits for something that does not come"),
        (
            r#"read -r _; echo "$built"; read -r _; read -r _"#,
            "waits for something that does not come",
        ),
        (
            r#"while :; do echo "$built"; sleep 0.01; done"#,
            "no answer",
        ),
    ] {
        let mut hostile = Hostile::new(script);
        hostile.limits.wall = 3;
        let (said, fault) = hostile.explored();
        assert!(said.contains(expected), "{script}: {said}");
        assert_eq!(fault, None, "{script}");
    }
}

/// One that has something to do is not let, in so short a time.
#[test]
fn a_host_that_stands_still_taken_for_wrong_code() {
    let mut hostile = Hostile::new("while :; do :; done");
    hostile.limits.wall = 1;
    hostile.limits.cpu = 100;
    let (_, fault) = hostile.explored();
    let fault = fault.expect("the host's fault");
    assert!(fault.contains("this host does not let it"), "{fault}");
}

#[test]
fn a_program_that_lives_on_when_nobody_asks() {
    let hostile =
        Hostile::new(r#"echo $$ > pid; read -r _; echo "$built"; trap '' TERM; sleep 1000"#);
    let code = hostile.answerer();
    let setup = explorer::Setup::of(&scenes::find("one").unwrap().scene);
    assert_eq!(code.build(&setup).declared().heads, [None, None]);
    let pid = fs::read_to_string(hostile.folder.path().join("pid")).unwrap();
    let lives = || Path::new("/proc").join(pid.trim()).exists();
    assert!(lives());
    drop(code);
    for _ in 0..1000 {
        if !lives() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it lives on");
}

#[test]
fn a_program_that_somebody_kills_taken_for_wrong_code() {
    let mut hostile = Hostile::new(r#"read -r _; echo "$built"; read -r _; kill -KILL $$"#);
    hostile.limits.cpu = 100;
    let (_, fault) = hostile.explored();
    let fault = fault.expect("the host's fault");
    assert!(fault.contains("somebody killed"), "{fault}");
}

#[test]
fn a_program_that_cannot_be_started_taken_for_wrong_code() {
    let hostile = Hostile::new("");
    fs::remove_file(hostile.program()).unwrap();
    let (_, fault) = hostile.explored();
    let fault = fault.expect("the host's fault");
    assert!(
        fault.contains("starting") && fault.contains("program"),
        "{fault}"
    );
}
