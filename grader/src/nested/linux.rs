//! Debian's Linux with KVM for AMD's processors, a shell for it, and what QEMU needs of this host to run in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::setup::{depends_on, download};
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// The package that names the newest Linux for virtual machines: the smallest with KVM.
const NEWEST: &str = "linux-image-cloud-amd64";
/// A shell and its tools that need no library.
const SHELL: &str = "busybox-static";
/// The modules, in the order in which they need each other: the disk's, and KVM's.
const MODULES: [&str; 9] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "virtio_blk",
    "irqbypass",
    "kvm",
    "kvm-amd",
];
/// What QEMU reads besides its libraries, from its data folders.
const DATA: [&str; 4] = ["qboot.rom", "kvmvapic.bin", "pvh.bin", "linuxboot_dma.bin"];

/// A Linux, unpacked.
#[derive(Clone, Debug)]
pub struct Linux {
    /// Its release, such as `6.1.0-57-cloud-amd64`.
    pub release: String,
    /// The kernel.
    pub kernel: PathBuf,
    /// The modules, in the order in which they are to be loaded.
    pub modules: Vec<PathBuf>,
    /// The shell.
    pub busybox: PathBuf,
}

impl Linux {
    /// The one that was fetched before, or one that is fetched now.
    ///
    /// # Errors
    /// [`Status::Missing`] where Debian's packages cannot be had.
    pub fn get(workspace: &Workspace) -> Result<Self, Failure> {
        let place = workspace.own_dir()?.join("linux");
        if !place.is_dir() {
            fetch(workspace, &place)?;
        }
        Self::in_folder(&place).ok_or_else(|| {
            Failure::new(
                Status::Missing,
                format!(
                    "{} has no Linux with the modules for KVM on AMD's processors",
                    place.display()
                ),
            )
            .advise("delete it: it is then fetched again")
        })
    }

    fn in_folder(place: &Path) -> Option<Self> {
        let mut files = Vec::new();
        list(place, &mut files);
        let kernel = files.iter().find(|file| {
            file.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        })?;
        let release = kernel.file_name()?.to_str()?.strip_prefix("vmlinuz-")?;
        let find = |name: &str| files.iter().find(|file| file.ends_with(name)).cloned();
        Some(Self {
            release: release.to_owned(),
            kernel: kernel.clone(),
            modules: MODULES
                .iter()
                .map(|name| find(&format!("{name}.ko")))
                .collect::<Option<_>>()?,
            busybox: find("bin/busybox")?,
        })
    }

    /// What the first process executes before anything else.
    pub fn start_script(&self) -> String {
        let mut script = "#!/bin/busybox sh\n\
                          /bin/busybox mount -t proc none /proc\n\
                          /bin/busybox mount -t sysfs none /sys\n\
                          /bin/busybox mount -t devtmpfs none /dev\n"
            .to_owned();
        for name in MODULES {
            script += &format!("/bin/busybox insmod /modules/{name}.ko\n");
        }
        script
    }
}

/// Fetches and unpacks into `place`, which is there only if all of it is.
fn fetch(workspace: &Workspace, place: &Path) -> Result<(), Failure> {
    let making = |error: std::io::Error| Failure::host(format!("making a folder: {error}"));
    let folder = tempfile::Builder::new()
        .prefix("fetch-")
        .tempdir_in(workspace.own_dir()?)
        .map_err(making)?;
    let unpacked = folder.path().join("unpacked");
    // The index may not be there yet: fetching the shell first sees to that.
    for package in [SHELL, NEWEST] {
        let name = match package {
            NEWEST => depends_on(NEWEST, "linux-image-")?,
            other => other.to_owned(),
        };
        let file = download(workspace, &name, folder.path())?;
        let status = Command::new("dpkg-deb")
            .arg("-x")
            .args([&file, &unpacked])
            .stdin(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Failure::host(format!("unpacking {}", file.display())));
        }
    }
    match fs::rename(&unpacked, place) {
        // Another process was quicker.
        Err(_) if place.is_dir() => Ok(()),
        other => other.doing("making", place),
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}

/// The program `qemu`, its libraries, and its data, by the names under which it looks for them.
///
/// # Errors
/// [`Status::Host`] where `ldd` or QEMU itself does not tell.
pub fn files_of(qemu: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = vec![qemu.to_path_buf()];
    files.extend(libraries(&output("ldd", Command::new("ldd").arg(qemu))?));
    let folders = output("qemu -L help", Command::new(qemu).args(["-L", "help"]))?;
    for name in DATA {
        let found = folders
            .lines()
            .map(|folder| Path::new(folder.trim()).join(name))
            .find(|file| file.is_file());
        files.extend(found);
    }
    Ok(files)
}

fn output(what: &str, command: &mut Command) -> Result<String, Failure> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(Failure::host(format!("`{what}`: {}", why.trim())))
        }
        Err(error) => Err(Failure::host(format!("`{what}`: {error}"))),
    }
}

/// The files that `ldd` names: `NAME => FILE (0x…)`, or the loader itself, `FILE (0x…)`.
fn libraries(text: &str) -> Vec<PathBuf> {
    let words = text.split_whitespace();
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_without_which_nothing_starts() {
        let text =
            "\tlinux-vdso.so.1 (0x0)\n\tlibz.so.1 => /lib/libz.so.1 (0x1)\n\t/lib64/ld.so (0x2)\n";
        let expected: Vec<PathBuf> = ["/lib/libz.so.1", "/lib64/ld.so"].map(PathBuf::from).into();
        assert_eq!(libraries(text), expected);
    }
}
