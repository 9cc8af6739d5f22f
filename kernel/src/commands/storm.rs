//! `storm`: many initiators at once, every round verified.

use shell::Failure;
use shell::commands::args;
use shell::report::Output;

/// `storm`
pub fn storm(_args: &args::Storm, _output: &mut Output<'_>) -> Result<(), Failure> {
    Err(Failure::new("being built"))
}
