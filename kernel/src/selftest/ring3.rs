//! What ring 3 may do, and what it sees.

use super::Unmet;
use super::scene::{self, Scratch, doze_until, ensure, failed, last_cpu};
use crate::programs;
use crate::syscall::Outcome;
use crate::thread::{self, UserStart};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hw::frames::Frame;
use hw::paging::{KERNEL_BASE, Rights};
use hw::phys::DIRECT_MAP;
use hw::programs::call;
use hw::sync::Lock;
use shootdown::CpuSet;

/// Where the code is mapped, and a page that it may read.
const CODE: u64 = 0x40_0000;
const DATA: u64 = 0x40_1000;

/// Eight bytes of code each. Ring 3 starts with one argument, in RDI.
mod code {
    use super::call;

    /// `mov eax, EXIT; int 0x80; nop`: ends with the argument as its status.
    pub const EXIT: u64 = u64::from_le_bytes([0xb8, call::EXIT as u8, 0, 0, 0, 0xcd, 0x80, 0x90]);
    /// `mov rax, [rdi]`, and five times `nop`.
    pub const LOAD: u64 = u64::from_le_bytes([0x48, 0x8b, 0x07, 0x90, 0x90, 0x90, 0x90, 0x90]);
    /// `cli`, and seven times `nop`.
    pub const CLI: u64 = u64::from_le_bytes([0xfa, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90]);
}

/// Runs `code` in a space of its own, and says how it ended.
fn run(code: &[u64], rights: Rights, argument: u64) -> Result<Outcome, Unmet> {
    let space = Scratch::new()?;
    let frame = Frame::filled(code::EXIT).ok_or("no frame is free")?;
    for (word, code) in frame.words().iter().zip(code) {
        word.store(*code, Relaxed);
    }
    space
        .map_frame(CODE, frame, rights)
        .map_err(|error| failed("map", error))?;
    space
        .map(DATA, 1, Rights::USER_READ)
        .map_err(|error| failed("map", error))?;
    let ended = Arc::new(Lock::new(None));
    let end = ended.clone();
    let start = UserStart {
        rip: CODE,
        rsp: CODE,
        argument,
    };
    let tell = move |outcome| *end.lock() = Some(outcome);
    thread::spawn_user(
        "selftest",
        CpuSet::only(last_cpu()),
        Arc::clone(&space),
        start,
        tell,
    )?;
    ensure!(
        doze_until(|| ended.lock().is_some()),
        "a ring-3 thread does not end"
    );
    let outcome = ended.lock().take();
    Ok(outcome.ok_or("a ring-3 thread ended without an outcome")?)
}

pub fn no_execute() -> Result<(), Unmet> {
    let outcome = run(&[code::EXIT], Rights::USER_TEXT, 7)?;
    ensure!(
        outcome == Outcome::Exited(7),
        "code that may be executed: {outcome:?}"
    );
    for rights in [Rights::USER_READ, Rights::USER_WRITE] {
        let outcome = run(&[code::EXIT], rights, 7)?;
        let stopped = matches!(outcome, Outcome::Faulted { rip: CODE, .. });
        ensure!(stopped, "code in a page of data: {outcome:?}");
    }
    Ok(())
}

/// A word that ring 3 would like to read.
static SECRET: AtomicU64 = AtomicU64::new(1);

pub fn isolation() -> Result<(), Unmet> {
    let load = [code::LOAD, code::EXIT];
    let outcome = run(&load, Rights::USER_TEXT, DATA)?;
    ensure!(
        outcome == Outcome::Exited(DATA as i64),
        "a load of its own page: {outcome:?}"
    );
    for address in [
        SECRET.as_ptr() as u64,
        DIRECT_MAP + 0x20_0000,
        KERNEL_BASE + 0x20_0000,
        0,
    ] {
        let outcome = run(&load, Rights::USER_TEXT, address)?;
        let stopped = matches!(outcome, Outcome::Faulted { rip: CODE, .. });
        ensure!(stopped, "a load of {address:#x}: {outcome:?}");
    }
    let outcome = run(&[code::CLI, code::EXIT], Rights::USER_TEXT, 0)?;
    ensure!(
        matches!(outcome, Outcome::Faulted { rip: CODE, .. }),
        "CLI: {outcome:?}"
    );
    Ok(())
}

pub fn stale() -> Result<(), Unmet> {
    scene::shows_staleness(true)?;
    Ok(programs::ring_3_reads_the_old_frame_until_it_is_shot_down()?)
}

pub fn fresh() -> Result<(), Unmet> {
    Ok(programs::ring_3_reads_no_old_frame_after_a_shootdown()?)
}
