//! The program `kit`: see the library for what it does.

#![forbid(unsafe_code)]

use std::env;
use std::process::ExitCode;

use clap::Parser;
use grader::child::{self, BECOME, CANNOT_START};
use grader::cli::Cli;
use grader::labs::rig::record::{self, RECORD};
use grader::labs::rules;
use grader::run::Outcome;
use grader::say;
use grader::status::Status;

fn main() -> ExitCode {
    sandbox::start_up(env::args_os().skip(1));
    let mut words = env::args_os().skip(1);
    if let Some(folder) = env::var_os(RECORD) {
        return record::compile(&folder, words).unwrap_or_else(|failure| {
            say::line(&failure);
            failure.status.into()
        });
    }
    if let Some(ended) = rules::start_up() {
        return ended;
    }
    if words.next().is_some_and(|word| word == BECOME) {
        eprintln!("kit: {}", child::become_qemu(words));
        return ExitCode::from(CANNOT_START);
    }
    match Cli::parse().run() {
        Ok(Outcome::Done) => Status::Success.into(),
        Ok(Outcome::Signal(signal)) => ExitCode::from(128 + u8::try_from(signal).unwrap_or(0)),
        Err(failure) => {
            say::line(&failure);
            failure.status.into()
        }
    }
}
