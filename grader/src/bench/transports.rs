//! KVM's hypercall against the local APIC, both under KVM and in one run.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::kvm;
use crate::machine::{Machine, Outcome};
use crate::status::{Failure, Status};

/// CPU counts: one target, and three.
const CPUS: [u32; 2] = [2, 4];

/// What was measured, or why it was not.
#[derive(Clone, Debug)]
pub enum Transports {
    /// The rows, most targets last.
    Measured(Vec<Row>),
    /// Nothing ran, for this reason.
    DidNotRun(String),
}

/// One set of targets. Times are in ticks of the guest's clock: the medians of turns that each transport had.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// How many CPUs were interrupted.
    pub targets: usize,
    /// The local APIC's mode.
    pub apic: String,
    /// A bare interrupt and its answer: by the local APIC, and by the hypercall.
    pub bare: [f64; 2],
    /// A shootdown of one page: the same.
    pub shootdown: [f64; 2],
}

/// Measures on this host's KVM.
///
/// # Errors
/// What the machine fails with.
pub fn measure(machine: &Machine) -> Result<Transports, Failure> {
    if let Some(why) = kvm::lacks() {
        return Ok(Transports::DidNotRun(why));
    }
    let mut rows = Vec::new();
    for cpus in CPUS {
        let machine = machine.clone().cpus(cpus).kvm();
        let outcome = machine.script("transport --json\nbench transports --json\n")?;
        if outcome.status != Status::Success {
            return Err(Failure::new(outcome.status, outcome.complaint).advise(outcome.transcript));
        }
        if let Some(why) = lacks(&outcome) {
            return Ok(Transports::DidNotRun(why));
        }
        let answer = outcome.json().pop().unwrap_or_default();
        rows.extend(self::rows(&answer).pop());
    }
    Ok(Transports::Measured(rows))
}

/// Why a machine, which was asked by `transport --json`, does not have the hypercall; `None` if it has.
#[must_use]
pub fn lacks(outcome: &Outcome) -> Option<String> {
    let answers = outcome.json();
    let tables = answers
        .iter()
        .filter_map(|answer| answer["transports"].as_array());
    let row = tables
        .flatten()
        .find(|row| row["transport"] == "kvm")
        .cloned();
    match row.map(|row| row["lacks"].clone()) {
        Some(Value::Null) => None,
        Some(Value::String(why)) => Some(why),
        _ => Some("the shell's `transport` does not tell of it".to_owned()),
    }
}

/// The rows in the answer of `bench transports --json`, as far as it has both ways to send.
#[must_use]
pub fn rows(answer: &Value) -> Vec<Row> {
    let table = answer["transports"].as_array().into_iter().flatten();
    let by_call = |row: &&Value| row["transport"] == "kvm";
    let (calls, apics): (Vec<_>, Vec<_>) = table.partition(by_call);
    calls
        .into_iter()
        .filter_map(|call| {
            let apic = apics.iter().find(|row| row["targets"] == call["targets"])?;
            let both = |key: &str| Some([apic[key].as_f64()?, call[key].as_f64()?]);
            Some(Row {
                targets: call["targets"].as_array()?.len(),
                apic: apic["transport"].as_str()?.to_owned(),
                bare: both("floor_ticks")?,
                shootdown: both("shootdown_ticks")?,
            })
        })
        .collect()
}

/// A table of the rows: each way's ticks, and the hypercall's ratio to the local APIC's.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = "targets  what       by APIC (ticks)  by hypercall (ticks)  ratio\n".to_owned();
    for row in rows {
        for (what, [apic, call]) in [("bare IPI", row.bare), ("shootdown", row.shootdown)] {
            let _ = writeln!(
                text,
                "{:>7}  {what:<9}  {:>15}  {call:>20}  {:>5.2} x {}",
                row.targets,
                format!("{apic}"),
                call / apic,
                row.apic
            );
        }
    }
    text
}

impl Transports {
    /// As JSON: the rows, or why there are none.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Transports::DidNotRun(why) => json!({ "did_not_run": why }),
            Transports::Measured(rows) => {
                let object = |row: &Row| {
                    json!({ "targets": row.targets, "apic": row.apic,
                    "bare_ticks": row.bare, "bare_ratio": row.bare[1] / row.bare[0],
                    "shootdown_ticks": row.shootdown,
                    "shootdown_ratio": row.shootdown[1] / row.shootdown[0] })
                };
                Value::Array(rows.iter().map(object).collect())
            }
        }
    }

    /// Prints the table, or why there is none.
    pub fn print(&self) {
        println!(
            "\nKVM's hypercall against the local APIC, one run of each machine (median of turns)"
        );
        match self {
            Transports::Measured(rows) => {
                table(rows).lines().for_each(|line| println!("  {line}"));
            }
            Transports::DidNotRun(why) => println!(
                "  did not run: {why}\n  under an emulated host's KVM it did: grader/KVM.md"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sets_of_targets_compared_with_each_other() {
        let row = |transport, targets: &[u32], floor, shootdown| {
            json!({ "transport": transport, "targets": targets, "floor_ticks": floor,
                "shootdown_ticks": shootdown })
        };
        let answer = json!({ "transports": [
            row("x2apic", &[1], 10, 20), row("kvm", &[1], 5, 30),
            row("x2apic", &[1, 2, 3], 40, 80), row("kvm", &[1, 2, 3], 20, 40),
        ] });
        let rows = rows(&answer);
        assert_eq!(rows[0].bare, [10.0, 5.0]);
        assert_eq!((rows[1].targets, rows[1].shootdown), (3, [80.0, 40.0]));
        assert!(table(&rows).contains("0.50 x x2apic"), "{}", table(&rows));
        assert_eq!(
            self::rows(&json!({ "transports": [row("x2apic", &[1], 1, 1)] })),
            []
        );
    }
}
