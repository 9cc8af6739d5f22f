//! Segments and task-state segments, one set a CPU.

use crate::stack::KernelStack;
use core::cell::UnsafeCell;
use shootdown::{CpuId, MAX_CPUS};
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::registers::segmentation::SegmentSelector;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

/// The kernel's code segment.
pub const KERNEL_CODE: u16 = 0x08;
/// The kernel's data segment.
pub const KERNEL_DATA: u16 = 0x10;
/// Ring 3's data segment, with its privilege level.
pub const USER_DATA: u16 = 0x18 | 3;
/// Ring 3's code segment, with its privilege level.
pub const USER_CODE: u16 = 0x20 | 3;

/// The interrupt-stack-table entries: who has a stack of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Ist {
    /// NMIs, which may come while the stack pointer is anything.
    Nmi,
    /// Double faults, most often a stack that ran into its guard page.
    DoubleFault,
    /// Debug exceptions.
    Debug,
}

impl Ist {
    /// All of them, in order.
    pub const ALL: [Ist; 3] = [Ist::Nmi, Ist::DoubleFault, Ist::Debug];
}

struct Tables {
    tss: TaskStateSegment,
    gdt: GlobalDescriptorTable<8>,
}

/// A CPU's tables: written by its own CPU with interrupts off, read by that CPU's hardware.
struct Cell(UnsafeCell<Tables>);

// SAFETY: only the owning CPU reaches the inside, with interrupts off (`install`,
// `set_kernel_stack`), so no two accesses overlap.
unsafe impl Sync for Cell {}

// Ring 3's own tables show them too: the CPU reads them on the way in and out.
#[cfg_attr(target_os = "none", unsafe(link_section = ".data.entry"))]
static TABLES: [Cell; MAX_CPUS] = [const {
    Cell(UnsafeCell::new(Tables {
        tss: TaskStateSegment::new(),
        gdt: GlobalDescriptorTable::empty(),
    }))
}; MAX_CPUS];

/// The first CPU's interrupt stacks before there is memory for guarded ones.
static EARLY: [crate::stack::EarlyStack; 3] = [const { crate::stack::EarlyStack::new() }; 3];

/// Loads the tables of `cpu`, with plain stacks for the first CPU until [`set_interrupt_stacks`].
/// Once for each CPU, on it, with interrupts off, after `percpu::install`.
pub(crate) fn install(cpu: CpuId) {
    // SAFETY: this CPU's own tables, interrupts off, before they are in use.
    let tables = unsafe { &mut *TABLES[cpu.index()].0.get() };
    for (ist, stack) in Ist::ALL.into_iter().zip(&EARLY) {
        tables.tss.interrupt_stack_table[ist as usize] = stack.top();
    }
    tables.gdt = GlobalDescriptorTable::empty();
    tables.gdt.append(Descriptor::kernel_code_segment());
    tables.gdt.append(Descriptor::kernel_data_segment());
    tables.gdt.append(Descriptor::user_data_segment());
    tables.gdt.append(Descriptor::user_code_segment());
    // SAFETY: the segment is in a static.
    let task = tables
        .gdt
        .append(unsafe { Descriptor::tss_segment_unchecked(&tables.tss) });
    // SAFETY: the tables are static, and hold just the segments loaded here; selectors of the null
    // segment are fine for data in long mode. GS is left alone: its base is the per-CPU area.
    unsafe {
        tables.gdt.load_unsafe();
        CS::set_reg(SegmentSelector(KERNEL_CODE));
        SS::set_reg(SegmentSelector(KERNEL_DATA));
        DS::set_reg(SegmentSelector(0));
        ES::set_reg(SegmentSelector(0));
        load_tss(task);
    }
}

/// Gives this CPU guarded stacks for NMIs, double faults and debug exceptions, for good.
pub fn set_interrupt_stacks(stacks: [KernelStack; 3]) {
    let _off = crate::interrupts::Off::new();
    // SAFETY: this CPU's own tables, interrupts off; the hardware reads an entry only when it
    // takes such an exception, which finds either the old stack or the new one, both valid.
    let tables = unsafe { &mut *TABLES[crate::percpu::cpu().index()].0.get() };
    for (ist, stack) in Ist::ALL.into_iter().zip(stacks) {
        crate::paging::isolated::show(stack.bottom()..stack.top());
        tables.tss.interrupt_stack_table[ist as usize] = VirtAddr::new(stack.top());
    }
}

/// Has interrupts from ring 3 start at `top` on this CPU. With interrupts off.
pub(crate) fn set_kernel_stack(top: u64) {
    crate::percpu::set_stack_top(top);
    // Else they start on the entry stack, and the entry code moves to this one.
    if !crate::tlb::isolated() {
        set_entry_stack(top);
    }
}

fn set_entry_stack(top: u64) {
    // SAFETY: this CPU's own tables, interrupts off.
    let tables = unsafe { &mut *TABLES[crate::percpu::cpu().index()].0.get() };
    tables.tss.privilege_stack_table[0] = VirtAddr::new(top);
}

/// Has interrupts from ring 3 start on this CPU's entry stack if ring 3 has tables of its own. Once for each CPU, with
/// interrupts off, before it runs ring 3.
pub(crate) fn isolate() {
    if crate::tlb::isolated() {
        set_entry_stack(crate::percpu::isolate());
    }
}
