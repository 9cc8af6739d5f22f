//! What all rigs share: the kit's own crates, built by cargo, once.
//!
//! Cargo builds two programs around a student's file that does nothing. What they are linked with is what every
//! solution is linked with, and how the compiler was called for them is how it is called for every solution.

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use sandbox::Layers;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::PACKAGES;
use super::record::{RECORD, Recorded, hash};
use crate::kernel::{TARGET, persist};
use crate::setup::{self, Policy};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// For whom something is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The explorer, on this host.
    Host,
    /// The kernel.
    Machine,
}

/// A program with a solution in it.
struct Program {
    package: &'static str,
    /// The packages that it depends on, by their folders.
    dependencies: &'static [(&'static str, &'static str)],
    /// Its source without a solution.
    stub: &'static str,
}

impl Side {
    fn program(self) -> &'static Program {
        match self {
            Side::Host => &Program {
                package: "explore",
                dependencies: &[
                    ("explorer", "grader/explorer"),
                    ("lab", "labs/lab"),
                    ("shootdown", "kernel/shootdown"),
                ],
                stub: "fn main() {}\n",
            },
            Side::Machine => &Program {
                package: "machine",
                dependencies: &[
                    ("hw", "kernel/hw"),
                    ("kernel", "kernel"),
                    ("lab", "labs/lab"),
                ],
                stub: "#![no_std]\n#![no_main]\n\
                    hw::entry_point!(|boot| kernel::boot::run(boot, &[]));\n",
            },
        }
    }

    /// Its program's name, which is its template's in `labs/rig/` as well.
    pub fn name(self) -> &'static str {
        self.program().package
    }
}

/// The shared part for one side, as it lies there now.
#[derive(Debug)]
pub struct Set {
    /// How the compiler is called for a student's file.
    pub student: Recorded,
    /// And for the program around it.
    pub program: Recorded,
    /// A digest of both, and of the libraries' names, sizes and times of change.
    pub digest: String,
}

impl Set {
    fn new(student: Recorded, program: Recorded) -> Result<Set, Failure> {
        let digest = digest(&student, &program)?;
        Ok(Set {
            student,
            program,
            digest,
        })
    }

    /// Whether the libraries are those that it was made of.
    pub fn is_current(&self) -> bool {
        digest(&self.student, &self.program).is_ok_and(|digest| digest == self.digest)
    }
}

fn digest(student: &Recorded, program: &Recorded) -> Result<String, Failure> {
    let mut sum = Sha256::new();
    for recorded in [student, program] {
        sum.update(format!("{recorded:?}"));
        for folder in recorded.libraries() {
            let entries = fs::read_dir(folder).doing("reading", folder)?;
            let mut names: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            names.retain(|path| path.extension().is_some_and(|end| end == "rlib"));
            names.sort();
            for path in names {
                let data = fs::metadata(&path).doing("reading", &path)?;
                sum.update(format!(
                    "{path:?} {} {:?}",
                    data.len(),
                    data.modified().ok()
                ));
            }
        }
    }
    Ok(hexadecimal(&sum.finalize()))
}

/// The first 16 bytes of a digest.
pub fn hexadecimal(digest: &[u8]) -> String {
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What all rigs of one process share. What it has found to be built it does not look at again.
#[derive(Debug)]
pub struct Shared {
    /// The kit's tree.
    pub workspace: Workspace,
    /// The program `kit`, which confines the compiler.
    pub kit: PathBuf,
    layers: OnceLock<Layers>,
    sets: [Mutex<Option<Arc<Set>>>; 2],
}

impl Shared {
    /// Nothing is built yet. `kit` is the program that confines the compiler, and starts machines.
    #[must_use]
    pub fn new(workspace: &Workspace, kit: &Path) -> Arc<Shared> {
        Arc::new(Shared {
            workspace: workspace.clone(),
            kit: kit.to_path_buf(),
            layers: OnceLock::new(),
            sets: [Mutex::new(None), Mutex::new(None)],
        })
    }

    /// The same, of this program, which is `kit`.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if the system does not say where it is.
    pub fn of_this_program(workspace: &Workspace) -> Result<Arc<Shared>, Failure> {
        let kit = env::current_exe()
            .map_err(|error| Failure::host(format!("finding kit itself: {error}")))?;
        Ok(Shared::new(workspace, &kit))
    }

    /// What this host has to confine programs with.
    pub fn layers(&self) -> Layers {
        *self.layers.get_or_init(|| Layers::of_this_host(&self.kit))
    }

    /// The shared part for `side`, built if it is not up to date.
    ///
    /// # Errors
    /// [`crate::status::Status::Host`] if it does not build.
    pub fn set(&self, side: Side) -> Result<Arc<Set>, Failure> {
        let mut kept = self.sets[side as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = &*kept {
            return Ok(set.clone());
        }
        // Others that are started at the same time find it built.
        let place = self.folder().join("lock");
        fs::create_dir_all(self.folder()).doing("creating", &self.folder())?;
        let lock = File::create(&place).doing("opening", &place)?;
        lock.lock().doing("locking", &place)?;
        self.write_stubs()?;
        let set = Arc::new(self.built(side)?);
        *kept = Some(set.clone());
        Ok(set)
    }

    fn built(&self, side: Side) -> Result<Set, Failure> {
        let notes = self.folder().join("calls");
        let noted = |stub: &str| {
            let student = Recorded::read(&notes, "student", stub)?;
            Some((student, Recorded::read(&notes, side.name(), stub)?))
        };
        let stub = self.cargo(side, &notes)?;
        let found = match noted(&stub) {
            Some(found) => Some(found),
            // Somebody removed the notes: what is built must be built once more.
            None => {
                for package in ["student/src/lib.rs".into(), main_of(side)] {
                    let path = self.folder().join(package);
                    let file = File::options().append(true).open(&path);
                    file.and_then(|file| file.set_modified(SystemTime::now()))
                        .doing("touching", &path)?;
                }
                noted(&self.cargo(side, &notes)?)
            }
        };
        let (student, program) = found
            .ok_or_else(|| Failure::host("cargo did not start the compiler that it was told to"))?;
        Set::new(student, program)
    }

    /// Has cargo build the stub, and with it all that solutions are linked with; the stub's hash.
    fn cargo(&self, side: Side, notes: &Path) -> Result<String, Failure> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = self.workspace.target.join("labs/build");
        if !build.exists() {
            // Who has built nothing but kit has not the kernel's crates. Without a network the build says what is missing.
            let mut fetch = Command::new(&cargo);
            fetch.args(["fetch", "--quiet", "--locked"]);
            fetch.current_dir(&self.workspace.root).stdin(Stdio::null());
            let _ = fetch.status();
        }
        let mut command = Command::new(cargo);
        command.current_dir(self.folder()).stdin(Stdio::null());
        // The host's flags would replace the ones the kernel is linked with.
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
        ] {
            command.env_remove(name);
        }
        command.env("RUSTC_WRAPPER", &self.kit).env(RECORD, notes);
        command.args(["build", "--quiet", "--offline", "--package", side.name()]);
        command.args(["--message-format", "json-render-diagnostics"]);
        command.arg("--config");
        command.arg(self.workspace.root.join(".cargo/config.toml"));
        command.arg("--target-dir");
        command.arg(build);
        if side == Side::Machine {
            command.args(["--release", "--target", TARGET]);
            setup::toolchain(&self.workspace, Policy::Install)?.apply(&mut command);
        }
        let output = command
            .output()
            .map_err(|error| Failure::host(format!("starting cargo: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::host("what all solutions share does not build").advise(said));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines().find_map(stub_of).ok_or_else(|| {
            Failure::host("cargo does not say what it built for the package `student`")
        })
    }

    fn folder(&self) -> PathBuf {
        self.workspace.target.join("labs/shared")
    }

    fn write_stubs(&self) -> Result<(), Failure> {
        self.write("Cargo.toml", &self.root_manifest()?)?;
        // Cargo leaves out of it what is not needed here, so it is compared with what it was made from.
        let lock = self.workspace.root.join("Cargo.lock");
        let lock = fs::read_to_string(&lock).doing("reading", &lock)?;
        if self.write("Cargo.lock.kit", &lock)? || !self.folder().join("Cargo.lock").exists() {
            self.write("Cargo.lock", &lock)?;
        }
        let lab = [("lab", "labs/lab")];
        self.write("student/Cargo.toml", &self.manifest("student", &lab))?;
        self.write("student/src/lib.rs", "#![no_std]\n")?;
        for side in [Side::Host, Side::Machine] {
            let program = side.program();
            let mut manifest = self.manifest(program.package, program.dependencies);
            manifest.push_str("student = { path = \"../student\" }\n");
            self.write(&format!("{}/Cargo.toml", program.package), &manifest)?;
            self.write(&main_of(side), program.stub)?;
        }
        let script = format!(
            "fn main() {{\n    println!(\"cargo::rustc-link-arg-bins=-T{}\");\n    \
             println!(\"cargo::rustc-link-arg-bins=-n\");\n}}\n",
            self.link_script().display()
        );
        self.write("machine/build.rs", &script).map(drop)
    }

    /// How the kernel is linked.
    pub fn link_script(&self) -> PathBuf {
        self.workspace.root.join("kernel/link.ld")
    }

    /// Writes a file, unless it is so already: cargo goes by the time of the last change. Whether it was written.
    fn write(&self, name: &str, text: &str) -> Result<bool, Failure> {
        let path = self.folder().join(name);
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            return Ok(false);
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).doing("creating", folder)?;
        let mut file = NamedTempFile::new_in(folder).doing("writing", &path)?;
        file.write_all(text.as_bytes()).doing("writing", &path)?;
        persist(file, &path).map(|()| true)
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

    fn manifest(&self, package: &str, dependencies: &[(&str, &str)]) -> String {
        let mut text = format!(
            "[package]\nname = \"{package}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n"
        );
        for (name, folder) in dependencies {
            let path = self.workspace.root.join(folder);
            let path = toml::Value::String(path.to_string_lossy().into_owned());
            text.push_str(&format!("{name} = {{ path = {path} }}\n"));
        }
        text
    }
}

fn main_of(side: Side) -> String {
    format!("{}/src/main.rs", side.name())
}

/// The hash in the stub's name, if this line of cargo's is the one that names it.
fn stub_of(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_student =
        message["reason"] == "compiler-artifact" && message["target"]["name"] == "student";
    let files = message["filenames"].as_array().filter(|_| is_student)?;
    let mut names = files
        .iter()
        .filter_map(|file| hash(Path::new(file.as_str()?)));
    names.find(|name| name.starts_with('-')).map(str::to_owned)
}
