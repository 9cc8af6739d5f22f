//! Lab 2, *Ring*: how one CPU interrupts another.
//!
//! # The interrupt command register
//! | bits | what they say |
//! |---|---|
//! | 0 to 7 | the vector: [`VECTOR`] |
//! | 8 to 10 | the delivery mode: 0, an ordinary interrupt |
//! | 12 | of the last command, when read in xAPIC mode: not accepted yet ([`PENDING`]) |
//! | 14 | 1, always |
//! | 18 and 19 | 0: to the destination. [`OTHERS`]: to every CPU but this one, whatever the destination |
//! | 32 to 63 | the destination's APIC id: in xAPIC mode in bits 56 to 63, in x2APIC mode all of them |
//!
//! [`FIXED`] is vector, delivery mode and bit 14, as the low half has them.
//!
//! In xAPIC mode the register is two words of an uncached page: [`write_high`](CommandRegister::write_high) first, then
//! [`write_low`](CommandRegister::write_low), which sends. In x2APIC mode it is one MSR, written by
//! [`write_msr`](CommandRegister::write_msr).
//!
//! | call | ordering | costs |
//! |---|---|---|
//! | `m.write_high(high)`, `m.write_low(low)`, `m.read_low()` | after earlier stores | an access to an uncached page, some 100 cycles; in a guest often an exit |
//! | `m.write_msr(command)` | none: earlier stores may still be in the store buffer | a WRMSR |
//! | `m.wait_briefly(cond)` | what `cond` says | the wait; ends in [`Stuck`] after about a second |
//! | `m.apic_id(cpu)`, `m.x2apic()` | none | a load |

pub use crate::*;
use alloc::boxed::Box;
pub use shootdown::transport::VECTOR;
pub use shootdown::{CommandRegister, Stuck};

/// Whether each pair of CPUs has a slot of its own.
pub const PAIRS: bool = true;
/// Whether a target acknowledges before it invalidates.
pub const EARLY: bool = true;

/// The low half of a command that sends the shootdown interrupt to one destination.
pub const FIXED: u32 = 1 << 14 | VECTOR as u32;
/// In the low half: to every CPU but this one.
pub const OTHERS: u32 = 0b11 << 18;
/// In the low half, when read: the last command was not accepted yet.
pub const PENDING: u32 = 1 << 12;

/// What a solution of lab 2 is: the type `Student` implements it.
///
/// Both functions send the interrupt to each CPU of `to`, none of which is this one, and to no other; to all others at
/// once by one command. Interrupts may be on or off when they are called, and are the same when they return. Stores
/// made before the call are visible to the handlers that it starts.
pub trait Ring: 'static {
    /// In xAPIC mode. An interrupt handler of this CPU may send too, and leaves its own destination in the register.
    ///
    /// # Errors
    /// [`Stuck`] if the command before was not accepted: then nothing may be written over it.
    fn xapic<M: Machine + CommandRegister>(m: &M, to: CpuSet) -> Result<(), Stuck>;

    /// In x2APIC mode.
    fn x2apic<M: Machine + CommandRegister>(m: &M, to: CpuSet);
}

/// The solution, as what a kernel asks for.
struct Given<S>(core::marker::PhantomData<fn() -> S>);

impl<S: Ring, M: Machine + CommandRegister> shootdown::Transport<M> for Given<S> {
    fn send(&self, m: &M, to: CpuSet) -> Result<(), Stuck> {
        if m.x2apic() {
            S::x2apic(m, to);
            return Ok(());
        }
        S::xapic(m, to)
    }
}

/// How interrupts are sent: the solution's way.
pub fn transport<S: Ring, M: Machine + CommandRegister>() -> Option<Box<dyn shootdown::Transport<M>>>
{
    Some(Box::new(Given::<S>(core::marker::PhantomData)))
}

kit_membership!(Ring);

whole!(
    Ring, Board,
    shoot: |m: &M, board: &Board<M>, request, targets| board.reference.shoot(m, request, targets),
    handle: |m: &M, board: &Board<M>| board.reference.handle(m),
    outstanding: |board: &Board<M>, cpu| board.reference.outstanding(cpu),
    protocol only
);
