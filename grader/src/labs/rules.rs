//! What a solution's source must not contain: by its tokens and its syntax tree, never by its text.
//!
//! A solution that keeps to these rules can do nothing but compute and ask the machine. They are for honest
//! mistakes as much as for others: a static would make the explorer's search wrong.
//!
//! 1. **What is allowed is listed**: attributes, macros, modules of `core`. What the lists do not know is refused.
//! 2. **Every token is looked at** ([`tokens`]), in macros' arguments and attributes too; what needs the grammar is
//!    looked at in the tree ([`tree`]).
//! 3. **A source can be built to break its reader**: parsing is recursive. So a confined process reads it
//!    ([`examine`]); one that breaks has read a source that is refused.

mod text;
mod tokens;
mod tree;

pub use text::hides;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use proc_macro2::TokenStream;
use sandbox::{Ended, Limits, Policy, Starts};
use serde::{Deserialize, Serialize};

use super::rig::Shared;
use crate::status::{Doing, Failure};

/// A rule that is broken.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
pub struct Broken {
    /// The line, from 1.
    pub line: usize,
    /// What stands there, and why it must not.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Source files are small.
pub const LONGEST: usize = 200_000;
/// So many broken rules are told.
const MOST: usize = 50;
/// First argument of the hidden start-up of `kit` that reads a source; the second is the file.
const READ: &str = "--read-rules";
/// What reading may take: the longest honest source takes a hundredth.
const LIMITS: Limits = Limits {
    cpu: 10,
    memory: 512 << 20,
    processes: 8,
    disk: 1 << 20,
    files: 16,
    output: 1 << 20,
    wall: 600,
};
/// The stack of the thread that parses.
const STACK: usize = 64 << 20;

/// The rules that `source` breaks, in the order of lines, as far as they can be told. A confined process reads it, so
/// that whatever stands there only that process can break.
///
/// # Errors
/// [`crate::status::Status::Host`] if that process cannot be started.
pub fn examine(shared: &Shared, source: &[u8]) -> Result<Vec<Broken>, Failure> {
    let place = shared.workspace.own_dir()?;
    let folder = tempfile::tempdir_in(&place).doing("creating a folder in", &place)?;
    let file = folder.path().join("source");
    fs::write(&file, source).doing("writing", &file)?;
    let mut readable = vec![shared.kit.clone(), file.clone()];
    readable.extend(["/usr", "/lib", "/lib64", "/etc/ld.so.cache"].map(Into::into));
    let policy = Policy {
        readable,
        writable: Vec::new(),
        environment: Vec::new(),
        starts: Starts::Threads,
        limits: LIMITS,
        layers: shared.layers(),
    };
    let words: [OsString; 2] = [READ.into(), file.into()];
    let report = sandbox::run(&shared.kit, &policy, folder.path(), &shared.kit, &words)
        .map_err(|error| Failure::host(format!("reading a source: {error}")))?;
    let refused = |what: String| Ok(vec![Broken { line: 1, what }]);
    match &report.ended {
        Ended::Exit(0) => serde_json::from_slice(&report.stdout)
            .map_err(|error| Failure::host(format!("reading a source: {error}"))),
        Ended::Limit(limit) => refused(format!("reading this takes too much {}", limit.name())),
        // The stack was too small, or the memory.
        Ended::Signal(_) => refused("this is nested too deeply to be read".into()),
        ended => Err(Failure::host(format!(
            "reading a source: {ended:?}: {}",
            String::from_utf8_lossy(&report.stderr)
        ))),
    }
}

/// The start-up of `kit` that reads a source; `None` if this is none.
#[must_use]
pub fn start_up() -> Option<ExitCode> {
    let mut words = env::args_os().skip(1);
    if words.next()? != READ {
        return None;
    }
    let file = words.next()?;
    let Ok(bytes) = fs::read(Path::new(&file)) else {
        return Some(ExitCode::FAILURE);
    };
    let reader = thread::Builder::new().stack_size(STACK);
    let broken = reader.spawn(move || broken(&bytes)).ok()?.join().ok()?;
    println!("{}", serde_json::to_string(&broken).ok()?);
    Some(ExitCode::SUCCESS)
}

/// The rules that `source` breaks, in the order of lines; one that is no Rust breaks one. Parsing is recursive: see
/// [`examine`].
fn broken(source: &[u8]) -> Vec<Broken> {
    let text = match text::read(source) {
        Ok(text) => text,
        Err(broken) => return vec![broken],
    };
    let no_rust = |line: usize, error: &dyn fmt::Display| {
        let what = format!("this is no Rust: {error}");
        vec![Broken { line, what }]
    };
    let stream: TokenStream = match text.parse() {
        Ok(stream) => stream,
        Err(error) => return no_rust(error.span().start().line, &error),
    };
    if let Some(deep) = tokens::too_deep(&stream) {
        return vec![deep];
    }
    let mut broken = tokens::broken(stream.clone());
    match syn::parse2::<syn::File>(stream) {
        Ok(file) => broken.append(&mut tree::broken(&file)),
        // What the tokens show says more.
        Err(error) if broken.is_empty() => return no_rust(error.span().start().line, &error),
        Err(_) => {}
    }
    broken.sort_by(|a, b| (a.line, &a.what).cmp(&(b.line, &b.what)));
    broken.dedup();
    if broken.len() > MOST {
        let more = broken.len() - MOST;
        broken.truncate(MOST);
        let line = broken.last().map_or(1, |broken| broken.line);
        let what = format!("and {more} more");
        broken.push(Broken { line, what });
    }
    broken
}

#[cfg(test)]
mod tests;
