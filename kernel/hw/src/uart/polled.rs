//! A port in the hands of one CPU that holds all others: no locks, no interrupts.

use super::{Ports, Uart};
use crate::clock;
use core::hint::spin_loop;
use uart_16550::backend::Backend;
use uart_16550::spec::FIFO_SIZE;
use uart_16550::spec::registers::{IER, LSR, offsets};

/// How long a transmitter may take nothing before what is left is dropped, in microseconds.
const PATIENCE_US: u64 = 5_000_000;

impl Uart {
    fn read_register(&self, offset: usize) -> u8 {
        // SAFETY: one of the UART's own registers; reading it loses at most a byte that the caller
        // takes, and error flags.
        unsafe { Ports { base: self.base }.read(offset as u8) }
    }

    fn write_register(&self, offset: usize, value: u8) {
        // SAFETY: one of the UART's own registers, written as `init` has set the port up.
        unsafe { Ports { base: self.base }.write(offset as u8, value) };
    }

    fn status(&self) -> LSR {
        LSR::from_bits_truncate(self.read_register(offsets::LSR))
    }

    /// [`receive`](Uart::receive), past the lock. By one CPU at a time, which nothing else uses the
    /// port beside.
    pub fn poll(&self) -> Option<u8> {
        self.has_data().then(|| self.read_register(offsets::DATA))
    }

    /// Whether a byte has come in that nobody has taken.
    pub fn has_data(&self) -> bool {
        self.present() && self.status().contains(LSR::DATA_READY)
    }

    /// [`write_bytes`](Uart::write_bytes), past the lock, as much at a time as the FIFO takes. What a
    /// peer that reads nothing has not taken after five seconds is dropped.
    pub fn write_polled(&self, bytes: &[u8]) {
        if !self.present() {
            return;
        }
        for piece in bytes.chunks(FIFO_SIZE) {
            let start = clock::raw();
            while !self.status().contains(LSR::THR_EMPTY) {
                if clock::to_us(clock::raw().saturating_sub(start)) > PATIENCE_US {
                    return;
                }
                spin_loop();
            }
            for &byte in piece {
                self.write_register(offsets::DATA, byte);
            }
        }
    }

    /// Whether a received byte interrupts. One that is there when this is turned on does so at once.
    pub fn interrupt_on_data(&self, on: bool) {
        let bits = if on { IER::DATA_READY } else { IER::empty() };
        self.write_register(offsets::IER, bits.bits());
    }
}
