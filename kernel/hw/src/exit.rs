//! The end of the machine: a status for the host, or a restart.

use core::fmt::{self, Write};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use x86_64::instructions::{hlt, interrupts, port::Port};

/// QEMU's `isa-debug-exit` device: a value `v` written here ends QEMU with status `v << 1 | 1`.
const DEBUG_EXIT: u16 = 0xf4;
/// Bochs writes the lines that are written here into its log, as its BIOS's.
const BOCHS_LOG: u16 = 0x402;
/// Bochs ends when [`BOCHS_END`] is written here.
const BOCHS_SHUTDOWN: u16 = 0x8900;
const BOCHS_END: &[u8] = b"Shutdown";
/// The keyboard controller's status and command port.
const KEYBOARD: u16 = 0x64;
/// In the keyboard controller's status: it has not taken the last command yet.
const INPUT_FULL: u8 = 1 << 1;
/// Pulses the CPU's reset line.
const PULSE_RESET: u8 = 0xfe;
/// How often the keyboard controller is asked before it is told anyway.
const PATIENCE: u32 = 100_000;

/// How the kernel ended. The number is what the exit device is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Status {
    /// Everything asked for was done: QEMU ends with 33.
    Success = 0x10,
    /// A script's command failed: 35.
    CommandFailed = 0x11,
    /// A panic, or an exception in the kernel: 37.
    Panic = 0x12,
    /// A violation was seen, such as a stale read: 39.
    Violation = 0x13,
    /// The machine shall start anew: 41, and the host sees to it.
    Reboot = 0x14,
    /// A wait lasted too long, and that was to end the machine: 43.
    Hang = 0x15,
}

impl Status {
    /// The exit status of QEMU that stands for this one. Never 0, which QEMU returns for a reset.
    pub const fn of_qemu(self) -> u8 {
        (self as u8) << 1 | 1
    }
}

/// Whether the machine is Bochs, which cannot end with a status of the guest's: it goes into the log.
static BOCHS: AtomicBool = AtomicBool::new(false);

/// The machine is Bochs. Nothing of it is written to the ports that Bochs has unless this was called: elsewhere
/// they may be anything's.
pub fn on_bochs() {
    BOCHS.store(true, Relaxed);
}

/// Bochs' log.
struct Log;

impl Write for Log {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the port is Bochs' own, and takes any byte.
            unsafe { Port::<u8>::new(BOCHS_LOG).write(byte) };
        }
        Ok(())
    }
}

fn end_bochs(status: Status) {
    // Bochs ends at once, with what its UART has not sent yet.
    crate::uart::COM1.drain();
    let _ = writeln!(Log, "kernel: status {}", status.of_qemu());
    for &byte in BOCHS_END {
        // SAFETY: this ends everything, which is what the caller asked for.
        unsafe { Port::<u8>::new(BOCHS_SHUTDOWN).write(byte) };
    }
}

/// Ends the machine with `status`, from any CPU, in any state, without a lock.
///
/// Where no exit device answers, [`Status::Reboot`] resets the machine through the keyboard
/// controller; failing that, and for every other status, this CPU halts for good. Other CPUs then go
/// on: stop them first where that matters.
pub fn exit(status: Status) -> ! {
    interrupts::disable();
    if BOCHS.load(Relaxed) {
        end_bochs(status);
    } else {
        // SAFETY: the port belongs to the exit device, or to nothing.
        unsafe { Port::<u8>::new(DEBUG_EXIT).write(status as u8) };
    }
    if status == Status::Reboot {
        reset();
    }
    loop {
        // An NMI wakes it: hence the loop.
        hlt();
    }
}

/// Asks the keyboard controller for a reset, and returns if there is none.
fn reset() {
    let mut port = Port::<u8>::new(KEYBOARD);
    for _ in 0..PATIENCE {
        // SAFETY: reading the status has no effect.
        if unsafe { port.read() } & INPUT_FULL == 0 {
            break;
        }
        spin_loop();
    }
    // SAFETY: this ends everything, which is what the caller asked for.
    unsafe { port.write(PULSE_RESET) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_status_looks_like_a_reset_or_like_another() {
        let all = [
            Status::Success,
            Status::CommandFailed,
            Status::Panic,
            Status::Violation,
            Status::Reboot,
        ];
        assert_eq!(all.map(Status::of_qemu), [33, 35, 37, 39, 41]);
    }
}
