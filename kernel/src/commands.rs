//! The shell's commands, carried out.
//!
//! `shell` owns the table, the parsing and how answers look; each function here answers one
//! command. They run on the shell's thread; what must happen on another CPU is a job there.

mod bench;
mod inspect;
mod memory;
mod run;
mod selftest;
mod shoot;
mod storm;
mod system;

use crate::{boot, console, job, machine, println, programs, protocols, space, violations};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use shell::report::{Output, Settings};
use shell::{Failure, Invocation, Memory, NameKind, Request, Sink, System, Tty};
use shootdown::{CpuId, CpuSet, SpaceId};
use space::Space;

/// The space that commands mean when they name none.
static IN_USE: AtomicU32 = AtomicU32::new(0);

/// The kernel as the shell sees it.
struct Kernel;

impl System for Kernel {
    fn execute(&mut self, invocation: &Invocation, output: &mut Output<'_>) -> Result<(), Failure> {
        let _busy = console::Busy::begin();
        match &invocation.request {
            Request::Version(_) => system::version(output),
            Request::Sleep(args) => system::sleep(args, output),
            Request::Seed(args) => system::seed(args, output),
            Request::Reboot(_) => system::reboot(),
            Request::Quit(args) => system::quit(args),
            Request::Crash(args) => system::crash(args),
            Request::Cpus(_) => inspect::cpus(output),
            Request::Lapic(args) => inspect::lapic(args, output),
            Request::Ipi(args) => shoot::ipi(args, output),
            Request::Mem(_) => inspect::mem(output),
            Request::Regs(args) => inspect::regs(args, output),
            Request::Backtrace(args) => inspect::backtrace(args, output),
            Request::Threads(_) => inspect::threads(output),
            Request::Percpu(args) => inspect::percpu(args, output),
            Request::Stats(args) => inspect::stats(args, output),
            Request::Space(args) => memory::space(args, output),
            Request::Map(args) => memory::map(args, output),
            Request::Unmap(args) => memory::unmap(args, output),
            Request::Remap(args) => memory::remap(args, output),
            Request::Protect(args) => memory::protect(args, output),
            Request::Read(args) => memory::read(args, output),
            Request::Write(args) => memory::write(args, output),
            Request::Probe(args) => memory::probe(args, output),
            Request::Run(args) => run::run(args, output),
            Request::Proto(args) => shoot::proto(args, output),
            Request::Scoreboard(_) => shoot::scoreboard(output),
            Request::Shoot(args) => shoot::shoot(args, output),
            Request::Storm(args) => storm::storm(args, output),
            Request::Selftest(args) => selftest::selftest(args, output),
            Request::Bench(args) => bench::bench(args, output),
        }
    }

    fn names(&self, kind: NameKind) -> Vec<String> {
        match kind {
            NameKind::Protocol => protocols::NAMES
                .iter()
                .map(|name| name.to_string())
                .collect(),
            NameKind::Program => programs::names(),
            NameKind::Bench => bench::names(),
            NameKind::Selftest => selftest::names(),
            NameKind::Space => space::all()
                .iter()
                .map(|space| space.id().0.to_string())
                .collect(),
        }
    }

    fn online(&self) -> CpuSet {
        machine::online()
    }

    fn violations(&self) -> u64 {
        violations::count()
    }
}

/// The serial line as the shell sees it.
struct Serial;

impl Sink for Serial {
    fn write(&mut self, bytes: &[u8]) {
        console::write(bytes);
    }

    fn interrupted(&mut self) -> bool {
        console::interrupted()
    }
}

impl Tty for Serial {
    fn read(&mut self) -> Option<u8> {
        Some(console::read())
    }
}

/// The shell's thread: makes a space to begin with, then runs the script or the prompt.
pub fn shell() {
    let facts = boot::facts();
    if let Some(space) = space::create() {
        IN_USE.store(space.id().0, Relaxed);
    }
    // What was typed before the 8259s were set up has raised its interrupt already: it is lost.
    console::receive();
    let settings = Settings {
        colour: facts.options.colour,
        columns: facts.options.columns,
        crlf: !facts.options.script,
    };
    if facts.options.script {
        println!("boot: ready, {} bytes of script", facts.script.len());
        let outcome = shell::run_script(facts.script, &mut Kernel, &mut Serial, settings);
        boot::end(outcome.passed(), outcome.violations > 0);
    }
    println!(
        "boot: ready; `tour` shows a stale translation in a minute, `help` lists the commands"
    );
    shell::interactive(&mut Serial, &mut Kernel, settings, &mut Memory::new());
}

/// Uses the protocol of the command line, if there is one of that name.
pub fn use_protocol(name: &str) {
    if protocols::NAMES.contains(&name) {
        protocols::choose(name, false, || ());
    } else {
        println!(
            "boot: no protocol is called `{name}`: there are {}",
            protocols::NAMES.join(", ")
        );
    }
}

/// The space that a command means.
fn space_of(id: Option<SpaceId>) -> Result<Arc<Space>, Failure> {
    let id = id.unwrap_or(SpaceId(IN_USE.load(Relaxed)));
    space::find(id).ok_or_else(|| {
        Failure::new(format_args!("there is no address space {id}")).hint("space new")
    })
}

/// Where the shell's own thread runs.
const HERE: CpuId = CpuId::BOOT;

/// Has `cpu` do `work` in `space`, as a command.
fn on<T: Send + 'static>(
    cpu: CpuId,
    space: Option<&Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    job::run("command", cpu, space.cloned(), work).map_err(Failure::new)
}
