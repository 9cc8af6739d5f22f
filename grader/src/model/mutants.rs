//! What is checked of the model: it is right in several settings, and wrong with each mistake.

use std::fmt::Write;

use super::spin::{self, Checked, Search};
use crate::status::Failure;

/// How large the model is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many CPUs.
    pub cpus: u8,
    /// How many of them shoot down.
    pub initiators: u8,
    /// How often each.
    pub shootdowns: u8,
    /// A further macro: `SHARED`, both initiators are threads of one CPU; `SWITCHING`, the last CPU enters
    /// the space meanwhile.
    pub more: Option<&'static str>,
    /// What is looked for.
    pub search: Search,
    /// How many states there are, where the model is right: another number says that the model has changed.
    pub states: u64,
}

const fn of(cpus: u8, initiators: u8, shootdowns: u8) -> Settings {
    Settings {
        cpus,
        initiators,
        shootdowns,
        more: None,
        search: Search::Safety,
        states: 0,
    }
}

const fn with(more: &'static str, settings: Settings) -> Settings {
    Settings {
        more: Some(more),
        ..settings
    }
}

const fn claim(settings: Settings) -> Settings {
    Settings {
        search: Search::Claim,
        ..settings
    }
}

const fn holds(settings: Settings, states: u64) -> Settings {
    Settings { states, ..settings }
}

/// The settings in which the model itself is searched whole.
pub const RIGHT: [Settings; 8] = [
    holds(of(2, 1, 2), 2046),
    holds(of(2, 2, 1), 15813),
    holds(of(3, 1, 1), 1660),
    holds(of(3, 2, 1), 1100097),
    holds(with("SHARED", of(2, 2, 1)), 11450),
    holds(with("SWITCHING", of(3, 1, 1)), 5389),
    holds(claim(of(2, 1, 2)), 3630),
    holds(claim(of(2, 2, 1)), 27278),
];

impl Settings {
    /// Searches the model, with a mistake or without.
    ///
    /// # Errors
    /// What Spin fails with.
    pub fn check(&self, mutant: Option<&str>) -> Result<Checked, Failure> {
        let mut macros = vec![
            format!("CPUS={}", self.cpus),
            format!("INITIATORS={}", self.initiators),
            format!("SHOOTDOWNS={}", self.shootdowns),
        ];
        macros.extend(self.more.into_iter().chain(mutant).map(str::to_owned));
        let large = self.cpus > 2 && self.initiators > 1;
        spin::check(&macros, self.search, large, None)
    }

    /// In a few words.
    #[must_use]
    pub fn title(&self) -> String {
        let more = self.more.map_or(String::new(), |more| format!(" {more}"));
        format!(
            "{}/{}/{}{more}",
            self.cpus, self.initiators, self.shootdowns
        )
    }
}

/// A mistake.
#[derive(Debug)]
pub struct Mutant {
    /// The macro.
    pub name: &'static str,
    /// What is done instead.
    pub does: &'static str,
    /// The invariant that it breaks.
    pub invariant: u8,
    /// Where it shows.
    pub settings: Settings,
    /// What Spin says begins so.
    pub shows: &'static str,
}

/// What Spin says begins so, and what it means.
const SHOWN: [(&str, &str); 4] = [
    (STALE, "a stale translation is used"),
    (TWICE, "a slot is zeroed that is zero"),
    (HANGS, "nothing can happen any more, and somebody waits"),
    (NEVER, "a shootdown never returns, though others go on"),
];

const STALE: &str = "assertion violated (tlb[";
const TWICE: &str = "assertion violated ((slot[";
const HANGS: &str = "invalid end state";
const NEVER: &str = "acceptance cycle";

const fn mutant(
    name: &'static str,
    does: &'static str,
    invariant: u8,
    settings: Settings,
    shows: &'static str,
) -> Mutant {
    Mutant {
        name,
        does,
        invariant,
        settings,
        shows,
    }
}

/// All that the model can express.
pub static MUTANTS: [Mutant; 17] = [
    mutant(
        "ZERO_BEFORE_PUBLISH",
        "the slots are zeroed before the request is written",
        1,
        of(3, 2, 1),
        HANGS,
    ),
    mutant(
        "NO_FENCE",
        "the interrupt is sent with the zeroes still in the store buffer",
        2,
        of(2, 2, 1),
        HANGS,
    ),
    mutant(
        "NO_FENCE",
        "the interrupt is sent with the zeroes still in the store buffer",
        2,
        claim(of(2, 2, 1)),
        NEVER,
    ),
    mutant(
        "NO_WAIT",
        "the initiator returns without waiting",
        3,
        of(2, 2, 1),
        STALE,
    ),
    mutant(
        "NO_CRITICAL",
        "two threads of a CPU use its request at once",
        3,
        with("SHARED", of(2, 2, 1)),
        TWICE,
    ),
    mutant(
        "ACKNOWLEDGE_BEFORE_COPY",
        "the slot is set before the page is read",
        4,
        of(2, 1, 2),
        STALE,
    ),
    mutant(
        "NO_INVALIDATION",
        "the target acknowledges, and invalidates nothing",
        5,
        of(2, 2, 1),
        STALE,
    ),
    mutant(
        "RESUMES_EARLY",
        "what was interrupted goes on between acknowledgement and invalidation",
        5,
        of(2, 2, 1),
        STALE,
    ),
    mutant(
        "NO_DRAIN",
        "the handler serves one request and returns",
        6,
        of(3, 2, 1),
        HANGS,
    ),
    mutant(
        "WAITS_MASKED",
        "the initiator waits with interrupts off",
        7,
        claim(of(2, 2, 1)),
        NEVER,
    ),
    mutant(
        "ACTIVATES_LATE",
        "a CPU enters the space, and then its bit is set",
        8,
        with("SWITCHING", of(2, 1, 1)),
        STALE,
    ),
    mutant(
        "SNAPSHOT_EARLY",
        "the set of targets is read before the entry changes",
        8,
        with("SWITCHING", of(2, 1, 1)),
        STALE,
    ),
    mutant(
        "TWO_SNAPSHOTS",
        "the set of targets is read again for the wait",
        11,
        with("SWITCHING", of(3, 1, 1)),
        HANGS,
    ),
    mutant(
        "GENERATION_ZERO",
        "0 is a generation, too",
        12,
        of(2, 2, 2),
        STALE,
    ),
    mutant(
        "TRANSPOSED",
        "row and column are swapped",
        13,
        of(2, 2, 1),
        HANGS,
    ),
    mutant(
        "NO_EOI",
        "the interrupt's end is not signalled",
        18,
        of(2, 2, 2),
        HANGS,
    ),
    mutant(
        "UNPINNED",
        "the thread has moved when it invalidates locally",
        19,
        of(2, 2, 1),
        STALE,
    ),
];

/// The mutants as a table in Markdown, for the page that tells of them.
#[must_use]
pub fn table() -> String {
    let mut table = String::from(
        "| mutant | what it does instead | breaks | found with | how it shows |\n|---|---|---|---|---|\n",
    );
    for mutant in &MUTANTS {
        let shows = SHOWN.iter().find(|(said, _)| *said == mutant.shows);
        let _ = writeln!(
            table,
            "| `{}` | {} | I{} | {} | {} |",
            mutant.name,
            mutant.does,
            mutant.invariant,
            mutant.settings.title(),
            shows.map_or("", |(_, meaning)| meaning)
        );
    }
    table
}

impl Mutant {
    /// The mutant of that name.
    ///
    /// # Errors
    /// Which there are.
    pub fn find(name: &str) -> Result<&'static Mutant, String> {
        let found = MUTANTS.iter().find(|mutant| mutant.name == name);
        found.ok_or_else(|| {
            let mut names: Vec<_> = MUTANTS.iter().map(|mutant| mutant.name).collect();
            names.dedup();
            format!("there is no mutant {name}: {}", names.join(", "))
        })
    }

    /// Searches the model with it.
    ///
    /// # Errors
    /// What Spin fails with.
    pub fn check(&self) -> Result<Checked, Failure> {
        self.settings.check(Some(self.name))
    }

    /// Whether that is what it should lead to.
    #[must_use]
    pub fn fails_as_it_should(&self, checked: &Checked) -> bool {
        let broken = checked.broken.as_deref();
        broken.is_some_and(|broken| broken.starts_with(self.shows))
    }

    /// Its invariant's name.
    #[must_use]
    pub fn invariant_name(&self) -> String {
        format!("I{}", self.invariant)
    }
}
