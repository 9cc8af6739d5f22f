//! What each action does.

use super::slots::Armed;
use super::{held, nmi, pending, recipients};
use crate::machine::{self, RESCHEDULE, SHOOTDOWN};
use crate::points::{self, Operation, Verdict};
use crate::{places, protocols, space, thread};
use core::hint::spin_loop;
use evidence::Kind;
use hw::apic::{self, Icr};
use hw::percpu::{self, Counter};
use hw::{ap, clock, interrupts};
use shell::fault::Action;
use shootdown::{self, CpuId, CpuSet, Destination, PAGE_SIZE, Request, SpaceId};

/// Whether `action` can do anything about `operation` on `me`: else it does not fire.
pub fn applies(action: Action, operation: &Operation<'_>, me: CpuId) -> bool {
    match (action, operation) {
        (Action::NoDrain, _) => pending::has_served(me),
        (Action::LateAcknowledge, _) => !pending::has_invalidated(me),
        (Action::Short, Operation::Invalidate(request)) => shorter(request).is_some(),
        (Action::WrongOperation, Operation::Invalidate(request)) => lesser(request).is_some(),
        (Action::Nmi, Operation::Invalidate(request)) => {
            shorter(request).is_some() && request.space_id().0 == percpu::space()
        }
        (Action::Migrate, _) => interrupts::are_enabled(),
        _ => true,
    }
}

/// Does what `armed` says about `operation` on `me`; says what is left for the machine to do.
pub fn perform(armed: &Armed, operation: &Operation<'_>, me: CpuId) -> Verdict {
    match (armed.action, operation) {
        (Action::Delay, _) => delay(armed.ticks),
        (Action::Migrate, _) => thread::carry_off(armed.to),
        (Action::Wrap, _) => return Verdict::Store(0),
        (_, &Operation::Send(to)) => return send(armed, to, me),
        (Action::Transpose | Action::WrongColumn, &Operation::Store { word, .. }) => {
            zero_elsewhere(armed, word, me);
        }
        (Action::InterruptsOff, _) => {
            points::note(Kind::InterruptsOff, 0, 0);
            interrupts::disable();
            pending::of(me).masked = true;
            return Verdict::Go;
        }
        (Action::InterruptsOn, _) => take_interrupts(armed.ticks),
        (Action::AcknowledgeEarly, _) => acknowledge_early(me),
        (Action::NoEoi, _) => pending::withhold_eoi(me),
        (_, Operation::Invalidate(request)) => return invalidate(armed, request, me),
        (Action::LatePublish, &Operation::Store { value, .. }) => {
            pending::of(me).late_publish = Some((value, armed.ticks));
        }
        (Action::LateAcknowledge, &Operation::Store { value, .. }) => {
            pending::of(me).late_acknowledge = Some(value as u32);
        }
        (Action::Twice, &Operation::Store { value, .. }) => {
            let mut state = pending::of(me);
            state.twice = state.serving.map(|initiator| (initiator, value as u32));
        }
        (Action::LateActivate, &Operation::Store { word, .. }) => {
            if let Some(space) = space::with_active_set_at(word) {
                pending::enter_later(me, space, armed.ticks);
            }
        }
        _ => {}
    }
    verdict(armed.action)
}

/// What is left to be done where [`perform`] has nothing special to say.
const fn verdict(action: Action) -> Verdict {
    match action {
        Action::LatePublish
        | Action::SkipGeneration
        | Action::SkipZero
        | Action::Transpose
        | Action::WrongColumn
        | Action::SkipWait
        | Action::NoDrain
        | Action::Overlook
        | Action::SkipAcknowledge
        | Action::LateAcknowledge
        | Action::SkipActivate
        | Action::LateActivate => Verdict::Skip,
        _ => Verdict::Go,
    }
}

/// Spins for `ticks`, interrupts as they are.
pub fn delay(ticks: u64) {
    let start = clock::now();
    loop {
        let left = ticks.saturating_sub(clock::now().saturating_sub(start));
        match left {
            0 => return,
            1..LAST => spin_loop(),
            _ => clock::compute(),
        }
    }
}

/// How many ticks at the end of a [`delay`] are waited for in short turns, which end at the right moment.
const LAST: u64 = 2000;

/// Takes interrupts for `ticks` where there should be none, but no preemption: the scheduler may be
/// in the middle of a switch.
fn take_interrupts(ticks: u64) {
    percpu::enter_critical();
    interrupts::enable();
    delay(ticks);
    interrupts::disable();
    hw::sync::leave_critical();
}

/// Clears another slot than the one at `word`.
fn zero_elsewhere(armed: &Armed, word: usize, me: CpuId) {
    let Some(target) = places::of(word).and_then(|place| place.target) else {
        return;
    };
    let other = match armed.action {
        Action::Transpose => protocols::slot_word(me, target),
        _ => protocols::slot_word(target, armed.to),
    };
    if let Some(slot) = other {
        slot.poke(0);
    }
}

fn acknowledge_early(me: CpuId) {
    let Some(initiator) = pending::serving(me) else {
        return;
    };
    if let (Some(slot), Some(request)) = (
        protocols::slot_word(me, initiator),
        protocols::request(initiator),
    ) {
        slot.poke(request.generation);
        pending::of(me).acknowledged_early = true;
    }
}

/// What goes wrong with a send to `to`.
fn send(armed: &Armed, to: Destination, me: CpuId) -> Verdict {
    let all = recipients(to, me);
    let chosen = if armed.peers.is_empty() {
        all
    } else {
        all.and(armed.peers)
    };
    match armed.action {
        Action::Duplicate => send_to(chosen),
        Action::Reread => {
            let space = protocols::request(me).map_or(SpaceId::KERNEL, |view| SpaceId(view.space));
            send_to(space::active(space).and(machine::online()).without(me));
            return Verdict::Skip;
        }
        Action::Drop => {
            send_to(all.minus(chosen));
            return Verdict::Skip;
        }
        Action::Hold => {
            send_to(all.minus(chosen));
            held::keep(chosen);
            return Verdict::Skip;
        }
        Action::Misdirect => {
            send_to(all.minus(chosen));
            chosen
                .into_iter()
                .for_each(|_| send_to(CpuSet::only(armed.to)));
            return Verdict::Skip;
        }
        Action::Torn => {
            send_to(all.minus(chosen));
            chosen.into_iter().for_each(|cpu| send_torn(cpu, armed.to));
            return Verdict::Skip;
        }
        _ => {}
    }
    Verdict::Go
}

fn send_to(cpus: CpuSet) {
    if !cpus.is_empty() {
        let sent = machine::send(Destination::Each(cpus), SHOOTDOWN);
        percpu::count(Counter::IpisSent, sent);
    }
}

/// Sends to `cpu`, with a rescheduling interrupt to `other` between the two writes.
fn send_torn(cpu: CpuId, other: CpuId) {
    let icr = |cpu, vector| Icr::fixed(apic::Destination::Cpu(ap::apic_id(cpu)), vector);
    percpu::count(Counter::IpisSent, 1);
    percpu::count(Counter::IcrWrites, 2);
    let how = u64::from(SHOOTDOWN.number());
    points::note(Kind::Ipi, CpuSet::only(other).bits(), how);
    if let Err(error) = apic::send_torn(icr(cpu, SHOOTDOWN), icr(other, RESCHEDULE)) {
        panic!(
            "CPU {}: a torn IPI was not accepted: {error}",
            percpu::cpu()
        );
    }
}

/// What goes wrong with the performing of `request`.
fn invalidate(armed: &Armed, request: &Request, me: CpuId) -> Verdict {
    match armed.action {
        Action::SkipInvalidate => Verdict::Skip,
        Action::Short => shorter(request).map_or(Verdict::Go, |rest| {
            rest.map_or(Verdict::Skip, Verdict::Invalidate)
        }),
        Action::WrongOperation => lesser(request).map_or(Verdict::Go, Verdict::Invalidate),
        Action::LateInvalidate => {
            pending::invalidate_later(me, request, armed.ticks);
            Verdict::Skip
        }
        Action::Nmi => {
            nmi::read_in_window(request, me);
            Verdict::Skip
        }
        _ => Verdict::Go,
    }
}

/// `request` without its last page; `Some(None)` if that was its only one, `None` if it is not
/// about pages.
fn shorter(request: &Request) -> Option<Option<Request>> {
    use shootdown::Operation::{Page, Range};
    match request.operation() {
        Page => Some(None),
        Range => {
            let end = request.end().wrapping_sub(PAGE_SIZE);
            Some(Request::range(request.space_id(), request.start(), end).ok())
        }
        _ => None,
    }
}

/// The next lesser operation that one could take for `request`'s.
fn lesser(request: &Request) -> Option<Request> {
    use shootdown::Operation::{Cache, Global, Page, Range, Space};
    match request.operation() {
        // A space of ring 3's: the kernel's would be all of them again.
        Global => Some(Request::space(SpaceId(hw::percpu::space().max(1)))),
        Range => Request::page(request.space_id(), request.start()).ok(),
        Page | Space => Some(Request::cache()),
        Cache => None,
    }
}
