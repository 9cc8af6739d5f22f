//! The real-time clock's periodic interrupt: a slow beat that no CPU has to keep up.

use crate::interrupts;
use x86_64::instructions::port::Port;

/// The ISA line it interrupts on.
pub const IRQ: u8 = 8;
/// How far apart two beats are, in microseconds.
pub const PERIOD_US: u64 = 500_000;

/// The port that selects a register of the clock, and the port that shows it. Bit 7 of the first
/// would mask NMIs; it stays clear.
const SELECT: u16 = 0x70;
const DATA: u16 = 0x71;
/// Registers (MC146818A data sheet, "Registers"): divider and rate; interrupts that are enabled;
/// interrupts that are pending, which a read clears.
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
/// In register A: two a second, the slowest rate.
const RATE: u8 = 0b1111;
/// In registers B and C: the periodic interrupt.
const PERIODIC: u8 = 1 << 6;

fn select(register: u8) {
    // SAFETY: the port belongs to the clock, or to nothing; it selects what is read next.
    unsafe { Port::new(SELECT).write(register) };
}

fn read() -> u8 {
    // SAFETY: the registers that this module selects may be read at any time.
    unsafe { Port::new(DATA).read() }
}

fn write(value: u8) {
    // SAFETY: only rate and interrupts are ever written, to registers A and B.
    unsafe { Port::new(DATA).write(value) };
}

/// Starts the beat: from now on [`IRQ`] rises every [`PERIOD_US`], as long as each is
/// [taken](take). To be routed first. Once, on the boot CPU.
pub fn start() {
    let _off = interrupts::Off::new();
    select(REGISTER_A);
    let divider = read() & !RATE;
    write(divider | RATE);
    select(REGISTER_B);
    let others = read();
    write(others | PERIODIC);
    // Selected for good: an NMI has only to read it.
    select(REGISTER_C);
    read();
}

/// Takes a beat, if one is due. After [`start`]; in any context, NMIs included.
pub fn take() -> bool {
    read() & PERIODIC != 0
}
