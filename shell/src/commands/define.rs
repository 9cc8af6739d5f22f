//! The macro that turns the table's text into the table, the identifiers and the typed requests.

/// Expands to [`TABLE`](super::TABLE), [`CommandId`](super::CommandId), a struct a command in
/// [`args`](super::args), the enums [`Builtin`](super::Builtin), [`Request`](super::Request) and
/// [`Action`](super::Action), and `build`, which makes an action of checked values.
macro_rules! commands {
    (
        shell { $($shell:tt)* }
        system { $($system:tt)* }
    ) => {
        commands!(@table $($shell)* $($system)*);
        commands!(@requests
            /// A command that the shell carries out itself.
            Builtin $($shell)*);
        commands!(@requests
            /// A command for the [`System`](crate::System), with its checked arguments.
            Request $($system)*);

        /// A parsed command, by who carries it out.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Action {
            /// The shell does.
            Shell(Builtin),
            /// The system does.
            System(Request),
        }

        commands!(@build [Shell Builtin $($shell)*] [System Request $($system)*]);
    };

    (@table $(
        $id:ident $name:literal in $group:ident, $summary:literal
        { $($field:ident: $type:ty = $arg:expr;)* }
        $(needs [$($need:expr),* $(,)?])?
        details $details:literal
        examples [$($example:literal),* $(,)?]
    )*) => {
        /// Which command. The number of a variant is the place of its entry in [`TABLE`].
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum CommandId { $(#[doc = concat!("`", $name, "`: ", $summary, ".")] $id),* }

        /// Every command. Help, usage, completion and the reference derive from it.
        pub static TABLE: &[Command] = &[$(Command {
            id: CommandId::$id,
            name: $name,
            group: Group::$group,
            summary: $summary,
            args: &[$($arg),*],
            needs: &[$($($need),*)?],
            details: $details,
            examples: &[$($example),*],
        }),*];

        /// The checked arguments of each command. What a field means stands in [`TABLE`].
        #[allow(missing_docs)]
        pub mod args {
            use super::*;
            $(
                #[doc = concat!("Of `", $name, "`.")]
                #[derive(Clone, PartialEq, Debug)]
                pub struct $id { $(pub $field: $type),* }

                impl $id {
                    pub(super) fn take(_values: &mut Values) -> Result<Self, Failure> {
                        Ok($id { $($field: _values.take(stringify!($field))?),* })
                    }
                }
            )*
        }
    };

    (@requests $(#[$doc:meta])* $enum:ident $(
        $id:ident $name:literal in $group:ident, $summary:literal
        { $($fields:tt)* }
        $(needs [$($need:expr),* $(,)?])?
        details $details:literal
        examples [$($example:literal),* $(,)?]
    )*) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub enum $enum { $(#[doc = concat!("`", $name, "`: ", $summary, ".")] $id(args::$id)),* }

        impl $enum {
            /// Which command it is.
            pub fn id(&self) -> CommandId {
                match self { $($enum::$id(_) => CommandId::$id),* }
            }
        }
    };

    (@build $([$by:ident $enum:ident $(
        $id:ident $name:literal in $group:ident, $summary:literal
        { $($fields:tt)* }
        $(needs [$($need:expr),* $(,)?])?
        details $details:literal
        examples [$($example:literal),* $(,)?]
    )*])*) => {
        /// The action of command `id` with `values`, which are in the order of its arguments.
        pub(crate) fn build(id: CommandId, values: &mut Values) -> Result<Action, Failure> {
            Ok(match id {
                $($(CommandId::$id => Action::$by($enum::$id(args::$id::take(values)?)),)*)*
            })
        }
    };
}

pub(super) use commands;
