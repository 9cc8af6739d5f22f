//! What is built around a student's file: the explorer and the kernel, each with the solution in it.
//!
//! The file itself is the root of a crate, so the compiler's messages and the explorer's lines name the file that
//! the student edits. It depends on the crate `lab` alone. All else is compiled once, and shared by all
//! solutions.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Lab;
use crate::kernel::TARGET;
use crate::setup::{self, Policy};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// The packages of a rig.
const PACKAGES: [&str; 3] = ["student", "explore", "machine"];

/// A workspace around one file.
#[derive(Clone, Debug)]
pub struct Rig {
    workspace: Workspace,
    folder: PathBuf,
    slot: String,
}

/// Why nothing was built.
#[derive(Debug)]
pub enum NotBuilt {
    /// The solution does not compile: the compiler's messages.
    Compiler(String),
    /// The host failed.
    Host(Failure),
}

impl From<Failure> for NotBuilt {
    fn from(failure: Failure) -> Self {
        NotBuilt::Host(failure)
    }
}

impl Rig {
    /// Prepares a rig for `file`, a solution of `lab`. Rigs of different `slot`s can be used at once.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if a file cannot be written.
    pub fn new(workspace: &Workspace, lab: &Lab, file: &Path, slot: &str) -> Result<Self, Failure> {
        let rig = Rig {
            workspace: workspace.clone(),
            folder: workspace.target.join("labs").join(slot),
            slot: slot.to_owned(),
        };
        rig.write("Cargo.toml", &rig.root_manifest()?)?;
        let lock = workspace.root.join("Cargo.lock");
        let lock = fs::read_to_string(&lock).doing("reading", &lock)?;
        if !rig.folder.join("Cargo.lock").exists() {
            rig.write("Cargo.lock", &lock)?;
        }
        rig.write("student/Cargo.toml", &rig.student(file))?;
        for (package, dependencies) in [
            ("explore", &["explorer", "lab", "shootdown"][..]),
            ("machine", &["hw", "kernel", "lab"][..]),
        ] {
            rig.write(
                &format!("{package}/Cargo.toml"),
                &rig.program(package, dependencies),
            )?;
            let template = workspace
                .root
                .join("labs/rig")
                .join(package)
                .with_extension("rs");
            let source = fs::read_to_string(&template).doing("reading", &template)?;
            rig.write(
                &format!("{package}/src/main.rs"),
                &source.replace("MODULE", lab.module.as_deref().unwrap_or_default()),
            )?;
        }
        let script = format!(
            "fn main() {{\n    println!(\"cargo::rustc-link-arg-bins=-T{}\");\n    \
             println!(\"cargo::rustc-link-arg-bins=-n\");\n}}\n",
            workspace.root.join("kernel/link.ld").display()
        );
        rig.write("machine/build.rs", &script)?;
        Ok(rig)
    }

    /// Compiles the solution alone.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn check(&self) -> Result<(), NotBuilt> {
        self.cargo("check", "student", &[])
    }

    /// Builds the explorer with the solution in it; where it is.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn explorer(&self) -> Result<PathBuf, NotBuilt> {
        self.cargo("build", "explore", &[])?;
        Ok(self.target().join("debug").join(self.name("explore")))
    }

    /// Builds the kernel with the solution in it; where it is.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn kernel(&self) -> Result<PathBuf, NotBuilt> {
        self.cargo("build", "machine", &["--release", "--target", TARGET])?;
        let folder = self.target().join(TARGET).join("release");
        Ok(folder.join(self.name("machine")))
    }

    /// Shared by all rigs: whatever does not depend on the solution is compiled once.
    fn target(&self) -> PathBuf {
        self.workspace.target.join("labs/build")
    }

    /// A program's name, its own in the shared target folder.
    fn name(&self, package: &str) -> String {
        format!("{package}-{}", self.slot)
    }

    fn cargo(&self, what: &str, package: &str, arguments: &[&str]) -> Result<(), NotBuilt> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.folder).stdin(Stdio::null());
        // The host's flags would replace the ones the kernel is linked with.
        command
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        command.args([
            what,
            "--quiet",
            "--offline",
            "--package",
            &self.name(package),
        ]);
        command.arg("--config");
        command.arg(self.workspace.root.join(".cargo/config.toml"));
        command.arg("--target-dir").arg(self.target());
        command.args(arguments);
        if arguments.contains(&TARGET) {
            setup::toolchain(&self.workspace, Policy::Install)?.apply(&mut command);
        }
        let output = command
            .output()
            .map_err(|error| Failure::host(format!("starting cargo: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(NotBuilt::Compiler(said))
    }

    /// Writes a file of the rig, unless it is so already: Cargo goes by the time of the last change.
    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).doing("creating", folder)?;
        }
        fs::write(&path, text).doing("writing", &path)
    }

    /// The workspace: its packages, and the kit's own profiles.
    fn root_manifest(&self) -> Result<String, Failure> {
        let path = self.workspace.root.join("Cargo.toml");
        let kit = fs::read_to_string(&path).doing("reading", &path)?;
        let profiles = kit.find("[profile.").map_or("", |start| &kit[start..]);
        Ok(format!(
            "[workspace]\nresolver = \"3\"\nmembers = {PACKAGES:?}\n\n{profiles}"
        ))
    }

    fn student(&self, file: &Path) -> String {
        format!(
            "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [lib]\nname = \"student\"\npath = {}\ndoctest = false\n\n\
             [dependencies]\n{}",
            self.name("student"),
            quoted(file.as_os_str()),
            self.dependency("lab")
        )
    }

    fn program(&self, package: &str, dependencies: &[&str]) -> String {
        let mut text = format!(
            "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n",
            self.name(package)
        );
        for name in dependencies {
            text.push_str(&self.dependency(name));
        }
        text.push_str(&format!(
            "student = {{ path = \"../student\", package = \"{}\" }}\n",
            self.name("student")
        ));
        text
    }

    fn dependency(&self, name: &str) -> String {
        let folder = match name {
            "explorer" => "grader/explorer",
            "hw" => "kernel/hw",
            "kernel" => "kernel",
            "lab" => "labs/lab",
            _ => "kernel/shootdown",
        };
        let path = self.workspace.root.join(folder);
        format!("{name} = {{ path = {} }}\n", quoted(path.as_os_str()))
    }
}

/// A path as a TOML string.
fn quoted(path: &OsStr) -> String {
    toml::Value::String(path.to_string_lossy().into_owned()).to_string()
}
