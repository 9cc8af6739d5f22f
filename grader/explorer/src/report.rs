//! A story for people: which invariant, lanes, and the lines of the source.

use crate::calls::Call;
use crate::cause::cause;
use crate::code::Source;
use crate::op::{Op, WordId};
use crate::ringing;
use crate::story::{Moment, Story, What};
use crate::violation::Violation;
use evidence::judge::{INVARIANTS, judge};
use evidence::lanes::{View, window};
use evidence::{Evidence, Place, Purpose, Timeline};
use shootdown::{CpuId, CpuSet, Point};
use std::fmt::Write;

/// What a story that ends badly speaks against, and why.
pub(crate) struct Verdict {
    /// The invariant, 1 to 20; 0 if it is none of them.
    pub invariant: u8,
    /// A sentence on what was expected, if the judge has one.
    pub words: Option<String>,
}

/// The rule of an invariant.
pub(crate) fn rule(invariant: u8) -> &'static str {
    let found = INVARIANTS.iter().find(|rule| rule.number == invariant);
    found.map_or("", |invariant| invariant.rule)
}

/// What the story speaks against. The protocol's own assertion says so itself; else the first thing that it
/// did wrong does, by its own words; else the judge of the kernel's evidence; where the records are too short
/// for that, what has come about.
pub(crate) fn verdict(story: &Story, violation: &Violation) -> Verdict {
    if let Violation::Silent { .. } = violation {
        return Verdict {
            invariant: 0,
            words: None,
        };
    }
    if let Some(invariant) = violation.names() {
        return Verdict {
            invariant,
            words: None,
        };
    }
    if let Some(cause) = cause(story) {
        let at = source(cause.at.as_ref());
        let at = if at.is_empty() {
            at
        } else {
            format!(" ({at})")
        };
        return Verdict {
            invariant: cause.invariant,
            words: Some(format!("{}{at}", cause.words)),
        };
    }
    if let Violation::Hang { .. } = violation
        && let Some(lost) = story
            .moments
            .iter()
            .rev()
            .find(|moment| moment.what == What::Loses)
    {
        let words = format!(
            "the interrupt to CPU {} was lost, and nobody sent it again",
            lost.cpu
        );
        return Verdict {
            invariant: 2,
            words: Some(words),
        };
    }
    if let Violation::ReadByNmi { cpu, .. } = violation {
        let words = format!(
            "an NMI came to CPU {cpu} before it had invalidated what it was asked to: an NMI's handler may touch nothing \
             that a shootdown takes away"
        );
        return Verdict {
            invariant: 5,
            words: Some(words),
        };
    }
    if let Violation::Stale {
        cpu, user: true, ..
    } = violation
        && invalidated(story, *cpu)
    {
        let words = format!(
            "CPU {cpu} invalidated what the kernel's tables say of the page, and kept what the user's tables say"
        );
        return Verdict {
            invariant: 16,
            words: Some(words),
        };
    }
    if let Violation::Stale { cpu, .. } = violation
        && let Some(op) = spares_the_kernel_s(story, *cpu)
    {
        let what = operation(op, 0, story).unwrap_or_default();
        let words = format!(
            "CPU {cpu} {what}: that leaves global translations, as those of the kernel's pages are"
        );
        return Verdict {
            invariant: 16,
            words: Some(words),
        };
    }
    let evidence = Evidence {
        header: None,
        records: story.records.clone(),
        totals: None,
        defects: Vec::new(),
        verified: true,
    };
    let timeline = Timeline::new(story.records.clone());
    let findings = judge(&evidence, &timeline).findings;
    let named = findings
        .into_iter()
        .filter(|finding| finding.invariant != 0);
    // What is broken first leads to the rest.
    let first = named.min_by_key(|finding| finding.records.iter().min().copied());
    if let Some(finding) = first {
        return Verdict {
            invariant: finding.invariant,
            words: Some(finding.text),
        };
    }
    let (invariant, words) = match violation {
        Violation::Stale { .. } | Violation::ReadByNmi { .. } => (5, None),
        Violation::Foreign { .. } => (9, None),
        Violation::Panic { .. } | Violation::Silent { .. } => (0, None),
        Violation::Livelock { .. } => (6, None),
        Violation::Hang { waiting } => match lock(story, *waiting) {
            Some(words) => (0, Some(words)),
            None => (hang(story), None),
        },
    };
    Verdict { invariant, words }
}

/// What the handler of `cpu` did, if that leaves global translations, and pages of the kernel were changed.
fn spares_the_kernel_s(story: &Story, cpu: CpuId) -> Option<Op> {
    let mut moments = story.moments.iter();
    moments
        .clone()
        .find(|moment| matches!(moment.what, What::Ends(Call::ChangeKernel { .. })))?;
    moments.find_map(|moment| match moment.what {
        What::Asks { op, .. } if moment.cpu == cpu && moment.in_handler => {
            Some(op).filter(|op| op.spares_global())
        }
        _ => None,
    })
}

/// Whether the handler of `cpu` has invalidated anything.
fn invalidated(story: &Story, cpu: CpuId) -> bool {
    story.moments.iter().any(|moment| {
        let own = moment.cpu == cpu && moment.in_handler;
        own && matches!(
            moment.what,
            What::Asks {
                op: Op::Invlpg(_) | Op::ReloadCr3 | Op::InvpcidContext(_) | Op::FlushGlobal,
                ..
            }
        )
    })
}

/// Whether those who wait do so for a word of the protocol's own, such as a lock, with interrupts on.
fn lock(story: &Story, waiting: CpuSet) -> Option<String> {
    let waits_for = |cpu: CpuId| {
        let mut moments = story.moments.iter().rev();
        moments.find_map(|moment| match moment.what {
            What::Asks {
                op: Op::Load { word, .. },
                ..
            } if moment.cpu == cpu && !moment.in_handler => {
                Some((word, source(moment.at.as_ref())))
            }
            _ => None,
        })
    };
    let own = |word: WordId| story.roles.get(usize::from(word.0)) == Some(&"Plain");
    let mut words = String::new();
    for cpu in waiting {
        let (word, at) = waits_for(cpu).filter(|(word, _)| own(*word))?;
        let name = name(word, story);
        let _ = write!(
            words,
            "CPU {cpu} waits for {name} ({at}), which nobody will write. "
        );
    }
    Some(words.trim_end().to_owned())
}

/// A wait that nothing can end: with interrupts off (I7), for an interrupt that was never sent or
/// was sent too early (I2), or for a target that came and did not answer (I6).
fn hang(story: &Story) -> u8 {
    let mut off = CpuSet::EMPTY;
    let mut waits = CpuSet::EMPTY;
    let mut served = false;
    for moment in &story.moments {
        match moment.what {
            What::Asks {
                op: Op::InterruptsOff,
                ..
            } => off = off.with(moment.cpu),
            What::Asks {
                op: Op::InterruptsOn,
                ..
            } => off = off.without(moment.cpu),
            What::Asks {
                op: Op::Point(Point::Wait),
                ..
            } => waits = waits.with(moment.cpu),
            What::Enters => served = true,
            _ => {}
        }
    }
    match (off.and(waits).is_empty(), served) {
        (false, _) => 7,
        (true, true) => 6,
        (true, false) => 2,
    }
}

/// The story as text: lanes, then who did what at which line.
pub(crate) fn text(story: &Story, width: usize, ascii: bool) -> String {
    let mut text = String::new();
    let timeline = Timeline::new(story.records.clone());
    let view = View {
        width,
        ascii,
        ..View::default()
    };
    let last = story.records.len().saturating_sub(1);
    for line in window(&timeline, 0, last, &view) {
        let _ = writeln!(text, "{line}");
    }
    text.push('\n');
    for moment in &story.moments {
        if let Some(what) = words(&moment.what, story) {
            let cpu = place(moment);
            let line = format!("  {cpu:<16} {what:<44} {}", source(moment.at.as_ref()));
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

fn place(moment: &Moment) -> String {
    let place = if moment.in_handler { " (handler)" } else { "" };
    format!("CPU {}{place}", moment.cpu)
}

/// One thing that happened, in a sentence's beginning.
pub(crate) fn moment(moment: &Moment, story: &Story) -> String {
    let what = words(&moment.what, story).unwrap_or_else(|| "goes on".into());
    let source = source(moment.at.as_ref());
    let source = if source.is_empty() {
        source
    } else {
        format!(" ({source})")
    };
    format!("{} {what}{source}", place(moment))
}

pub(crate) fn source(at: Option<&Source>) -> String {
    at.map_or(String::new(), |at| {
        let file = at.file().rsplit('/').next().unwrap_or_default();
        format!("{file}:{}", at.line())
    })
}

/// A word, by what it is for and where it is.
fn name(word: WordId, story: &Story) -> String {
    let of_apic = story.ring_words.as_ref();
    if let Some(name) = of_apic.and_then(|words| words.name(word)) {
        return name;
    }
    let of_space = story.space_words.as_ref();
    if let Some(name) = of_space.and_then(|words| words.name(word)) {
        return name;
    }
    let index = usize::from(word.0);
    let place = story.places.get(index).copied().and_then(Place::unpacked);
    if let Some(Place {
        purpose: Purpose::Slot,
        target: Some(target),
        initiator,
    }) = place
    {
        return match initiator {
            Some(initiator) => format!("slot ({target}, {initiator})"),
            None => format!("slot of {target}"),
        };
    }
    let role = match story.roles.get(index).copied().unwrap_or_default() {
        "Slot" => "slot",
        "RequestHead" | "RequestBody" => "request word",
        "Generation" => "generation",
        "Active" => "active set",
        "PageTableEntry" => "entry",
        _ => "word",
    };
    format!("{role} #{}", word.0)
}

/// What happened, in words; nothing for what is of no interest.
pub(crate) fn words(what: &What, story: &Story) -> Option<String> {
    let name = |word: WordId| name(word, story);
    Some(match *what {
        What::Enters => "takes the interrupt".into(),
        What::Leaves => "ends the handler".into(),
        What::Walks { page, .. } => format!("walks the page table for page {page}"),
        What::Moves { to } => format!("its thread moves to CPU {to}"),
        What::Switches { thread } => format!("runs thread {thread}"),
        What::Commits { word, value } => {
            format!("its store of {value:#x} to {} becomes visible", name(word))
        }
        What::Ends(Call::Activate(space)) => format!("is in space {space}"),
        What::Ends(call) => ringing::words(call).unwrap_or_else(|| "the shootdown returns".into()),
        What::Abandons(_) => "the shootdown returns: given up".into(),
        What::Loses => "its interrupt is lost".into(),
        What::Repeats => "an interrupt comes once more".into(),
        What::Expires => "its wait has lasted too long".into(),
        What::GivesUp => "its wait is given up".into(),
        What::Accepts => "its command is accepted".into(),
        What::TakesNmi { page } => format!("takes an NMI, whose handler reads page {page}"),
        What::Disturbs => "takes an interrupt whose handler sends to this CPU".into(),
        What::Asks { op, answer } => return operation(op, answer, story),
    })
}

fn operation(op: Op, answer: u64, story: &Story) -> Option<String> {
    let name = |word: WordId| name(word, story);
    let named = |point: Option<Point>, rest: String| match point {
        Some(point) => format!("{point}: {rest}"),
        None => rest,
    };
    Some(match op {
        Op::Load { word, point } => named(point, format!("loads {}: {answer:#x}", name(word))),
        Op::Store {
            word, value, point, ..
        } => named(point, format!("stores {value:#x} to {}", name(word))),
        Op::Modify {
            word,
            change,
            point,
        } => {
            let value = change.apply(answer);
            named(
                point,
                format!("changes {} from {answer:#x} to {value:#x}", name(word)),
            )
        }
        Op::Send(targets) => format!("send: to CPUs {targets}"),
        Op::Invlpg(page) => format!("INVLPG of page {page}"),
        Op::IcrHigh(high) => format!(
            "writes destination {:#x} to the command register",
            high >> 24
        ),
        Op::IcrLow(low) => format!("writes the command {low:#x}: sent"),
        Op::IcrWide(command) => format!("writes the MSR, {command:#x}: sent"),
        Op::SaysStuck => "says that its command is stuck".into(),
        Op::ReloadCr3 => "reloads CR3".into(),
        Op::FlushGlobal => "flushes its TLB".into(),
        Op::FlushAllButGlobal => "flushes its TLB, but for what is global".into(),
        Op::LoadCr3 { space, pcid, keep } => {
            let kept = if keep { ", keeping what is there" } else { "" };
            match pcid {
                0 => format!("loads CR3 with the tables of space {space}"),
                pcid => format!("loads CR3 with the tables of space {space}, PCID {pcid}{kept}"),
            }
        }
        Op::SetCurrent(space) => format!("is in space {space} by its own books"),
        Op::InvpcidPage(pcid, page) => format!("INVPCID of page {page}, PCID {pcid:#x}"),
        Op::InvpcidContext(pcid) => format!("INVPCID of PCID {pcid:#x}"),
        Op::InvlpgUser(page) => format!("INVLPG of page {page} through the user tables"),
        Op::DeferUserFlush => "the user PCID is to be flushed on the way out".into(),
        Op::InterruptsOff => "interrupts off".into(),
        Op::InterruptsOn => "interrupts on".into(),
        Op::Point(point) | Op::Work(point, ..) => format!("{point}"),
        Op::Pin => "pinned".into(),
        Op::Unpin => "no longer pinned".into(),
        Op::EnterCritical => "enters the critical section".into(),
        Op::LeaveCritical => "leaves the critical section".into(),
        Op::Fence(fence) => format!("fence: {fence:?}"),
        Op::Me | Op::InterruptsEnabled | Op::CurrentSpace | Op::SpinStart => return None,
        Op::SpinAgain { .. } => "waits on".into(),
        Op::SpinResume | Op::Return | Op::Abandoned | Op::Panicked(_) | Op::Silent(_) => {
            return None;
        }
    })
}
