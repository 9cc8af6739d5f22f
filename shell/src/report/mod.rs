//! What a command has to say, as text or as one JSON object.
//!
//! A command puts fields, tables, notes and, in long runs, progress lines into its [`Output`]. In
//! text they appear in that order; in JSON, fields and tables are members of one object.

mod console;
mod json;
mod output;
mod query;
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
pub(crate) use query::Member;
pub use sanitise::{Sanitised, is_plain};
pub use table::Table;
pub(crate) use text::hang;
pub(crate) use value::Content;
pub use value::{Style, Value};
