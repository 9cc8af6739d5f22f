//! KVM: whether this host offers it, and what it is refused for.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

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

/// Refuses what KVM cannot do, and what it would teach wrongly.
///
/// # Errors
/// [`Status::Usage`] for such a choice, [`Status::Host`] if the host has no KVM.
pub fn check(options: &MachineOptions) -> Result<(), Failure> {
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
