//! Whether the arguments of a line make sense together.

use super::bind::{Slot, missing};
use super::value::Quoted;
use crate::commands::{Bound, Command, Kind, Need};
use crate::system::{Failure, System};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Applies the command's [`Need`]s.
pub(super) fn check_needs(
    command: &'static Command,
    slots: &[Slot<'_>],
    system: &dyn System,
) -> Result<(), Failure> {
    let given = |name: &str| {
        let index = command.args.iter().position(|arg| arg.name == name)?;
        let arg = command.args.get(index)?;
        Some((arg, slots.get(index)?.first().copied()))
    };
    for need in command.needs {
        let (Some((arg, value)), Some((by, choice))) = (given(need.arg), given(need.with)) else {
            continue;
        };
        let Some(choice) = choice.or(by.default) else {
            continue;
        };
        match value {
            None if need.required.contains(&choice) => {
                let mut failure = missing(arg, system);
                failure.message = format!("{} with `{choice}`", failure.message);
                return Err(failure);
            }
            Some(word) if !need.permits(choice) => {
                return Err(Failure::new(format_args!(
                    "`{choice}` takes no {}: {}",
                    need.arg,
                    Quoted(word)
                ))
                .expected(need.rule()));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Need {
    fn permits(&self, choice: &str) -> bool {
        self.required.contains(&choice) || self.allowed.contains(&choice)
    }

    /// The rule as a phrase, for messages and help.
    pub(crate) fn rule(&self) -> String {
        let with: Vec<&str> = self.required.iter().chain(self.allowed).copied().collect();
        format!("{} only with {}", self.arg, with.join(", "))
    }
}

/// A range of pages must end where addresses still are canonical, in the half it began in.
pub(super) fn check_extent(command: &Command, values: &[Option<Bound>]) -> Result<(), Failure> {
    let of = |wanted: fn(Kind) -> bool| {
        let index = command.args.iter().position(|arg| wanted(arg.kind))?;
        match values.get(index)? {
            Some(Bound::Number(number)) => Some(*number),
            _ => None,
        }
    };
    let (Some(address), Some(pages)) = (
        of(|kind| matches!(kind, Kind::Address(_))),
        of(|kind| matches!(kind, Kind::Pages(_))),
    ) else {
        return Ok(());
    };
    /// Bytes from `address` to the end of its half of the canonical addresses.
    fn room(address: u64) -> u64 {
        const HALF: u64 = 1 << 47;
        HALF - (address & (HALF - 1))
    }
    if pages
        .checked_mul(4096)
        .is_some_and(|bytes| bytes <= room(address))
    {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "{pages} pages from {address:#x} leave the canonical addresses"
    ))
    .expected(format_args!(
        "at most {} pages from there",
        room(address) / 4096
    )))
}
