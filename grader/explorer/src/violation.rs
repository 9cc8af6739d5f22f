//! What must not be.

use shootdown::{CpuId, CpuSet};

/// What must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// A CPU that is not in the handler can use a page's old version after the shootdown of it
    /// returned.
    Stale {
        /// The CPU.
        cpu: CpuId,
        /// The page.
        page: u8,
        /// What its TLB holds.
        held: u16,
        /// What it must hold at least.
        required: u16,
        /// Whether in user mode, by a translation of the user tables.
        user: bool,
    },
    /// A non-maskable interrupt's handler read by a page's old version after the shootdown of it returned.
    ReadByNmi {
        /// The CPU.
        cpu: CpuId,
        /// The page.
        page: u8,
    },
    /// A CPU can use a page of the space that it is no longer in.
    Foreign {
        /// The CPU.
        cpu: CpuId,
        /// The page.
        page: u8,
    },
    /// The protocol found a rule broken, or broke one of Rust's.
    Panic {
        /// Where.
        cpu: CpuId,
        /// What it said.
        message: String,
    },
    /// Nothing can happen any more, and these CPUs' threads are not done.
    Hang {
        /// Who waits.
        waiting: CpuSet,
    },
    /// One call goes on for ever.
    Livelock {
        /// Where.
        cpu: CpuId,
    },
    /// The code does not answer, or not as code can.
    Silent {
        /// Where.
        cpu: CpuId,
        /// What it does instead.
        why: String,
    },
}

impl Violation {
    /// The invariant that the protocol's own message names, as in `(I3: ...)`.
    pub fn names(&self) -> Option<u8> {
        let Violation::Panic { message, .. } = self else {
            return None;
        };
        let mut after = message
            .split("(I")
            .skip(1)
            .chain(message.split("rule I").skip(1));
        after.find_map(|text| {
            let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
            digits
                .parse()
                .ok()
                .filter(|number| (1..=20).contains(number))
        })
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Violation::Stale { cpu, page, .. } => write!(
                f,
                "CPU {cpu} can use the old translation of page {:#x} after its shootdown has returned",
                crate::host::address(*page)
            ),
            Violation::ReadByNmi { cpu, page } => write!(
                f,
                "an NMI's handler on CPU {cpu} uses the old translation of page {:#x} after its shootdown has returned",
                crate::host::address(*page)
            ),
            Violation::Foreign { cpu, page } => write!(
                f,
                "CPU {cpu} can use page {:#x} of a space that it is not in",
                crate::host::address(*page)
            ),
            Violation::Panic { cpu, message } => write!(f, "CPU {cpu} panics: {message}"),
            Violation::Hang { waiting } => {
                write!(f, "CPUs {waiting} wait, and nothing can happen any more")
            }
            Violation::Livelock { cpu } => write!(f, "a call on CPU {cpu} goes on for ever"),
            Violation::Silent { cpu, why } => write!(f, "the code on CPU {cpu} {why}"),
        }
    }
}
