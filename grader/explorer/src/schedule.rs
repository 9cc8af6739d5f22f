//! Schedules as text: which scene, then a step a line.
//!
//! ```text
//! # anything
//! scene both
//! do 0
//! commit 0 0
//! interrupt 1
//! ```
//!
//! | line | step |
//! |---|---|
//! | `do CPU` | the CPU does its next operation |
//! | `commit CPU INDEX` | the store at that place of its store buffer becomes visible; 0 is the oldest |
//! | `interrupt CPU` | it takes the interrupt that is pending |
//! | `fill CPU PAGE` | it walks the page table for that page |
//! | `migrate THREAD CPU` | the thread moves there |
//! | `switch CPU THREAD` | the CPU runs that thread from now on |
//! | `lose CPU` | the interrupt that is pending there is lost |
//! | `repeat CPU` | an interrupt comes there once more |
//! | `expire CPU` | the patience of its wait ends |
//! | `give-up CPU` | its wait is given up |
//! | `accept CPU` | the command that is pending in its register is accepted |
//! | `disturb CPU` | it takes an interrupt whose handler sends too |
//! | `nmi CPU` | it takes a non-maskable interrupt, whose handler returns |

use crate::machine::Step;
use crate::scenes::{self, Named};
use std::fmt::Write;

/// The steps' names and how many numbers follow each.
const STEPS: [(&str, usize); 13] = [
    ("do", 1),
    ("commit", 2),
    ("interrupt", 1),
    ("fill", 2),
    ("migrate", 2),
    ("switch", 2),
    ("lose", 1),
    ("repeat", 1),
    ("expire", 1),
    ("give-up", 1),
    ("accept", 1),
    ("disturb", 1),
    ("nmi", 1),
];

/// A step as its line.
#[must_use]
pub fn line(step: Step) -> String {
    match step {
        Step::Do(cpu) => format!("do {cpu}"),
        Step::Commit(cpu, index) => format!("commit {cpu} {index}"),
        Step::Interrupt(cpu) => format!("interrupt {cpu}"),
        Step::Fill(cpu, page) => format!("fill {cpu} {page}"),
        Step::Migrate(thread, cpu) => format!("migrate {thread} {cpu}"),
        Step::Switch(cpu, thread) => format!("switch {cpu} {thread}"),
        Step::Lose(cpu) => format!("lose {cpu}"),
        Step::Repeat(cpu) => format!("repeat {cpu}"),
        Step::Expire(cpu) => format!("expire {cpu}"),
        Step::GiveUp(cpu) => format!("give-up {cpu}"),
        Step::Accept(cpu) => format!("accept {cpu}"),
        Step::Disturb(cpu) => format!("disturb {cpu}"),
        Step::Nmi(cpu) => format!("nmi {cpu}"),
    }
}

/// A schedule as text; `title` becomes a remark.
#[must_use]
pub fn write(title: &str, scene: &str, steps: &[Step]) -> String {
    let mut text = String::new();
    for part in title.lines() {
        let _ = writeln!(text, "# {part}");
    }
    let _ = writeln!(text, "scene {scene}");
    for &step in steps {
        let _ = writeln!(text, "{}", line(step));
    }
    text
}

/// Reads a schedule.
///
/// # Errors
/// A sentence: in which line what was expected.
pub fn read(text: &str) -> Result<(Named, Vec<Step>), String> {
    let mut scene = None;
    let mut steps = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |expected: &str| {
            let shown: String = line.chars().take(40).collect();
            format!("line {}: `{shown}`: {expected}", number + 1)
        };
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        if scene.is_none() {
            let name = words.next().filter(|_| word == "scene");
            let name = name.ok_or_else(|| wrong("`scene NAME` was expected first"))?;
            let known = || {
                let names: Vec<_> = scenes::every().map(|scene| scene.name).collect();
                wrong(&format!("a scene was expected: {}", names.join(", ")))
            };
            scene = Some(scenes::find(name).ok_or_else(known)?);
            continue;
        }
        let (_, count) = STEPS
            .iter()
            .find(|(name, _)| *name == word)
            .ok_or_else(|| {
                let names = STEPS.map(|(name, _)| name);
                wrong(&format!("a step was expected: {}", names.join(", ")))
            })?;
        let numbers: Vec<u8> = words.map_while(|word| word.parse().ok()).collect();
        let given = line.split_whitespace().count() - 1;
        if numbers.len() != *count || given != *count {
            let what = if *count == 1 {
                "a number below 256 was"
            } else {
                "two numbers below 256 were"
            };
            return Err(wrong(&format!("{what} expected after `{word}`")));
        }
        let second = numbers.get(1).copied().unwrap_or(0);
        steps.push(match word {
            "do" => Step::Do(numbers[0]),
            "commit" => Step::Commit(numbers[0], second),
            "interrupt" => Step::Interrupt(numbers[0]),
            "fill" => Step::Fill(numbers[0], second),
            "migrate" => Step::Migrate(numbers[0], second),
            "switch" => Step::Switch(numbers[0], second),
            "lose" => Step::Lose(numbers[0]),
            "repeat" => Step::Repeat(numbers[0]),
            "expire" => Step::Expire(numbers[0]),
            "accept" => Step::Accept(numbers[0]),
            "disturb" => Step::Disturb(numbers[0]),
            "nmi" => Step::Nmi(numbers[0]),
            _ => Step::GiveUp(numbers[0]),
        });
    }
    let scene = scene.ok_or("the schedule is empty: `scene NAME` was expected first")?;
    Ok((scene, steps))
}
