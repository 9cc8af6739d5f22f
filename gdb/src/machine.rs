//! What the stub needs of the world: a port, and a machine whose CPUs stand still.

use crate::registers::Register;
use core::fmt;
use shootdown::{CpuId, CpuSet};

/// What a port has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// A byte.
    Byte(u8),
    /// Nothing yet.
    Nothing,
    /// Nothing, and never will again.
    Closed,
}

/// A serial port that is asked over and over.
pub trait Port {
    /// The next byte, if it is there.
    fn receive(&mut self) -> Received;
    /// Sends all of `bytes`, however long it takes.
    fn send(&mut self, bytes: &[u8]);
}

/// What is watched for at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// An instruction about to be executed.
    Execute,
    /// A write.
    Write,
    /// A read or a write.
    ReadWrite,
}

/// What a read through a TLB found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probed {
    /// Whether the TLB held the page.
    pub hit: bool,
    /// The word.
    pub value: u64,
}

/// The machine did not do what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

/// A machine whose CPUs stand still, but for the one that talks.
///
/// Nothing here may wait for a CPU, or for a lock that a stopped CPU may hold.
pub trait Machine {
    /// The CPUs that can be looked at.
    fn cpus(&self) -> CpuSet;

    /// The CPU that gdb is to look at first.
    fn current(&self) -> CpuId;

    /// Says in a few words what `cpu` is doing.
    fn describe(&self, cpu: CpuId, out: &mut dyn fmt::Write) -> fmt::Result;

    /// The value of a register; `None` if it is not known.
    fn register(&self, cpu: CpuId, register: Register) -> Option<u64>;

    /// Changes a register.
    ///
    /// # Errors
    /// [`Refused`]: it cannot be changed, or not to that.
    fn set_register(&mut self, cpu: CpuId, register: Register, value: u64) -> Result<(), Refused>;

    /// Reads memory as `cpu`'s page tables show it, or physical memory without a `cpu`. Returns how
    /// many bytes could be read, from the first on.
    fn read(&self, cpu: Option<CpuId>, address: u64, buffer: &mut [u8]) -> usize;

    /// Writes memory likewise, all of it or nothing.
    ///
    /// # Errors
    /// [`Refused`]: not all of it is memory.
    fn write(&mut self, cpu: Option<CpuId>, address: u64, bytes: &[u8]) -> Result<(), Refused>;

    /// Sets a software breakpoint, as `cpu`'s page tables show the address; to take effect when CPUs
    /// run. Twice is the same as once.
    ///
    /// # Errors
    /// [`Refused`].
    fn insert_breakpoint(&mut self, cpu: CpuId, address: u64) -> Result<(), Refused>;

    /// Undoes [`insert_breakpoint`](Machine::insert_breakpoint).
    ///
    /// # Errors
    /// [`Refused`]: there is none.
    fn remove_breakpoint(&mut self, address: u64) -> Result<(), Refused>;

    /// Watches `bytes` bytes on every CPU.
    ///
    /// # Errors
    /// [`Refused`]: the machine cannot watch so much.
    fn insert_watch(&mut self, address: u64, bytes: u64, access: Access) -> Result<(), Refused>;

    /// Undoes [`insert_watch`](Machine::insert_watch).
    ///
    /// # Errors
    /// [`Refused`]: there is no such one.
    fn remove_watch(&mut self, address: u64, bytes: u64, access: Access) -> Result<(), Refused>;

    /// Has `cpu` read the word at `address`, a multiple of 8, through its own TLB, and tell whether
    /// that held the page. `None` if the page is not mapped. A miss fills the TLB.
    fn probe(&mut self, cpu: CpuId, address: u64) -> Option<Probed>;

    /// Removes every breakpoint and every watch: gdb is gone, or a new one has come.
    fn forget(&mut self);

    /// Carries out a command of `monitor`, or sees to it that it will be; says so to `out`.
    fn monitor(&mut self, command: &str, out: &mut dyn fmt::Write);

    /// The path of the kernel's file on gdb's host, byte by byte; `None` behind its end.
    fn exec_file(&self, index: usize) -> Option<u8>;
}

/// Why the machine stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Somebody asked for it: a signal's number.
    Signal(u8),
    /// A software breakpoint.
    Breakpoint,
    /// An [`Access::Execute`] watch.
    HardwareBreakpoint,
    /// Something at an address was accessed as it was watched for.
    Watch(u64, Access),
    /// A step is done.
    Step,
}

/// A stop, as it is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stop {
    /// Where.
    pub cpu: CpuId,
    /// Why.
    pub reason: Reason,
}

impl Stop {
    /// SIGINT, as gdb numbers it.
    pub const INTERRUPT: u8 = 2;
    /// SIGTRAP.
    pub const TRAP: u8 = 5;
}

/// How the machine is to run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// The CPUs that run, those that step included; the others keep standing.
    pub run: CpuSet,
    /// The CPUs that stop after one instruction.
    pub step: CpuSet,
    /// For those that step: they stop only once they are outside these addresses, the second
    /// exclusive.
    pub range: Option<(u64, u64)>,
}
