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
