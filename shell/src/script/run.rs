//! Carrying statements out.

use super::evaluate::Scope;
use super::expression::Expression;
use super::items::items;
use super::operate::as_number;
use super::statement::{Block, Statement, Step};
use super::{Session, Stopped};
use crate::repl::{PROMPT, carry_out_line};
use crate::report::{Console, Settings, Sink, Style};
use crate::system::{Failure, System};
use alloc::boxed::Box;
use alloc::format;

/// The most statements that one script or one line carries out, turns of loops counted as well.
pub(super) const LIMIT: usize = 100_000;

/// Which statements are shown before they are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Echo {
    /// All, after the prompt: nobody typed them.
    All,
    /// Those inside blocks, which show what a variable was.
    Inside,
}

/// A run of statements.
pub(super) struct Runner<'a> {
    pub session: &'a mut Session,
    pub system: &'a mut dyn System,
    pub sink: &'a mut dyn Sink,
    pub settings: Settings,
    pub echo: Echo,
    /// How many commands were carried out.
    pub commands: usize,
    /// How many violations were expected.
    pub excused: u64,
    /// How many statements and turns there were.
    turns: usize,
    /// How many blocks the statement is inside of.
    depth: usize,
    /// What the last command failed with, if the next statement is to say whether it may.
    pub(super) owed: Option<Failure>,
}

impl<'a> Runner<'a> {
    pub fn new(
        session: &'a mut Session,
        system: &'a mut dyn System,
        sink: &'a mut dyn Sink,
        settings: Settings,
        echo: Echo,
    ) -> Self {
        Runner {
            session,
            system,
            sink,
            settings,
            echo,
            commands: 0,
            excused: 0,
            turns: 0,
            depth: 0,
            owed: None,
        }
    }

    /// Carries `block` out, in order.
    ///
    /// # Errors
    /// The first statement that did not do as it should; why was shown.
    pub fn block(&mut self, block: &Block) -> Result<(), Box<Stopped>> {
        for (index, step) in block.iter().enumerate() {
            self.turn().or_else(|failure| self.refuse(step, failure))?;
            let forgiven = block
                .get(index + 1)
                .is_some_and(|next| next.statement.forgives());
            self.step(step, forgiven)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, forgiven: bool) -> Result<(), Box<Stopped>> {
        match &step.statement {
            Statement::Command { command, fails } => self.command(step, command, *fails, forgiven),
            Statement::Repeat { count, body } => self.repeat(step, count, body),
            Statement::For { name, words, body } => self.each(step, name, words, body),
            Statement::If {
                branches,
                otherwise,
            } => self.branch(step, branches, otherwise.as_ref()),
            simple => {
                self.show(&step.text);
                let result = match simple {
                    Statement::Let { name, value } => self.assign(name, value),
                    Statement::Expect(condition) => self.expect(condition),
                    Statement::Observe { wanted, absent } => self.observe(wanted, *absent),
                    _ => Ok(()),
                };
                result.or_else(|failure| self.refuse(step, failure))
            }
        }
    }

    /// Counts one more statement or turn of a loop.
    ///
    /// # Errors
    /// It is one too many, or Ctrl-C was typed.
    fn turn(&mut self) -> Result<(), Failure> {
        if self.turns > 0 && self.sink.interrupted() {
            return Err(Failure::new("ended by Ctrl-C"));
        }
        if self.turns == LIMIT {
            return Err(Failure::new(format_args!(
                "{LIMIT} statements and turns of loops were carried out: this looks endless"
            ))
            .expected("an end before that"));
        }
        self.turns += 1;
        Ok(())
    }

    pub(super) fn console(&mut self) -> Console<'_> {
        Console::new(self.sink, self.settings)
    }

    /// Shows a statement before it is carried out.
    fn show(&mut self, text: &str) {
        let mark = match self.echo {
            Echo::All => PROMPT,
            Echo::Inside if self.depth > 0 => "+ ",
            Echo::Inside => return,
        };
        self.console().line(&format!("{mark}{text}"));
    }

    pub(super) fn say(&mut self, style: Option<Style>, text: &str) {
        let mut console = self.console();
        console.styled(style, text);
        console.end_line();
    }

    /// Shows why `step` ends the run.
    fn refuse<T>(&mut self, step: &Step, failure: Failure) -> Result<T, Box<Stopped>> {
        failure.show(&mut self.console());
        Err(stopped(step, &step.text, failure))
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            variables: &self.session.variables,
            last: self.session.last.as_ref(),
        }
    }

    fn command(
        &mut self,
        step: &Step,
        command: &str,
        fails: bool,
        forgiven: bool,
    ) -> Result<(), Box<Stopped>> {
        let mark = if fails { "! " } else { "" };
        let expanded = self.session.variables.expand(command);
        let shown = expanded.as_deref().unwrap_or(command);
        self.show(&format!("{mark}{shown}"));
        self.commands += 1;
        // Hangs of earlier commands are over; violations stay until they are expected.
        self.session.gather(self.system);
        self.session.forget_hangs();
        let failure = match &expanded {
            Ok(line) => {
                let answer = carry_out_line(line, self.system, self.sink, self.settings);
                let failure = answer.as_ref().and_then(|answer| answer.failure.clone());
                self.session.last = answer.or(self.session.last.take());
                failure
            }
            Err(failure) => {
                failure.show(&mut self.console());
                Some(failure.clone())
            }
        };
        self.session.gather(self.system);
        match failure {
            Some(_) if fails => Ok(()),
            Some(failure) if forgiven => {
                self.owed = Some(failure);
                Ok(())
            }
            Some(failure) => Err(stopped(step, shown, failure)),
            None if fails => {
                let failure = Failure::new("the command succeeded, and `!` says that it fails");
                self.refuse(step, failure)
            }
            None => Ok(()),
        }
    }

    fn assign(&mut self, name: &str, value: &Expression) -> Result<(), Failure> {
        let value = value.value(&self.scope())?;
        self.say(None, &format!("{name} = {}", value.text()));
        self.session.variables.set(name, value);
        Ok(())
    }

    fn repeat(
        &mut self,
        step: &Step,
        count: &Expression,
        body: &Block,
    ) -> Result<(), Box<Stopped>> {
        self.show(&format!("{} {{", step.text));
        let count = count.value(&self.scope()).and_then(|value| {
            as_number(&value).ok_or_else(|| {
                Failure::new(format_args!("`{}` is no number of times", value.text()))
            })
        });
        let count = count.or_else(|failure| self.refuse(step, failure))?;
        for _ in 0..count {
            self.inside(step, body)?;
        }
        Ok(())
    }

    fn each(
        &mut self,
        step: &Step,
        name: &str,
        words: &str,
        body: &Block,
    ) -> Result<(), Box<Stopped>> {
        self.show(&format!("{} {{", step.text));
        let words = self.session.variables.expand(words);
        let items = words.and_then(|words| items(&words, self.system.online()));
        let items = items.or_else(|failure| self.refuse(step, failure))?;
        for value in items.into_iter().flat_map(|item| item.values()) {
            self.session.variables.set(name, value);
            self.inside(step, body)?;
        }
        Ok(())
    }

    fn branch(
        &mut self,
        step: &Step,
        branches: &[(Expression, Block)],
        otherwise: Option<&Block>,
    ) -> Result<(), Box<Stopped>> {
        self.show(&format!("{} {{", step.text));
        for (condition, body) in branches {
            let judged = condition.judge(&self.scope());
            let judged = judged.or_else(|failure| self.refuse(step, failure))?;
            if judged.holds {
                return self.inside(step, body);
            }
        }
        otherwise.map_or(Ok(()), |body| self.inside(step, body))
    }

    /// Carries the body of `step` out once.
    fn inside(&mut self, step: &Step, body: &Block) -> Result<(), Box<Stopped>> {
        // An empty body counts as well, or it could be repeated for ever.
        self.turn().or_else(|failure| self.refuse(step, failure))?;
        self.depth += 1;
        let result = self.block(body);
        self.depth -= 1;
        result
    }
}

fn stopped(step: &Step, command: &str, failure: Failure) -> Box<Stopped> {
    Box::new(Stopped {
        line: step.line,
        command: command.into(),
        failure,
    })
}
