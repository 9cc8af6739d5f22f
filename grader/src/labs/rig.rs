//! What is built around a student's file: the explorer and the kernel, each with the solution in it.
//!
//! The file itself is the root of a crate, so the compiler's messages and the explorer's lines name the file that
//! the student edits. It depends on the crate `lab` alone. All else is compiled once, by cargo, and shared by all
//! solutions ([`shared`]); the file and the two programs are compiled by the compiler alone, which is confined
//! ([`compiler`]).
//!
//! What was built lies under a digest of all that it was built from, and comes there whole or not at all.

mod compiler;
pub mod record;
mod shared;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandbox::Limit;
use sha2::{Digest, Sha256};

use super::{Lab, rules};
use crate::status::{Doing, Failure, Status};
use compiler::{Compiler, Source};
pub use shared::{Set, Shared, Side};

/// The packages of a rig.
const PACKAGES: [&str; 3] = ["student", "explore", "machine"];
/// So many of each are kept: a person goes back to what was there before.
const KEPT: usize = 3;

/// A student's file, and what is built around it.
#[derive(Debug)]
pub struct Rig {
    shared: Arc<Shared>,
    lab: Lab,
    file: PathBuf,
    source: Vec<u8>,
    /// Where what was built is kept.
    folder: PathBuf,
    used: Mutex<Used>,
    /// Whether it is built only to see whether the host can build.
    control: bool,
}

/// What compiling took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// CPU time.
    pub cpu: Duration,
    /// The most memory that was seen in use, in bytes.
    pub memory: u64,
}

/// Why nothing was built.
#[derive(Debug)]
pub enum NotBuilt {
    /// The solution does not compile: the compiler's messages.
    Compiler(String),
    /// Compiling it takes too much of this.
    Limit(Limit),
    /// The host failed.
    Host(Failure),
}

impl From<Failure> for NotBuilt {
    fn from(failure: Failure) -> Self {
        NotBuilt::Host(failure)
    }
}

impl Rig {
    /// Reads `file`, a solution of `lab`; what is built is what it says now. Rigs of different `slot`s can be used at
    /// once.
    ///
    /// # Errors
    /// [`Status::Usage`] if it cannot be read.
    pub fn new(shared: &Arc<Shared>, lab: &Lab, file: &Path, slot: &str) -> Result<Self, Failure> {
        let folder = shared.workspace.target.join("labs").join(slot);
        let source = read(file).map_err(|failure| Failure {
            status: Status::Usage,
            ..failure
        })?;
        Ok(Rig {
            shared: shared.clone(),
            lab: lab.clone(),
            file: file.to_path_buf(),
            source,
            folder,
            used: Mutex::default(),
            control: false,
        })
    }

    /// The file, as it was read.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// What compiling has taken so far: all CPU time, and the most memory of any call.
    #[must_use]
    pub fn used(&self) -> Used {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compiles the solution, and both programs with it: some mistakes show only there.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn check(&self) -> Result<(), NotBuilt> {
        self.explorer()?;
        self.kernel().map(drop)
    }

    /// Builds the explorer with the solution in it; where it is.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn explorer(&self) -> Result<PathBuf, NotBuilt> {
        self.program(Side::Host)
    }

    /// Builds the kernel with the solution in it; where it is.
    ///
    /// # Errors
    /// [`NotBuilt`].
    pub fn kernel(&self) -> Result<PathBuf, NotBuilt> {
        self.program(Side::Machine)
    }

    fn student(&self, side: Side, set: &Set) -> Result<PathBuf, NotBuilt> {
        let source = Source {
            text: &self.source,
            shown: &self.file,
        };
        let name = format!("libstudent-{}", side.name());
        let made = self.made(&name, ".rlib", &source, set, |compiler| {
            compiler.run(&set.student, &source, None, "libstudent.rlib")
        });
        if let Err(NotBuilt::Compiler(_) | NotBuilt::Limit(Limit::Cpu)) = made {
            self.host_builds(|control| control.student(side, set).map(drop))?;
        }
        made
    }

    fn program(&self, side: Side) -> Result<PathBuf, NotBuilt> {
        let set = self.shared.set(side)?;
        let student = self.student(side, &set)?;
        let root = &self.shared.workspace.root;
        let template = root.join("labs/rig").join(format!("{}.rs", side.name()));
        let text = fs::read_to_string(&template).doing("reading", &template)?;
        let text = text.replace("MODULE", self.lab.module.as_deref().unwrap_or_default());
        let source = Source {
            text: text.as_bytes(),
            shown: &template,
        };
        let made = self.made(side.name(), "", &source, &set, |compiler| {
            compiler.run(&set.program, &source, Some(&student), side.name())
        });
        if let Err(NotBuilt::Compiler(_) | NotBuilt::Limit(Limit::Cpu)) = made {
            self.host_builds(|control| control.program(side).map(drop))?;
        }
        made
    }

    /// What was made of `source` and the student's file before, or else is made now by `make`.
    fn made(
        &self,
        name: &str,
        end: &str,
        source: &Source,
        set: &Set,
        make: impl FnOnce(&Compiler) -> (Result<PathBuf, NotBuilt>, Used),
    ) -> Result<PathBuf, NotBuilt> {
        let mut sum = Sha256::new();
        for part in [
            self.file.as_os_str().as_encoded_bytes(),
            set.digest.as_bytes(),
            &self.source,
            source.text,
        ] {
            sum.update(part.len().to_le_bytes());
            sum.update(part);
        }
        let digest = shared::hexadecimal(&sum.finalize());
        let place = self.folder.join(format!("{name}-{digest}{end}"));
        if place.exists() {
            return Ok(place);
        }
        let _alone = self.alone()?;
        let compiler = Compiler::new(&self.shared, &self.folder)?;
        let (built, used) = make(&compiler);
        self.add(used);
        if matches!(built, Err(NotBuilt::Compiler(_))) && !set.is_current() {
            return Err(Failure::host("the kit was changed while this was built").into());
        }
        let built = built?;
        fs::rename(&built, &place).doing("writing", &place)?;
        self.forget(name, end);
        Ok(place)
    }

    /// Waits until nobody builds in this slot, and removes what one who was killed left there.
    fn alone(&self) -> Result<File, Failure> {
        fs::create_dir_all(&self.folder).doing("creating", &self.folder)?;
        let place = self.folder.join("lock");
        let lock = File::create(&place).doing("opening", &place)?;
        lock.lock().doing("locking", &place)?;
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(compiler::PREFIX) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(lock)
    }

    fn add(&self, used: Used) {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        all.cpu += used.cpu;
        all.memory = all.memory.max(used.memory);
    }

    /// Before the compiler's word is taken for the solution's fault: a host whose linker is gone or whose disk is
    /// full cannot build the starter either, and one that is slow takes long for it as well.
    fn host_builds(&self, build: impl FnOnce(&Rig) -> Result<(), NotBuilt>) -> Result<(), Failure> {
        if self.control {
            return Ok(());
        }
        let _alone = self.alone()?;
        let folder = compiler::folder(&self.folder)?;
        let file = self.lab.path(&self.shared.workspace).join("starter.rs");
        let control = Rig {
            shared: self.shared.clone(),
            lab: self.lab.clone(),
            source: read(&file)?,
            file,
            folder: folder.path().to_path_buf(),
            used: Mutex::default(),
            control: true,
        };
        let said = match build(&control) {
            Ok(()) if control.used().cpu < compiler::SLOW => return Ok(()),
            Ok(()) => format!("it takes {} s", control.used().cpu.as_secs()),
            Err(NotBuilt::Host(failure)) => return Err(failure),
            Err(NotBuilt::Limit(limit)) => format!("it takes too much {}", limit.name()),
            Err(NotBuilt::Compiler(said)) => said,
        };
        Err(Failure::host("this host does not build the lab's own starter").advise(said))
    }

    /// Removes all but the last few of that name.
    fn forget(&self, name: &str, end: &str) {
        let ours = |path: &Path| {
            let file = path.file_name().and_then(|file| file.to_str());
            let digest = file.and_then(|file| {
                let rest = file.strip_prefix(name)?.strip_prefix('-')?;
                rest.strip_suffix(end)
            });
            digest.is_some_and(|digest| digest.len() == 32)
        };
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut made: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| ours(path))
            .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        made.sort();
        for (_, path) in made.iter().rev().skip(KEPT) {
            let _ = fs::remove_file(path);
        }
    }
}

/// A source file's bytes, up to more than any that the rules let pass.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let is_file = fs::metadata(file).doing("reading", file)?.is_file();
    if !is_file {
        return Err(Failure::host(format!(
            "{}: a file was expected",
            file.display()
        )));
    }
    let mut bytes = Vec::new();
    let open = File::open(file).doing("reading", file)?;
    let most = rules::LONGEST as u64 + 1;
    open.take(most)
        .read_to_end(&mut bytes)
        .doing("reading", file)?;
    Ok(bytes)
}
