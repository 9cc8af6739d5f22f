//! Writes `grader/KVM.md`, KVM's hypercall under a real KVM: `cargo run -p grader --example nested-kvm`.

use std::error::Error;
use std::fs;

use grader::invariants::workspace;
use grader::nested::page::{PAGE, page};
use grader::workspace::Workspace;

fn main() -> Result<(), Box<dyn Error>> {
    let kit = Workspace::find()
        .map_err(|failure| failure.to_string())?
        .target
        .join("debug/kit");
    let page = page(&kit).map_err(|failure| failure.to_string())?;
    fs::write(workspace().join(PAGE), page)?;
    Ok(())
}
