//! The invariants of the protocol, and what shows that each is needed: the manifest behind
//! `kernel/shootdown/INVARIANTS.md`.
//!
//! Most are broken by a *scenario*, a script for the booted machine whose head says what it shows.
//! What the emulator cannot show, or not all of, a test of the explorer or of `kernel/shootdown` shows on the host.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

/// The table's place in the workspace.
pub const TABLE: &str = "kernel/shootdown/INVARIANTS.md";
/// The scenarios' folder in the workspace.
pub const FOLDER: &str = "grader/scenarios";

/// What an invariant says, and what shows it on the host.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// The rule, by protocol.md §9.
    pub rule: &'static str,
    /// Why the machine cannot show it; empty if a scenario does.
    pub unseen: &'static str,
    /// The mutation that a host test makes, and the test, as file and function; empty if there is
    /// none.
    pub host: (&'static str, &'static str, &'static str),
}

const fn shown(rule: &'static str) -> Invariant {
    Invariant {
        rule,
        unseen: "",
        host: ("", "", ""),
    }
}

/// What the machine shows, and the explorer more of.
const fn shown_too(
    rule: &'static str,
    host: (&'static str, &'static str, &'static str),
) -> Invariant {
    Invariant {
        rule,
        unseen: "",
        host,
    }
}

const fn unseen(
    rule: &'static str,
    unseen: &'static str,
    host: (&'static str, &'static str, &'static str),
) -> Invariant {
    Invariant { rule, unseen, host }
}

/// The invariants, I1 first.
pub static INVARIANTS: [Invariant; 20] = [
    shown_too(
        "every word of a request is written before the slot's zero",
        (
            "a fence is missing, or a word is stored after it, and stores are only as ordered as the language has them",
            "grader/explorer/src/tests.rs",
            "a_relaxed_publish_or_a_missing_fence_that_does_no_harm",
        ),
    ),
    unseen(
        "the zero is visible before the interrupt is accepted",
        "TCG orders memory more strictly than a processor: a missing fence does no harm. \
         `fault send drop` has the same symptom",
        (
            "x2APIC's write overtakes them: `kit explore` finds it",
            "grader/explorer/src/tests.rs",
            "a_send_without_its_fence",
        ),
    ),
    shown("a request is immutable until all targets have acknowledged it; one user for each CPU"),
    shown("a target acknowledges only after it has copied the request"),
    shown_too(
        "the invalidation is done before the target resumes what was interrupted",
        (
            "an NMI comes between acknowledgement and invalidation, and its handler reads the page",
            "grader/explorer/src/tests/kernel.rs",
            "an_nmi_between_acknowledgement_and_invalidation_that_nobody_sees",
        ),
    ),
    shown("the handler drains: it scans again after each request"),
    shown("a waiting initiator takes interrupts"),
    shown(
        "page-table entry, cleared generation, full fence, then the target set is read; \
         a CPU sets its bit before it uses the space",
    ),
    unseen(
        "the generations of PCIDs are cleared before the interrupt",
        "QEMU's TCG has no PCIDs",
        (
            "they are cleared after the set was read: `kit explore` finds it",
            "grader/explorer/src/tests/membership.rs",
            "who_may_hold_a_translation_got_wrong",
        ),
    ),
    unseen(
        "CR3 and the current space change as one, as handlers see it",
        "in plain mode a handler needs no current space: `fault activate interrupts-on` does no harm",
        (
            "the switch is made with interrupts on: `kit explore` finds it",
            "grader/explorer/src/tests/membership.rs",
            "who_may_hold_a_translation_got_wrong",
        ),
    ),
    shown("one snapshot for zeroing, sending and waiting"),
    shown("the generation is never 0"),
    shown("the scoreboard is ready, nonzero, and its rows are the targets'"),
    shown("xAPIC: the two writes of the command register are indivisible"),
    shown("nobody waits for a stopped CPU; it flushes as it resumes"),
    shown_too(
        "the operation is the one asked for, and fits the mode",
        (
            "a target's flush for the kernel's pages leaves what is global",
            "grader/explorer/src/tests/kernel.rs",
            "a_flush_that_leaves_the_kernel_s_global_translations",
        ),
    ),
    shown("the end of a range is exclusive, and at least one page is done"),
    shown("exactly one end-of-interrupt signal, always reached"),
    shown("the initiator is pinned from set-up to finish"),
    unseen(
        "the space outlives the operation, not just the acknowledgement",
        "handlers find a space by its number, and the table of spaces outlives every space",
        (
            "the handler asks for a space that is gone",
            "kernel/shootdown/src/operation/tests.rs",
            "a_handler_that_needs_a_space_which_is_gone",
        ),
    ),
];

/// A script that breaks an invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scenario {
    /// The file's name.
    pub name: String,
    /// The invariant's number.
    pub invariant: usize,
    /// How it is broken.
    pub broken: String,
    /// What is seen then.
    pub symptom: String,
    /// The command that shows more, once it has happened.
    pub see: String,
    /// What `cargo kit run` needs besides.
    pub options: String,
    /// Only Bochs shows it.
    pub bochs: bool,
    /// The whole file.
    pub script: String,
}

impl Scenario {
    /// Reads the head of `script`: comments `# KEY: VALUE`.
    ///
    /// # Errors
    /// In words, what is missing.
    pub fn parse(name: &str, script: &str) -> Result<Scenario, String> {
        let find = |key: &str| {
            let mut lines = script.lines();
            lines.find_map(|line| {
                Some(
                    line.strip_prefix("# ")?
                        .strip_prefix(key)?
                        .strip_prefix(": ")?
                        .trim()
                        .to_owned(),
                )
            })
        };
        let need = |key: &str| find(key).ok_or_else(|| format!("{name}: no line `# {key}: …`"));
        let number = need("invariant")?;
        let invariant = number
            .strip_prefix('I')
            .and_then(|digits| digits.parse().ok())
            .filter(|number| (1..=INVARIANTS.len()).contains(number))
            .ok_or_else(|| format!("{name}: `{number}` is no invariant: I1 to I20"))?;
        Ok(Scenario {
            name: name.to_owned(),
            invariant,
            broken: need("broken by")?,
            symptom: need("symptom")?,
            see: need("see")?,
            options: find("options").unwrap_or_default(),
            bochs: match find("machine").as_deref() {
                None => false,
                Some("bochs") => true,
                Some(other) => return Err(format!("{name}: `{other}` is no machine: bochs")),
            },
            script: script.to_owned(),
        })
    }

    /// What comes between `cargo kit run` and the script.
    #[must_use]
    pub fn words(&self) -> String {
        let machine = if self.bochs {
            "--machine bochs"
        } else {
            "--deterministic"
        };
        match self.options.is_empty() {
            true => machine.to_owned(),
            false => format!("{machine} {}", self.options),
        }
    }

    /// The same script with nothing broken, which expects the opposite of every symptom.
    #[must_use]
    pub fn mended(&self) -> String {
        self.script.lines().filter_map(mend).collect()
    }
}

/// A line of a scenario with its fault taken out; `None` if it was nothing else.
fn mend(line: &str) -> Option<String> {
    let expectation = line.strip_prefix("expect ");
    match expectation.map(|what| (what, what.split(' ').next())) {
        _ if line.starts_with("fault ") => None,
        Some((_, Some(noted @ ("violation" | "hang")))) => Some(format!("expect no {noted}\n")),
        Some((condition, _)) => Some(format!("expect not ({condition})\n")),
        None => Some(line.replace(" noflush", "") + "\n"),
    }
}

/// Every scenario of the workspace, by name.
///
/// # Errors
/// The folder or a file cannot be read, or a head is incomplete.
pub fn scenarios() -> io::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for entry in std::fs::read_dir(workspace().join(FOLDER))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".tlb") {
            let script = std::fs::read_to_string(&path)?;
            scenarios.push(Scenario::parse(&name, &script).map_err(io::Error::other)?);
        }
    }
    scenarios.sort_by(|a, b| (a.invariant, &a.name).cmp(&(b.invariant, &b.name)));
    Ok(scenarios)
}

/// The workspace that this program was built from.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The table, in Markdown.
#[must_use]
pub fn table(scenarios: &[Scenario]) -> String {
    let mut page = String::from(
        "# The invariants, and what happens without them\n\n\
         Generated by `cargo run -p grader --example invariants > kernel/shootdown/INVARIANTS.md` from the heads of\n\
         [`grader/scenarios`](../../grader/scenarios) and the manifest in `grader/src/invariants.rs`. Each scenario is run by two\n\
         tests of `grader/tests/faults.rs`: as it stands the symptom must show, and without its fault it must not.\n\n\
         | # | invariant | how it is broken | symptom | what shows it |\n|---|---|---|---|---|\n",
    );
    for (index, invariant) in INVARIANTS.iter().enumerate() {
        let number = index + 1;
        for scenario in scenarios.iter().filter(|one| one.invariant == number) {
            let _ = writeln!(
                page,
                "| I{number} | {} | {} | {} | `cargo kit run {} --script {FOLDER}/{}`, then `{}` |",
                invariant.rule,
                scenario.broken,
                scenario.symptom,
                scenario.words(),
                scenario.name,
                scenario.see
            );
        }
        let (broken, file, test) = invariant.host;
        if !test.is_empty() {
            let seen = if invariant.unseen.is_empty() {
                "`kit explore` finds it".to_owned()
            } else {
                format!("none in the machine: {}", invariant.unseen)
            };
            let _ = writeln!(
                page,
                "| I{number} | {} | {broken} | {seen} | on the host: `{test}` in `{file}` |",
                invariant.rule
            );
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_that_nothing_shows() {
        let scenarios = scenarios().unwrap();
        for (index, invariant) in INVARIANTS.iter().enumerate() {
            let in_the_machine = scenarios.iter().any(|one| one.invariant == index + 1);
            assert_eq!(
                in_the_machine,
                invariant.unseen.is_empty(),
                "I{}",
                index + 1
            );
            assert!(
                in_the_machine || !invariant.host.2.is_empty(),
                "I{}: neither a scenario nor a host test",
                index + 1
            );
        }
    }

    #[test]
    fn a_host_test_that_is_not_there() {
        for invariant in &INVARIANTS {
            let (_, file, test) = invariant.host;
            if !test.is_empty() {
                let text = std::fs::read_to_string(workspace().join(file)).unwrap();
                assert!(text.contains(&format!("fn {test}(")), "{file}: {test}");
            }
        }
    }

    #[test]
    fn a_table_that_is_out_of_date() {
        let written = std::fs::read_to_string(workspace().join(TABLE)).unwrap();
        assert!(
            written == table(&scenarios().unwrap()),
            "run `cargo run -p grader --example invariants > {TABLE}`"
        );
    }

    #[test]
    fn a_mended_script_that_is_still_broken() {
        let script = "# invariant: I1\n# broken by: x\n# symptom: y\n# see: z\nfault send drop\nstop 2\n\
                      resume 2 noflush\nexpect last.a == 1\nexpect hang on 0\nexpect violation I5\n";
        let scenario = Scenario::parse("x", script).unwrap();
        assert!(scenario.mended().ends_with(
            "stop 2\nresume 2\nexpect not (last.a == 1)\nexpect no hang\nexpect no violation\n"
        ));
    }

    #[test]
    fn a_head_that_says_too_little() {
        assert!(Scenario::parse("x", "# invariant: I1\n").is_err());
        assert!(
            Scenario::parse(
                "x",
                "# invariant: I21\n# broken by: a\n# symptom: b\n# see: c\n"
            )
            .is_err()
        );
    }
}
