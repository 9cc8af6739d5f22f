//! What this host has to hold a program with: found by trying.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::LAUNCH;

/// What holds a program, beyond the limits of [`crate::Limits`], which always do.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub struct Layers {
    /// Landlock: no file outside the policy is opened, made or removed, no TCP.
    pub landlock: bool,
    /// Seccomp: no sockets, no tracing, no mounting, no changes of modes or owners, no kernel interfaces that
    /// programs do not need.
    pub seccomp: bool,
    /// Namespaces of its own for processes, network and IPC: it sees and signals nobody else, and whatever it
    /// started ends with it.
    pub namespaces: bool,
    /// As root: a user whom nobody else is, with none of root's privileges but that over the owners of files. Others
    /// who are not root have no need of it.
    pub user: bool,
}

impl Layers {
    /// None.
    pub const NONE: Layers = Layers {
        landlock: false,
        seccomp: false,
        namespaces: false,
        user: false,
    };
    /// What there can be, with the names that are printed, weakest first.
    const NAMES: [&'static str; 4] = ["landlock", "seccomp", "namespaces", "user"];

    /// Tries each on a process of its own. `launcher` is the program that gives its arguments to
    /// [`crate::start_up`].
    #[must_use]
    pub fn of_this_host(launcher: &Path) -> Layers {
        let works = |name: &str| {
            let mut command = Command::new(launcher);
            command.args([LAUNCH, "probe", name]).env_clear();
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let [landlock, seccomp, namespaces, user] = Self::NAMES.map(works);
        Layers {
            landlock,
            seccomp,
            namespaces,
            user,
        }
    }

    /// The tier, in a word: `full`, `strong` without namespaces, `weak` with one of the other two, or `limits`.
    #[must_use]
    pub fn tier(self) -> &'static str {
        match (self.landlock, self.seccomp, self.namespaces) {
            (true, true, true) => "full",
            (true, true, false) => "strong",
            (false, false, false) => "limits",
            _ => "weak",
        }
    }

    /// Whether this is at least the tier of that name; `None` if there is none of that name.
    #[must_use]
    pub fn reaches(self, tier: &str) -> Option<bool> {
        let order = ["limits", "weak", "strong", "full"];
        let of = |name: &str| order.iter().position(|known| *known == name);
        Some(of(self.tier()) >= Some(of(tier)?))
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = [self.landlock, self.seccomp, self.namespaces, self.user];
        let named = there.iter().zip(Self::NAMES).filter(|(there, _)| **there);
        let named: Vec<&str> = named.map(|(_, name)| name).collect();
        write!(f, "{} (limits", self.tier())?;
        named.iter().try_for_each(|name| write!(f, ", {name}"))?;
        write!(f, ")")
    }
}
