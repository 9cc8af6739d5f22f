//! The local APIC: one interrupt controller for each CPU, in xAPIC or x2APIC mode.
//!
//! The mode is chosen once, by the first [`enable`]; every CPU then runs in it. All functions work
//! on the local APIC of the CPU that calls them. Sections named below are those of the Intel SDM,
//! volume 3A.

pub mod command;
pub mod hypercall;
mod icr;
mod inspect;
mod mode;
mod registers;
mod send;
pub mod timer;

pub use icr::{Destination, Icr, Unreachable};
pub use inspect::{Dump, ErrorStatus, Pending, VectorSet, Vectors, dump, pending, take_errors};
pub use mode::{Mode, base, initial_id, x2apic_supported};
pub use send::{
    SendError, Stuck, broadcast_others, send, send_fixed, send_init, send_nmi, send_startup,
    send_torn, undisturbed,
};

use crate::interrupts;
use registers as reg;

/// The vector of spurious interrupts. Their handler must not signal [`eoi`] (11.9).
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// The vector of the APIC's own errors. Its handler calls [`take_errors`], then [`eoi`].
pub const ERROR_VECTOR: Vector = Vector::new(0xfe);

/// Holding one proves that the vector is not an exception's: interrupts sent to it run a handler
/// that expects no error code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Vector(u8);

impl Vector {
    /// Vector `number`.
    ///
    /// # Panics
    /// If `number` is below 32, the exceptions' range.
    pub const fn new(number: u8) -> Self {
        assert!(number >= 32, "vectors below 32 belong to the exceptions");
        Vector(number)
    }

    /// The vector's number, 32 to 255.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Turns this CPU's local APIC on: task priority 0, every local source masked but the boot CPU's
/// 8259 (LINT0, ExtINT), the NMI pin (LINT1) and the APIC's own errors ([`ERROR_VECTOR`]).
///
/// In-service bits that firmware left behind are ended. In xAPIC mode the page at [`base`] must be
/// in the direct map, uncached. Interrupts are off while this works.
///
/// # Panics
/// If the CPU lacks x2APIC and `mode` asks for it, if another CPU was enabled in the other mode, or
/// if the register page lies beyond the direct map.
pub fn enable(mode: Mode) {
    let _off = interrupts::Off::new();
    let boot_cpu = mode::switch(mode);
    // While software-disabled, mask bits cannot be cleared (11.4.7.2): so this comes first.
    reg::write(
        reg::SPURIOUS,
        reg::SOFTWARE_ENABLE | u32::from(SPURIOUS_VECTOR),
    );
    reg::write(reg::TASK_PRIORITY, 0);
    route_local_sources(boot_cpu);
    take_errors();
    end_leftovers();
}

/// Programs the local vector table (11.5.1).
fn route_local_sources(boot_cpu: bool) {
    // A masked entry still needs a legal vector: 0 to 15 raise an APIC error when written (11.5.2).
    let masked = reg::MASKED | u32::from(SPURIOUS_VECTOR);
    reg::write(reg::LVT_TIMER, masked);
    // Only one CPU may answer the 8259's acknowledge cycle.
    reg::write(
        reg::LVT_LINT0,
        if boot_cpu {
            reg::DELIVER_EXTINT
        } else {
            masked
        },
    );
    reg::write(reg::LVT_LINT1, reg::DELIVER_NMI);
    reg::write(reg::LVT_ERROR, u32::from(ERROR_VECTOR.number()));
    let highest = reg::highest_lvt();
    for (index, register) in [
        (4, reg::LVT_PERFORMANCE),
        (5, reg::LVT_THERMAL),
        (6, reg::LVT_CMCI),
    ] {
        if highest >= index {
            reg::write(register, masked);
        }
    }
}

/// Ends interrupts that were in service when the kernel took over: each would block its priority
/// class for good (I18).
fn end_leftovers() {
    // There are 256 bits: a bound, should a broken APIC never clear one.
    for _ in 0..256 {
        if pending().isr.is_empty() {
            return;
        }
        eoi();
    }
}

/// The mode all CPUs run in, or `None` before the first [`enable`].
pub fn mode() -> Option<Mode> {
    reg::chosen_mode()
}

/// This CPU's hardware APIC id, as interrupts are addressed to it: 8 bits in xAPIC mode, else 32.
///
/// # Panics
/// Before the first [`enable`]; [`initial_id`] works from the start.
pub fn id() -> u32 {
    let raw = reg::read(reg::ID);
    match mode() {
        Some(Mode::XApic) => raw >> 24,
        _ => raw,
    }
}

/// Ends the interrupt in service with the highest priority (11.8.5): exactly once at the end of
/// each handler of a fixed interrupt (I18), never for NMI, spurious or 8259 interrupts.
#[inline(always)]
pub fn eoi() {
    reg::write(reg::EOI, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "belong to the exceptions")]
    fn an_exception_vector_cannot_be_sent() {
        let _ = Vector::new(14);
    }
}
