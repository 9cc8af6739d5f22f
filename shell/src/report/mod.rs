//! What a command has to say, as text or as one JSON object.
//!
//! A command puts fields, tables, notes and, in long runs, progress lines into its [`Output`]. In
//! text they appear in that order; in JSON, fields and tables are members of one object.

mod console;
mod json;
mod output;
mod sanitise;
mod table;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use console::{Console, Settings, Sink};
pub(crate) use json::Answer;
pub(crate) use output::Mode;
pub use output::{Output, Report};
pub use sanitise::{Sanitised, is_plain};
pub use table::Table;
pub(crate) use text::hang;
pub use value::{Style, Value};
