//! Expressions: from text to a list of operations, by precedence and without recursion, so that no
//! text can overflow a stack.

use super::lexer::{Placed, Token, tokens};
use super::operate::{Binary, Prefix};
use super::path::{Constant, Part, Path};
use crate::report::Value;
use crate::system::Failure;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// An expression that was understood.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Expression {
    /// As it was written.
    pub source: String,
    /// In the order in which they are carried out, on a stack of values.
    pub operations: Vec<Operation>,
}

/// One operation on the stack of values.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Operation {
    /// Puts a value on the stack.
    Value(Value),
    /// Puts a quoted text there, its variables replaced.
    Quoted(String),
    /// Puts a variable's value there.
    Variable(String),
    /// Puts what a path leads to there.
    Path(Path),
    /// Replaces the topmost.
    Prefix(Prefix, String),
    /// Replaces the topmost two.
    Binary(Binary),
    /// Goes on at `to` if the topmost is `when`: the other side of `and` or `or` does not matter.
    Skip { when: bool, to: usize },
}

/// What waits for its operand.
enum Waiting {
    Open,
    Prefix(Prefix, usize),
    /// With the place of its [`Operation::Skip`], if it has one.
    Binary(Binary, Option<usize>),
}

impl Waiting {
    fn precedence(&self) -> u8 {
        match self {
            Waiting::Open => 0,
            Waiting::Prefix(prefix, _) => prefix.precedence(),
            Waiting::Binary(binary, _) => binary.precedence(),
        }
    }
}

struct Parser<'a> {
    source: &'a str,
    tokens: &'a [Placed<'a>],
    next: usize,
    operations: Vec<Operation>,
    waiting: Vec<Waiting>,
}

/// Reads `source` as an expression.
///
/// # Errors
/// What is wrong with it and what was expected.
pub(super) fn expression(source: &str) -> Result<Expression, Failure> {
    let tokens = tokens(source)?;
    let mut parser = Parser {
        source,
        tokens: &tokens,
        next: 0,
        operations: Vec::new(),
        waiting: Vec::new(),
    };
    loop {
        parser.operand()?;
        if !parser.operator()? {
            break;
        }
    }
    while let Some(waiting) = parser.waiting.pop() {
        match waiting {
            Waiting::Open => return Err(Failure::new("a `(` is not closed")),
            waiting => parser.emit(waiting),
        }
    }
    Ok(Expression {
        source: source.to_string(),
        operations: parser.operations,
    })
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token<'a>> {
        self.tokens.get(self.next).map(|placed| &placed.token)
    }

    fn take(&mut self) -> Option<&'a Token<'a>> {
        let token = self.peek();
        self.next += 1;
        token
    }

    /// Takes the symbol, if it comes next.
    fn symbol(&mut self, symbol: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Symbol(next)) if *next == symbol);
        self.next += usize::from(there);
        there
    }

    /// Where the next token begins, and where the last one ended.
    fn start(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.source.len(), |placed| placed.start)
    }

    fn end(&self) -> usize {
        let last = self.next.checked_sub(1);
        last.and_then(|last| self.tokens.get(last))
            .map_or(0, |placed| placed.end)
    }

    fn written(&self, from: usize) -> String {
        self.source
            .get(from..self.end())
            .unwrap_or_default()
            .to_string()
    }

    /// What was expected, and what stands there instead.
    fn expected(&self, what: &str) -> Failure {
        let found = match self.tokens.get(self.next) {
            Some(placed) => {
                let text = self
                    .source
                    .get(placed.start..placed.end)
                    .unwrap_or_default();
                Failure::new(format_args!(
                    "{} does not belong there",
                    super::Quoted(text)
                ))
            }
            None => Failure::new("the expression ends too early"),
        };
        found.expected(what)
    }

    /// Takes everything up to the end of an operand.
    fn operand(&mut self) -> Result<(), Failure> {
        loop {
            let start = self.start();
            let operation = match self.peek() {
                Some(Token::Symbol("(")) => {
                    self.next += 1;
                    self.waiting.push(Waiting::Open);
                    continue;
                }
                Some(Token::Word(word)) if Prefix::named(word).is_some() => {
                    self.next += 1;
                    let waiting = Prefix::named(word).map(|prefix| Waiting::Prefix(prefix, start));
                    self.waiting.extend(waiting);
                    continue;
                }
                Some(Token::Word("last")) => Operation::Path(self.path()?),
                Some(Token::Word(word)) if Binary::named(word).is_none() => {
                    self.next += 1;
                    Operation::Value(bare(word))
                }
                Some(Token::Number(value)) => {
                    self.next += 1;
                    Operation::Value(value.clone())
                }
                Some(Token::Quoted(text)) => {
                    self.next += 1;
                    Operation::Quoted(text.to_string())
                }
                Some(Token::Variable(name)) => {
                    self.next += 1;
                    Operation::Variable(name.to_string())
                }
                _ => return Err(self.expected("a number, a text, `$NAME`, `last.KEY` or `(`")),
            };
            self.operations.push(operation);
            return Ok(());
        }
    }

    /// Takes closing parentheses and an operator; `false` at the end of the text.
    fn operator(&mut self) -> Result<bool, Failure> {
        while self.symbol(")") {
            loop {
                match self.waiting.pop() {
                    Some(Waiting::Open) => break,
                    Some(waiting) => self.emit(waiting),
                    None => {
                        self.next -= 1;
                        return Err(self.expected("no `)` without a `(`"));
                    }
                }
            }
        }
        let binary = match self.peek() {
            None => return Ok(false),
            Some(Token::Symbol("=")) => return Err(self.expected("`==` to compare")),
            Some(Token::Symbol(name) | Token::Word(name)) => Binary::named(name),
            Some(_) => None,
        };
        let Some(binary) = binary else {
            return Err(self.expected("an operator, such as `==`, `<`, `and` or `+`"));
        };
        self.make_way(binary)?;
        self.next += 1;
        let skip = match binary {
            Binary::And => Some(false),
            Binary::Or => Some(true),
            _ => None,
        };
        let place = self.operations.len();
        self.operations
            .extend(skip.map(|when| Operation::Skip { when, to: 0 }));
        self.waiting
            .push(Waiting::Binary(binary, skip.map(|_| place)));
        Ok(true)
    }

    /// Emits what binds at least as tightly as `binary`.
    fn make_way(&mut self, binary: Binary) -> Result<(), Failure> {
        let precedence = binary.precedence();
        while let Some(waiting) = self.waiting.pop_if(|top| top.precedence() >= precedence) {
            if precedence == Binary::COMPARISON && waiting.precedence() == precedence {
                return Err(self.expected("one comparison, or `and` between two"));
            }
            self.emit(waiting);
        }
        Ok(())
    }

    fn emit(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Open => {}
            Waiting::Prefix(prefix, start) => {
                let written = self.written(start);
                self.operations.push(Operation::Prefix(prefix, written));
            }
            Waiting::Binary(binary, skip) => {
                self.operations.push(Operation::Binary(binary));
                let end = self.operations.len();
                if let Some(Operation::Skip { to, .. }) =
                    skip.and_then(|place| self.operations.get_mut(place))
                {
                    *to = end;
                }
            }
        }
    }

    /// A path, from its `last` on.
    fn path(&mut self) -> Result<Path, Failure> {
        let start = self.start();
        self.next += 1;
        let mut parts = Vec::new();
        loop {
            if self.symbol(".") {
                match self.take() {
                    Some(Token::Word(key)) => parts.push(Part::Key(key.to_string())),
                    _ => {
                        self.next -= 1;
                        return Err(self.expected("a key after the point"));
                    }
                }
            } else if self.symbol("[") {
                parts.push(self.bracketed()?);
            } else if parts.is_empty() {
                return Err(Failure::new("`last` alone is a whole answer, not a value")
                    .expected("`last.KEY`, `last[N].COLUMN` or `last[COLUMN=VALUE].COLUMN`"));
            } else {
                break;
            }
        }
        Ok(Path {
            source: self.written(start),
            parts,
        })
    }

    /// What stands between brackets, and the one that closes them.
    fn bracketed(&mut self) -> Result<Part, Failure> {
        let column = match (self.peek(), self.tokens.get(self.next + 1)) {
            (Some(Token::Word(column)), Some(next)) if next.token == Token::Symbol("=") => {
                self.next += 2;
                Some(column.to_string())
            }
            _ => None,
        };
        let constant = match self.peek() {
            Some(Token::Number(value)) => Constant::Value(value.clone()),
            Some(Token::Variable(name)) => Constant::Variable(name.to_string()),
            Some(Token::Word(word)) if column.is_some() => Constant::Value(bare(word)),
            Some(Token::Quoted(text)) if column.is_some() => Constant::Value((*text).into()),
            _ => return Err(self.expected("a row's number from 0 on, or COLUMN=VALUE")),
        };
        self.next += 1;
        if !self.symbol("]") {
            return Err(self.expected("`]`"));
        }
        Ok(match column {
            Some(column) => Part::Where(column, constant),
            None => Part::Row(constant),
        })
    }
}

/// What a word without quotes stands for: itself, unless it is one of three.
fn bare(word: &str) -> Value {
    match word {
        "nothing" => Value::nothing(),
        "yes" => true.into(),
        "no" => false.into(),
        _ => word.into(),
    }
}
