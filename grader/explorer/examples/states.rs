//! Prints how many states one of the kit's protocols has, and how long it took to look at them:
//! `cargo run -p explorer --example states CPUS INITIATORS [PROTOCOL] [lost|repeated|weak]`.

use explorer::{Call, Faults, Host, Memory, Scene, Script, verify};
use shootdown::{GlobalLock, Protocol, Queue, Scoreboard, Settings};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|word| word.parse().ok());
    let (Some(cpus), Some(initiators)) = (number(0), number(1)) else {
        eprintln!("states: two numbers were expected: CPUs, and how many of them initiate");
        std::process::exit(2);
    };
    let with = |word: &str| arguments.iter().any(|argument| argument == word);
    let scene = Scene {
        cpus,
        threads: (0..initiators)
            .map(|cpu: usize| Script {
                cpu: cpu as u8,
                calls: vec![Call::Change {
                    first: cpu as u8,
                    pages: 1,
                    version: 1,
                }],
            })
            .collect(),
        pages: initiators as u8,
        memory: if with("weak") {
            Memory::Relaxed
        } else {
            Memory::Tso
        },
        send_fences: true,
        faults: Faults {
            lost: u8::from(with("lost")),
            repeated: u8::from(with("repeated")),
            given_up: 0,
            ..Faults::default()
        },
        scheduler: false,
        switching: None,
        apic: None,
        global: false,
        nmi: None,
    };
    let settings = Settings {
        resend: with("lost"),
        ..Settings::default()
    };
    let subject = |machine: &Host, cpus: usize| -> Box<dyn Protocol<Host>> {
        if with("global-lock") {
            Box::new(GlobalLock::new(machine, cpus, settings))
        } else if with("queue") {
            Box::new(Queue::new(machine, cpus, 2, settings))
        } else {
            Box::new(Scoreboard::new(machine, cpus, settings))
        }
    };
    let begun = std::time::Instant::now();
    let outcome = verify(&subject, &scene, usize::MAX);
    println!(
        "{} states, {:?}, complete {}, found {:?}",
        outcome.states,
        begun.elapsed(),
        outcome.complete,
        outcome.found
    );
}
