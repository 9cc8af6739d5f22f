//! What an expression comes to.

use super::expression::{Expression, Operation};
use super::operate::{Binary, Prefix, apply, as_number, as_truth};
use super::path::List;
use super::variables::Variables;
use crate::report::{Answer, Value};
use crate::system::Failure;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What expressions are about.
pub(super) struct Scope<'a> {
    pub variables: &'a Variables,
    /// The answer to the last command.
    pub last: Option<&'a Answer>,
}

/// How many values of a list are told.
const TOLD: usize = 8;

/// What a condition came to.
pub(super) struct Judged {
    pub holds: bool,
    /// What the parts that could have been otherwise were: `last.generation is 2`.
    pub seen: String,
}

struct Machine<'a, 's> {
    scope: &'a Scope<'s>,
    stack: Vec<Operand>,
    seen: Vec<String>,
}

/// A list with the text that it comes from.
struct Operand {
    list: List,
    source: String,
}

impl Expression {
    /// Its value.
    ///
    /// # Errors
    /// It has none, or not just one.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, Failure> {
        Ok(self.evaluate(scope)?.0)
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It is no condition, or has no value.
    pub fn judge(&self, scope: &Scope<'_>) -> Result<Judged, Failure> {
        let (value, seen) = self.evaluate(scope)?;
        Ok(Judged {
            holds: as_truth(&value)?,
            seen: seen.join(", "),
        })
    }

    fn evaluate(&self, scope: &Scope<'_>) -> Result<(Value, Vec<String>), Failure> {
        let mut machine = Machine {
            scope,
            stack: Vec::new(),
            seen: Vec::new(),
        };
        let mut next = 0;
        while let Some(operation) = self.operations.get(next) {
            next += 1;
            if let Operation::Skip { when, to } = operation {
                if as_truth(&machine.top()?.scalar()?)? == *when {
                    next = *to;
                }
                continue;
            }
            machine.carry_out(operation)?;
        }
        Ok((machine.pop()?.scalar()?, machine.seen))
    }
}

impl Operand {
    fn computed(value: Value) -> Operand {
        Operand {
            list: List::one(value),
            source: String::new(),
        }
    }

    /// Its value, if it is one.
    fn scalar(&self) -> Result<Value, Failure> {
        let [(_, value)] = self.list.values.as_slice() else {
            return Err(self.no_scalar());
        };
        match &self.list.why {
            Some(_) => Err(self.no_scalar()),
            None => Ok(value.clone()),
        }
    }

    fn no_scalar(&self) -> Failure {
        let count = self.list.values.len();
        let why = self.list.why.clone();
        let why = why.unwrap_or_else(|| format!("has {count} values"));
        let failure = Failure::new(format_args!("`{}` {why}", self.source));
        match count {
            0 => failure,
            _ => failure.expected(
                "one value: choose a row by `[COLUMN=VALUE]` or `[N]`, judge them by `all` or \
                 `any`, or take their `count`, `sum`, `least` or `most`",
            ),
        }
    }

    /// What it was, for a message.
    fn told(&self) -> String {
        let values = &self.list.values;
        match values.as_slice() {
            [] => format!(
                "{} {}",
                self.source,
                self.list.why.as_deref().unwrap_or("is empty")
            ),
            [(_, value)] => format!("{} is {}", self.source, value.text()),
            _ => {
                let mut told: Vec<String> = values
                    .iter()
                    .take(TOLD)
                    .map(|(label, value)| format!("{} on {label}", value.text()))
                    .collect();
                if values.len() > TOLD {
                    told.push("…".to_string());
                }
                format!("{} is {}", self.source, told.join(", "))
            }
        }
    }
}

impl Machine<'_, '_> {
    fn top(&self) -> Result<&Operand, Failure> {
        self.stack.last().ok_or_else(astray)
    }

    fn pop(&mut self) -> Result<Operand, Failure> {
        self.stack.pop().ok_or_else(astray)
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<(), Failure> {
        let operand = match operation {
            Operation::Value(value) => Operand::computed(value.clone()),
            Operation::Quoted(text) => Operand::computed(self.scope.variables.expand(text)?.into()),
            Operation::Variable(name) => {
                let value = self.scope.variables.get(name)?.clone();
                self.sighted(List::one(value), format!("${name}"))
            }
            Operation::Path(path) => {
                let list = path.follow(self.scope.last, self.scope.variables)?;
                self.sighted(list, path.source.clone())
            }
            Operation::Prefix(prefix, source) => self.prefix(*prefix, source)?,
            Operation::Binary(operator) => {
                let right = self.pop()?;
                let left = self.pop()?;
                binary(*operator, &left, &right)?
            }
            Operation::Skip { .. } => return Ok(()),
        };
        self.stack.push(operand);
        Ok(())
    }

    /// An operand that is told when a condition does not hold.
    fn sighted(&mut self, list: List, source: String) -> Operand {
        let operand = Operand { list, source };
        self.seen.push(operand.told());
        operand
    }

    fn prefix(&mut self, prefix: Prefix, source: &str) -> Result<Operand, Failure> {
        let operand = self.pop()?;
        let list = &operand.list;
        let value = match prefix {
            Prefix::Not => Value::from(!as_truth(&operand.scalar()?)?),
            // None at all satisfies neither: what was to be judged is not there.
            Prefix::All => {
                let truths = truths(list)?;
                (!truths.is_empty() && truths.iter().all(|&truth| truth)).into()
            }
            Prefix::Any => truths(list)?.contains(&true).into(),
            Prefix::Count | Prefix::Sum | Prefix::Least | Prefix::Most => {
                let value = reduce(prefix, &operand)?;
                // The number alone is told, not what it was taken of.
                let told = operand.told();
                self.seen.pop_if(|last| *last == told);
                return Ok(self.sighted(List::one(value), source.to_string()));
            }
        };
        Ok(Operand::computed(value))
    }
}

/// A failure that only a mistake in the parser can cause.
fn astray() -> Failure {
    Failure::new("the expression has an operator without an operand")
}

fn truths(list: &List) -> Result<Vec<bool>, Failure> {
    list.values
        .iter()
        .map(|(_, value)| as_truth(value))
        .collect()
}

fn reduce(prefix: Prefix, operand: &Operand) -> Result<Value, Failure> {
    let values = &operand.list.values;
    if prefix == Prefix::Count {
        return Ok(values.len().into());
    }
    let numbers: Option<Vec<u64>> = values.iter().map(|(_, value)| as_number(value)).collect();
    let Some(numbers) = numbers else {
        return Err(
            Failure::new(format_args!("`{}` is not all numbers", operand.source))
                .expected("a column of numbers"),
        );
    };
    let (numbers, what) = match prefix {
        Prefix::Sum => {
            let sum = numbers
                .iter()
                .try_fold(0_u64, |sum, &one| sum.checked_add(one));
            (sum, "does not fit in 64 bits when added up")
        }
        Prefix::Least => (numbers.iter().min().copied(), "has no value"),
        _ => (numbers.iter().max().copied(), "has no value"),
    };
    numbers
        .map(Value::from)
        .ok_or_else(|| Failure::new(format_args!("`{}` {what}", operand.source)))
}

/// Applies an operator. A comparison with a list on its left judges each of its values.
fn binary(operator: Binary, left: &Operand, right: &Operand) -> Result<Operand, Failure> {
    if let Binary::And | Binary::Or = operator {
        // The left side has not decided.
        let truth = as_truth(&right.scalar()?)?;
        return Ok(Operand::computed(truth.into()));
    }
    let several = left.list.values.len() != 1;
    if operator.precedence() != Binary::COMPARISON || !several {
        let value = apply(operator, &left.scalar()?, &right.scalar()?)?;
        return Ok(Operand::computed(value));
    }
    let right = right.scalar()?;
    let judge = |(label, value): &(String, Value)| {
        apply(operator, value, &right).map(|truth| (label.clone(), truth))
    };
    let values: Result<Vec<_>, Failure> = left.list.values.iter().map(judge).collect();
    Ok(Operand {
        list: List {
            values: values?,
            why: left.list.why.clone(),
        },
        source: left.source.clone(),
    })
}
