//! What is sent: gathered, so that it reaches the UART in whole packets, and kept for the case that
//! it has to be sent again.

use crate::framer::{CAPACITY, checksum};
use crate::machine::Port;
use gdbstub::conn::Connection;

/// More than any answer takes: a packet and its frame.
const ROOM: usize = CAPACITY + 512;

/// The bytes to send, then the bytes last sent.
#[derive(Debug)]
pub struct Outgoing {
    bytes: [u8; ROOM],
    length: usize,
    sent: bool,
}

/// An answer did not fit: the question was none that gdb asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Overflow;

impl Default for Outgoing {
    fn default() -> Self {
        Self::new()
    }
}

impl Outgoing {
    /// Nothing to send.
    pub const fn new() -> Self {
        Outgoing {
            bytes: [0; ROOM],
            length: 0,
            sent: true,
        }
    }

    /// Adds a byte.
    ///
    /// # Errors
    /// [`Overflow`].
    pub fn push(&mut self, byte: u8) -> Result<(), Overflow> {
        if self.sent {
            self.clear();
        }
        let place = self.bytes.get_mut(self.length).ok_or(Overflow)?;
        *place = byte;
        self.length += 1;
        Ok(())
    }

    /// Forgets what was not sent.
    pub fn clear(&mut self) {
        self.length = 0;
        self.sent = false;
    }

    /// Sends what was added.
    pub fn send(&mut self, port: &mut impl Port) {
        if !self.sent {
            port.send(&self.bytes[..self.length]);
            self.sent = true;
        }
    }

    /// Sends the last packet once more, without the acknowledgement before it.
    pub fn resend(&self, port: &mut impl Port) {
        let start = self.bytes[..self.length]
            .iter()
            .position(|&byte| byte == b'$');
        if let Some(start) = start {
            port.send(&self.bytes[start..self.length]);
        }
    }

    /// Sends a packet of its own. `acknowledge` puts the acknowledgement of the peer's in front.
    pub fn packet(&mut self, acknowledge: bool, body: &[u8], port: &mut impl Port) {
        self.clear();
        let sum = checksum(body);
        let digits = [sum >> 4, sum & 15].map(hex_digit);
        let acknowledgement: &[u8] = if acknowledge { b"+" } else { b"" };
        let pieces = [acknowledgement, b"$", body, b"#", &digits];
        // A body that does not fit is the kit's own mistake; what fits is a corrupt packet.
        let _ = pieces
            .into_iter()
            .flatten()
            .try_for_each(|&byte| self.push(byte));
        self.send(port);
    }
}

/// The lower-case digit of a number below 16.
pub fn hex_digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

/// Where `gdbstub` writes to.
#[derive(Debug)]
pub(crate) struct Wire<'w, P> {
    pub outgoing: &'w mut Outgoing,
    pub port: &'w mut P,
    /// What is written is meant for nobody.
    pub muted: bool,
}

impl<P: Port> Connection for Wire<'_, P> {
    type Error = Overflow;

    fn write(&mut self, byte: u8) -> Result<(), Overflow> {
        if self.muted {
            Ok(())
        } else {
            self.outgoing.push(byte)
        }
    }

    fn flush(&mut self) -> Result<(), Overflow> {
        if !self.muted {
            self.outgoing.send(self.port);
        }
        Ok(())
    }
}
