//! System calls, by `int 0x80`: what ring 3 may ask for, and how a ring-3 thread ends.
//!
//! The number is in RAX, the arguments in RDI, RSI, RDX and R10; the result comes back in RAX, an
//! [`Error`] as its negative code; all other registers are kept. Arguments are hostile: whatever
//! they are, the answer is an error code at worst.

mod text;

use crate::space::{self, Shoot, Space};
use crate::{panic, thread, witness};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use hw::entry::Frame;
use hw::paging::{MapError, Rights, USER_END};
use hw::phys::PAGE_SIZE;
use hw::programs::{Error, call, region, rights};
use hw::{clock, frames, interrupts, percpu};

/// How many pages one call maps, unmaps or protects at most.
pub const MAX_PAGES: u64 = 4096;

/// How many frames ring 3 leaves to the kernel.
const KERNEL_RESERVE: u64 = 1024;

/// How a ring-3 thread ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It called `exit` with this status; 0 is success.
    Exited(i64),
    /// It raised an exception.
    Faulted {
        /// What the exception was, in words.
        cause: String,
        /// The instruction that raised it, or the one behind a trap.
        rip: u64,
    },
}

/// One system call.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// What RAX holds.
    pub number: u64,
    /// What it is called.
    pub name: &'static str,
    /// Its arguments, in the order of the registers.
    pub arguments: &'static [&'static str],
    /// What it does and returns, in a sentence without its full stop.
    pub doc: &'static str,
    serve: fn([u64; 3]) -> Result<u64, Error>,
}

/// Every system call, at the place of its number.
pub static CALLS: [Call; 10] = [
    Call {
        number: call::EXIT,
        name: "exit",
        arguments: &["status"],
        doc: "ends the thread; status 0 is success",
        serve: |[status, ..]| thread::exit_user(Outcome::Exited(status.cast_signed())),
    },
    Call {
        number: call::YIELD,
        name: "yield",
        arguments: &[],
        doc: "lets other threads of the CPU run",
        serve: |_| {
            thread::yield_now();
            Ok(0)
        },
    },
    Call {
        number: call::CPU,
        name: "cpu",
        arguments: &[],
        doc: "returns the number of the CPU that it runs on, which may change at any time",
        serve: |_| Ok(percpu::cpu().index() as u64),
    },
    Call {
        number: call::WRITE,
        name: "write",
        arguments: &["address", "bytes"],
        doc: "writes text of at most 256 bytes to the console, as whole lines, and returns its length",
        serve: |[address, bytes, _]| text::write(address, bytes),
    },
    Call {
        number: call::MAP,
        name: "map",
        arguments: &["page", "pages", "rights"],
        doc: "maps fresh frames, each full of a tag of its own, or nothing at all",
        serve: |[page, pages, rights]| map(page, pages, rights),
    },
    Call {
        number: call::UNMAP,
        name: "unmap",
        arguments: &["page", "pages"],
        doc: "takes pages away; returns when no CPU can reach them",
        serve: |[page, pages, _]| {
            change(page, pages, |space| space.unmap(page, pages, Shoot::Now)).map(|()| 0)
        },
    },
    Call {
        number: call::PROTECT,
        name: "protect",
        arguments: &["page", "pages", "rights"],
        doc: "changes what pages allow; returns when it holds on every CPU",
        serve: |[page, pages, rights]| {
            let rights = to_rights(rights)?;
            change(page, pages, |space| {
                space.protect(page, pages, rights, Shoot::Now)
            })
            .map(|()| 0)
        },
    },
    Call {
        number: call::REMAP,
        name: "remap",
        arguments: &["page"],
        doc: "puts a fresh frame under a page and returns its tag when every CPU reaches that one only",
        serve: |[page, ..]| {
            leave_reserve()?;
            change(page, 1, |space| space.remap(page, Shoot::Now))
        },
    },
    Call {
        number: call::TICKS,
        name: "ticks",
        arguments: &[],
        doc: "returns the time-stamp counter",
        serve: |_| Ok(clock::now()),
    },
    Call {
        number: call::STALE,
        name: "stale",
        arguments: &["page", "expected", "seen"],
        doc: "tells that a page that a witness watches is not what it is to be",
        serve: |[page, expected, seen]| witness::reported(page, expected, seen),
    },
];

const _: () = {
    let mut number = 0;
    while number < CALLS.len() {
        assert!(
            CALLS[number].number == number as u64,
            "a call stands at the place of its number"
        );
        number += 1;
    }
};

/// Serves the system call whose frame this is. With interrupts off, and again when it returns;
/// meanwhile they are on: a call may shoot translations down, and be preempted.
pub fn handle(frame: &mut Frame) {
    interrupts::enable();
    let call = usize::try_from(frame.rax)
        .ok()
        .and_then(|number| CALLS.get(number));
    let result = match call {
        Some(call) => (call.serve)([frame.rdi, frame.rsi, frame.rdx]),
        None => Err(Error::UnknownCall),
    };
    interrupts::disable();
    frame.rax = result.unwrap_or_else(|error| error.code().cast_unsigned());
}

/// Ends the running ring-3 thread, which raised the exception of `frame`; its creator is told.
///
/// Best called with interrupts off: the address of a page fault is the CPU's, not the thread's.
pub fn fault(frame: &Frame) -> ! {
    let cause = panic::Cause(frame).to_string();
    interrupts::enable();
    thread::exit_user(Outcome::Faulted {
        cause,
        rip: frame.rip,
    })
}

/// Checks that `pages` pages from `page` on are ring 3's to change, and has `change` change them.
fn change<T>(
    page: u64,
    pages: u64,
    change: impl FnOnce(&Space) -> Result<T, space::Error>,
) -> Result<T, Error> {
    check(page, pages)?;
    let space = current_space()?;
    change(&space).map_err(to_error)
}

fn map(page: u64, pages: u64, rights: u64) -> Result<u64, Error> {
    let rights = to_rights(rights)?;
    check(page, pages)?;
    let space = current_space()?;
    for number in 0..pages {
        let mapped = leave_reserve().and_then(|()| {
            space
                .map(page + number * PAGE_SIZE, 1, rights)
                .map_err(to_error)
        });
        if let Err(error) = mapped {
            if number > 0 {
                // What is gone already, another thread has taken.
                let _ = space.unmap(page, number, Shoot::Now);
            }
            return Err(error);
        }
    }
    Ok(0)
}

/// Whether `pages` pages from `page` on are whole, ring 3's, and no program's.
fn check(page: u64, pages: u64) -> Result<(), Error> {
    if !(1..=MAX_PAGES).contains(&pages) {
        return Err(Error::BadCount);
    }
    let end = page
        .checked_add(pages * PAGE_SIZE)
        .filter(|&end| end <= USER_END)
        .ok_or(Error::BadAddress)?;
    if page < PAGE_SIZE || !page.is_multiple_of(PAGE_SIZE) {
        return Err(Error::BadAddress);
    }
    if page < region::END && region::START < end {
        Err(Error::Reserved)
    } else {
        Ok(())
    }
}

fn current_space() -> Result<Arc<Space>, Error> {
    thread::space().ok_or(Error::NoSpace)
}

fn leave_reserve() -> Result<(), Error> {
    if frames::usage().free > KERNEL_RESERVE {
        Ok(())
    } else {
        Err(Error::NoMemory)
    }
}

fn to_rights(rights: u64) -> Result<Rights, Error> {
    match rights {
        rights::READ => Ok(Rights::USER_READ),
        rights::WRITE => Ok(Rights::USER_WRITE),
        _ => Err(Error::BadRights),
    }
}

fn to_error(error: space::Error) -> Error {
    match error {
        space::Error::Map(MapError::NoMemory) => Error::NoMemory,
        space::Error::Map(MapError::NotUser) => Error::BadAddress,
        space::Error::Map(MapError::Mapped) => Error::Mapped,
        space::Error::Map(MapError::NotMapped) => Error::NotMapped,
        space::Error::Abandoned => Error::Abandoned,
    }
}
