//! The ring-3 programs: a small image of position-independent code, and the table of what is in it.
//!
//! Every program has a page of its own, which holds its [`block`] and below that its stack. It
//! begins with RDI pointing at the block and every other register 0, and ends by the system call
//! [`call::EXIT`]. Those that run until they are told to stop look at [`block::STOP`] each round.

mod abi;

pub use abi::{Error, block, call, region, rights};

use core::arch::global_asm;

global_asm!(
    include_str!("programs.s"),
    EXIT = const call::EXIT,
    YIELD = const call::YIELD,
    CPU = const call::CPU,
    WRITE = const call::WRITE,
    MAP = const call::MAP,
    UNMAP = const call::UNMAP,
    PROTECT = const call::PROTECT,
    REMAP = const call::REMAP,
    READ_ONLY = const rights::READ,
    READ_WRITE = const rights::WRITE,
    STOP = const 8 * block::STOP,
    ARGUMENT = const 8 * block::ARGUMENT,
    BEGUN = const 8 * block::BEGUN,
    ROUNDS = const 8 * block::ROUNDS,
    STALE = const call::STALE,
    TICKS = const 8 * block::TICKS,
    RESULT = const 8 * block::RESULT,
    SEEN = const 8 * block::SEEN,
    EXPECTED = const 8 * block::EXPECTED,
    REPORTED = const 8 * block::REPORTED,
    WITNESSED = const block::WITNESSED,
    WATCHED = const block::WATCHED,
    REGION = const region::START,
    TEXT = const region::TEXT,
    POISON = const crate::frames::POISON,
);

unsafe extern "C" {
    static programs_start: u8;
    static programs_end: u8;
    static program_witness_read: u8;
    static program_witness_read_end: u8;
}

/// Resumes a witness whose read of a page found nothing mapped, as if it had read
/// [`block::ABSENT`]. Returns whether the page fault was one.
pub fn recover(frame: &mut crate::entry::Frame) -> bool {
    let offset = |label: *const u8| (label.addr() - (&raw const programs_start).addr()) as u64;
    if frame.rip != region::TEXT + offset(&raw const program_witness_read) {
        return false;
    }
    frame.rax = block::ABSENT;
    frame.rip = region::TEXT + offset(&raw const program_witness_read_end);
    true
}

/// The image, to be mapped as one piece that starts at a page.
pub fn image() -> &'static [u8] {
    let start = &raw const programs_start;
    let length = (&raw const programs_end).addr() - start.addr();
    // SAFETY: `programs.s` puts both labels around bytes of one section of constants.
    unsafe { core::slice::from_raw_parts(start, length) }
}

/// One argument of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// What it is called, in capitals.
    pub name: &'static str,
    /// What it is when it is left out; `None` if it may not be.
    pub default: Option<u64>,
}

/// What a result word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// A count, or a tag.
    Number,
    /// An address.
    Address,
    /// The code of an [`Error`], without its sign; 0 for none.
    Refusal,
}

/// One program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// What `run` calls it.
    pub name: &'static str,
    /// What it does, in a sentence without its full stop.
    pub summary: &'static str,
    /// Its arguments, at most [`block::ARGUMENTS`]; those with a default come last.
    pub parameters: &'static [Parameter],
    /// What its result words are, at most [`block::RESULTS`]; names are lower case with `_`.
    pub results: &'static [(&'static str, Meaning)],
    /// Whether it measures [`block::TICKS`] and counts [`block::ROUNDS`].
    pub measured: bool,
    entry: unsafe extern "C" fn(),
}

impl Program {
    /// Where in the image it begins.
    pub fn entry(&self) -> u64 {
        (self.entry as usize - (&raw const programs_start).addr()) as u64
    }

    /// The program called `name`.
    pub fn find(name: &str) -> Option<&'static Program> {
        PROGRAMS.iter().find(|program| program.name == name)
    }

    /// The program that the byte at `offset` of the image belongs to.
    pub fn at(offset: u64) -> Option<&'static Program> {
        let before = PROGRAMS.iter().filter(|program| program.entry() <= offset);
        before
            .max_by_key(|program| program.entry())
            .filter(|_| offset < image().len() as u64)
    }
}

/// Declares the programs and their entry points in `programs.s`.
macro_rules! programs {
    ($($name:literal $entry:ident ($($parameter:ident $(= $default:literal)?),*)
        -> [$($result:literal $meaning:ident),*] $(measured $measured:literal)? : $summary:literal;)*) => {
        unsafe extern "C" {
            $(fn $entry();)*
        }

        /// Every program, as they are listed.
        pub static PROGRAMS: &[Program] = &[$(Program {
            name: $name,
            summary: $summary,
            parameters: &[$(Parameter {
                name: stringify!($parameter),
                default: [None $(, Some($default))?][[None::<u64> $(, Some($default))?].len() - 1],
            }),*],
            results: &[$(($result, Meaning::$meaning)),*],
            measured: [false $(, $measured)?][[false $(, $measured)?].len() - 1],
            entry: $entry,
        }),*];
    };
}

programs! {
    "hello" program_hello() -> []:
        "writes a line that names its CPU";
    "reader" program_reader(ADDRESS, COUNT = 100000, PAUSE = 1) -> ["changes" Number, "last" Number] measured true:
        "reads a word COUNT times (0: until stopped) and counts how often it changed; has a PAUSE instruction \
         every PAUSE rounds (0: never)";
    "writer" program_writer(ADDRESS, COUNT = 100000) -> ["lost" Number] measured true:
        "writes its round to a word and reads it back, COUNT times (0: until stopped)";
    "revoke" program_revoke(ADDRESS, ROUNDS = 100) -> [] measured true:
        "makes a page read-only and writable again, ROUNDS times (0: until stopped); ticks are those of \
         the revoking calls";
    "remapper" program_remapper(ADDRESS, ROUNDS = 100) -> ["stale" Number, "last" Number] measured true:
        "has a fresh frame put under a page that is its alone and reads it, ROUNDS times (0: until stopped)";
    "witness" program_witness(ADDRESS, PAGES = 1, STRIDE = 1, TURN = 0) -> ["freed" Number, "freed_at" Address, "stale" Number] measured true:
        "reads PAGES pages, STRIDE apart, round after round until stopped, and publishes what it saw; \
         yields after TURN rounds (0: never)";
    "exhaust" program_exhaust(ADDRESS) -> ["mapped" Number, "refusal" Refusal]:
        "maps pages from ADDRESS on until it is refused, then unmaps them";
    "yield" program_yield(COUNT = 1000) -> [] measured true:
        "yields COUNT times (0: until stopped)";
    "spin" program_spin(COUNT = 1000000) -> [] measured true:
        "goes round an empty loop COUNT times (0: until stopped)";
    "fault" program_fault(ADDRESS = 0) -> []:
        "reads a word: page 0 is never mapped";
    "privileged" program_privileged() -> []:
        "executes an instruction that ring 3 may not (CLI)";
    "step" program_step() -> []:
        "sets the trap flag: a debug exception";
    "overflow" program_overflow() -> []:
        "pushes until its stack meets the guard page";
    "wild" program_wild() -> ["refused" Number]:
        "makes system calls that must be refused; its status is the number of the first that was not";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_point_is_inside_the_image_and_its_own() {
        for (number, program) in PROGRAMS.iter().enumerate() {
            assert!(program.entry() < image().len() as u64, "{}", program.name);
            let others = &PROGRAMS[..number];
            assert!(
                others
                    .iter()
                    .all(|o| o.name != program.name && o.entry() != program.entry()),
                "{}",
                program.name
            );
            assert_eq!(
                Program::at(program.entry()).map(|p| p.name),
                Some(program.name)
            );
        }
        assert!(Program::at(image().len() as u64).is_none());
    }

    #[test]
    fn no_program_tells_more_than_its_block_holds() {
        for program in PROGRAMS {
            assert!(
                program.parameters.len() <= block::ARGUMENTS,
                "{}",
                program.name
            );
            assert!(program.results.len() <= block::RESULTS, "{}", program.name);
            let required = program
                .parameters
                .iter()
                .rposition(|p| p.default.is_none())
                .map_or(0, |last| last + 1);
            assert!(
                program.parameters[..required]
                    .iter()
                    .all(|p| p.default.is_none()),
                "{}",
                program.name
            );
        }
    }

    #[test]
    fn the_image_is_whole_words() {
        assert!(image().len().is_multiple_of(8) && !image().is_empty());
    }
}
