//! Under KVM, and by its hypercall: this host's KVM as far as it goes, and a real one on an emulated processor. What does
//! not run here says why in its name, and is counted as ignored.

use std::time::Duration;

use grader::bench::transports;
use grader::kvm;
use grader::machine::{Machine, Outcome};
use grader::nested::Nested;
use grader::nested::cases::{cases, faults};
use grader::status::Status;
use libtest_mimic::{Arguments, Failed, Trial};

const KIT: &str = env!("CARGO_BIN_EXE_kit");

/// What needs no ring 3: bare interrupts, alone and in broadcasts, and shootdowns of the kernel's own page.
const KERNEL: &str = "selftest identity\nselftest ipi\nselftest mutual\nselftest lazy\nkpage\nkpage\n\
                      bench transports\n";

/// Pages change hands, and what is read is fresh; every count of a storm agrees.
const SCRIPT: &str = "map 0x400000\nread 0x400000 on all\nremap 0x400000\nread 0x400000 on all\n\
                      expect all last.verdict == fresh\nstorm rounds=20\nselftest ipi\n";

fn main() {
    let arguments = Arguments::from_args();
    // Nothing is started for a list, or for tests that are not asked for.
    let asked = |name: &str| {
        let named = |filter: &String| match arguments.exact {
            true => name == filter,
            false => name.contains(filter.as_str()),
        };
        !arguments.list
            && arguments.filter.as_ref().is_none_or(named)
            && !arguments
                .skip
                .iter()
                .any(|skipped| name.contains(skipped.as_str()))
    };
    let mut trials = Vec::new();

    let name = "interrupts_by_x2apic_that_do_not_arrive_under_kvm";
    let lacks = asked(name).then(kvm::lacks).flatten();
    trials.push(trial(name, lacks, || {
        succeed(&host().word("transport=x2apic"), KERNEL).map(|_| ())
    }));

    let name = "stale_reads_in_ring_3_after_interrupts_by_x2apic_under_kvm";
    let lacks = asked(name).then(ring_3_lacks).flatten();
    trials.push(trial(name, lacks, || {
        succeed(&host().word("transport=x2apic"), SCRIPT).map(|_| ())
    }));

    let name = "interrupts_by_hypercall_that_do_not_arrive_under_this_host_s_kvm";
    let lacks = asked(name).then(hypercall_lacks).flatten();
    trials.push(trial(name, lacks, || {
        let script =
            format!("{KERNEL}{SCRIPT}selftest refused\ntransport x2apic\n{SCRIPT}transport kvm\n");
        succeed(&host(), &script).map(|_| ())
    }));

    let name = "interrupts_by_hypercall_that_do_not_arrive_under_a_kvm_on_an_emulated_processor";
    let nested = asked(name).then(|| Nested::new(KIT.as_ref()));
    let lacks = match &nested {
        // Any other failure is one of the test.
        Some(Err(failure)) if failure.status == Status::Missing => Some(failure.message.clone()),
        _ => None,
    };
    trials.push(trial(name, lacks, move || {
        let nested = nested
            .unwrap_or_else(|| Nested::new(KIT.as_ref()))
            .map_err(|failure| failure.to_string())?;
        run_nested(&nested)
    }));

    let name = "a_lesson_about_staleness_that_kvm_is_let_give";
    let lacks = asked(name).then(kvm::lacks).flatten();
    trials.push(trial(name, lacks, refused_lessons));

    libtest_mimic::run(&arguments, trials).exit();
}

/// A test, ignored where something is lacking, whose name then says what.
fn trial(
    name: &str,
    lacks: Option<String>,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let ignored = lacks.is_some();
    let name = match lacks {
        Some(why) => format!("{name} (DID NOT RUN: {why})"),
        None => name.to_owned(),
    };
    Trial::test(name, test).with_ignored_flag(ignored)
}

fn host() -> Machine {
    Machine::new(KIT).cpus(3).kvm()
}

fn succeed(machine: &Machine, script: &str) -> Result<Outcome, Failed> {
    let outcome = machine
        .script(script)
        .map_err(|failure| failure.to_string())?;
    match outcome.status {
        Status::Success => Ok(outcome),
        _ => Err(format!("{}\n{}", outcome.complaint, outcome.transcript).into()),
    }
}

/// Why this host's KVM does not run ring 3: one that needs no processor's extensions was seen to hang there.
fn ring_3_lacks() -> Option<String> {
    kvm::lacks().or_else(|| {
        let machine = host().timeout(Duration::from_secs(15));
        let outcome = machine.script("map 0x400000\nread 0x400000\n").ok()?;
        let hangs = outcome.status == Status::Unfinished;
        hangs.then(|| {
            "this host's KVM boots the kernel, and does not come back from ring 3".to_owned()
        })
    })
}

/// Why this host's KVM does not send by hypercall.
fn hypercall_lacks() -> Option<String> {
    kvm::lacks().or_else(|| {
        // A machine that does not even boot is the first test's to fail on, and this one's.
        let outcome = host().script("transport --json\n").ok()?;
        match outcome.status {
            Status::Success => transports::lacks(&outcome),
            _ => None,
        }
    })
}

fn run_nested(nested: &Nested) -> Result<(), Failed> {
    let cases = cases();
    let ran = nested.run(&cases).map_err(|failure| failure.to_string())?;
    for (case, run) in cases.iter().zip(&ran) {
        let faults = faults(case, run);
        if !faults.is_empty() {
            let what = faults.join("\n");
            let (name, said, transcript) = (case.name, &run.messages, &run.transcript);
            return Err(format!("{name}: {what}\n{said}\n{transcript}").into());
        }
    }
    Ok(())
}

/// What needs a translation to stay stale is refused in the machine, and says why.
fn refused_lessons() -> Result<(), Failed> {
    for command in REFUSED {
        let outcome = host()
            .script(&format!("map 0x400000\n{command}\n"))
            .map_err(|failure| failure.to_string())?;
        if outcome.status != Status::CommandFailed
            || !outcome.transcript.contains("KVM runs this machine")
        {
            return Err(format!(
                "`{command}` under KVM: {:?}\n{}",
                outcome.status, outcome.transcript
            )
            .into());
        }
    }
    Ok(())
}

/// Commands whose lesson is a stale translation.
const REFUSED: [&str; 8] = [
    "probe 0x400000",
    "witness start 0x400000",
    "unmap 0x400000 noshoot",
    "remap 0x400000 noshoot",
    "kpage noshoot",
    "protect 0x400000 ro noshoot",
    "fault invalidate skip",
    "stop 1\nresume 1 noflush",
];
