//! The local APIC's registers, and the two ways to reach them.
//!
//! One table serves both modes: the register at byte `offset` of the xAPIC page is MSR
//! `0x800 + offset / 16` in x2APIC mode (11.12.1.2).

use super::Mode;
use crate::phys;
use core::arch::asm;
use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::ptr::{NonNull, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicU64, Ordering};
use volatile::VolatilePtr;
use volatile::access::{Access, ReadOnly, ReadWrite, Readable, Writable, WriteOnly};
use x86_64::PhysAddr;
use x86_64::registers::model_specific::Msr;

/// A register by its place; `A` says which accesses the manual allows (table 11-1).
#[derive(Debug)]
pub struct Register<A> {
    offset: u16,
    access: PhantomData<A>,
}

impl<A> Clone for Register<A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A> Copy for Register<A> {}

impl<A> Register<A> {
    const fn at(offset: u16) -> Self {
        Register {
            offset,
            access: PhantomData,
        }
    }

    /// The register's MSR in x2APIC mode.
    const fn msr(self) -> u32 {
        0x800 + (self.offset as u32 >> 4)
    }

    /// Word `index` of a register that is 256 bits wide.
    pub const fn word(self, index: usize) -> Self {
        assert!(index < 8, "256 bits are 8 words");
        Register::at(self.offset + 16 * index as u16)
    }
}

pub const ID: Register<ReadOnly> = Register::at(0x20);
pub const VERSION: Register<ReadOnly> = Register::at(0x30);
pub const TASK_PRIORITY: Register<ReadWrite> = Register::at(0x80);
pub const PROCESSOR_PRIORITY: Register<ReadOnly> = Register::at(0xa0);
pub const EOI: Register<WriteOnly> = Register::at(0xb0);
/// Read-only in x2APIC mode.
pub const LOGICAL_DESTINATION: Register<ReadOnly> = Register::at(0xd0);
/// xAPIC mode only.
pub const DESTINATION_FORMAT: Register<ReadOnly> = Register::at(0xe0);
pub const SPURIOUS: Register<ReadWrite> = Register::at(0xf0);
/// In-service, 256 bits.
pub const ISR: Register<ReadOnly> = Register::at(0x100);
/// Trigger mode, 256 bits.
pub const TMR: Register<ReadOnly> = Register::at(0x180);
/// Interrupt request, 256 bits.
pub const IRR: Register<ReadOnly> = Register::at(0x200);
pub const ERROR_STATUS: Register<ReadWrite> = Register::at(0x280);
pub const LVT_CMCI: Register<ReadWrite> = Register::at(0x2f0);
/// In x2APIC mode the whole 64-bit ICR.
pub const ICR_LOW: Register<ReadWrite> = Register::at(0x300);
/// xAPIC mode only.
pub const ICR_HIGH: Register<ReadWrite> = Register::at(0x310);
pub const LVT_TIMER: Register<ReadWrite> = Register::at(0x320);
pub const LVT_THERMAL: Register<ReadWrite> = Register::at(0x330);
pub const LVT_PERFORMANCE: Register<ReadWrite> = Register::at(0x340);
pub const LVT_LINT0: Register<ReadWrite> = Register::at(0x350);
pub const LVT_LINT1: Register<ReadWrite> = Register::at(0x360);
pub const LVT_ERROR: Register<ReadWrite> = Register::at(0x370);
pub const TIMER_INITIAL: Register<ReadWrite> = Register::at(0x380);
pub const TIMER_CURRENT: Register<ReadOnly> = Register::at(0x390);
pub const TIMER_DIVIDE: Register<ReadWrite> = Register::at(0x3e0);

impl Register<ReadWrite> {
    /// The same register, for reading.
    pub const fn read_only(self) -> Register<ReadOnly> {
        Register::at(self.offset)
    }
}

/// In [`SPURIOUS`]: the APIC delivers interrupts.
pub const SOFTWARE_ENABLE: u32 = 1 << 8;
/// In an LVT entry: the source is off.
pub const MASKED: u32 = 1 << 16;
/// In an LVT entry: deliver as NMI.
pub const DELIVER_NMI: u32 = 0b100 << 8;
/// In an LVT entry: the vector comes from the 8259.
pub const DELIVER_EXTINT: u32 = 0b111 << 8;
/// In [`LVT_TIMER`]: begin again at zero.
pub const TIMER_PERIODIC: u32 = 1 << 17;
/// In [`ICR_LOW`], xAPIC mode: the last IPI has not been accepted yet.
pub const SEND_PENDING: u32 = 1 << 12;

/// How registers are reached: [`UNSET`], [`MSRS`], else the virtual address of the xAPIC page. One
/// word, so that the hot paths decide by one load.
static ACCESS: AtomicU64 = AtomicU64::new(UNSET);
const UNSET: u64 = 0;
const MSRS: u64 = 1;

/// How this machine's APICs are reached.
#[derive(Clone, Copy)]
pub enum Path {
    /// xAPIC mode: through the register page.
    Page(Page),
    /// x2APIC mode.
    Msrs,
}

/// The xAPIC register page's virtual address. Holding one proves that [`publish`] chose xAPIC mode.
#[derive(Clone, Copy)]
pub struct Page(NonZeroU64);

impl Page {
    /// The place of one register, for one access.
    #[inline(always)]
    pub fn register<A: Access>(self, register: Register<A>) -> VolatilePtr<'static, u32, A> {
        let address = self.0.get() + u64::from(register.offset);
        let pointer = NonNull::new(with_exposed_provenance_mut(address as usize));
        // SAFETY: 1. `publish` stored the direct map's address of the register page, which stays
        // mapped for as long as the kernel runs, and `offset` lies inside it: not null, valid.
        // 2. It is 16-byte aligned. 3. No other CPU reaches these registers: each sees its own
        // APIC at this address. On this CPU no reference to them exists; an access by an interrupt
        // handler between two of ours is a device access like ours, not a data race.
        unsafe { VolatilePtr::new_restricted(A::default(), pointer.unwrap_unchecked()) }
    }
}

/// Says for all CPUs how registers are reached, if none said so before. Returns the physical
/// address of the register page that all of them use.
///
/// # Panics
/// If a CPU was enabled in the other mode, or the page lies beyond the direct map.
pub fn publish(mode: Mode, page: PhysAddr) -> PhysAddr {
    let wanted = match mode {
        Mode::XApic => phys::map(page).as_u64(),
        Mode::X2Apic => MSRS,
    };
    match ACCESS.compare_exchange(UNSET, wanted, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => page,
        Err(MSRS) if mode == Mode::X2Apic => page,
        Err(first) if first != MSRS && mode == Mode::XApic => {
            PhysAddr::new(first - phys::DIRECT_MAP)
        }
        Err(_) => panic!(
            "APIC {}: enabled in {mode} mode, the CPUs before in the other",
            super::initial_id()
        ),
    }
}

/// The mode [`publish`] was told.
pub fn chosen_mode() -> Option<Mode> {
    match ACCESS.load(Ordering::Relaxed) {
        UNSET => None,
        MSRS => Some(Mode::X2Apic),
        _ => Some(Mode::XApic),
    }
}

/// How to reach a register.
///
/// # Panics
/// Before the first [`publish`].
#[inline(always)]
pub fn path() -> Path {
    let access = ACCESS.load(Ordering::Relaxed);
    match NonZeroU64::new(access) {
        Some(page) if access > MSRS => Path::Page(Page(page)),
        Some(_) => Path::Msrs,
        None => not_enabled(),
    }
}

#[cold]
fn not_enabled() -> ! {
    panic!(
        "APIC {}: used before any CPU's was enabled",
        super::initial_id()
    )
}

/// Reads a register of this CPU's APIC.
#[inline(always)]
pub fn read<A: Readable>(register: Register<A>) -> u32 {
    match path() {
        Path::Page(page) => page.register(register).read(),
        // The upper halves of all but the ICR are reserved, zero.
        Path::Msrs => read_wide(register) as u32,
    }
}

/// Writes a register of this CPU's APIC.
#[inline(always)]
pub fn write<A: Writable>(register: Register<A>, value: u32) {
    match path() {
        Path::Page(page) => page.register(register).write(value),
        Path::Msrs => write_wide(register, u64::from(value)),
    }
}

/// Reads a register's MSR. x2APIC mode only: a general-protection fault otherwise.
#[inline(always)]
pub fn read_wide<A: Readable>(register: Register<A>) -> u64 {
    // SAFETY: no read of a local APIC register changes memory or what the CPU does next; one that
    // does not exist is a fault, which stops the machine.
    unsafe { Msr::new(register.msr()).read() }
}

/// Reads [`TIMER_CURRENT`], the one register whose value depends on the time.
pub fn timer_current() -> u32 {
    let count: u32;
    match path() {
        Path::Page(page) => return page.register(TIMER_CURRENT).read(),
        // QEMU's icount lets only the last instruction of a translated block look at the clock, and
        // ends itself otherwise ("Bad icount read"). It knows that of WRMSR but not of RDMSR. The
        // instruction after a load of SS, which holds interrupts back for it, is a block of its own.
        // SAFETY: SS is loaded with what it holds, which ring 0 may do even if that is null; the
        // read is `read_wide`'s.
        Path::Msrs => unsafe {
            asm!(
                "mov eax, ss", "mov ss, eax", "rdmsr",
                in("ecx") TIMER_CURRENT.msr(), out("eax") count, out("edx") _,
                options(nostack, preserves_flags),
            );
        },
    }
    count
}

/// Writes a register's MSR. x2APIC mode only: a general-protection fault otherwise.
#[inline(always)]
pub fn write_wide<A: Writable>(register: Register<A>, value: u64) {
    // SAFETY: writes come from this folder alone. They mask sources, end interrupts, run the timer,
    // and cause interrupts whose vector is a `Vector`, so that the handler fits; INIT and STARTUP
    // are sent by unsafe functions whose callers answer for them.
    unsafe { Msr::new(register.msr()).write(value) }
}

/// The number of the highest local vector table entry that this APIC has (11.4.8).
pub fn highest_lvt() -> u32 {
    read(VERSION) >> 16 & 0xff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_msr_number_is_that_of_the_manuals_table() {
        assert_eq!(ID.msr(), 0x802);
        assert_eq!(EOI.msr(), 0x80b);
        assert_eq!(ISR.word(7).msr(), 0x817);
        assert_eq!(IRR.msr(), 0x820);
        assert_eq!(ICR_LOW.msr(), 0x830);
        assert_eq!(TIMER_DIVIDE.msr(), 0x83e);
    }

    #[test]
    fn a_register_lies_where_the_page_has_it() {
        let page = Page(NonZeroU64::new(0x1000).unwrap());
        let place =
            |register: Register<ReadOnly>| page.register(register).as_raw_ptr().addr().get();
        assert_eq!(place(ID), 0x1020);
        assert_eq!(place(IRR.word(7)), 0x1270);
        assert_eq!(place(TIMER_CURRENT), 0x1390);
    }
}
