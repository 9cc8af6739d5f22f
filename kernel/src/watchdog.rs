//! The watchdog: waits that last too long are explained, and then ended as it is set.
//!
//! FreeBSD's initiator spins for ever and says nothing (protocol.md §7). Here every spin of the
//! kernel looks at the clock now and then: waits for acknowledgements and for a protocol's lock
//! ([`wait`]), and spins for the kernel's own locks ([`locks`]). Whoever has waited for too long
//! explains it itself, with what an NMI finds on the CPUs that it waits for ([`look`]). So it works
//! with interrupts off, on any CPU, and if all of them hang: each that waits tells of itself. For a
//! boot CPU that hangs without waiting for anybody there is [`beat`].
//!
//! A wait for CPUs that stand at a breakpoint or were stopped is never too long: time counts only
//! while no CPU is parked.

pub mod beat;
pub mod locks;
mod look;
mod report;
mod settings;

pub use look::note_found_nothing;
pub use settings::{Action, After, action, after, set_action, set_after};

use crate::machine::{self, SHOOTDOWN};
use crate::{console, park, points, protocols, space, stop, violations};
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use evidence::Kind;
use hw::clock;
use hw::exit::{Status, exit};
use hw::percpu::{self, Counter};
use look::Baseline;
use report::{Stuck, What};
use shell::diagnosis;
use shell::observation::Hang;
use shootdown::{Abandoned, CpuId, CpuSet, Destination, SpaceId};

/// How many turns a wait takes between two looks at the clock.
const ROUND: u64 = 256;
/// After how many turns a wait is no longer short, and pauses less often: see [`clock::compute`].
const SHORT: u64 = 10_000;
/// How long an answer may take before a protocol that resends does so, in microseconds.
const LATE_US: u64 = 10_000;
/// A wait that Ctrl-C may end has lasted this long, in microseconds: no working target needs it.
const INTERRUPTIBLE_US: u64 = 200_000;

/// How many waits were found too long since boot, and how many of them ended well after all.
static FOUND: AtomicU64 = AtomicU64::new(0);
static CURED: AtomicU64 = AtomicU64::new(0);
/// One report at a time.
static REPORTING: AtomicBool = AtomicBool::new(false);

/// How many waits were found too long since boot, and how many of those ended well after all.
pub fn found() -> (u64, u64) {
    (FOUND.load(Relaxed), CURED.load(Relaxed))
}

/// Pauses for one turn of a wait that has taken `turns`.
#[inline]
fn relax(turns: u64) {
    if turns > SHORT {
        clock::compute();
    } else {
        spin_loop();
    }
}

/// Spins until `condition` holds. `resend` is called whenever an answer is late.
///
/// # Errors
/// [`Abandoned`] if the wait was given up: it lasted too long and that is the [`Action`], or
/// somebody typed Ctrl-C.
#[cold]
pub fn wait(
    condition: &mut dyn FnMut() -> bool,
    mut resend: Option<&mut dyn FnMut()>,
) -> Result<(), Abandoned> {
    let mut wait = Wait::begin();
    loop {
        for _ in 0..ROUND {
            relax(wait.turns);
            wait.turns += 1;
            if condition() {
                wait.over();
                return Ok(());
            }
        }
        if let Some(resend) = &mut resend
            && wait.late()
        {
            resend();
        }
        wait.look(condition)?;
    }
}

/// A wait that has become long.
struct Wait {
    me: CpuId,
    turns: u64,
    /// When it became long, and when the present stretch of patience began.
    began: u64,
    since: Since,
    resent: u64,
    /// Whether it was told of.
    told: bool,
    baseline: Baseline,
}

/// Where a stretch of patience begins.
#[derive(Clone, Copy)]
struct Since {
    now: u64,
    /// By the clock that stands still while a CPU is parked.
    running: u64,
    turns: u64,
}

impl Wait {
    fn begin() -> Wait {
        let now = clock::now();
        Wait {
            me: percpu::cpu(),
            turns: 0,
            began: now,
            since: Since {
                now,
                running: park::running_clock(),
                turns: 0,
            },
            resent: now,
            told: false,
            baseline: Baseline::take(),
        }
    }

    /// Its condition holds.
    fn over(&self) {
        percpu::count(Counter::Spins, self.turns);
        if self.told {
            CURED.fetch_add(1, Relaxed);
            report::over(self.me, self.lasted_ms());
        }
    }

    fn lasted_ms(&self) -> u64 {
        clock::to_us(clock::now().saturating_sub(self.began)) / 1000
    }

    /// Whether an answer is late, once each time that it is.
    fn late(&mut self) -> bool {
        let now = clock::now();
        let late = now.saturating_sub(self.resent) > clock::from_us(LATE_US);
        if late {
            self.resent = now;
        }
        late
    }

    /// Looks whether it has lasted too long, and does what is to be done then.
    fn look(&mut self, condition: &mut dyn FnMut() -> bool) -> Result<(), Abandoned> {
        let lasted = clock::now().saturating_sub(self.began);
        let interrupted = console::interrupted() && lasted > clock::from_us(INTERRUPTIBLE_US);
        if !interrupted && (!self.too_long() || self.excused()) {
            return Ok(());
        }
        let _turn = Turn::take();
        // Whoever reported before may have ended what this CPU waits for.
        if condition() {
            return Ok(());
        }
        if interrupted {
            return self.give_up("gives up: Ctrl-C was typed");
        }
        let action = settings::action();
        let again = core::mem::replace(&mut self.told, true);
        match action {
            Action::Report => {
                self.tell("goes on waiting");
            }
            Action::Resend if again => return self.give_up("gives up: it did not help"),
            Action::Resend => {
                let culprits = self.tell("sends the IPI again");
                self.resend(culprits);
            }
            Action::GiveUp => return self.give_up("gives up"),
            Action::Stop => {
                self.tell("stops the machine");
                crate::channel::close();
                exit(Status::Hang);
            }
        }
        self.restart();
        Ok(())
    }

    /// Whether the present stretch of patience is over.
    fn too_long(&self) -> bool {
        match settings::after() {
            After::Turns(turns) => self.turns - self.since.turns > turns,
            After::Ticks(ticks) => {
                clock::now().saturating_sub(self.since.now) > ticks
                    && park::running_clock().saturating_sub(self.since.running) > ticks
            }
        }
    }

    /// Whether everybody it waits for stands still for a reason; patience then begins anew.
    fn excused(&mut self) -> bool {
        let standing = park::parked().or(stop::stopped());
        let culprits = waits_for(self.me);
        let excused = !culprits.is_empty() && culprits.minus(standing).is_empty();
        if excused {
            self.restart();
        }
        excused
    }

    fn restart(&mut self) {
        self.since = Since {
            now: clock::now(),
            running: park::running_clock(),
            turns: self.turns,
        };
    }

    fn give_up(&mut self, what: &'static str) -> Result<(), Abandoned> {
        percpu::count(Counter::Spins, self.turns);
        self.tell(what);
        Err(Abandoned)
    }

    fn resend(&self, culprits: CpuSet) {
        points::note(Kind::Resend, culprits.bits(), 0);
        let sent = machine::send(Destination::Each(culprits), SHOOTDOWN);
        percpu::count(Counter::IpisSent, sent);
        percpu::count(Counter::Resent, sent);
    }

    /// Explains the wait: to the person, the trace and whoever judges. Returns the CPUs that it
    /// waits for.
    fn tell(&self, what_next: &'static str) -> CpuSet {
        let culprits = waits_for(self.me);
        let stuck = Stuck {
            waiter: self.me,
            what: if protocols::in_use().entry.pairs || !protocols::outstanding(self.me).is_empty()
            {
                What::Acknowledgement
            } else {
                What::ProtocolLock
            },
            culprits,
            lasted_ms: self.lasted_ms(),
        };
        tell(&stuck, &self.baseline, what_next);
        culprits
    }
}

/// Explains a wait that is too long, and notes it for whoever judges.
fn tell(stuck: &Stuck, baseline: &Baseline, what_next: &'static str) {
    FOUND.fetch_add(1, Relaxed);
    let wanted = protocols::request(stuck.waiter).map_or(0, |request| request.generation);
    points::note(Kind::Stuck, stuck.culprits.bits(), u64::from(wanted));
    let looked = look::at_all(stuck, baseline);
    let findings = looked.iter().map(|look| look.finding);
    let (invariant, blamed) = diagnosis::verdict(findings);
    report::tell(stuck, &looked, invariant, what_next);
    violations::note_hang(Hang {
        waiter: stuck.waiter,
        culprits: if blamed.is_empty() {
            stuck.culprits
        } else {
            blamed
        },
        invariant,
        what: stuck.what.noun(),
    });
}

/// The CPUs that `waiter`'s shootdown cannot go on without. If no slot says so, those that may hold
/// the translations and have acknowledged another generation than the one that is wanted.
fn waits_for(waiter: CpuId) -> CpuSet {
    let known = protocols::waits_for(waiter);
    if !known.is_empty() || !protocols::in_use().entry.pairs {
        return known;
    }
    let Some(request) = protocols::request(waiter) else {
        return known;
    };
    let differs = |&target: &CpuId| protocols::slot(target, waiter) != Some(request.generation);
    space::active(SpaceId(request.space))
        .and(machine::online())
        .without(waiter)
        .into_iter()
        .filter(differs)
        .collect()
}

/// How long a report is waited for before another begins, in microseconds.
const REPORT_US: u64 = 2_000_000;

/// The right to report: one CPU at a time, so that nobody's lines are torn; but none waits for it
/// for long.
struct Turn(bool);

impl Turn {
    fn take() -> Turn {
        let begun = clock::now();
        while REPORTING.swap(true, Acquire) {
            if clock::to_us(clock::now().saturating_sub(begun)) > REPORT_US {
                return Turn(false);
            }
            spin_loop();
        }
        Turn(true)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0 {
            REPORTING.store(false, Release);
        }
    }
}
