//! A solution that is explored: it runs in a process of its own, which answers what it does.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::court::Trust;
use explorer::{Answerer, Lost, Talk};
use sandbox::{Conversation, Ended, Layers, Limit, Limits, Policy, Silence, Starts};

/// What a program needs to be loaded.
const SYSTEM: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache"];

/// What a solution may use. One that is explored to the end takes a tenth of a second.
const LIMITS: Limits = Limits {
    cpu: 5,
    memory: 1 << 30,
    processes: 8,
    disk: 0,
    files: 0,
    output: 1 << 30,
    wall: 300,
};

type Start = dyn Fn(&Path) -> io::Result<Conversation> + Send + Sync;

/// How an answering program is started.
#[derive(Clone)]
pub struct Starter(Arc<Start>);

impl Starter {
    /// By the launcher `kit`: one's own code with limits and nothing else, a stranger's confined.
    #[must_use]
    pub fn new(kit: &Path, trust: Trust) -> Self {
        let kit = kit.to_path_buf();
        let layers = match trust {
            Trust::Own => Layers::NONE,
            Trust::Stranger(layers) => layers,
        };
        Starter::by(move |program| {
            let policy = policy(program, layers);
            let folder = program.parent().unwrap_or(Path::new("/"));
            sandbox::start(&kit, &policy, folder, program, &[])
        })
    }

    /// By this, which is given the program.
    pub fn by(start: impl Fn(&Path) -> io::Result<Conversation> + Send + Sync + 'static) -> Self {
        Starter(Arc::new(start))
    }

    /// The code that `program` answers for, which sends by a command register of its own if `sends`.
    #[must_use]
    pub fn answerer(&self, program: PathBuf, sends: bool) -> Answerer<'static> {
        let start = Arc::clone(&self.0);
        Answerer::new(sends, move || match start(&program) {
            Ok(conversation) => Ok(Box::new(Line(conversation))),
            Err(error) => Err(format!("starting {}: {error}", program.display())),
        })
    }
}

/// What an answering program may touch: itself, and the C library.
fn policy(program: &Path, layers: Layers) -> Policy {
    let readable = SYSTEM.iter().map(PathBuf::from);
    Policy {
        readable: readable.chain([program.to_path_buf()]).collect(),
        writable: Vec::new(),
        environment: Vec::new(),
        starts: Starts::Nothing,
        limits: LIMITS,
        layers,
    }
}

impl fmt::Debug for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Starter")
    }
}

struct Line(Conversation);

impl Talk for Line {
    fn say(&mut self, line: &[u8]) -> Result<(), Lost> {
        self.0.say(line).map_err(lost)
    }

    fn hear(&mut self, most: usize) -> Result<Vec<u8>, Lost> {
        self.0.hear(most).map_err(lost)
    }
}

/// Whose fault it is that nothing came, and what to say of it.
fn lost(silence: Silence) -> Lost {
    let code = |why: &str| Lost::Code(why.to_owned());
    match silence {
        Silence::TooLong => code("sent what is no answer: it does not end"),
        Silence::Unasked => code("sent what is no answer: nobody had asked"),
        Silence::Closed => code("closed the pipe that it answers through"),
        Silence::Ended(Ended::Limit(Limit::Cpu)) => {
            code("used up its CPU time: does a call loop without asking the machine for anything?")
        }
        Silence::Ended(Ended::Limit(limit)) => {
            Lost::Code(format!("used too much: {}", limit.name()))
        }
        // A stack that overflows ends so.
        Silence::Ended(Ended::Signal(6 | 11)) => {
            code("crashed: does a call go on into itself without end?")
        }
        // Its limits have been looked at: nobody in there needs that signal, but the system does, out of memory.
        Silence::Ended(Ended::Signal(9)) => {
            Lost::Host("somebody killed the program that answers for the code".into())
        }
        Silence::Ended(Ended::Signal(signal)) => {
            Lost::Code(format!("was ended by signal {signal}"))
        }
        Silence::Ended(Ended::Exit(status)) => Lost::Code(format!(
            "ended with status {status} in the middle of a call"
        )),
        Silence::Ended(Ended::Idle) => {
            code("neither computes nor answers: it waits for something that does not come")
        }
        Silence::Ended(Ended::Stalled) => {
            Lost::Host("the code is ready to go on, and this host does not let it".into())
        }
        Silence::Ended(Ended::NotConfined(why)) => Lost::Host(why),
        Silence::Host(why) => Lost::Host(why),
    }
}
