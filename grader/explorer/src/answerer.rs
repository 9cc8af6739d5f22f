//! Code that runs in a process of its own, which answers and is not trusted.
//!
//! Nothing that it sends is a verdict: it is asked what the code does, and the search is here. What it sends is read
//! up to [`LONGEST_LINE`], into types that hold nothing else, held against what there is (words, CPUs, the kit's own
//! part of each call) and kept, so that it cannot answer otherwise later. Whoever has that process can answer
//! what he likes and gains nothing: see [`crate::frame`].
//!
//! It may fall silent in many ways: ends, closes its pipe, computes for ever, sends something else. Each is a finding
//! about the code, by name, at the call in which it happened; only what is the host's fault is told apart.

use crate::calls::Call;
use crate::code::{Answer, Built, Code, Declared, Reached, Setup};
use crate::wire::{LONGEST_LINE, Question, Reply, VERSION, shown};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why there is no line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The code's fault: what it did instead, as in "the code ...".
    Code(String),
    /// The host's.
    Host(String),
}

/// A conversation with a program that answers. When it is dropped the program ends.
pub trait Talk: Send {
    /// Sends a line, with its end. At most [`LONGEST_LINE`] bytes.
    ///
    /// # Errors
    /// [`Lost`].
    fn say(&mut self, line: &[u8]) -> Result<(), Lost>;

    /// The next line, without its end.
    ///
    /// # Errors
    /// [`Lost`]; also if there are more than `most` bytes without an end.
    fn hear(&mut self, most: usize) -> Result<Vec<u8>, Lost>;
}

/// How often the program is started at most: once, and again for another scene when it has failed in one.
const MOST_STARTS: usize = 8;

type Start<'s> = Box<dyn Fn() -> Result<Box<dyn Talk>, String> + Send + 's>;

/// Code that runs in a process of its own.
pub struct Answerer<'s> {
    start: Start<'s>,
    sends: bool,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    talk: Option<Box<dyn Talk>>,
    starts: usize,
    /// What it is built for, and all that it has said since.
    known: Option<Known>,
    trips: u64,
    fault: Option<String>,
}

struct Known {
    setup: Setup,
    declared: Declared,
    answers: HashMap<(Call, Vec<u64>), Answer>,
    /// It has fallen silent, for this reason: it is asked nothing more.
    silent: Option<String>,
}

impl<'s> Answerer<'s> {
    /// Code that `start` starts, which sends by a command register of its own if `sends`. `start` fails if the host
    /// cannot start it.
    pub fn new(sends: bool, start: impl Fn() -> Result<Box<dyn Talk>, String> + Send + 's) -> Self {
        Answerer {
            start: Box::new(start),
            sends,
            open: Mutex::default(),
        }
    }

    /// How many questions were answered so far.
    pub fn trips(&self) -> u64 {
        self.open().trips
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, setup: &Setup) -> Declared {
        let mut open = self.open();
        if let Some(known) = open.known.as_ref().filter(|known| known.setup == *setup) {
            return known.declared.clone();
        }
        let said = self.built(&mut open, setup);
        let (declared, silent) = match said {
            Ok(declared) => (declared, None),
            Err(why) => (Declared::default(), Some(why)),
        };
        open.known = Some(Known {
            setup: *setup,
            declared: declared.clone(),
            answers: HashMap::new(),
            silent,
        });
        declared
    }

    fn built(&self, open: &mut Open, setup: &Setup) -> Result<Declared, String> {
        if open.talk.is_none() {
            open.starts += 1;
            if open.starts > MOST_STARTS {
                return Err("fails wherever it is asked anything".into());
            }
            match (self.start)() {
                Ok(talk) => open.talk = Some(talk),
                Err(why) => return Err(open.host(why)),
            }
        }
        match open.trip(&Question::Build(VERSION, *setup))? {
            Reply::Built(VERSION, says) => {
                let declared = says.declared(setup).map_err(no_answer)?;
                let sends = self.sends && setup.apic.is_some();
                if declared.sends != sends {
                    return Err(no_answer(
                        "how it sends is not what it was asked for".into(),
                    ));
                }
                Ok(declared)
            }
            Reply::Built(version, _) => {
                let why = format!("the answering program speaks version {version}, not {VERSION}");
                Err(open.host(why))
            }
            Reply::NotBuilt(message) => Err(format!("panics as it is built: {}", shown(&message))),
            Reply::Did(..) => Err(no_answer("it was to be built".into())),
        }
    }
}

fn no_answer(why: String) -> String {
    format!("sent what is no answer: {why}")
}

impl Open {
    /// Asks, and reads what comes. Why there is nothing, or nothing that is an answer; then it is ended.
    fn trip(&mut self, question: &Question) -> Result<Reply, String> {
        let Some(talk) = &mut self.talk else {
            return Err("has ended".into());
        };
        let asked = serde_json::to_vec(question).map(|mut line| {
            line.push(b'\n');
            line
        });
        let heard = match asked {
            Ok(line) => talk.say(&line).and_then(|()| talk.hear(LONGEST_LINE)),
            Err(error) => Err(Lost::Host(format!("writing a question: {error}"))),
        };
        let reply = match heard {
            Ok(line) => serde_json::from_slice(&line).map_err(|error| {
                let begins = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
                no_answer(format!("`{}`: {error}", shown(&begins)))
            }),
            Err(Lost::Code(why)) => Err(why),
            Err(Lost::Host(why)) => Err(self.host(why)),
        };
        match &reply {
            Ok(_) => self.trips += 1,
            Err(_) => self.talk = None,
        }
        reply
    }

    fn host(&mut self, why: String) -> String {
        self.fault.get_or_insert_with(|| why.clone());
        format!("was not asked: {why}")
    }
}

impl Code for Answerer<'_> {
    fn build(&self, setup: &Setup) -> Box<dyn Built + '_> {
        Box::new(Process {
            declared: self.known(setup),
            setup: *setup,
            open: &self.open,
        })
    }

    fn fault(&self) -> Option<String> {
        self.open().fault.clone()
    }
}

/// The process, as it is built.
struct Process<'a> {
    setup: Setup,
    declared: Declared,
    open: &'a Mutex<Open>,
}

impl Built for Process<'_> {
    fn declared(&self) -> &Declared {
        &self.declared
    }

    fn ask(&self, call: Call, answers: &[u64]) -> Answer {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = &mut *open;
        let Some(mut known) = open.known.take_if(|known| known.setup == self.setup) else {
            return Answer::silent("is built for another scene by now");
        };
        let answer = known.answer(open, call, answers);
        open.known = Some(known);
        answer
    }
}

impl Known {
    fn answer(&mut self, open: &mut Open, call: Call, answers: &[u64]) -> Answer {
        let unknown = match self.answers.entry((call, answers.to_vec())) {
            Entry::Occupied(known) => return known.get().clone(),
            Entry::Vacant(unknown) => unknown,
        };
        if let Some(why) = &self.silent {
            return Answer::silent(why.clone());
        }
        let said = open.trip(&Question::Ask(call, answers.to_vec()));
        let said = said.and_then(|reply| match reply {
            Reply::Did(asked, end) => Ok((asked, Reached::from(end))),
            _ => Err(no_answer("it was asked what it does".into())),
        });
        let answer = match said {
            Ok((asked, reached)) => Answer { asked, reached },
            Err(why) => {
                open.talk = None;
                self.silent = Some(why.clone());
                Answer::silent(why)
            }
        };
        unknown.insert(answer).clone()
    }
}

impl std::fmt::Debug for Answerer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answerer")
            .field("sends", &self.sends)
            .finish_non_exhaustive()
    }
}
