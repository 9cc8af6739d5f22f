//! Statements without a block, from text.

use super::expression::{Expression, expression};
use super::lexer::is_variable;
use super::statement::Statement;
use crate::parse::{LINE_LIMIT, Quoted, tokens, too_long};
use crate::system::Failure;
use alloc::string::ToString;

/// Reads the statement `text`, whose first word is `word`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(text: &str, word: &str) -> Result<Statement, Failure> {
    let rest = text.get(word.len()..).unwrap_or_default();
    match word {
        "let" | "expect" if text.len() > LINE_LIMIT => Err(too_long()),
        "let" => assignment(rest),
        "expect" => expectation(rest.trim_matches([' ', '\t'])),
        _ => command(text),
    }
}

/// Reads an expression that must be there.
pub(super) fn wanted(text: &str, what: &str) -> Result<Expression, Failure> {
    if text.is_empty() {
        return Err(Failure::new(format_args!("{what} is missing")));
    }
    expression(text)
}

/// What follows `let`.
fn assignment(text: &str) -> Result<Statement, Failure> {
    let expected = "`let NAME = EXPRESSION`";
    let Some((name, value)) = text.split_once('=') else {
        return Err(Failure::new("`=` is missing").expected(expected));
    };
    let name = name.trim_matches([' ', '\t']);
    if !is_variable(name) {
        return Err(
            Failure::new(format_args!("{} cannot be a variable's name", Quoted(name)))
                .expected("letters, digits and `_`, no digit first: `let NAME = EXPRESSION`"),
        );
    }
    Ok(Statement::Let {
        name: name.to_string(),
        value: wanted(value.trim_matches([' ', '\t']), "a value")?,
    })
}

/// What follows `expect`.
fn expectation(text: &str) -> Result<Statement, Failure> {
    let mut words = tokens(text);
    let first = words.next().map_or("", |token| token.text);
    let second = words.next().map_or("", |token| token.text);
    let (absent, word) = match first {
        "no" => (true, second),
        _ => (false, first),
    };
    match word {
        "violation" | "hang" => Ok(Statement::Observe {
            wanted: text.to_string(),
            absent,
        }),
        _ => wanted(text, "a condition").map(Statement::Expect),
    }
}

fn command(text: &str) -> Result<Statement, Failure> {
    let (fails, command) = match text.strip_prefix('!') {
        Some(command) => (true, command.trim_start_matches([' ', '\t'])),
        None => (false, text),
    };
    let word = tokens(command).next().map_or("", |token| token.text);
    if fails && (command.is_empty() || super::keyword(word)) {
        return Err(
            Failure::new("`!` says that a command fails, and no command follows")
                .expected("`! COMMAND`"),
        );
    }
    Ok(Statement::Command {
        command: command.to_string(),
        fails,
    })
}
