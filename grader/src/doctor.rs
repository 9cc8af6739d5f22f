//! `kit doctor`: what is here, what is missing, what that disables and how to get it.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::machine::Machine;
use crate::options::Apic;
use crate::say;
use crate::setup::{self, Policy, Toolchain, in_path};
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

/// What the canary runs: the kernel's own account of the machine it finds.
const CANARY: &str = "version --json\ncpus --json\n";

/// One thing that was looked at.
#[derive(Clone, Debug)]
struct Finding {
    name: &'static str,
    /// What was found, or why nothing was.
    found: Result<String, String>,
    /// What its absence disables.
    disables: &'static str,
    /// How to get it.
    get: &'static str,
    /// Without it neither `kit run` nor `cargo test` works.
    needed: bool,
    /// More, for a program.
    details: Value,
}

/// Looks at everything and prints it as text or as one JSON object.
///
/// # Errors
/// [`Status::Missing`] when `kit run` or `cargo test` would not work.
pub fn doctor(json: bool) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let mut findings = vec![
        rustc(),
        target(&workspace),
        qemu(&workspace),
        x2apic(&workspace),
        gdb(&workspace),
        cores(),
        kvm(),
    ];
    let ready = findings
        .iter()
        .all(|finding| !finding.needed || finding.found.is_ok());
    findings.extend(if ready {
        canaries()?
    } else {
        vec![no_canary()]
    });
    if json {
        println!("{}", object(&findings));
    } else {
        findings.iter().for_each(print);
    }
    let broken: Vec<_> = findings
        .iter()
        .filter(|finding| finding.needed && finding.found.is_err())
        .collect();
    match broken[..] {
        [] => Ok(()),
        [first, ..] => Err(Failure::new(
            Status::Missing,
            format!("kit cannot work here: {}", first.name),
        )),
    }
}

fn print(finding: &Finding) {
    match &finding.found {
        Ok(text) => println!("ok       {:<12} {text}", finding.name),
        Err(reason) => {
            let mark = if finding.needed { "MISSING" } else { "absent" };
            println!("{mark:<8} {:<12} {reason}", finding.name);
            println!("{:21} without it: {}", "", finding.disables);
            println!("{:21} to get it: {}", "", finding.get);
        }
    }
}

fn object(findings: &[Finding]) -> Value {
    let row = |finding: &Finding| {
        json!({
            "name": finding.name,
            "ok": finding.found.is_ok(),
            "needed": finding.needed,
            "found": finding.found.as_ref().ok(),
            "reason": finding.found.as_ref().err(),
            "disables": finding.disables,
            "get": finding.get,
            "details": finding.details,
        })
    };
    let ok = findings
        .iter()
        .all(|finding| !finding.needed || finding.found.is_ok());
    json!({ "ok": ok, "findings": findings.iter().map(row).collect::<Vec<_>>() })
}

impl Finding {
    fn needed(
        name: &'static str,
        found: Result<String, String>,
        disables: &'static str,
        get: &'static str,
    ) -> Self {
        Self {
            name,
            found,
            disables,
            get,
            needed: true,
            details: Value::Null,
        }
    }

    fn useful(
        name: &'static str,
        found: Result<String, String>,
        disables: &'static str,
        get: &'static str,
    ) -> Self {
        Self {
            needed: false,
            ..Self::needed(name, found, disables, get)
        }
    }
}

/// The first line a program prints when asked for its version.
fn version(program: &Path) -> Result<String, String> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .next()
        .unwrap_or("no version")
        .escape_debug()
        .to_string())
}

fn rustc() -> Finding {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Finding::needed(
        "rustc",
        version(Path::new(&rustc)),
        "everything",
        "install Rust with rustup",
    )
}

fn target(workspace: &Workspace) -> Finding {
    let found = setup::toolchain(workspace, Policy::Look).map(|toolchain| match toolchain {
        Toolchain::Prebuilt(library) => library.display().to_string(),
        Toolchain::DebianSource => "Debian's compiler builds the library from source".to_owned(),
    });
    let name = "rust target";
    let found = found.map_err(|failure| failure.message);
    Finding::needed(
        name,
        found,
        "building the kernel",
        "`cargo kit setup`, which `cargo kit run` does by itself",
    )
}

fn qemu(workspace: &Workspace) -> Finding {
    let found = setup::qemu(workspace, None, Policy::Look)
        .and_then(|path| setup::qemu_info(workspace, &path));
    let found = found.map(|info| format!("version {} ({})", info.version, info.path.display()));
    let found = found.map_err(|failure| failure.message);
    Finding::needed(
        "qemu",
        found,
        "running the kernel",
        "`cargo kit setup`, which `cargo kit run` does by itself",
    )
}

fn x2apic(workspace: &Workspace) -> Finding {
    let info = setup::qemu(workspace, None, Policy::Look)
        .and_then(|path| setup::qemu_info(workspace, &path));
    let found = match info {
        Ok(info) if info.x2apic() => Ok("in this QEMU, going by its version".to_owned()),
        Ok(info) => Err(format!("not in QEMU {}", info.version)),
        Err(failure) => Err(failure.message),
    };
    Finding::useful(
        "x2apic",
        found,
        "`--apic x2apic` and the lessons on it",
        "install QEMU 10 or later",
    )
}

fn gdb(workspace: &Workspace) -> Finding {
    let found = setup::gdb(workspace, Policy::Look)
        .map_err(|failure| failure.message)
        .and_then(|path| version(&path));
    Finding::useful(
        "gdb",
        found,
        "`cargo kit gdb`, and its tests",
        "`cargo kit setup`, which those do by themselves",
    )
}

fn cores() -> Finding {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let found = Ok(format!(
        "{cores}: vCPUs get a thread each up to {cores} CPUs, else they share one"
    ));
    Finding {
        details: json!(cores),
        ..Finding::useful("host cores", found, "", "")
    }
}

fn kvm() -> Finding {
    let found = match crate::kvm::lacks() {
        None => format!(
            "there, for --accel kvm only: stale translations may not show under it; {}",
            match in_path("qemu-system-x86_64").map(|qemu| crate::kvm::offers_hypercall(&qemu)) {
                Some(Ok(true)) =>
                    "it says that it offers the hypercall that sends interrupts (the shell's `transport` \
                     tells whether it takes it)",
                Some(Ok(false)) => "it does not offer the hypercall that sends interrupts",
                Some(Err(_)) | None =>
                    "whether it offers the hypercall that sends interrupts, QEMU does not tell",
            }
        ),
        Some(why) => format!("{why}; none is needed"),
    };
    Finding::useful("kvm", Ok(found), "", "")
}

fn no_canary() -> Finding {
    let found = Err("not tried: a tool is missing".to_owned());
    Finding::needed(
        "canary boot",
        found,
        "everything",
        "mend what is missing above",
    )
}

/// Boots the kernel: once to the prompt for its time, once in each APIC mode for what it finds.
fn canaries() -> Result<Vec<Finding>, Failure> {
    say::dim("booting the kernel to see it work");
    let kit = env::current_exe()
        .map_err(|error| Failure::host(format!("finding kit itself: {error}")))?;
    let machine = Machine::new(kit);
    let get = "`cargo kit run` shows how far it comes";
    let time = machine
        .boot_time()
        .map(|time| format!("prompt after {:.2} s with 4 CPUs", time.as_secs_f64()));
    let time = time.map_err(|failure| failure.to_string());
    let mut findings = vec![Finding::needed("canary boot", time, "everything", get)];
    for (name, apic, needed) in [
        ("xapic boot", Apic::Xapic, true),
        ("x2apic boot", Apic::X2apic, false),
    ] {
        let (found, details) = canary(&machine.clone().apic(apic));
        let boot = Finding::needed(name, found, "this APIC mode", get);
        findings.push(Finding {
            needed,
            details,
            ..boot
        });
    }
    Ok(findings)
}

/// Runs the canary's script; returns a line for a person and the kernel's answers for a program.
fn canary(machine: &Machine) -> (Result<String, String>, Value) {
    let outcome = match machine.script(CANARY) {
        Ok(outcome) => outcome,
        Err(failure) => return (Err(failure.to_string()), Value::Null),
    };
    let answers = Value::Array(outcome.json());
    match outcome.status {
        Status::Success => (
            Ok(format!(
                "the shell answers, in {:.2} s",
                outcome.elapsed.as_secs_f64()
            )),
            answers,
        ),
        _ => (Err(outcome.complaint), answers),
    }
}
