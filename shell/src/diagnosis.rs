//! Why a CPU does not answer a shootdown: the table by which the watchdog judges what it sees.
//!
//! The rows are tried from the top; the first that fits counts. What is seen seldom proves a cause:
//! a row names the likely one, and the invariant that would have kept it from happening.

use crate::observation::Invariant;
use core::fmt;
use shootdown::{CpuId, CpuSet};

/// What was seen of a CPU that does not answer. What an NMI found there is as it was in one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// Whether it answered an NMI; if not, what an NMI would have found is all false.
    pub answers: bool,
    /// Whether it took interrupts.
    pub interrupts: bool,
    /// Whether it was in the shootdown interrupt's handler.
    pub in_handler: bool,
    /// Whether the shootdown interrupt was in IRR: accepted, not begun.
    pub irr: bool,
    /// Whether it was in ISR: begun, and not ended by an EOI.
    pub isr: bool,
    /// Whether it has taken shootdown interrupts since the wait became long.
    pub received: bool,
    /// Whether it has taken one since the wait began that found nothing to serve.
    pub found_nothing: bool,
    /// Whether another CPU has.
    pub astray: bool,
    /// Whether the waiter's slot for it is 0, although it asks for nothing.
    pub transposed: bool,
    /// What its slot for the waiter holds; `None` if it has no slot of its own for the waiter.
    pub slot: Option<u32>,
    /// The generation that the waiter wants.
    pub wanted: u32,
    /// Whether a request whose generation is 0 is pending for it.
    pub zero_generation: bool,
    /// Whether it waits for the waiter.
    pub waits_for_waiter: bool,
    /// Whether it waits for anything: other CPUs, or a lock.
    pub waits: bool,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Cause {
    fits: fn(&Seen) -> bool,
    /// The cause, as a clause.
    pub clause: &'static str,
    invariant: u8,
}

impl Cause {
    /// The invariant that would have kept it from happening, if it is one of the protocol's.
    pub fn invariant(&self) -> Option<Invariant> {
        Invariant::new(self.invariant)
    }

    /// The likely cause of what was seen.
    pub fn of(seen: &Seen) -> &'static Cause {
        CAUSES
            .iter()
            .find(|cause| (cause.fits)(seen))
            .expect("the last row fits everything")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.clause)?;
        match self.invariant() {
            Some(invariant) => write!(f, " ({invariant})"),
            None => Ok(()),
        }
    }
}

/// The table.
#[rustfmt::skip]
pub static CAUSES: [Cause; 17] = [
    Cause { invariant: 0, fits: |s| !s.answers,
        clause: "it does not answer an NMI either" },
    Cause { invariant: 0, fits: |s| s.slot.is_some_and(|slot| slot == s.wanted && slot != 0),
        clause: "it has acknowledged meanwhile" },
    Cause { invariant: 13, fits: |s| s.slot.is_some_and(|slot| slot != 0) && s.transposed,
        clause: "its slot was not zeroed, but that of the waiter for it: row and column are exchanged" },
    Cause { invariant: 11, fits: |s| s.slot.is_some_and(|slot| slot != 0) && s.found_nothing,
        clause: "it was interrupted and found its slot not zeroed: other CPUs were zeroed than were sent to" },
    Cause { invariant: 1, fits: |s| s.slot.is_some_and(|slot| slot != 0 && slot.wrapping_add(1) == s.wanted),
        clause: "it acknowledged the request before this one: what it read was old, or it was not asked" },
    Cause { invariant: 3, fits: |s| s.slot.is_some_and(|slot| slot != 0),
        clause: "it acknowledged another request: this one was overwritten before it was copied" },
    Cause { invariant: 18, fits: |s| s.isr && !s.in_handler,
        clause: "its handler has ended without an EOI, so nothing of this priority gets through" },
    Cause { invariant: 12, fits: |s| s.in_handler && s.zero_generation,
        clause: "its handler acknowledges generation 0, which means pending, over and over" },
    Cause { invariant: 0, fits: |s| s.in_handler,
        clause: "its handler is still at work" },
    Cause { invariant: 7, fits: |s| !s.interrupts && s.waits_for_waiter,
        clause: "it waits for the waiter with interrupts off" },
    Cause { invariant: 7, fits: |s| !s.interrupts && s.waits,
        clause: "it waits for another CPU or a lock with interrupts off" },
    Cause { invariant: 0, fits: |s| !s.interrupts && s.irr,
        clause: "it has interrupts off, and the interrupt waits in IRR" },
    Cause { invariant: 18, fits: |s| s.irr,
        clause: "the interrupt waits in IRR although interrupts are on: one of its priority has had no EOI" },
    Cause { invariant: 14, fits: |s| s.astray && !s.received,
        clause: "the interrupt went to another CPU, which found nothing to do" },
    Cause { invariant: 6, fits: |s| s.received,
        clause: "it took interrupts, but its handler returned with the request still pending" },
    Cause { invariant: 2, fits: |s| s.slot.is_some(),
        clause: "the interrupt was lost: the request is pending, and neither IRR nor ISR has it" },
    Cause { invariant: 0, fits: |_| true,
        clause: "nothing is to be seen" },
];

/// A CPU that is waited for, what was seen of it, and what is made of that.
#[derive(Clone, Copy, Debug)]
pub struct Finding {
    /// The CPU.
    pub cpu: CpuId,
    /// What was seen.
    pub seen: Seen,
    /// The likely cause.
    pub cause: &'static Cause,
}

impl Finding {
    /// What is made of what was seen of `cpu`.
    pub fn of(cpu: CpuId, seen: Seen) -> Finding {
        let cause = Cause::of(&seen);
        Finding { cpu, seen, cause }
    }
}

/// `slot 0, IRR clear, ISR clear, interrupts on: the interrupt was lost (I2)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = &self.seen;
        if let Some(slot) = seen.slot {
            write!(f, "slot {slot}, ")?;
        }
        if seen.answers {
            let set = |bit| if bit { "set" } else { "clear" };
            let (irr, isr) = (set(seen.irr), set(seen.isr));
            let on = if seen.interrupts { "on" } else { "off" };
            write!(f, "IRR {irr}, ISR {isr}, interrupts {on}")?;
            if seen.in_handler {
                f.write_str(", in the handler")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}", self.cause)
    }
}

/// The invariant that most of the findings point to, the first if as many do; and the CPUs that
/// are to blame: those with that finding, or all.
pub fn verdict(findings: impl Iterator<Item = Finding> + Clone) -> (Option<Invariant>, CpuSet) {
    let pointing = |invariant: Invariant| {
        findings
            .clone()
            .filter(move |finding| finding.cause.invariant() == Some(invariant))
    };
    let mut best: Option<(Invariant, usize)> = None;
    for invariant in findings.clone().filter_map(|f| f.cause.invariant()) {
        let count = pointing(invariant).count();
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((invariant, count));
        }
    }
    let invariant = best.map(|(invariant, _)| invariant);
    let cpus = match invariant {
        Some(invariant) => pointing(invariant).map(|finding| finding.cpu).collect(),
        None => findings.map(|finding| finding.cpu).collect(),
    };
    (invariant, cpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// A target whose request is pending and that looks healthy.
    const HEALTHY: Seen = Seen {
        answers: true,
        interrupts: true,
        in_handler: false,
        irr: false,
        isr: false,
        received: false,
        found_nothing: false,
        astray: false,
        transposed: false,
        slot: Some(0),
        wanted: 5,
        zero_generation: false,
        waits_for_waiter: false,
        waits: false,
    };

    fn invariant(seen: Seen) -> u8 {
        Cause::of(&seen).invariant().map_or(0, Invariant::number)
    }

    #[test]
    fn a_broken_invariant_taken_for_another() {
        let slot = |slot| Seen {
            slot: Some(slot),
            ..HEALTHY
        };
        let no_interrupts = Seen {
            interrupts: false,
            irr: true,
            ..HEALTHY
        };
        for (expected, seen) in [
            (0, Seen::default()),
            (0, slot(5)),
            (1, slot(4)),
            (3, slot(9)),
            (
                11,
                Seen {
                    found_nothing: true,
                    ..slot(4)
                },
            ),
            (
                13,
                Seen {
                    found_nothing: true,
                    transposed: true,
                    ..slot(4)
                },
            ),
            (
                2,
                Seen {
                    transposed: true,
                    ..HEALTHY
                },
            ),
            (
                18,
                Seen {
                    isr: true,
                    ..HEALTHY
                },
            ),
            (
                18,
                Seen {
                    isr: true,
                    irr: true,
                    interrupts: false,
                    ..HEALTHY
                },
            ),
            (
                0,
                Seen {
                    isr: true,
                    in_handler: true,
                    interrupts: false,
                    ..HEALTHY
                },
            ),
            (
                12,
                Seen {
                    isr: true,
                    in_handler: true,
                    interrupts: false,
                    zero_generation: true,
                    ..HEALTHY
                },
            ),
            (
                7,
                Seen {
                    waits_for_waiter: true,
                    waits: true,
                    ..no_interrupts
                },
            ),
            (
                7,
                Seen {
                    waits: true,
                    ..no_interrupts
                },
            ),
            (0, no_interrupts),
            (
                18,
                Seen {
                    irr: true,
                    ..HEALTHY
                },
            ),
            (
                14,
                Seen {
                    astray: true,
                    ..HEALTHY
                },
            ),
            (
                6,
                Seen {
                    received: true,
                    astray: true,
                    ..HEALTHY
                },
            ),
            (2, HEALTHY),
            (
                0,
                Seen {
                    slot: None,
                    ..HEALTHY
                },
            ),
        ] {
            assert_eq!(invariant(seen), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_row_that_no_case_reaches() {
        // Every combination of the flags, with every kind of slot.
        let mut reached = [false; CAUSES.len()];
        for bits in 0..1_u32 << 11 {
            let bit = |number: u32| bits & 1 << number != 0;
            for slot in [None, Some(0), Some(4), Some(5), Some(9)] {
                let seen = Seen {
                    answers: bit(0),
                    interrupts: bit(1),
                    in_handler: bit(2),
                    irr: bit(3),
                    isr: bit(4),
                    received: bit(5),
                    astray: bit(6),
                    found_nothing: bit(9),
                    transposed: bit(10),
                    slot,
                    wanted: 5,
                    zero_generation: bit(7),
                    waits_for_waiter: bit(8),
                    waits: bit(8) || bit(7),
                };
                let cause = core::ptr::from_ref(Cause::of(&seen));
                let row = CAUSES.iter().position(|row| core::ptr::eq(row, cause));
                reached[row.expect("a row of the table")] = true;
            }
        }
        assert_eq!(reached, [true; CAUSES.len()]);
    }

    #[test]
    fn one_odd_finding_that_outvotes_the_others() {
        let cpu = |number| CpuId::new(number).expect("a CPU");
        let lost = |number| Finding::of(cpu(number), HEALTHY);
        let odd = Finding::of(
            cpu(1),
            Seen {
                isr: true,
                ..HEALTHY
            },
        );
        let busy = Finding::of(
            cpu(0),
            Seen {
                in_handler: true,
                ..HEALTHY
            },
        );
        let (invariant, cpus) = verdict([busy, odd, lost(2), lost(3)].into_iter());
        assert_eq!((invariant, cpus.bits()), (Invariant::new(2), 0b1100));
        let (invariant, cpus) = verdict([busy].into_iter());
        assert_eq!((invariant, cpus.bits()), (None, 0b1));
        assert_eq!(
            lost(2).to_string(),
            "slot 0, IRR clear, ISR clear, interrupts on: the interrupt was lost: the request is \
             pending, and neither IRR nor ISR has it (I2)"
        );
    }
}
