//! Setting a UART up without hanging on a broken one and without losing what was typed early.

use uart_16550::backend::Backend;
use uart_16550::spec::FIFO_SIZE;
use uart_16550::spec::registers::{FCR, LSR, offsets};

/// How often the line status may be read during set-up before the transmitter counts as broken.
const PATIENCE: u32 = 1_000_000;

/// A UART's registers, watched while the driver's set-up runs.
///
/// The driver's `init` waits without bound for the transmitter to empty, and throws away what was
/// received before. During set-up this one says "empty" after [`PATIENCE`] readings, and keeps those
/// bytes. Afterwards it only passes accesses on.
#[derive(Debug)]
pub struct Probe<B> {
    registers: B,
    set_up: bool,
    patience: u32,
    kept: Kept,
}

/// The bytes that were waiting: no more than the FIFO and the register behind it hold.
#[derive(Debug)]
struct Kept {
    bytes: [u8; FIFO_SIZE + 1],
    taken: usize,
    len: usize,
}

impl<B: Backend> Probe<B> {
    /// Watches `registers`.
    pub const fn new(registers: B) -> Self {
        let kept = Kept {
            bytes: [0; FIFO_SIZE + 1],
            taken: 0,
            len: 0,
        };
        Probe {
            registers,
            set_up: false,
            patience: 0,
            kept,
        }
    }

    /// Set-up begins.
    pub fn begin(&mut self) {
        self.set_up = true;
        self.patience = PATIENCE;
    }

    /// Set-up ends; returns whether the transmitter emptied in time.
    pub fn end(&mut self) -> bool {
        self.set_up = false;
        self.patience > 0
    }

    /// The next of the bytes that were waiting before set-up.
    pub fn take_kept(&mut self) -> Option<u8> {
        let byte = *self.kept.bytes[..self.kept.len].get(self.kept.taken)?;
        self.kept.taken += 1;
        Some(byte)
    }

    /// Keeps whatever waits, as far as there is room.
    fn keep_waiting_bytes(&mut self) {
        for slot in &mut self.kept.bytes[self.kept.len..] {
            // SAFETY: both offsets are the UART's.
            unsafe {
                if self.registers.read(offsets::LSR as u8) & LSR::DATA_READY.bits() == 0 {
                    return;
                }
                *slot = self.registers.read(offsets::DATA as u8);
            }
            self.kept.len += 1;
        }
    }

    /// The line status as set-up shall see it.
    fn line_status(&mut self) -> u8 {
        self.keep_waiting_bytes();
        // SAFETY: the offset is the UART's.
        let status = unsafe { self.registers.read(offsets::LSR as u8) };
        self.patience = self.patience.saturating_sub(1);
        if self.patience > 0 {
            return status;
        }
        status | (LSR::THR_EMPTY | LSR::TRANSMITTER_EMPTY).bits()
    }
}

impl<B: Backend> Backend for Probe<B> {
    #[inline(always)]
    unsafe fn read(&mut self, offset: u8) -> u8 {
        if self.set_up && offset == offsets::LSR as u8 {
            return self.line_status();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { self.registers.read(offset) }
    }

    #[inline(always)]
    unsafe fn write(&mut self, offset: u8, value: u8) {
        // The FIFO's reset drops what waits; changing its enable bit resets it as well.
        if self.set_up && offset == offsets::FCR as u8 && value & FCR::FIFO_ENABLE.bits() != 0 {
            self.keep_waiting_bytes();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { self.registers.write(offset, value) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::CONFIG;
    use super::super::fake::Fake;
    use super::*;
    use std::vec::Vec;
    use uart_16550::Uart16550;

    fn set_up(fake: Fake) -> (bool, Uart16550<Probe<Fake>>) {
        // SAFETY: the registers are a value of the test's.
        let mut device = unsafe { Uart16550::new_with_backend(Probe::new(fake)) };
        device.backend_mut().begin();
        let set_up = device.init(CONFIG);
        let answers = device.backend_mut().end() && set_up.is_ok();
        (answers, device)
    }

    #[test]
    fn an_absent_port_is_noticed() {
        assert!(
            !set_up(Fake {
                absent: true,
                ..Fake::default()
            })
            .0
        );
    }

    #[test]
    fn a_transmitter_that_never_empties_does_not_hang_the_boot() {
        assert!(
            !set_up(Fake {
                jammed: true,
                ..Fake::default()
            })
            .0
        );
    }

    #[test]
    fn what_was_typed_before_set_up_is_not_lost() {
        let typed = Fake {
            waiting: b"cpus\n".iter().copied().collect(),
            ..Fake::default()
        };
        let (answers, mut device) = set_up(typed);
        assert!(answers);
        let kept: Vec<u8> = core::iter::from_fn(|| device.backend_mut().take_kept()).collect();
        assert_eq!(kept, b"cpus\n");
    }

    #[test]
    fn after_set_up_nothing_is_withheld() {
        let (_, mut device) = set_up(Fake::default());
        device.backend_mut().registers.waiting.push_back(b'x');
        assert_eq!(device.try_receive_byte(), Ok(b'x'));
        assert_eq!(device.send_bytes(b"0123456789abcdefg"), 16);
    }
}
