//! Packets out of a stream of bytes that may be anything.

/// The longest packet body that is taken: what gdb is told as the packet size.
pub const CAPACITY: usize = 16 << 10;

/// What the last byte completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A packet whose checksum is right; see [`Framer::body`].
    Packet,
    /// A packet that has to be sent again: its checksum is wrong.
    Corrupt,
    /// A packet longer than [`CAPACITY`], which was passed over.
    TooLong,
    /// Ctrl-C.
    Interrupt,
    /// The peer asks for the last packet once more.
    Resend,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Between packets.
    Outside,
    /// After `$`.
    Body,
    /// After `#`: no digit of the checksum yet.
    Checksum,
    /// After its first digit.
    SecondDigit(u8),
}

/// The packet being received.
#[derive(Debug)]
pub struct Framer {
    body: [u8; CAPACITY],
    length: usize,
    state: State,
    too_long: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new()
    }
}

/// Ctrl-C, as gdb sends it.
const INTERRUPT: u8 = 3;

impl Framer {
    /// Between packets.
    pub const fn new() -> Self {
        Framer {
            body: [0; CAPACITY],
            length: 0,
            state: State::Outside,
            too_long: false,
        }
    }

    /// What stands between `$` and `#` of the packet that the last byte completed.
    pub fn body(&self) -> &[u8] {
        &self.body[..self.length]
    }

    /// Takes one byte.
    pub fn push(&mut self, byte: u8) -> Option<Event> {
        match (self.state, byte) {
            // Never inside a packet: data has it escaped. A packet that broke off ends here.
            (_, b'$') => {
                self.state = State::Body;
                self.length = 0;
                self.too_long = false;
                None
            }
            (State::Outside, b'-') => Some(Event::Resend),
            (State::Outside, INTERRUPT) => Some(Event::Interrupt),
            // Acknowledgements, and noise.
            (State::Outside, _) => None,
            (State::Body, b'#') => {
                self.state = State::Checksum;
                None
            }
            // Text has none: the peer gave the packet up.
            (State::Body, INTERRUPT) if !self.binary() => {
                self.state = State::Outside;
                Some(Event::Interrupt)
            }
            (State::Body, _) => {
                self.take(byte);
                None
            }
            (State::Checksum, _) => {
                self.state = State::SecondDigit(byte);
                None
            }
            (State::SecondDigit(first), _) => {
                self.state = State::Outside;
                Some(self.complete(first, byte))
            }
        }
    }

    /// Whether the packet may hold bytes that are no text.
    fn binary(&self) -> bool {
        self.length > 0 && self.body[0] == b'X'
    }

    fn take(&mut self, byte: u8) {
        match self.body.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length += 1;
            }
            None => self.too_long = true,
        }
    }

    fn complete(&self, first: u8, second: u8) -> Event {
        if self.too_long {
            return Event::TooLong;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let told = digit(first).zip(digit(second)).map(|(h, l)| h << 4 | l);
        if told == Some(u32::from(checksum(self.body()))) {
            Event::Packet
        } else {
            Event::Corrupt
        }
    }
}

/// The sum of the bytes, modulo 256.
pub fn checksum(body: &[u8]) -> u8 {
    body.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}
