//! What a local APIC is doing, for people: pending interrupts, errors, a dump of the registers.

use super::Mode;
use super::registers::{self as reg, Register};
use crate::interrupts;
use core::fmt;
use volatile::access::ReadOnly;

/// A set of vectors: one of the 256-bit registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VectorSet([u32; 8]);

impl VectorSet {
    /// The set whose bit `v % 32` of word `v / 32` stands for vector `v`.
    pub const fn from_words(words: [u32; 8]) -> Self {
        VectorSet(words)
    }

    /// Whether `vector` is in it.
    pub const fn contains(self, vector: u8) -> bool {
        self.0[(vector >> 5) as usize] & 1 << (vector & 31) != 0
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == [0; 8]
    }

    /// Its vectors, lowest first. Higher vectors have higher priority.
    pub const fn iter(self) -> Vectors {
        Vectors(self)
    }
}

impl IntoIterator for VectorSet {
    type Item = u8;
    type IntoIter = Vectors;

    fn into_iter(self) -> Vectors {
        self.iter()
    }
}

/// The vectors of a [`VectorSet`], lowest first.
#[derive(Clone, Debug)]
pub struct Vectors(VectorSet);

impl Iterator for Vectors {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let index = self.0.0.iter().position(|word| *word != 0)?;
        let word = &mut self.0.0[index];
        let vector = index as u32 * 32 + word.trailing_zeros();
        *word &= *word - 1;
        Some(vector as u8)
    }
}

/// As the shell prints it: `0x40 0xf4`, or `none`.
impl fmt::Display for VectorSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, vector) in self.iter().enumerate() {
            write!(f, "{}{vector:#04x}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// Where this CPU's interrupts stand (11.8.4). An interrupt that was sent and is in neither set is
/// lost or has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pending {
    /// Accepted, not yet begun: one of each vector at most.
    pub irr: VectorSet,
    /// Begun, not yet ended by [`eoi`](super::eoi).
    pub isr: VectorSet,
    /// Which of the accepted ones are level-triggered.
    pub tmr: VectorSet,
}

/// Reads this CPU's [`Pending`], with interrupts off, so that the sets belong together but for what
/// arrives meanwhile.
///
/// # Panics
/// Before the first [`enable`](super::enable).
pub fn pending() -> Pending {
    let _off = interrupts::Off::new();
    Pending {
        irr: vectors(reg::IRR),
        isr: vectors(reg::ISR),
        tmr: vectors(reg::TMR),
    }
}

fn vectors(register: Register<ReadOnly>) -> VectorSet {
    VectorSet(core::array::from_fn(|index| {
        reg::read(register.word(index))
    }))
}

bitflags::bitflags! {
    /// What went wrong with interrupts (11.5.3).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct ErrorStatus: u32 {
        /// A message that this APIC sent was garbled. Old CPUs only.
        const SEND_CHECKSUM = 1 << 0;
        /// A message that this APIC received was garbled. Old CPUs only.
        const RECEIVE_CHECKSUM = 1 << 1;
        /// No APIC accepted what this one sent. Old CPUs only.
        const SEND_ACCEPT = 1 << 2;
        /// No APIC accepted a message that this one saw. Old CPUs only.
        const RECEIVE_ACCEPT = 1 << 3;
        /// The mode of interrupt that was asked for cannot be sent.
        const REDIRECTABLE_IPI = 1 << 4;
        /// An interrupt was sent to a vector below 16.
        const SEND_ILLEGAL_VECTOR = 1 << 5;
        /// An interrupt came for a vector below 16, or the local vector table named one.
        const RECEIVE_ILLEGAL_VECTOR = 1 << 6;
        /// A register that does not exist was accessed. xAPIC mode only.
        const ILLEGAL_REGISTER = 1 << 7;
    }
}

/// The flags' names, or `none`.
impl fmt::Display for ErrorStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        bitflags::parser::to_writer(self, f)
    }
}

/// The errors this CPU's APIC met since the last call, which it then forgets.
///
/// # Panics
/// Before the first [`enable`](super::enable).
pub fn take_errors() -> ErrorStatus {
    // A write latches what has gathered and clears it; the read then sees the latch.
    reg::write(reg::ERROR_STATUS, 0);
    let status = ErrorStatus::from_bits_retain(reg::read(reg::ERROR_STATUS));
    reg::write(reg::ERROR_STATUS, 0);
    status
}

/// How many registers a [`Dump`] can hold.
const DUMPED: usize = 20;

/// The registers of one local APIC at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dump {
    /// The mode it is in.
    pub mode: Mode,
    /// Its hardware id.
    pub id: u32,
    /// The interrupts it holds.
    pub pending: Pending,
    entries: [Option<(&'static str, u64)>; DUMPED],
}

impl Dump {
    /// The registers by name, as the hardware holds them. Those that this APIC or this mode lacks
    /// are left out; the ICR holds the last command sent from here.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.entries.iter().copied().flatten()
    }
}

/// When a register exists.
#[derive(Clone, Copy)]
enum Present {
    Always,
    XApicOnly,
    /// With at least this many local vector table entries.
    WithLvt(u32),
}

/// The readable registers that [`Dump::entries`] shows, but the ICR and the timer's count.
const READABLE: [(&str, Present, Register<ReadOnly>); DUMPED - 2] = {
    use Present::{Always, WithLvt, XApicOnly};
    [
        ("id", Always, reg::ID),
        ("version", Always, reg::VERSION),
        ("task-priority", Always, reg::TASK_PRIORITY.read_only()),
        ("processor-priority", Always, reg::PROCESSOR_PRIORITY),
        ("logical-destination", Always, reg::LOGICAL_DESTINATION),
        ("destination-format", XApicOnly, reg::DESTINATION_FORMAT),
        ("spurious-vector", Always, reg::SPURIOUS.read_only()),
        ("error-status", Always, reg::ERROR_STATUS.read_only()),
        ("icr-high", XApicOnly, reg::ICR_HIGH.read_only()),
        ("lvt-cmci", WithLvt(7), reg::LVT_CMCI.read_only()),
        ("lvt-timer", Always, reg::LVT_TIMER.read_only()),
        ("lvt-thermal", WithLvt(6), reg::LVT_THERMAL.read_only()),
        (
            "lvt-performance",
            WithLvt(5),
            reg::LVT_PERFORMANCE.read_only(),
        ),
        ("lvt-lint0", Always, reg::LVT_LINT0.read_only()),
        ("lvt-lint1", Always, reg::LVT_LINT1.read_only()),
        ("lvt-error", Always, reg::LVT_ERROR.read_only()),
        ("timer-initial", Always, reg::TIMER_INITIAL.read_only()),
        ("timer-divide", Always, reg::TIMER_DIVIDE.read_only()),
    ]
};

/// Reads this CPU's registers. No read changes anything; errors not yet taken stay.
///
/// # Panics
/// Before the first [`enable`](super::enable).
pub fn dump() -> Dump {
    let _off = interrupts::Off::new();
    let mode = if let reg::Path::Msrs = reg::path() {
        Mode::X2Apic
    } else {
        Mode::XApic
    };
    let mut entries = [None; DUMPED];
    for (entry, (name, present, register)) in entries.iter_mut().zip(READABLE) {
        if exists(present, mode, reg::highest_lvt() + 1) {
            *entry = Some((name, u64::from(reg::read(register))));
        }
    }
    entries[DUMPED - 2] = Some(("timer-current", u64::from(reg::timer_current())));
    entries[DUMPED - 1] = Some(match mode {
        Mode::XApic => ("icr-low", u64::from(reg::read(reg::ICR_LOW))),
        Mode::X2Apic => ("icr", reg::read_wide(reg::ICR_LOW)),
    });
    Dump {
        mode,
        id: super::id(),
        pending: pending(),
        entries,
    }
}

fn exists(present: Present, mode: Mode, lvt_entries: u32) -> bool {
    match present {
        Present::Always => true,
        Present::XApicOnly => mode == Mode::XApic,
        Present::WithLvt(needed) => lvt_entries >= needed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn each_bit_of_the_wide_registers_is_its_own_vector() {
        for vector in 0..=255u8 {
            let mut words = [0; 8];
            words[vector as usize / 32] = 1 << (vector % 32);
            let set = VectorSet::from_words(words);
            assert!(set.contains(vector));
            assert!(!set.contains(vector ^ 32));
            assert_eq!(set.iter().collect::<Vec<_>>(), [vector]);
        }
    }

    #[test]
    fn a_set_of_vectors_prints_lowest_first() {
        let set = VectorSet::from_words([0, 0, 1, 0, 0, 0, 0, 1 << 20 | 1 << 31]);
        assert_eq!(set.to_string(), "0x40 0xf4 0xff");
        assert_eq!(VectorSet::default().to_string(), "none");
    }

    #[test]
    fn a_register_that_would_fault_is_not_dumped() {
        assert!(!exists(Present::XApicOnly, Mode::X2Apic, 7));
        assert!(!exists(Present::WithLvt(7), Mode::XApic, 6));
        assert!(exists(Present::WithLvt(6), Mode::X2Apic, 6));
    }

    #[test]
    fn an_unknown_error_bit_is_not_hidden() {
        assert_eq!(ErrorStatus::empty().to_string(), "none");
        assert_eq!(
            ErrorStatus::from_bits_retain(0x120).to_string(),
            "SEND_ILLEGAL_VECTOR | 0x100"
        );
    }
}
