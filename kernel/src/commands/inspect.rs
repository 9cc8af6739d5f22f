//! Commands that look.

use super::{HERE, look};
use crate::symbols::{self, Symbolised};
use crate::{boot, machine, panic, park, protocols, space, stop, thread};
use alloc::string::ToString;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::sync::atomic::Ordering::Relaxed;
use hw::percpu::Counter;
use hw::{ap, apic, frames, heap, percpu};
use shell::Failure;
use shell::commands::args;
use shell::report::{Output, Style, Table, Value};
use shootdown::{CpuId, Point, Word};

/// `cpus`
pub fn cpus(output: &mut Output<'_>) -> Result<(), Failure> {
    let facts = boot::facts();
    let threads = thread::views();
    let mut table = Table::new(["cpu", "apic_id", "state", "thread", "space", "queued"]);
    for cpu in machine::started() {
        let local = percpu::of(cpu);
        let running = threads
            .iter()
            .find(|thread| thread.index == local.running_thread());
        let name = running.map_or("?", |thread| thread.name.as_str());
        let state = if stop::stopped().contains(cpu) {
            "stopped"
        } else if park::parked().contains(cpu) {
            "parked"
        } else if name.starts_with("idle") {
            "idle"
        } else {
            "running"
        };
        table.row([
            cpu.into(),
            ap::apic_id(cpu).into(),
            Value::from(state),
            name.into(),
            local.current_space().into(),
            thread::load(cpu).into(),
        ]);
    }
    for &id in &facts.missing {
        table.row([
            Value::nothing(),
            id.into(),
            Value::from("did not come up").styled(Style::Bad),
        ]);
    }
    output.table("cpus", table);
    Ok(())
}

/// `pcids`
pub fn pcids(args: &args::Pcids, output: &mut Output<'_>) -> Result<(), Failure> {
    let (mode, used, cpu) = (
        hw::tlb::mode(),
        boot::facts().addressing,
        hw::cpuid::features(),
    );
    output.field("mode", mode.name());
    for (name, has, used) in [
        ("pcid", Some(cpu.pcid), used.pcid),
        ("invpcid", Some(cpu.invpcid), used.invpcid),
        ("pti", None, used.pti),
    ] {
        let why = match (has, used) {
            (_, true) => "in use",
            (Some(false), _) => "the CPU has none",
            _ => "not asked for",
        };
        output.field(name, why);
    }
    let mut cpus = Table::new(["cpu", "space", "kernel_cr3", "user_cr3", "user_flush"]);
    let mut spaces = Table::new(["cpu", "space", "pcid", "generation", "present", "kept"]);
    let wanted = |cpu: &CpuId| args.cpu.is_none_or(|one| one == *cpu);
    for cpu in machine::started().into_iter().filter(wanted) {
        let local = percpu::of(cpu);
        let (kernel, user) = local.cr3();
        cpus.row([
            cpu.into(),
            local.current_space().into(),
            Value::hex(kernel),
            if used.pti {
                Value::hex(user)
            } else {
                Value::nothing()
            },
            match (mode.has_user_pcid(), local.user_flush_deferred()) {
                (false, _) => Value::nothing(),
                (true, true) => "put off".into(),
                (true, false) => "none due".into(),
            },
        ]);
        if !mode.has_pcid() {
            continue;
        }
        let contexts = space::contexts();
        let present = contexts.present(cpu).peek(Relaxed);
        for space in space::all() {
            let generation = contexts.generation(space.id(), cpu).peek(Relaxed);
            spaces.row([
                cpu.into(),
                space.id().0.into(),
                Value::hex(contexts.pcid(space.id(), cpu).0.into()),
                generation.into(),
                present.into(),
                space::keeps(space.id(), cpu).into(),
            ]);
        }
    }
    output.table("cpus", cpus);
    if mode.has_pcid() {
        output.table("spaces", spaces);
    }
    Ok(())
}

/// `lapic`
pub fn lapic(args: &args::Lapic, output: &mut Output<'_>) -> Result<(), Failure> {
    let cpu = args.cpu.unwrap_or(HERE);
    let (dump, pending) = look(cpu, None, || (apic::dump(), apic::pending()))?;
    output.field("cpu", cpu);
    output.field("mode", boot::facts().apic.to_string());
    output.field("irr", pending.irr.to_string());
    output.field("isr", pending.isr.to_string());
    let mut table = Table::new(["register", "value"]);
    for (name, value) in dump.entries() {
        table.row([name.into(), Value::hex(value)]);
    }
    output.table("registers", table);
    Ok(())
}

/// `mem`
pub fn mem(output: &mut Output<'_>) -> Result<(), Failure> {
    let mut map = Table::new(["start", "end", "kind"]);
    for region in boot::facts().boot.regions() {
        let kind = if region.usable { "RAM" } else { "reserved" };
        map.row([
            Value::hex(region.start),
            Value::hex(region.end),
            kind.into(),
        ]);
    }
    output.table("map", map);
    let usage = frames::usage();
    output.field("frames", usage.total);
    output.field("frames_free", usage.free);
    output.field("frames_used", usage.total - usage.free);
    output.field("poison", Value::hex(frames::POISON));
    output.field("leaked_flushes", shootdown::flush::leaked());
    let (used, size) = heap::usage();
    output.field("heap_bytes", size);
    output.field("heap_used", used);
    Ok(())
}

fn snapshot(cpu: CpuId) -> Result<panic::Snapshot, Failure> {
    let taken = if park::parked().contains(cpu) {
        // Where it stands, or the shell that runs there would show itself.
        park::ask(cpu, move || panic::snapshot(cpu)).unwrap_or(Err("it has just run on"))
    } else {
        panic::snapshot(cpu)
    };
    taken.map_err(|why| Failure::new(format_args!("CPU {cpu}: {why}")))
}

/// `regs`
pub fn regs(args: &args::Regs, output: &mut Output<'_>) -> Result<(), Failure> {
    let cpu = args.cpu.unwrap_or(HERE);
    let frame = snapshot(cpu)?.frame;
    output.field("cpu", cpu);
    for (name, value) in frame.named() {
        output.field(name, Value::hex(value));
    }
    output.field("at", Symbolised(frame.rip).to_string());
    Ok(())
}

/// `backtrace`
pub fn backtrace(args: &args::Backtrace, output: &mut Output<'_>) -> Result<(), Failure> {
    let cpu = args.cpu.unwrap_or(HERE);
    let snapshot = snapshot(cpu)?;
    let mut table = Table::new(["depth", "address"]);
    for (depth, &address) in beneath(cpu, snapshot.calls()).iter().enumerate() {
        table.row([depth.into(), Value::from(Symbolised(address).to_string())]);
    }
    output.field("cpu", cpu);
    output.field("interrupts_enabled", snapshot.frame.interrupts_enabled());
    output.table("calls", table);
    Ok(())
}

/// Of the calls of `cpu`, those that led it to the point at which it is parked, if it is.
fn beneath(cpu: CpuId, calls: &[u64]) -> &[u64] {
    let parks = |&address: &u64| {
        symbols::find(address).is_some_and(|(name, _)| name.contains("kernel::points"))
    };
    match calls.iter().rposition(parks) {
        Some(last) if park::parked().contains(cpu) => &calls[last + 1..],
        _ => calls,
    }
}

/// `threads`
pub fn threads(output: &mut Output<'_>) -> Result<(), Failure> {
    let mut table = Table::new([
        "thread", "name", "state", "cpu", "affinity", "pins", "space", "switches",
    ]);
    for view in thread::views() {
        table.row([
            view.index.into(),
            view.name.into(),
            view.state.into(),
            view.cpu.into(),
            view.affinity.and(machine::online()).into(),
            view.pins.into(),
            view.space.into(),
            view.switches.into(),
        ]);
    }
    output.table("threads", table);
    Ok(())
}

/// `percpu`
pub fn percpu(args: &args::Percpu, output: &mut Output<'_>) -> Result<(), Failure> {
    let columns = [
        "cpu",
        "thread",
        "space",
        "critical",
        "owed",
        "addr1",
        "addr2",
        "request_space",
        "generation",
        "operation",
        "outstanding",
    ];
    let mut table = Table::new(columns);
    for cpu in machine::online()
        .into_iter()
        .filter(|&cpu| args.cpu.is_none_or(|only| only == cpu))
    {
        let local = percpu::of(cpu);
        let mut row: Vec<Value> = vec![
            cpu.into(),
            local.running_thread().into(),
            local.current_space().into(),
            local.critical_depth().into(),
            local.preemption_owed().into(),
        ];
        match protocols::request(cpu) {
            Some(request) => row.extend([
                Value::hex(request.addr1),
                Value::hex(request.addr2),
                request.space.into(),
                request.generation.into(),
                request
                    .operation()
                    .map_or("?", |operation| operation.name())
                    .into(),
            ]),
            None => row.extend([(); 5].map(|()| Value::nothing())),
        }
        row.push(protocols::outstanding(cpu).into());
        table.row(row);
    }
    output.table("percpu", table);
    Ok(())
}

/// `stats`
pub fn stats(args: &args::Stats, output: &mut Output<'_>) -> Result<(), Failure> {
    let online = machine::online();
    let mut columns = vec!["count".to_string()];
    columns.extend(online.into_iter().map(|cpu| format!("cpu{cpu}")));
    let mut table = Table::new(columns);
    let points = Point::ALL.map(|point| (point.name(), Source::Point(point)));
    let counters = Counter::NAMES.map(|(counter, name)| (name, Source::Counter(counter)));
    for (name, source) in points.into_iter().chain(counters) {
        let counts: Vec<u64> = online.into_iter().map(|cpu| source.of(cpu)).collect();
        if counts.iter().any(|&count| count > 0) {
            let mut row: Vec<Value> = vec![name.into()];
            row.extend(counts.into_iter().map(Value::from));
            table.row(row);
        }
    }
    output.table("stats", table);
    output.field("spurious_8259", hw::pic::spurious());
    if args.reset {
        online.into_iter().for_each(|cpu| percpu::of(cpu).reset());
        output.note("every count is 0 again");
    }
    Ok(())
}

/// Where a count comes from.
#[derive(Clone, Copy)]
enum Source {
    Point(Point),
    Counter(Counter),
}

impl Source {
    fn of(self, cpu: CpuId) -> u64 {
        match self {
            Source::Point(point) => percpu::of(cpu).passed(point),
            Source::Counter(counter) => percpu::of(cpu).counted(counter),
        }
    }
}
