//! What is explored.

use crate::addressing::Switching;
use crate::calls::Call;
use crate::nmi::Nmi;
use crate::ringing::Apic;

/// Which stores become visible to others when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// As on x86: in order, but late (total store order; SDM vol. 3A, 9.2).
    Tso,
    /// In any order that the stores' and fences' own orderings allow. Stronger than what Rust
    /// promises (loads are not reordered), weaker than x86: shows a release that is missing.
    Relaxed,
}

/// What is explored.
#[derive(Clone, Debug)]
pub struct Scene {
    /// How many CPUs, 1 to 64.
    pub cpus: usize,
    /// What each thread calls, one after the other.
    pub threads: Vec<Script>,
    /// How many pages there are.
    pub pages: u8,
    /// How memory is ordered.
    pub memory: Memory,
    /// Whether sending empties the store buffer, as the seam promises. An x2APIC transport without
    /// its fence does not (I2).
    pub send_fences: bool,
    /// What may go wrong.
    pub faults: Faults,
    /// Whether threads that are not pinned move to idle CPUs, and threads outside critical
    /// sections make way for others of their CPU.
    pub scheduler: bool,
    /// How CPUs switch between spaces; `None` if all stay in the one that the pages are in.
    pub switching: Option<Switching>,
    /// The local APICs, where the code that sends is explored; `None` if interrupts are just sent.
    pub apic: Option<Apic>,
    /// Whether the pages are the kernel's: translations of them are global, and good in every space.
    pub global: bool,
    /// The non-maskable interrupts that come.
    pub nmi: Option<Nmi>,
}

impl Scene {
    /// Whether shootdowns are gathered.
    pub(crate) fn gathers(&self) -> bool {
        let mut calls = self.threads.iter().flat_map(|script| &script.calls);
        calls.any(|call| matches!(call, Call::ChangeSeveral { .. }))
    }
}

/// How often something may go wrong, at any time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    /// Interrupts that are lost on their way. A wait that helps itself then runs out of patience, as often as
    /// one was lost.
    pub lost: u8,
    /// Interrupts that are late: a wait that helps itself runs out of patience, and they arrive all the same.
    pub late: u8,
    /// Interrupts that come once more.
    pub repeated: u8,
    /// Waits that are given up.
    pub given_up: u8,
}

/// What one thread does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// The CPU it begins on.
    pub cpu: u8,
    /// Its calls.
    pub calls: Vec<Call>,
}
