//! One value: a word checked against its kind.

use super::number::{NotNumber, number};
use crate::commands::{Address, Bound, CpuSelection, Kind, TABLE, Word};
use crate::fault::Time;
use crate::script;
use crate::suggest;
use crate::system::{Failure, NameKind, System};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};
use shootdown::{CpuId, CpuSet, MAX_CPUS, SpaceId};

/// A word of the person's, as messages quote it: between backquotes, not too long.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        f.write_char('`')?;
        self.0
            .chars()
            .take(LONGEST)
            .try_for_each(|character| f.write_char(character))?;
        f.write_str(if self.0.chars().nth(LONGEST).is_some() {
            "…`"
        } else {
            "`"
        })
    }
}

/// The hint "did you mean", if one of `candidates` is near `word`.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    suggest::nearest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// Reads a set of CPUs, out of those `online`.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn cpu_set(text: &str, online: CpuSet) -> Result<CpuSelection, Failure> {
    cpus(text, online).map_err(|failure| failure.expected(cpus_of(online)))
}

fn cpus_of(online: CpuSet) -> String {
    format!("a CPU set such as `0,2-3`, `all` or `others`, out of {online}")
}

/// Checks `text` against `kind`.
///
/// # Errors
/// A [`Failure`] that says what is wrong with it and what was expected.
pub(super) fn bind(kind: Kind, text: &str, system: &dyn System) -> Result<Bound, Failure> {
    let bound = match kind {
        Kind::Number(least, most) => in_range(text, least, most).map(Bound::Number),
        Kind::Pages(most) => in_range(text, 1, most).map(Bound::Number),
        Kind::Address(align) => address(text, align).map(Bound::Number),
        Kind::Cpu => cpu(text, system.online()).map(Bound::Cpu),
        Kind::Cpus => cpus(text, system.online()).map(Bound::Cpus),
        Kind::Space => space(text, system),
        Kind::Choice(words) => word(text, words),
        Kind::Name(names) => name(text, names.noun(), &system.names(names)).map(Bound::Text),
        Kind::Command => {
            let names = TABLE.iter().map(|entry| entry.name);
            let names: Vec<String> = names.chain(script::topics()).map(String::from).collect();
            name(text, "command", &names).map(Bound::Text)
        }
        Kind::Time => Time::parse(text)
            .map(Bound::Time)
            .ok_or_else(|| Failure::new(format_args!("{} is not a time", Quoted(text)))),
        Kind::Text | Kind::FaultAction => Ok(Bound::Text(text.to_string())),
        Kind::Flag => Ok(Bound::Flag),
    };
    bound.map_err(|failure| match failure.expected {
        Some(_) => failure,
        None => failure.expected(expected(kind, system)),
    })
}

/// What values `kind` takes, on this system.
pub(super) fn expected(kind: Kind, system: &dyn System) -> String {
    let online = system.online();
    match kind {
        Kind::Cpu => format!("the number of a CPU that runs: {online}"),
        Kind::Cpus => cpus_of(online),
        Kind::Space => format!(
            "an address space: {}",
            listed(&system.names(NameKind::Space))
        ),
        Kind::Name(names) => format!("a {}: {}", names.noun(), listed(&system.names(names))),
        _ => crate::help::describe(kind),
    }
}

/// Names in a row.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none exists".to_string()
    } else {
        names.join(", ")
    }
}

fn read(text: &str) -> Result<u64, Failure> {
    number(text).map_err(|reason| {
        let quoted = Quoted(text);
        match reason {
            NotNumber::Malformed => Failure::new(format_args!("{quoted} is not a number")),
            NotNumber::TooBig => Failure::new(format_args!("{quoted} does not fit in 64 bits")),
        }
    })
}

fn in_range(text: &str, least: u64, most: u64) -> Result<u64, Failure> {
    let value = read(text)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let what = if value < least {
        "too small"
    } else {
        "too big"
    };
    Err(Failure::new(format_args!("{} is {what}", Quoted(text))))
}

fn address(text: &str, align: u64) -> Result<u64, Failure> {
    let value = read(text)?;
    if Address::<1>::new(value).is_none() {
        return Err(Failure::new(format_args!(
            "{value:#x} is not canonical: bits 63 to 47 are not all equal"
        )));
    }
    // An alignment of 0 would be the table's mistake: every address is then misaligned.
    if value.checked_rem(align) == Some(0) {
        return Ok(value);
    }
    let below = value.saturating_sub(value.checked_rem(align).unwrap_or(0));
    Err(
        Failure::new(format_args!("{value:#x} is not a multiple of {align}"))
            .hint(format_args!("{below:#x} is the one below")),
    )
}

/// A CPU number below the kit's limit, running or not.
fn cpu_number(text: &str) -> Result<CpuId, Failure> {
    let value = read(text)?;
    usize::try_from(value)
        .ok()
        .and_then(CpuId::new)
        .ok_or_else(|| {
            Failure::new(format_args!(
                "there is no CPU {value}: the last possible is {}",
                MAX_CPUS - 1
            ))
        })
}

fn cpu(text: &str, online: CpuSet) -> Result<CpuId, Failure> {
    let cpu = cpu_number(text)?;
    if online.contains(cpu) {
        Ok(cpu)
    } else {
        Err(Failure::new(format_args!("CPU {cpu} does not run")))
    }
}

fn cpus(text: &str, online: CpuSet) -> Result<CpuSelection, Failure> {
    match text {
        "all" => return Ok(CpuSelection::All),
        "others" => return Ok(CpuSelection::Others),
        _ => {}
    }
    let mut set = CpuSet::EMPTY;
    for part in text.split(',') {
        set = set.or(cpu_range(text, part)?);
    }
    let missing = set.minus(online);
    if missing.is_empty() {
        return Ok(CpuSelection::Only(set));
    }
    let verb = if missing.len() == 1 { "does" } else { "do" };
    Err(Failure::new(format_args!("CPU {missing} {verb} not run")))
}

/// The CPUs of `part`, one number or a range, of the set typed as `whole`.
fn cpu_range(whole: &str, part: &str) -> Result<CpuSet, Failure> {
    let malformed = || {
        let failure = Failure::new(format_args!("{} is not a CPU set", Quoted(whole)));
        match nearest(whole, ["all", "others"]) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    if number(first) == Err(NotNumber::Malformed) || number(last) == Err(NotNumber::Malformed) {
        return Err(malformed());
    }
    let (first, last) = (cpu_number(first)?, cpu_number(last)?);
    if first > last {
        return Err(Failure::new(format_args!(
            "the range {} runs backwards",
            Quoted(part)
        )));
    }
    Ok((first.index()..=last.index())
        .filter_map(CpuId::new)
        .collect())
}

fn space(text: &str, system: &dyn System) -> Result<Bound, Failure> {
    let value = read(text)?;
    let exists = system
        .names(NameKind::Space)
        .iter()
        .any(|name| number(name) == Ok(value));
    match u32::try_from(value) {
        Ok(id) if exists => Ok(Bound::Space(SpaceId(id))),
        _ => Err(Failure::new(format_args!(
            "there is no address space {}",
            Quoted(text)
        ))),
    }
}

fn word(text: &str, words: &'static [Word]) -> Result<Bound, Failure> {
    match words.iter().find(|word| word.name == text) {
        Some(word) => Ok(Bound::Choice(word.name)),
        None => Err(Failure::new(format_args!(
            "{} is none of the choices",
            Quoted(text)
        ))),
    }
}

fn name(text: &str, noun: &str, names: &[String]) -> Result<String, Failure> {
    if let Some(name) = names.iter().find(|name| *name == text) {
        return Ok(name.clone());
    }
    let failure = Failure::new(format_args!("there is no {noun} {}", Quoted(text)));
    Err(match nearest(text, names.iter().map(String::as_str)) {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}
