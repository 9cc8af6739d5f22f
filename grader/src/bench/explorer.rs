//! What exploring costs: states a second and bytes a state, scene by scene.

use std::time::{Duration, Instant};

use explorer::{Host, scenes, verify};
use serde_json::{Value, json};
use shootdown::{Protocol, Scoreboard, Settings};

/// How many states are looked at in one scene at most: the largest has more.
const LIMIT: usize = 5_000_000;

/// One scene.
struct Row {
    scene: &'static str,
    states: usize,
    complete: bool,
    replays: u64,
    bytes: usize,
    time: Duration,
}

/// Every scene.
pub(super) struct Measured(Vec<Row>);

/// Explores the scoreboard protocol in every scene in which nothing goes wrong.
pub(super) fn measure() -> Measured {
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
    Measured(rows.collect())
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
        let rows = self.0.iter().map(|row| {
            json!({ "scene": row.scene, "states": row.states, "complete": row.complete,
                "replays": row.replays, "states_a_second": row.states_a_second(),
                "bytes_a_state": row.bytes_a_state() })
        });
        Value::Array(rows.collect())
    }

    pub fn print(&self) {
        println!(
            "\n{:<18} {:>9} {:>9} {:>8} {:>14} {:>13}",
            "scene", "states", "all", "replays", "states/second", "bytes/state"
        );
        for row in &self.0 {
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
    }
}
