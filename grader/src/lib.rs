//! The host side of the kit: sets the machine up, boots it, judges how it ended.
//!
//! 1. **The machine's output is the machine's alone.** Standard output carries COM1; kit's own lines go to
//!    standard error and begin `kit: `.
//! 2. **Nothing hangs silently.** Every wait has a deadline and says what it waited for.
//! 3. **Nothing is left behind.** However `kit` ends, the terminal is as it was and QEMU is gone. Only after
//!    a SIGKILL of kit itself is the terminal left raw (`reset` mends it); QEMU is gone even then.
//! 4. **Every ending has its own status**: [`status::Status`].
//!
//! Read [`run`] first, then [`launch`] and [`console`]. Tests use [`machine::Machine`].

#![forbid(unsafe_code)]

pub mod authoring;
pub mod bench;
pub mod bochs;
pub mod book;
pub mod browser;
pub mod child;
pub mod cli;
pub mod command;
pub mod console;
pub mod digest;
pub mod doctor;
pub mod evidence;
pub mod explore;
pub mod export;
pub mod gdb;
pub mod grade;
pub mod handout;
pub mod image;
pub mod initrd;
pub mod input;
pub mod invariants;
pub mod kernel;
pub mod kvm;
pub mod labs;
pub mod launch;
pub mod machine;
pub mod machines;
pub mod model;
pub mod mutate;
pub mod nested;
pub mod options;
pub mod output;
pub mod run;
pub mod say;
pub mod setup;
pub mod signals;
pub mod slides;
pub mod status;
pub mod symbols;
pub mod terminal;
pub mod trace;
pub mod verdict;
pub mod view;
pub mod watchdog;
pub mod wiring;
pub mod witness;
pub mod workspace;
