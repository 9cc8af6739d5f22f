//! From text to statements.

use super::expression::Expression;
use super::lexer::is_variable;
use super::simple::{self, wanted};
use super::statement::{Block, Statement, Step};
use crate::parse::{LINE_LIMIT, Quoted, tokens, too_long};
use crate::system::Failure;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// How deep blocks may lie in each other.
const DEEPEST: usize = 8;

/// The most bytes and statements of a script: more would not fit into the kernel's heap.
const MOST_BYTES: usize = 64 << 10;
const MOST_STATEMENTS: usize = 2000;
/// How many mistakes are told of.
pub(super) const MOST_PROBLEMS: usize = 8;

/// A line that is no part of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    pub line: usize,
    pub text: String,
    pub failure: Failure,
}

/// What a block belongs to.
enum Head {
    Repeat(Expression),
    For(String, String),
    /// The branches before, and the condition of this one; none for `else`.
    If(Vec<(Expression, Block)>, Option<Expression>),
    /// Something with a mistake in it: what is inside is only checked.
    Broken,
}

/// A block that is not closed yet.
struct Open {
    line: usize,
    text: String,
    head: Head,
    body: Block,
}

#[derive(Default)]
struct Parser {
    line: usize,
    /// The statements outside every open block.
    program: Block,
    open: Vec<Open>,
    problems: Vec<Problem>,
    statements: usize,
}

/// Reads a script: blank lines and comments (`#`) left out, a byte-order mark and carriage returns
/// at line ends ignored.
///
/// # Errors
/// Every line with a mistake, in order; there is at least one.
pub(super) fn parse(text: &[u8]) -> Result<Block, Vec<Problem>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut parser = Parser::default();
    if text.len() > MOST_BYTES {
        let failure = Failure::new("the script is too long");
        parser.problem(
            "",
            failure.expected(format_args!("at most {MOST_BYTES} bytes")),
        );
        return Err(parser.problems);
    }
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        parser.line = index + 1;
        match core::str::from_utf8(line) {
            Ok(line) => parser.read(line.trim_matches([' ', '\t', '\r'])),
            Err(_) => parser.problem("", Failure::new("the line is not UTF-8 text")),
        }
        if let Some(failure) = parser.excess() {
            parser.problem("", failure);
        }
        if parser.problems.len() >= MOST_PROBLEMS || parser.excess().is_some() {
            return Err(parser.problems);
        }
    }
    if let Some(open) = parser.open.pop() {
        parser.line = open.line;
        let failure = Failure::new("the block is not closed")
            .expected("`}` at its end; at the prompt, on the same line");
        parser.problem(&open.text, failure);
    }
    if parser.problems.is_empty() {
        Ok(parser.program)
    } else {
        Err(parser.problems)
    }
}

impl Parser {
    fn problem(&mut self, text: &str, failure: Failure) {
        self.problems.push(Problem {
            line: self.line,
            text: text.to_string(),
            failure,
        });
    }

    /// What there is too much of.
    fn excess(&self) -> Option<Failure> {
        let (what, most) = if self.open.len() > DEEPEST {
            ("the blocks lie too deep in each other", DEEPEST)
        } else if self.statements > MOST_STATEMENTS {
            ("the script has too many statements", MOST_STATEMENTS)
        } else {
            return None;
        };
        Some(Failure::new(what).expected(format_args!("at most {most}")))
    }

    /// Takes the statements of one line.
    fn read(&mut self, line: &str) {
        let mut rest = line;
        // A comment ends with its line, whatever is in it.
        while !rest.is_empty() && !rest.starts_with('#') && self.excess().is_none() {
            self.statements += 1;
            rest = self.statement(rest).trim_start_matches([' ', '\t', ';']);
        }
    }

    /// Takes the statement with which `text` begins; returns what follows it.
    fn statement<'t>(&mut self, text: &'t str) -> &'t str {
        let word = tokens(text).next().map_or("", |token| token.text);
        if let Some(rest) = closes(text) {
            self.close(text);
            return rest;
        }
        match word.trim_end_matches('{') {
            "repeat" | "for" | "if" | "else" => self.opening(text),
            _ => {
                let (statement, rest) = first_simple(text, word, !self.open.is_empty());
                match simple::read(statement, word) {
                    Ok(made) => self.push(statement, made),
                    Err(failure) => self.problem(statement, failure),
                }
                rest
            }
        }
    }

    fn push(&mut self, text: &str, statement: Statement) {
        let step = Step {
            line: self.line,
            text: text.to_string(),
            statement,
        };
        self.block().push(step);
    }

    /// The innermost open block.
    fn block(&mut self) -> &mut Block {
        match self.open.last_mut() {
            Some(open) => &mut open.body,
            None => &mut self.program,
        }
    }

    /// Takes the head of a block; returns what follows its `{`.
    fn opening<'t>(&mut self, text: &'t str) -> &'t str {
        let Some(brace) = unquoted(text, '{') else {
            let failure =
                Failure::new("`{` is missing").expected("the block on this line or from it on");
            self.problem(text, failure);
            return "";
        };
        let (written, rest) = text.split_at(brace);
        let written = written.trim_end_matches([' ', '\t']);
        let head = match self.head(written) {
            Ok(head) => head,
            Err(failure) => {
                self.problem(written, failure);
                Head::Broken
            }
        };
        self.open.push(Open {
            line: self.line,
            text: written.to_string(),
            head,
            body: Block::new(),
        });
        rest.get(1..).unwrap_or_default()
    }

    fn head(&mut self, text: &str) -> Result<Head, Failure> {
        if text.len() > LINE_LIMIT {
            return Err(too_long());
        }
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest = rest.trim_matches([' ', '\t']);
        match word {
            "repeat" => Ok(Head::Repeat(wanted(rest, "a number of times")?)),
            "if" => Ok(Head::If(Vec::new(), Some(wanted(rest, "a condition")?))),
            "else" => self.otherwise(rest),
            _ => {
                let (name, words) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
                let words = words.trim_matches([' ', '\t']);
                let words = words
                    .strip_prefix("in")
                    .filter(|words| words.starts_with([' ', '\t']));
                match words.map(|words| words.trim_matches([' ', '\t'])) {
                    Some(words) if is_variable(name) && !words.is_empty() => {
                        Ok(Head::For(name.to_string(), words.to_string()))
                    }
                    _ => Err(Failure::new("`for` has no name, or nothing to go through")
                        .expected("`for NAME in WORD… {`, words such as `1-3`, `others`, `a b`")),
                }
            }
        }
    }

    /// The head of `else`: what stands before it must be an `if`.
    fn otherwise(&mut self, rest: &str) -> Result<Head, Failure> {
        let condition = match rest
            .strip_prefix("if")
            .filter(|rest| rest.starts_with([' ', '\t']))
        {
            Some(condition) => Some(wanted(condition.trim_matches([' ', '\t']), "a condition")?),
            None if rest.is_empty() => None,
            None => {
                return Err(Failure::new(format_args!(
                    "{} does not belong behind `else`",
                    Quoted(rest)
                ))
                .expected("`else {` or `else if CONDITION {`"));
            }
        };
        let before = self.block().pop_if(|step| {
            matches!(
                &step.statement,
                Statement::If {
                    otherwise: None,
                    ..
                }
            )
        });
        match before.map(|step| step.statement) {
            Some(Statement::If { branches, .. }) => Ok(Head::If(branches, condition)),
            _ => Err(Failure::new("`else` does not follow an `if`")
                .expected("it right after the `}` of an `if`")),
        }
    }

    /// Closes the innermost block.
    fn close(&mut self, text: &str) {
        let Some(open) = self.open.pop() else {
            let failure = Failure::new("`}` closes no block");
            return self.problem(text, failure);
        };
        let body = open.body;
        let statement = match open.head {
            Head::Repeat(count) => Statement::Repeat { count, body },
            Head::For(name, words) => Statement::For { name, words, body },
            Head::If(mut branches, Some(condition)) => {
                branches.push((condition, body));
                Statement::If {
                    branches,
                    otherwise: None,
                }
            }
            Head::If(branches, None) => Statement::If {
                branches,
                otherwise: Some(body),
            },
            Head::Broken => return,
        };
        let step = Step {
            line: open.line,
            text: open.text,
            statement,
        };
        self.block().push(step);
    }
}

/// What follows the `}` with which `text` begins, if it does.
fn closes(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('}')?;
    (rest.is_empty() || rest.starts_with([' ', '\t', ';'])).then_some(rest)
}

/// Whether the `}` at `at` closes a block.
fn ends(text: &str, at: usize) -> bool {
    text.get(at..).and_then(closes).is_some()
}

/// The statement without a block with which `text` begins, and what follows it: it ends at `;`,
/// and inside a block at a `}` that is a word of its own. Quotes protect both, where the statement
/// knows quotes.
fn first_simple<'t>(text: &'t str, word: &str, inside: bool) -> (&'t str, &'t str) {
    let knows_quotes = matches!(word, "let" | "expect");
    let mut quoted = false;
    let mut end = text.len();
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        match character {
            '"' if knows_quotes => quoted = !quoted,
            ';' if !quoted => end = at,
            '}' if inside && !quoted && matches!(before, ' ' | '\t') && ends(text, at) => end = at,
            _ => {}
        }
        before = character;
        if end < text.len() {
            break;
        }
    }
    let (statement, rest) = text.split_at(end);
    (statement.trim_end_matches([' ', '\t']), rest)
}

/// Where `wanted` stands in `text` outside double quotes and outside `${NAME}`.
fn unquoted(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    let mut before = ' ';
    text.char_indices().find_map(|(at, character)| {
        let variable = before == '$';
        before = character;
        quoted ^= character == '"';
        (character == wanted && !quoted && !variable).then_some(at)
    })
}
