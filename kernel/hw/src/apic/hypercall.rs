//! KVM's hypercall that interrupts many CPUs at once (`KVM_HC_SEND_IPI`, in Linux' virt/kvm/x86/hypercalls.rst).
//!
//! Another doorbell for the same handler, as Xen's event channel is for FreeBSD: the hypervisor is asked, and it sets the
//! targets' IRRs, whatever mode their local APICs are in. One call reaches the 128 APIC ids from a first one on.

use super::Vector;
use crate::cpuid;
use crate::entry::Frame;
use core::arch::{asm, naked_asm};
use core::fmt;
use core::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};
use shootdown::CpuSet;

/// `KVM_HC_SEND_IPI`.
const SEND_IPI: u64 = 10;
/// `KVM_FEATURE_PV_SEND_IPI`, in EAX of the leaf of KVM's features.
const FEATURE: u32 = 1 << 11;
/// How many APIC ids a call's bitmap has room for.
const IDS: u32 = 128;

/// Not yet tried, no hypercall, and by which instruction.
const UNTRIED: u8 = 0;
const NONE: u8 = 1;
const VMCALL: u8 = 2;
const VMMCALL: u8 = 3;

/// How hypercalls are made here.
static HOW: AtomicU8 = AtomicU8::new(UNTRIED);

/// What the trial of each instruction returned, VMCALL's first; 0 where it was not tried.
static TRIED: [AtomicI64; 2] = [const { AtomicI64::new(0) }; 2];

/// Why there is no hypercall.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// KVM does not run this machine.
    NoKvm,
    /// It does, and says that it does not offer the call.
    NotOffered {
        /// What it offers: EAX of CPUID leaf 0x40000001.
        features: u32,
    },
    /// It offers the call and took none, by neither instruction.
    NotTaken {
        /// What VMCALL returned.
        vmcall: Refused,
        /// What VMMCALL returned.
        vmmcall: Refused,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::NoKvm => write!(f, "KVM does not run this machine"),
            Lack::NotOffered { features } => write!(
                f,
                "KVM does not offer the hypercall: CPUID leaf 0x40000001 has EAX {features:#x}, without bit 11"
            ),
            Lack::NotTaken { vmcall, vmmcall } => write!(
                f,
                "KVM offers the hypercall (bit 11 of CPUID leaf 0x40000001) and does not take it: VMCALL {vmcall}, \
                 VMMCALL {vmmcall}"
            ),
        }
    }
}

/// Whether KVM runs this machine and takes the call. The first time it is tried, to no CPU: with [`recover`] in place.
///
/// The instruction should be the processor's maker's: VMCALL is Intel's, VMMCALL AMD's. A KVM that needs neither's
/// extensions was seen to take one only, and to patch the other where it stands, which a kernel whose text is read-only
/// does not survive.
pub fn offered() -> bool {
    lacks().is_none()
}

/// Why [`offered`] is false; `None` where it is true.
pub fn lacks() -> Option<Lack> {
    let Some(features) = cpuid::kvm_features() else {
        return Some(Lack::NoKvm);
    };
    if features & FEATURE == 0 {
        return Some(Lack::NotOffered { features });
    }
    if HOW.load(Relaxed) == UNTRIED {
        HOW.store(choose(), Relaxed);
    }
    let returned = |index: usize| Refused(TRIED[index].load(Relaxed));
    (HOW.load(Relaxed) == NONE).then(|| Lack::NotTaken {
        vmcall: returned(0),
        vmmcall: returned(1),
    })
}

fn choose() -> u8 {
    let order = match cpuid::is_amd() {
        true => [VMMCALL, VMCALL],
        false => [VMCALL, VMMCALL],
    };
    let nobody = Call {
        low: 0,
        high: 0,
        first: 0,
        icr: 32,
        cpus: CpuSet::EMPTY,
    };
    let takes = |&how: &u8| {
        let result = call_by(how, nobody);
        TRIED[usize::from(how - VMCALL)].store(result, Relaxed);
        result >= 0
    };
    order.into_iter().find(takes).unwrap_or(NONE)
}

/// What a hypercall returns whose instruction faulted, less the exception's vector.
const FAULTED: i64 = i64::MIN;

/// Resumes a hypercall whose instruction faulted. Returns whether the frame was one's. For the handler of page faults and
/// undefined instructions.
pub fn recover(frame: &mut Frame) -> bool {
    let calls = [vmcall as *const () as u64, vmmcall as *const () as u64];
    if !calls.contains(&frame.rip) {
        return false;
    }
    frame.rip += LENGTH;
    frame.rax = FAULTED.wrapping_add(frame.vector as i64) as u64;
    true
}

/// How long either instruction is, in bytes.
const LENGTH: u64 = 3;

#[unsafe(naked)]
unsafe extern "C" fn vmcall() {
    naked_asm!("vmcall", "ret")
}

#[unsafe(naked)]
unsafe extern "C" fn vmmcall() {
    naked_asm!("vmmcall", "ret")
}

/// The hypervisor refused: what the call returned, a negative number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused(pub i64);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Linux' include/uapi/linux/kvm_para.h.
        const NAMES: [(i64, &str); 6] = [
            (-1, "KVM_EPERM"),
            (-7, "KVM_E2BIG"),
            (-14, "KVM_EFAULT"),
            (-22, "KVM_EINVAL"),
            (-95, "KVM_EOPNOTSUPP"),
            (-1000, "KVM_ENOSYS"),
        ];
        match self.0.wrapping_sub(FAULTED) {
            6 => return write!(f, "is undefined (#UD)"),
            14 => return write!(f, "faulted (#PF): KVM tried to write another in its place"),
            _ => {}
        }
        match NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((number, name)) => write!(f, "returned {number} ({name})"),
            None => write!(f, "returned {}", self.0),
        }
    }
}

/// The arguments of one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// Who is interrupted: bit `n` for the CPU with APIC id `first + n`, 0 to 63.
    low: u64,
    /// The same for 64 to 127.
    high: u64,
    /// The lowest APIC id of them.
    first: u32,
    /// The lower half of an interrupt command. Its destination must be 0, and its delivery mode is "fixed" here.
    icr: u32,
    /// The CPUs.
    pub cpus: CpuSet,
}

impl Call {
    /// A call that KVM must refuse: its command has a shorthand besides. To see what then happens.
    #[must_use]
    pub fn spoilt(self) -> Self {
        /// "Self", in an interrupt command.
        const SHORTHAND: u32 = 1 << 18;
        Self {
            icr: self.icr | SHORTHAND,
            ..self
        }
    }
}

/// The calls that interrupt `cpus` at `vector`, as few as there can be; `id` tells their APIC ids.
pub fn calls(
    cpus: CpuSet,
    vector: Vector,
    id: impl Fn(shootdown::CpuId) -> u32,
) -> impl Iterator<Item = Call> {
    let mut left = cpus;
    core::iter::from_fn(move || {
        let first = left.into_iter().map(&id).min()?;
        let mut call = Call {
            low: 0,
            high: 0,
            first,
            icr: u32::from(vector.number()),
            cpus: CpuSet::EMPTY,
        };
        for cpu in left {
            match id(cpu) - first {
                bit @ 0..64 => call.low |= 1 << bit,
                bit @ 64..IDS => call.high |= 1 << (bit - 64),
                _ => continue,
            }
            call.cpus = call.cpus.with(cpu);
        }
        left = left.minus(call.cpus);
        Some(call)
    })
}

/// Makes `call`. A store-to-load barrier, as the other ways to send: stores made before it are visible to the handlers
/// that it starts, and before any load after it is done.
///
/// # Errors
/// [`Refused`]; nothing was sent then.
///
/// # Panics
/// Where it is not [`offered`].
pub fn make(call: Call) -> Result<(), Refused> {
    assert!(offered(), "a hypercall that nobody takes");
    // The way out to the hypervisor orders it all; no manual says so.
    crate::tlb::fence();
    let result = call_by(HOW.load(Relaxed), call);
    // How many CPUs it was delivered to. One whose vector was pending already is none, and needs none.
    if result < 0 {
        Err(Refused(result))
    } else {
        Ok(())
    }
}

/// The hypercall's result, by the instruction that `how` says. The compiler keeps RBX for itself.
fn call_by(how: u8, call: Call) -> i64 {
    let instruction = match how {
        VMMCALL => vmmcall as *const (),
        _ => vmcall as *const (),
    };
    let result: i64;
    // SAFETY: KVM runs this machine and takes the call, which changes RAX only and no memory of the guest's; what it
    // starts on other CPUs are handlers, since the command is a `Vector`'s and fixed. An instruction that KVM does not
    // take faults, and is resumed behind it.
    unsafe {
        asm!(
            "xchg {low}, rbx", "call {instruction}", "xchg {low}, rbx",
            low = inout(reg) call.low => _,
            instruction = in(reg) instruction,
            inout("rax") SEND_IPI => result,
            in("rcx") call.high,
            in("rdx") u64::from(call.first),
            in("rsi") u64::from(call.icr),
        );
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use shootdown::CpuId;
    use std::vec::Vec;

    const VECTOR: Vector = Vector::new(244);

    fn set(cpus: impl IntoIterator<Item = usize>) -> CpuSet {
        cpus.into_iter().filter_map(CpuId::new).collect()
    }

    fn made(cpus: CpuSet, id: impl Fn(CpuId) -> u32) -> Vec<(u64, u64, u32)> {
        let all: Vec<Call> = calls(cpus, VECTOR, id).collect();
        let reached = all
            .iter()
            .fold(CpuSet::EMPTY, |all, call| all.or(call.cpus));
        assert_eq!(reached, cpus);
        assert!(all.iter().all(|call| call.icr == 0xf4));
        all.iter()
            .map(|call| (call.low, call.high, call.first))
            .collect()
    }

    #[test]
    fn a_bit_counted_from_0_instead_of_the_first_id() {
        let id = |cpu: CpuId| cpu.index() as u32 + 16;
        assert_eq!(made(set([1, 3]), id), [(0b101, 0, 17)]);
    }

    #[test]
    fn an_id_on_the_edge_in_the_wrong_half_or_left_out() {
        let id = |cpu: CpuId| [0, 63, 64, 127, 128, 300][cpu.index()];
        let expected = [(1 | 1 << 63, 1 | 1 << 63, 0), (1, 0, 128), (1, 0, 300)];
        assert_eq!(made(set(0..6), id), expected);
    }

    #[test]
    fn ids_that_do_not_rise_with_the_numbers() {
        let id = |cpu: CpuId| 9 - cpu.index() as u32;
        assert_eq!(made(set([0, 2, 5]), id), [(0b10_1001, 0, 4)]);
        assert_eq!(made(CpuSet::EMPTY, id), []);
    }

    #[test]
    fn a_reason_that_another_one_hides_behind() {
        let told = [
            Lack::NoKvm,
            Lack::NotOffered { features: 0x10 },
            Lack::NotTaken {
                vmcall: Refused(FAULTED + 6),
                vmmcall: Refused(-1000),
            },
        ]
        .map(|lack| std::format!("{lack}"));
        assert!(told[1].ends_with("EAX 0x10, without bit 11"), "{}", told[1]);
        assert!(
            told[2].ends_with("VMCALL is undefined (#UD), VMMCALL returned -1000 (KVM_ENOSYS)"),
            "{}",
            told[2]
        );
    }

    #[test]
    fn more_than_a_vector_and_a_fixed_delivery_in_the_command() {
        // KVM refuses a destination or shorthand in it, and would deliver an NMI as one.
        let call = calls(set([0]), VECTOR, |_| 0).next().unwrap();
        assert_eq!(call.icr & !0xff, 0);
    }
}
