//! The two 8259 interrupt controllers, through which the serial ports interrupt the boot CPU.

use crate::apic::Vector;
use crate::sync::IrqLock;
use core::sync::atomic::{AtomicU64, Ordering};
use pic8259::ChainedPics;
use x86_64::instructions::port::Port;

/// The vector of line 0; line `n` interrupts at `BASE + n`.
pub const BASE: u8 = 0x20;
/// How many lines there are.
pub const LINES: u8 = 16;

/// The line of the first controller that the second hangs on.
const CASCADE: u8 = 2;
/// The first controller's command port.
const FIRST: u16 = 0x20;
/// The second controller's command port.
const SECOND: u16 = 0xa0;
/// OCW3: the next read of the command port yields the in-service register.
const READ_IN_SERVICE: u8 = 0x0b;
/// Specific end of interrupt for the cascade line (OCW2).
const END_CASCADE: u8 = 0x60 | CASCADE;

/// Both controllers, and the lines that are let through.
struct Pics {
    chained: ChainedPics,
    lines: u16,
}

static PICS: IrqLock<Pics> = IrqLock::new(Pics {
    // SAFETY: the ports are the fixed places of the two controllers on a PC, the vectors from 0x20
    // on are not the exceptions', and this is the only value that drives them.
    chained: unsafe { ChainedPics::new_contiguous(BASE) },
    lines: 0,
});

static SPURIOUS: AtomicU64 = AtomicU64::new(0);

/// The vector of line `irq`.
///
/// # Panics
/// If `irq` is not below [`LINES`].
pub const fn vector(irq: u8) -> Vector {
    assert!(irq < LINES, "the two 8259s have 16 lines");
    Vector::new(BASE + irq)
}

/// Moves the lines to the vectors from [`BASE`] on and masks all but those whose bit is set in
/// `lines`. Returns whether the controllers are there: without them nothing happens.
pub fn init(lines: u16) -> bool {
    let mut pics = PICS.lock();
    // SAFETY: programming the controllers changes which vectors they raise: those the table has
    // handlers for. `initialize` puts the firmware's masks back, so ours come after it.
    unsafe { pics.chained.initialize() };
    pics.let_through(lines)
}

/// Lets line `irq` through, or masks it.
///
/// # Panics
/// If `irq` is not below [`LINES`].
pub fn enable(irq: u8, enabled: bool) {
    assert!(irq < LINES, "the two 8259s have 16 lines, asked for {irq}");
    let mut pics = PICS.lock();
    let bit = 1 << irq;
    let lines = if enabled {
        pics.lines | bit
    } else {
        pics.lines & !bit
    };
    pics.let_through(lines);
}

impl Pics {
    /// Writes the masks; returns whether they hold, which they do not where nothing answers.
    fn let_through(&mut self, lines: u16) -> bool {
        self.lines = lines;
        let masks = masks(lines);
        // SAFETY: masks only decide which lines interrupt; each has a handler.
        unsafe {
            self.chained.write_masks(masks[0], masks[1]);
            self.chained.read_masks() == masks
        }
    }
}

/// The mask registers that let `lines` through; the cascade with any line of the second controller.
fn masks(lines: u16) -> [u8; 2] {
    let cascade = if lines >> 8 != 0 { 1 << CASCADE } else { 0 };
    (!(lines | cascade)).to_le_bytes()
}

/// The first thing a line's handler does: whether the interrupt is real.
///
/// `false` means spurious: the line's request went away before it was acknowledged, so the
/// controller raised its lowest line, 7 or 15, without putting it in service. It has then been counted and
/// ended as far as due: the handler only returns. After `true` the handler calls [`eoi`].
pub fn acknowledge(irq: u8) -> bool {
    if irq & 7 != 7 {
        return true;
    }
    let _pics = PICS.lock();
    let command = if irq < 8 { FIRST } else { SECOND };
    if in_service(command) & 1 << 7 != 0 {
        return true;
    }
    SPURIOUS.fetch_add(1, Ordering::Relaxed);
    if irq >= 8 {
        // The first controller knows nothing of it: for it the cascade is in service.
        // SAFETY: ends the cascade's interrupt, which is the one being handled.
        unsafe { Port::<u8>::new(FIRST).write(END_CASCADE) };
    }
    false
}

/// The in-service register of the controller at `command`.
fn in_service(command: u16) -> u8 {
    let mut port = Port::<u8>::new(command);
    // SAFETY: selects which register the port reads, nothing else; the caller holds the lock, so no
    // other selection comes between.
    unsafe {
        port.write(READ_IN_SERVICE);
        port.read()
    }
}

/// Ends the interrupt of line `irq`, so that the line and those below it may interrupt again.
/// Exactly once for each that [`acknowledge`] calls real.
///
/// # Panics
/// If `irq` is not below [`LINES`].
pub fn eoi(irq: u8) {
    let number = vector(irq).number();
    // SAFETY: `number` is the vector of one of the two controllers' lines.
    unsafe { PICS.lock().chained.notify_end_of_interrupt(number) };
}

/// How many spurious interrupts [`acknowledge`] has met.
pub fn spurious() -> u64 {
    SPURIOUS.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_asked_for_get_through() {
        assert_eq!(masks(0), [0xff, 0xff]);
        assert_eq!(masks(1 << 4 | 1 << 3), [0b1110_0111, 0xff]);
    }

    #[test]
    fn a_line_of_the_second_controller_is_not_stopped_at_the_cascade() {
        assert_eq!(masks(1 << 9), [0b1111_1011, 0b1111_1101]);
    }

    #[test]
    fn no_line_has_an_exceptions_vector() {
        assert_eq!(vector(0).number(), 32);
        assert_eq!(vector(15).number(), 47);
    }
}
