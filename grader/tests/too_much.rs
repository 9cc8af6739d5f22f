//! A machine that uses up what a stranger's may use: whose fault that is.

mod common;

use std::path::Path;

use common::KIT;
use grader::labs::court::{Court, Trust};
use grader::machine::Outcome;
use grader::status::Status;
use grader::workspace::Workspace;
use sandbox::Layers;

/// Much to do, and no end within some seconds of CPU time.
const LONG: &str = "map 0x400000 4\nread 0x400000 on all\nstorm rounds=4000\n";

/// A run that may use so many seconds of CPU time.
fn run(seconds: u64) -> Result<(Outcome, Option<String>), String> {
    let workspace = Workspace::find().unwrap();
    let layers = Layers::of_this_host(Path::new(KIT));
    let court =
        Court::new(&workspace, Path::new(KIT), Trust::Stranger(layers)).cpu_seconds(seconds);
    let judged = court.judged(court.machine(), LONG);
    let judged = judged.map_err(|failure| failure.to_string())?;
    Ok((judged.outcome, judged.doubt))
}

#[test]
fn a_slow_machine_taken_for_the_host_s_failure() {
    let (outcome, doubt) = run(2).unwrap();
    assert_eq!(outcome.status, Status::Unfinished);
    let doubt = doubt.unwrap();
    assert!(
        doubt.starts_with("too slow: QEMU used 2 CPU s of 2,"),
        "{doubt}"
    );
    assert!(doubt.contains("things that happened"), "{doubt}");
    // However far it came: the words are the same.
    assert_eq!(run(2).unwrap().1.unwrap(), doubt);
}
