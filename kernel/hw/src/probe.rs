//! Accesses that may fault and say so, through this CPU's TLB.

use crate::entry::Frame;
use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// An access was refused: the page-fault error code (SDM vol. 3A, 4.7), or 0 for a general
/// protection fault (an address that is not canonical).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The error code.
    pub error: u64,
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let why = match self.error {
            0 => "not mapped",
            e if e & 8 != 0 => "a reserved bit is set in its page tables",
            e if e & 1 == 0 => "not mapped",
            e if e & 2 != 0 => "mapped, but not writable",
            _ => "mapped, but not for this access",
        };
        f.write_str(why)
    }
}

/// Loads the word at RDI into RAX; a fault comes back with RDX nonzero.
#[unsafe(naked)]
unsafe extern "C" fn load() {
    naked_asm!("xor edx, edx", "mov rax, [rdi]", "ret")
}

/// Stores RSI at RDI; a fault comes back with RDX nonzero.
#[unsafe(naked)]
unsafe extern "C" fn store() {
    naked_asm!("xor edx, edx", "mov [rdi], rsi", "ret")
}

/// As `load`, where SMAP closes ring 3's pages to ring 0: opens them meanwhile.
#[unsafe(naked)]
unsafe extern "C" fn load_opened() {
    naked_asm!("xor edx, edx", "stac", "mov rax, [rdi]", "clac", "ret")
}

/// As `store`, where SMAP closes ring 3's pages to ring 0: opens them meanwhile.
#[unsafe(naked)]
unsafe extern "C" fn store_opened() {
    naked_asm!("xor edx, edx", "stac", "mov [rdi], rsi", "clac", "ret")
}

/// Writes the word at RDI as it is; a fault comes back with RDX nonzero.
#[unsafe(naked)]
unsafe extern "C" fn touch() {
    naked_asm!("xor edx, edx", "lock or qword ptr [rdi], 0", "ret")
}

/// Where the accesses above stand: behind their two-byte `xor edx, edx`, and STAC.
const ACCESS: u64 = 2;
const OPENED: u64 = ACCESS + 3;
/// How many bytes long they are.
const LOAD: u64 = 3;
const STORE: u64 = 3;
const TOUCH: u64 = 5;

/// Resumes a faulted access of this module with the error in RAX and RDX set. Returns whether the
/// frame was one. For the handler of page faults and general protection faults.
pub fn recover(frame: &mut Frame) -> bool {
    let accesses = [
        (load as *const (), ACCESS, LOAD),
        (store as *const (), ACCESS, STORE),
        (load_opened as *const (), OPENED, LOAD),
        (store_opened as *const (), OPENED, STORE),
        (touch as *const (), ACCESS, TOUCH),
    ];
    let Some((.., length)) = accesses
        .into_iter()
        .find(|(access, offset, _)| *access as u64 + offset == frame.rip)
    else {
        return false;
    };
    frame.rip += length;
    frame.rax = frame.error;
    frame.rdx = 1;
    true
}

/// Whether SMAP closes ring 3's pages to ring 0 (SDM vol. 3A, 4.6.1).
static SMAP: AtomicBool = AtomicBool::new(false);

/// From now on accesses open ring 3's pages first. For who turns SMAP on.
pub(crate) fn set_smap() {
    SMAP.store(true, Relaxed);
}

fn smap() -> bool {
    SMAP.load(Relaxed)
}

fn result(value: u64, faulted: u64) -> Result<u64, Fault> {
    if faulted == 0 {
        Ok(value)
    } else {
        Err(Fault { error: value })
    }
}

/// Reads the word at `address` through this CPU's TLB.
///
/// # Errors
/// [`Fault`] if it may not be read, or is not a multiple of 8.
pub fn read(address: u64) -> Result<u64, Fault> {
    if !address.is_multiple_of(8) {
        return Err(Fault { error: 0 });
    }
    let (value, faulted): (u64, u64);
    // SAFETY: the load faults or yields some bits of memory, which are given out as a plain number;
    // a fault resumes behind the load. Only the named registers change. STAC is there with SMAP.
    unsafe {
        if smap() {
            asm!("call {}", sym load_opened, in("rdi") address, out("rax") value, out("rdx") faulted);
        } else {
            asm!("call {}", sym load, in("rdi") address, out("rax") value, out("rdx") faulted);
        }
    }
    result(value, faulted)
}

/// Writes `value` to the word at `address` of ring 3's half, through this CPU's TLB.
///
/// # Errors
/// [`Fault`] if it may not be written, is not ring 3's, or is not a multiple of 8.
pub fn write(address: u64, value: u64) -> Result<(), Fault> {
    if address >= crate::paging::USER_END || !address.is_multiple_of(8) {
        return Err(Fault { error: 0 });
    }
    let (error, faulted): (u64, u64);
    // SAFETY: ring 3's memory holds nothing of Rust's; a fault resumes behind the store. STAC is
    // there with SMAP.
    unsafe {
        if smap() {
            asm!("call {}", sym store_opened, in("rdi") address, in("rsi") value, out("rax") error, out("rdx") faulted);
        } else {
            asm!("call {}", sym store, in("rdi") address, in("rsi") value, out("rax") error, out("rdx") faulted);
        }
    }
    result(error, faulted).map(|_| ())
}

/// Whether this CPU, in ring 0, may write the word at `address`: one of the kernel's image, under
/// its linked name or the direct map's. Finds out by writing it, which changes nothing.
///
/// # Errors
/// [`Fault`] if it may not be written, is no word of the image, or is not a multiple of 8.
pub fn writable(address: u64) -> Result<(), Fault> {
    let (start, end) = crate::paging::image_range();
    let names = [crate::paging::KERNEL_BASE, crate::phys::DIRECT_MAP];
    let in_image = names
        .iter()
        .any(|base| (base + start..base + end).contains(&address));
    if !in_image || !address.is_multiple_of(8) {
        return Err(Fault { error: 0 });
    }
    let (error, faulted): (u64, u64);
    // SAFETY: the image is RAM; a locked OR of nothing leaves every word as it is, whoever else
    // reads or writes it; a fault resumes behind it.
    unsafe {
        asm!("call {}", sym touch, in("rdi") address, out("rax") error, out("rdx") faulted);
    }
    result(error, faulted).map(|_| ())
}
