//! Frames, and what must not be mapped.

use super::Unmet;
use super::scene::{Scratch, begin, ensure, failed, spin_until};
use crate::machine;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use hw::frames::{Frame, POISON};
use hw::interrupts::Off;
use hw::paging::Rights;
use hw::phys::{DIRECT_MAP, PAGE_SIZE};
use hw::{probe, stack};
use shootdown::CpuId;

/// How many frames each CPU takes.
const FRAMES: u64 = 48;

fn frame() -> Result<Frame, Unmet> {
    Ok(Frame::zeroed().ok_or("no frame is free")?)
}

/// The first word of the frame at physical `address`, whoever owns it.
fn first_word(address: u64) -> Result<u64, Unmet> {
    probe::read(DIRECT_MAP + address).map_err(|error| failed("the direct map", error))
}

pub fn poison() -> Result<(), Unmet> {
    let frame = frame()?;
    let address = frame.address();
    frame.fill(1);
    // Nothing else of this CPU takes a frame in between; the others are idle.
    let off = Off::new();
    drop(frame);
    let seen = first_word(address.as_u64())?;
    let again = Frame::zeroed();
    drop(off);
    ensure!(
        seen == POISON,
        "a freed frame holds {seen:#x}, not the poison"
    );
    let again = again.ok_or("no frame is free")?;
    ensure!(
        again.address() == address,
        "the frame freed last was not the first to be given out"
    );
    let dirty = again
        .words()
        .iter()
        .position(|word| word.load(Relaxed) != 0);
    ensure!(dirty.is_none(), "a zeroed frame's word {dirty:?} is not 0");
    Ok(())
}

/// The tag of a CPU's frame `number`.
fn tag(cpu: CpuId, number: u64) -> u64 {
    (cpu.index() as u64) << 32 | number
}

pub fn frames() -> Result<(), Unmet> {
    let online = machine::online();
    // So that freed frames are given out again, as well as those that never were.
    let used: Vec<Frame> = (0..FRAMES * online.len() as u64 / 2)
        .filter_map(Frame::filled)
        .collect();
    drop(used);
    let arrived = Arc::new(AtomicU64::new(0));
    let mut jobs = Vec::new();
    for cpu in online {
        let arrived = arrived.clone();
        let take = move || {
            arrived.fetch_add(1, AcqRel);
            spin_until(|| arrived.load(Acquire) == online.len() as u64);
            (0..FRAMES)
                .filter_map(|number| Frame::filled(tag(cpu, number)))
                .collect()
        };
        jobs.push((cpu, begin::<Vec<Frame>>(cpu, None, take)?));
    }
    let mut all = Vec::new();
    for (cpu, job) in jobs {
        let frames = job.wait()?;
        ensure!(
            frames.len() as u64 == FRAMES,
            "CPU {cpu} was given {} frames of {FRAMES}",
            frames.len()
        );
        all.extend(
            frames
                .into_iter()
                .enumerate()
                .map(|(number, frame)| (tag(cpu, number as u64), frame)),
        );
    }
    for (tag, frame) in &all {
        let other = frame
            .words()
            .iter()
            .map(|word| word.load(Relaxed))
            .find(|word| word != tag);
        ensure!(
            other.is_none(),
            "frame {:?} was given out twice: it holds {tag:#x} and {other:x?}",
            frame.address()
        );
    }
    Ok(())
}

pub fn null() -> Result<(), Unmet> {
    for address in [0, 8, PAGE_SIZE - 8] {
        ensure!(probe::read(address).is_err(), "{address:#x} can be read");
    }
    let space = Scratch::new()?;
    let mapped = space.map(0, 1, Rights::USER_READ);
    ensure!(mapped.is_err(), "page 0 could be mapped");
    Ok(())
}

pub fn bad_address() -> Result<(), Unmet> {
    // Not canonical; the last page there is; between two words; behind all memory.
    for address in [
        0x8000_0000_0000_0000,
        0x0000_8000_0000_0000,
        u64::MAX - 7,
        0x1001,
        DIRECT_MAP + (1 << 38),
    ] {
        ensure!(probe::read(address).is_err(), "{address:#x} can be read");
    }
    for address in [
        0x8000_0000_0000_0000,
        DIRECT_MAP,
        hw::paging::KERNEL_BASE,
        0x1001,
    ] {
        ensure!(
            probe::write(address, 0).is_err(),
            "{address:#x} can be written"
        );
    }
    Ok(())
}

pub fn guards() -> Result<(), Unmet> {
    let (stretches, guards) = stack::stretches();
    let stacks = stack::count();
    ensure!(
        stretches.len() as u64 == stacks,
        "{stacks} stacks are {} stretches of pages",
        stretches.len()
    );
    ensure!(
        guards == stacks,
        "{stacks} stacks have {guards} guard pages"
    );
    for pages in stretches {
        ensure!(
            probe::read(pages.start).is_ok(),
            "the stack at {:#x} cannot be read",
            pages.start
        );
        let below = pages.start - 8;
        ensure!(
            probe::read(below).is_err(),
            "{below:#x}, below a stack, can be read"
        );
    }
    let here = hw::context::frame_pointer();
    ensure!(
        stack::is_guard(here),
        "this thread's stack at {here:#x} is not among the guarded ones"
    );
    Ok(())
}
