//! The scenes that a protocol is explored in, by name.

use crate::addressing::Switching;
use crate::calls::Call;
use crate::nmi::Nmi;
use crate::ringing::Apic;
use crate::scene::{Faults, Memory, Scene, Script};
use shootdown::{CpuSet, Mode};

/// A scene, with what it is for.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name by which the command line and schedules know it.
    pub name: &'static str,
    /// What happens in it, in a phrase.
    pub doc: &'static str,
    /// The scene.
    pub scene: Scene,
}

/// One CPU of `cpus` for each of `initiators` changes a page of its own.
fn apart(cpus: usize, initiators: usize) -> Scene {
    Scene {
        cpus,
        threads: (0..initiators)
            .map(|cpu| Script {
                cpu: cpu as u8,
                calls: vec![change(cpu as u8, 1)],
            })
            .collect(),
        pages: initiators as u8,
        memory: Memory::Tso,
        send_fences: true,
        faults: Faults::default(),
        scheduler: false,
        switching: None,
        apic: None,
        global: false,
        nmi: None,
    }
}

const fn change(first: u8, pages: u8) -> Call {
    Call::Change {
        first,
        pages,
        version: 1,
    }
}

/// The first CPUs of `cpus` each change pages, a bit each, and shoot down at once what the protocol gathers.
fn several(cpus: usize, pages: &[u8]) -> Scene {
    let mut scene = apart(cpus, pages.len());
    for (script, &pages) in scene.threads.iter_mut().zip(pages) {
        script.calls = vec![Call::ChangeSeveral { pages, version: 1 }];
    }
    let all = pages.iter().fold(0, |all, pages| all | pages);
    scene.pages = (u8::BITS - all.leading_zeros()) as u8;
    scene
}

/// CPU 0 changes `calls`, one after the other.
fn in_turn(cpus: usize, pages: u8, calls: Vec<Call>) -> Scene {
    Scene {
        threads: vec![Script { cpu: 0, calls }],
        pages,
        ..apart(cpus, 1)
    }
}

/// Two threads of CPU 0, which is preempted and moved wherever that is allowed.
fn preempted() -> Scene {
    let thread = |page| Script {
        cpu: 0,
        calls: vec![change(page, 1)],
    };
    Scene {
        threads: vec![thread(0), thread(1)],
        pages: 2,
        scheduler: true,
        ..apart(2, 1)
    }
}

fn relaxed(scene: Scene) -> Scene {
    Scene {
        memory: Memory::Relaxed,
        ..scene
    }
}

fn faulty(scene: Scene, faults: Faults) -> Scene {
    Scene { faults, ..scene }
}

/// CPU 0 is in the space and changes a page, while CPU 1 switches between spaces as `calls` say.
fn switching(mode: Mode, pcids: u16, inside: u64, calls: &[u8]) -> Scene {
    let mut scene = apart(2, 1);
    scene.threads.push(Script {
        cpu: 1,
        calls: calls.iter().map(|&space| Call::Activate(space)).collect(),
    });
    scene.switching = Some(Switching {
        mode,
        pcids,
        inside: CpuSet::from_bits(inside),
        keeps: false,
    });
    scene
}

/// CPU 0 does as `calls` say, while CPU 1 is in the space without a thread of it, until it enters it.
fn lazy(calls: Vec<Call>) -> Scene {
    let mut scene = switching(Mode::Plain, 2, 0b11, &[1]);
    scene.pages = 2;
    scene.threads[0].calls = calls;
    scene
}

/// A CPU switches between spaces as `calls` say, and nothing changes.
fn undisturbed(pcids: u16, calls: &[u8]) -> Scene {
    let mut scene = switching(Mode::Pcid, pcids, 0b11, calls);
    scene.threads.remove(0);
    if let Some(switching) = &mut scene.switching {
        switching.keeps = true;
    }
    scene
}

/// The scenes in which CPUs enter and leave the space that is changed: whom an initiator must ask, and what
/// a CPU may keep of a space that it is not in.
#[must_use]
pub fn switching_all() -> Vec<Named> {
    let named = |name, doc, scene| Named { name, doc, scene };
    let (first, both) = (0b01, 0b11);
    vec![
        named(
            "enters",
            "2 CPUs; CPU 1 enters the space in which CPU 0 changes a page",
            switching(Mode::Plain, 2, first, &[1]),
        ),
        named(
            "leaves",
            "2 CPUs; CPU 1 leaves the space in which CPU 0 changes a page",
            switching(Mode::Plain, 2, both, &[0]),
        ),
        named(
            "lazy",
            "2 CPUs; CPU 0 changes a page, then another; CPU 1 has no thread of the space, and enters it",
            lazy(vec![change(0, 1), change(1, 1)]),
        ),
        named(
            "lazy-kernel",
            "2 CPUs; CPU 0 changes a page of the kernel; CPU 1 has no thread of the space, and enters it",
            Scene {
                global: true,
                ..lazy(vec![Call::ChangeKernel { version: 1 }])
            },
        ),
        named(
            "reenters",
            "2 CPUs; CPU 1 enters the space that it is in, and CPU 0 changes a page there",
            switching(Mode::Plain, 2, both, &[1]),
        ),
        named(
            "others-stay",
            "3 CPUs; CPU 1 leaves the space in which CPU 0 changes a page, and CPU 2 stays",
            Scene {
                cpus: 3,
                ..switching(Mode::Plain, 2, 0b111, &[0])
            },
        ),
        named(
            "enters-weak",
            "as `enters`, with stores that others see in any order that is not forbidden",
            relaxed(switching(Mode::Plain, 2, first, &[1])),
        ),
        named(
            "leaves-weak",
            "as `leaves`, with stores that others see in any order that is not forbidden",
            relaxed(switching(Mode::Plain, 2, both, &[0])),
        ),
        named(
            "back",
            "with PCIDs: CPU 1 leaves the space in which CPU 0 changes a page, and comes back",
            switching(Mode::Pcid, 3, both, &[0, 1]),
        ),
        named(
            "back-invpcid",
            "as `back`, with INVPCID",
            switching(Mode::Invpcid, 3, both, &[0, 1]),
        ),
        named(
            "crowded",
            "with one PCID for two spaces: CPU 1 goes to the other, comes back, and goes there again",
            switching(Mode::Pcid, 2, both, &[2, 1, 2]),
        ),
        named(
            "stays",
            "with PCIDs: CPU 1 leaves the space and comes back, and nothing changes",
            undisturbed(3, &[0, 1, 2, 1]),
        ),
        named(
            "crowded-stays",
            "with one PCID for two spaces: CPU 1 goes to the other, and nothing changes",
            undisturbed(2, &[2]),
        ),
        named(
            "user",
            "with page-table isolation: CPU 1 is in user mode, and CPU 0 changes a page",
            switching(Mode::PcidPti, 2, both, &[]),
        ),
        named(
            "user-back",
            "with page-table isolation: CPU 1 leaves the space and comes back to user mode",
            switching(Mode::PcidPti, 3, both, &[0, 1]),
        ),
        named(
            "user-back-invpcid",
            "as `user-back`, with INVPCID",
            switching(Mode::InvpcidPti, 3, both, &[0, 1]),
        ),
    ]
}

/// `scene`, with the code that sends explored too.
fn through(apic: Apic, scene: Scene) -> Scene {
    Scene {
        apic: Some(apic),
        ..scene
    }
}

/// CPU 0 of 3 changes a page that these CPUs may hold.
fn held_by(inside: u64) -> Scene {
    let mut scene = switching(Mode::Plain, 2, inside, &[]);
    scene.cpus = 3;
    scene
}

/// CPU 0 of 3 sends, to one CPU, to the other, and to both.
fn rings(masked: bool) -> Scene {
    let calls = [0b010, 0b100, 0b110].map(|to| Call::Ring { to, masked });
    in_turn(3, 1, calls.to_vec())
}

/// The scenes about how an interrupt is sent. Where a protocol comes without a way of its own to send, they are
/// as without a command register.
#[must_use]
pub fn ringing_all() -> Vec<Named> {
    let named = |name, doc, apic, scene| Named {
        name,
        doc,
        scene: through(apic, scene),
    };
    let xapic = Apic::default();
    let x2apic = Apic {
        x2apic: true,
        ..xapic
    };
    let one = |apic| Apic {
        shorthand: true,
        ..apic
    };
    let torn = Apic {
        disturbances: 1,
        ..xapic
    };
    let slow = Apic {
        slow: true,
        ..xapic
    };
    let busy = Apic {
        disturbances: 1,
        ..slow
    };
    let stuck = Apic {
        stuck: true,
        ..slow
    };
    let given_up = Faults {
        given_up: 1,
        ..Faults::default()
    };
    vec![
        named(
            "ring",
            "3 CPUs, xAPIC; CPU 0 interrupts one, the other, and both",
            xapic,
            rings(false),
        ),
        named(
            "ring-masked",
            "as `ring`, with interrupts off",
            xapic,
            rings(true),
        ),
        named("ring-x2apic", "as `ring`, x2APIC", x2apic, rings(false)),
        named(
            "ring-all",
            "as `ring`; what goes to both is to be one command",
            one(xapic),
            rings(false),
        ),
        named(
            "ring-all-x2apic",
            "as `ring-all`, x2APIC",
            one(x2apic),
            rings(false),
        ),
        named(
            "torn",
            "3 CPUs, xAPIC; CPU 0 changes a page that CPU 1 may hold, and an interrupt comes whose handler sends",
            torn,
            held_by(0b011),
        ),
        named(
            "torn-pending",
            "as `torn`; commands stay pending for a while, that of the handler too",
            busy,
            held_by(0b011),
        ),
        named(
            "pending",
            "as `ring`; commands stay pending for a while",
            slow,
            rings(false),
        ),
        named(
            "stuck",
            "2 CPUs, xAPIC; CPU 0 changes a page, and the command before is never accepted",
            stuck,
            faulty(apart(2, 1), given_up),
        ),
        named(
            "stuck-each",
            "4 CPUs, xAPIC; CPU 0 changes a page that two others may hold, and the command before is never accepted",
            stuck,
            faulty(
                Scene {
                    cpus: 4,
                    ..held_by(0b111)
                },
                given_up,
            ),
        ),
        named(
            "unfenced",
            "2 CPUs, x2APIC; CPU 0 changes a page",
            x2apic,
            apart(2, 1),
        ),
    ]
}

/// The scenes in which something goes wrong that no protocol can help: for those that help themselves.
#[must_use]
pub fn faulty_all() -> Vec<Named> {
    let named = |name, doc, scene| Named { name, doc, scene };
    let lost = Faults {
        lost: 1,
        ..Faults::default()
    };
    let repeated = Faults {
        repeated: 1,
        ..Faults::default()
    };
    let given_up = Faults {
        given_up: 1,
        ..Faults::default()
    };
    let late = Faults {
        late: 1,
        ..Faults::default()
    };
    let again = || in_turn(2, 2, vec![change(0, 1), change(1, 1)]);
    vec![
        named(
            "lost",
            "2 CPUs; CPU 0 changes a page, then another; an interrupt is lost",
            faulty(again(), lost),
        ),
        named(
            "lost-of-two",
            "2 CPUs; each changes a page; an interrupt is lost",
            faulty(apart(2, 2), lost),
        ),
        named(
            "lost-of-three",
            "3 CPUs; CPU 0 changes a page; an interrupt is lost",
            faulty(apart(3, 1), lost),
        ),
        named(
            "delayed",
            "2 CPUs; CPU 0 changes a page, then another; an interrupt comes later than a wait has patience",
            faulty(again(), late),
        ),
        named(
            "delayed-of-two",
            "2 CPUs; each changes a page; an interrupt comes later than a wait has patience",
            faulty(apart(2, 2), late),
        ),
        named(
            "repeated",
            "2 CPUs; each changes a page; an interrupt comes once more",
            faulty(apart(2, 2), repeated),
        ),
        named(
            "given-up",
            "2 CPUs; CPU 0 changes a page, then another; a wait is given up",
            faulty(again(), given_up),
        ),
        named(
            "given-up-twice",
            "as `given-up`, and another wait too",
            faulty(
                again(),
                Faults {
                    given_up: 2,
                    ..Faults::default()
                },
            ),
        ),
        named(
            "given-up-thrice",
            "2 CPUs; CPU 0 changes the second of two pages, again, then the first; two waits are given up",
            faulty(
                in_turn(2, 2, vec![change(1, 1), change(1, 1), change(0, 1)]),
                Faults {
                    given_up: 2,
                    ..Faults::default()
                },
            ),
        ),
        named(
            "given-up-of-three",
            "3 CPUs; CPU 0 changes a page, then another; a wait is given up",
            faulty(in_turn(3, 2, vec![change(0, 1), change(1, 1)]), given_up),
        ),
        named(
            "given-up-weak",
            "as `given-up`, with stores that others see in any order that is not forbidden",
            relaxed(faulty(again(), given_up)),
        ),
        named(
            "moved-and-given-up",
            "2 CPUs; two threads of CPU 0 change a page each, and are preempted and moved; a wait is given up",
            faulty(preempted(), given_up),
        ),
        named(
            "lost-and-given-up",
            "2 CPUs; CPU 0 changes a page, then another; an interrupt is lost, and a wait given up",
            faulty(
                again(),
                Faults {
                    lost: 1,
                    given_up: 1,
                    ..Faults::default()
                },
            ),
        ),
    ]
}

/// Every scene in which nothing goes wrong, the quickest first.
#[must_use]
pub fn all() -> Vec<Named> {
    let named = |name, doc, scene| Named { name, doc, scene };
    vec![
        named("one", "2 CPUs; CPU 0 changes a page", apart(2, 1)),
        named(
            "range",
            "2 CPUs; CPU 0 changes two pages with one shootdown",
            in_turn(2, 2, vec![change(0, 2)]),
        ),
        named(
            "again",
            "2 CPUs; CPU 0 changes a page, then another",
            in_turn(2, 2, vec![change(0, 1), change(1, 1)]),
        ),
        named("both", "2 CPUs; each changes a page", apart(2, 2)),
        named("third", "3 CPUs; CPU 0 changes a page", apart(3, 1)),
        named(
            "moved",
            "2 CPUs; two threads of CPU 0 change a page each, and are preempted and moved",
            preempted(),
        ),
        named(
            "two-of-three",
            "3 CPUs; two change a page each",
            apart(3, 2),
        ),
        named(
            "again-weak",
            "as `again`, with stores that others see in any order that is not forbidden",
            relaxed(in_turn(2, 2, vec![change(0, 1), change(1, 1)])),
        ),
        named(
            "both-weak",
            "as `both`, with stores that others see in any order that is not forbidden",
            relaxed(apart(2, 2)),
        ),
        named(
            "several",
            "2 CPUs; CPU 0 changes two neighbouring pages and one apart, and gathers their shootdowns",
            several(2, &[0b1011]),
        ),
        named(
            "several-third",
            "3 CPUs; CPU 0 changes two neighbouring pages and one apart, and gathers their shootdowns",
            several(3, &[0b1011]),
        ),
        named(
            "several-both",
            "2 CPUs; each changes two neighbouring pages, and gathers their shootdowns",
            several(2, &[0b0011, 0b1100]),
        ),
        named(
            "several-weak",
            "as `several`, with stores that others see in any order that is not forbidden",
            relaxed(several(2, &[0b1011])),
        ),
    ]
}

/// CPU 0 changes a page of the kernel, while CPU 1 switches between spaces if it can.
fn kernel(mode: Mode) -> Scene {
    let mut scene = match mode {
        Mode::Plain => apart(2, 1),
        _ => switching(mode, 3, 0b11, &[0, 1]),
    };
    scene.threads[0].calls = vec![Call::ChangeKernel { version: 1 }];
    scene.global = true;
    scene
}

/// `cpus` CPUs, of which `initiators` change a page each; an NMI comes, whose handler reads page `reads`.
fn interrupted(cpus: usize, initiators: usize, reads: u8) -> Scene {
    let scene = apart(cpus, initiators);
    Scene {
        pages: scene.pages.max(reads + 1),
        nmi: Some(Nmi { times: 1, reads }),
        ..scene
    }
}

/// The scenes about what is the kernel's own: its pages, and NMIs.
#[must_use]
pub fn kernel_all() -> Vec<Named> {
    let named = |name, doc, scene| Named { name, doc, scene };
    vec![
        named(
            "kernel",
            "2 CPUs; CPU 0 changes a page of the kernel, whose translations are global",
            kernel(Mode::Plain),
        ),
        named(
            "kernel-pcid",
            "as `kernel`, with PCIDs; CPU 1 switches between spaces",
            kernel(Mode::Pcid),
        ),
        named(
            "kernel-invpcid",
            "as `kernel-pcid`, with INVPCID and page-table isolation",
            kernel(Mode::InvpcidPti),
        ),
        named(
            "nmi",
            "2 CPUs; each changes a page; an NMI comes, whose handler reads another",
            interrupted(2, 2, 2),
        ),
    ]
}

/// The scene in which an NMI's handler does what it must not: a protocol that acknowledges before it invalidates
/// breaks there.
#[must_use]
pub fn forbidden_all() -> Vec<Named> {
    vec![Named {
        name: "nmi-user",
        doc: "2 CPUs; CPU 0 changes a page; an NMI comes, whose handler reads it, which it must not",
        scene: interrupted(2, 1, 0),
    }]
}

/// Scenes with too many states to look at each: to be sampled.
#[must_use]
pub fn large() -> Vec<Named> {
    let named = |name, doc, scene| Named { name, doc, scene };
    vec![
        named("everyone", "3 CPUs; each changes a page", apart(3, 3)),
        named("crowd", "6 CPUs; four change a page each", apart(6, 4)),
    ]
}

/// All of them.
pub fn every() -> impl Iterator<Item = Named> {
    let ordinary = all()
        .into_iter()
        .chain(switching_all())
        .chain(kernel_all())
        .chain(ringing_all());
    let others = faulty_all().into_iter().chain(forbidden_all());
    ordinary.chain(others).chain(large())
}

/// The scene of that name.
#[must_use]
pub fn find(name: &str) -> Option<Named> {
    every().find(|scene| scene.name == name)
}
