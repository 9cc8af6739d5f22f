//! Variables: their values, and what stands for them in a text.

use super::lexer::variable;
use crate::parse::{LINE_LIMIT, nearest, too_long};
use crate::report::Value;
use crate::system::Failure;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The variables of a script or of the prompt, by name.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// Gives `name` a value.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_string(), value);
    }

    /// The value of `name`.
    ///
    /// # Errors
    /// It has none.
    pub fn get(&self, name: &str) -> Result<&Value, Failure> {
        self.0.get(name).ok_or_else(|| unknown(name, self.names()))
    }

    /// The names that have values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// `text` with the value of each variable in its place, and `$` for `$$`.
    ///
    /// # Errors
    /// A variable without a value, a lone `$`, or a result that is longer than a line may be.
    pub fn expand(&self, text: &str) -> Result<String, Failure> {
        let mut expanded = String::new();
        for piece in pieces(text) {
            match piece? {
                Piece::Text(text) => expanded.push_str(text),
                Piece::Variable(name) => expanded.push_str(&self.get(name)?.text()),
            }
            // Whatever is typed that long is refused by the parser, in its own words.
            if expanded.len() > LINE_LIMIT && expanded.len() > text.len() {
                return Err(too_long());
            }
        }
        Ok(expanded)
    }
}

/// What is wrong with the use of `name`, when there are others.
pub(super) fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    let names: Vec<&str> = names.collect();
    let failure = Failure::new(format_args!("there is no variable `{name}`"));
    let failure = match nearest(name, names.iter().copied()) {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    match names.is_empty() {
        true => failure.expected("a name that `let` or `for` gave a value"),
        false => failure.expected(format_args!("one of {}", names.join(", "))),
    }
}

/// A part of a text in which variables may stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The parts of `text`; after an error, nothing more.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Result<Piece<'_>, Failure>> {
    let mut rest = text;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let dollar = rest.find('$').unwrap_or(rest.len());
        let (piece, length) = if dollar > 0 {
            (Piece::Text(rest.get(..dollar)?), dollar)
        } else if rest.starts_with("$$") {
            (Piece::Text("$"), 2)
        } else {
            match variable(rest) {
                Ok((name, length)) => (Piece::Variable(name), length),
                Err(failure) => {
                    rest = "";
                    return Some(Err(failure));
                }
            }
        };
        rest = rest.get(length..).unwrap_or_default();
        Some(Ok(piece))
    })
}
