//! The person's serial line, COM1.

use core::fmt;
use core::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use hw::sync::IrqLock;
use hw::uart::COM1;
use shell::terminal::NUDGE;

/// Bytes that came in and nobody has read.
struct Received {
    bytes: [u8; 4096],
    first: usize,
    count: usize,
}

static RECEIVED: IrqLock<Received> = IrqLock::new(Received {
    bytes: [0; 4096],
    first: 0,
    count: 0,
});

/// The thread that waits for a byte, plus one; 0 for none.
static READER: AtomicUsize = AtomicUsize::new(0);

/// Whether Ctrl-C was typed since the command began.
static INTERRUPT: AtomicBool = AtomicBool::new(false);
/// Whether a line is being carried out: then Ctrl-C is for it, else for the line being typed.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Whether whoever reads is to be woken without a byte.
static NUDGED: AtomicBool = AtomicBool::new(false);

const CTRL_C: u8 = 3;

/// Sends `bytes`.
pub fn write(bytes: &[u8]) {
    COM1.write_bytes(bytes);
}

/// A [`fmt::Write`] over the serial line; a line feed gets its carriage return.
#[derive(Debug)]
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive('\n') {
            match piece.strip_suffix('\n') {
                Some(line) => {
                    write(line.as_bytes());
                    write(b"\r\n");
                }
                None => write(piece.as_bytes()),
            }
        }
        Ok(())
    }
}

/// Prints to the serial line.
#[macro_export]
macro_rules! print {
    ($($arguments:tt)*) => {{
        use core::fmt::Write;
        // The console never fails.
        let _ = write!($crate::console::Console, $($arguments)*);
    }};
}

/// Prints a line to the serial line.
#[macro_export]
macro_rules! println {
    ($($arguments:tt)*) => {{
        use core::fmt::Write;
        // The console never fails.
        let _ = writeln!($crate::console::Console, $($arguments)*);
    }};
}

/// Takes what the UART has received. For its interrupt, and for whoever polls.
pub fn receive() {
    let mut any = false;
    {
        let mut received = RECEIVED.lock();
        while let Some(byte) = COM1.receive() {
            if byte == CTRL_C && BUSY.load(Acquire) {
                INTERRUPT.store(true, Release);
                // What was typed ahead goes with it, as on any terminal.
                received.count = 0;
                continue;
            }
            let capacity = received.bytes.len();
            // A full buffer drops what comes: whoever sends thousands of bytes ahead waits for echo.
            if received.count < capacity {
                let end = (received.first + received.count) % capacity;
                received.bytes[end] = byte;
                received.count += 1;
            }
            any = true;
        }
    }
    if any {
        match READER.load(Acquire) {
            0 => {}
            reader => crate::thread::unpark(reader - 1),
        }
    }
}

/// Whether something was typed that nobody has read.
pub fn typed() -> bool {
    RECEIVED.lock().count > 0
}

/// The next byte typed, if there is one. For a command that has the terminal to itself.
pub fn key() -> Option<u8> {
    take()
}

fn take() -> Option<u8> {
    let mut received = RECEIVED.lock();
    if received.count == 0 {
        return None;
    }
    let byte = received.bytes[received.first];
    received.first = (received.first + 1) % received.bytes.len();
    received.count -= 1;
    Some(byte)
}

/// Has whoever reads the console look what there is to tell.
pub fn nudge() {
    NUDGED.store(true, Release);
    match READER.load(Acquire) {
        0 => {}
        reader => crate::thread::unpark(reader - 1),
    }
}

/// The next byte typed, or [`NUDGE`] after a [`nudge`]; the thread sleeps until there is one. One reader at
/// a time.
pub fn read() -> u8 {
    loop {
        READER.store(crate::thread::current() + 1, Release);
        if NUDGED.swap(false, AcqRel) {
            READER.store(0, Relaxed);
            return NUDGE;
        }
        if let Some(byte) = take() {
            READER.store(0, Relaxed);
            return byte;
        }
        crate::thread::park();
    }
}

/// Whether Ctrl-C was typed since the line that is being carried out began.
pub fn interrupted() -> bool {
    if BUSY.load(Acquire) && !hw::interrupts::are_enabled() {
        // Whoever asks with interrupts off may keep out the serial line's as well.
        receive();
    }
    INTERRUPT.load(Acquire)
}

/// Begins to carry a line out, or ends it: meanwhile Ctrl-C is for it.
pub fn attend(running: bool) {
    if running {
        INTERRUPT.store(false, Release);
        BUSY.store(true, Release);
    } else {
        BUSY.store(false, Release);
        INTERRUPT.store(false, Release);
    }
}
