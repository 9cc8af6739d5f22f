//! What exploring costs: states a second and bytes a state, scene by scene; and how soon each mutant is found.

use std::time::{Duration, Instant};

use explorer::textbook::{Mutation, Textbook};
use explorer::{Host, scenes, shortest, verify};
use serde_json::{Value, json};
use shootdown::{Protocol, Scoreboard, Settings};

/// How many states are looked at in one scene at most: the largest has more.
const LIMIT: usize = 1_000_000;

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

/// Every scene, and every mutant.
pub(super) struct Measured {
    rows: Vec<Row>,
    mutants: Vec<Mutant>,
}

/// Explores the scoreboard protocol in every scene in which nothing goes wrong, and each mutant until it is found.
pub(super) fn measure() -> Measured {
    Measured {
        rows: measure_scenes(),
        mutants: Mutation::ALL.iter().filter_map(|&it| find(it)).collect(),
    }
}

fn find(mutation: Mutation) -> Option<Mutant> {
    let subject = move |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
        Box::new(Textbook::new(machine, cpus, mutation))
    };
    let (begun, mut states) = (Instant::now(), 0);
    let mut all = scenes::all().into_iter().chain(scenes::switching_all());
    let named = all.find(|named| {
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
    let all = scenes::all().into_iter().chain(scenes::switching_all());
    let rows = all.chain(scenes::large()).map(|named| {
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
        json!({ "scenes": rows.collect::<Value>(), "mutants": mutants.collect::<Value>() })
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
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
