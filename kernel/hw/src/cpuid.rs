//! What this CPU says it can do (CPUID, SDM vol. 2A).

use core::arch::x86_64::{__cpuid, __cpuid_count};

/// The features that a shootdown cares about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    /// Global pages.
    pub global: bool,
    /// Process-context identifiers.
    pub pcid: bool,
    /// The INVPCID instruction.
    pub invpcid: bool,
    /// It is not a CPU of its own, but somebody's virtual one.
    pub hypervisor: bool,
}

/// Whether this CPU is AMD's, or of its descent: some instructions have another name there.
pub(crate) fn is_amd() -> bool {
    let vendor = __cpuid(0);
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    matches!(name.as_flattened(), b"AuthenticAMD" | b"HygonGenuine")
}

/// Whether KVM runs this machine.
pub fn kvm() -> bool {
    kvm_features().is_some()
}

/// What KVM offers (`KVM_CPUID_FEATURES`, EAX), `None` without KVM.
pub(crate) fn kvm_features() -> Option<u32> {
    /// The first leaf that is a hypervisor's to answer.
    const SIGNATURE: u32 = 0x4000_0000;
    if !features().hypervisor {
        return None;
    }
    let leaf = __cpuid(SIGNATURE);
    let name = [leaf.ebx, leaf.ecx, leaf.edx].map(u32::to_le_bytes);
    // Old ones answered 0 for the highest leaf, and had the next one.
    (name.as_flattened() == b"KVMKVMKVM\0\0\0").then(|| __cpuid(SIGNATURE + 1).eax)
}

/// The features of this CPU.
pub fn features() -> Features {
    let basic = __cpuid(1);
    let extended = __cpuid_count(7, 0);
    Features {
        global: basic.edx & 1 << 13 != 0,
        pcid: basic.ecx & 1 << 17 != 0,
        invpcid: extended.ebx & 1 << 10 != 0,
        hypervisor: basic.ecx & 1 << 31 != 0,
    }
}
