//! The commands: one static [`TABLE`], and the typed requests that parsing a line against it gives.

mod define;
mod spec;
mod table;
mod values;

#[cfg(test)]
mod tests;

pub use spec::{Arg, Command, Form, Group, Kind, Need, Word};
pub(crate) use table::build;
pub use table::{Action, Builtin, CommandId, Request, TABLE, args};
pub use values::{
    Access, Address, Bound, Choice, CpuSelection, CrashKind, Extent, FromBound, Layout,
    PageAddress, Sending, SpaceAction, TraceAction, TransportName, Values, WatchdogAction,
    WitnessAction, WordAddress,
};

/// The entry of the command called `name`, exactly.
pub fn find(name: &str) -> Option<&'static Command> {
    TABLE.iter().find(|command| command.name == name)
}

/// The entry of `id`.
pub fn entry(id: CommandId) -> &'static Command {
    // `CommandId`'s variants and the entries of `TABLE` come from the same macro, in one order.
    &TABLE[id as usize]
}

impl Action {
    /// The entry of its command.
    pub fn entry(&self) -> &'static Command {
        entry(match self {
            Action::Shell(builtin) => builtin.id(),
            Action::System(request) => request.id(),
        })
    }
}
