//! gdb: which exceptions are its affair, who talks to it, and how CPUs run on.
//!
//! The protocol is in the crate `gdb_stub`, stopping in [`stop`]. One CPU at a time
//! *leads*: it stops the others, then answers gdb's questions from COM2, polling it, until gdb lets
//! CPUs run. A byte that comes in while they run raises an NMI on CPU 0, so gdb gets through to a
//! machine whose interrupts are off or that hangs; while only some run, the lowest CPU that stands
//! polls.
//!
//! Nothing here waits for a lock that a stopped CPU may hold.

mod monitor;
mod view;

use crate::options::Options;
use crate::{machine, println, stop};
use core::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use gdb_stub::{Access, Ending, Plan, Port, Reason, Received, Stop, Stub, Wish};
use hw::boot::BootInfo;
use hw::debug::{self, TRAP, breakpoints, watch};
use hw::entry::Frame;
use hw::exit::{Status, exit};
use hw::sync::IrqLock;
use hw::uart::COM2;
use hw::{acpi, ap, apic, clock, ioapic, percpu};
use shootdown::{CpuId, CpuSet, MAX_CPUS};
use spin::Mutex;

pub use monitor::kick;

/// Held by the leader only.
static STUB: Mutex<Stub> = Mutex::new(Stub::new());
/// Whether there is a port for gdb.
static LISTENING: AtomicBool = AtomicBool::new(false);
/// Whether gdb is there, as far as one can know.
static ATTACHED: AtomicBool = AtomicBool::new(false);

/// The CPUs that stop after an instruction.
static STEPPING: AtomicU64 = AtomicU64::new(0);
/// The addresses that a stepping CPU has to leave before it stops; none if they are equal.
static RANGE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Events that another CPU's stop came before; reported when gdb next lets that CPU run. Breakpoints
/// are not among them: the instruction is executed again.
static UNREPORTED: [IrqLock<Option<Reason>>; MAX_CPUS] = [const { IrqLock::new(None) }; MAX_CPUS];

/// The signal that this CPU's next INT3 of its own stands for, 0 for none.
static RAISED: [AtomicU32; MAX_CPUS] = [const { AtomicU32::new(0) }; MAX_CPUS];

/// SIGABRT, as gdb numbers it.
const ABORTED: u8 = 6;

/// The port, polled.
struct Com2;

impl Port for Com2 {
    fn receive(&mut self) -> Received {
        match COM2.poll() {
            Some(byte) => Received::Byte(byte),
            None => {
                core::hint::spin_loop();
                Received::Nothing
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        COM2.write_polled(bytes);
    }
}

/// Looks whether there is a port for gdb, and prepares for it. Once, after the heap.
pub fn init(boot: &BootInfo, options: &Options) {
    if COM2.init().is_err() {
        return;
    }
    COM2.interrupt_on_data(false);
    debug::init(boot);
    view::set_exec_file(options.exec);
    LISTENING.store(true, Release);
}

/// Lets gdb through from now on; waits for it first if the options say so. Once the protocols are
/// ready, before other CPUs start.
pub fn open(platform: &acpi::Platform, options: &Options) {
    if !LISTENING.load(Acquire) {
        if options.gdb_wait {
            println!("boot: gdb=wait is left out: there is no second serial port");
        }
        return;
    }
    if ioapic::route_as_nmi(platform, COM2.irq(), ap::apic_id(CpuId::BOOT)).is_err() {
        println!("boot: gdb cannot interrupt this machine: its I/O APIC was not found");
    }
    if options.gdb_wait {
        println!("boot: waiting for gdb on the second serial port");
        raise(Stop::TRAP);
    } else {
        COM2.interrupt_on_data(true);
    }
}

/// Has gdb's commands carried out. Once, when threads can be made.
pub fn start() {
    if LISTENING.load(Acquire) {
        monitor::start();
    }
}

/// Whether gdb is there, as far as one can know.
pub fn attached() -> bool {
    ATTACHED.load(Acquire)
}

/// Enters the debugger here.
fn raise(signal: u8) {
    let _off = hw::interrupts::Off::new();
    RAISED[percpu::cpu().index()].store(u32::from(signal), Release);
    debug::trap();
}

/// Something happened that a person would like to look at: stops the machine here, and says `what`,
/// if gdb is there. In any context but an NMI.
pub fn event(what: &str) {
    if takes_over() {
        monitor::say(what);
        raise(Stop::TRAP);
    }
}

/// Whether gdb can be entered here.
pub fn takes_over() -> bool {
    attached() && !stop::leading()
}

/// The kernel is about to end: lets gdb have a look first, at `frame` if that is where it went
/// wrong. With interrupts off.
pub fn before_the_end(frame: Option<&Frame>) {
    if !takes_over() {
        return;
    }
    match frame {
        Some(frame) => {
            let mut frame = *frame;
            let reason = Reason::Signal(signal_of(&frame));
            debug::inside(|| report(&mut frame, reason));
        }
        None => raise(ABORTED),
    }
}

/// The signal that a Unix process would get for an exception.
fn signal_of(frame: &Frame) -> u8 {
    match frame.vector {
        0 | 16 | 19 => 8,
        6 => 4,
        11..=14 => 11,
        _ => ABORTED,
    }
}

/// A breakpoint exception. Whether it is gdb's.
pub fn breakpoint(frame: &mut Frame) -> bool {
    if !LISTENING.load(Acquire) {
        return false;
    }
    let address = frame.rip.wrapping_sub(1);
    if breakpoints::is_at(address) {
        frame.rip = address;
        report(frame, Reason::Breakpoint);
        return true;
    }
    let raised = &RAISED[percpu::cpu().index()];
    match u8::try_from(raised.swap(0, Acquire)) {
        Ok(0) | Err(_) => false,
        Ok(signal) => {
            report(frame, Reason::Signal(signal));
            true
        }
    }
}

/// A debug exception. Whether it is gdb's.
pub fn debug_exception(frame: &mut Frame) -> bool {
    if !LISTENING.load(Acquire) {
        return false;
    }
    let cause = watch::take_cause();
    if cause.step {
        // A saved copy of the flags may have kept it.
        frame.rflags &= !TRAP;
    }
    let reason = match cause.hit {
        Some((_, watch::Access::Execute)) => Reason::HardwareBreakpoint,
        Some((address, watch::Access::Write)) => Reason::Watch(address, Access::Write),
        Some((address, watch::Access::ReadWrite)) => Reason::Watch(address, Access::ReadWrite),
        None if !cause.step || STEPPING.load(Acquire) == 0 => return true,
        None if in_range(frame.rip) => {
            frame.rflags |= TRAP;
            return true;
        }
        None => Reason::Step,
    };
    report(frame, reason);
    true
}

fn in_range(address: u64) -> bool {
    (RANGE[0].load(Relaxed)..RANGE[1].load(Relaxed)).contains(&address)
}

/// An NMI: gdb's stop, or a byte from gdb.
pub fn nmi(frame: &mut Frame) {
    if stop::wanted() {
        stand(frame);
    } else if percpu::cpu() == CpuId::BOOT
        && LISTENING.load(Acquire)
        && stop::try_lead()
        && let Some(duty) = listen()
    {
        lead(frame, duty);
    }
}

/// What a leader has to do.
enum Duty {
    /// To report this.
    Report(Reason),
    /// To answer a question.
    Answer,
}

/// Takes what has come in while CPUs run, and passes on what is to be printed. Leads no more,
/// unless there is something to do.
fn listen() -> Option<Duty> {
    let mut stub = STUB.lock();
    monitor::pass_on(&mut stub);
    let duty = loop {
        let Some(byte) = COM2.poll() else { break None };
        match stub.while_running(byte, &mut Com2) {
            Wish::Nothing => {}
            Wish::Interrupt => break Some(Duty::Report(Reason::Signal(Stop::INTERRUPT))),
            Wish::Attach => break Some(Duty::Answer),
        }
    };
    drop(stub);
    if duty.is_none() {
        hand_over();
    }
    duty
}

/// Leads no more. Whoever wanted to lead meanwhile found that it could not: CPU 0 looks again at
/// what has come in since.
fn hand_over() {
    stop::stop_leading();
    if COM2.has_data() || monitor::has_output() {
        apic::undisturbed(nudge);
    }
}

/// Reports that something happened on this CPU, now or when it is its turn.
fn report(frame: &mut Frame, reason: Reason) {
    loop {
        if stop::try_lead() {
            return lead(frame, Duty::Report(reason));
        }
        if stop::wanted() {
            if reason != Reason::Breakpoint {
                *UNREPORTED[percpu::cpu().index()].lock() = Some(reason);
            }
            return stand(frame);
        }
        core::hint::spin_loop();
    }
}

/// Stands still until gdb lets this CPU run.
pub fn stand(frame: &mut Frame) {
    stop::stand(frame, watch_port);
}

/// Stands still likewise, having led first.
fn lead(frame: &mut Frame, duty: Duty) {
    let mut duty = Some(duty);
    stop::stand(frame, || match duty.take() {
        Some(duty) => talk(duty),
        None => watch_port(),
    });
}

/// While this CPU stands and others run.
fn watch_port() {
    if stop::is_sentry()
        && stop::try_lead()
        && let Some(duty) = listen()
    {
        talk(duty);
    }
}

/// Stops the other CPUs and talks until some are to run, which they then do.
fn talk(duty: Duty) {
    COM2.interrupt_on_data(false);
    let silent = stop::stop_others();
    breakpoints::lift();
    let whole = stop::standing() == machine::started();
    let begun = clock::raw();
    let me = percpu::cpu();
    let mut stop = match duty {
        Duty::Report(reason) => Some(Stop { cpu: me, reason }),
        Duty::Answer => None,
    };
    let mut stub = STUB.lock();
    let plan = loop {
        // Printed while gdb still takes the machine for a running one.
        if stop.is_some() {
            monitor::pass_on(&mut stub);
            say_silent(&mut stub, silent);
        }
        // A stop that nobody waits for is not reported: the first question is.
        let known = stop.filter(|_| stub.attached());
        let current = stop.map_or(me, |stop| stop.cpu);
        let ending = stub.converse(&mut view::View { current }, &mut Com2, known);
        ATTACHED.store(stub.attached(), Release);
        match ending {
            Ending::Killed => {
                crate::channel::close();
                exit(Status::CommandFailed)
            }
            Ending::Detached => {
                UNREPORTED.iter().for_each(|event| *event.lock() = None);
                break Plan {
                    run: stop::standing(),
                    ..Plan::default()
                };
            }
            Ending::Resume(plan) => match unreported(plan.run) {
                Some(next) => stop = Some(next),
                None => break plan,
            },
        }
    };
    drop(stub);
    prepare(&plan);
    if whole {
        clock::hold(clock::raw().saturating_sub(begun));
    }
    breakpoints::plant();
    monitor::wake_if_due();
    COM2.interrupt_on_data(true);
    stop::release(plan.run);
    hand_over();
}

fn say_silent(stub: &mut Stub, silent: CpuSet) {
    if !silent.is_empty() && stub.attached() {
        stub.print(b"a CPU did not stop within a second\n", &mut Com2);
    }
}

/// An event of a CPU that is to run.
fn unreported(run: CpuSet) -> Option<Stop> {
    run.into_iter().find_map(|cpu| {
        let reason = UNREPORTED[cpu.index()].lock().take()?;
        Some(Stop { cpu, reason })
    })
}

/// Sets the CPUs up for what they are to do.
fn prepare(plan: &Plan) {
    let (start, end) = plan.range.unwrap_or((0, 0));
    RANGE[0].store(start, Relaxed);
    RANGE[1].store(end, Relaxed);
    STEPPING.store(plan.step.bits(), Release);
    for cpu in plan.run {
        let step = plan.step.contains(cpu);
        stop::change(cpu, |frame| {
            if step {
                frame.rflags |= TRAP;
            } else {
                frame.rflags &= !TRAP;
            }
        });
    }
}

/// Has CPU 0 pass on what is to be printed.
fn nudge() {
    // It does so at the next stop otherwise.
    let _ = apic::send_nmi(ap::apic_id(CpuId::BOOT));
}
