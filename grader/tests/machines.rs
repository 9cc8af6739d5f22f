//! The second machine: that the same checks judge what QEMU and Bochs did alike.
//!
//! All of them are run by `cargo run -p grader --example machines`.

mod common;

use std::slice;

use common::KIT;
use grader::machines::{cases, run_all, unexplained};

/// One that they agree on, with a broken invariant, and the one that they do not.
const HERE: [&str; 2] = ["I17-range.tlb", "I16-global.tlb"];

#[test]
fn a_verdict_that_depends_on_the_emulator() {
    let cases = cases().unwrap();
    for name in HERE {
        let case = cases.iter().find(|case| case.file.ends_with(name)).unwrap();
        let case = slice::from_ref(case);
        let shown = run_all(case, KIT).unwrap();
        assert!(unexplained(case, &shown).is_empty(), "{name}: {shown:#?}");
    }
}
