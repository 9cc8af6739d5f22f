//! [`Machine`] as `gdbstub` wants to see it.

use crate::machine::{Access, Machine, Plan};
use crate::registers::{self, Number, Register, Values, X86};
use core::convert::Infallible;
use core::fmt::{self, Write};
use core::num::NonZeroUsize;
use gdbstub::common::{Pid, Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadResume, MultiThreadSchedulerLocking,
    MultiThreadSingleStep,
};
use gdbstub::target::ext::base::single_register_access::SingleRegisterAccess;
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwWatchpoint, SwBreakpoint, WatchKind,
};
use gdbstub::target::ext::exec_file::ExecFile;
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd};
use gdbstub::target::ext::section_offsets::{Offsets, SectionOffsets};
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverride;
use gdbstub::target::ext::thread_extra_info::ThreadExtraInfo;
use gdbstub::target::{Target, TargetError, TargetResult};
use shootdown::{CpuId, CpuSet};

/// EFAULT, as gdb numbers it.
const FAULT: u8 = 14;

/// A machine for the length of one stop.
pub struct Adapter<'m, M> {
    pub machine: &'m mut M,
    /// What the last resuming packet asked for.
    pub plan: Plan,
    /// CPUs that it named to go on.
    named: CpuSet,
    locked: bool,
    /// Addresses are physical.
    pub physical: bool,
}

/// CPU `cpu` as gdb numbers threads, which is from 1 on.
pub fn thread_of(cpu: CpuId) -> Tid {
    NonZeroUsize::MIN.saturating_add(cpu.index())
}

impl<'m, M: Machine> Adapter<'m, M> {
    pub fn new(machine: &'m mut M, physical: bool) -> Self {
        Adapter {
            machine,
            plan: Plan::default(),
            named: CpuSet::EMPTY,
            locked: false,
            physical,
        }
    }

    /// The CPU behind a thread's number, if there is such a one.
    fn cpu(&self, tid: Tid) -> Result<CpuId, TargetError<Infallible>> {
        CpuId::new(tid.get() - 1)
            .filter(|&cpu| self.machine.cpus().contains(cpu))
            .ok_or(TargetError::NonFatal)
    }

    /// Whose page tables an address is meant in.
    fn view(&self, tid: Tid) -> Result<Option<CpuId>, TargetError<Infallible>> {
        if self.physical {
            Ok(None)
        } else {
            self.cpu(tid).map(Some)
        }
    }
}

impl<M: Machine> Target for Adapter<'_, M> {
    type Arch = X86;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, X86, Infallible> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(
        &mut self,
    ) -> Option<gdbstub::target::ext::breakpoints::BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(
        &mut self,
    ) -> Option<gdbstub::target::ext::monitor_cmd::MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_section_offsets(
        &mut self,
    ) -> Option<gdbstub::target::ext::section_offsets::SectionOffsetsOps<'_, Self>> {
        Some(self)
    }

    fn support_exec_file(
        &mut self,
    ) -> Option<gdbstub::target::ext::exec_file::ExecFileOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<
        gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverrideOps<
            '_,
            Self,
        >,
    > {
        Some(self)
    }
}

impl<M: Machine> MultiThreadBase for Adapter<'_, M> {
    fn read_registers(&mut self, values: &mut Values, tid: Tid) -> TargetResult<(), Self> {
        let cpu = self.cpu(tid)?;
        values.0 = Register::ALL.map(|register| self.machine.register(cpu, register));
        Ok(())
    }

    fn write_registers(&mut self, values: &Values, tid: Tid) -> TargetResult<(), Self> {
        let cpu = self.cpu(tid)?;
        for (register, &value) in Register::ALL.into_iter().zip(&values.0) {
            if let Some(value) = value
                && self.machine.register(cpu, register) != Some(value)
            {
                self.machine
                    .set_register(cpu, register, value)
                    .map_err(|_| TargetError::NonFatal)?;
            }
        }
        Ok(())
    }

    fn support_single_register_access(
        &mut self,
    ) -> Option<
        gdbstub::target::ext::base::single_register_access::SingleRegisterAccessOps<'_, Tid, Self>,
    > {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let view = self.view(tid)?;
        match self.machine.read(view, start, data) {
            0 => Err(TargetError::Errno(FAULT)),
            read => Ok(read),
        }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let view = self.view(tid)?;
        self.machine
            .write(view, start, data)
            .map_err(|_| TargetError::Errno(FAULT))
    }

    /// The current one first: gdb takes that for the one that stopped.
    fn list_active_threads(&mut self, visit: &mut dyn FnMut(Tid)) -> Result<(), Infallible> {
        let current = self.machine.current();
        visit(thread_of(current));
        for cpu in self.machine.cpus().without(current) {
            visit(thread_of(cpu));
        }
        Ok(())
    }

    fn support_resume(
        &mut self,
    ) -> Option<gdbstub::target::ext::base::multithread::MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(
        &mut self,
    ) -> Option<gdbstub::target::ext::thread_extra_info::ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl<M: Machine> SingleRegisterAccess<Tid> for Adapter<'_, M> {
    fn read_register(
        &mut self,
        tid: Tid,
        number: Number,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let cpu = self.cpu(tid)?;
        let Number::Known(register) = number else {
            return Ok(0);
        };
        Ok(match self.machine.register(cpu, register) {
            Some(value) => {
                buffer.copy_from_slice(&value.to_le_bytes()[..register.size()]);
                register.size()
            }
            None => 0,
        })
    }

    fn write_register(&mut self, tid: Tid, number: Number, bytes: &[u8]) -> TargetResult<(), Self> {
        let cpu = self.cpu(tid)?;
        let Number::Known(register) = number else {
            return Err(TargetError::NonFatal);
        };
        register
            .value(bytes)
            .and_then(|value| self.machine.set_register(cpu, register, value))
            .map_err(|_| TargetError::NonFatal)
    }
}

impl<M: Machine> MultiThreadResume for Adapter<'_, M> {
    /// A CPU that the packet does not name goes on, unless it names those that do.
    fn resume(&mut self) -> Result<(), Infallible> {
        let named = self.named.or(self.plan.step);
        self.plan.run = if self.locked {
            named
        } else {
            self.machine.cpus()
        };
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Infallible> {
        self.plan = Plan::default();
        self.named = CpuSet::EMPTY;
        self.locked = false;
        Ok(())
    }

    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        _signal: Option<Signal>,
    ) -> Result<(), Infallible> {
        if let Ok(cpu) = self.cpu(tid) {
            self.named = self.named.with(cpu);
        }
        Ok(())
    }

    fn support_single_step(
        &mut self,
    ) -> Option<gdbstub::target::ext::base::multithread::MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(
        &mut self,
    ) -> Option<gdbstub::target::ext::base::multithread::MultiThreadRangeSteppingOps<'_, Self>>
    {
        Some(self)
    }

    fn support_scheduler_locking(
        &mut self,
    ) -> Option<gdbstub::target::ext::base::multithread::MultiThreadSchedulerLockingOps<'_, Self>>
    {
        Some(self)
    }
}

impl<M: Machine> MultiThreadSingleStep for Adapter<'_, M> {
    fn set_resume_action_step(
        &mut self,
        tid: Tid,
        _signal: Option<Signal>,
    ) -> Result<(), Infallible> {
        if let Ok(cpu) = self.cpu(tid) {
            self.plan.step = self.plan.step.with(cpu);
        }
        Ok(())
    }
}

impl<M: Machine> MultiThreadRangeStepping for Adapter<'_, M> {
    fn set_resume_action_range_step(
        &mut self,
        tid: Tid,
        start: u64,
        end: u64,
    ) -> Result<(), Infallible> {
        self.plan.range = Some((start, end));
        self.set_resume_action_step(tid, None)
    }
}

impl<M: Machine> MultiThreadSchedulerLocking for Adapter<'_, M> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Infallible> {
        self.locked = true;
        Ok(())
    }
}

impl<M: Machine> ThreadExtraInfo for Adapter<'_, M> {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let mut out = Window::new(0, buffer);
        if let Ok(cpu) = self.cpu(tid) {
            // What does not fit is cut off.
            let _ = self.machine.describe(cpu, &mut out);
        }
        Ok(out.filled)
    }
}

impl<M: Machine> Breakpoints for Adapter<'_, M> {
    fn support_sw_breakpoint(
        &mut self,
    ) -> Option<gdbstub::target::ext::breakpoints::SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(
        &mut self,
    ) -> Option<gdbstub::target::ext::breakpoints::HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(
        &mut self,
    ) -> Option<gdbstub::target::ext::breakpoints::HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<M: Machine> SwBreakpoint for Adapter<'_, M> {
    fn add_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        let cpu = self.machine.current();
        Ok(self.machine.insert_breakpoint(cpu, address).is_ok())
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self.machine.remove_breakpoint(address).is_ok())
    }
}

impl<M: Machine> HwBreakpoint for Adapter<'_, M> {
    fn add_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self
            .machine
            .insert_watch(address, 1, Access::Execute)
            .is_ok())
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _kind: usize) -> TargetResult<bool, Self> {
        Ok(self
            .machine
            .remove_watch(address, 1, Access::Execute)
            .is_ok())
    }
}

/// What the machine can watch for: not reads alone.
fn access(kind: WatchKind) -> Option<Access> {
    match kind {
        WatchKind::Write => Some(Access::Write),
        WatchKind::ReadWrite => Some(Access::ReadWrite),
        WatchKind::Read => None,
    }
}

impl<M: Machine> HwWatchpoint for Adapter<'_, M> {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        bytes: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        Ok(access(kind).is_some_and(|access| {
            let watched = self.machine.insert_watch(address, bytes, access);
            watched.is_ok()
        }))
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        bytes: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        Ok(access(kind).is_some_and(|access| {
            let watched = self.machine.remove_watch(address, bytes, access);
            watched.is_ok()
        }))
    }
}

impl<M: Machine> MonitorCmd for Adapter<'_, M> {
    fn handle_monitor_cmd(
        &mut self,
        command: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), Infallible> {
        let mut lines = Lines::new(&mut out);
        match core::str::from_utf8(command) {
            Ok(command) => self.machine.monitor(command.trim(), &mut lines),
            // Nothing can be done about an answer that is not sent.
            Err(_) => drop(lines.write_str("the command is no text\n")),
        }
        lines.flush();
        Ok(())
    }
}

impl<M: Machine> SectionOffsets for Adapter<'_, M> {
    /// The kernel runs where it is linked.
    fn get_section_offsets(&mut self) -> Result<Offsets<u64>, Infallible> {
        Ok(Offsets::Sections {
            text: 0,
            data: 0,
            bss: Some(0),
        })
    }
}

impl<M: Machine> ExecFile for Adapter<'_, M> {
    fn get_exec_file(
        &self,
        _pid: Option<Pid>,
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let start = usize::try_from(offset).map_err(|_| TargetError::NonFatal)?;
        let bytes = (start..usize::MAX).map_while(|index| self.machine.exec_file(index));
        let mut filled = 0;
        for (place, byte) in buffer.iter_mut().take(length).zip(bytes) {
            *place = byte;
            filled += 1;
        }
        Ok(filled)
    }
}

impl<M: Machine> TargetDescriptionXmlOverride for Adapter<'_, M> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let start = usize::try_from(offset).map_err(|_| TargetError::NonFatal)?;
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let room = length.min(buffer.len());
        let mut out = Window::new(start, &mut buffer[..room]);
        // It ends early where the window does.
        let _ = registers::describe(&mut out);
        Ok(out.filled)
    }
}

/// Gathers a line, so that it is one packet.
struct Lines<'o, 'c> {
    out: &'o mut ConsoleOutput<'c>,
    line: [u8; 256],
    length: usize,
}

impl<'o, 'c> Lines<'o, 'c> {
    fn new(out: &'o mut ConsoleOutput<'c>) -> Self {
        Lines {
            out,
            line: [0; 256],
            length: 0,
        }
    }

    fn flush(&mut self) {
        if self.length > 0 {
            self.out.write_raw(&self.line[..self.length]);
            self.length = 0;
        }
    }
}

impl Write for Lines<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            self.line[self.length] = byte;
            self.length += 1;
            if byte == b'\n' || self.length == self.line.len() {
                self.flush();
            }
        }
        Ok(())
    }
}

/// The part of a text that begins at a place and fits a buffer.
struct Window<'b> {
    skip: usize,
    buffer: &'b mut [u8],
    filled: usize,
}

impl<'b> Window<'b> {
    fn new(skip: usize, buffer: &'b mut [u8]) -> Self {
        Window {
            skip,
            buffer,
            filled: 0,
        }
    }
}

impl Write for Window<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let skipped = self.skip.min(text.len());
        self.skip -= skipped;
        let rest = &text.as_bytes()[skipped..];
        let room = &mut self.buffer[self.filled..];
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.filled += count;
        if count == rest.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
