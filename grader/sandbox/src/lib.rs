//! Runs a program that nobody trusts.
//!
//! 1. **No privilege is needed.** What the host offers is used: Landlock for files, seccomp for system calls,
//!    namespaces for processes and the network, limits for all the rest. [`Layers`] says which there are; they are
//!    found by trying, never by version numbers.
//! 2. **A limit is not a failure of the host, nor a slow host a limit.** What a program may use is counted in CPU
//!    time, memory and bytes. Time on the wall only guards against a host that stands still ([`Ended::Stalled`]), and
//!    against a program that has nothing to do and owes something ([`Ended::Idle`]).
//! 3. **Nothing is left behind.** Whatever the program started ends with it.
//!
//! A process restricts itself and then becomes the program, since restricting a child from outside needs code that
//! is not safe. So there is a launcher: any program that gives its arguments to [`start_up`] first.
//!
//! What is not defended: the kernel below, and the time that it takes (covert channels). A program may read whatever
//! is under [`Policy::readable`], and `stat` anything. Without namespaces it sees which processes there are.

#![forbid(unsafe_code)]

mod confine;
mod conversation;
mod filter;
mod layers;
mod policy;
mod supervise;
mod tree;
mod user;

pub use confine::start_up;
pub use conversation::{Conversation, Silence, start};
pub use layers::Layers;
pub use policy::{Limits, Policy, Starts};
pub use supervise::{Ended, Limit, Report, end, run};

/// The first word of the hidden start-ups of a launcher.
pub const LAUNCH: &str = "--confine";

/// How the launcher ends when it could not confine itself or find the program; the reason is what it says.
pub const NOT_CONFINED: u8 = 125;
/// How it then begins what it says on standard error.
pub const COMPLAINT: &str = "confine: ";
