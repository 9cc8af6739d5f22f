//! Commands about the machine as a whole.

use super::{HERE, no_result, on};
use crate::{boot, channel, console, job, machine, protocols, random, thread, violations};
use hw::entry::crash as crashes;
use hw::exit::{Status, exit};
use hw::sync::IrqLock;
use hw::{apic, clock};
use shell::Failure;
use shell::commands::{CrashKind, args};
use shell::report::Output;

/// `version`
pub fn version(output: &mut Output<'_>) -> Result<(), Failure> {
    let facts = boot::facts();
    output.field("version", env!("CARGO_PKG_VERSION"));
    output.field(
        "build",
        if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        },
    );
    output.field("cpus", machine::online().len());
    output.field("apic", alloc::format!("{}", facts.apic));
    output.field("protocol", protocols::in_use().name);
    output.field("seed", random::seed());
    let cpuid = hw::cpuid::features();
    output.field("x2apic", apic::x2apic_supported());
    output.field("pcid", cpuid.pcid);
    output.field("invpcid", cpuid.invpcid);
    output.field("hypervisor", cpuid.hypervisor);
    Ok(())
}

/// `sleep`
pub fn sleep(args: &args::Sleep, output: &mut Output<'_>) -> Result<(), Failure> {
    let deadline = clock::Deadline::after_us(args.milliseconds * 1000);
    while !deadline.expired() && !console::interrupted() {
        thread::doze();
    }
    if console::interrupted() {
        output.note("ended early");
    }
    Ok(())
}

/// `seed`
pub fn seed(args: &args::Seed, output: &mut Output<'_>) -> Result<(), Failure> {
    if let Some(seed) = args.seed {
        random::set_seed(seed);
    }
    output.field("seed", random::seed());
    Ok(())
}

/// `reboot`
pub fn reboot() -> ! {
    channel::close();
    exit(Status::Reboot)
}

/// `quit`
pub fn quit(args: &args::Quit) -> ! {
    // What witnesses found just now counts as well.
    crate::witness::untold();
    boot::end(args.status == 0, violations::unexpected() > 0)
}

/// `crash`
pub fn crash(args: &args::Crash) -> Result<(), Failure> {
    let kind = args.kind;
    let cpu = args.on.unwrap_or(HERE);
    if cpu != HERE && matches!(kind, CrashKind::Hang | CrashKind::Lock) {
        // Nobody else ends with it: the shell goes on.
        job::start("crash", cpu, None, move || go_wrong(kind)).map_err(no_result)?;
        return Ok(());
    }
    on(cpu, None, move || go_wrong(kind))
}

fn go_wrong(kind: CrashKind) {
    match kind {
        CrashKind::Panic => panic!("asked for by the shell"),
        CrashKind::Null => crashes::read_null(),
        CrashKind::Undefined => crashes::undefined_instruction(),
        CrashKind::Stack => {
            crashes::overflow_stack(0);
        }
        CrashKind::Reset => crashes::triple_fault(),
        CrashKind::Hang => crashes::hang(),
        CrashKind::Lock => {
            let lock = IrqLock::new(());
            let _held = lock.lock();
            let _never = lock.lock();
        }
    }
}
