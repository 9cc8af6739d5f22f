//! `expect violation` and `expect hang`.

use crate::observation::{Invariant, Observation};
use crate::parse::{Quoted, cpu_set, tokens};
use crate::system::Failure;
use shootdown::{CpuId, CpuSet};

/// How both are written.
const SPELLING: &str =
    "`violation [I1…I20] [on CPU-SET]` or `hang [I1…I20] [on CPU-SET] [culprit CPU-SET]`";

/// An observation that is expected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// Whether it is a hang, not a violation.
    pub hang: bool,
    invariant: Option<Invariant>,
    on: Option<CpuSet>,
    culprits: Option<CpuSet>,
}

impl Wanted {
    /// Reads what follows `expect`. CPUs must be among `online`.
    ///
    /// # Errors
    /// A word that does not belong there.
    pub fn parse(text: &str, online: CpuSet) -> Result<Wanted, Failure> {
        let mut words = tokens(text)
            .map(|token| token.text)
            .skip_while(|word| *word == "no");
        let mut wanted = Wanted {
            hang: words.next() == Some("hang"),
            invariant: None,
            on: None,
            culprits: None,
        };
        while let Some(word) = words.next() {
            let mut set = || match words.next() {
                Some(set) => cpu_set(set, online).map(|set| set.resolve(CpuId::BOOT, online)),
                None => Err(Failure::new(format_args!("nothing follows `{word}`"))
                    .expected("a CPU set such as `0,2-3`, `all` or `others`")),
            };
            match word {
                "on" if wanted.on.is_none() => wanted.on = Some(set()?),
                "culprit" if wanted.hang && wanted.culprits.is_none() => {
                    wanted.culprits = Some(set()?);
                }
                _ if wanted.invariant.is_none() => wanted.invariant = Some(invariant(word)?),
                _ => return Err(misplaced(word)),
            }
        }
        Ok(wanted)
    }

    /// Whether `seen` is one of these. A hang is if every CPU of `culprit` is among its culprits.
    pub fn is_met_by(&self, seen: &Observation) -> bool {
        let (hang, invariant, cpu, culprits) = match seen {
            Observation::Violation { first, .. } => {
                (false, first.invariant, first.cpu, CpuSet::EMPTY)
            }
            Observation::Hang(hang) => (true, hang.invariant, hang.waiter, hang.culprits),
        };
        self.hang == hang
            && (self.invariant.is_none() || self.invariant == invariant)
            && self.on.is_none_or(|set| set.contains(cpu))
            && self
                .culprits
                .is_none_or(|wanted| wanted.minus(culprits).is_empty())
    }

    /// What is expected: `violation` or `hang`.
    pub fn noun(&self) -> &'static str {
        if self.hang { "hang" } else { "violation" }
    }
}

fn misplaced(word: &str) -> Failure {
    Failure::new(format_args!("{} does not belong there", Quoted(word))).expected(SPELLING)
}

fn invariant(word: &str) -> Result<Invariant, Failure> {
    let number = word.strip_prefix('I').ok_or_else(|| misplaced(word))?;
    let known = number.parse().ok().and_then(Invariant::new);
    known.ok_or_else(|| {
        Failure::new(format_args!("there is no invariant {}", Quoted(word)))
            .expected(format_args!("one from I1 to I{}", Invariant::COUNT))
    })
}
