//! Kernel threads' contexts, and the switch between them.

use crate::stack::KernelStack;
use crate::{descriptors, percpu};
use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// Not started, or ended: there is nothing to resume.
const EMPTY: u32 = 0;
/// Its registers are on its stack: it can be resumed.
const SUSPENDED: u32 = 1;
/// A CPU runs on it.
const RUNNING: u32 = 2;

/// What a suspended thread resumes with: its stack, and on it its registers.
///
/// A context is resumed by one CPU at most: [`switch`] checks, whoever calls it.
#[derive(Debug)]
pub struct Context {
    stack_pointer: AtomicU64,
    state: AtomicU32,
    stack: UnsafeCell<Option<KernelStack>>,
    top: AtomicU64,
    start: AtomicU64,
    argument: AtomicU64,
}

// SAFETY: `stack` is written only by `prepare`, while `state` is EMPTY and the caller has won the
// change of state away from it; everything else is atomic.
unsafe impl Sync for Context {}

impl Context {
    /// A context that nothing runs on yet.
    pub const fn new() -> Self {
        Context {
            stack_pointer: AtomicU64::new(0),
            state: AtomicU32::new(EMPTY),
            stack: UnsafeCell::new(None),
            top: AtomicU64::new(0),
            start: AtomicU64::new(0),
            argument: AtomicU64::new(0),
        }
    }

    /// Makes the code that runs now this context's, on the stack it is on. Once for each CPU: its
    /// idle thread's.
    pub fn adopt(&self) {
        assert!(
            self.state.swap(RUNNING, Acquire) == EMPTY,
            "a context in use was adopted"
        );
    }

    /// Has the next switch to this context call `start(argument)` on a stack of `pages` pages,
    /// which it keeps for the next time. Returns false when memory is used up.
    ///
    /// # Panics
    /// If the context is in use.
    pub fn prepare(&self, pages: u64, start: fn(usize) -> !, argument: usize) -> bool {
        let claimed = self
            .state
            .compare_exchange(EMPTY, RUNNING, Acquire, Relaxed);
        assert!(claimed.is_ok(), "a context in use was prepared");
        // SAFETY: this call won the change from EMPTY, so nobody else is here.
        let stack = unsafe { &mut *self.stack.get() };
        if stack.is_none() {
            *stack = KernelStack::new(pages);
        }
        let Some(stack) = stack else {
            self.state.store(EMPTY, Release);
            return false;
        };
        self.top.store(stack.top(), Relaxed);
        self.start.store(start as usize as u64, Relaxed);
        self.argument.store(argument as u64, Relaxed);
        // What `swap_stacks` pops: six registers, then where to return to; one word keeps the
        // stack aligned as at a call.
        let words = [
            0,
            0,
            0,
            0,
            0,
            core::ptr::from_ref(self) as u64,
            begin as *const () as u64,
            0,
        ];
        let pointer = stack.top() - 8 * words.len() as u64;
        // SAFETY: the top of this context's own stack, which nothing runs on.
        unsafe { (pointer as *mut [u64; 8]).write(words) };
        self.stack_pointer.store(pointer, Relaxed);
        self.state.store(SUSPENDED, Release);
        true
    }

    /// Whether it was ended, or never prepared.
    pub fn is_empty(&self) -> bool {
        self.state.load(Acquire) == EMPTY
    }

    /// Where a suspended context's stack pointer stands: its saved registers, then its callers.
    pub fn suspended_at(&self) -> Option<u64> {
        (self.state.load(Acquire) == SUSPENDED).then(|| self.stack_pointer.load(Relaxed))
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

/// What happens to the context that [`switch`] leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leave {
    /// It can be resumed.
    Suspend,
    /// It is over.
    End,
}

/// Leaves `from`, which this CPU runs on, and resumes `to`. Returns when somebody switches back to
/// `from`, perhaps on another CPU; not at all for [`Leave::End`]. With interrupts off.
///
/// If another CPU is just leaving `to`, waits the few instructions until it has.
pub fn switch(from: &'static Context, to: &'static Context, leave: Leave) {
    assert!(
        !crate::interrupts::are_enabled(),
        "a switch with interrupts on could be split (I10)"
    );
    assert!(
        from.state.load(Relaxed) == RUNNING,
        "a switch away from a context that does not run"
    );
    while to
        .state
        .compare_exchange(SUSPENDED, RUNNING, Acquire, Relaxed)
        .is_err()
    {
        assert!(
            to.state.load(Relaxed) != EMPTY,
            "a switch to a context that has ended"
        );
        core::hint::spin_loop();
    }
    let top = to.top.load(Relaxed);
    if top != 0 {
        descriptors::set_kernel_stack(top);
    }
    let state = if leave == Leave::Suspend {
        SUSPENDED
    } else {
        EMPTY
    };
    // SAFETY: `from` runs here, so its stack is this one; `to` was suspended and is now claimed for
    // this CPU, so its stack pointer is what `prepare` or an earlier switch left. Both are static.
    // The state of `from` changes only after its last use of the stack.
    unsafe {
        swap_stacks(
            from.stack_pointer.as_ptr(),
            to.stack_pointer.load(Relaxed),
            from.state.as_ptr(),
            state,
        )
    };
}

/// Pushes the registers that a call preserves, stores RSP at `save`, loads `load`, writes `state`
/// at `left` (the context left is up for grabs from then on), pops the other's registers.
#[unsafe(naked)]
unsafe extern "C" fn swap_stacks(save: *mut u64, load: u64, left: *mut u32, state: u32) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "mov [rdx], ecx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

/// The first code of a context: RBX points at it, as `prepare` arranged.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!("mov rdi, rbx", "xor ebp, ebp", "sub rsp, 8", "call {begin_in_rust}", "ud2", begin_in_rust = sym begin_in_rust)
}

extern "C" fn begin_in_rust(context: &'static Context) -> ! {
    // SAFETY: `prepare` stored a function pointer of just this type.
    let start: fn(usize) -> ! = unsafe { core::mem::transmute(context.start.load(Relaxed)) };
    start(context.argument.load(Relaxed) as usize)
}

/// Leaves the kernel for ring 3 at `rip` with the stack pointer `rsp` and `argument` in RDI. The
/// thread is back in the kernel only in a handler, at the top of its kernel stack.
///
/// # Panics
/// If either address is not ring 3's.
pub fn enter_user(rip: u64, rsp: u64, argument: u64) -> ! {
    assert!(
        rip < crate::paging::USER_END && rsp <= crate::paging::USER_END,
        "ring 3 begins below {:#x}",
        crate::paging::USER_END
    );
    crate::interrupts::disable();
    assert!(
        !percpu::in_critical(),
        "ring 3 was entered from a critical section"
    );
    crate::entry::enter_user(rip, rsp, argument)
}

/// The caller's frame pointer.
#[inline(always)]
pub fn frame_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: reads a register.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) pointer, options(nomem, nostack, preserves_flags))
    };
    pointer
}
