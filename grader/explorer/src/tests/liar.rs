//! Code in a process of its own: it is explored as if it were here, and who lies gains nothing.

use super::{scoreboard, textbook};
use crate::answer::converse;
use crate::op::{Change, Fence};
use crate::textbook::Mutation;
use crate::wire::{End, LONGEST_LINE, Question, ROLES, Reply, Says, VERSION};
use crate::{
    Answerer, Call, Code, Host, HostWord, Lost, Op, Reached, Setup, Source, Talk, WordId, host,
    retell, sample, scenes, shortest, transfers, verify,
};
use core::sync::atomic::Ordering::Relaxed;
use shootdown::{CpuSet, Machine as _, Mode, Plain, Point, Protocol, Word as _};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::thread;

/// The answering program's own part, on a thread.
struct Program {
    to: PipeWriter,
    from: BufReader<PipeReader>,
}

impl Program {
    fn start(subject: impl Fn(&Host, usize) -> Box<dyn Protocol<Host>> + Send + 'static) -> Self {
        let ((questions, to), (from, answers)) = (pipe().unwrap(), pipe().unwrap());
        thread::spawn(move || converse(&subject, BufReader::new(questions), answers));
        Program {
            to,
            from: BufReader::new(from),
        }
    }
}

impl Talk for Program {
    fn say(&mut self, line: &[u8]) -> Result<(), Lost> {
        self.to
            .write_all(line)
            .map_err(|error| Lost::Host(error.to_string()))
    }

    fn hear(&mut self, most: usize) -> Result<Vec<u8>, Lost> {
        let mut line = Vec::new();
        let heard = self.from.read_until(b'\n', &mut line);
        heard.map_err(|error| Lost::Host(error.to_string()))?;
        assert!(line.pop() == Some(b'\n') && line.len() < most);
        Ok(line)
    }
}

fn remote(
    subject: impl Fn(&Host, usize) -> Box<dyn Protocol<Host>> + Clone + Send + 'static,
) -> Answerer<'static> {
    Answerer::new(false, move || Ok(Box::new(Program::start(subject.clone()))))
}

#[test]
fn code_in_a_process_of_its_own_that_is_explored_otherwise() {
    let code = remote(scoreboard);
    for name in [
        "one",
        "both",
        "moved",
        "again-weak",
        "back",
        "user-back",
        "ring",
    ] {
        let scene = scenes::find(name).unwrap().scene;
        let (far, near) = (
            verify(&code, &scene, 100_000),
            verify(&scoreboard, &scene, 100_000),
        );
        assert!(far.complete && far.found.is_none(), "{name}: {far:?}");
        assert_eq!(
            (far.states, far.replays),
            (near.states, near.replays),
            "{name}"
        );
    }
    let crowd = scenes::find("crowd").unwrap().scene;
    assert_eq!(
        transfers(&code, &crowd, 5, 1),
        transfers(&scoreboard, &crowd, 5, 1)
    );
    let scene = scenes::find("again").unwrap().scene;
    for &mutation in Mutation::ALL {
        let code = Answerer::new(false, move || {
            Ok(Box::new(Program::start(textbook(mutation))))
        });
        let near = shortest(&textbook(mutation), &scene, 100_000).found;
        let far = shortest(&code, &scene, 100_000).found;
        let told = |code: &dyn Code, found: &Option<crate::Found>| {
            let found = found.as_ref()?;
            let story = retell(code, &scene, &found.steps).unwrap();
            let at = |moment: &crate::Moment| format!("{:?} {:?}", moment.what, moment.at);
            Some((
                story.violation,
                story.moments.iter().map(at).collect::<Vec<_>>(),
            ))
        };
        assert_eq!(
            told(&code, &far),
            told(&textbook(mutation), &near),
            "{mutation:?}"
        );
    }
}

#[test]
fn code_that_is_asked_the_same_again() {
    let code = remote(scoreboard);
    let scene = scenes::find("both").unwrap().scene;
    let first = verify(&code, &scene, 100_000);
    let trips = code.trips();
    // One question is what to be built for.
    assert_eq!(trips, first.replays + 1);
    verify(&code, &scene, 100_000);
    assert_eq!(code.trips(), trips);
}

/// A program that says what somebody made up.
struct Made(fn(&Question) -> Reply, Option<Reply>);

impl Talk for Made {
    fn say(&mut self, line: &[u8]) -> Result<(), Lost> {
        self.1 = Some(self.0(&serde_json::from_slice(line).unwrap()));
        Ok(())
    }

    fn hear(&mut self, _: usize) -> Result<Vec<u8>, Lost> {
        Ok(serde_json::to_vec(&self.1.take()).unwrap())
    }
}

fn built(setup: &Setup, words: usize) -> Reply {
    let says = Says {
        words: vec![(0, 0); words],
        heads: vec![None; setup.cpus],
        slots: vec![None; setup.cpus * setup.cpus],
        lines: None,
        sends: false,
    };
    Reply::Built(VERSION, says)
}

/// Of a call: the operations in front of its end, as far as they were answered.
fn did(call: Call, answers: &[u64], then: &[Op], end: End) -> Reply {
    let entries = match call {
        Call::Change {
            first,
            pages,
            version,
        } => (first..first + pages)
            .map(|page| Op::Store {
                word: WordId(4 + u16::from(page)),
                value: version.into(),
                release: false,
                point: Some(Point::PteStore),
            })
            .collect(),
        _ => Vec::new(),
    };
    let all: Vec<Op> = entries.into_iter().chain(then.iter().copied()).collect();
    match all.get(answers.len()) {
        Some(next) => Reply::Did(all[..answers.len()].to_vec(), asks(*next)),
        None => Reply::Did(all, end),
    }
}

fn asks(op: Op) -> End {
    End::Asks(op, Source::new("made-up.rs", 1))
}

/// A program with four words of its own, whose calls are these operations, and then end so.
macro_rules! made {
    ([$($op:expr),*], $end:expr) => {
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(call, answers) => did(*call, answers, &[$($op),*], $end),
        }
    };
}

fn explored(answers: fn(&Question) -> Reply) -> crate::Outcome {
    let code = Answerer::new(false, move || Ok(Box::new(Made(answers, None))));
    let outcome = verify(&code, &scenes::find("one").unwrap().scene, 100_000);
    assert_eq!(code.fault(), None);
    outcome
}

#[track_caller]
fn is_told(answers: fn(&Question) -> Reply, expected: &str) {
    let outcome = explored(answers);
    let Some(found) = outcome.found else {
        panic!("nothing is wrong: {outcome:?}");
    };
    let said = found.violation.to_string();
    assert!(said.contains(expected), "{said}");
}

const fn load(word: u16) -> Op {
    Op::Load {
        word: WordId(word),
        point: None,
    }
}

const fn store(word: u16, point: Option<Point>) -> Op {
    Op::Store {
        word: WordId(word),
        value: 1,
        release: false,
        point,
    }
}

#[test]
fn an_answer_that_is_out_of_range() {
    is_told(made!([load(5)], End::Returns), "there is no such word");
    is_told(made!([load(4)], End::Returns), "accesses a page's entry");
    is_told(
        made!([store(4, None)], End::Returns),
        "accesses a page's entry",
    );
    is_told(
        made!([store(0, Some(Point::PteStore))], End::Returns),
        "as if it were an entry",
    );
    is_told(
        made!([Op::Send(CpuSet::from_bits(1 << 40))], End::Returns),
        "CPUs that are not there",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 100_000),
            Question::Ask(..) => unreachable!("it was not built"),
        },
        "100000 words are made, and 1024 are enough",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(&Setup { cpus: 3, ..*setup }, 4),
            Question::Ask(..) => unreachable!("it was not built"),
        },
        "2 requests and 4 slots were to be named",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => {
                let Reply::Built(version, mut says) = built(setup, 4) else {
                    unreachable!()
                };
                says.heads[0] = Some(WordId(4));
                Reply::Built(version, says)
            }
            Question::Ask(..) => unreachable!("it was not built"),
        },
        "a word's number is not below 4",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => {
                let Reply::Built(version, mut says) = built(setup, 4) else {
                    unreachable!()
                };
                says.words[0].1 = ROLES.len() as u8;
                Reply::Built(version, says)
            }
            Question::Ask(..) => unreachable!("it was not built"),
        },
        "a word's role is none that there is",
    );
}

#[test]
fn an_answer_without_the_kit_s_own_part() {
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(..) => Reply::Did(Vec::new(), End::Returns),
        },
        "returns before it has begun",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(..) => Reply::Did(Vec::new(), asks(Op::Send(CpuSet::EMPTY))),
        },
        "the call begins with Store",
    );
    is_told(made!([], End::GivesUp), "as if a wait had been given up");
    is_told(
        made!([Op::SpinAgain { resends: false }], End::Returns),
        "a wait goes on that has not begun",
    );
    is_told(
        made!([Op::SpinStart, Op::SpinResume], End::Returns),
        "whose patience has not ended",
    );
    is_told(
        made!([Op::SetCurrent(1)], End::Returns),
        "a space is recorded",
    );
    is_told(
        made!(
            [Op::LoadCr3 {
                space: 0,
                pcid: 0,
                keep: false
            }],
            End::Returns
        ),
        "loads CR3",
    );
    is_told(made!([Op::IcrLow(0)], End::Returns), "outside a send");
    is_told(
        made!([Op::SaysStuck], End::GivesUp),
        "says that a command is stuck",
    );
    // What is no lie, and does not wait.
    is_told(made!([], End::Returns), "can use the old translation");
}

#[test]
fn an_answer_that_is_another_the_second_time() {
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(call, answers) if answers.len() < 3 => did(
                *call,
                answers,
                &[load(0), Op::Fence(Fence::Full), load(1)],
                End::Returns,
            ),
            Question::Ask(call, answers) => did(
                *call,
                answers,
                &[load(3), Op::Fence(Fence::Full), load(1)],
                End::Returns,
            ),
        },
        "does not answer the same twice: it asks Load { word: WordId(3)",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(call, answers) if answers.len() < 2 => {
                did(*call, answers, &[load(0)], End::Returns)
            }
            Question::Ask(call, _) => did(*call, &[], &[], End::Returns),
        },
        "does not answer the same twice: it asks nothing where it had asked Store",
    );
}

#[test]
fn an_answer_to_another_question() {
    is_told(
        |_| Reply::Did(Vec::new(), End::Returns),
        "it was to be built",
    );
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(..) => Reply::NotBuilt("no".into()),
        },
        "it was asked what it does",
    );
    is_told(
        |_| Reply::NotBuilt("\u{1b}[2Jno".into()),
        "panics as it is built: ?[2Jno",
    );
}

/// A program that answers with these lines, whatever it is asked.
struct Lines(Vec<&'static str>);

impl Talk for Lines {
    fn say(&mut self, _: &[u8]) -> Result<(), Lost> {
        Ok(())
    }

    fn hear(&mut self, _: usize) -> Result<Vec<u8>, Lost> {
        Ok(self.0.remove(0).into())
    }
}

#[test]
fn a_line_that_is_no_answer() {
    let built = r#"{"Built":[1,{"words":[[0,0],[0,0],[0,0],[0,0]],"heads":[null,null],"slots":[null,null,null,null],"lines":null,"sends":false}]}"#;
    let point = r#"{"Did":[[],{"Asks":[{"Point":200},{"file":"f","line":1}]}]}"#;
    let invented = r#"{"Did":[[],{"Asks":["Return",{"file":"f","line":1}]}]}"#;
    let negative = r#"{"Did":[[],{"Asks":[{"Invlpg":-1},{"file":"f","line":1}]}]}"#;
    let transport = r#"{"Built":[1,{"words":[],"heads":[null,null],"slots":[null,null,null,null],"lines":null,"sends":true}]}"#;
    let verdict = r#"{"scene":"one","states":87,"complete":true}"#;
    for (lines, expected) in [
        (vec![verdict], "no answer: `{\"scene\":\"one\""),
        (vec![""], "no answer: ``"),
        (vec![transport], "a command register where there is none"),
        (vec![built, verdict], "no answer: `{\"scene\":\"one\""),
        (vec![built, point], "there is no point 200"),
        (vec![built, invented], "unknown variant"),
        (vec![built, negative], "invalid value"),
    ] {
        let code = Answerer::new(false, move || Ok(Box::new(Lines(lines.clone()))));
        let outcome = verify(&code, &scenes::find("one").unwrap().scene, 1000);
        let said = outcome
            .found
            .expect("something wrong")
            .violation
            .to_string();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_program_of_another_version_that_is_taken_for_wrong_code() {
    let code = Answerer::new(false, || {
        let made: fn(&Question) -> Reply = |question| match (question, VERSION + 1) {
            (Question::Build(_, setup), version) => match built(setup, 4) {
                Reply::Built(_, says) => Reply::Built(version, says),
                other => other,
            },
            _ => unreachable!("it was not built"),
        };
        Ok(Box::new(Made(made, None)))
    });
    verify(&code, &scenes::find("one").unwrap().scene, 1000);
    assert!(code.fault().unwrap().contains("speaks version 2, not 1"));
}

#[test]
fn code_that_leaves_out_its_own_way_to_send() {
    let code = Answerer::new(true, || Ok(Box::new(Program::start(scoreboard))));
    let found = verify(&code, &scenes::find("ring").unwrap().scene, 1000).found;
    let said = found.expect("something wrong").violation.to_string();
    assert!(
        said.contains("how it sends is not what it was asked for"),
        "{said}"
    );
}

/// Handlers that interrupt one another for ever, and write what nobody wrote before, so that there is always more to
/// learn.
fn counts(question: &Question) -> Reply {
    match question {
        Question::Build(_, setup) => built(setup, 4),
        Question::Ask(call @ Call::Change { .. }, answers) => {
            let shoot = [
                Op::FlushGlobal,
                Op::Send(CpuSet::from_bits(2)),
                Op::SpinStart,
                load(0),
            ];
            match answers.get(4) {
                Some(0) => {
                    let again = Op::SpinAgain { resends: false };
                    did(
                        *call,
                        answers,
                        &[&shoot[..], &[again]].concat(),
                        End::Returns,
                    )
                }
                _ => did(*call, answers, &shoot, End::Returns),
            }
        }
        Question::Ask(call, answers) => {
            let seen = answers.first().copied().unwrap_or(0);
            let count = Op::Modify {
                word: WordId(0),
                change: Change::Swap(seen + 1),
                point: None,
            };
            let send = Op::Send(CpuSet::from_bits(3));
            did(
                *call,
                answers,
                &[load(0), Op::FlushGlobal, count, send],
                End::Returns,
            )
        }
    }
}

#[test]
fn code_that_never_ends_and_takes_all_there_is() {
    let outcome = explored(counts);
    assert!(!outcome.complete && outcome.found.is_none(), "{outcome:?}");
    is_told(
        |question| match question {
            Question::Build(_, setup) => built(setup, 4),
            Question::Ask(call, answers) => did(*call, answers, &[load(0); 500], End::Returns),
        },
        "goes on for ever",
    );
    let code = Answerer::new(false, move || Ok(Box::new(Made(counts, None))));
    let one = scenes::find("one").unwrap().scene;
    assert_eq!(transfers(&code, &one, 3, 0), None);
    let outcome = sample(&code, &one, 3, 0);
    assert!(!outcome.complete, "{outcome:?}");
}

/// A wait that is never over, and that its own condition takes up again: nothing hangs, and nothing comes of it.
#[test]
fn a_wait_whose_condition_changes_what_it_waits_for() {
    is_told(
        |question| match question {
            Question::Ask(call @ Call::Change { .. }, answers) => {
                let seen = answers.get(2).copied().unwrap_or(0);
                let flip = Op::Store {
                    word: WordId(0),
                    value: 1 - seen.min(1),
                    release: false,
                    point: None,
                };
                let again = Op::SpinAgain { resends: false };
                did(
                    *call,
                    answers,
                    &[Op::SpinStart, load(0), flip, again],
                    End::Returns,
                )
            }
            other => counts(other),
        },
        "a wait's condition changes something",
    );
    // Where it is no lie, the code is told.
    let word: HostWord<u32, Plain> = host::build(1, Mode::Plain, |machine| machine.word(0));
    let flips = || {
        word.store(1 - word.peek(Relaxed), Relaxed);
        false
    };
    let (_, reached) = host::replay(&[0; 4], || Host.spin_until(flips));
    let Reached::Panicked(message) = reached else {
        panic!("{reached:?}");
    };
    assert!(
        message.contains("may only look, by `peek`: it asks for Store"),
        "{message}"
    );
}

#[test]
fn a_question_or_an_answer_that_is_longer_than_a_line() {
    let word = u64::MAX.to_string().len() + 1;
    assert!(400 * word < LONGEST_LINE / 16);
    let asked = vec![store(u16::MAX, Some(Point::PteStore)); 400];
    let reply = serde_json::to_vec(&Reply::Did(asked, End::Returns)).unwrap();
    assert!(reply.len() < LONGEST_LINE / 16, "{}", reply.len());
}
