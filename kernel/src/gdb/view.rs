//! The stopped machine as gdb sees it.

use super::monitor;
use crate::stop::{self, State};
use crate::{protocols, thread};
use core::fmt;
use evidence::Kind;
use gdb_stub::{Access, Machine, Probed, Refused, Register};
use hw::debug::{DIRECTION, RESUME, breakpoints, memory, watch};
use hw::percpu;
use hw::phys::PAGE_SIZE;
use shootdown::{CpuId, CpuSet, Operation, Point};
use spin::Once;

/// The kernel's file on gdb's host, as the command line has it: `%` and two digits for what the
/// command line cannot hold.
static EXEC_FILE: Once<&'static str> = Once::new();

/// Types whose variants gdb's commands name: the debug information has what some static is made of.
#[used]
static NAMED: (Option<Operation>, Option<Point>, Option<Kind>) = (None, None, None);

/// Notes where the kernel's file is.
pub(super) fn set_exec_file(path: &'static str) {
    EXEC_FILE.call_once(|| path);
}

/// The flags that a person may change: those of arithmetic, the direction, interrupts, RF.
const FLAGS: u64 = 0x8d5 | 1 << 9 | DIRECTION | RESUME;

/// The stopped machine; `current` is the CPU to look at first.
pub(super) struct View {
    pub current: CpuId,
}

/// What is mapped for `cpu`, or physical memory: where in physical memory `address` is.
fn locate(cpu: Option<CpuId>, address: u64) -> Option<u64> {
    match cpu {
        Some(cpu) => memory::translate(stop::state(cpu)?.special.cr3, address),
        None => Some(address),
    }
}

/// Pieces of `length` bytes from `address` on that are each in one page: place and length.
fn pieces(address: u64, length: usize) -> impl Iterator<Item = (u64, usize)> {
    let mut next = address;
    let mut left = length as u64;
    core::iter::from_fn(move || {
        let fits = (PAGE_SIZE - next % PAGE_SIZE).min(left);
        let piece = (next, fits as usize);
        next = next.checked_add(fits)?;
        left -= fits;
        (fits > 0).then_some(piece)
    })
}

impl Machine for View {
    fn cpus(&self) -> CpuSet {
        stop::standing()
    }

    fn current(&self) -> CpuId {
        self.current
    }

    /// `CPU 2: idle 2, space 1, interrupts off, waits for CPUs 0-1`
    fn describe(&self, cpu: CpuId, out: &mut dyn fmt::Write) -> fmt::Result {
        let local = percpu::of(cpu);
        write!(out, "CPU {cpu}: ")?;
        thread::write_name(local.running_thread(), out)?;
        write!(out, ", space {}", local.current_space())?;
        if let Some(state) = stop::state(cpu) {
            if state.frame.from_user() {
                write!(out, ", ring 3")?;
            }
            if !state.frame.interrupts_enabled() {
                write!(out, ", interrupts off")?;
            }
        }
        if stop::rest::resting().contains(cpu) {
            write!(out, ", stopped by the shell")?;
        }
        let awaited = protocols::outstanding(cpu);
        if !awaited.is_empty() {
            write!(out, ", has asked CPUs {awaited}")?;
        }
        Ok(())
    }

    fn register(&self, cpu: CpuId, register: Register) -> Option<u64> {
        Some(value_of(&stop::state(cpu)?, register))
    }

    fn set_register(&mut self, cpu: CpuId, register: Register, value: u64) -> Result<(), Refused> {
        if self.register(cpu, register) == Some(value) {
            return Ok(());
        }
        // A jump there would be the kernel's last.
        if register == Register::Rip && !memory::is_canonical(value) {
            return Err(Refused);
        }
        let mut refused = Ok(());
        let stands = stop::change(cpu, |frame| match slot_of(frame, register) {
            Some(slot) if register == Register::Eflags => {
                *slot = (*slot & !FLAGS) | (value & FLAGS);
            }
            Some(slot) => *slot = value,
            None => refused = Err(Refused),
        });
        if stands { refused } else { Err(Refused) }
    }

    fn read(&self, cpu: Option<CpuId>, address: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        for (start, length) in pieces(address, buffer.len()) {
            let Some(physical) = locate(cpu, start) else {
                break;
            };
            let read = memory::read(physical, &mut buffer[done..done + length]);
            done += read;
            if read < length {
                break;
            }
        }
        done
    }

    fn write(&mut self, cpu: Option<CpuId>, address: u64, bytes: &[u8]) -> Result<(), Refused> {
        let all = pieces(address, bytes.len()).map(|(start, _)| locate(cpu, start));
        if !all.into_iter().all(|place| place.is_some()) {
            return Err(Refused);
        }
        let mut rest = bytes;
        for (start, length) in pieces(address, bytes.len()) {
            let (piece, more) = rest.split_at(length);
            let physical = locate(cpu, start).ok_or(Refused)?;
            if !memory::write(physical, piece) {
                return Err(Refused);
            }
            rest = more;
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(Refused)
        }
    }

    fn insert_breakpoint(&mut self, cpu: CpuId, address: u64) -> Result<(), Refused> {
        let root = stop::state(cpu).ok_or(Refused)?.special.cr3;
        breakpoints::insert(root, address).map_err(|_| Refused)
    }

    fn remove_breakpoint(&mut self, address: u64) -> Result<(), Refused> {
        found(breakpoints::remove(address))
    }

    fn insert_watch(&mut self, address: u64, bytes: u64, access: Access) -> Result<(), Refused> {
        found(memory::is_canonical(address) && watch::insert(address, bytes, kind(access)))
    }

    fn remove_watch(&mut self, address: u64, bytes: u64, access: Access) -> Result<(), Refused> {
        found(watch::remove(address, bytes, kind(access)))
    }

    fn probe(&mut self, cpu: CpuId, address: u64) -> Option<Probed> {
        let memory::Probed { hit, value } = stop::have(cpu, memory::probe, address)?;
        Some(Probed { hit, value })
    }

    fn forget(&mut self) {
        breakpoints::clear();
        watch::clear();
    }

    fn monitor(&mut self, command: &str, out: &mut dyn fmt::Write) {
        // What cannot be said is not said.
        let _ = monitor::take(command, out);
    }

    fn exec_file(&self, index: usize) -> Option<u8> {
        decoded(EXEC_FILE.get()?.as_bytes()).nth(index)
    }
}

fn found(there: bool) -> Result<(), Refused> {
    if there { Ok(()) } else { Err(Refused) }
}

fn kind(access: Access) -> watch::Access {
    match access {
        Access::Execute => watch::Access::Execute,
        Access::Write => watch::Access::Write,
        Access::ReadWrite => watch::Access::ReadWrite,
    }
}

/// The bytes that `text` stands for.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (byte, length) = match rest {
            [b'%', high, low, ..] => (digit(*high)? << 4 | digit(*low)?, 3),
            [byte, ..] => (u32::from(*byte), 1),
            [] => return None,
        };
        rest = &rest[length..];
        u8::try_from(byte).ok()
    })
}

/// The word of a frame that holds a register, if one does.
fn slot_of(frame: &mut hw::entry::Frame, register: Register) -> Option<&mut u64> {
    Some(match register {
        Register::Rax => &mut frame.rax,
        Register::Rbx => &mut frame.rbx,
        Register::Rcx => &mut frame.rcx,
        Register::Rdx => &mut frame.rdx,
        Register::Rsi => &mut frame.rsi,
        Register::Rdi => &mut frame.rdi,
        Register::Rbp => &mut frame.rbp,
        Register::Rsp => &mut frame.rsp,
        Register::R8 => &mut frame.r8,
        Register::R9 => &mut frame.r9,
        Register::R10 => &mut frame.r10,
        Register::R11 => &mut frame.r11,
        Register::R12 => &mut frame.r12,
        Register::R13 => &mut frame.r13,
        Register::R14 => &mut frame.r14,
        Register::R15 => &mut frame.r15,
        Register::Rip => &mut frame.rip,
        Register::Eflags => &mut frame.rflags,
        _ => return None,
    })
}

fn value_of(state: &State, register: Register) -> u64 {
    let mut frame = state.frame;
    if let Some(slot) = slot_of(&mut frame, register) {
        return *slot;
    }
    let special = &state.special;
    match register {
        Register::Cs => frame.cs,
        Register::Ss => frame.ss,
        Register::Ds => special.ds.into(),
        Register::Es => special.es.into(),
        Register::Fs => special.fs.into(),
        Register::Gs => special.gs.into(),
        Register::FsBase => special.fs_base,
        Register::GsBase => special.gs_base,
        Register::KernelGsBase => special.k_gs_base,
        Register::Cr0 => special.cr0,
        Register::Cr2 => special.cr2,
        Register::Cr3 => special.cr3,
        Register::Cr4 => special.cr4,
        Register::Cr8 => special.cr8,
        Register::Efer => special.efer,
        Register::Dr0 => special.dr[0],
        Register::Dr1 => special.dr[1],
        Register::Dr2 => special.dr[2],
        Register::Dr3 => special.dr[3],
        Register::Dr6 => special.dr6,
        // Those above have a slot.
        _ => special.dr7,
    }
}
