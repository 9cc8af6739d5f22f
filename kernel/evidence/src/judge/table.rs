//! The invariants of a shootdown, and what of each can be seen in evidence.

/// One invariant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invariant {
    /// Its number: 1 to 20.
    pub number: u8,
    /// What it demands.
    pub rule: &'static str,
    /// What is looked at; `None` where records cannot show it.
    pub seen: Option<&'static str>,
}

/// Declares the table; numbers follow from the order.
macro_rules! invariants {
    ($($rule:literal: $seen:expr,)*) => {
        /// The invariants, I1 first.
        pub const INVARIANTS: [Invariant; 20] = number([$(Invariant {
            number: 0,
            rule: $rule,
            seen: $seen,
        }),*]);
    };
}

const fn number(mut table: [Invariant; 20]) -> [Invariant; 20] {
    let mut index = 0;
    while index < table.len() {
        table[index].number = index as u8 + 1;
        index += 1;
    }
    table
}

invariants! {
    "a request is written before it is announced":
        Some("no word of it is written after the first zero; each target performs what was asked"),
    "what announces a request is visible before its interrupt":
        Some("every target that was asked was interrupted, or served it all the same"),
    "a request stays until all targets acknowledged":
        Some("the wait ends, and the next request is written, after every acknowledgement"),
    "a target acknowledges after it has copied":
        Some("copy before acknowledge"),
    "a target has invalidated before it resumes what it interrupted":
        Some("after a shootdown no CPU that held a translation goes on before it forgot it; no stale read"),
    "a handler drains":
        Some("whatever was announced before the handler began is served when it ends"),
    "a waiting initiator takes interrupts":
        Some("no shootdown fails for want of a CPU that waits itself"),
    "page table, then active set; active set, then page table":
        Some("the active set holds every CPU that has the space in force, and all of them are asked"),
    "PCID generations are cleared before the interrupt": None,
    "CR3 and the current space change as one":
        Some("no interrupt between entering the active set and loading CR3"),
    "one snapshot for zeroing, sending and waiting":
        Some("no CPU is sent what it was not asked"),
    "a generation is never 0, and never the last one":
        Some("each request's generation"),
    "the scoreboard is there before the CPUs": None,
    "an interrupt command is written as one":
        Some("no CPU takes an interrupt that was not sent to it"),
    "nobody waits for a stopped CPU, which flushes as it resumes":
        Some("what a CPU missed while it was stopped is forgotten before it runs on"),
    "the operation fits the mode and the request":
        Some("the instructions that each invalidation executed"),
    "a range's end is exclusive, and it has a page":
        Some("every page that was asked for was invalidated"),
    "one end of interrupt for each interrupt":
        Some("a CPU goes on taking what is sent to it, one at a time"),
    "the initiator stays on its CPU":
        Some("it begins, steps and ends there, with no switch between"),
    "a space outlives the operations on it": None,
}
