//! What ring-3 programs and the kernel agree on: calls, errors, and each program's block.

/// The numbers of the system calls, in RAX. Arguments are in RDI, RSI, RDX and R10; the result
/// comes back in RAX, below 0 for an [`Error`]; every other register is kept.
pub mod call {
    /// Ends the thread.
    pub const EXIT: u64 = 0;
    /// Lets other threads of the CPU run.
    pub const YIELD: u64 = 1;
    /// Asks where the thread runs.
    pub const CPU: u64 = 2;
    /// Writes text.
    pub const WRITE: u64 = 3;
    /// Maps fresh pages.
    pub const MAP: u64 = 4;
    /// Takes pages away.
    pub const UNMAP: u64 = 5;
    /// Changes what pages allow.
    pub const PROTECT: u64 = 6;
    /// Puts a fresh frame under a page.
    pub const REMAP: u64 = 7;
    /// Asks for the time-stamp counter.
    pub const TICKS: u64 = 8;
    /// Tells that a page is not what the kernel says it is. For witnesses that it started.
    pub const STALE: u64 = 9;
}

/// What the `rights` argument of a call can be.
pub mod rights {
    /// The program may read.
    pub const READ: u64 = 0;
    /// The program may read and write.
    pub const WRITE: u64 = 1;
}

/// Declares the errors: each one's name, code and meaning.
macro_rules! errors {
    ($($name:ident = $code:literal: $meaning:literal;)*) => {
        /// Why a system call did not do what was asked.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(i64)]
        pub enum Error { $(#[doc = $meaning] $name = $code),* }

        impl Error {
            /// Every error with what it means.
            pub const ALL: &[(Error, &'static str)] = &[$((Error::$name, $meaning)),*];
        }
    };
}

errors! {
    UnknownCall = -1: "no system call has this number";
    BadAddress = -2: "not whole pages of the user half above page 0";
    BadCount = -3: "nothing, or more than one call takes";
    BadRights = -4: "no such rights";
    Reserved = -5: "the pages are the programs' own";
    Mapped = -6: "a page is mapped already";
    NotMapped = -7: "a page is not mapped";
    NoMemory = -8: "the kernel needs the frames that are left";
    Unreadable = -9: "the text cannot be read";
    Abandoned = -10: "the shootdown was given up: a TLB may not know of the change";
    NoSpace = -11: "the thread is in no address space";
    NoWitness = -12: "the program is no witness that the kernel started";
}

impl Error {
    /// What RAX holds.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// The error that RAX holds, if it is one.
    pub fn from_code(code: i64) -> Option<Error> {
        Error::ALL
            .iter()
            .map(|&(error, _)| error)
            .find(|error| error.code() == code)
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (_, meaning) = Error::ALL
            .iter()
            .find(|(error, _)| error == self)
            .expect("the table has every error");
        f.write_str(meaning)
    }
}

/// Where in a space the programs are: out of the way of what a person maps, and on pages that fall
/// on other entries of an emulated TLB than the round addresses that people choose (QEMU indexes it
/// by the low bits of the page number: a conflict would evict the stale translation that somebody
/// wants to see).
pub mod region {
    use super::block;

    /// The first address that system calls refuse to touch.
    pub const START: u64 = 0x7e00_0000_0000;
    /// Where the image is mapped.
    pub const TEXT: u64 = START + 0x3_b000;
    /// The page of the first slot.
    pub const SLOTS: u64 = START + 0x1a_0000;
    /// How many slots there are: programs in one space at a time.
    pub const SLOT_COUNT: usize = 128;
    /// From one slot to the next: a page, and one that is never mapped.
    pub const SLOT_STRIDE: u64 = 2 * 4096;
    /// The first address past it all.
    pub const END: u64 = START + 0x40_0000;

    /// The page of slot `slot`; unmapped pages on both sides of it guard it.
    pub const fn page(slot: usize) -> u64 {
        SLOTS + slot as u64 * SLOT_STRIDE
    }

    /// The block of the program in slot `slot`: where its stack begins, too.
    pub const fn block(slot: usize) -> u64 {
        page(slot) + block::OFFSET
    }
}

/// A program's block: the words at the top of its page, which it and the kernel share. The stack
/// grows down from below it. RDI points at it when the program begins.
pub mod block {
    /// Its size, in 8-byte words.
    pub const WORDS: usize = 256;
    /// Its first byte, from the start of the page.
    pub const OFFSET: u64 = 4096 - 8 * WORDS as u64;
    /// How many arguments a program takes at most.
    pub const ARGUMENTS: usize = 6;
    /// How many results a program has at most.
    pub const RESULTS: usize = 4;
    /// How many pages a witness watches at most.
    pub const WATCHED: usize = 64;

    /// Word: the kernel makes it nonzero to have the program end. Programs only read it.
    pub const STOP: usize = 0;
    /// Words: what the program was asked to do. Programs only read them.
    pub const ARGUMENT: usize = 1;
    /// Word: the rounds begun. On a cache line apart from those above, which the program reads.
    pub const BEGUN: usize = 8;
    /// Word: the rounds completed. A round has every store of its own in memory before it counts
    /// here, and none before it counts in [`BEGUN`].
    pub const ROUNDS: usize = 9;
    /// Word: the ticks of the time-stamp counter that the program measured.
    pub const TICKS: usize = 10;
    /// Words: what else the program has to tell; its table entry names them.
    pub const RESULT: usize = 12;
    /// Words: what a witness read last from each page that it watches.
    pub const SEEN: usize = 64;
    /// Words: what a witness is to read from each page; 0 where the kernel does not say. Programs
    /// only read them.
    pub const EXPECTED: usize = 128;
    /// Words: what was expected of each page when a witness last told that it read something else.
    pub const REPORTED: usize = 192;

    /// Which word of a page a witness reads, in bytes from its start: one that nobody writes by
    /// chance, and that is poisoned in a free frame (its last word is not).
    pub const WITNESSED: u64 = 4096 - 16;
    /// What a witness sees where nothing is mapped.
    pub const ABSENT: u64 = 0x0ab5_e470_ab5e_4700;
}

const _: () = {
    assert!(block::ARGUMENT + block::ARGUMENTS <= block::BEGUN);
    assert!(block::RESULT + block::RESULTS <= block::SEEN);
    assert!(block::SEEN + block::WATCHED <= block::EXPECTED);
    assert!(block::EXPECTED + block::WATCHED <= block::REPORTED);
    assert!(block::REPORTED + block::WATCHED <= block::WORDS);
    assert!(region::page(region::SLOT_COUNT) < region::END);
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn an_error_is_never_taken_for_a_result_or_for_another_error() {
        for (number, (error, meaning)) in Error::ALL.iter().enumerate() {
            assert!(error.code() < 0);
            assert_eq!(Error::from_code(error.code()), Some(*error), "{meaning}");
            assert!(
                Error::ALL[..number]
                    .iter()
                    .all(|(other, _)| other.to_string() != error.to_string())
            );
        }
        assert_eq!(Error::from_code(0), None);
    }
}
