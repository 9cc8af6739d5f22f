//! What the kit's own part of a call looks like, and what no code can do: held against every answer.
//!
//! A call runs the code between operations of the kit's own: a change begins with the entries' stores, a switch of
//! spaces loads CR3 once, a send is judged by its commands. Where the code runs in a process of its own these are as
//! little to be trusted as the rest, since whoever has that process answers what he likes. So they are checked here,
//! where the search is.
//!
//! What is left to somebody who lies is what any code has: which operations of the seam to ask for, by what the
//! machine answered. Whatever he answers, if it is the same each time, *is* a protocol, and it is that protocol in
//! which no rule may be broken. He can do no better than answer as a right solution would.

use crate::calls::Call;
use crate::code::{Reached, Setup};
use crate::host::SPACE;
use crate::op::{EXPIRED, Op, WordId};
use crate::ringing::{self, RingWords};
use shootdown::{CpuId, CpuSet, Point, SpaceId};

/// What there is.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    setup: Setup,
    /// The first page's entry; the others follow, and are the last words.
    entries: WordId,
    words: usize,
    ring: Option<RingWords>,
}

/// A send that has begun.
struct Sending {
    to: CpuSet,
    /// Whether interrupts were enabled.
    enabled: bool,
    /// Destinations and lower halves.
    commands: Vec<(u32, u32)>,
    /// It is over: interrupts are as before, on this CPU.
    over: Option<CpuId>,
}

/// What has been asked so far in a call.
#[derive(Default)]
struct Path {
    asked: usize,
    last: Option<(Op, u64)>,
    high: u32,
    sending: Option<Sending>,
    /// To whom was sent.
    sent: Vec<CpuSet>,
    /// How often CR3 was loaded.
    loads: usize,
    waits: bool,
    /// Nothing has been changed since a wait began last.
    looks: bool,
    expired: bool,
    stuck: bool,
}

type Checked = Result<(), String>;

fn must(holds: bool, why: &str) -> Checked {
    if holds { Ok(()) } else { Err(why.into()) }
}

impl Frame {
    pub fn new(setup: Setup, entries: WordId, words: usize, ring: Option<RingWords>) -> Frame {
        Frame {
            setup,
            entries,
            words,
            ring,
        }
    }

    /// The word that is the entry of `page`.
    pub fn entry(&self, page: u8) -> WordId {
        WordId(self.entries.0 + u16::from(page))
    }

    /// Whether a call can come to this: to `asked`, answered so, and then to what is reached.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, call: Call, asked: &[Op], answers: &[u64], reached: &Reached) -> Checked {
        let mut path = Path::default();
        for (&op, &answer) in asked.iter().zip(answers) {
            self.asks(&mut path, call, op)?;
            path.answered(op, answer);
        }
        match reached {
            Reached::Asks(op, _) => self.asks(&mut path, call, *op),
            Reached::Over(outcome) => self.over(&mut path, call, outcome.is_ok()),
            Reached::Panicked(_) | Reached::Silent(_) => Ok(()),
        }
    }

    /// Whether `op` can be asked next.
    fn asks(&self, path: &mut Path, call: Call, op: Op) -> Checked {
        must(!path.stuck, "it goes on after it said that it is stuck")?;
        let expected = self.begins(call, path.asked);
        if let Some(expected) = expected {
            let why = format!("the call begins with {expected:?}, not with {op:?}");
            return must(op == expected, &why);
        }
        if let Some((Op::LoadCr3 { space, .. }, _)) = path.last {
            must(
                op == Op::SetCurrent(space),
                "CR3 is loaded, and the space not recorded",
            )?;
        }
        match op {
            Op::Load { word, .. } => self.word(word, true),
            Op::Store { word, point, .. } | Op::Modify { word, point, .. } => {
                must(
                    point != Some(Point::PteStore),
                    "a word is stored as if it were an entry",
                )?;
                self.word(word, false)
            }
            Op::SpinAgain { .. } => {
                must(path.waits, "a wait goes on that has not begun")?;
                must(path.looks, "a wait's condition changes something")
            }
            Op::SpinResume => must(
                path.expired,
                "a wait is taken up whose patience has not ended",
            ),
            Op::LoadCr3 { space, pcid, keep } => self.loads(path, call, space, pcid, keep),
            Op::SetCurrent(_) => must(
                matches!(path.last, Some((Op::LoadCr3 { .. }, _))),
                "a space is recorded, and CR3 not loaded",
            ),
            Op::Send(to) => {
                must(self.ring.is_none(), "it sends without a command")?;
                must(self.is_there(to), "it sends to CPUs that are not there")
            }
            Op::Work(Point::Send, to, _) if self.ring.is_some() => {
                self.sent(path)?;
                let to = CpuSet::from_bits(to);
                must(self.is_there(to), "it sends to CPUs that are not there")?;
                let Some((Op::InterruptsEnabled, enabled)) = path.last else {
                    return Err("a send begins, and nobody asked whether interrupts are on".into());
                };
                path.sending = Some(Sending {
                    to,
                    enabled: enabled != 0,
                    commands: Vec::new(),
                    over: None,
                });
                Ok(())
            }
            Op::IcrHigh(_) | Op::IcrLow(_) | Op::IcrWide(_) => self.commands(path, op),
            Op::SaysStuck => {
                let stuck = self.setup.apic.is_some_and(|apic| apic.stuck);
                must(
                    stuck && path.sending.is_some(),
                    "it says that a command is stuck, and none is",
                )
            }
            _ => Ok(()),
        }
    }

    /// What a call begins with, before the code's own part.
    fn begins(&self, call: Call, asked: usize) -> Option<Op> {
        if let Some((mut pages, version)) = call.changes(self.setup.pages)
            && let Some(page) = pages.nth(asked)
        {
            return Some(Op::Store {
                word: self.entry(page),
                value: version.into(),
                release: false,
                point: Some(Point::PteStore),
            });
        }
        match call {
            Call::Activate(_) if asked == 0 => Some(Op::InterruptsOff),
            Call::Activate(_) if asked == 1 => Some(Op::CurrentSpace),
            Call::Ring { masked: true, .. } if asked == 0 => Some(Op::InterruptsOff),
            _ => None,
        }
    }

    /// Whether the code may access a word: of the kit's own some only.
    fn word(&self, word: WordId, loads: bool) -> Checked {
        must(usize::from(word.0) < self.words, "there is no such word")?;
        must(word < self.entries, "it accesses a page's entry")?;
        let Some(ring) = &self.ring else {
            return Ok(());
        };
        let register = ring.high.contains(&word) || (ring.low.contains(&word) && !loads);
        must(
            !register,
            "it accesses a command register as if it were memory",
        )
    }

    fn loads(&self, path: &mut Path, call: Call, space: u8, pcid: u8, keep: bool) -> Checked {
        path.loads += 1;
        must(
            (call == Call::Activate(space) || call == Call::Handle && space == 0)
                && path.loads == 1,
            "it loads CR3 with another space's tables, or once more",
        )?;
        let Some((pcids, keeps)) = self.setup.spaces else {
            return Err("it switches to a space, and there are none".into());
        };
        let user = space != 0 && self.setup.mode.has_pcid();
        let has = if user {
            (1..pcids).contains(&u16::from(pcid))
        } else {
            pcid == 0
        };
        must(has, "it loads a PCID that the space cannot have")?;
        let unchanged = SpaceId(space.into()) == SPACE && keeps;
        must(
            keep || !unchanged,
            "it flushes a space in which nothing has changed",
        )
    }

    fn commands(&self, path: &mut Path, op: Op) -> Checked {
        let (Some(apic), Some(sending)) = (self.setup.apic, &mut path.sending) else {
            return Err("it writes a command outside a send".into());
        };
        let wide = matches!(op, Op::IcrWide(_));
        must(
            wide == apic.x2apic,
            "it writes a command as the other mode does",
        )?;
        sending.over = None;
        let (high, low) = match op {
            Op::IcrHigh(high) => {
                path.high = high;
                return Ok(());
            }
            Op::IcrWide(command) => ((command >> 32) as u32, command as u32),
            Op::IcrLow(low) => (path.high, low),
            _ => return Ok(()),
        };
        sending.commands.push((high, low));
        ringing::allowed(low)
    }

    /// A send is over by now: what it did is judged.
    fn sent(&self, path: &mut Path) -> Checked {
        let (Some(sending), Some(apic)) = (path.sending.take(), self.setup.apic) else {
            return Ok(());
        };
        let Some(me) = sending.over else {
            return Err("a send is over, and interrupts are not as they were before".into());
        };
        path.sent.push(sending.to);
        ringing::judge(apic, self.setup.cpus, me, sending.to, &sending.commands)
    }

    fn over(&self, path: &mut Path, call: Call, done: bool) -> Checked {
        // Whether anything was given up is for the machine to say.
        if !done {
            return Ok(());
        }
        must(!path.stuck, "it goes on after it said that it is stuck")?;
        self.sent(path)?;
        must(
            self.begins(call, path.asked).is_none(),
            "it returns before it has begun",
        )?;
        let last = path.last.map(|(op, _)| op);
        match call {
            Call::Activate(_) => {
                must(
                    path.loads == 1,
                    "it is in a space whose tables it has not loaded",
                )?;
                must(last == Some(Op::InterruptsOn), "interrupts stay off")
            }
            Call::Ring { to, masked } => {
                let to = CpuSet::from_bits(to.into());
                must(path.sent == [to], "it has sent to others than it was to")?;
                must(
                    !masked || last == Some(Op::InterruptsOn),
                    "interrupts stay off",
                )
            }
            Call::Change { .. }
            | Call::ChangeSeveral { .. }
            | Call::ChangeKernel { .. }
            | Call::Handle => Ok(()),
        }
    }

    fn is_there(&self, cpus: CpuSet) -> bool {
        cpus.minus(CpuSet::first(self.setup.cpus)).is_empty()
    }
}

impl Path {
    fn answered(&mut self, op: Op, answer: u64) {
        self.looks = op == Op::SpinStart || self.looks && op.looks();
        match op {
            Op::SpinStart => self.waits = true,
            Op::SpinAgain { .. } => self.expired |= answer == EXPIRED,
            Op::SaysStuck => self.stuck = true,
            Op::Send(to) => self.sent.push(to),
            Op::Me => {
                let (last, me) = (self.last, usize::try_from(answer).ok());
                if let Some(sending) = &mut self.sending
                    && last == Some((Op::InterruptsEnabled, sending.enabled.into()))
                {
                    sending.over = me.and_then(CpuId::new);
                }
            }
            _ => {}
        }
        self.last = Some((op, answer));
        self.asked += 1;
    }
}
