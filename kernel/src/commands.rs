//! The shell's commands, carried out.
//!
//! `shell` owns the table, the parsing and how answers look; each function here answers one
//! command. They run on the shell's thread; what must happen on another CPU is a job there.

mod background;
mod bench;
mod fault;
mod inspect;
mod memory;
mod park;
mod run;
mod scoreboard;
mod see;
mod selftest;
mod shoot;
mod stop;
mod storm;
mod system;
mod trace;
mod watch;
mod watchdog;

use crate::{
    boot, console, job, machine, println, programs, protocols, space, thread, transports,
    violations,
};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use shell::notice::{self, Notice};
use shell::observation::Observation;
use shell::report::{Output, Settings, Style};
use shell::{Failure, Invocation, Memory, NameKind, Request, Sink, System, Tty};
use shootdown::{CpuId, CpuSet, SpaceId};
use space::Space;

/// The space that commands mean when they name none.
static IN_USE: AtomicU32 = AtomicU32::new(0);

/// The kernel as the shell sees it.
struct Kernel;

impl System for Kernel {
    fn execute(&mut self, invocation: &Invocation, output: &mut Output<'_>) -> Result<(), Failure> {
        if background::is_due(&invocation.request)? {
            return background::run(invocation, output);
        }
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
            Request::Stop(args) => stop::stop(args, output),
            Request::Resume(args) => stop::resume(args, output),
            Request::Deliver(args) => park::deliver(args, output),
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
            Request::Kpage(args) => memory::kpage(args, output),
            Request::Protect(args) => memory::protect(args, output),
            Request::Read(args) => memory::read(args, output),
            Request::Write(args) => memory::write(args, output),
            Request::Probe(args) => memory::probe(args, output),
            Request::Tlb(args) => see::tlb(args, output),
            Request::Watch(args) => watch::watch(args, output),
            Request::Pcids(args) => inspect::pcids(args, output),
            Request::Witness(args) => see::witness(args, output),
            Request::Run(args) => run::run(args, output),
            Request::Proto(args) => shoot::proto(args, output),
            Request::Transport(args) => shoot::transport(args, output),
            Request::Scoreboard(_) => scoreboard::scoreboard(output),
            Request::Fault(args) => fault::fault(args, output),
            Request::Break(args) => park::set_break(args, output),
            Request::Step(args) => park::step(args, output),
            Request::Continue(args) => park::proceed(args, output),
            Request::Shoot(args) => shoot::shoot(args, output),
            Request::Storm(args) => storm::storm(args, output),
            Request::Selftest(args) => selftest::selftest(args, output),
            Request::Watchdog(args) => watchdog::watchdog(args, output),
            Request::Trace(args) => trace::trace(args, output),
            Request::Bench(args) => bench::bench(args, output),
        }
    }

    fn names(&self, kind: NameKind) -> Vec<String> {
        match kind {
            NameKind::Protocol => protocols::names().map(ToString::to_string).collect(),
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
        machine::started()
    }

    fn violations(&self) -> u64 {
        violations::count()
    }

    fn observations(&mut self) -> Vec<Observation> {
        violations::drain()
    }

    fn notices(&self) -> Vec<Notice> {
        let refused = transports::untold_refusal().map(|refused| {
            let text = format!("a hypercall {refused}: the local APIC has sent its interrupts, and sends all from now on");
            Notice::new(text, Style::Warn)
        });
        refused.into_iter().chain(background::notices()).collect()
    }

    fn excuse(&mut self, violations: u64) {
        violations::excuse(violations);
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

    fn attend(&mut self, running: bool) {
        console::attend(running);
    }

    fn key(&mut self) -> Option<u8> {
        console::key()
    }
}

impl Tty for Serial {
    fn read(&mut self) -> Option<u8> {
        Some(console::read())
    }
}

/// The shell's thread: makes a space to begin with, then runs the script or the prompt.
pub fn shell() {
    thread::adopt_shell();
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
        background::finish();
        notice::show(&Kernel.notices(), &mut Serial, settings);
        boot::end(outcome.passed(), violations::unexpected() > 0);
    }
    println!(
        "boot: ready; `tour` shows a stale translation in a minute, `help` lists the commands"
    );
    shell::interactive(&mut Serial, &mut Kernel, settings, &mut Memory::new());
}

/// Carries out one line that came through gdb, which is not there to type at it.
pub fn from_debugger(line: &str, sink: &mut dyn Sink) {
    let settings = Settings {
        colour: false,
        columns: 80,
        crlf: false,
    };
    // What it failed with was shown.
    let _ = shell::run_line(line, &mut Kernel, sink, settings);
}

/// Uses the protocol of the command line, if there is one of that name.
pub fn use_protocol(name: &str) {
    if protocols::names().any(|known| known == name) {
        protocols::choose(name, false, || ());
    } else {
        println!(
            "boot: no protocol is called `{name}`: there are {}",
            protocols::names().collect::<Vec<_>>().join(", ")
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

/// As [`on`], for work that only looks: a parked CPU does it too. See [`job::look`].
fn look<T: Send + 'static>(
    cpu: CpuId,
    space: Option<&Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    job::look("command", cpu, space.cloned(), work).map_err(no_result)
}

fn no_result(error: job::NoResult) -> Failure {
    let failure = Failure::new(error);
    match error {
        job::NoResult::Parked(cpu) => failure.hint(format_args!("continue {cpu}")),
        job::NoResult::Silent(cpu) => {
            failure.hint(format_args!("backtrace {cpu}, scoreboard, percpu"))
        }
        _ => failure,
    }
}

/// Refuses what only makes sense where a stale translation stays until it is invalidated.
fn shows_staleness() -> Result<(), Failure> {
    if hw::cpuid::kvm() {
        let why = "KVM runs this machine: a host that is itself virtual shadows the page tables, and stale translations \
            may never show";
        return Err(Failure::new(why).hint("cargo kit run, without --accel kvm"));
    }
    Ok(())
}

/// The CPU that acts where a command names none, and the home of the shell's own thread.
const HERE: CpuId = CpuId::BOOT;

/// Has `cpu` do `work` in `space`, as a command.
fn on<T: Send + 'static>(
    cpu: CpuId,
    space: Option<&Arc<Space>>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    job::run("command", cpu, space.cloned(), work).map_err(no_result)
}
