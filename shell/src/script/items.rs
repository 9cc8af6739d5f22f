//! What `for` goes through.

use crate::parse::{Quoted, number, tokens};
use crate::report::Value;
use crate::system::Failure;
use alloc::vec::Vec;
use shootdown::{CpuId, CpuSet};

/// One word, or one part of a list of numbers.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Item {
    One(Value),
    /// From the first to the second, both included.
    Range(u64, u64),
}

impl Item {
    /// Its values, in order.
    pub fn values(self) -> impl Iterator<Item = Value> {
        let (one, range) = match self {
            Item::One(value) => (Some(value), None),
            Item::Range(first, last) => (None, Some(first..=last)),
        };
        one.into_iter()
            .chain(range.into_iter().flatten().map(Value::from))
    }
}

/// Reads the words after `in`: numbers, lists such as `0,2-3`, `all` and `others` of the CPUs
/// `online`; any other word is a text.
///
/// # Errors
/// A range that runs backwards.
pub(super) fn items(words: &str, online: CpuSet) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    for word in tokens(words).map(|token| token.text) {
        let cpus = match word {
            "all" => online,
            "others" => online.without(CpuId::BOOT),
            _ => {
                match list(word)? {
                    Some(list) => items.extend(list),
                    None => items.push(Item::One(word.into())),
                }
                continue;
            }
        };
        items.extend(cpus.into_iter().map(|cpu| Item::One(cpu.into())));
    }
    Ok(items)
}

/// The numbers and ranges of `word`, if it is made of nothing else.
fn list(word: &str) -> Result<Option<Vec<Item>>, Failure> {
    let mut items = Vec::new();
    for part in word.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (number(first), number(last)) else {
            return Ok(None);
        };
        if from > to {
            let what = format_args!("the range {} runs backwards", Quoted(part));
            return Err(Failure::new(what));
        }
        let address = first.starts_with("0x");
        items.push(match from == to {
            true if address => Item::One(Value::hex(from)),
            true => Item::One(from.into()),
            false => Item::Range(from, to),
        });
    }
    Ok(Some(items))
}
