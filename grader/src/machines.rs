//! What each machine reproduces: every scenario and every lab's script, run on QEMU and on Bochs, each run's
//! evidence judged by the same checks. Behind `grader/MACHINES.md`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use evidence::judge::judge;
use evidence::{Defect, Event, Key, Record, Timeline, decode};

use crate::digest;
use crate::invariants::{self, INVARIANTS};
use crate::labs::check::{Outcome, Solution};
use crate::labs::court::Trust;
use crate::labs::rig::Shared;
use crate::labs::{Check, Kind, Lab, Manifest};
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
    digest: String,
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

/// Of `parts`: enough to notice an edit.
fn digest(parts: &[&[u8]]) -> String {
    digest::of(parts)[..8].to_owned()
}

/// Every row of the fault table, as the line that arms it, and what `cargo kit run` needs besides. A test holds it to the
/// shell's table.
pub const FAULTS: [(&str, &str); 50] = [
    ("pin delay 50us cpu 0", ""),
    ("publish delay 50us cpu 0", ""),
    ("generation delay 50us cpu 0", ""),
    ("zero delay 50us cpu 0", ""),
    ("send delay 50us cpu 0", ""),
    ("local-invalidate delay 50us cpu 0", ""),
    ("wait delay 50us cpu 0", ""),
    ("done delay 50us cpu 0", ""),
    ("notice delay 50us cpu 2", ""),
    ("copy delay 50us cpu 2", ""),
    ("acknowledge delay 50us cpu 2", ""),
    ("invalidate delay 50us cpu 2", ""),
    ("return delay 50us cpu 2", ""),
    ("pte-store delay 50us cpu 0", ""),
    ("activate delay 50us cpu 2", ""),
    ("publish migrate to 1 cpu 0 1*", ""),
    ("generation migrate to 1 cpu 0 1*", ""),
    ("zero migrate to 1 cpu 0 1*", ""),
    ("send migrate to 1 cpu 0 1*", ""),
    ("wait migrate to 1 cpu 0 1*", ""),
    ("publish late 50us cpu 0", ""),
    ("generation skip cpu 0", ""),
    ("generation wrap cpu 0 1*", ""),
    ("zero skip cpu 0 peer 2 1*", ""),
    ("zero transpose cpu 0 peer 2 1*", ""),
    ("zero wrong-column to 3 cpu 0 peer 2 1*", ""),
    ("send drop cpu 0 peer 2 1*", ""),
    ("send hold cpu 0 peer 2 1*", ""),
    ("send duplicate cpu 0", ""),
    ("send misdirect to 3 cpu 0 1*", ""),
    ("send torn to 3 cpu 0 1*", "--apic xapic"),
    ("send reread cpu 0", ""),
    ("wait skip cpu 0", ""),
    ("publish interrupts-off cpu 0", ""),
    ("send interrupts-off cpu 0", ""),
    ("wait interrupts-off cpu 0", ""),
    ("notice no-drain cpu 2", ""),
    ("notice skip cpu 2 1*", ""),
    ("notice acknowledge-early cpu 2", ""),
    ("acknowledge skip cpu 2 1*", ""),
    ("acknowledge late cpu 2", ""),
    ("acknowledge twice cpu 2 1*", ""),
    ("invalidate skip cpu 2", ""),
    ("local-invalidate skip cpu 0", ""),
    ("invalidate short cpu 2", ""),
    ("local-invalidate short cpu 0", ""),
    ("invalidate wrong-operation cpu 2", ""),
    ("local-invalidate wrong-operation cpu 0", ""),
    ("invalidate late 10s cpu 2", ""),
    ("invalidate nmi cpu 2 1*", ""),
];

/// The rest of the rows: those of points that no shootdown passes by itself.
pub const FAULTS_ELSEWHERE: [(&str, &str); 4] = [
    ("return no-eoi cpu 2 1*", ""),
    ("activate skip cpu 2", ""),
    ("activate late 10s cpu 2", ""),
    ("activate interrupts-on 50us cpu 2", ""),
];

/// What is done while a fault is armed, up to the first hang or violation: every CPU comes to hold translations, two
/// pages change, and what was freed is read.
fn faulted(fault: &str) -> String {
    // A handler drains where several ask at once.
    let more = match fault.contains("no-drain") {
        true => "storm rounds=100\n",
        false => "",
    };
    format!(
        "fault {fault}\nmap 0x400000 4\nread 0x400000 on all\nread 0x401000 on all\nremap 0x400000 2\n\
         read 0x400000 on all\nread 0x401000 on all\nremap 0x402000 from 2\nshoot space\n{more}"
    )
}

/// What bounds the waits that a fault makes endless, in milliseconds of the machine.
const SOON: &str = "--append patience=300";

const TURNS: &str = "QEMU's CPUs take long turns, so the shootdown returns before any target has begun (I5 too); \
                     Bochs' take turns of a few instructions, and there the targets have flushed by then";

const EARLY: &str = "the initiator does not wait: on QEMU no target has begun as it returns (I5), on Bochs targets are in \
                     the middle of reading as it writes its next request (I1)";

/// Why the machines' rows differ, by the case's name. A difference that is not here is a failure to explain.
const EXPLAINED: [(&str, &str); 6] = [
    ("fault generation skip cpu 0", EARLY),
    ("fault generation wrap cpu 0 1*", EARLY),
    ("fault wait skip cpu 0", TURNS),
    ("grader/scenarios/I03-wait.tlb", TURNS),
    ("grader/scenarios/I12-wrap.tlb", TURNS),
    (
        "grader/scenarios/I16-global.tlb",
        "TCG drops global translations at every CR3 write",
    ),
];

/// Every case: the scenarios, the fault table, and the labs' checks.
///
/// # Errors
/// A scenario, a solution or the labs' manifest cannot be read.
pub fn cases() -> io::Result<Vec<Case>> {
    let mut cases: Vec<Case> = invariants::scenarios()?.iter().map(scenario).collect();
    cases.extend(FAULTS.iter().chain(&FAULTS_ELSEWHERE).map(fault));
    let other = |failure: Failure| io::Error::other(failure.to_string());
    let workspace = Workspace::find().map_err(other)?;
    let manifest = Manifest::read(&workspace).map_err(other)?;
    for lab in &manifest.labs {
        for one in lab.checks.iter().filter(|check| in_the_machine(check.kind)) {
            cases.push(check(&workspace, lab, one)?);
        }
    }
    Ok(cases)
}

fn scenario(scenario: &invariants::Scenario) -> Case {
    let options = scenario.options.clone();
    Case {
        part: Part::Scenarios,
        of: format!("I{}", scenario.invariant),
        what: scenario.broken.clone(),
        name: format!("{}/{}", invariants::FOLDER, scenario.name),
        explorer: by_explorer(scenario.invariant),
        digest: digest(&[scenario.script.as_bytes(), options.as_bytes()]),
        source: Source::Script {
            text: scenario.script.clone(),
            options,
        },
    }
}

fn fault(&(line, options): &(&str, &str)) -> Case {
    let text = faulted(line);
    let options = format!("{options} {SOON}");
    Case {
        part: Part::Faults,
        of: line.split(' ').next().unwrap_or_default().to_owned(),
        what: String::new(),
        name: format!("fault {line}"),
        explorer: String::new(),
        digest: digest(&[text.as_bytes(), options.as_bytes()]),
        source: Source::Script { text, options },
    }
}

/// Whether such a check runs the machine.
fn in_the_machine(kind: Kind) -> bool {
    match kind {
        Kind::Rules | Kind::Compiles | Kind::Explore | Kind::Transfers | Kind::Answer => false,
        Kind::Machine | Kind::Instructions | Kind::Costs | Kind::Interrupts => true,
        Kind::Spares | Kind::Kills => true,
        Kind::SeeRuns | Kind::SeeDead | Kind::SeeOne | Kind::SeeProof | Kind::SeeCure => true,
    }
}

fn check(workspace: &Workspace, lab: &Lab, check: &Check) -> io::Result<Case> {
    let folder = lab.path(workspace);
    let mut parts = vec![
        format!("{check:?}").into_bytes(),
        fs::read(folder.join(reference(lab)))?,
    ];
    if let Some(script) = &check.script {
        parts.push(fs::read(folder.join(script))?);
    }
    if let Some(mutant) = &check.mutant {
        parts.push(fs::read(workspace.labs().join(mutant))?);
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(Case {
        part: Part::Labs,
        of: format!("lab {}", lab.number),
        what: match check.hidden {
            // Students read this page.
            true => "(hidden)".to_owned(),
            false => check.what.clone(),
        },
        name: format!("lab {}, {}", lab.number, check.id),
        explorer: String::new(),
        digest: digest(&parts),
        source: Source::Check {
            lab: lab.number,
            id: check.id.clone(),
        },
    })
}

fn reference(lab: &Lab) -> String {
    format!("reference.{}", lab.extension())
}

/// The test that has the explorer find every wrong protocol of `grader/explorer/src/textbook.rs`, and where it is.
pub const WRONG: (&str, &str) = (
    "grader/explorer/src/tests.rs",
    "a_wrong_protocol_that_is_taken_for_right",
);
/// The invariants that those break. A test holds it to the mutations' table.
pub const BROKEN_BY_WRONG: [usize; 12] = [1, 3, 4, 5, 6, 7, 11, 12, 13, 16, 17, 19];

/// The host's test that breaks the invariant of this number, if there is one.
fn by_explorer(number: usize) -> String {
    match INVARIANTS[number - 1].host.2 {
        "" if BROKEN_BY_WRONG.contains(&number) => format!("found: `{}`", WRONG.1),
        "" => "-".to_owned(),
        test => format!("found: `{test}`"),
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

impl Default for Shown {
    /// All as expected, and nothing broken.
    fn default() -> Self {
        Shown {
            met: true,
            holes: false,
            broken: BTreeSet::new(),
        }
    }
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

/// Runs `case` on `board`; `shared` starts machines, and builds what a lab's solution needs.
///
/// # Errors
/// The machine did not start, or ended otherwise than a script may, or its evidence is not whole.
pub fn run(case: &Case, board: Board, shared: &Arc<Shared>) -> Result<Shown, Failure> {
    match &case.source {
        Source::Script { text, options } => script(case, text, options, board, &shared.kit),
        Source::Check { lab, id } => graded(*lab, id, board, shared),
    }
}

/// Has a lab's reference solution graded by one check, as a person's own is.
fn graded(lab: u8, id: &str, board: Board, shared: &Arc<Shared>) -> Result<Shown, Failure> {
    let workspace = &shared.workspace;
    let manifest = Manifest::read(workspace)?;
    let lab = manifest.lab(lab)?;
    let check = lab.checks.iter().find(|check| check.id == id);
    let check = check.ok_or_else(|| Failure::host(format!("no check {id}")))?;
    let file = lab.path(workspace).join(reference(lab));
    let slot = format!("machines-{}", lab.number);
    let solution = Solution::new(shared, lab, &file, &slot, Trust::Own)?;
    match solution.on(board).one(check)? {
        Outcome::Passed(_) => Ok(Shown::default()),
        Outcome::Failed(told) => {
            eprintln!("lab {}, {id} on {board:?}: {}", lab.number, told.seen);
            Ok(Shown {
                met: false,
                broken: told.invariant.into_iter().collect(),
                ..Shown::default()
            })
        }
        Outcome::Skipped(why) => Err(Failure::host(format!("{id} was skipped: {why}"))),
    }
}

fn script(
    case: &Case,
    text: &str,
    options: &str,
    board: Board,
    kit: &Path,
) -> Result<Shown, Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::host(format!("making a folder for the evidence: {error}")))?;
    let file = folder.path().join("evidence");
    let key = Key::from_bytes(*b"of both machines");
    let machine = machine(&kit.to_string_lossy(), options)?
        .timeout(Duration::from_secs(200))
        .board(board)
        .evidence(&file, key);
    let outcome = machine.script(text)?;
    let what = |why: &str| {
        let name = &case.name;
        let failure = Failure::host(format!("{name} on {board:?}: {why}"));
        let last: Vec<&str> = outcome.transcript.lines().rev().take(10).collect();
        last.into_iter().rev().fold(failure, Failure::advise)
    };
    let met = match (outcome.status, case.part) {
        (Status::Success, _) => true,
        // What a fault leads to is for the judge.
        (Status::Violation | Status::Hung | Status::Panicked, Part::Faults) => true,
        (Status::CommandFailed, part) => part == Part::Faults,
        (status, _) => return Err(what(status.meaning())),
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
    let fired = |record: &Record| record.event == Event::Kind(evidence::Kind::Fault);
    if case.part == Part::Faults && !evidence.records.iter().any(fired) {
        return Err(what("the fault did not fire"));
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
pub fn run_all(
    cases: &[Case],
    shared: &Arc<Shared>,
) -> Result<Vec<[Shown; BOARDS.len()]>, Failure> {
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
            let shown = run(case, board, shared);
            let told = shown
                .as_ref()
                .map_or_else(|failure| failure.to_string(), Shown::cell);
            eprintln!("{} on {name}: {told}", case.name);
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
        (qemu != bochs) == why(&case.name).is_empty()
    };
    cases
        .iter()
        .zip(shown)
        .filter(odd)
        .map(|(case, _)| case)
        .collect()
}

fn why(name: &str) -> &'static str {
    EXPLAINED
        .iter()
        .find(|(of, _)| *of == name)
        .map_or("", |(_, why)| why)
}

/// The page, in Markdown.
#[must_use]
pub fn page(cases: &[Case], shown: &[[Shown; 2]]) -> String {
    let mut page = HEAD.to_owned();
    for (part, head) in PARTS {
        page.push_str(head);
        for (case, [qemu, bochs]) in cases.iter().zip(shown) {
            if case.part == part {
                let _ = writeln!(page, "{}{} | {} |", start(case), qemu.cell(), bochs.cell());
            }
        }
    }
    page.push_str("\n## Why the two differ\n\n");
    for (name, why) in EXPLAINED {
        let _ = writeln!(page, "- `{name}`: {why}.");
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
    let Case {
        of, what, digest, ..
    } = case;
    match case.part {
        Part::Scenarios => {
            let file = case.name.rsplit('/').next().unwrap_or_default();
            let explorer = &case.explorer;
            format!("| {of} | {what} | [`{file}`](scenarios/{file}) | {digest} | {explorer} | ")
        }
        Part::Faults => format!("| `{}` | {digest} | ", case.name),
        Part::Labs => format!("| {} | {what} | {digest} | ", case.name),
    }
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

Generated by `cargo run -p grader --example machines` from runs on QEMU (counted instructions) and on Bochs; with words,
only the rows whose names have one of them are run anew. *Shown*: every expectation of the script was met. *Broken*: what
the host's judge found in the run's evidence, by the same checks for both. A test sees that the rows are of the scripts
and solutions as they are now, and that the machines differ only where a reason is given.
";

/// The page's tables, each with what goes before its rows.
const PARTS: [(Part, &str); 3] = [
    (
        Part::Scenarios,
        "\n## The invariants\n\nThe explorer's column names the test in which it finds that \
         invariant broken, each time the tests run; other tests see that each named one is there.\n\n\
         | of | what happens | the script | its digest | explorer | QEMU | Bochs |\n|---|---|---|---|---|---|---|\n",
    ),
    (
        Part::Faults,
        "\n## The fault table\n\nEvery action at every point where it makes sense, while all CPUs come to hold translations, \
         pages change, and what was freed is read, up to the first hang. *Shown*: the fault fired. What an action needs to \
         be seen, a second initiator or a reader at the right moment, the scenarios have.\n\n\
         | the fault | its digest | QEMU | Bochs |\n|---|---|---|---|\n",
    ),
    (
        Part::Labs,
        "\n## The labs\n\nEvery check that runs the machine, of the lab's reference solution, as a person's own is graded. \
         *Shown*: it passes.\n\n| the check | what is tested | its digest | QEMU | Bochs |\n|---|---|---|---|---|\n",
    ),
];

const TAIL: &str = "
Bochs has PCIDs and INVPCID, and checks their operands; but it drops all but global translations at every CR3 write, so
there too nothing outlives a switch under another PCID (I9). `cargo kit explore` shows that, over the same source.

What else runs on both machines, by tests of `grader/tests`: the storms of both protocols in both APIC modes
(`storm.rs`), the self-tests, all of them (`selftest.rs`), and the faults that do no harm (`faults.rs`). On Bochs alone:
every type of INVPCID and CR3's bit 63 (`addressing.rs`).
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
        let case = |name: &str| Case {
            part: Part::Scenarios,
            of: String::new(),
            what: String::new(),
            name: name.to_owned(),
            source: Source::Script {
                text: String::new(),
                options: String::new(),
            },
            explorer: String::new(),
            digest: String::new(),
        };
        let cases = [case("a"), case(EXPLAINED[0].0)];
        let names = |shown: [[Shown; 2]; 2]| -> Vec<String> {
            let odd = unexplained(&cases, &shown);
            odd.into_iter().map(|case| case.name.clone()).collect()
        };
        let (same, differ) = ([shown(true), shown(true)], [shown(false), shown(true)]);
        assert!(names([same.clone(), differ.clone()]).is_empty());
        assert_eq!(names([differ.clone(), differ.clone()]), ["a"]);
        // A reason that has gone.
        assert_eq!(names([same.clone(), same]), [EXPLAINED[0].0]);
    }

    #[test]
    fn a_test_of_the_explorer_s_that_is_not_there_or_breaks_something_else() {
        let read = |file: &str| fs::read_to_string(invariants::workspace().join(file)).unwrap();
        let (file, test) = WRONG;
        assert!(read(file).contains(&format!("fn {test}(")), "{file}");
        // `Name: NUMBER,`, in the mutations' table.
        let source = read("grader/explorer/src/textbook.rs");
        let table = source.split("\nmutations! {").nth(1).unwrap();
        let rows = table.lines().take_while(|line| *line != "}");
        let numbers = rows.filter_map(|row| row.trim().strip_suffix(',')?.split_once(": "));
        let broken: BTreeSet<usize> = numbers
            .filter_map(|(_, number)| number.parse().ok())
            .collect();
        assert_eq!(broken, BROKEN_BY_WRONG.into());
    }

    #[test]
    fn a_run_of_another_script_taken_for_this_one_s() {
        let mut case = fault(&FAULTS[0]);
        let result = [true, false].map(|met| Shown {
            met,
            holes: !met,
            broken: if met { [1, 12].into() } else { [].into() },
        });
        let written = page(std::slice::from_ref(&case), std::slice::from_ref(&result));
        assert_eq!(results(&[case.clone()], &written), [Some(result)]);
        case.digest.push('x');
        assert_eq!(results(&[case], &written), [None]);
        assert_ne!(digest(&[b"a", b"b"]), digest(&[b"ab", b""]));
    }
}
