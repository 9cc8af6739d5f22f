//! Prints how many states the kit's protocols have, and how fast they are looked at.

use explorer::{Call, Host, Memory, Scene, Script, verify};
use shootdown::{Protocol, Scoreboard, Settings};

fn main() {
    let arguments: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let (cpus, initiators) = (arguments[0], arguments[1]);
    let scene = Scene {
        cpus,
        threads: (0..initiators)
            .map(|cpu| Script {
                cpu: cpu as u8,
                calls: vec![Call::Change {
                    first: cpu as u8,
                    pages: 1,
                    version: 1,
                }],
            })
            .collect(),
        pages: initiators as u8,
        memory: Memory::Tso,
        send_fences: true,
        faults: explorer::Faults::default(),
        scheduler: false,
        switching: None,
        apic: None,
    };
    let subject = |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
        Box::new(Scoreboard::new(machine, cpus, Settings::default()))
    };
    let begun = std::time::Instant::now();
    let outcome = verify(&subject, &scene, usize::MAX);
    println!(
        "{} states, {:?}, complete {}",
        outcome.states,
        begun.elapsed(),
        outcome.complete
    );
}
