//! `run`: ring-3 programs on chosen CPUs.

use shell::Failure;
use shell::commands::args;
use shell::report::Output;

/// Runs a program on each of the CPUs asked for.
pub fn run(_args: &args::Run, _output: &mut Output<'_>) -> Result<(), Failure> {
    Err(Failure::new("no program is there"))
}
