//! Programs that nobody would write, drawn from a seed: what the search leaves out must change nothing that comes of
//! them.

use super::comes::compare;
use crate::search::Random;
use crate::{Call, Faults, Host, Memory, Nmi, Scene, Script};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use shootdown::{
    Abandoned, Acknowledged, CpuId, CpuSet, Destination, Machine as _, Plain, Protocol, Request,
    RequestHead, RequestView, Slot, Snapshot, Targets, Word,
};
use std::sync::Arc;

/// How many words a program has.
const WORDS: usize = 3;

/// What a program does next.
#[derive(Clone, Copy, Debug)]
enum Does {
    Loads(usize),
    Stores(usize, u32),
    StoresWhatItLoaded(usize),
    StoresLast(usize, u32),
    Swaps(usize, u32),
    Fence,
    ReleaseFence,
    Sends,
    SendsToOne(usize),
    Invalidates,
    Waits(usize, u32),
    WaitsForTwo(usize, usize),
    SkipsIf(u32, usize),
    ServesIf(usize),
    AnswersIf(usize, usize),
    Disables,
    Enables,
    Enters,
}

fn draw(random: &mut Random, below: usize) -> usize {
    let all: Vec<usize> = (0..below).collect();
    random.choose(&all).copied().unwrap_or(0)
}

fn does(random: &mut Random, handler: bool) -> Does {
    let (word, value) = (draw(random, WORDS), draw(random, 2) as u32);
    match draw(random, if handler { 11 } else { 17 }) {
        0 | 1 => Does::Loads(word),
        2 | 3 => Does::Stores(word, value),
        4 => Does::StoresWhatItLoaded(word),
        5 => Does::StoresLast(word, value),
        6 => Does::Swaps(word, value),
        7 => Does::SkipsIf(value, 1 + draw(random, 2)),
        8 => Does::ServesIf(word),
        9 => Does::AnswersIf(word, draw(random, WORDS)),
        10 => Does::ReleaseFence,
        11 => Does::Fence,
        12 => Does::Sends,
        13 => Does::SendsToOne(draw(random, 3)),
        14 => Does::Waits(word, value),
        15 => [Does::WaitsForTwo(word, draw(random, WORDS)), Does::Enters][draw(random, 2)],
        _ => [Does::Invalidates, Does::Disables, Does::Enables][draw(random, 3)],
    }
}

/// What each CPU's thread and handler do.
#[derive(Debug)]
struct Drawn {
    threads: Vec<Vec<Does>>,
    handlers: Vec<Vec<Does>>,
}

impl Drawn {
    fn new(random: &mut Random, cpus: usize) -> Drawn {
        let program = |random: &mut Random, handler, length: usize| {
            (0..length).map(|_| does(random, handler)).collect()
        };
        Drawn {
            threads: (0..cpus)
                .map(|_| {
                    let length = 2 + draw(random, 4);
                    program(random, false, length)
                })
                .collect(),
            handlers: (0..cpus)
                .map(|_| {
                    let length = 1 + draw(random, 3);
                    program(random, true, length)
                })
                .collect(),
        }
    }
}

type HostWord<V, R> = <Host as shootdown::Machine>::Word<V, R>;

struct Program {
    drawn: Arc<Drawn>,
    words: Vec<HostWord<u32, Plain>>,
}

impl Program {
    fn run(
        &self,
        m: &Host,
        me: CpuId,
        program: &[Does],
        request: Option<&Request>,
    ) -> Result<(), Abandoned> {
        let (mut at, mut last) = (0, 0);
        while let Some(&does) = program.get(at) {
            at += 1;
            match does {
                Does::Loads(word) => last = self.words[word].load(Acquire),
                Does::Stores(word, value) => self.words[word].store(value, Relaxed),
                Does::StoresWhatItLoaded(word) => self.words[word].store(last, Relaxed),
                Does::StoresLast(word, value) => self.words[word].store(value, Release),
                Does::Swaps(word, value) => last = self.words[word].swap(value, AcqRel),
                Does::Fence => m.fence(SeqCst),
                Does::ReleaseFence => m.fence(Release),
                Does::Sends => m.send(Destination::AllButSelf),
                Does::SendsToOne(cpu) => {
                    let to = CpuSet::only(CpuId::new(cpu % m.online().len()).expect("a CPU"));
                    m.send(Destination::Each(to.without(me)));
                }
                Does::Invalidates => {
                    if let Some(request) = request {
                        m.invalidate_locally(request);
                    }
                }
                Does::Waits(word, value) => {
                    m.spin_until(|| self.words[word].peek(Relaxed) == value)?;
                }
                Does::WaitsForTwo(one, two) => m.spin_until(|| {
                    self.words[one].peek(Relaxed) == 1 && self.words[two].peek(Relaxed) == 1
                })?,
                Does::SkipsIf(value, number) if last == value => at += number,
                Does::SkipsIf(..) => {}
                Does::ServesIf(word) => {
                    if self.words[word].load(Acquire) == 1 {
                        let page = crate::host::address(word as u8 % 2);
                        let request = Request::page(crate::host::SPACE, page);
                        m.invalidate(&request.expect("a page"));
                    }
                }
                Does::AnswersIf(word, other) => {
                    if self.words[word].load(Acquire) == 1 {
                        self.words[other].store(1, Relaxed);
                    }
                }
                Does::Disables => m.disable_interrupts(),
                Does::Enables => m.enable_interrupts(),
                Does::Enters => {
                    m.enter_critical();
                    m.leave_critical();
                }
            }
        }
        Ok(())
    }
}

impl Protocol<Host> for Program {
    fn name(&self) -> &'static str {
        "drawn"
    }

    fn shoot(
        &self,
        m: &Host,
        request: Request,
        targets: Targets,
    ) -> Result<Acknowledged, Abandoned> {
        let asked = Snapshot::take(m, &request, targets);
        let program = &self.drawn.threads[asked.me.index()];
        let outcome = self.run(m, asked.me, program, Some(&request));
        if !m.interrupts_enabled() {
            m.enable_interrupts();
        }
        m.unpin();
        outcome.map(|()| asked.acknowledged(request, None))
    }

    fn handle(&self, m: &Host) -> u32 {
        let me = m.me();
        let program = &self.drawn.handlers[me.index()];
        let _ = self.run(m, me, program, None);
        0
    }

    fn slot(&self, _: CpuId, _: CpuId) -> Option<&HostWord<u32, Slot>> {
        None
    }

    fn head(&self, _: CpuId) -> Option<&HostWord<u64, RequestHead>> {
        None
    }

    fn request(&self, _: CpuId) -> Option<RequestView> {
        None
    }

    fn outstanding(&self, _: CpuId) -> CpuSet {
        CpuSet::EMPTY
    }
}

fn scene(random: &mut Random, cpus: usize) -> Scene {
    let initiators = 1 + draw(random, cpus);
    let mut scene = super::scene(cpus, initiators);
    scene.pages = 2;
    scene.memory = [Memory::Tso, Memory::Tso, Memory::Relaxed][draw(random, 3)];
    scene.send_fences = draw(random, 4) > 0;
    let fault = [0, 0, 0, 1, 2, 3][draw(random, 6)];
    scene.faults = Faults {
        lost: u8::from(fault == 1),
        repeated: u8::from(fault == 2),
        given_up: u8::from(fault == 3),
        ..Faults::default()
    };
    scene.nmi = (draw(random, 4) == 0).then(|| Nmi {
        times: 1,
        reads: draw(random, 2) as u8,
    });
    scene.threads = (0..initiators)
        .map(|cpu| Script {
            cpu: cpu as u8,
            calls: (0..1 + draw(random, 5) / 4)
                .map(|_| Call::Change {
                    first: draw(random, 2) as u8,
                    pages: 1,
                    version: 1,
                })
                .collect(),
        })
        .collect();
    scene
}

/// The programs as a protocol.
fn subject(drawn: Arc<Drawn>) -> impl Fn(&Host, usize) -> Box<dyn Protocol<Host>> {
    move |machine, _| {
        Box::new(Program {
            drawn: drawn.clone(),
            words: (0..WORDS).map(|_| machine.word(0)).collect(),
        })
    }
}

#[test]
fn a_step_left_out_that_something_comes_of() {
    let mut compared = 0;
    for seed in 0..250 {
        let mut random = Random::new(seed);
        let cpus = 2 + draw(&mut random, 2);
        let scene = scene(&mut random, cpus);
        let drawn = Arc::new(Drawn::new(&mut random, cpus));
        let what = format!("seed {seed}, {drawn:?} in {scene:?}");
        compared += usize::from(compare(&subject(drawn), &scene, 30_000, &what).is_some());
    }
    assert!(compared > 200, "only {compared} are small enough");
}

/// Where stores can overtake one another, one that comes after an interrupt may be late for what the handler's end
/// would have made visible.
#[test]
fn a_relaxed_store_that_is_done_before_an_interrupt_though_nobody_can_see_it_yet() {
    let drawn = Drawn {
        threads: vec![
            vec![Does::Stores(0, 1), Does::Stores(1, 1)],
            vec![
                Does::Sends,
                Does::Waits(2, 1),
                Does::Loads(1),
                Does::SkipsIf(0, 2),
                Does::Loads(0),
                Does::StoresWhatItLoaded(2),
            ],
        ],
        handlers: vec![vec![Does::Stores(2, 1)], vec![]],
    };
    let scene = Scene {
        memory: Memory::Relaxed,
        ..super::scene(2, 2)
    };
    let compared = compare(&subject(Arc::new(drawn)), &scene, 30_000, "overtaken");
    assert!(compared.is_some());
}
