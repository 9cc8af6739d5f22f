//! The scheduler's promises.

use super::Unmet;
use super::scene::{begin, doze_until, ensure, last_cpu, on, others_and_last, spin_until};
use crate::{job, thread};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use hw::clock::compute;
use hw::percpu::{self, Counter};
use hw::sync::Lock;
use shootdown::{CpuId, CpuSet};

/// How often each of two threads must see that the other has run.
const TURNS: u64 = 3;

pub fn preempt() -> Result<(), Unmet> {
    let cpu = last_cpu();
    let counts: Arc<[AtomicU64; 2]> = Arc::default();
    let satisfied = Arc::new(AtomicU64::new(0));
    let ticks = percpu::of(cpu).counted(Counter::Ticks);
    let mut jobs = Vec::new();
    for me in [0, 1] {
        let (counts, satisfied) = (counts.clone(), satisfied.clone());
        jobs.push(begin(cpu, None, move || {
            let (mut seen, mut turns) = (0, 0);
            // Never yields: only the timer can let the other run.
            spin_until(|| {
                compute();
                counts[me].fetch_add(1, Relaxed);
                let now = counts[1 - me].load(Relaxed);
                if now != seen {
                    (seen, turns) = (now, turns + 1);
                    satisfied.fetch_add(u64::from(turns == TURNS), AcqRel);
                }
                satisfied.load(Acquire) == 2
            })
        })?);
    }
    for job in jobs {
        ensure!(
            job.wait()?,
            "a thread on CPU {cpu} was not preempted {TURNS} times"
        );
    }
    let ticks = percpu::of(cpu).counted(Counter::Ticks) - ticks;
    ensure!(
        ticks >= TURNS,
        "CPU {cpu} took {ticks} ticks for {TURNS} turns of each of two threads"
    );
    Ok(())
}

pub fn critical() -> Result<(), Unmet> {
    on(last_cpu(), None, || {
        let cpu = percpu::cpu();
        let (turns, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (its_turns, its_stop) = (turns.clone(), stop.clone());
        let other = begin(cpu, None, move || {
            while !its_stop.load(Acquire) {
                its_turns.fetch_add(1, Relaxed);
                thread::yield_now();
            }
        })?;
        let outcome = owe_and_pay(cpu, &turns);
        stop.store(true, Release);
        other.wait()?;
        outcome
    })?
}

/// `turns` counts how often another thread of this CPU, `cpu`, runs; it is ready all the time.
fn owe_and_pay(cpu: CpuId, turns: &AtomicU64) -> Result<(), Unmet> {
    let any = Lock::new(());
    // The first preemption may come due as the thread is made; the second is the timer's.
    for _ in 0..2 {
        let section = any.lock();
        let before = turns.load(Relaxed);
        let owed = spin_until(|| {
            compute();
            percpu::of(cpu).preemption_owed()
        });
        let inside = turns.load(Relaxed) - before;
        drop(section);
        let after = turns.load(Relaxed) - before;
        ensure!(
            owed,
            "CPU {cpu}: no preemption came due in a critical section"
        );
        ensure!(
            inside == 0,
            "CPU {cpu}: another thread ran {inside} times in a critical section"
        );
        ensure!(
            after > 0,
            "CPU {cpu}: the preemption that was owed was not paid as the section ended"
        );
    }
    Ok(())
}

/// Threads that keep a CPU busy while they let others run.
struct Load {
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    jobs: Vec<job::Job<()>>,
}

impl Load {
    fn on(cpu: CpuId, threads: usize) -> Result<Load, Unmet> {
        let mut load = Load {
            stop: Arc::default(),
            turns: Arc::default(),
            jobs: Vec::new(),
        };
        for _ in 0..threads {
            let (stop, turns) = (load.stop.clone(), load.turns.clone());
            load.jobs.push(begin(cpu, None, move || {
                while !stop.load(Acquire) {
                    turns.fetch_add(1, Relaxed);
                    thread::yield_now();
                }
            })?);
        }
        Ok(load)
    }

    fn end(mut self) -> Result<(), Unmet> {
        self.stop.store(true, Release);
        Ok(core::mem::take(&mut self.jobs)
            .into_iter()
            .try_for_each(job::Job::wait)?)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Release);
    }
}

/// Where a thread that may run on two CPUs is, and whether it is still to be pinned.
#[derive(Default)]
struct Wanderer {
    at: AtomicUsize,
    pinned: AtomicBool,
    unpin: AtomicBool,
    stop: AtomicBool,
    ended: AtomicBool,
}

impl Wanderer {
    /// Runs without ever yielding, pinned until it is told otherwise.
    fn wander(&self) {
        thread::pin();
        self.at.store(percpu::cpu().index(), Release);
        self.pinned.store(true, Release);
        let mut pinned = true;
        while !self.stop.load(Acquire) {
            if pinned && self.unpin.load(Acquire) {
                thread::unpin();
                pinned = false;
            }
            self.at.store(percpu::cpu().index(), Release);
            compute();
        }
        if pinned {
            thread::unpin();
        }
        self.ended.store(true, Release);
    }

    fn is_on(&self, cpu: CpuId) -> bool {
        self.at.load(Acquire) == cpu.index()
    }
}

/// How often other threads run while a pinned one could have moved: each time they do, it has been
/// preempted at most four turns ago.
const ITS_TURNS: u64 = 24;

pub fn migrate() -> Result<(), Unmet> {
    let (others, home) = others_and_last(1)?;
    let away = others.into_iter().next().ok_or("there is no other CPU")?;
    let wanderer = Arc::new(Wanderer::default());
    // It starts at home, since `away` is busy.
    let there = Load::on(away, 4)?;
    let its = wanderer.clone();
    let affinity = CpuSet::only(home).with(away);
    thread::spawn("selftest", affinity, None, move || its.wander())?;
    let outcome = stay_then_move(&wanderer, home, away, there);
    wanderer.stop.store(true, Release);
    let ended = doze_until(|| wanderer.ended.load(Acquire));
    outcome?;
    ensure!(ended, "the thread does not end");
    Ok(())
}

fn stay_then_move(wanderer: &Wanderer, home: CpuId, away: CpuId, there: Load) -> Result<(), Unmet> {
    ensure!(
        doze_until(|| wanderer.pinned.load(Acquire)),
        "the thread does not run"
    );
    ensure!(
        wanderer.is_on(home),
        "the thread started on CPU {away}, which was busier than CPU {home}"
    );
    there.end()?;
    // Now it is the other way round. It is preempted again and again, and stays.
    let here = Load::on(home, 4)?;
    let turns = here.turns.load(Relaxed);
    ensure!(
        doze_until(|| here.turns.load(Relaxed) > turns + ITS_TURNS),
        "the other threads of CPU {home} do not run"
    );
    ensure!(wanderer.is_on(home), "a pinned thread moved to CPU {away}");
    wanderer.unpin.store(true, Release);
    ensure!(
        doze_until(|| wanderer.is_on(away)),
        "an unpinned thread stayed on busy CPU {home}, while CPU {away} had less to do"
    );
    here.end()
}

/// How often each of two threads wakes the other.
const EXCHANGES: u64 = 1_000;

pub fn park() -> Result<(), Unmet> {
    let last = last_cpu();
    let ball = Arc::new(Ball::default());
    let players = [CpuId::BOOT, last];
    let mut jobs = Vec::new();
    for (side, cpu) in players.into_iter().enumerate() {
        let ball = ball.clone();
        jobs.push(begin(cpu, None, move || ball.play(side))?);
    }
    let done = doze_until(|| jobs.iter().all(job::Job::is_done));
    let exchanges = ball.turn.load(Acquire);
    ball.stop.store(true, Release);
    // Whoever sleeps on wakes now, and sees that it is over.
    ball.players
        .iter()
        .for_each(|player| thread::unpark(player.load(Acquire)));
    jobs.into_iter().try_for_each(job::Job::wait)?;
    ensure!(
        done,
        "a wake-up was lost after {exchanges} exchanges between CPUs 0 and {last}"
    );
    Ok(())
}

/// Whose turn it is: side 0's when it is even.
#[derive(Default)]
struct Ball {
    turn: AtomicU64,
    stop: AtomicBool,
    players: [AtomicUsize; 2],
    ready: AtomicU64,
}

impl Ball {
    fn play(&self, side: usize) {
        self.players[side].store(thread::current(), Release);
        // A wake-up that comes first is not lost either.
        thread::unpark(thread::current());
        thread::park();
        self.ready.fetch_add(1, AcqRel);
        while self.ready.load(Acquire) < 2 && !self.stop.load(Acquire) {
            thread::yield_now();
            spin_loop();
        }
        for exchange in 0..EXCHANGES {
            while self.turn.load(Acquire) != 2 * exchange + side as u64 {
                if self.stop.load(Acquire) {
                    return;
                }
                thread::park();
            }
            self.turn.fetch_add(1, AcqRel);
            thread::unpark(self.players[1 - side].load(Acquire));
        }
    }
}

/// How long an idle CPU is watched: several times a thread's turn, in microseconds.
const WATCHED_US: u64 = 50_000;

pub fn quiet() -> Result<(), Unmet> {
    let (_, cpu) = others_and_last(1)?;
    let ticks = || percpu::of(cpu).counted(Counter::Ticks);
    let busy = Load::on(cpu, 2)?;
    let before = ticks();
    ensure!(
        doze_until(|| ticks() > before),
        "CPU {cpu} runs two threads, and does not tick"
    );
    busy.end()?;
    job::quiesce();
    // One that was due when the CPU fell idle may still come.
    let before = ticks();
    let deadline = hw::clock::Deadline::after_us(WATCHED_US);
    while !deadline.expired() {
        thread::doze();
    }
    ensure!(
        ticks() - before <= 1,
        "CPU {cpu} is idle, and took {} ticks",
        ticks() - before
    );
    Ok(())
}
