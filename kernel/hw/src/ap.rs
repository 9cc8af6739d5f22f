//! Starting the application processors by INIT-SIPI-SIPI (SDM vol. 3A, 8.4.4.1).

use crate::stack::KernelStack;
use crate::{apic, boot, clock, descriptors, entry, paging, percpu, phys};
use core::arch::naked_asm;
use core::ptr;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use shootdown::{CpuId, CpuSet, MAX_CPUS};
use x86_64::PhysAddr;

/// The page that the processors start in. `boot.s` is written for this address.
const TRAMPOLINE: u64 = 0x8000;

/// How long a processor may take to come up, in microseconds.
const PATIENCE_US: u64 = 5_000_000;
/// Between INIT and the first startup IPI. The manual's 10 ms are for processors older than the
/// integrated APIC; Linux waits not at all on later ones.
const INIT_US: u64 = 100;
/// Between the startup IPIs.
const STARTUP_US: u64 = 200;

/// Nobody by this number.
const ABSENT: u32 = 0;
/// It was told to start.
const CALLED: u32 = 1;
/// It runs kernel code.
const ARRIVED: u32 = 2;
/// It did not come in time: if it comes later, it halts.
const GIVEN_UP: u32 = 3;

static STATE: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(ABSENT) }; MAX_CPUS];
static APIC_IDS: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(u32::MAX) }; MAX_CPUS];
static STACKS: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
static MAIN: spin::Once<fn(CpuId) -> !> = spin::Once::new();

/// The words at the end of the trampoline, as `boot.s` lays them out.
#[repr(C)]
struct Words {
    entry: u64,
    stacks: u64,
    root: u64,
    cr3: u32,
    ticket: u32,
    tickets: u32,
}

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_words: u8;
    static trampoline_end: u8;
}

/// The local APIC's id of `cpu`, `u32::MAX` if there is no such CPU.
#[inline(always)]
pub fn apic_id(cpu: CpuId) -> u32 {
    APIC_IDS[cpu.index()].load(Relaxed)
}

/// Notes the APIC id of the CPU that booted, and gives it its descriptor tables.
pub fn init_boot() {
    descriptors::install(CpuId::BOOT);
    entry::install();
    paging::enable_protections();
}

/// Notes the APIC id of the CPU that booted, which is known once its APIC is on.
pub fn set_boot_id(id: u32) {
    APIC_IDS[0].store(id, Relaxed);
}

/// Starts one CPU for each of `ids`, numbered from 1 on in that order; each runs `main` on a
/// stack of `stack_pages` pages, with interrupts off and its descriptor tables, per-CPU area and
/// page tables in place, its APIC not yet on. Returns the CPUs that arrived. Once.
///
/// A CPU that does not arrive within five seconds is left out for good.
///
/// # Panics
/// If memory for the stacks runs out.
pub fn start(ids: &[u32], stack_pages: u64, main: fn(CpuId) -> !) -> CpuSet {
    MAIN.call_once(|| main);
    let called: CpuSet = (1..=ids.len()).filter_map(CpuId::new).collect();
    for (cpu, &id) in called.into_iter().zip(ids) {
        let stack = KernelStack::new(stack_pages).expect("memory for the CPUs' stacks");
        STACKS[cpu.index()].store(stack.top(), Relaxed);
        APIC_IDS[cpu.index()].store(id, Relaxed);
        STATE[cpu.index()].store(CALLED, Release);
    }
    install_trampoline(called.len() as u32 + 1);
    call(called);
    let deadline = clock::Deadline::after_us(PATIENCE_US);
    while arrived(called) != called && !deadline.expired() {
        core::hint::spin_loop();
    }
    called
        .into_iter()
        .filter(|cpu| {
            STATE[cpu.index()].compare_exchange(CALLED, GIVEN_UP, AcqRel, Acquire) == Err(ARRIVED)
        })
        .collect()
}

fn arrived(called: CpuSet) -> CpuSet {
    called
        .into_iter()
        .filter(|cpu| STATE[cpu.index()].load(Acquire) == ARRIVED)
        .collect()
}

/// Sends INIT and two startup IPIs to each CPU of `called`. A second one to a CPU that already
/// runs has no effect.
fn call(called: CpuSet) {
    // A CPU that cannot be reached does not arrive: that is reported, so errors are not here.
    for cpu in called {
        // SAFETY: the CPU is not running yet, so nothing of it is lost.
        let _ = unsafe { apic::send_init(apic_id(cpu)) };
    }
    clock::spin_us(INIT_US);
    for cpu in called {
        // SAFETY: the trampoline is in place at that page.
        let _ = unsafe { apic::send_startup(apic_id(cpu), (TRAMPOLINE >> 12) as u8) };
    }
    clock::spin_us(STARTUP_US);
    for cpu in called.minus(arrived(called)) {
        // SAFETY: as above.
        let _ = unsafe { apic::send_startup(apic_id(cpu), (TRAMPOLINE >> 12) as u8) };
    }
}

/// Copies the trampoline to its page and fills in its words.
fn install_trampoline(tickets: u32) {
    let start = &raw const trampoline_start;
    let length = (&raw const trampoline_end) as usize - start as usize;
    let offset = (&raw const trampoline_words) as usize - start as usize;
    let page = phys::map(PhysAddr::new(TRAMPOLINE)).as_mut_ptr::<u8>();
    let words = Words {
        entry: enter as *const () as u64,
        stacks: STACKS.as_ptr() as u64,
        root: paging::kernel_root(),
        cr3: boot::bring_up_tables(),
        ticket: 1,
        tickets,
    };
    // SAFETY: the page is RAM below 1 MiB that `frames` never gives out, mapped by the direct map;
    // the source is linked low and shows in the direct map too; the words lie inside the copy, 8-aligned.
    unsafe {
        ptr::copy_nonoverlapping(
            phys::map(PhysAddr::new(start as u64)).as_ptr(),
            page,
            length,
        );
        page.add(offset).cast::<Words>().write(words);
    }
}

/// The first code at the kernel's address: changes to the kernel's tables, which map the stacks.
#[unsafe(naked)]
extern "C" fn enter(ticket: u64, root: u64, stacks: *const u64) -> ! {
    naked_asm!(
        "mov cr3, rsi",
        "mov rsp, [rdx + rdi * 8]",
        "xor ebp, ebp",
        "call {arrive}",
        arrive = sym arrive,
    )
}

/// The first Rust code of an application processor: its number follows from its APIC id, so which
/// of the stacks it drew does not matter.
extern "C" fn arrive() -> ! {
    let id = apic::initial_id();
    let cpu = (1..MAX_CPUS)
        .filter_map(CpuId::new)
        .find(|&cpu| apic_id(cpu) == id);
    let Some(cpu) = cpu else { park() };
    if STATE[cpu.index()]
        .compare_exchange(CALLED, ARRIVED, AcqRel, Acquire)
        .is_err()
    {
        park();
    }
    percpu::install(cpu);
    descriptors::install(cpu);
    entry::install();
    paging::enable_protections();
    crate::tlb::enable_pcids();
    paging::load_kernel();
    descriptors::isolate();
    let main = MAIN.get().expect("set before the first CPU was called");
    main(cpu)
}

fn park() -> ! {
    loop {
        crate::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
