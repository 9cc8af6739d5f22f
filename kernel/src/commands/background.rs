//! Commands while CPUs are parked, or may be.
//!
//! Such a command may have to wait for a parked CPU, which is to be let go by the next command. So
//! it runs in a thread of its own, and the shell waits only until it is clear that a CPU stands. A
//! command left behind goes on in the background; its answer is shown when it ends.

use super::{HERE, Kernel};
use crate::{console, machine, park, thread, witness};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use hw::clock::Deadline;
use hw::sync::IrqLock;
use shell::commands::{Choice, CpuSelection, WitnessAction, args};
use shell::fault::Subject;
use shell::notice::Notice;
use shell::report::{Output, Report, Style};
use shell::{Failure, Invocation, Request, Sink, System};
use shootdown::CpuSet;

/// How long the shell waits for a command while a CPU is parked, in microseconds of the machine's
/// time: a shootdown takes tens.
const PATIENCE_US: u64 = 20_000;
/// After a CPU was parked, how long it waits for others to be parked, in microseconds.
const SETTLE_US: u64 = 2_000;

type Outcome = (Report, Result<(), Failure>);

/// A command that runs in a thread of its own.
struct Command {
    line: String,
    ended: AtomicBool,
    outcome: IrqLock<Option<Outcome>>,
}

impl Command {
    fn is_over(&self) -> bool {
        self.ended.load(Acquire)
    }

    /// What came of it, once it is over.
    fn outcome(&self) -> Outcome {
        self.outcome.lock().take().unwrap_or_else(|| {
            let failure = Failure::new("its thread ended without an answer");
            (Report::new(), Err(failure))
        })
    }
}

/// Ends a command, however its thread ends.
struct End(Arc<Command>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended.store(true, Release);
        console::nudge();
        thread::wake_shell();
    }
}

/// The commands that were left behind and not told of, the oldest first.
static LEFT: IrqLock<Vec<Arc<Command>>> = IrqLock::new(Vec::new());

/// Swallows what is written.
struct Nowhere;

impl Sink for Nowhere {
    fn write(&mut self, _: &[u8]) {}

    fn interrupted(&mut self) -> bool {
        console::interrupted()
    }
}

/// Whether a command is to run in a thread of its own: it may wait for CPUs that are, or will be,
/// parked.
///
/// # Errors
/// It cannot run at all with breaks set or CPUs parked.
pub fn is_due(request: &Request) -> Result<bool, Failure> {
    if !park::engaged() || !thread::is_shell() {
        return Ok(false);
    }
    if matches!(request, Request::Selftest(_) | Request::Bench(_)) {
        return Err(Failure::new(
            "with breaks set, or CPUs parked, it would not end, or measure nothing",
        )
        .hint("break clear, continue"));
    }
    // With every CPU parked nothing can wait for one: each refuses at once, or answers from where
    // it stands.
    Ok(!only_looks(request) && !free().is_empty())
}

/// The CPUs that run threads.
fn free() -> CpuSet {
    machine::online().minus(park::parked())
}

/// Whether a command waits for nobody who may be parked or wait for a parked CPU.
fn only_looks(request: &Request) -> bool {
    let stand = |cpus: CpuSet| cpus.minus(park::parked()).is_empty();
    let all_stand = |on: CpuSelection| stand(on.resolve(HERE, machine::online()));
    match request {
        Request::Break(_) | Request::Step(_) | Request::Continue(_) => true,
        Request::Deliver(_) => true,
        Request::Version(_) | Request::Seed(_) | Request::Reboot(_) | Request::Quit(_) => true,
        Request::Cpus(_) | Request::Mem(_) | Request::Threads(_) | Request::Stats(_) => true,
        Request::Percpu(_) | Request::Scoreboard(_) | Request::Trace(_) => true,
        Request::Regs(_) | Request::Backtrace(_) | Request::Sleep(_) => true,
        Request::Tlb(args) => !args.confirm || all_stand(args.on),
        Request::Watch(args) => !args.busy,
        Request::Witness(args) => args.action == WitnessAction::Status,
        Request::Fault(args) => args.subject.name() != Subject::Clear.name(),
        Request::Lapic(args) => stand(CpuSet::only(args.cpu.unwrap_or(HERE))),
        Request::Read(args) => all_stand(args.on.unwrap_or(CpuSelection::Only(CpuSet::only(HERE)))),
        Request::Write(args::Write { on, .. }) => stand(CpuSet::only(on.unwrap_or(HERE))),
        Request::Probe(args) => all_stand(args.on),
        _ => false,
    }
}

/// Carries out `invocation` in a thread of its own, and waits for it as long as makes sense.
///
/// # Errors
/// What it failed with; nothing if it is left in the background.
pub fn run(invocation: &Invocation, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut watch = Watch::begin();
    let command = start(invocation, output)?;
    let seen = watch.wait(|| command.is_over());
    if seen == Seen::Done {
        let (report, result) = command.outcome();
        output.append(report);
        return result;
    }
    output.field("background", true);
    output.field("parked", park::parked());
    output.note(format_args!(
        "`{}` goes on in the background; its answer comes when it ends",
        invocation.line
    ));
    LEFT.lock().push(command);
    Ok(())
}

fn start(invocation: &Invocation, output: &Output<'_>) -> Result<Arc<Command>, Failure> {
    let command = Arc::new(Command {
        line: invocation.line.clone(),
        ended: AtomicBool::new(false),
        outcome: IrqLock::new(None),
    });
    let (invocation, settings, json) = (invocation.clone(), output.settings(), output.json());
    let end = End(command.clone());
    let body = move || {
        thread::float();
        let end = end;
        let mut sink = Nowhere;
        let mut kept = Output::keeping(&mut sink, settings, json);
        let result = Kernel.execute(&invocation, &mut kept);
        *end.0.outcome.lock() = Some((kept.into_report(), result));
    };
    // Where the shell is, unless it would not run there.
    let cpus = if thread::is_free(HERE) {
        CpuSet::only(HERE)
    } else {
        free()
    };
    thread::spawn("command", cpus, None, body).map_err(Failure::new)?;
    Ok(command)
}

/// Why the shell waits no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// What was waited for has come about.
    Done,
    /// CPUs were parked meanwhile, or it takes long and some are parked.
    Parked,
    /// Ctrl-C was typed.
    Interrupted,
}

/// A wait that ends when CPUs are parked.
pub struct Watch {
    /// How often CPUs had been parked.
    arrivals: u64,
    began: Deadline,
    settled: Option<Deadline>,
}

impl Watch {
    /// Before whatever may have CPUs parked.
    pub fn begin() -> Watch {
        Watch {
            arrivals: park::arrivals(),
            began: Deadline::after_us(PATIENCE_US),
            settled: None,
        }
    }

    /// Waits until `done`, or it is clear that it may not come about by itself.
    pub fn wait(&mut self, mut done: impl FnMut() -> bool) -> Seen {
        loop {
            if done() {
                return Seen::Done;
            }
            if self.is_over() {
                return Seen::Parked;
            }
            if console::interrupted() {
                return Seen::Interrupted;
            }
            thread::doze();
        }
    }

    fn is_over(&mut self) -> bool {
        let arrivals = park::arrivals();
        if arrivals != self.arrivals {
            self.arrivals = arrivals;
            self.settled = Some(Deadline::after_us(SETTLE_US));
        }
        self.settled.is_some_and(Deadline::expired)
            || (self.began.expired() && !park::parked().is_empty())
    }
}

/// Waits until `done`, but not for long, whatever CPUs are parked.
pub fn wait_a_little(mut done: impl FnMut() -> bool) {
    let deadline = Deadline::after_us(PATIENCE_US);
    while !done() && !deadline.expired() && !console::interrupted() {
        thread::doze();
    }
}

/// Waits a moment for commands in the background that are about to end.
pub fn settle() {
    let deadline = Deadline::after_us(SETTLE_US);
    while !is_idle() && !deadline.expired() {
        thread::doze();
    }
}

/// Whether no command runs in the background.
pub fn is_idle() -> bool {
    LEFT.lock().iter().all(|command| command.is_over())
}

/// Waits until no command runs in the background, or a CPU is parked, or Ctrl-C is typed.
pub fn finish() {
    let _ = Watch::begin().wait(is_idle);
}

/// What a person is to be told: which commands have ended, which CPUs are parked.
pub fn notices() -> Vec<Notice> {
    let mut notices = Vec::new();
    for command in take_ended() {
        let (report, result) = command.outcome();
        notices.push(Notice {
            text: format!("`{}` has ended:", command.line),
            style: Style::Strong,
            report,
            failure: result.err(),
        });
    }
    notices.extend(witness::untold().map(|found| Notice::new(found, Style::Bad)));
    notices.extend(
        park::untold()
            .into_iter()
            .map(|parked| Notice::new(format!("{parked}: {}", parked.doing()), Style::Warn)),
    );
    notices
}

fn take_ended() -> Vec<Arc<Command>> {
    let mut left = LEFT.lock();
    let (ended, running) = core::mem::take(&mut *left)
        .into_iter()
        .partition(|command| command.is_over());
    *left = running;
    ended
}
