//! Statements: the pieces of which scripts are made.

use super::expression::Expression;
use alloc::string::String;
use alloc::vec::Vec;

/// Statements that are carried out in order.
pub(super) type Block = Vec<Step>;

/// A statement and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Step {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// As it was written; of a block, its head.
    pub text: String,
    pub statement: Statement,
}

/// One statement.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Statement {
    /// A command of the shell, its variables not yet replaced.
    Command {
        command: String,
        /// Whether it must fail: it was written `! COMMAND`.
        fails: bool,
    },
    /// `let NAME = EXPRESSION`
    Let { name: String, value: Expression },
    /// `expect CONDITION`
    Expect(Expression),
    /// `expect [no] violation…`, `expect [no] hang…`: what follows `expect`, its variables not yet
    /// replaced.
    Observe { wanted: String, absent: bool },
    /// `repeat COUNT { … }`
    Repeat { count: Expression, body: Block },
    /// `for NAME in WORD… { … }`
    For {
        name: String,
        words: String,
        body: Block,
    },
    /// `if CONDITION { … } else if CONDITION { … } else { … }`
    If {
        branches: Vec<(Expression, Block)>,
        otherwise: Option<Block>,
    },
}

impl Statement {
    /// Whether the statement before it may fail: it looks at what went wrong there.
    pub fn forgives(&self) -> bool {
        matches!(self, Statement::Observe { absent: false, .. })
    }

    /// The blocks inside.
    pub fn blocks(&self) -> Vec<&Block> {
        match self {
            Statement::Repeat { body, .. } | Statement::For { body, .. } => [body].into(),
            Statement::If {
                branches,
                otherwise,
            } => {
                let branches = branches.iter().map(|(_, block)| block);
                branches.chain(otherwise).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The expressions of the statement itself, not of the blocks inside.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Statement::Let { value, .. } => [value].into(),
            Statement::Expect(condition) => [condition].into(),
            Statement::Repeat { count, .. } => [count].into(),
            Statement::If { branches, .. } => {
                branches.iter().map(|(condition, _)| condition).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The text of the statement itself in which variables are replaced.
    pub fn expanded(&self) -> Option<&str> {
        match self {
            Statement::Command {
                command,
                fails: false,
            } => Some(command),
            Statement::Observe { wanted, .. } => Some(wanted),
            Statement::For { words, .. } => Some(words),
            _ => None,
        }
    }

    /// The variable that it sets.
    pub fn sets(&self) -> Option<&str> {
        match self {
            Statement::Let { name, .. } | Statement::For { name, .. } => Some(name),
            _ => None,
        }
    }
}
