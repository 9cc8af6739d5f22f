//! Commands on address spaces: mapping, and looking through chosen TLBs.

use super::{HERE, IN_USE, look, on, shows_staleness, space_of};
use crate::space::{self, Error, Shoot, Space};
use crate::{ledger, machine, points, protocols, stop, witness};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::sync::atomic::Ordering::Relaxed;
use evidence::Kind;
use hw::frames::POISON;
use hw::paging::kpage::KPAGE;
use hw::paging::{MapError, Rights, USER_END};
use hw::phys::PAGE_SIZE;
use hw::{clock, probe};
use shell::Failure;
use shell::commands::{Access, SpaceAction, args};
use shell::report::{Output, Style, Table, Value};
use shootdown::{CpuId, CpuSet, SpaceId};

fn rights(access: Access) -> Rights {
    match access {
        Access::ReadOnly => Rights::USER_READ,
        Access::ReadWrite => Rights::USER_WRITE,
    }
}

/// Why `from` could not change a space.
pub fn refused(error: Error, from: CpuId) -> Failure {
    match error {
        Error::Map(error @ MapError::NotMapped) => Failure::new(error).hint("map ADDRESS"),
        Error::Map(error @ MapError::Mapped) => {
            Failure::new(error).hint("remap ADDRESS, or unmap it first")
        }
        Error::Map(error) => Failure::new(error),
        Error::Abandoned => Failure::new(format_args!(
            "the shootdown was given up: CPUs {} have not acknowledged; the old frames are lost",
            protocols::outstanding(from)
        )),
    }
}

fn when(noshoot: bool) -> Result<Shoot, Failure> {
    if noshoot {
        shows_staleness()?;
        return Ok(Shoot::Later);
    }
    Ok(Shoot::Now)
}

/// `space`
pub fn space(args: &args::Space, output: &mut Output<'_>) -> Result<(), Failure> {
    match (args.action, args.id) {
        (SpaceAction::New, _) => {
            let space = space::create().ok_or_else(|| {
                Failure::new(format_args!(
                    "no address space is free (at most {})",
                    hw::paging::MAX_SPACES - 1
                ))
                .hint("space drop ID")
            })?;
            IN_USE.store(space.id().0, Relaxed);
            output.field("space", space.id());
            output.note(format_args!(
                "address space {} is in use from now on",
                space.id()
            ));
        }
        (SpaceAction::Use, Some(id)) => {
            IN_USE.store(space_of(Some(id))?.id().0, Relaxed);
            output.field("space", id);
        }
        (SpaceAction::Drop, Some(id)) => {
            retire(id)?;
            output.note(format_args!("address space {id} and its frames are gone"));
        }
        _ => list(output),
    }
    Ok(())
}

fn list(output: &mut Output<'_>) {
    let in_use = IN_USE.load(Relaxed);
    let mut table = Table::new(["space", "in_use", "active_on", "pages", "kept_back"]);
    for space in space::all() {
        table.row([
            space.id().into(),
            (space.id().0 == in_use).into(),
            space::active(space.id()).into(),
            space.pages().len().into(),
            space.kept_back().into(),
        ]);
    }
    output.table("spaces", table);
}

/// Has every CPU that still uses the space's tables leave them, then frees it all.
///
/// # Errors
/// Who still uses it.
pub fn retire(id: SpaceId) -> Result<(), Failure> {
    space::retire(id).map_err(|in_use| {
        let who = if witness::watched() == Some(id) {
            return Failure::new(format_args!("witnesses watch address space {id}"))
                .hint("witness stop");
        } else if in_use.threads {
            "threads are in it".to_string()
        } else {
            format!("active on CPUs {}", in_use.active)
        };
        Failure::new(format_args!("address space {id} is still used: {who}")).hint("threads")
    })
}

/// `map`
pub fn map(args: &args::Map, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let (page, pages, rights) = (args.address.get(), args.pages, rights(args.access));
    let inside = space.clone();
    let from = args.from.unwrap_or(HERE);
    let made = on(from, None, move || inside.map(page, pages, rights))?;
    let tag = made.map_err(|error| refused(error, from))?;
    output.field("address", Value::hex(page));
    output.field("pages", pages);
    output.field("space", space.id());
    output.field("first_tag", tag);
    Ok(())
}

/// `unmap`
pub fn unmap(args: &args::Unmap, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let (page, pages, shoot) = (args.address.get(), args.pages, when(args.noshoot)?);
    change(&space, args.from, move |space| {
        space.unmap(page, pages, shoot)
    })?;
    output.field("address", Value::hex(page));
    output.field("pages", pages);
    say_shot(&space, args.noshoot, output);
    Ok(())
}

/// `remap`
pub fn remap(args: &args::Remap, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let (page, pages, shoot) = (args.address.get(), args.pages, when(args.noshoot)?);
    let tags = change(&space, args.from, move |space| {
        (0..pages)
            .map(|number| space.remap(page + number * PAGE_SIZE, shoot))
            .try_fold(0, |first, tag| {
                let tag = tag?;
                Ok(if first == 0 { tag } else { first })
            })
    })?;
    output.field("address", Value::hex(page));
    output.field("pages", pages);
    output.field("first_tag", tags);
    say_shot(&space, args.noshoot, output);
    Ok(())
}

/// `kpage`
pub fn kpage(args: &args::Kpage, output: &mut Output<'_>) -> Result<(), Failure> {
    let shoot = when(args.noshoot)?;
    let change = move || space::change_kernel_page(shoot);
    let from = args.from.unwrap_or(HERE);
    let tag = on(from, None, change)?.map_err(|error| refused(error, from))?;
    output.field("address", Value::hex(KPAGE));
    output.field("first_tag", tag);
    if args.noshoot {
        output.styled_note(
            Style::Warn,
            "no TLB was told: every CPU may still hold the old translation",
        );
    }
    Ok(())
}

/// `protect`
pub fn protect(args: &args::Protect, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let (page, pages, shoot) = (args.address.get(), args.pages, when(args.noshoot)?);
    let rights = rights(args.access);
    change(&space, args.from, move |space| {
        space.protect(page, pages, rights, shoot)
    })?;
    output.field("address", Value::hex(page));
    output.field("pages", pages);
    say_shot(&space, args.noshoot, output);
    Ok(())
}

/// Changes `space` on the CPU that is to act.
fn change<T: Send + 'static>(
    space: &Arc<Space>,
    from: Option<CpuId>,
    change: impl FnOnce(&Space) -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    let inside = space.clone();
    let from = from.unwrap_or(HERE);
    on(from, None, move || change(&inside))?.map_err(|error| refused(error, from))
}

fn say_shot(space: &Space, noshoot: bool, output: &mut Output<'_>) {
    let active = space::active(space.id());
    if noshoot && active.is_empty() {
        output.note("the space is active on no CPU: no TLB holds anything of it");
    } else if noshoot {
        output.styled_note(
            Style::Warn,
            format_args!("no TLB was told: CPUs {active} may still hold the old translation"),
        );
    } else {
        let stopped = active.and(stop::stopped());
        output.field("shot_down_on", active.minus(stopped));
        if !stopped.is_empty() {
            output.note(format_args!(
                "CPUs {stopped} are stopped: they were not asked, and flush when they resume"
            ));
        }
    }
}

/// What `address` holds, whatever the TLB of the CPU that was asked says: by way of the page table, but for
/// the kernel's own mappings that do not change.
fn truth(space: &Space, address: u64) -> Option<u64> {
    if address < USER_END {
        return space.look(address);
    }
    space::look_at_kernel_page(address).or_else(|| probe::read(address).ok())
}

/// Refuses an address that is not ring 3's.
fn ring_3s(address: u64, what: &str) -> Result<(), Failure> {
    if address < USER_END {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{address:#x} is the kernel's, which is not {what}"
    ))
    .expected("an address below 0x800000000000"))
}

/// What a read through a TLB found, against what the page table says.
fn judge(seen: u64, truth: Option<u64>) -> Value {
    match truth {
        Some(truth) if truth == seen => Value::from("fresh").styled(Style::Good),
        _ if seen == POISON => Value::from("STALE: a freed frame").styled(Style::Bad),
        Some(_) => Value::from("STALE").styled(Style::Bad),
        None => Value::from("STALE: no longer mapped").styled(Style::Bad),
    }
}

/// `read`
pub fn read(args: &args::Read, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let address = args.address.get();
    let cpus = args
        .on
        .map_or(CpuSet::only(HERE), |on| on.resolve(HERE, machine::online()));
    let mut table = Table::new(["cpu", "value", "page_table_says", "verdict"]);
    let mut fault = None;
    for cpu in cpus {
        let inside = space.clone();
        let (at, seen) = look(cpu, Some(&space), move || {
            let (at, seen) = (clock::raw(), probe::read(address));
            if let (Ok(seen), true) = (seen, address < USER_END) {
                let truth = inside.look(address).unwrap_or(0);
                points::note(
                    Kind::Read,
                    points::page_operand(address, u64::from(inside.id().0)),
                    seen << 32 | truth & 0xffff_ffff,
                );
            }
            (at, seen)
        })?;
        let truth = truth(&space, address);
        let read = seen.ok().map(|seen| ledger::Read {
            at,
            fresh: truth == Some(seen),
            hit: false,
        });
        note_read(&space, cpu, address, read);
        let truth_value = truth.map_or(Value::from("not mapped"), Value::hex);
        match seen {
            Ok(seen) => table.row([
                cpu.into(),
                Value::hex(seen),
                truth_value,
                judge(seen, truth),
            ]),
            Err(error) => {
                let verdict = Value::from(format!("page fault: {error}")).styled(Style::Warn);
                table.row([cpu.into(), Value::nothing(), truth_value, verdict]);
                fault.get_or_insert((cpu, error));
            }
        }
    }
    output.table("reads", table);
    match fault {
        Some((cpu, error)) => Err(Failure::new(format_args!(
            "CPU {cpu} took a page fault reading {address:#x}: {error}"
        ))
        .hint("map ADDRESS")),
        None => Ok(()),
    }
}

/// `write`
pub fn write(args: &args::Write, output: &mut Output<'_>) -> Result<(), Failure> {
    let space = space_of(args.space)?;
    let (address, value, cpu) = (args.address.get(), args.value, args.on.unwrap_or(HERE));
    ring_3s(address, "written from the shell")?;
    look(cpu, Some(&space), move || probe::write(address, value))?.map_err(|error| {
        Failure::new(format_args!(
            "CPU {cpu} could not write {address:#x}: {error}"
        ))
        .hint("protect ADDRESS rw")
    })?;
    output.field("cpu", cpu);
    output.field("address", Value::hex(address));
    output.field("value", Value::hex(value));
    if space.look(address) != Some(value) {
        output.styled_note(
            Style::Bad,
            "the write went through a stale translation: the page table leads elsewhere",
        );
    }
    Ok(())
}

/// `probe`
pub fn probe(args: &args::Probe, output: &mut Output<'_>) -> Result<(), Failure> {
    shows_staleness()?;
    let space = space_of(args.space)?;
    let address = args.address.get();
    ring_3s(address, "probed")?;
    if space.entry(address).is_none() {
        return Err(Failure::new(format_args!(
            "{address:#x} is not mapped: there is no accessed bit to look at"
        ))
        .hint("map ADDRESS"));
    }
    let mut table = Table::new(["cpu", "tlb"]);
    for cpu in args.on.resolve(HERE, machine::online()) {
        // A CPU that has not entered the space cannot hold its translations.
        let active = space::active(space.id()).contains(cpu);
        let held = active && residency(&space, cpu, address)?.is_some_and(|read| read.hit);
        table.row([
            cpu.into(),
            if held {
                Value::from("holds it")
            } else {
                Value::from("miss").styled(Style::Dim)
            },
        ]);
    }
    output.table("probe", table);
    Ok(())
}

/// Whether `cpu` loads `address` without a walk of the page tables: the accessed bit, cleared
/// before, stays clear; and what it finds. `None` if it takes a page fault. The ledger is told.
pub fn residency(
    space: &Arc<Space>,
    cpu: CpuId,
    address: u64,
) -> Result<Option<ledger::Read>, Failure> {
    let inside = space.clone();
    let read = look(cpu, Some(space), move || {
        let at = clock::raw();
        let mapped = inside.clear_accessed(address).is_ok();
        let seen = probe::read(address).ok()?;
        let walked = inside
            .entry(address)
            .is_some_and(|entry| mapped && entry.accessed());
        Some(ledger::Read {
            at,
            fresh: inside.look(address) == Some(seen),
            hit: !walked,
        })
    })?;
    note_read(space, cpu, address, read);
    Ok(read)
}

/// Tells the ledger what a read of ring 3's memory found.
fn note_read(space: &Space, cpu: CpuId, address: u64, read: Option<ledger::Read>) {
    if let Some(read) = read.filter(|_| address < USER_END) {
        let page = address & !(PAGE_SIZE - 1);
        space.history().read(page, cpu, read);
    }
}
