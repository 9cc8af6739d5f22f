//! What a debugger in the kernel needs of the machine: its exceptions, registers that interrupts do
//! not save, breakpoints in text that nobody can write, memory by any address.
//!
//! This is the one place where the first rule of this crate does not hold: [`memory::write`] and
//! `special` do to the machine what the person at the debugger asks for. The crates above pass
//! those wishes on and have none of their own.

pub mod breakpoints;
pub mod memory;
mod registers;
mod special;
pub mod watch;

pub use registers::{DIRECTION, RESUME, TRAP};
pub use special::Special;

use crate::entry::Frame;
use crate::{interrupts, percpu};
use core::arch::asm;
use core::sync::atomic::{
    AtomicBool, AtomicPtr,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use shootdown::MAX_CPUS;

/// The vectors that come here first.
const DEBUG: u64 = 1;
const NMI: u64 = 2;
const BREAKPOINT: u64 = 3;

/// Who answers debug exceptions, NMIs and breakpoints.
#[derive(Debug)]
pub struct Hooks {
    /// Handles one, with interrupts off. Returns false if it is not a debugger's affair: then it
    /// goes the way of every exception.
    pub handle: fn(&mut Frame) -> bool,
    /// Whether this CPU is to stop. Asked after [`Hooks::handle`]: that may have been too early.
    pub wanted: fn() -> bool,
    /// Stops here.
    pub stop: fn(&mut Frame),
}

/// Null until [`set_hooks`].
static HOOKS: AtomicPtr<Hooks> = AtomicPtr::new(core::ptr::null_mut());

/// Which CPUs are in [`enter`].
static INSIDE: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// Which of them an NMI came to meanwhile.
static MISSED: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// Has debug exceptions, NMIs and breakpoints go to `hooks` before anything else.
///
/// They come from any context: locks may be held, interrupts off. The code between the exception
/// and the hooks has no breakpoints, so breakpoints may be anywhere else, in the hooks too: there
/// they are taken out and passed over.
pub fn set_hooks(hooks: &'static Hooks) {
    HOOKS.store(core::ptr::from_ref(hooks).cast_mut(), Release);
}

/// The first of every exception below 4 but the divide error. Returns whether it was handled.
#[inline(always)]
pub(crate) fn enter(frame: &mut Frame) -> bool {
    matches!(frame.vector, DEBUG | NMI | BREAKPOINT) && enter_debug(frame)
}

/// The rest of [`enter`]: a function of its own, so that interrupts do not save the registers that it needs.
#[inline(never)]
#[cfg_attr(target_os = "none", unsafe(link_section = ".text.entry"))]
fn enter_debug(frame: &mut Frame) -> bool {
    let hooks = HOOKS.load(Acquire);
    if hooks.is_null() {
        return false;
    }
    // SAFETY: not null, so from `set_hooks`: a shared reference that lives as long as the kernel.
    let hooks: &'static Hooks = unsafe { &*hooks };
    let cpu = percpu::cpu().index();
    let (inside, missed) = (&INSIDE[cpu], &MISSED[cpu]);
    if inside.load(Relaxed) {
        return again(frame);
    }
    // Before any other code: that may be watched.
    registers::disarm();
    inside.store(true, SeqCst);
    let handled = (hooks.handle)(frame);
    inside.store(false, SeqCst);
    loop {
        let late = missed.swap(false, SeqCst);
        if !late && !(hooks.wanted)() {
            break;
        }
        inside.store(true, SeqCst);
        if late {
            let vector = core::mem::replace(&mut frame.vector, NMI);
            (hooks.handle)(frame);
            frame.vector = vector;
        } else {
            (hooks.stop)(frame);
        }
        inside.store(false, SeqCst);
    }
    interrupts::pass_halt(frame);
    watch::arm();
    handled
}

/// A second one while the first is being handled.
#[inline(always)]
fn again(frame: &mut Frame) -> bool {
    match frame.vector {
        // Its turn comes after the first.
        NMI => {
            MISSED[percpu::cpu().index()].store(true, SeqCst);
            true
        }
        BREAKPOINT => {
            let lifted = breakpoints::lift_at(frame.rip.wrapping_sub(1));
            if lifted {
                frame.rip -= 1;
            }
            lifted
        }
        _ => {
            frame.rflags &= !TRAP;
            true
        }
    }
}

/// Does `work` on this CPU as the hooks are run: an NMI meanwhile does nothing, a breakpoint is
/// passed over. With interrupts off.
pub fn inside<T>(work: impl FnOnce() -> T) -> T {
    let inside = &INSIDE[percpu::cpu().index()];
    registers::disarm();
    let before = inside.swap(true, SeqCst);
    let result = work();
    inside.store(before, SeqCst);
    watch::arm();
    result
}

/// Executes INT3, which raises #BP at the next instruction.
#[inline(always)]
pub fn trap() {
    // SAFETY: the exception's handler preserves every register that it does not mean to change.
    unsafe { asm!("int3", options(nostack)) };
}

/// Prepares breakpoints and the debugger's access to memory. Once, after the page tables.
///
/// # Panics
/// If memory runs out.
#[cfg(target_os = "none")]
pub fn init(boot: &crate::boot::BootInfo) {
    memory::init(boot);
    crate::paging::alias::init();
}
