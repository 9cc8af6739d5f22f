//! A UART for host tests.

use std::collections::VecDeque;
use std::vec::Vec;
use uart_16550::backend::Backend;
use uart_16550::spec::registers::{LSR, offsets};

/// What a UART does as far as the driver can tell.
#[derive(Default)]
pub struct Fake {
    /// Nothing is there: every read is all ones.
    pub absent: bool,
    /// The transmitter never empties.
    pub jammed: bool,
    /// Received, not yet read.
    pub waiting: VecDeque<u8>,
    /// Given to the transmitter.
    pub sent: Vec<u8>,
    /// The others, as last written.
    pub registers: [u8; 8],
}

impl Fake {
    fn divisor_open(&self) -> bool {
        self.registers[3] & 0x80 != 0
    }
}

impl Backend for Fake {
    unsafe fn read(&mut self, offset: u8) -> u8 {
        match offset as usize {
            _ if self.absent => 0xff,
            offsets::DATA if !self.divisor_open() => self.waiting.pop_front().unwrap_or(0),
            offsets::ISR => 0xc1,
            offsets::LSR => {
                let ready = if self.waiting.is_empty() {
                    LSR::empty()
                } else {
                    LSR::DATA_READY
                };
                let empty = LSR::THR_EMPTY | LSR::TRANSMITTER_EMPTY;
                (ready | if self.jammed { LSR::empty() } else { empty }).bits()
            }
            offset => self.registers[offset],
        }
    }

    unsafe fn write(&mut self, offset: u8, value: u8) {
        match offset as usize {
            offsets::DATA if !self.divisor_open() => self.sent.push(value),
            // Resetting the receive FIFO drops what waits in it.
            offsets::FCR if value & 0b10 != 0 => self.waiting.clear(),
            offset => self.registers[offset] = value,
        }
    }
}
