//! The kernel's serial shell, as a library that knows no hardware.
//!
//! 1. **One table.** Every command is one entry of [`commands::TABLE`]; parsing, help, usage,
//!    completion and `REFERENCE.md` all derive from it.
//! 2. **Parsed is checked.** A [`Request`] holds typed fields whose types say
//!    what was checked; whoever carries it out checks only what the machine alone knows.
//! 3. **Built, then shown.** A command fills an [`Output`]; whether that becomes aligned text or
//!    one JSON object is not its concern.
//! 4. **No input is trusted.** Nothing that arrives over the wire, in a script or in a name
//!    panics, hangs, or reaches the terminal as a control byte.
//!
//! The kernel implements [`System`] and [`Tty`], then calls [`interactive`] or [`run_script`].
//! Start reading at [`commands`], then [`parse`] and [`repl`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod breakpoint;
pub mod commands;
pub mod complete;
pub mod diagnosis;
pub mod fault;
pub mod help;
pub mod notice;
pub mod observation;
pub mod parse;
pub mod reference;
pub mod repl;
pub mod report;
pub mod screen;
pub mod script;
pub mod suggest;
pub mod system;
pub mod terminal;
pub mod tour;
pub mod words;

#[cfg(test)]
mod fake;

pub use commands::{CommandId, Request};
pub use parse::Invocation;
pub use repl::{interactive, run_line};
pub use report::{Output, Settings, Sink};
pub use script::{ScriptOutcome, run_script};
pub use system::{Failure, NameKind, System};
pub use terminal::{Memory, Tty};
