//! What exploring costs: states a second and bytes a state, scene by scene; and how soon each mutant is found.

use std::time::{Duration, Instant};

use explorer::textbook::{Mutation, Textbook};
use explorer::{Host, scenes, shortest, verify};
use serde_json::{Value, json};
use shootdown::{Protocol, Scoreboard, Settings};

/// How many states are looked at in one scene at most: the largest has more.
const LIMIT: usize = 1_000_000;

/// The scenes by which the explorer's speed is judged, and how long each may take on two cores, in seconds: three CPUs
/// and two initiators, and three of them.
const TARGETS: [(&str, f64); 2] = [("two-of-three", 1.0), ("everyone", 60.0)];
/// How long it may take to find a mutant, and to find the shortest way to it, in seconds.
const FOUND: f64 = 1.0;

/// One scene.
struct Row {
    scene: &'static str,
    states: usize,
    complete: bool,
    replays: u64,
    bytes: usize,
    time: Duration,
}

/// A protocol with something wrong: what it takes to find that, going through the scenes in turn, and then to find the
/// shortest way there.
struct Mutant {
    mutation: Mutation,
    scene: &'static str,
    states: usize,
    found: Duration,
    shortened_states: usize,
    shortened: Duration,
    steps: usize,
}

/// Every scene, and every mutant; the mutants that no scene shows.
pub(super) struct Measured {
    rows: Vec<Row>,
    mutants: Vec<Mutant>,
    missed: Vec<Mutation>,
}

/// The scenes in which nothing goes wrong.
fn ordinary() -> impl Iterator<Item = scenes::Named> {
    let all = scenes::all().into_iter().chain(scenes::switching_all());
    all.chain(scenes::kernel_all())
}

/// Explores the scoreboard protocol in every scene in which nothing goes wrong, and each mutant until it is found.
pub(super) fn measure() -> Measured {
    let (mut mutants, mut missed) = (Vec::new(), Vec::new());
    for &mutation in Mutation::ALL {
        match find(mutation) {
            Some(mutant) => mutants.push(mutant),
            None => missed.push(mutation),
        }
    }
    Measured {
        rows: measure_scenes(),
        mutants,
        missed,
    }
}

fn find(mutation: Mutation) -> Option<Mutant> {
    let subject = move |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
        Box::new(Textbook::new(machine, cpus, mutation))
    };
    let (begun, mut states) = (Instant::now(), 0);
    let named = ordinary().find(|named| {
        let outcome = verify(&subject, &named.scene, LIMIT);
        states += outcome.states;
        outcome.found.is_some()
    })?;
    let found = begun.elapsed();
    let outcome = shortest(&subject, &named.scene, LIMIT);
    Some(Mutant {
        mutation,
        scene: named.name,
        states,
        found,
        shortened_states: outcome.states,
        shortened: begun.elapsed() - found,
        steps: outcome.found?.steps.len(),
    })
}

fn measure_scenes() -> Vec<Row> {
    let subject = |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
        Box::new(Scoreboard::new(machine, cpus, Settings::default()))
    };
    let rows = ordinary().chain(scenes::large()).map(|named| {
        let begun = Instant::now();
        let outcome = verify(&subject, &named.scene, LIMIT);
        Row {
            scene: named.name,
            states: outcome.states,
            complete: outcome.complete,
            replays: outcome.replays,
            bytes: outcome.bytes,
            time: begun.elapsed(),
        }
    });
    rows.collect()
}

impl Row {
    fn states_a_second(&self) -> f64 {
        self.states as f64 / self.time.as_secs_f64().max(1e-9)
    }

    fn bytes_a_state(&self) -> f64 {
        self.bytes as f64 / self.states.max(1) as f64
    }
}

impl Measured {
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({ "scene": row.scene, "states": row.states, "complete": row.complete,
                "replays": row.replays, "states_a_second": row.states_a_second(),
                "bytes_a_state": row.bytes_a_state() })
        });
        let mutants = self.mutants.iter().map(|it| {
            json!({ "mutant": format!("{:?}", it.mutation), "invariant": it.mutation.invariant(),
                "scene": it.scene, "states": it.states, "milliseconds": milliseconds(it.found),
                "shortened_states": it.shortened_states,
                "shortened_milliseconds": milliseconds(it.shortened), "steps": it.steps })
        });
        let missed = self.missed.iter().map(|it| format!("{it:?}"));
        json!({ "scenes": rows.collect::<Value>(), "mutants": mutants.collect::<Value>(),
            "missed": missed.collect::<Value>() })
    }

    pub fn print(&self) {
        println!(
            "\n{:<18} {:>9} {:>9} {:>8} {:>14} {:>13}",
            "scene", "states", "all", "replays", "states/second", "bytes/state"
        );
        for row in &self.rows {
            println!(
                "{:<18} {:>9} {:>9} {:>8} {:>14.0} {:>13.0}",
                row.scene,
                row.states,
                if row.complete { "yes" } else { "no" },
                row.replays,
                row.states_a_second(),
                row.bytes_a_state()
            );
        }
        println!(
            "\n{:<22} {:>4}  {:<13} {:>7} {:>8} {:>14} {:>8} {:>6}",
            "mutant", "rule", "scene", "states", "ms", "for shortening", "ms", "steps"
        );
        for mutant in &self.mutants {
            println!(
                "{:<22} {:>4}  {:<13} {:>7} {:>8.1} {:>14} {:>8.1} {:>6}",
                format!("{:?}", mutant.mutation),
                format!("I{}", mutant.mutation.invariant()),
                mutant.scene,
                mutant.states,
                milliseconds(mutant.found),
                mutant.shortened_states,
                milliseconds(mutant.shortened),
                mutant.steps
            );
        }
        for mutation in &self.missed {
            println!("{mutation:?}: no scene shows it");
        }
        self.print_targets();
    }
}

impl Measured {
    /// What was to be reached, and whether it was.
    fn print_targets(&self) {
        println!();
        for (name, most) in TARGETS {
            let Some(row) = self.rows.iter().find(|row| row.scene == name) else {
                continue;
            };
            let seconds = row.time.as_secs_f64();
            let all = if row.complete { "all" } else { "not all" };
            let reached = reached(row.complete && seconds <= most);
            println!("{name}: {all} states in {seconds:.3} s, of {most:.0} s: {reached}");
        }
        let slow = self
            .mutants
            .iter()
            .max_by_key(|mutant| mutant.found + mutant.shortened);
        if let Some(slow) = slow {
            let seconds = (slow.found + slow.shortened).as_secs_f64();
            let reached = reached(self.missed.is_empty() && seconds <= FOUND);
            println!(
                "each mutant found and shortened: in {seconds:.3} s at most ({:?}), of {FOUND:.0} s: {reached}",
                slow.mutation
            );
        }
    }
}

fn reached(it: bool) -> &'static str {
    if it { "reached" } else { "missed" }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
