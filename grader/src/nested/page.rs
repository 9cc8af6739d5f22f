//! The page about the runs: what KVM's hypercall did, seen under a real KVM.

use std::fmt::Write;
use std::path::Path;

use super::cases::{benchmarks, cases, faults, held, storms};
use super::{Case, Nested, Ran};
use crate::bench::transports::{rows, table};
use crate::child::MachineExit;
use crate::status::{Failure, Status};

/// The page's place in the workspace.
pub const PAGE: &str = "grader/KVM.md";

/// Runs everything and writes the page.
///
/// # Errors
/// What [`Nested`] fails with; [`Status::Violation`] where a run is not as it must be.
pub fn page(kit: &Path) -> Result<String, Failure> {
    let nested = Nested::new(kit)?;
    let (all, measures) = (cases(), benchmarks());
    let both: Vec<Case> = all.iter().chain(&measures).cloned().collect();
    let ran = nested.run(&both)?;
    let (runs, measured) = ran.split_at(all.len());
    for (case, run) in all.iter().zip(runs) {
        if let Some(fault) = faults(case, run).first() {
            let message = format!("{}: {fault}", case.name);
            return Err(Failure::new(Status::Violation, message).advise(run.transcript.clone()));
        }
    }
    let mut text = format!(
        "# KVM's hypercall, under a real KVM\n\n\
         Written by `cargo run -p grader --example nested-kvm`. QEMU's TCG emulates an AMD processor with SVM and nested \
         paging; on it runs Linux {} with its KVM; that KVM runs the kernel, in this host's QEMU. So a real KVM answers \
         the hypercall, on a processor that is emulated: what arrives where is worth as much as anywhere, and a time is \
         worth nothing outside its own run. `grader/tests/kvm.rs` repeats the runs, and those of this host's own KVM if \
         it takes the hypercall.\n\n",
        nested.release()
    );
    text += "| machine | APIC ids | transport | shootdowns in storms | IPIs sent | stale reads | judge |\n\
             |---|---|---|---|---|---|---|\n";
    for (case, run) in all.iter().zip(runs) {
        row(&mut text, case, run);
    }
    text += "\nIn each storm every count agrees with what it is held against, and every run's evidence is sound: \
             the host's judge found nothing.\n\n## Against the local APIC\n\n\
             **On an emulated host**: in one run each, in turns, the median of three. Here a hypercall's way out of the \
             guest costs what the emulation of `VMRUN` and `#VMEXIT` costs.\n\n```text\n";
    let answered = |run: &Ran| {
        let answers = run.transcript.lines();
        answers
            .filter_map(|line| serde_json::from_str(line).ok())
            .next_back()
    };
    let mut found = Vec::new();
    for run in measured {
        let answer = answered(run).filter(|_| run.exit == MachineExit::Success);
        let answer = answer.ok_or_else(|| {
            Failure::new(Status::CommandFailed, "the benchmark did not end")
                .advise(run.transcript.clone())
        })?;
        found.extend(rows(&answer).pop());
    }
    text += &table(&found);
    text += "```\n";
    for (case, run) in all.iter().zip(runs) {
        let _ = write!(
            text,
            "\n## Transcript: {}\n\n```text\n{}```\n",
            case.name,
            shortened(&run.transcript)
        );
    }
    Ok(text)
}

fn row(text: &mut String, case: &Case, run: &Ran) {
    let sum = |key: &str| {
        let numbers = storms(run).filter_map(|storm| storm[key].as_u64());
        numbers.sum::<u64>()
    };
    let ids = match case.apic_ids.as_slice() {
        [] => format!("0 to {}", case.options.cpus - 1),
        ids => {
            let words: Vec<String> = ids.iter().map(u32::to_string).collect();
            words.join(", ")
        }
    };
    let boot = run.transcript.lines().find(|line| line.contains(" CPUs, "));
    let apic = if boot.is_some_and(|line| line.contains("xapic")) {
        "xapic"
    } else {
        "x2apic"
    };
    let transport = match case.without {
        "" => format!("hypercall, {apic} mode"),
        without => format!("{apic}, by `host{without}`"),
    };
    let times: u64 = held(run).iter().map(|(_, times)| times).sum();
    let _ = writeln!(
        text,
        "| {} | {ids} | {transport} | {} | {} | {} | {} invariants held, {times} times |",
        case.name,
        sum("shootdowns"),
        sum("ipis_sent"),
        sum("stale_reads"),
        held(run).len()
    );
}

/// Without what only programs read: answers in JSON are cut after their first numbers.
fn shortened(transcript: &str) -> String {
    const WIDTH: usize = 160;
    let mut text = String::new();
    for line in transcript.lines() {
        match line.char_indices().nth(WIDTH) {
            Some((end, _)) => text.extend([&line[..end], "…\n"]),
            None => text.extend([line, "\n"]),
        }
    }
    text
}
