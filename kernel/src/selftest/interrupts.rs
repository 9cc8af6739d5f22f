//! Who is who, and bare interrupts.

use super::Unmet;
use super::scene::{ensure, last_cpu, on, others_and_last, spin_until};
use crate::{job, machine, transports};
use alloc::format;
use hw::interrupts::Off;
use hw::percpu::{self, Counter};
use hw::{ap, apic};
use machine::TEST;
use shell::commands::TransportName;
use shootdown::{CpuId, CpuSet};

pub fn identity() -> Result<(), Unmet> {
    for cpu in machine::online() {
        let (found, apic) = on(cpu, None, || (percpu::cpu(), apic::id()))?;
        ensure!(found == cpu, "CPU {cpu} takes itself for CPU {found}");
        ensure!(
            apic == ap::apic_id(cpu),
            "CPU {cpu} has APIC id {apic}, not {}",
            ap::apic_id(cpu)
        );
        let area = percpu::of(cpu);
        ensure!(
            on(cpu, None, percpu::thread)? < crate::thread::MAX_THREADS,
            "CPU {cpu} runs a thread of no table"
        );
        ensure!(
            !area.preemption_owed() || area.critical_depth() > 0 || cpu == CpuId::BOOT,
            "CPU {cpu} owes a preemption"
        );
    }
    Ok(())
}

fn answers() -> impl Iterator<Item = (CpuId, u64)> {
    machine::online()
        .into_iter()
        .map(|cpu| (cpu, percpu::of(cpu).counted(Counter::TestIpis)))
}

/// Sends to `targets` from `from`, and compares what each CPU has counted.
fn send(from: CpuId, targets: CpuSet) -> Result<(), Unmet> {
    let before: alloc::vec::Vec<_> = answers().collect();
    on(from, None, move || job::test(targets))?
        .map_err(|silent| format!("CPUs {silent} did not answer CPU {from}"))?;
    for ((cpu, after), (_, before)) in answers().zip(before) {
        let expected = u64::from(targets.contains(cpu));
        ensure!(
            after - before == expected,
            "CPU {cpu} took {} interrupts, not {expected}",
            after - before
        );
    }
    Ok(())
}

pub fn ipi() -> Result<(), Unmet> {
    let (others, last) = others_and_last(1)?;
    for from in [CpuId::BOOT, last] {
        let targets = machine::online().without(from);
        for target in targets {
            send(from, CpuSet::only(target))?;
        }
        send(from, targets)?;
    }
    // Neither one nor all: an ICR write for each.
    send(last, others)
}

pub fn refused() -> Result<(), Unmet> {
    if !transports::by_hypercall() {
        return Err(Unmet::Skipped("needs KVM's hypercall"));
    }
    let (_, last) = others_and_last(1)?;
    let targets = machine::online().without(last);
    transports::spoil_next();
    let sent = send(last, targets);
    let refused = transports::untold_refusal();
    let sends_by_apic = !transports::by_hypercall();
    transports::choose(TransportName::Kvm)?;
    sent?;
    ensure!(refused.is_some(), "KVM took a call with a shorthand");
    ensure!(sends_by_apic, "a hypercall that is refused is still in use");
    send(last, targets)
}

/// How often a vector is sent while interrupts are off.
const SENT: u64 = 3;

pub fn irr() -> Result<(), Unmet> {
    on(last_cpu(), None, || {
        let me = percpu::cpu();
        let taken = || percpu::of(me).counted(Counter::TestIpis);
        let before = taken();
        let off = Off::new();
        for _ in 0..SENT {
            machine::send_one(me, TEST);
        }
        let accepted = spin_until(|| apic::pending().irr.contains(TEST.number()));
        let pending = apic::pending();
        let early = taken() - before;
        drop(off);
        let taken_once = spin_until(|| taken() - before > 0);
        let after = apic::pending();
        ensure!(accepted, "IRR does not show the interrupt: {}", pending.irr);
        ensure!(
            !pending.isr.contains(TEST.number()),
            "ISR shows an interrupt that cannot be in service: {}",
            pending.isr
        );
        ensure!(
            early == 0,
            "{early} interrupts were taken while they were off"
        );
        ensure!(
            taken_once && taken() - before == 1,
            "{} interrupts were taken for {SENT} sent while they were off, not 1",
            taken() - before
        );
        let vector = TEST.number();
        ensure!(
            !after.irr.contains(vector) && !after.isr.contains(vector),
            "the interrupt is over, but IRR is {}, ISR {}",
            after.irr,
            after.isr
        );
        Ok(())
    })?
}
