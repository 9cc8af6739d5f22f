//! The serial ports: COM1 is the person's shell, COM2 is for a debugger.

#[cfg(test)]
mod fake;
mod polled;
mod probe;

use crate::sync::IrqLock;
use core::fmt;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering};
use probe::Probe;
use uart_16550::backend::Backend;
use uart_16550::spec::registers::{FifoTriggerLevel, IER, LSR, offsets};
use uart_16550::{BaudRate, Config, Uart16550};
use x86_64::instructions::port::Port;

/// The first serial port, on the 8259's line 4.
pub static COM1: Uart = Uart::at(0x3f8, 4);
/// The second serial port, on the 8259's line 3.
pub static COM2: Uart = Uart::at(0x2f8, 3);

/// How often the forced path asks a transmitter that takes nothing, in all.
const FORCED_PATIENCE: u32 = 1_000_000;

/// One serial port, for all CPUs and for interrupt handlers.
pub struct Uart {
    base: u16,
    irq: u8,
    present: AtomicBool,
    device: IrqLock<Uart16550<Probe<Ports>>>,
}

/// No UART answers at the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Absent {
    /// Its first I/O port.
    pub base: u16,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no UART answers at port {:#x}", self.base)
    }
}

/// Every received byte interrupts: a person's single key must not wait in the FIFO.
const CONFIG: Config = Config {
    interrupts: IER::DATA_READY,
    fifo_trigger_level: Some(FifoTriggerLevel::One),
    baud_rate: BaudRate::Baud115200,
    ..Config::DEFAULT
};

impl Uart {
    const fn at(base: u16, irq: u8) -> Self {
        // SAFETY: `base` is one of the fixed places of a PC's serial ports, whose eight registers
        // belong to the UART or to nothing; no other `Uart` is made for it.
        let device = unsafe { Uart16550::new_with_backend(Probe::new(Ports { base })) };
        Uart {
            base,
            irq,
            present: AtomicBool::new(false),
            device: IrqLock::new(device),
        }
    }

    /// Sets the port up: 115200 baud, 8-N-1, FIFOs on, an interrupt for each byte received.
    ///
    /// Bytes that were waiting are kept for [`receive`](Uart::receive). They raise no interrupt: call
    /// it once after this. Whether there is a UART is seen from its scratch register; a loopback test
    /// would mix its bytes with those that somebody is sending.
    ///
    /// # Errors
    /// [`Absent`] if nothing answers there, after a bounded time; the port then swallows what is
    /// written.
    pub fn init(&self) -> Result<(), Absent> {
        let mut device = self.device.lock();
        device.backend_mut().begin();
        let set_up = device.init(CONFIG);
        let answers = device.backend_mut().end() && set_up.is_ok();
        self.present.store(answers, Ordering::Release);
        if answers {
            Ok(())
        } else {
            Err(Absent { base: self.base })
        }
    }

    /// Whether [`init`](Uart::init) found a UART.
    pub fn present(&self) -> bool {
        self.present.load(Ordering::Acquire)
    }

    /// The 8259's line that it interrupts on.
    pub const fn irq(&self) -> u8 {
        self.irq
    }

    /// Writes all of `bytes`, waiting for the transmitter as long as it takes.
    ///
    /// Interrupts are off only while up to 16 bytes are handed over, and on, if they were, between:
    /// long output delays no shootdown. So the bytes of two callers can mix at such bounds.
    pub fn write_bytes(&self, bytes: &[u8]) {
        if !self.present() {
            return;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = self.device.lock().send_bytes(rest);
            rest = &rest[sent..];
            if sent == 0 {
                spin_loop();
            }
        }
    }

    /// The next byte received, if there is one. An interrupt handler calls this until `None`.
    pub fn receive(&self) -> Option<u8> {
        if !self.present() {
            return None;
        }
        let mut device = self.device.lock();
        device
            .backend_mut()
            .take_kept()
            .or_else(|| device.try_receive_byte().ok())
    }

    /// Writes `bytes` past the lock and past everything else: for the last words of a kernel whose
    /// lock may be held by the CPU that panicked.
    ///
    /// Works before [`init`](Uart::init). Bytes can mix with another CPU's. Once the transmitter has
    /// taken nothing for a million polls (about a second) the rest is written without waiting.
    pub fn force_write(&self, bytes: &[u8]) {
        force(&mut Ports { base: self.base }, bytes);
    }

    /// Waits until every byte that was written has left, for a million polls at most. For the machine's end, which may take
    /// what is left with it.
    pub(crate) fn drain(&self) {
        let mut registers = Ports { base: self.base };
        for _ in 0..FORCED_PATIENCE {
            // SAFETY: the offset is the UART's; reading its line status loses at most error flags.
            let status = unsafe { registers.read(offsets::LSR as u8) };
            if status & LSR::TRANSMITTER_EMPTY.bits() != 0 {
                break;
            }
            spin_loop();
        }
    }
}

/// [`Uart::force_write`] on any registers.
fn force<B: Backend>(registers: &mut B, bytes: &[u8]) {
    let mut patience = FORCED_PATIENCE;
    for &byte in bytes {
        // SAFETY: both offsets are the UART's; reading its line status loses at most error flags.
        unsafe {
            while patience > 0 && registers.read(offsets::LSR as u8) & LSR::THR_EMPTY.bits() == 0 {
                patience -= 1;
                spin_loop();
            }
            registers.write(offsets::DATA as u8, byte);
        }
    }
}

/// A UART's registers on I/O ports.
#[derive(Debug)]
struct Ports {
    base: u16,
}

impl Ports {
    #[inline(always)]
    fn port(&self, offset: u8) -> Port<u8> {
        Port::new(self.base + u16::from(offset))
    }
}

impl Backend for Ports {
    #[inline(always)]
    unsafe fn read(&mut self, offset: u8) -> u8 {
        // SAFETY: `offset` is below 8, so the port is one of the UART's: see `Uart::at`.
        unsafe { self.port(offset).read() }
    }

    #[inline(always)]
    unsafe fn write(&mut self, offset: u8, value: u8) {
        // SAFETY: as above.
        unsafe { self.port(offset).write(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[test]
    fn last_words_do_not_wait_for_ever_on_a_jammed_transmitter() {
        let mut uart = Fake {
            jammed: true,
            ..Fake::default()
        };
        force(&mut uart, b"panic: still said\n");
        assert_eq!(uart.sent, b"panic: still said\n");
    }

    #[test]
    fn a_single_key_interrupts() {
        assert_eq!(CONFIG.fifo_trigger_level, Some(FifoTriggerLevel::One));
        assert_eq!(CONFIG.interrupts, IER::DATA_READY);
    }
}
