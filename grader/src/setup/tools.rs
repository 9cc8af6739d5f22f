//! Tools that are found where Debian's packages put them, or installed: one table.

use std::path::Path;

use super::apt::{self, Privilege, Wanted};
use super::{Policy, in_path};
use crate::say;
use crate::status::{Failure, Status};
use crate::workspace::Workspace;

/// A tool, or several that are used together.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// What people call it.
    pub name: &'static str,
    /// What it is for.
    purpose: &'static str,
    /// Debian's packages of it.
    packages: &'static [&'static str],
    /// What must be in `PATH`.
    programs: &'static [&'static str],
    /// What else must be there.
    files: &'static [&'static str],
    /// What to do on another system.
    elsewhere: &'static str,
}

/// The debugger.
pub const GDB: Tool = Tool {
    name: "gdb",
    purpose: "it looks into the machine",
    packages: &["gdb"],
    programs: &["gdb"],
    files: &[],
    elsewhere: "install gdb 12 or later with this system's package manager",
};

/// What makes a disk that a BIOS and UEFI start: GRUB for both, and what writes disks.
pub const GRUB: Tool = Tool {
    name: "GRUB",
    purpose: "it makes a disk of the kernel that any firmware starts",
    packages: &[
        "grub-common",
        "grub-pc-bin",
        "grub-efi-amd64-bin",
        "mtools",
        "xorriso",
    ],
    programs: &["grub-mkrescue", "xorriso", "mformat"],
    files: &[
        "/usr/lib/grub/i386-pc/multiboot2.mod",
        "/usr/lib/grub/x86_64-efi/multiboot2.mod",
    ],
    elsewhere: "install GRUB for i386-pc and for x86_64-efi, mtools and xorriso with this system's package manager",
};

/// The second machine, with its firmware.
pub const BOCHS: Tool = Tool {
    name: "Bochs",
    purpose: "it is the second machine, which has what QEMU's TCG lacks",
    packages: &["bochs", "bochsbios", "vgabios"],
    programs: &["bochs-bin"],
    files: &[BOCHS_BIOS, BOCHS_VGA],
    elsewhere: "install Bochs 2.7 or later, with its debugger, and its BIOS with this system's package manager",
};

/// Bochs' BIOS.
pub const BOCHS_BIOS: &str = "/usr/share/bochs/BIOS-bochs-latest";
/// The BIOS of its display.
pub const BOCHS_VGA: &str = "/usr/share/bochs/VGABIOS-lgpl-latest";

/// UEFI for QEMU.
pub const OVMF: Tool = Tool {
    name: "OVMF",
    purpose: "it is UEFI for QEMU",
    packages: &["ovmf"],
    programs: &[],
    files: &[OVMF_FILE],
    elsewhere: "install OVMF with this system's package manager",
};

/// The firmware.
pub const OVMF_FILE: &str = "/usr/share/ovmf/OVMF.fd";

/// The browser in which the viewer is tested and measured.
pub const CHROMIUM: Tool = Tool {
    name: "Chromium",
    purpose: "the viewer is tested and measured in it",
    // Without a font it draws no text.
    packages: &["chromium", "fonts-dejavu-core"],
    programs: &["chromium"],
    files: &[],
    elsewhere: "install Chromium 120 or later, as `chromium` in PATH, with this system's package manager",
};

/// The model checker. It makes programs in C.
pub const SPIN: Tool = Tool {
    name: "Spin",
    purpose: "it checks the model of the protocol",
    packages: &["spin", "gcc", "libc6-dev"],
    programs: &["spin", "gcc"],
    files: &[],
    elsewhere: "install Spin 6.5 or later and gcc with this system's package manager",
};

impl Tool {
    /// Every one, in the order in which set-up installs them.
    pub const ALL: [Tool; 6] = [GDB, GRUB, BOCHS, OVMF, CHROMIUM, SPIN];

    /// Sees to it that the tool is there.
    ///
    /// # Errors
    /// [`Status::Missing`], with the commands to run.
    pub fn ensure(&self, workspace: &Workspace, policy: Policy) -> Result<(), Failure> {
        if self.absent().is_none() {
            return Ok(());
        }
        let codename = apt::debian_codename();
        let (Policy::Install, Some(release)) = (policy, codename.as_deref()) else {
            return Err(self.missing(codename.as_deref()));
        };
        let Some(privilege) = Privilege::find() else {
            return Err(self.missing(Some(release)));
        };
        say::line(format_args!("installing {}: {}", self.name, self.purpose));
        let log = format!("setup-{}.log", self.name.to_lowercase());
        apt::install(workspace, privilege, &self.wanted(release), &log)?;
        match self.absent() {
            None => Ok(()),
            Some(absent) => Err(Failure::new(
                Status::Missing,
                format!(
                    "the packages {} are installed, but {absent} is not there",
                    self.packages.join(", ")
                ),
            )),
        }
    }

    /// The first thing of it that is not there.
    fn absent(&self) -> Option<&'static str> {
        let program = |name: &&&str| in_path(name).is_none();
        let file = |name: &&&str| !Path::new(name).is_file();
        let absent = self.programs.iter().find(program);
        absent.or_else(|| self.files.iter().find(file)).copied()
    }

    fn wanted<'a>(&self, codename: &'a str) -> Wanted<'a> {
        Wanted {
            packages: self.packages,
            backports: false,
            codename,
        }
    }

    fn missing(&self, codename: Option<&str>) -> Failure {
        let failure = Failure::new(
            Status::Missing,
            format!("{} is not installed: {}", self.name, self.purpose),
        );
        match codename {
            Some(codename) => apt::commands(&self.wanted(codename))
                .into_iter()
                .fold(failure.advise("run:"), Failure::advise),
            None => failure.advise(self.elsewhere),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_half_installed_taken_for_whole() {
        let shell = Tool {
            programs: &["sh"],
            files: &["/dev/null/none"],
            ..GDB
        };
        assert_eq!(shell.absent(), Some("/dev/null/none"));
        let failure = shell.missing(Some("bookworm"));
        assert_eq!(failure.status, Status::Missing);
        assert!(failure.advice.iter().any(|line| line.contains("apt-get")));
        assert!(shell.missing(None).advice[0].starts_with("install gdb"));
    }
}
