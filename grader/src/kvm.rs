//! KVM: whether this host offers it, and what it is refused for.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::options::MachineOptions;
use crate::status::{Failure, Status};

/// The way to it.
const DEVICE: &str = "/dev/kvm";

/// The processor that a machine gets: the host's. Without the register of its faults, which a KVM that is itself
/// virtual was seen to refuse.
pub const CPU: &str = "host,-arch-capabilities";

/// Why this host offers no KVM; `None` if it does.
#[must_use]
pub fn lacks() -> Option<String> {
    lacks_at(Path::new(DEVICE))
}

fn lacks_at(device: &Path) -> Option<String> {
    let opened = File::options().read(true).write(true).open(device);
    let error = opened.err()?;
    let name = device.display();
    Some(match error.kind() {
        ErrorKind::NotFound => {
            format!(
                "there is no {name}: this processor, or who runs this machine, offers no virtualisation"
            )
        }
        ErrorKind::PermissionDenied => {
            format!("{name} is there, but not for this user, who may have to be in the group kvm")
        }
        _ => format!("opening {name}: {error}"),
    })
}

/// QEMU's name for `KVM_FEATURE_PV_SEND_IPI`, bit 11 of EAX of CPUID leaf 0x40000001.
const SEND_IPI: &str = "kvm-pv-ipi";

/// Whether this host's KVM says that it supports the hypercall which sends interrupts (`KVM_GET_SUPPORTED_CPUID`), by
/// what the QEMU `program` makes of it. A KVM may say so and not take the call: that shows in the machine only.
///
/// # Errors
/// Why QEMU did not tell.
pub fn offers_hypercall(program: &Path) -> Result<bool, String> {
    let mut qemu = Command::new(program)
        .args(["-machine", "none", "-accel", "kvm", "-nodefaults"])
        .args(["-display", "none", "-qmp", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("starting {}: {error}", program.display()))?;
    let questions = [
        json!({ "execute": "qmp_capabilities" }),
        json!({ "execute": "query-cpu-model-expansion",
            "arguments": { "type": "full", "model": { "name": "host" } } }),
        json!({ "execute": "quit" }),
    ];
    if let Some(mut input) = qemu.stdin.take() {
        // A QEMU that has ended says why below.
        let _ = questions
            .iter()
            .try_for_each(|question| writeln!(input, "{question}"));
    }
    let output = qemu
        .wait_with_output()
        .map_err(|error| format!("waiting for {}: {error}", program.display()))?;
    said_of_hypercall(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
        let why = String::from_utf8_lossy(&output.stderr);
        format!("QEMU does not tell of {SEND_IPI}: {}", why.trim())
    })
}

fn said_of_hypercall(answers: &str) -> Option<bool> {
    answers
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|answer| answer["return"]["model"]["props"][SEND_IPI].as_bool())
}

/// Refuses what KVM cannot do, and what it would teach wrongly; whether there is a KVM is for [`check`].
///
/// # Errors
/// [`Status::Usage`] for such a choice.
pub fn refuse(options: &MachineOptions) -> Result<(), Failure> {
    let refused = [
        (
            options.lab.is_some(),
            "--lab",
            "a stale translation may never show under KVM, and labs need them: where the host is itself virtual, \
             its hypervisor shadows the page tables",
        ),
        (
            options.deterministic,
            "--deterministic",
            "only TCG counts instructions",
        ),
        (
            options.int_log.is_some(),
            "--int-log",
            "QEMU does not see the interrupts that KVM delivers",
        ),
    ];
    if let Some((_, option, why)) = refused.into_iter().find(|(given, ..)| *given) {
        let message = format!("--accel kvm does not go with {option}: {why}");
        return Err(Failure::new(Status::Usage, message).advise("leave out --accel kvm"));
    }
    Ok(())
}

/// As [`refuse`], and refuses a host without KVM.
///
/// # Errors
/// [`Status::Usage`] for a choice that does not go with KVM, [`Status::Host`] if the host has none.
pub fn check(options: &MachineOptions) -> Result<(), Failure> {
    refuse(options)?;
    match lacks() {
        None => Ok(()),
        Some(why) => Err(Failure::host(format!("--accel kvm: {why}"))
            .advise("leave out --accel kvm: TCG is everywhere")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_kvm_taken_for_one_with() {
        let missing = lacks_at(Path::new("/nonexistent/kvm")).unwrap();
        assert!(missing.contains("no virtualisation"), "{missing}");
        assert_eq!(lacks_at(Path::new("/dev/null")), None);
    }

    #[test]
    fn a_feature_that_qemu_says_is_off_taken_for_there() {
        let said = |value| {
            let answer =
                json!({ "return": { "model": { "name": "host", "props": { SEND_IPI: value } } } });
            said_of_hypercall(&format!(
                "{{\"QMP\": {{}}}}\n{{\"return\": {{}}}}\n{answer}\n"
            ))
        };
        assert_eq!(said(true), Some(true));
        assert_eq!(said(false), Some(false));
        assert_eq!(said_of_hypercall("{\"error\": {}}\n"), None);
    }

    #[test]
    fn a_choice_that_kvm_would_ignore_or_belie() {
        let kvm = MachineOptions::default();
        for refused in [
            MachineOptions {
                lab: Some(4),
                ..kvm.clone()
            },
            MachineOptions {
                deterministic: true,
                ..kvm.clone()
            },
            MachineOptions {
                int_log: Some("f".into()),
                ..kvm
            },
        ] {
            assert_eq!(check(&refused).unwrap_err().status, Status::Usage);
        }
    }
}
