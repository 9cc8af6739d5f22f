//! What can be said about a script before any of it runs.

use super::expression::{Expression, Operation};
use super::observe::Wanted;
use super::parser::Problem;
use super::path::{Constant, Part};
use super::statement::{Block, Statement, Step};
use super::variables::{Piece, pieces, unknown};
use crate::parse;
use crate::system::{Failure, System};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use shootdown::{CpuSet, MAX_CPUS};

struct Check<'a> {
    /// Every variable that has a value somewhere.
    names: BTreeSet<&'a str>,
    /// The system, if commands are checked as well.
    system: Option<&'a dyn System>,
    problems: Vec<Problem>,
}

/// The mistakes in `program`: variables that get no value anywhere, unreadable expectations, and,
/// if there is a `system` to ask for names, commands that no system would take. `known` are variables
/// from before.
pub(super) fn check<'a>(
    program: &'a Block,
    known: impl Iterator<Item = &'a str>,
    system: Option<&'a dyn System>,
) -> Vec<Problem> {
    let mut check = Check {
        names: known.collect(),
        system,
        problems: Vec::new(),
    };
    check.collect(program);
    check.block(program);
    check.problems
}

impl<'a> Check<'a> {
    fn collect(&mut self, block: &'a Block) {
        for step in block {
            self.names.extend(step.statement.sets());
            for inside in step.statement.blocks() {
                self.collect(inside);
            }
        }
    }

    fn block(&mut self, block: &Block) {
        for step in block {
            if let Err(failure) = self.step(&step.statement) {
                self.problems.push(Problem::at(step, failure));
            }
            for inside in step.statement.blocks() {
                self.block(inside);
            }
        }
    }

    fn step(&self, statement: &Statement) -> Result<(), Failure> {
        for expression in statement.expressions() {
            self.expression(expression)?;
        }
        if let Some(text) = statement.expanded() {
            self.text(text)?;
        }
        match (statement, self.system) {
            (Statement::Observe { wanted, .. }, _) if !wanted.contains('$') => {
                Wanted::parse(wanted, CpuSet::first(MAX_CPUS)).map(drop)
            }
            (
                Statement::Command {
                    command,
                    fails: false,
                },
                Some(system),
            ) => match command.contains('$') {
                true => parse::check_name(command),
                false => parse::check(command, system),
            },
            _ => Ok(()),
        }
    }

    fn text(&self, text: &str) -> Result<(), Failure> {
        pieces(text).try_for_each(|piece| match piece? {
            Piece::Text(_) => Ok(()),
            Piece::Variable(name) => self.variable(name),
        })
    }

    fn variable(&self, name: &str) -> Result<(), Failure> {
        if self.names.contains(name) {
            return Ok(());
        }
        Err(unknown(name, self.names.iter().copied()))
    }

    fn expression(&self, expression: &Expression) -> Result<(), Failure> {
        for operation in &expression.operations {
            match operation {
                Operation::Variable(name) => self.variable(name)?,
                Operation::Quoted(text) => self.text(text)?,
                Operation::Path(path) => {
                    for part in &path.parts {
                        if let Part::Row(Constant::Variable(name))
                        | Part::Where(_, Constant::Variable(name)) = part
                        {
                            self.variable(name)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Problem {
    fn at(step: &Step, failure: Failure) -> Problem {
        Problem {
            line: step.line,
            text: step.text.clone(),
            failure,
        }
    }
}
