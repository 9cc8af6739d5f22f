//! The checks that run the machine.

use std::path::PathBuf;

use super::{Outcome, Solution, Told, failed, not_built, tail, unmet, within};
use serde_json::Value;

use crate::labs::court::Judged;
use crate::labs::see::{self, Run};
use crate::labs::{Check, Kind, Manifest, existing, kernel_with};
use crate::machine::Machine;
use crate::status::{Doing, Failure, Status};

/// What hardware makes of a write of the interrupt command register, which the emulator counts as one instruction: in
/// instructions, roughly. In a virtual machine it is ten times that.
const ICR_WRITE: u64 = 200;

impl Solution<'_> {
    /// Whether the check's script succeeds in the kernel, and the judge finds nothing.
    pub(super) fn machine(&self, check: &Check) -> Result<Outcome, Failure> {
        let kernel = match self.kernel() {
            Ok(kernel) => kernel,
            Err(why) => return not_built(why),
        };
        let name = check.script.as_deref().unwrap_or_default();
        let script = self.lab.path(self.workspace).join(name);
        let text = std::fs::read_to_string(&script).doing("reading", &script)?;
        let again = Some(format!(
            "cargo kit run --lab {} --solution {} --deterministic{} --script labs/{}/{name}",
            self.lab.number,
            self.shown(),
            options(check),
            self.lab.folder
        ));
        let judged = self.court.judged(self.machine_for(check, kernel), &text)?;
        if let Some(seen) = judged.doubt {
            return Ok(failed(Told {
                seen,
                picture: tail(&judged.outcome.transcript),
                again,
                ..Told::default()
            }));
        }
        // What a fault of the script's led to is for the script's own expectations.
        let mut findings = judged.verdict.findings.iter();
        if let Some(finding) = findings.find(|finding| finding.fault.is_none()) {
            return Ok(failed(Told {
                invariant: (finding.invariant != 0).then_some(finding.invariant),
                seen: finding.text.clone(),
                picture: judged.lanes(finding),
                chart: Some(Box::new(judged.chart(name, finding))),
                again,
                ..Told::default()
            }));
        }
        if judged.outcome.status != Status::Success {
            return Ok(failed(Told {
                seen: unmet(&judged.outcome.transcript).unwrap_or(judged.outcome.complaint),
                picture: tail(&judged.outcome.transcript),
                again,
                ..Told::default()
            }));
        }
        let shootdowns = judged.timeline.shootdowns().len();
        Ok(Outcome::Passed(format!("{shootdowns} shootdowns, judged")))
    }

    /// The machine that `check` asks for, with `kernel`.
    fn machine_for(&self, check: &Check, kernel: PathBuf) -> Machine {
        let mut machine = self.court.machine_with(kernel);
        if let Some(cpus) = check.cpus {
            machine = machine.cpus(cpus);
        }
        for word in &check.words {
            machine = machine.word(word);
        }
        machine
    }

    /// Whether the script lets a right protocol pass, or a wrong one fail.
    pub(super) fn breaks(&self, check: &Check) -> Result<Outcome, Failure> {
        let (of, mutant) = (
            check.of.unwrap_or(0),
            check.mutant.as_deref().unwrap_or_default(),
        );
        let manifest = Manifest::read(self.workspace)?;
        let file = existing(&self.workspace.labs().join(mutant))?;
        let slot = format!("lab-{}-{}", self.lab.number, check.id);
        let kernel = kernel_with(&self.shared, manifest.lab(of)?, &file, &slot)?;
        let judged = self
            .court
            .judged(self.machine_for(check, kernel), &self.script()?)?;
        let again = Some(format!(
            "cargo kit trace --judge --lab {of} --solution labs/{mutant} --deterministic --append watchdog=stop \
             --script {}",
            self.shown()
        ));
        let Judged {
            outcome, verdict, ..
        } = judged;
        if outcome.limit.is_some() {
            return Ok(failed(Told {
                seen: outcome.complaint,
                picture: tail(&outcome.transcript),
                again,
                ..Told::default()
            }));
        }
        let finding = verdict.findings.first();
        let succeeded = outcome.status == Status::Success && finding.is_none();
        Ok(match (check.kind, succeeded) {
            (Kind::Spares, true) => Outcome::Passed(String::new()),
            (Kind::Spares, false) => failed(Told {
                seen: finding.map_or(outcome.complaint, |finding| finding.text.clone()),
                picture: tail(&outcome.transcript),
                again,
                ..Told::default()
            }),
            (_, true) => failed(Told {
                seen:
                    "the wrong protocol survives: the script succeeds, and the judge finds nothing"
                        .into(),
                again,
                ..Told::default()
            }),
            (_, false) => Outcome::Passed(match finding {
                Some(finding) if finding.invariant != 0 => {
                    format!("broken: I{}", finding.invariant)
                }
                _ => outcome.status.meaning().to_owned(),
            }),
        })
    }

    /// One thing about a solution that is a script.
    pub(super) fn see(&mut self, kind: Kind) -> Result<Outcome, Failure> {
        let script = self.script()?;
        if self.run.is_none() {
            self.run = Some(Run::make(&self.court, &script)?);
        }
        let Some(run) = &self.run else {
            unreachable!("it was made");
        };
        let seen = match kind {
            Kind::SeeRuns => run.ends(),
            Kind::SeeDead => run.dead().map(drop),
            Kind::SeeOne => run.one(),
            Kind::SeeCure => run.cure(),
            _ => see::proof(&Run::make(&self.court, &see::without_faults(&script))?),
        };
        let again = format!("cargo kit run --deterministic --script {}", self.shown());
        Ok(match seen {
            Ok(()) => Outcome::Passed(String::new()),
            Err(seen) => failed(Told {
                picture: match kind {
                    Kind::SeeRuns => tail(&run.transcript),
                    _ => String::new(),
                },
                seen,
                again: Some(again),
                ..Told::default()
            }),
        })
    }

    /// Whether a shootdown takes few instructions, [`ICR_WRITE`] for each write of the interrupt command register.
    pub(super) fn instructions(&mut self, check: &Check) -> Result<Outcome, Failure> {
        let kernel = match self.kernel() {
            Ok(kernel) => kernel,
            Err(why) => return not_built(why),
        };
        let machine = self.court.machine_with(kernel);
        let outcome = self.court.measured(machine, "bench protocols --json\n")?;
        // The kernel's own line: a solution has no way to print.
        let measured = outcome.json().pop();
        let rows = measured
            .as_ref()
            .and_then(|line| line["protocols"].as_array());
        let of = |name: &str| {
            let row = rows?.iter().find(|row| row["protocol"] == name)?;
            let ticks = row["shootdown_ticks"].as_u64().filter(|&ticks| ticks > 0)?;
            let writes = row["icr_writes"].as_u64()?;
            Some((ticks + ICR_WRITE * writes, ticks, writes))
        };
        let (Some((cost, ticks, writes)), Some((own, ..))) = (of("student"), of("scoreboard"))
        else {
            return Ok(failed(Told {
                seen: format!("the kernel's benchmark did not end: {}", outcome.complaint),
                picture: tail(&outcome.transcript),
                ..Told::default()
            }));
        };
        self.instructions = Some(cost);
        let again = format!(
            "cargo kit run --lab {} --solution {} --deterministic --command 'bench protocols'",
            self.lab.number,
            self.shown()
        );
        let percent = cost * 100 / own;
        let seen = format!(
            "{ticks} instructions and {writes} writes of the command register a shootdown: {percent} % of what the \
             kit's own costs"
        );
        Ok(within(
            check,
            percent,
            &format!("{seen}; {{}} % will do"),
            again,
        ))
    }

    /// Runs the kernel's benchmark `name` with the solution in it: the rows of its table; or what is told if it did not
    /// end.
    fn bench(&mut self, name: &str) -> Result<Result<Vec<Value>, Outcome>, Failure> {
        let kernel = match self.kernel() {
            Ok(kernel) => kernel,
            Err(why) => return Ok(Err(not_built(why)?)),
        };
        let machine = self.court.machine_with(kernel);
        let script = format!("bench {name} --json\n");
        let outcome = self.court.measured(machine, &script)?;
        // The kernel's own line: a solution has no way to print.
        let line = outcome.json().pop();
        let rows = line.and_then(|line| line[name].as_array().cloned());
        Ok(rows.ok_or_else(|| {
            failed(Told {
                seen: format!("the kernel's benchmark did not end: {}", outcome.complaint),
                picture: tail(&outcome.transcript),
                again: Some(self.bench_again(name)),
                ..Told::default()
            })
        }))
    }

    fn bench_again(&self, name: &str) -> String {
        format!(
            "cargo kit run --lab {} --solution {} --deterministic --command 'bench {name}'",
            self.lab.number,
            self.shown()
        )
    }

    /// Whether no row of a benchmark's table costs much more than the best known way.
    pub(super) fn costs(&mut self, check: &Check) -> Result<Outcome, Failure> {
        let name = check.bench.as_deref().unwrap_or_default();
        let rows = match self.bench(name)? {
            Ok(rows) => rows,
            Err(outcome) => return Ok(outcome),
        };
        let cost = |row: &Value| row["modelled"].as_u64().filter(|&cost| cost > 0);
        let mut worst: Option<(u64, String)> = None;
        for own in rows.iter().filter(|row| row["protocol"] == "student") {
            let known = rows
                .iter()
                .filter(|row| row["changes"] == own["changes"] && row["way"] != "own");
            let best = known
                .filter_map(|row| Some((cost(row)?, row)))
                .min_by_key(|known| known.0);
            let (Some(cost), Some((best, row))) = (cost(own), best) else {
                return Err(Failure::host(format!(
                    "bench {name}: a row without its cost"
                )));
            };
            let percent = cost * 100 / best;
            let said = format!(
                "{}: {cost}, {percent} % of the best known way ({}: {best})",
                own["changes"].as_str().unwrap_or_default(),
                row["way"].as_str().unwrap_or_default(),
            );
            if worst.as_ref().is_none_or(|(most, _)| percent > *most) {
                worst = Some((percent, said));
            }
        }
        let Some((percent, said)) = worst else {
            return Err(Failure::host(format!(
                "bench {name}: no row of the solution's"
            )));
        };
        let said =
            format!("instructions, INVLPGs and refills, at the worst: {said}; {{}} % will do");
        Ok(within(check, percent, &said, self.bench_again(name)))
    }

    /// Whether lazy CPUs are left in peace.
    pub(super) fn interrupts(&mut self, check: &Check) -> Result<Outcome, Failure> {
        let rows = match self.bench("lazy")? {
            Ok(rows) => rows,
            Err(outcome) => return Ok(outcome),
        };
        let own = rows.iter().find(|row| row["protocol"] == "student");
        let of = |what: &str| own.and_then(|row| row[what].as_u64());
        let (Some(interrupts), Some(shootdowns)) = (of("interrupts"), of("shootdowns")) else {
            return Err(Failure::host("bench lazy: no row of the solution's"));
        };
        let said = format!(
            "{interrupts} interrupts for {shootdowns} shootdowns of a space that one CPU is busy with, and two are lazy \
             in; {{}} will do"
        );
        Ok(within(check, interrupts, &said, self.bench_again("lazy")))
    }

    /// The solution, if it is a script; what is no UTF-8 in it is replaced.
    fn script(&self) -> Result<String, Failure> {
        let bytes = std::fs::read(&self.file).doing("reading", &self.file)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What makes `kit run` boot the machine that `check` asks for.
fn options(check: &Check) -> String {
    let cpus = check.cpus.map(|cpus| format!(" --cpus {cpus}"));
    let words = check.words.iter().map(|word| format!(" --append {word}"));
    cpus.into_iter().chain(words).collect()
}
