//! The boot CPU, looked at from outside: a hang in which nobody waits.
//!
//! A wait tells of itself when it is too long. A CPU that spins anywhere else with interrupts off
//! tells of nothing; on the boot CPU that ends the shell, and with it every way to ask. So the
//! real-time clock interrupts that CPU twice a second, by NMI, which it cannot mask: if one beat
//! after another finds interrupts off and nothing done in between, the machine hangs.
//!
//! The same beat ends a machine that runs for longer than it was given, whatever it does.

use super::{look, report};
use crate::machine;
use crate::panic::{self, Snapshot};
use crate::watchdog::settings::{self, Action, After};
use crate::{channel, gdb, println};
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use hw::entry::Frame;
use hw::exit::{Status, exit};
use hw::percpu::{self, Counter};
use hw::{acpi, ap, apic, clock, ioapic, rtc};
use shootdown::CpuId;

/// The CPU that is looked at.
const WATCHED: CpuId = CpuId::BOOT;
/// The least that a hang has lasted, in beats: one alone may have come at any time.
const LEAST_BEATS: u64 = 3;
/// As long, in microseconds, where patience is counted in turns.
const WITHOUT_TICKS_US: u64 = 10_000_000;

/// When the machine has run for too long, in ticks.
static DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);
static STARTED: AtomicBool = AtomicBool::new(false);
/// When the present stretch of beats that found nothing done began; 0 for none.
static SINCE: AtomicU64 = AtomicU64::new(0);
/// What had been done by then.
static DONE: AtomicU64 = AtomicU64::new(0);
/// Whether the present stretch was told of.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Starts the beat. Once, on the boot CPU. The machine may run for `deadline_ms` from its start, unless that is 0.
pub fn init(platform: &acpi::Platform, deadline_ms: u64) {
    if deadline_ms != 0 {
        DEADLINE.store(clock::from_us(deadline_ms.saturating_mul(1000)), Relaxed);
    }
    if ioapic::route_as_nmi(platform, rtc::IRQ, ap::apic_id(WATCHED)).is_err() {
        println!("boot: a hang with interrupts off will not be told of: there is no I/O APIC");
        return;
    }
    rtc::start();
    STARTED.store(true, Release);
}

/// Takes the beat, if this NMI is one: looks whether the machine hangs, and ends it then. Returns
/// whether it was one.
pub fn answer(frame: &Frame) -> bool {
    let beat = percpu::cpu() == WATCHED && STARTED.load(Acquire) && rtc::take();
    if beat {
        end_if_late();
        look_at(frame);
    }
    beat
}

/// Ends the machine if it has run for too long. Not while this CPU writes evidence out: at a later beat.
fn end_if_late() {
    let ran = clock::now();
    if ran > DEADLINE.load(Relaxed) && !channel::busy(WATCHED) && !panic::is_under_way() {
        let ran_ms = clock::to_us(ran) / 1000;
        report::line(format_args!(
            "the machine has run for {ran_ms} ms, which is longer than it was given: it ends"
        ));
        channel::close();
        exit(Status::Hang);
    }
}

fn look_at(frame: &Frame) {
    let done = done();
    let idle = frame.interrupts_enabled()
        || look::standing().contains(WATCHED)
        || panic::is_under_way()
        || done != DONE.load(Relaxed);
    if idle || SINCE.load(Relaxed) == 0 {
        DONE.store(done, Relaxed);
        SINCE.store(if idle { 0 } else { clock::now().max(1) }, Relaxed);
        TOLD.store(false, Relaxed);
        return;
    }
    let lasted = clock::now().saturating_sub(SINCE.load(Relaxed));
    if lasted >= patience() && !TOLD.swap(true, Relaxed) {
        apic::undisturbed(|| tell(frame, clock::to_us(lasted) / 1000));
    }
}

/// How long is too long, in ticks: a wait that is too long shall have told of itself before.
fn patience() -> u64 {
    let least = clock::from_us(LEAST_BEATS * rtc::PERIOD_US);
    match settings::after() {
        After::Ticks(ticks) => ticks.saturating_mul(2).max(least),
        After::Turns(_) => clock::from_us(WITHOUT_TICKS_US),
    }
}

/// What the CPU has done that it can only do if it does not hang.
fn done() -> u64 {
    let counters = percpu::of(WATCHED);
    [
        Counter::Ticks,
        Counter::Switches,
        Counter::IpisReceived,
        Counter::TestIpis,
    ]
    .map(|counter| counters.counted(counter))
    .iter()
    .sum()
}

fn tell(frame: &Frame, lasted_ms: u64) {
    let goes_on = gdb::takes_over() || settings::action() == Action::Report;
    report::line(format_args!(
        "CPU {WATCHED} has had interrupts off for {lasted_ms} ms, and nothing else counts there"
    ));
    let snapshot = Snapshot::take(frame);
    match look::at_a_silent_one(WATCHED, &snapshot) {
        Some((waiter, finding)) => {
            report::line(format_args!("  CPU {WATCHED}: {finding}"));
            report::line(format_args!("  CPU {waiter} waits for it"));
        }
        None => report::state(WATCHED, &snapshot),
    }
    report::calls(&snapshot);
    for cpu in machine::online().without(WATCHED).minus(look::standing()) {
        match panic::snapshot(cpu) {
            Ok(snapshot) => {
                report::state(cpu, &snapshot);
                report::calls(&snapshot);
            }
            Err(why) => report::line(format_args!("  CPU {cpu}: {why}")),
        }
    }
    report::line(format_args!(
        "  CPU {WATCHED} is the shell's; the machine {}",
        if goes_on { "goes on" } else { "ends" }
    ));
    if !goes_on {
        channel::close();
        exit(Status::Hang);
    }
}
