//! Every way into the kernel: one stub a vector, one complete register frame, one handler.

use crate::descriptors::{Ist, KERNEL_CODE};
use core::arch::naked_asm;
use core::sync::atomic::{AtomicPtr, Ordering};
use spin::Once;
use x86_64::structures::idt::{Entry, InterruptDescriptorTable};
use x86_64::{PrivilegeLevel, VirtAddr};

/// The vector of a system call (`int 0x80`).
pub const SYSCALL_VECTOR: u8 = 0x80;

/// The interrupted context, every register of it, as the stubs lay it out on the stack.
///
/// Changing a field changes what the context resumes with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct Frame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    /// The error code, 0 for vectors without one.
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

impl Frame {
    /// Every register with its name.
    #[rustfmt::skip]
    pub fn named(&self) -> [(&'static str, u64); 20] {
        [
            ("rax", self.rax), ("rbx", self.rbx), ("rcx", self.rcx), ("rdx", self.rdx),
            ("rsi", self.rsi), ("rdi", self.rdi), ("rbp", self.rbp), ("rsp", self.rsp),
            ("r8", self.r8), ("r9", self.r9), ("r10", self.r10), ("r11", self.r11),
            ("r12", self.r12), ("r13", self.r13), ("r14", self.r14), ("r15", self.r15),
            ("rip", self.rip), ("rflags", self.rflags), ("cs", self.cs), ("ss", self.ss),
        ]
    }

    /// Whether ring 3 was interrupted.
    pub fn from_user(&self) -> bool {
        self.cs & 3 == 3
    }

    /// Whether the interrupted context took maskable interrupts.
    pub fn interrupts_enabled(&self) -> bool {
        self.rflags & 1 << 9 != 0
    }
}

/// What the stubs call. Null until [`set_handler`].
static HANDLER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Has every interrupt, exception and system call handled by `handler`, with interrupts off.
pub fn set_handler(handler: fn(&mut Frame)) {
    HANDLER.store(handler as *mut (), Ordering::Release);
}

/// Called by the stubs with the frame that they built.
#[unsafe(link_section = ".text.entry")]
extern "C" fn dispatch(frame: &mut Frame) {
    if crate::debug::enter(frame) {
        return;
    }
    let handler = HANDLER.load(Ordering::Relaxed);
    if handler.is_null() {
        crate::exit::exit(crate::exit::Status::Panic);
    }
    // SAFETY: only `set_handler` writes it, from a function pointer of just this type.
    let handler: fn(&mut Frame) = unsafe { core::mem::transmute(handler) };
    handler(frame);
}

/// The stub of one vector: makes the frame uniform and goes to the common path.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn stub<const VECTOR: u8>() {
    naked_asm!(
        ".if {has_error} == 0", "push 0", ".endif",
        "push {vector}",
        "jmp {common}",
        has_error = const has_error_code(VECTOR) as u32,
        vector = const VECTOR as u32,
        common = sym common,
    )
}

/// The stub of a vector with a stack of its own, which can come between ring 3's entry and its
/// SWAPGS.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn paranoid_stub<const VECTOR: u8>() {
    naked_asm!(
        ".if {has_error} == 0", "push 0", ".endif",
        "push {vector}",
        "jmp {paranoid}",
        has_error = const has_error_code(VECTOR) as u32,
        vector = const VECTOR as u32,
        paranoid = sym paranoid,
    )
}

/// SDM vol. 3A, table 6-1.
const fn has_error_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21 | 29 | 30)
}

/// Saves the registers, calls `dispatch`, restores what it left there and resumes.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn common() {
    naked_asm!(
        "cld",
        "test byte ptr [rsp + 24], 3", // the interrupted CS
        "jz {save}",
        "swapgs",
        "cmp qword ptr gs:[{entry_top}], 0",
        "je {save}",
        "jmp {change_over}",
        entry_top = const crate::percpu::ENTRY_TOP,
        change_over = sym change_over,
        save = sym save,
    )
}

/// From ring 3, with GS the kernel's, on a stack that is not the thread's: loads the kernel's tables if ring 3 has its
/// own, and moves the seven words of the frame to the thread's stack.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn change_over() {
    naked_asm!(
        "mov gs:[{scratch}], rax",
        "cmp qword ptr gs:[{entry_top}], 0",
        "je 1f",
        // What the kernel's PCID tags is kept.
        "mov rax, gs:[{kernel_cr3}]",
        "mov cr3, rax",
        "1:",
        "mov rax, rsp",
        "mov rsp, gs:[{stack_top}]",
        "push [rax + 48]", "push [rax + 40]", "push [rax + 32]", "push [rax + 24]", "push [rax + 16]",
        "push [rax + 8]", "push [rax]",
        "mov rax, gs:[{scratch}]",
        "jmp {save}",
        save = sym save,
        scratch = const crate::percpu::SCRATCH,
        entry_top = const crate::percpu::ENTRY_TOP,
        kernel_cr3 = const crate::percpu::KERNEL_CR3,
        stack_top = const crate::percpu::STACK_TOP,
    )
}

/// The rest of `common`, with GS the kernel's.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn save() {
    naked_asm!(
        "push rax", "push rbx", "push rcx", "push rdx", "push rsi", "push rdi", "push rbp",
        "push r8", "push r9", "push r10", "push r11", "push r12", "push r13", "push r14", "push r15",
        // The CPU aligned the stack before it pushed 5 words, 17 more came: it is aligned again.
        "mov rdi, rsp",
        "call {dispatch}",
        "jmp {resume}",
        dispatch = sym dispatch,
        resume = sym resume,
    )
}

/// Resumes the context whose frame RSP points at, with GS the kernel's.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn resume() {
    naked_asm!(
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rbp",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rbx",
        "pop rax",
        "test byte ptr [rsp + 24], 3",
        "lea rsp, [rsp + 16]",
        "jnz {to_user}",
        "iretq",
        to_user = sym to_user,
    )
}

/// Leaves for ring 3 by the five words at RSP, with GS the kernel's and interrupts off. If ring 3 has tables of its own,
/// they do not show the thread's stack: the words move to the entry stack before the tables are loaded, and a flush of
/// the user PCID that was put off is done by that load.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn to_user() {
    naked_asm!(
        "cmp qword ptr gs:[{entry_top}], 0",
        "jne 1f",
        "swapgs",
        "iretq",
        "1:",
        "mov gs:[{scratch}], rax",
        "mov rax, rsp",
        "mov rsp, gs:[{entry_top}]",
        "push [rax + 32]", "push [rax + 24]", "push [rax + 16]", "push [rax + 8]", "push [rax]",
        "push qword ptr gs:[{scratch}]",
        "mov rax, gs:[{user_cr3}]",
        "and rax, gs:[{user_mask}]",
        "mov qword ptr gs:[{user_mask}], -1",
        "mov cr3, rax",
        "pop rax",
        "swapgs",
        "iretq",
        scratch = const crate::percpu::SCRATCH,
        entry_top = const crate::percpu::ENTRY_TOP,
        user_cr3 = const crate::percpu::USER_CR3,
        user_mask = const crate::percpu::USER_MASK,
    )
}

/// Loads `user` into CR3, forgets the page at `address` there, and loads `kernel`.
///
/// # Safety
/// Both are values that CR3 may take; `kernel` is for the tables in force, and `user` for ring 3's that go with them. With
/// interrupts off.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
pub(crate) unsafe extern "C" fn invlpg_on(user: u64, kernel: u64, address: u64) {
    naked_asm!("mov cr3, rdi", "invlpg [rdx]", "mov cr3, rsi", "ret")
}

/// As `common`, for vectors with a stack of their own. From ring 3 GS is ring 3's for sure, and the
/// frame moves to the thread's stack: the thread may end or be preempted in the handler, when the
/// next such exception on this CPU would overwrite it. From the kernel GS itself tells whose it
/// is: the kernel's base is in the upper half. So with CR3: an NMI comes on ring 3's tables too where the kernel's code
/// is on its way in or out. Whatever was in force is loaded again, without bit 63: a flush too many.
#[unsafe(naked)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn paranoid() {
    naked_asm!(
        "cld",
        "test byte ptr [rsp + 24], 3", // the interrupted CS
        "jz 3f",
        "swapgs",
        "jmp {change_over}",
        "3:",
        "push rax", "push rbx", "push rcx", "push rdx", "push rsi", "push rdi", "push rbp",
        "push r8", "push r9", "push r10", "push r11", "push r12", "push r13", "push r14", "push r15",
        "mov ecx, 0xc0000101", // IA32_GS_BASE
        "rdmsr",
        "xor ebx, ebx",
        "test edx, edx",
        "js 1f",
        "swapgs",
        "inc ebx",
        "1:",
        "xor r12d, r12d",
        "cmp qword ptr gs:[{entry_top}], 0",
        "je 4f",
        "mov r12, cr3",
        "mov rax, gs:[{kernel_cr3}]",
        "mov cr3, rax",
        "4:",
        "mov rdi, rsp",
        "call {dispatch}",
        "test r12, r12",
        "jz 5f",
        "mov cr3, r12",
        "5:",
        "test ebx, ebx",
        "jz 2f",
        "swapgs",
        "2:",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop r11", "pop r10", "pop r9", "pop r8",
        "pop rbp", "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rbx", "pop rax",
        "add rsp, 16",
        "iretq",
        dispatch = sym dispatch,
        change_over = sym change_over,
        entry_top = const crate::percpu::ENTRY_TOP,
        kernel_cr3 = const crate::percpu::KERNEL_CR3,
    )
}

/// Leaves the kernel for ring 3 at `rip`, with `rsp`, one argument in RDI and every other register
/// 0. The thread comes back only through the stubs. With interrupts off.
#[unsafe(naked)]
pub(crate) extern "C" fn enter_user(rip: u64, rsp: u64, argument: u64) -> ! {
    naked_asm!(
        "push {user_data}",
        "push rsi",
        "push 0x202", // interrupts on
        "push {user_code}",
        "push rdi",
        "mov rdi, rdx",
        "xor eax, eax", "xor ebx, ebx", "xor ecx, ecx", "xor edx, edx", "xor esi, esi", "xor ebp, ebp",
        "xor r8d, r8d", "xor r9d, r9d", "xor r10d, r10d", "xor r11d, r11d",
        "xor r12d, r12d", "xor r13d, r13d", "xor r14d, r14d", "xor r15d, r15d",
        "jmp {to_user}",
        to_user = sym to_user,
        user_data = const crate::descriptors::USER_DATA as u32,
        user_code = const crate::descriptors::USER_CODE as u32,
    )
}

/// What of the kernel's image the way in and out needs before it has loaded the kernel's tables, and after it has left
/// them: whole pages.
pub(crate) fn shown() -> [core::ops::Range<u64>; 2] {
    #[cfg(target_os = "none")]
    {
        unsafe extern "C" {
            static entry_text_start: u8;
            static entry_text_end: u8;
            static entry_data_start: u8;
            static entry_data_end: u8;
        }
        let bounds = |start: *const u8, end: *const u8| start as u64..end as u64;
        [
            bounds(&raw const entry_text_start, &raw const entry_text_end),
            bounds(&raw const entry_data_start, &raw const entry_data_end),
        ]
    }
    #[cfg(not(target_os = "none"))]
    [0..0, 0..0]
}

/// Whether `address` is on the way from an interrupt to its handler.
pub fn is_entry_text(address: u64) -> bool {
    #[cfg(target_os = "none")]
    {
        unsafe extern "C" {
            static entry_text_start: u8;
            static entry_text_end: u8;
        }
        let (start, end) = (&raw const entry_text_start, &raw const entry_text_end);
        (start as u64..end as u64).contains(&address)
    }
    #[cfg(not(target_os = "none"))]
    {
        let _ = address;
        false
    }
}

type Stub = extern "C" fn();

/// Sixteen stubs from `$base` on.
macro_rules! row {
    ($base:expr) => {
        [
            stub::<{ $base }>,
            stub::<{ $base + 1 }>,
            stub::<{ $base + 2 }>,
            stub::<{ $base + 3 }>,
            stub::<{ $base + 4 }>,
            stub::<{ $base + 5 }>,
            stub::<{ $base + 6 }>,
            stub::<{ $base + 7 }>,
            stub::<{ $base + 8 }>,
            stub::<{ $base + 9 }>,
            stub::<{ $base + 10 }>,
            stub::<{ $base + 11 }>,
            stub::<{ $base + 12 }>,
            stub::<{ $base + 13 }>,
            stub::<{ $base + 14 }>,
            stub::<{ $base + 15 }>,
        ]
    };
}

/// The stubs of vectors 0x20 and up, a row of sixteen each.
static STUBS: [[Stub; 16]; 14] = [
    row!(0x20),
    row!(0x30),
    row!(0x40),
    row!(0x50),
    row!(0x60),
    row!(0x70),
    row!(0x80),
    row!(0x90),
    row!(0xa0),
    row!(0xb0),
    row!(0xc0),
    row!(0xd0),
    row!(0xe0),
    row!(0xf0),
];

// Ring 3's own tables show it too.
#[cfg_attr(target_os = "none", unsafe(link_section = ".data.entry"))]
static IDT: Once<InterruptDescriptorTable> = Once::new();

fn build() -> InterruptDescriptorTable {
    let mut idt = InterruptDescriptorTable::new();
    set(&mut idt.divide_error, stub::<0>, None);
    set(&mut idt.debug, paranoid_stub::<1>, Some(Ist::Debug));
    set(
        &mut idt.non_maskable_interrupt,
        paranoid_stub::<2>,
        Some(Ist::Nmi),
    );
    set(&mut idt.breakpoint, stub::<3>, None);
    set(&mut idt.overflow, stub::<4>, None);
    set(&mut idt.bound_range_exceeded, stub::<5>, None);
    set(&mut idt.invalid_opcode, stub::<6>, None);
    set(&mut idt.device_not_available, stub::<7>, None);
    set(
        &mut idt.double_fault,
        paranoid_stub::<8>,
        Some(Ist::DoubleFault),
    );
    set(&mut idt.invalid_tss, stub::<10>, None);
    set(&mut idt.segment_not_present, stub::<11>, None);
    set(&mut idt.stack_segment_fault, stub::<12>, None);
    set(&mut idt.general_protection_fault, stub::<13>, None);
    set(&mut idt.page_fault, stub::<14>, None);
    set(&mut idt.x87_floating_point, stub::<16>, None);
    set(&mut idt.alignment_check, stub::<17>, None);
    set(
        &mut idt.machine_check,
        paranoid_stub::<18>,
        Some(Ist::DoubleFault),
    );
    set(&mut idt.simd_floating_point, stub::<19>, None);
    for (vector, stub) in (0x20..=0xff).zip(STUBS.iter().flatten()) {
        set(&mut idt[vector], *stub, None);
    }
    // Ring 3 may raise just these two.
    allow_ring_3(&mut idt.breakpoint);
    allow_ring_3(&mut idt[SYSCALL_VECTOR]);
    idt
}

fn allow_ring_3<F>(entry: &mut Entry<F>) {
    let address = entry.handler_addr();
    // SAFETY: the address is the entry's own.
    unsafe {
        entry
            .set_handler_addr(address)
            .set_privilege_level(PrivilegeLevel::Ring3)
    };
}

fn set<F>(entry: &mut Entry<F>, stub: Stub, ist: Option<Ist>) {
    // SAFETY: each stub builds the frame that its vector calls for and returns by IRETQ; the
    // stack-table entries are set before the table is loaded.
    unsafe {
        let options = entry.set_handler_addr(VirtAddr::new(stub as *const () as u64));
        options.set_code_selector(x86_64::structures::gdt::SegmentSelector(KERNEL_CODE));
        if let Some(ist) = ist {
            options.set_stack_index(ist as u16);
        }
    }
}

/// Loads the table on this CPU. Its segments are loaded already.
pub(crate) fn install() {
    IDT.call_once(build).load();
}

/// The ways in which a kernel crashes, for seeing how that is reported.
pub mod crash {
    use core::arch::asm;
    use x86_64::VirtAddr;
    use x86_64::structures::DescriptorTablePointer;

    /// Executes an undefined instruction.
    #[inline(never)]
    pub fn undefined_instruction() -> ! {
        // SAFETY: raises #UD, whose handler ends the machine.
        unsafe { asm!("ud2", options(noreturn)) }
    }

    /// Reads the word at address 0, which is never mapped.
    #[inline(never)]
    pub fn read_null() -> ! {
        // SAFETY: raises #PF, whose handler ends the machine.
        unsafe { asm!("mov rax, [0]", "ud2", options(noreturn)) }
    }

    /// Calls itself until the stack runs into its guard page.
    #[inline(never)]
    pub fn overflow_stack(depth: u64) -> u64 {
        let frame = core::hint::black_box([depth; 64]);
        if depth == u64::MAX {
            0
        } else {
            overflow_stack(depth + 1) + frame[(depth % 64) as usize]
        }
    }

    /// Loops with interrupts off.
    pub fn hang() -> ! {
        crate::interrupts::disable();
        loop {
            // No `pause`: under icount that costs the host a hundred times what it takes up.
            core::hint::black_box(());
        }
    }

    /// Has the next exception find no handler, which resets the machine.
    pub fn triple_fault() -> ! {
        let nothing = DescriptorTablePointer {
            limit: 0,
            base: VirtAddr::zero(),
        };
        // SAFETY: nothing runs on this CPU after it.
        unsafe {
            x86_64::instructions::tables::lidt(&nothing);
            asm!("ud2", options(noreturn))
        }
    }
}
