//! What expressions do with values: arithmetic and comparison.

use crate::parse::{cpu_set, number};
use crate::report::{Content, Value};
use crate::system::Failure;
use shootdown::{CpuId, CpuSet};

/// An operator between two values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    Has,
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

impl Binary {
    /// Every operator with its spelling.
    const ALL: [(&'static str, Binary); 14] = [
        ("or", Binary::Or),
        ("and", Binary::And),
        ("==", Binary::Equal),
        ("!=", Binary::Unequal),
        ("<", Binary::Less),
        ("<=", Binary::AtMost),
        (">", Binary::More),
        (">=", Binary::AtLeast),
        ("has", Binary::Has),
        ("+", Binary::Plus),
        ("-", Binary::Minus),
        ("*", Binary::Times),
        ("/", Binary::Over),
        ("%", Binary::Modulo),
    ];

    /// How tightly it binds: the higher, the tighter.
    pub const fn precedence(self) -> u8 {
        match self {
            Binary::Or => 1,
            Binary::And => 2,
            Binary::Plus | Binary::Minus => 6,
            Binary::Times | Binary::Over | Binary::Modulo => 7,
            _ => Binary::COMPARISON,
        }
    }

    /// The precedence of all comparisons.
    pub const COMPARISON: u8 = 5;

    /// The operator spelt `word`.
    pub fn named(word: &str) -> Option<Binary> {
        let row = Binary::ALL.iter().find(|(name, _)| *name == word);
        row.map(|(_, binary)| *binary)
    }

    /// Its spelling.
    pub fn name(self) -> &'static str {
        let row = Binary::ALL.iter().find(|(_, operator)| *operator == self);
        row.map_or("?", |(name, _)| name)
    }
}

/// An operator before its operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Prefix {
    Not,
    All,
    Any,
    Count,
    Sum,
    Least,
    Most,
}

impl Prefix {
    /// Every operator with its spelling.
    const ALL: [(&'static str, Prefix); 7] = [
        ("not", Prefix::Not),
        ("all", Prefix::All),
        ("any", Prefix::Any),
        ("count", Prefix::Count),
        ("sum", Prefix::Sum),
        ("least", Prefix::Least),
        ("most", Prefix::Most),
    ];

    /// How tightly it binds, beside [`Binary::precedence`].
    pub const fn precedence(self) -> u8 {
        match self {
            Prefix::Not => 3,
            Prefix::All | Prefix::Any => 4,
            _ => 8,
        }
    }

    /// The operator spelt `word`.
    pub fn named(word: &str) -> Option<Prefix> {
        let row = Prefix::ALL.iter().find(|(name, _)| *name == word);
        row.map(|(_, prefix)| *prefix)
    }
}

/// The number that `value` is.
pub(super) fn as_number(value: &Value) -> Option<u64> {
    match value.content() {
        Content::Count(number) | Content::Hex(number) => Some(*number),
        Content::Text(text) => number(text).ok(),
        _ => None,
    }
}

/// The number that `value` is, in thousandths.
fn as_thousandths(value: &Value) -> Option<u128> {
    match value.content() {
        Content::Ratio(thousandths) => Some(u128::from(*thousandths)),
        _ => as_number(value).map(|number| u128::from(number) * 1000),
    }
}

/// The set of CPUs that `value` is: a number is the set of that CPU.
fn as_cpus(value: &Value) -> Option<CpuSet> {
    match value.content() {
        Content::Cpus(set) => Some(*set),
        Content::Count(number) => CpuId::new(usize::try_from(*number).ok()?).map(CpuSet::only),
        Content::Text(text) => {
            let all = CpuSet::first(shootdown::MAX_CPUS);
            let selection = cpu_set(text, all).ok()?;
            Some(selection.resolve(CpuId::BOOT, all))
        }
        _ => None,
    }
}

fn is_set(value: &Value) -> bool {
    matches!(value.content(), Content::Cpus(_))
}

/// Whether `value` is true.
///
/// # Errors
/// It is no truth value.
pub(super) fn as_truth(value: &Value) -> Result<bool, Failure> {
    match value.content() {
        Content::Truth(truth) => Ok(*truth),
        Content::Text(text) if text == "yes" => Ok(true),
        Content::Text(text) if text == "no" => Ok(false),
        _ => Err(
            Failure::new(format_args!("`{}` is neither yes nor no", value.text()))
                .expected("a condition, such as a comparison"),
        ),
    }
}

/// Whether two values are the same: numbers compare as numbers, CPU sets as sets, all else by how
/// text shows it.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    if is_set(left) || is_set(right) {
        return match (as_cpus(left), as_cpus(right)) {
            (Some(left), Some(right)) => left == right,
            _ => left.text() == right.text(),
        };
    }
    match (as_thousandths(left), as_thousandths(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left.text() == right.text(),
    }
}

/// `left OPERATOR right`, for every operator but `and` and `or`.
///
/// # Errors
/// The operator does not take such values, or the result is no 64-bit number.
pub(super) fn apply(operator: Binary, left: &Value, right: &Value) -> Result<Value, Failure> {
    Ok(match operator {
        Binary::Equal => equal(left, right).into(),
        Binary::Unequal => (!equal(left, right)).into(),
        Binary::Has => has(left, right)?.into(),
        Binary::Less | Binary::AtMost | Binary::More | Binary::AtLeast => {
            let (left, right) = (ordered(operator, left)?, ordered(operator, right)?);
            Value::from(match operator {
                Binary::Less => left < right,
                Binary::AtMost => left <= right,
                Binary::More => left > right,
                _ => left >= right,
            })
        }
        _ => return compute(operator, left, right),
    })
}

fn ordered(operator: Binary, value: &Value) -> Result<u128, Failure> {
    as_thousandths(value).ok_or_else(|| no_number(operator, value))
}

fn no_number(operator: Binary, value: &Value) -> Failure {
    Failure::new(format_args!("`{}` is not a number", value.text())).expected(format_args!(
        "numbers on both sides of `{}`",
        operator.name()
    ))
}

/// Whether a text holds a text, or a CPU set a CPU or a set.
fn has(left: &Value, right: &Value) -> Result<bool, Failure> {
    match left.content() {
        Content::Text(text) => Ok(text.contains(&right.text())),
        Content::Cpus(set) => match as_cpus(right) {
            Some(part) => Ok(part.minus(*set).is_empty()),
            None => Err(Failure::new(format_args!("`{}` is no CPU", right.text()))
                .expected("a CPU or a CPU set after `has`, since what stands before it is a set")),
        },
        _ => Err(Failure::new(format_args!(
            "`{}` is neither a text nor a CPU set",
            left.text()
        ))
        .expected("one of them before `has`")),
    }
}

fn compute(operator: Binary, left: &Value, right: &Value) -> Result<Value, Failure> {
    let number = |value| as_number(value).ok_or_else(|| no_number(operator, value));
    let (a, b) = (number(left)?, number(right)?);
    let result = match operator {
        Binary::Plus => a.checked_add(b),
        Binary::Minus => a.checked_sub(b),
        Binary::Times => a.checked_mul(b),
        Binary::Over => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    let result = result.ok_or_else(|| {
        let what = match operator {
            Binary::Minus => "is below 0, and numbers have no sign",
            Binary::Over | Binary::Modulo => "divides by 0",
            _ => "does not fit in 64 bits",
        };
        let (a, b, operator) = (left.text(), right.text(), operator.name());
        Failure::new(format_args!("{a} {operator} {b} {what}"))
    })?;
    // What is computed with an address is an address.
    let hex = [left, right].map(|value| matches!(value.content(), Content::Hex(_)));
    Ok(if hex.contains(&true) {
        Value::hex(result)
    } else {
        Value::from(result)
    })
}
