//! The words of an expression.

use crate::parse::{NotNumber, number};
use crate::report::Value;
use crate::system::Failure;
use alloc::vec::Vec;

/// One word of an expression.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token<'a> {
    Number(Value),
    /// Letters, digits and `_`; inside a bare word `-` too.
    Word(&'a str),
    /// What stands between two double quotes, or a list of numbers such as `0,2-3`.
    Quoted(&'a str),
    /// The name behind a `$`.
    Variable(&'a str),
    Symbol(&'static str),
}

/// A token and where it stands in the text, in bytes.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Placed<'a> {
    pub token: Token<'a>,
    pub start: usize,
    pub end: usize,
}

/// Longer ones first.
const SYMBOLS: [&str; 17] = [
    "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ".", "=",
];

/// Splits `text`.
///
/// # Errors
/// What cannot be a part of an expression.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, Failure> {
    let mut found: Vec<Placed<'_>> = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if blank > 0 {
            start += blank;
            continue;
        }
        let after_dot = found
            .last()
            .is_some_and(|last| last.token == Token::Symbol("."));
        let (token, length) = token(rest, after_dot)?;
        let end = start + length;
        found.push(Placed { token, start, end });
        start = end;
    }
    Ok(found)
}

/// The token with which `text` begins, and its length. It is not empty and begins with no blank.
fn token(text: &str, after_dot: bool) -> Result<(Token<'_>, usize), Failure> {
    match text.as_bytes().first() {
        Some(b'0'..=b'9') => numeral(text),
        Some(b'A'..=b'Z' | b'a'..=b'z' | b'_') => Ok(word(text, after_dot)),
        Some(b'"') => quoted(text),
        Some(b'$') => variable(text).map(|(name, length)| (Token::Variable(name), length)),
        _ => SYMBOLS
            .iter()
            .find(|symbol| text.starts_with(**symbol))
            .map(|symbol| (Token::Symbol(symbol), symbol.len()))
            .ok_or_else(|| {
                let odd: alloc::string::String = text.chars().take(1).collect();
                Failure::new(format_args!("`{odd}` means nothing here"))
                    .expected("text with such characters in double quotes")
            }),
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes at the beginning of `text` can be in a name.
fn name_length(text: &str) -> usize {
    let other = text.bytes().position(|byte| !is_name(byte));
    other.unwrap_or(text.len())
}

/// A word. `-` joins its parts, as in `global-lock`, except in a key of a report, which holds none:
/// there it is the minus sign.
fn word(text: &str, key: bool) -> (Token<'_>, usize) {
    let mut length = name_length(text);
    if !key && text.get(..length) != Some("last") {
        while let Some(part) = text.get(length..).and_then(|rest| rest.strip_prefix('-')) {
            match name_length(part) {
                0 => break,
                more => length += 1 + more,
            }
        }
    }
    (Token::Word(text.get(..length).unwrap_or(text)), length)
}

/// How many bytes at the beginning of `text` are a list of numbers and ranges: `0,2-3`. A minus sign
/// has a space beside it.
fn list_length(text: &str) -> usize {
    let mut length = name_length(text);
    while let Some(rest) = text
        .get(length..)
        .and_then(|rest| rest.strip_prefix(['-', ',']))
    {
        if !rest.starts_with(|first: char| first.is_ascii_digit()) {
            break;
        }
        length += 1 + name_length(rest);
    }
    length
}

fn numeral(text: &str) -> Result<(Token<'_>, usize), Failure> {
    let (length, list) = (name_length(text), list_length(text));
    if list > length {
        return Ok((Token::Quoted(text.get(..list).unwrap_or(text)), list));
    }
    let digits = text.get(..length).unwrap_or(text);
    let whole = number(digits).map_err(|reason| match reason {
        NotNumber::Malformed => {
            Failure::new(format_args!("{} is not a number", super::Quoted(digits)))
        }
        NotNumber::TooBig => Failure::new(format_args!(
            "{} does not fit in 64 bits",
            super::Quoted(digits)
        )),
    })?;
    let fraction = text
        .get(length..)
        .and_then(|rest| rest.strip_prefix('.'))
        .map(|rest| rest.get(..name_length(rest)).unwrap_or(rest))
        .filter(|fraction| fraction.bytes().any(|byte| byte.is_ascii_digit()));
    let Some(fraction) = fraction else {
        let hex = digits.starts_with("0x") || digits.starts_with("0X");
        let value = if hex {
            Value::hex(whole)
        } else {
            Value::from(whole)
        };
        return Ok((Token::Number(value), length));
    };
    let thousandths = thousandths(digits, fraction).ok_or_else(|| {
        Failure::new(format_args!(
            "`{digits}.{fraction}` is not a number of thousandths"
        ))
        .expected("at most three digits after the point")
    })?;
    let value = Value::thousandths(thousandths);
    Ok((Token::Number(value), length + 1 + fraction.len()))
}

/// `WHOLE.FRACTION` in thousandths, if that is exact.
fn thousandths(whole: &str, fraction: &str) -> Option<u64> {
    let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !decimal(whole) || !decimal(fraction) || fraction.len() > 3 {
        return None;
    }
    let scale = [1000, 100, 10, 1].get(fraction.len())?;
    let part = fraction.parse::<u64>().ok()? * scale;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(part)
}

fn quoted(text: &str) -> Result<(Token<'_>, usize), Failure> {
    let inside = text.get(1..).unwrap_or_default();
    let Some(length) = inside.find('"') else {
        return Err(Failure::new("a double quote is not closed"));
    };
    let text = inside.get(..length).unwrap_or_default();
    Ok((Token::Quoted(text), length + 2))
}

/// The variable with which `text` begins, `$NAME` or `${NAME}`, and its length.
///
/// # Errors
/// It is not written like one.
pub(super) fn variable(text: &str) -> Result<(&str, usize), Failure> {
    let malformed = || {
        Failure::new("`$` is not followed by a variable's name").expected(
            "`$NAME` or `${NAME}`, of letters, digits and `_`; in a command `$$` for a dollar sign",
        )
    };
    let body = text.strip_prefix('$').ok_or_else(malformed)?;
    let (name, length) = match body.strip_prefix('{') {
        Some(braced) => {
            let name = braced.split('}').next().unwrap_or_default();
            let closed = braced.len() > name.len();
            (name, if closed { name.len() + 3 } else { 0 })
        }
        None => {
            let name = body.get(..name_length(body)).unwrap_or_default();
            (name, name.len() + 1)
        }
    };
    if length > 0 && is_variable(name) {
        Ok((name, length))
    } else {
        Err(malformed())
    }
}

/// Whether `name` can be a variable's: letters, digits and `_`, no digit first.
pub(super) fn is_variable(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| !byte.is_ascii_digit()) && name.bytes().all(is_name)
}
