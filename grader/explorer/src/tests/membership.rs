//! Ways to get wrong who may hold a space's translations, and where each shows.

use super::{comes::compare, scoreboard};
use crate::report::verdict;
use crate::textbook::{Mutation, Textbook};
use crate::{Host, Subject, Violation, retell, scenes, shortest, verify};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use shootdown::{
    Activation, CpuId, CpuSet, Machine, Membership, Protocol, SpaceId, Spaces, Standard, Word,
};

/// What is done otherwise than by [`Standard`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wrong {
    EntersLate,
    LeavesEarly,
    NoFence,
    NeverClears,
    ClearsLate,
    ComparesEarly,
    AlwaysKeeps,
    AlwaysFlushes,
    InterruptsOn,
}

struct Subjected(Option<Wrong>);

impl Subject for Subjected {
    fn build(&self, machine: &Host, cpus: usize) -> Box<dyn Protocol<Host>> {
        scoreboard(machine, cpus)
    }

    fn membership(&self) -> Box<dyn Membership<Host>> {
        match self.0 {
            Some(wrong) => Box::new(wrong),
            None => Box::new(Standard),
        }
    }
}

fn bits(cpu: CpuId) -> u64 {
    CpuSet::only(cpu).bits()
}

impl Membership<Host> for Wrong {
    fn activate(
        &self,
        m: &Host,
        spaces: &Spaces<Host>,
        from: SpaceId,
        to: SpaceId,
        load: &mut dyn FnMut(Activation),
    ) {
        let me = m.me();
        let leave = || {
            if let Some(active) = spaces.active(from).filter(|_| from != to) {
                active.word().fetch_and(!bits(me), SeqCst);
            }
        };
        let enter = || {
            if let Some(active) = spaces.active(to) {
                active.word().fetch_or(bits(me), SeqCst);
            }
        };
        let prepare = || match *self {
            _ if to == SpaceId::KERNEL || !shootdown::Tlb::mode(m).has_pcid() => Activation::PLAIN,
            Wrong::AlwaysKeeps if spaces.contexts().generation(to, me).load(Relaxed) != 0 => {
                let pcid = spaces.contexts().pcid(to, me);
                Activation { pcid, keep: true }
            }
            Wrong::AlwaysFlushes => Activation {
                pcid: spaces.contexts().renew(m, to),
                keep: false,
            },
            _ => spaces.contexts().activate(m, to),
        };
        if *self == Wrong::LeavesEarly {
            leave();
        }
        if *self == Wrong::InterruptsOn {
            m.enable_interrupts();
        }
        match self {
            Wrong::EntersLate => {
                load(prepare());
                enter();
            }
            Wrong::ComparesEarly => {
                let activation = prepare();
                enter();
                load(activation);
            }
            _ => {
                enter();
                load(prepare());
            }
        }
        if *self != Wrong::LeavesEarly {
            leave();
        }
        m.disable_interrupts();
    }

    fn announce(&self, m: &Host, spaces: &Spaces<Host>, space: SpaceId) -> CpuSet {
        let clears = !matches!(self, Wrong::NeverClears | Wrong::ClearsLate);
        if shootdown::Tlb::mode(m).has_pcid() && clears {
            spaces.contexts().forget(space);
        }
        if *self != Wrong::NoFence {
            m.fence(SeqCst);
        }
        let holders = spaces.holders(m, space);
        if shootdown::Tlb::mode(m).has_pcid() && *self == Wrong::ClearsLate {
            spaces.contexts().forget(space);
        }
        holders
    }
}

#[test]
fn who_may_hold_a_translation_got_wrong() {
    let cases = [
        (Wrong::EntersLate, "enters", 8),
        (Wrong::EntersLate, "back", 8),
        (Wrong::LeavesEarly, "leaves", 8),
        (Wrong::NoFence, "enters", 8),
        (Wrong::NeverClears, "back", 9),
        (Wrong::NeverClears, "user-back", 9),
        (Wrong::ClearsLate, "back", 9),
        (Wrong::ComparesEarly, "back", 8),
        (Wrong::AlwaysKeeps, "crowded", 9),
        (Wrong::AlwaysFlushes, "stays", 0),
        (Wrong::InterruptsOn, "back", 10),
    ];
    for (wrong, name, invariant) in cases {
        let scene = scenes::find(name).expect("a scene").scene;
        let right = verify(&Subjected(None), &scene, 1_000_000);
        assert!(right.complete && right.found.is_none(), "{name}: {right:?}");
        let subject = Subjected(Some(wrong));
        let what = format!("{wrong:?} in {name}");
        compare(&subject, &scene, 1_000_000, &what).expect("a small scene");
        assert!(
            verify(&subject, &scene, 1_000_000).found.is_some(),
            "{wrong:?} is not found in {name}"
        );
        let found = shortest(&subject, &scene, 1_000_000).found;
        let found = found.unwrap_or_else(|| panic!("{wrong:?} in {name}: no shortest way"));
        let story = retell(&subject, &scene, &found.steps).expect("its own steps");
        let verdict = verdict(&story, &found.violation);
        assert_eq!(
            verdict.invariant, invariant,
            "{wrong:?} in {name}: {:?}, {:?}",
            verdict.words, found.violation
        );
    }
}

#[test]
fn a_handler_that_forgets_the_kernels_tables_only() {
    for name in ["user", "user-back"] {
        let scene = scenes::find(name).expect("a scene").scene;
        let subject = |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
            Box::new(Textbook::new(machine, cpus, Mutation::KernelTablesOnly))
        };
        let found = shortest(&subject, &scene, 1_000_000).found;
        let found = found.expect("a translation of the user tables");
        assert!(
            matches!(found.violation, Violation::Stale { user: true, .. }),
            "{found:?}"
        );
        let story = retell(&subject, &scene, &found.steps).expect("its own steps");
        assert_eq!(verdict(&story, &found.violation).invariant, 16);
    }
}
