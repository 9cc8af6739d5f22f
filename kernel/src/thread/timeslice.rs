//! The timer tick: only while it can change anything.
//!
//! A CPU ticks while it runs a thread and another is queued, or while somebody dozes on it. An
//! idle machine is silent, which keeps deterministic runs short.

use super::queue;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use hw::apic::timer::{self, Repeat};
use hw::percpu::{self, Counter};
use shootdown::{CpuId, MAX_CPUS};

/// A thread's turn, in microseconds.
const SLICE_US: u64 = 10_000;

static TICKING: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// Sees to it that this CPU ticks. With interrupts off.
pub(super) fn start() {
    if !TICKING[percpu::cpu().index()].swap(true, Relaxed) {
        timer::start_us(crate::machine::TIMER, Repeat::Periodic, SLICE_US);
    }
}

/// Sees to it that it does not, unless somebody dozes. With interrupts off.
pub(super) fn stop() {
    if super::loan::anybody_dozes() {
        return;
    }
    if TICKING[percpu::cpu().index()].swap(false, Relaxed) {
        timer::stop();
    }
}

/// Before `cpu`, this one, runs its next thread.
pub(super) fn begin(cpu: CpuId, idle: bool) {
    if idle || queue::is_empty(cpu) {
        stop()
    } else {
        start()
    }
}

/// A tick: whoever runs has had its turn. With interrupts off.
pub fn tick() {
    percpu::count(Counter::Ticks, 1);
    percpu::set_owed(true);
    super::wake_dozers();
    if percpu::cpu() != CpuId::BOOT {
        // CPU 0, which the serial line interrupts, may be where it takes no interrupts.
        crate::console::receive();
    }
}

/// A thread was queued here: if another runs, from now on they take turns. With interrupts off.
pub fn contend() {
    if queue::is_busy(percpu::cpu()) {
        start();
    }
    percpu::set_owed(true);
}
