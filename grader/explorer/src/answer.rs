//! The program around code that is explored from outside: it runs the code, and says what it did. It searches
//! nothing and judges nothing.

use crate::code::Built;
use crate::local::Local;
use crate::search::Subject;
use crate::wire::{LONGEST_LINE, Question, Reply, Says, VERSION};
use std::io::{self, BufRead, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

/// Answers what standard input asks on standard output, until there is no more. Fails at what is no question.
pub fn answer(subject: &dyn Subject) -> ExitCode {
    // What a panic says is part of the answer.
    panic::set_hook(Box::new(|_| ()));
    match converse(subject, io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("answering: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn converse(
    subject: &dyn Subject,
    questions: impl BufRead,
    mut answers: impl Write,
) -> io::Result<()> {
    let mut built: Option<Local> = None;
    for line in questions.lines() {
        let reply = match (serde_json::from_str(&line?)?, &built) {
            (Question::Build(_, setup), _) => {
                match panic::catch_unwind(AssertUnwindSafe(|| Local::new(subject, &setup))) {
                    Ok(local) => {
                        let says = Says::new(local.declared());
                        built = Some(local);
                        Reply::Built(VERSION, says)
                    }
                    Err(payload) => Reply::NotBuilt(crate::host::message(&*payload)),
                }
            }
            (Question::Ask(call, with), Some(built)) => Reply::did(built.ask(call, &with)),
            (Question::Ask(..), None) => Err(io::Error::other("nothing is built"))?,
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        if text.len() > LONGEST_LINE {
            Err(io::Error::other("the answer is too long"))?;
        }
        answers.write_all(&text)?;
        answers.flush()?;
    }
    Ok(())
}
