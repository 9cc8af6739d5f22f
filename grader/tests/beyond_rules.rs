//! Were there a hole that no rule sees: the compiler forbids what is unsafe, and the sandbox holds what is built. So here
//! the rules are left out.

mod common;

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process;

use common::KIT;
use grader::labs::check::{Outcome, Solution, Told};
use grader::labs::court::Trust;
use grader::labs::rig::Shared;
use grader::labs::{Kind, Lab, Manifest};
use grader::workspace::Workspace;
use sandbox::Layers;
use tempfile::TempDir;

const SECRET: &str = "the-answers-of-all-others";

/// A host's things, and lab 4.
struct Bench {
    workspace: Workspace,
    lab: Lab,
    folder: TempDir,
    slot: String,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let workspace = Workspace::find().unwrap();
        let lab = Manifest::read(&workspace).unwrap().lab(4).unwrap().clone();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("canary"), SECRET).unwrap();
        Bench {
            workspace,
            lab,
            folder,
            slot: format!("beyond-{name}-{}", process::id()),
        }
    }

    /// What is told of the first check of that kind.
    fn told(&self, source: &str, kind: Kind, trust: Trust) -> Told {
        let shared = Shared::new(&self.workspace, Path::new(KIT));
        let file = tempfile::NamedTempFile::with_suffix(".rs").unwrap();
        fs::write(file.path(), source).unwrap();
        let mut solution =
            Solution::new(&shared, &self.lab, file.path(), &self.slot, trust).unwrap();
        let check = self.lab.checks.iter().find(|check| check.kind == kind);
        match solution.one(check.unwrap()).unwrap() {
            Outcome::Failed(told) => told,
            other => panic!("{other:?}"),
        }
    }

    /// The right solution as the type `Right`, and a `Student` that does `first` before it.
    fn with_right(&self, first: &str) -> String {
        let path = self.lab.path(&self.workspace).join("reference.rs");
        let right = fs::read_to_string(path).unwrap();
        let lines = right
            .lines()
            .filter(|line| !line.starts_with("//!") && !line.starts_with("#![forbid"));
        let right: Vec<String> = lines.map(|line| line.replace("Student", "Right")).collect();
        format!(
            "{}\npub struct Student;\n\
             impl Initiator for Student {{\n\
             fn shoot<M: Machine>(m: &M, board: &Board<M>, request: Request, targets: Targets)\n\
             -> Result<Acknowledged, Abandoned> {{\n{first}\nRight::shoot(m, board, request, targets)\n}}\n}}\n",
            right.join("\n")
        )
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let labs = self.workspace.target.join("labs");
        let _ = fs::remove_dir_all(labs.join(&self.slot));
    }
}

fn stranger() -> Trust {
    let layers = Layers::of_this_host(Path::new(KIT));
    assert_eq!(layers.reaches("strong"), Some(true), "{layers}");
    Trust::Stranger(layers)
}

/// What each attempt says, and what it does, with `CANARY`, `FOLDER` and `PORT` for the host's.
const ATTEMPTS: [(&str, &str); 12] = [
    ("read", "std::fs::read(\"CANARY\").is_ok()"),
    ("list", "std::fs::read_dir(\"FOLDER\").is_ok()"),
    (
        "write",
        "std::fs::OpenOptions::new().append(true).open(\"CANARY\").is_ok()",
    ),
    ("make", "std::fs::write(\"FOLDER/made\", \"\").is_ok()"),
    (
        "link",
        "std::os::unix::fs::symlink(\"CANARY\", \"FOLDER/link\").is_ok()",
    ),
    ("rename", "std::fs::rename(\"CANARY\", \"CANARY\").is_ok()"),
    (
        "here",
        "std::fs::write(std::env::current_exe().unwrap().with_file_name(\"made\"), \"\").is_ok()",
    ),
    ("environment", "std::env::vars().count() > 0"),
    (
        "parent",
        "std::fs::read(std::format!(\"/proc/{}/environ\", std::os::unix::process::parent_id())).is_ok()",
    ),
    ("tcp", "std::net::TcpStream::connect(\"PORT\").is_ok()"),
    (
        "unix",
        "std::os::unix::net::UnixStream::connect(\"FOLDER/socket\").is_ok()",
    ),
    (
        "run",
        "std::process::Command::new(\"/bin/true\").status().is_ok()",
    ),
];

#[test]
fn a_solution_that_reaches_the_host_from_the_explorer() {
    let bench = Bench::new("host");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let unix = UnixListener::bind(bench.folder.path().join("socket")).unwrap();
    unix.set_nonblocking(true).unwrap();
    let tries: String = ATTEMPTS
        .iter()
        .map(|(name, does)| format!("if {does} {{ could += \"{name} \"; }}\n"))
        .collect();
    let first = format!(
        "let mut could = std::string::String::new();\n{tries}panic!(\"could: {{could}}.\");"
    );
    let source = bench
        .with_right(&first)
        .replace("use lab::", "extern crate std;\nuse lab::")
        .replace("CANARY", "FOLDER/canary")
        .replace("FOLDER", bench.folder.path().to_str().unwrap())
        .replace("PORT", &tcp.local_addr().unwrap().to_string());

    let told = bench.told(&source, Kind::Explore, stranger());
    assert!(told.seen.contains("could: ."), "{told:?}");
    let mut names: Vec<_> = fs::read_dir(bench.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["canary", "socket"]);
    assert!(tcp.accept().is_err() && unix.accept().is_err());

    // The same program where nothing but limits holds it: the attempts are real ones.
    let told = bench.told(&source, Kind::Explore, Trust::Own);
    for name in ["read", "write", "make", "tcp", "unix", "run"] {
        assert!(told.seen.contains(&format!("{name} ")), "{told:?}");
    }
}

/// The compiler forbids it as well, whatever the source says of that: no port is written, no memory but its own.
#[test]
fn unsafe_code_that_no_rule_has_seen() {
    let bench = Bench::new("unsafe");
    let head = "#![allow(unsafe_code)]\nuse lab::";
    for code in [
        "unsafe { core::arch::asm!(\"out dx, al\", in(\"dx\") 0xe9u16, in(\"al\") 0x41u8) }",
        "unsafe { *(0xfee0_0300 as *mut u32) = 0 }",
        "#[unsafe(no_mangle)] fn memcpy() {}",
    ] {
        let source = bench.with_right(code).replacen("use lab::", head, 1);
        let told = bench.told(&source, Kind::Compiles, stranger());
        let forbidden = told.picture.contains("-F unsafe-code");
        assert!(forbidden, "{code}: {told:?}");
    }
}
