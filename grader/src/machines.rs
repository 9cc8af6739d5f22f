//! What each machine reproduces: every scenario and every lab's script, run on QEMU and on Bochs, each run's
//! evidence judged by the same checks. Behind `grader/MACHINES.md`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use evidence::judge::judge;
use evidence::{Defect, Key, Timeline, decode};

use crate::invariants::{self, INVARIANTS, workspace};
use crate::labs::Manifest;
use crate::machine::Machine;
use crate::options::{Apic, Board};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// The page's place in the workspace.
pub const PAGE: &str = "grader/MACHINES.md";

/// The two machines, in the order of the page's columns.
pub const BOARDS: [(Board, &str); 2] = [(Board::Q35, "QEMU"), (Board::Bochs, "Bochs")];

/// What is run on each machine.
#[derive(Clone, Debug)]
pub struct Case {
    /// The page's table that it is a row of.
    pub part: Part,
    /// The invariant or the lab that it belongs to.
    pub of: String,
    /// What it does.
    pub what: String,
    /// What it is known by: a script's place, from the workspace's folder; a line that arms a fault; a lab's check.
    pub name: String,
    /// How it is run.
    source: Source,
    /// What the explorer says to it.
    explorer: String,
    /// Of all that decides what the run does: a run of anything else is out of date.
    digest: u32,
}

/// The page's tables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The scenarios, each of which breaks an invariant.
    Scenarios,
    /// The rows of the fault table.
    Faults,
    /// The labs' checks that run the machine.
    Labs,
}

/// How a case is run.
#[derive(Clone, Debug)]
enum Source {
    /// The kit's own kernel runs a script.
    Script {
        /// The script.
        text: String,
        /// What `cargo kit run` needs besides.
        options: String,
    },
    /// The reference solution of a lab is graded by one of the lab's checks.
    Check {
        /// The lab's number.
        lab: u8,
        /// The check's name.
        id: String,
    },
}

/// FNV-1a, of 32 bits: enough to notice an edit.
fn digest(script: &str, options: &str) -> u32 {
    let bytes = script.bytes().chain([0]).chain(options.bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// A lab's script of the shell: the labs, what it does, the file, and the options with which the kernel's own code
/// stands in for a student's.
type Lab = (&'static str, &'static str, &'static str, &'static str);

/// Lab 9's is left out: the kernel that it is about has to be built for it.
const LABS: [Lab; 7] = [
    (
        "lab 1",
        "a CPU reads through a dead translation",
        "labs/01-see-it/reference.tlb",
        "",
    ),
    (
        "lab 2",
        "the shootdown interrupt is sent, xAPIC's way",
        "labs/02-ring/kernel.tlb",
        "--apic xapic",
    ),
    (
        "lab 3",
        "the global lock's storm",
        "labs/03-one-at-a-time/kernel.tlb",
        "--proto global-lock",
    ),
    (
        "labs 4, 5 and 10",
        "the scoreboard's storm",
        "labs/04-everyone-at-once/kernel.tlb",
        "",
    ),
    (
        "lab 6",
        "CPUs leave spaces that change, and come back",
        "labs/06-who-may-hold-it/kernel.tlb",
        "",
    ),
    (
        "lab 7",
        "an interrupt is lost, and sent again",
        "labs/07-when-it-goes-wrong/kernel.tlb",
        "--append watchdog=resend",
    ),
    (
        "lab 8",
        "a script that spares the right protocol",
        "labs/08-break-it/reference.tlb",
        "",
    ),
];

const TURNS: &str = "QEMU's CPUs take long turns, so the shootdown returns before any target has begun (I5 too); \
                     Bochs' take turns of a few instructions, and there the targets have flushed by then";

/// Why the machines' rows differ, by the script's file. A difference that is not here is a failure to explain.
const EXPLAINED: [(&str, &str); 4] = [
    ("grader/scenarios/I03-wait.tlb", TURNS),
    ("grader/scenarios/I12-wrap.tlb", TURNS),
    (
        "grader/scenarios/I15-stopped.tlb",
        "on Bochs the evidence's buffers overflow in this script, and evidence with holes is not judged",
    ),
    (
        "grader/scenarios/I16-global.tlb",
        "TCG drops global translations at every CR3 write",
    ),
];

/// Every case: the scenarios, then the labs.
///
/// # Errors
/// A scenario, a script or the labs' manifest cannot be read.
pub fn cases() -> io::Result<Vec<Case>> {
    let scenarios = invariants::scenarios()?.into_iter().map(|scenario| {
        let file = format!("{}/{}", invariants::FOLDER, scenario.name);
        let explorer = by_explorer(scenario.invariant);
        let of = format!("I{}", scenario.invariant);
        Case::new(of, &scenario.broken, file, &scenario.options, explorer)
    });
    let manifest = Workspace::find()
        .and_then(|workspace| Manifest::read(&workspace))
        .map_err(|failure| io::Error::other(failure.to_string()))?;
    let labs = LABS.iter().map(|&(of, what, file, options)| {
        let explorer = scenes(&manifest, of);
        Case::new(of.to_owned(), what, file.to_owned(), options, explorer)
    });
    scenarios.chain(labs).collect()
}

/// The host's test that breaks the invariant of this number, if there is one.
fn by_explorer(number: usize) -> String {
    match INVARIANTS[number - 1].host.2 {
        "" => "-".to_owned(),
        test => format!("shown: `{test}`"),
    }
}

/// The scenes that the explorer searches for the labs whose numbers are in `of`.
fn scenes(manifest: &Manifest, of: &str) -> String {
    let numbers: Vec<u8> = of
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let scenes: BTreeSet<&str> = manifest
        .labs
        .iter()
        .filter(|lab| numbers.contains(&lab.number))
        .flat_map(|lab| &lab.checks)
        .flat_map(|check| check.scenes.iter().map(String::as_str))
        .collect();
    match scenes.len() {
        0 => "-".to_owned(),
        1 => "1 scene searched".to_owned(),
        count => format!("{count} scenes searched"),
    }
}

/// What a run came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// Every expectation of the script was met.
    pub met: bool,
    /// The evidence has holes: nothing was judged.
    pub holes: bool,
    /// The invariants that the host found broken.
    pub broken: BTreeSet<u8>,
}

impl Shown {
    fn cell(&self) -> String {
        let met = if self.met { SHOWN } else { NOT_SHOWN };
        if self.holes {
            return format!("{met}; {HOLES}");
        }
        let broken: Vec<String> = self
            .broken
            .iter()
            .map(|number| format!("I{number}"))
            .collect();
        match broken.is_empty() {
            true => met.to_owned(),
            false => format!("{met}; {BROKEN}{}", broken.join(", ")),
        }
    }

    /// What [`cell`](Self::cell) wrote.
    fn parse(cell: &str) -> Option<Self> {
        let (met, rest) = cell.split_once("; ").unwrap_or((cell, ""));
        let broken = match rest {
            "" | HOLES => BTreeSet::new(),
            rest => rest
                .strip_prefix(BROKEN)?
                .split(", ")
                .map(|name| name.strip_prefix('I')?.parse().ok())
                .collect::<Option<_>>()?,
        };
        Some(Shown {
            met: match met {
                SHOWN => true,
                NOT_SHOWN => false,
                _ => return None,
            },
            holes: rest == HOLES,
            broken,
        })
    }
}

const SHOWN: &str = "shown";
const NOT_SHOWN: &str = "not shown";
const BROKEN: &str = "broken: ";
const HOLES: &str = "not judged, records were lost";

/// The machine for the words of a scenario: options of `cargo kit run`.
///
/// # Errors
/// [`Status::Usage`] for one that is not known here.
pub fn machine(kit: &str, words: &str) -> Result<Machine, Failure> {
    let mut machine = Machine::new(kit).deterministic();
    let mut words = words.split_ascii_whitespace();
    while let Some(option) = words.next() {
        if option == "--deterministic" {
            continue;
        }
        let value = words.next().unwrap_or_default();
        machine = match (option, value) {
            ("--append", _) => machine.word(value),
            ("--apic", "xapic") => machine.apic(Apic::Xapic),
            ("--proto", _) => machine.proto(value),
            ("--machine", "bochs") => machine.board(Board::Bochs),
            _ => {
                let message =
                    format!("a scenario's option that is not known here: {option} {value}");
                return Err(Failure::new(Status::Usage, message));
            }
        };
    }
    Ok(machine)
}

/// Runs `case` on `board`; `kit` is the program that starts emulators.
///
/// # Errors
/// The machine did not start, or ended otherwise than by its script, or its evidence is not whole.
pub fn run(case: &Case, board: Board, kit: &str) -> Result<Shown, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::host(format!("making a folder for the evidence: {error}")))?;
    let file = folder.path().join("evidence");
    let key = Key::from_bytes(*b"of both machines");
    let path = workspace().join(&case.file);
    let script = fs::read_to_string(&path).doing("reading", &path)?;
    let machine = machine(kit, &case.options)?
        .timeout(Duration::from_secs(200))
        .board(board)
        .evidence(&file, key);
    let outcome = machine.script(&script)?;
    let what = |why: &str| {
        let name = &case.file;
        let failure = Failure::host(format!("{name} on {board:?}: {why}"));
        let last: Vec<&str> = outcome.transcript.lines().rev().take(10).collect();
        last.into_iter().rev().fold(failure, Failure::advise)
    };
    let met = match outcome.status {
        Status::Success => true,
        Status::CommandFailed => false,
        status => return Err(what(status.meaning())),
    };
    let evidence = decode(&fs::read(&file).doing("reading", &file)?, Some(&key));
    let lost = |defect: &Defect| matches!(defect, Defect::Lost { .. });
    if evidence.defects.iter().any(lost) {
        return Ok(Shown {
            met,
            holes: true,
            broken: BTreeSet::new(),
        });
    }
    if !evidence.is_sound() {
        return Err(what(&format!(
            "its evidence has defects: {:?}",
            evidence.defects
        )));
    }
    let verdict = judge(&evidence, &Timeline::new(evidence.records.clone()));
    let broken = verdict
        .findings
        .iter()
        .map(|finding| finding.invariant)
        .collect();
    Ok(Shown {
        met,
        holes: false,
        broken,
    })
}

/// Runs every case on every machine, as many at once as there are cores. In the cases' order.
///
/// # Errors
/// As [`run`].
pub fn run_all(cases: &[Case], kit: &str) -> Result<Vec<[Shown; BOARDS.len()]>, Failure> {
    let jobs = cases.len() * BOARDS.len();
    let results = Mutex::new(vec![None; jobs]);
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let job = next.fetch_add(1, Relaxed);
            let Some(case) = cases.get(job / BOARDS.len()) else {
                return;
            };
            let (board, name) = BOARDS[job % BOARDS.len()];
            let shown = run(case, board, kit);
            let told = shown
                .as_ref()
                .map_or_else(|failure| failure.to_string(), Shown::cell);
            eprintln!("{} on {name}: {told}", case.file);
            if let Ok(mut results) = results.lock() {
                results[job] = Some(shown);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().unwrap_or_default();
    let all: Vec<Shown> = results.into_iter().flatten().collect::<Result<_, _>>()?;
    let pairs = all
        .chunks_exact(BOARDS.len())
        .map(|pair| [pair[0].clone(), pair[1].clone()]);
    Ok(pairs.collect())
}

/// The cases of which the machines differ, without a reason that is known or, having one, do not.
#[must_use]
pub fn unexplained<'a>(cases: &'a [Case], shown: &[[Shown; 2]]) -> Vec<&'a Case> {
    let odd = |(case, [qemu, bochs]): &(&Case, &[Shown; 2])| {
        (qemu != bochs) == why(&case.file).is_empty()
    };
    cases
        .iter()
        .zip(shown)
        .filter(odd)
        .map(|(case, _)| case)
        .collect()
}

fn why(file: &str) -> &'static str {
    EXPLAINED
        .iter()
        .find(|(of, _)| *of == file)
        .map_or("", |(_, why)| why)
}

/// The page, in Markdown.
#[must_use]
pub fn page(cases: &[Case], shown: &[[Shown; 2]]) -> String {
    let mut page = HEAD.to_owned();
    for (case, [qemu, bochs]) in cases.iter().zip(shown) {
        let _ = writeln!(page, "{}{} | {} |", start(case), qemu.cell(), bochs.cell());
    }
    page.push_str("\n## Why the two differ\n\n");
    for (file, why) in EXPLAINED {
        let _ = writeln!(page, "- `{file}`: {why}.");
    }
    page.push_str("\n## What no machine shows\n\n");
    for (index, invariant) in INVARIANTS.iter().enumerate() {
        let number = index + 1;
        if !invariant.unseen.is_empty() {
            let (unseen, explorer) = (invariant.unseen, by_explorer(number));
            let _ = writeln!(
                page,
                "- I{number}, {}: {unseen}. On the host {explorer}.",
                invariant.rule
            );
        }
    }
    page.push_str(TAIL);
    page
}

/// A row up to its results.
fn start(case: &Case) -> String {
    let name = Path::new(&case.file).strip_prefix("grader").map_or_else(
        |_| format!("../{}", case.file),
        |rest| rest.display().to_string(),
    );
    let file = case.file.rsplit('/').next().unwrap_or_default();
    format!(
        "| {} | {} | [`{file}`]({name}) | {:08x} | {} | ",
        case.of, case.what, case.digest, case.explorer
    )
}

/// The results of `cases` on a page, by case: `None` for those of which it has no run, or a run of another script.
#[must_use]
pub fn results(cases: &[Case], page: &str) -> Vec<Option<[Shown; 2]>> {
    let of = |case: &Case| {
        let rest = page
            .lines()
            .find_map(|line| line.strip_prefix(&start(case)))?;
        let (qemu, bochs) = rest.strip_suffix(" |")?.split_once(" | ")?;
        Some([Shown::parse(qemu)?, Shown::parse(bochs)?])
    };
    cases.iter().map(of).collect()
}

const HEAD: &str = "\
# What each machine reproduces

Generated by `cargo run -p grader --example machines` from runs of each script on QEMU (counted instructions) and on
Bochs; with words, only the scripts whose names have one of them are run anew. *Shown*: every expectation of the script
was met. *Broken*: what the host's judge found in the run's evidence, by the same checks for both. A test sees that the
rows are of the scripts as they are now, and that the machines differ only where a reason is given. In the labs' rows the
kernel's own code stands in for a student's. The\n\
explorer's column names the test that shows it on the host, or counts the scenes that the lab's checks search.

| of | what happens | the script | its digest | explorer | QEMU | Bochs |
|---|---|---|---|---|---|---|
";

const TAIL: &str = "
Bochs has PCIDs and INVPCID, and checks their operands; but it drops all but global translations at every CR3 write, so
there too nothing outlives a switch under another PCID (I9). `cargo kit explore` shows that, over the same source. Lab
9's kernel is not run here: it has to be built for it.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_between_the_machines_that_nobody_explains() {
        let shown = |met| Shown {
            met,
            holes: false,
            broken: BTreeSet::new(),
        };
        let case = |file: &str| Case {
            of: String::new(),
            what: String::new(),
            file: file.to_owned(),
            options: String::new(),
            explorer: String::new(),
            digest: 0,
        };
        let cases = [case("a"), case(EXPLAINED[0].0)];
        let names = |shown: [[Shown; 2]; 2]| -> Vec<String> {
            let odd = unexplained(&cases, &shown);
            odd.into_iter().map(|case| case.file.clone()).collect()
        };
        let (same, differ) = ([shown(true), shown(true)], [shown(false), shown(true)]);
        assert!(names([same.clone(), differ.clone()]).is_empty());
        assert_eq!(names([differ.clone(), differ.clone()]), ["a"]);
        // A reason that has gone.
        assert_eq!(names([same.clone(), same]), [EXPLAINED[0].0]);
    }

    #[test]
    fn a_page_that_is_out_of_date() {
        let cases = cases().unwrap();
        let written = fs::read_to_string(workspace().join(PAGE)).unwrap();
        let results = results(&cases, &written);
        let missing: Vec<&str> = cases
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_none())
            .map(|(case, _)| case.file.as_str())
            .collect();
        assert!(
            missing.is_empty(),
            "run `cargo run -p grader --example machines`: {missing:?}"
        );
        let shown: Vec<[Shown; 2]> = results.into_iter().flatten().collect();
        let odd = unexplained(&cases, &shown);
        assert!(odd.is_empty(), "machines differ, or no longer: {odd:#?}");
        assert_eq!(page(&cases, &shown), written);
    }

    #[test]
    fn a_run_of_another_script_taken_for_this_one_s() {
        let mut case = cases().unwrap().remove(0);
        let result = [true, false].map(|met| Shown {
            met,
            holes: !met,
            broken: if met { [1, 12].into() } else { [].into() },
        });
        let written = page(std::slice::from_ref(&case), std::slice::from_ref(&result));
        assert_eq!(results(&[case.clone()], &written), [Some(result)]);
        case.digest ^= 1;
        assert_eq!(results(&[case], &written), [None]);
        assert_ne!(digest("a", "b"), digest("ab", ""));
    }
}
