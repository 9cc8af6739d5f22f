//! The registers that interrupts do not save.

use crate::entry::Frame;
use x86_64::instructions::segmentation::{DS, ES, FS, GS, Segment};
use x86_64::registers::control::{Cr0, Cr2, Cr3, Cr4, Cr8};
use x86_64::registers::debug::{DebugAddressRegister, Dr0, Dr1, Dr2, Dr3, Dr6};
use x86_64::registers::model_specific::{Efer, FsBase, GsBase, KernelGsBase};

/// This CPU's registers that are in no [`Frame`], as the interrupted context had them. The debug
/// registers are on no CPU while it is stopped; DR7 is what it resumes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct Special {
    pub ds: u16,
    pub es: u16,
    pub fs: u16,
    pub gs: u16,
    pub fs_base: u64,
    pub gs_base: u64,
    pub k_gs_base: u64,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub cr8: u64,
    pub efer: u64,
    pub dr: [u64; 4],
    pub dr6: u64,
    pub dr7: u64,
}

impl Special {
    /// Reads them on this CPU, in the handler that interrupted `frame`.
    pub fn read(frame: &Frame) -> Special {
        let (ours, other) = (GsBase::read().as_u64(), KernelGsBase::read().as_u64());
        // From ring 3, the entry code has exchanged them.
        let (gs_base, k_gs_base) = if frame.from_user() {
            (other, ours)
        } else {
            (ours, other)
        };
        Special {
            ds: DS::get_reg().0,
            es: ES::get_reg().0,
            fs: FS::get_reg().0,
            gs: GS::get_reg().0,
            fs_base: FsBase::read().as_u64(),
            gs_base,
            k_gs_base,
            cr0: Cr0::read_raw(),
            cr2: Cr2::read_raw(),
            cr3: read_cr3(),
            cr4: Cr4::read_raw(),
            cr8: Cr8::read_raw(),
            efer: Efer::read_raw(),
            dr: [Dr0::read(), Dr1::read(), Dr2::read(), Dr3::read()],
            dr6: Dr6::read_raw(),
            dr7: super::watch::control(),
        }
    }
}

fn read_cr3() -> u64 {
    let (frame, low) = Cr3::read_raw();
    frame.start_address().as_u64() | u64::from(low)
}
