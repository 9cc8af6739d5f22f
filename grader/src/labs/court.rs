//! Runs of the machine that are judged on the host: by the evidence channel, and by QEMU's own log of interrupts.
//!
//! Nothing that the guest prints counts, nor how fast the host is. A run is counted in instructions, and the machine
//! ends by its own clock. What is left to the host's clock is a limit so far away that only a host which stands still
//! reaches it, and that is the host's failure.
//!
//! A stranger's code can make each of its instructions slow to emulate, so QEMU's CPU time is limited as well. Who
//! reaches that limit is too slow if its evidence shows that it was at work, and if this host is fast enough: a run of
//! the kit's own is made, which has to end within a small part of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::mem::swap;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use chart::Chart;
use evidence::judge::{Finding, Verdict, judge};
use evidence::lanes::{self, View};
use evidence::{Event, Evidence, Key, Kind, Timeline, decode};
use sandbox::{Layers, Limit};
use shootdown::CpuSet;
use shootdown::transport::VECTOR;

use crate::launch::{EVIDENCE, MACHINE};
use crate::machine::{Machine, Outcome};
use crate::options::Board;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// How long the machine may run by its own clock, in milliseconds: the longest script of a lab takes 1600.
const DEADLINE: &str = "deadline=4000";
/// The same on Bochs, where an instruction takes an eighth of a microsecond of that clock.
const BOCHS_DEADLINE: &str = "deadline=120000";
/// After that the host stands still.
const STANDS_STILL: Duration = Duration::from_secs(3600);
/// What is run to see how fast this host is, by the kit's own kernel. It takes half a second of CPU time where the longest
/// run of a lab takes six.
const CONTROL: &str = "map 0x400000 4\nread 0x400000 on all\nstorm rounds=100\n";
/// It has to end within this part of what a stranger's run may use: a host that lets it end lets that end too.
const CONTROL_PART: u64 = 20;
/// Of how many bytes of evidence it is told what most of it is, where a limit ended a run: they are the same on any host
/// that comes so far.
const TOLD_OF: usize = 64 << 10;
/// How wide lanes are drawn, in characters, wherever it is run.
const WIDTH: usize = 100;

/// Whose solution is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// One's own: every run is made once.
    #[default]
    Own,
    /// A stranger's. QEMU is confined. Every run is made twice: both must leave the same evidence, byte by byte, and
    /// the interrupts that QEMU says it delivered must be those that the evidence tells of.
    Stranger(Layers),
}

/// Where runs are judged.
#[derive(Clone, Debug)]
pub struct Court<'w> {
    workspace: &'w Workspace,
    /// The program that starts machines.
    kit: PathBuf,
    trust: Trust,
    board: Board,
    /// CPU time in seconds that QEMU may use for a stranger's run.
    cpu: u64,
}

/// A run, and what it left.
pub struct Judged {
    /// How it ended.
    pub outcome: Outcome,
    /// What the judge says of its evidence.
    pub verdict: Verdict,
    /// Its evidence.
    pub evidence: Evidence,
    /// What happened.
    pub timeline: Timeline,
    /// Why its evidence is not to be believed, if it is not.
    pub doubt: Option<String>,
}

impl<'w> Court<'w> {
    /// A court for solutions of that trust. `kit` is the program that starts machines.
    pub fn new(workspace: &'w Workspace, kit: &Path, trust: Trust) -> Self {
        Court {
            workspace,
            kit: kit.to_path_buf(),
            trust,
            board: Board::default(),
            cpu: MACHINE.cpu,
        }
    }

    /// The same with another machine. A stranger's solution is not judged on Bochs, which writes no log of interrupts.
    #[must_use]
    pub fn on(self, board: Board) -> Self {
        Court { board, ..self }
    }

    /// QEMU may use so many seconds of CPU time for a stranger's run, in place of [`MACHINE`]'s.
    #[must_use]
    pub fn cpu_seconds(self, cpu: u64) -> Self {
        Court { cpu, ..self }
    }

    /// A machine with the kit's own kernel, deterministic, to be changed and given to [`judged`](Court::judged).
    pub fn machine(&self) -> Machine {
        let layers = match self.trust {
            Trust::Own => None,
            Trust::Stranger(layers) => Some(layers),
        };
        Machine::new(&self.kit)
            .board(self.board)
            .deterministic()
            .word(match self.board {
                Board::Bochs => BOCHS_DEADLINE,
                _ => DEADLINE,
            })
            .timeout(STANDS_STILL)
            .patient()
            .confined(layers)
            .cpu_seconds(self.cpu)
    }

    /// One with a kernel in which a solution is.
    pub fn machine_with(&self, kernel: PathBuf) -> Machine {
        self.machine()
            .kernel(kernel)
            .proto("student")
            .word("watchdog=stop")
    }

    /// Runs `script` on `machine`, and judges what it leaves.
    ///
    /// # Errors
    /// The host's, never the solution's: a machine that does not start, boot or end, two equal runs that leave
    /// unequal evidence.
    pub fn judged(&self, machine: Machine, script: &str) -> Result<Judged, Failure> {
        let folder = tempfile::tempdir_in(self.workspace.own_dir()?)
            .map_err(|error| Failure::host(format!("making a folder for the evidence: {error}")))?;
        let key = fresh_key()?;
        let run = |name: &str, machine: Machine| {
            let file = folder.path().join(name);
            let outcome = ended(machine.evidence(&file, key).script(script)?)?;
            Ok((outcome, fs::read(&file).doing("reading", &file)?))
        };
        let (outcome, bytes, logged) = match self.trust {
            Trust::Own => {
                let (outcome, bytes) = run("evidence", machine)?;
                (outcome, bytes, None)
            }
            Trust::Stranger(_) => {
                let second = machine.clone().int_log();
                let (first, second) = both(|| run("first", machine), || run("second", second));
                let (mut first, mut second) = (first?, second?);
                // Where a limit ends them, one comes further than the other.
                if first.0.limit.is_none() && second.0.limit.is_some() {
                    swap(&mut first, &mut second);
                }
                let ((mut outcome, bytes), (again, same)) = (first, second);
                let equal = match outcome.limit {
                    Some(_) => begin_alike(&bytes, &same),
                    None => same == bytes && again.status == outcome.status,
                };
                if !equal {
                    return Err(Failure::host(
                        "two runs of the same machine left unequal evidence",
                    ));
                }
                if let Some(limit) = outcome.limit {
                    let longer = if bytes.len() < same.len() {
                        &same
                    } else {
                        &bytes
                    };
                    self.blame(&mut outcome, limit, &most(longer, &key))?;
                }
                (outcome, bytes, Some(again))
            }
        };
        if outcome.limit.is_some() {
            return Ok(Judged::cut_off(outcome));
        }
        let evidence = decode(&bytes, Some(&key));
        let doubt =
            doubt(&evidence).or_else(|| logged.and_then(|logged| disagreement(&evidence, &logged)));
        let timeline = Timeline::new(evidence.records.clone());
        Ok(Judged {
            verdict: judge(&evidence, &timeline),
            outcome,
            evidence,
            timeline,
            doubt,
        })
    }

    /// Runs `script` on `machine` for what the kernel itself prints.
    ///
    /// # Errors
    /// As [`judged`](Court::judged).
    pub fn measured(&self, machine: Machine, script: &str) -> Result<Outcome, Failure> {
        let run = || ended(machine.script(script)?);
        if self.trust == Trust::Own {
            return run();
        }
        let (first, second) = both(run, run);
        let (mut first, mut second) = (first?, second?);
        if first.limit.is_none() && second.limit.is_some() {
            swap(&mut first, &mut second);
        }
        if let Some(limit) = first.limit {
            if !begin_alike(first.transcript.as_bytes(), second.transcript.as_bytes()) {
                return Err(Failure::host(
                    "two runs of the same machine printed unequal figures",
                ));
            }
            self.blame(&mut first, limit, "")?;
            return Ok(first);
        }
        if first.transcript != second.transcript {
            return Err(Failure::host(
                "two runs of the same machine printed unequal figures",
            ));
        }
        Ok(first)
    }
}

impl Court<'_> {
    /// Says of a run that a limit ended what it did too much of, in words that are the same on any host.
    ///
    /// # Errors
    /// It is the host's fault: nothing came of the run, or the host is slow.
    fn blame(&self, outcome: &mut Outcome, limit: Limit, most: &str) -> Result<(), Failure> {
        let seconds = self.cpu;
        let what = match limit {
            Limit::Cpu => {
                if !outcome.transcript.contains(READY) {
                    return Err(Failure::host(format!(
                        "QEMU used up {seconds} s of CPU time before the kernel had started"
                    )));
                }
                let control = self.machine().cpu_seconds((seconds / CONTROL_PART).max(1));
                fast_enough(control.script(CONTROL)?)?;
                format!(
                    "too slow: QEMU used {seconds} CPU s of {seconds}, where the longest of the labs' own takes 6"
                )
            }
            Limit::Output => format!(
                "the machine wrote more than {} MiB to its serial line",
                MACHINE.output >> 20
            ),
            Limit::Disk => format!(
                "too much happened: the evidence of it is larger than {} MiB, or QEMU's log of interrupts than {}",
                EVIDENCE >> 20,
                MACHINE.disk >> 20
            ),
            Limit::Memory | Limit::Processes => {
                return Err(Failure::host(format!(
                    "QEMU used too much {}",
                    limit.name()
                )));
            }
        };
        outcome.status = Status::Unfinished;
        outcome.complaint = format!("{what}{most}");
        Ok(())
    }
}

/// Whether a run of the kit's own ended within the little that it was given.
fn fast_enough(control: Outcome) -> Result<(), Failure> {
    if control.status == Status::Success {
        return Ok(());
    }
    let message =
        "this host is too slow to say that a run is: one of the kit's own does not end well";
    Err(Failure::host(message).advise(control.complaint))
}

/// The kernel's last word before it begins with a script.
const READY: &str = "\nboot: ready";

/// Whether the shorter is the beginning of the longer.
fn begin_alike(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// What most of the records at the beginning of `bytes` are, if there are so many bytes.
fn most(bytes: &[u8], key: &Key) -> String {
    let Some(bytes) = bytes.get(..TOLD_OF) else {
        return String::new();
    };
    let records = decode(bytes, Some(key)).records;
    let mut counts = BTreeMap::new();
    for record in &records {
        *counts.entry((record.cpu, record.event)).or_insert(0_usize) += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or(String::new(), |((cpu, event), count)| {
        format!(
            "; of the first {} things that happened {count} are `{}` on CPU {cpu}",
            records.len(),
            event.name()
        )
    })
}

/// The most events of a run that are kept for the viewer.
const KEPT: usize = 2000;

impl Judged {
    /// Of a run that a limit ended: there is nothing to be judged.
    fn cut_off(outcome: Outcome) -> Self {
        let evidence = decode(&[], None);
        let timeline = Timeline::new(Vec::new());
        Judged {
            verdict: judge(&evidence, &timeline),
            doubt: Some(outcome.complaint.clone()),
            outcome,
            evidence,
            timeline,
        }
    }

    /// What happened around `finding`, for the viewer.
    pub fn chart(&self, title: &str, finding: &Finding) -> Chart {
        let whole = chart::of_evidence(title, &self.evidence, &self.timeline);
        whole.around(&finding.records, KEPT)
    }

    /// The shootdown that `finding` is about, as lanes.
    pub fn lanes(&self, finding: &Finding) -> String {
        let Some(number) = finding.shootdown else {
            return String::new();
        };
        let view = View {
            width: WIDTH,
            ascii: false,
            tsc_khz: 0,
            cpus: CpuSet::EMPTY,
        };
        let lines = lanes::draw(&self.timeline, number, &view);
        lines.iter().fold(String::new(), |all, line| {
            all + line.to_string().trim_end() + "\n"
        })
    }
}

/// Does both at once.
fn both<T: Send>(first: impl FnOnce() -> T + Send, second: impl FnOnce() -> T) -> (T, T) {
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        match first.join() {
            Ok(first) => (first, second),
            Err(panic) => resume_unwind(panic),
        }
    })
}

/// A run that the machine ended, or one of its limits, and not the host.
fn ended(outcome: Outcome) -> Result<Outcome, Failure> {
    if outcome.limit.is_some() {
        return Ok(outcome);
    }
    match outcome.status {
        Status::Missing | Status::NotBooted | Status::Host | Status::Unfinished => {
            Err(Failure::new(outcome.status, outcome.complaint))
        }
        _ => Ok(outcome),
    }
}

/// Why the evidence is not to be believed by itself.
fn doubt(evidence: &Evidence) -> Option<String> {
    let first = evidence.defects.first().map(ToString::to_string);
    (!evidence.is_sound()).then(|| {
        let why = first.unwrap_or_else(|| "it has no end".to_owned());
        format!("the run left no whole evidence: {why}")
    })
}

/// Whether the evidence tells of other interrupts than those that QEMU delivered. The machine may end between the
/// delivery and its record, on each CPU.
fn disagreement(evidence: &Evidence, outcome: &Outcome) -> Option<String> {
    let enters = evidence
        .records
        .iter()
        .filter(|record| record.event == Event::Kind(Kind::Enter) && record.a == u64::from(VECTOR));
    let recorded = enters.count() as u64;
    let delivered = outcome.delivered.as_ref()?.of(VECTOR);
    let cpus = evidence.totals.as_ref().map_or(0, Vec::len) as u64;
    (!agree(recorded, delivered, cpus)).then(|| {
        format!(
            "the evidence tells of {recorded} shootdown interrupts, and QEMU delivered {delivered}: it is forged"
        )
    })
}

/// Whether as many interrupts were `delivered` as `recorded`, or one more on each CPU.
fn agree(recorded: u64, delivered: u64, cpus: u64) -> bool {
    (recorded..=recorded + cpus).contains(&delivered)
}

/// A key that no solution can know.
fn fresh_key() -> Result<Key, Failure> {
    let mut bytes = [0; 16];
    let path = Path::new("/dev/urandom");
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.doing("reading", path)?;
    Ok(Key::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_cut_off_earlier_taken_for_another_run() {
        assert!(begin_alike(b"abc", b"ab") && begin_alike(b"", b"x"));
        assert!(!begin_alike(b"abc", b"ax"));
    }

    /// A run that used up its CPU time, having written that.
    fn slow(transcript: &str) -> Outcome {
        Outcome {
            status: Status::Host,
            exit: None,
            limit: Some(Limit::Cpu),
            transcript: transcript.into(),
            delivered: None,
            complaint: String::new(),
            elapsed: Duration::ZERO,
        }
    }

    #[test]
    fn a_machine_that_never_started_taken_for_a_slow_solution() {
        let workspace = Workspace::find().unwrap();
        let court = Court::new(&workspace, Path::new("kit"), Trust::Own);
        let blamed = court.blame(&mut slow("boot: starting 3 more CPUs\n"), Limit::Cpu, "");
        assert_eq!(blamed.unwrap_err().status, Status::Host);
    }

    #[test]
    fn a_slow_host_taken_for_a_slow_solution() {
        let refused = fast_enough(slow("boot: x\nboot: ready\n")).unwrap_err();
        assert!(refused.to_string().contains("too slow"), "{refused}");
        let quick = Outcome {
            status: Status::Success,
            ..slow("")
        };
        assert!(fast_enough(quick).is_ok());
    }

    #[test]
    fn forged_records_of_interrupts_that_are_believed() {
        assert!(agree(10, 10, 4) && agree(10, 14, 4));
        assert!(!agree(11, 10, 4), "told of, and never delivered");
        assert!(!agree(10, 15, 4), "delivered, and left out");
    }
}
