//! `selftest`: tests of the machine, run in it.

use shell::Failure;
use shell::commands::args;
use shell::report::Output;

/// `selftest`
pub fn selftest(_args: &args::Selftest, _output: &mut Output<'_>) -> Result<(), Failure> {
    Err(Failure::new("being built"))
}
