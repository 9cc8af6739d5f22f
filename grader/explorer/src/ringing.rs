//! The local APIC's command register, where the code that sends is explored.

use crate::calls::Call;
use crate::host::{self, Host, HostWord, Ringing};
use crate::machine::{Machine, id};
use crate::op::{GIVEN_UP, Op, WordId};
use crate::scene::Scene;
use crate::state::{Fault, State};
use crate::violation::Violation;
use core::sync::atomic::Ordering::Relaxed;
use serde::{Deserialize, Serialize};
use shootdown::transport::VECTOR;
use shootdown::{CommandRegister, CpuId, CpuSet, Destination, Machine as _, Plain, Stuck, Word};

/// Of the lower half: the last command was not accepted yet.
const PENDING: u32 = 1 << 12;
/// Of the lower half: what a solution may set. Vector, level "assert", shorthand.
const ALLOWED: u32 = 0xff | 1 << 14 | 0b11 << 18;

/// A scene in which the code that sends is explored.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Apic {
    /// The local APICs are in x2APIC mode.
    pub x2apic: bool,
    /// A command stays pending for a while.
    pub slow: bool,
    /// The last command of CPU 0 stays pending for ever.
    pub stuck: bool,
    /// How often an interrupt arrives whose handler sends to its own CPU.
    pub disturbances: u8,
    /// A send to all others is to be one command.
    pub shorthand: bool,
}

/// Where the command registers are.
#[derive(Clone, Debug)]
pub(crate) struct RingWords {
    /// By CPU: bits 0 to 31.
    pub low: Vec<WordId>,
    /// By CPU: bits 32 to 63. Nobody reads them but the APIC.
    pub high: Vec<WordId>,
}

impl RingWords {
    /// The words as they are at the start.
    pub fn prepare(&self, scene: &Scene, memory: &mut [u64]) {
        if scene.apic.is_some_and(|apic| apic.stuck)
            && let Some(first) = self.low.first()
        {
            memory[usize::from(first.0)] = PENDING.into();
        }
    }

    pub fn name(&self, word: WordId) -> Option<String> {
        let cpu = self.low.iter().position(|low| *low == word)?;
        Some(format!("the command register of CPU {cpu}"))
    }
}

/// The command registers, by CPU.
pub(crate) struct Registers {
    /// Bits 0 to 31.
    pub low: Vec<HostWord<u32, Plain>>,
    /// Bits 32 to 63.
    high: Vec<HostWord<u32, Plain>>,
}

impl Registers {
    pub fn new(host: &Host, cpus: usize) -> Self {
        let word = |_| host.word(0);
        Registers {
            low: (0..cpus).map(word).collect(),
            high: (0..cpus).map(word).collect(),
        }
    }

    pub fn words(&self) -> RingWords {
        let ids = |all: &[HostWord<u32, Plain>]| all.iter().map(HostWord::id).collect();
        RingWords {
            low: ids(&self.low),
            high: ids(&self.high),
        }
    }
}

/// The APIC id of a CPU: not its number, so that one is not taken for the other.
pub(crate) const fn apic_id(cpu: usize) -> u32 {
    2 * cpu as u32 + 1
}

/// To whom a command of CPU `me` goes.
pub(crate) fn targets(low: u32, destination: u32, me: usize, cpus: usize) -> CpuSet {
    let all = CpuSet::first(cpus);
    match low >> 18 & 0b11 {
        0b00 => (0..cpus)
            .filter(|&cpu| apic_id(cpu) == destination)
            .map(id)
            .collect(),
        0b01 => CpuSet::only(id(me)),
        0b10 => all,
        _ => all.without(id(me)),
    }
}

/// Whether a command has the bits that it must have, and no others.
///
/// # Errors
/// Which are wrong.
pub(crate) fn allowed(low: u32) -> Result<(), String> {
    if low & 0xff != u32::from(VECTOR) {
        let vector = low & 0xff;
        return Err(format!(
            "the command {low:#x} has vector {vector}, not {VECTOR}"
        ));
    }
    if low & !ALLOWED != 0 {
        let set = low & !ALLOWED;
        return Err(format!(
            "the command {low:#x} sets bits {set:#x}, which must be 0"
        ));
    }
    Ok(())
}

/// Whether `commands`, destinations and lower halves, send from `me` to `to` and no others.
///
/// # Errors
/// What they do instead.
pub(crate) fn judge(
    apic: Apic,
    cpus: usize,
    me: CpuId,
    to: CpuSet,
    commands: &[(u32, u32)],
) -> Result<(), String> {
    let mut sent = CpuSet::EMPTY;
    for &(high, low) in commands {
        let destination = if apic.x2apic { high } else { high >> 24 };
        for cpu in targets(low, destination, me.index(), cpus) {
            sent = sent.with(cpu);
        }
    }
    if sent != to {
        return Err(format!(
            "send: was to go to CPUs {to}, and its commands name CPUs {sent}"
        ));
    }
    let everyone = to == CpuSet::first(cpus).without(me) && to.len() > 1;
    if everyone && apic.shorthand && commands.len() != 1 {
        return Err(format!(
            "send: {} commands reach everyone else, where the shorthand does by one",
            commands.len()
        ));
    }
    Ok(())
}

/// Ends the call where a rule is broken.
fn insist(kept: Result<(), String>) {
    if let Err(broken) = kept {
        panic!("{broken}");
    }
}

const fn on(enabled: bool) -> &'static str {
    if enabled { "on" } else { "off" }
}

impl Host {
    /// Sends to `to`, and nothing else.
    pub(crate) fn ring(&self, to: CpuSet, masked: bool) {
        if masked {
            self.disable_interrupts();
        }
        self.send(Destination::Each(to));
        if masked {
            self.enable_interrupts();
        }
    }

    /// Sends by the code that is explored, and looks at what it wrote.
    pub(crate) fn send_by(&self, ringing: &Ringing, to: CpuSet) {
        let before = self.interrupts_enabled();
        self.note_send(to);
        let outcome = ringing.transport.send(self, to);
        let after = self.interrupts_enabled();
        assert!(
            before == after,
            "send: interrupts were {} before and are {} afterwards",
            on(before),
            on(after)
        );
        if outcome == Err(Stuck) {
            assert!(
                ringing.apic.stuck,
                "send: says that a command is stuck, and it was only late"
            );
            self.says_stuck();
        }
        self.judge_commands(ringing.apic, to);
    }

    fn judge_commands(&self, apic: Apic, to: CpuSet) {
        let (me, commands) = (self.me(), self.commands());
        insist(judge(apic, self.online().len(), me, to, &commands));
    }
}

impl CommandRegister for Host {
    fn x2apic(&self) -> bool {
        host::ringing().is_some_and(|ringing| ringing.apic.x2apic)
    }

    fn apic_id(&self, cpu: CpuId) -> u32 {
        apic_id(cpu.index())
    }

    #[track_caller]
    fn write_high(&self, high: u32) {
        assert!(
            !self.x2apic(),
            "write_high: the local APIC is in x2APIC mode"
        );
        assert!(
            high & 0x00ff_ffff == 0,
            "write_high: bits 0 to 23 are reserved, and must be 0: the destination is in bits 24 to 31"
        );
        self.set_high(high);
        self.ask(Op::IcrHigh(high));
    }

    #[track_caller]
    fn write_low(&self, low: u32) {
        assert!(
            !self.x2apic(),
            "write_low: the local APIC is in x2APIC mode"
        );
        insist(allowed(low));
        self.note_command(low);
        self.ask(Op::IcrLow(low));
    }

    #[track_caller]
    fn read_low(&self) -> u32 {
        assert!(!self.x2apic(), "read_low: the local APIC is in x2APIC mode");
        let ringing = host::ringing().expect("a scene with a command register");
        ringing.low[self.me().index()].peek(Relaxed)
    }

    #[track_caller]
    fn write_msr(&self, command: u64) {
        assert!(self.x2apic(), "write_msr: the local APIC is in xAPIC mode");
        insist(allowed(command as u32));
        self.set_high((command >> 32) as u32);
        self.note_command(command as u32);
        self.ask(Op::IcrWide(command));
    }

    #[track_caller]
    fn wait_briefly<F: FnMut() -> bool>(&self, mut condition: F) -> Result<(), Stuck> {
        self.ask(Op::SpinStart);
        if condition() {
            return Ok(());
        }
        host::only_looked();
        if self.ask(Op::SpinAgain { resends: false }) == GIVEN_UP {
            return Err(Stuck);
        }
        self.ask(Op::SpinResume);
        unreachable!("a wait is taken up at its start")
    }
}

impl Machine<'_> {
    fn pending(&self, state: &State, cpu: usize) -> bool {
        let Some(words) = &self.ring_words else {
            return false;
        };
        self.value(state.memory(words.low[cpu])) as u32 & PENDING != 0
    }

    /// Whether the command that is pending there may be accepted now.
    pub(crate) fn accepts(&self, state: &State, cpu: usize) -> bool {
        let stuck = self.scene.apic.is_some_and(|apic| apic.stuck) && cpu == 0;
        !stuck && self.pending(state, cpu)
    }

    pub(crate) fn accept(&mut self, state: &mut State, cpu: usize) {
        if let Some(words) = &self.ring_words {
            let low = words.low[cpu];
            let idle = self.number(0);
            state.set_memory(low, idle);
        }
    }

    /// Whether an interrupt whose handler sends may come to `cpu` now, while its thread is in the kernel.
    pub(crate) fn disturbs(&self, state: &State, cpu: usize) -> bool {
        let l = &self.layout;
        let Some(apic) = self.scene.apic.filter(|_| self.ring_words.is_some()) else {
            return false;
        };
        state.faults(l, Fault::Disturbed) < u16::from(apic.disturbances)
            && !state.masked(l, cpu)
            && state.handler(l, cpu).is_none()
            && state.running(l, cpu).is_some()
            && !self.pending(state, cpu)
    }

    /// The handler sends to its own CPU: what it leaves in the register is that.
    pub(crate) fn disturb(&mut self, state: &mut State, cpu: usize) {
        let l = self.layout;
        if let Some(words) = &self.ring_words {
            let (high, low) = (words.high[cpu], words.low[cpu]);
            let own = self.number(u64::from(apic_id(cpu) << 24));
            state.set_memory(high, own);
            if self.scene.apic.is_some_and(|apic| apic.slow) {
                let pending = self.number(PENDING.into());
                state.set_memory(low, pending);
            }
        }
        state.note_fault(&l, Fault::Disturbed);
    }

    /// A write to the command register that must not be: the command before is still pending.
    pub(crate) fn overwritten(&self, state: &State, cpu: usize, op: Op) -> Result<(), Violation> {
        if matches!(op, Op::IcrLow(_)) && self.pending(state, cpu) {
            return Err(Violation::Panic {
                cpu: id(cpu),
                message: "a command is written over one that is still pending".into(),
            });
        }
        Ok(())
    }

    /// Writes to the command register, and sends. In xAPIC mode after what is in the store buffer.
    pub(crate) fn command(&mut self, state: &mut State, cpu: usize, op: Op) {
        let l = self.layout;
        let Some(words) = &self.ring_words else {
            return;
        };
        let (low_word, high_word) = (words.low[cpu], words.high[cpu]);
        let sent = match op {
            Op::IcrHigh(high) => {
                state.drain(&l, cpu);
                let high = self.number(high.into());
                return state.set_memory(high_word, high);
            }
            Op::IcrLow(low) => {
                state.drain(&l, cpu);
                let destination = self.value(state.memory(high_word)) as u32 >> 24;
                let slow = self.scene.apic.is_some_and(|apic| apic.slow);
                let status = self.number(if slow { PENDING.into() } else { 0 });
                state.set_memory(low_word, status);
                targets(low, destination, cpu, l.cpus)
            }
            Op::IcrWide(command) => targets(command as u32, (command >> 32) as u32, cpu, l.cpus),
            _ => return,
        };
        for target in sent {
            state.set_irr(&l, target.index(), true);
        }
    }
}

/// What a call that only sends has done, for people.
pub(crate) fn words(call: Call) -> Option<String> {
    let Call::Ring { to, masked } = call else {
        return None;
    };
    let off = if masked { ", interrupts off" } else { "" };
    let to = CpuSet::from_bits(to.into());
    Some(format!("has sent to CPUs {to}{off}"))
}
