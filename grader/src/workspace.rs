//! Where the kit's sources and build output are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::status::{Doing, Failure, Status};

/// Names another folder of labs than the tree's: a copy, in which an instructor tries additions.
pub const LABS: &str = "KIT_LABS";

/// The workspace that this `kit` belongs to.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder, the one this program was built into.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the workspace: from the folder Cargo names when it runs us, else from where this program lies, else from
    /// the current folder. That comes last: it may be a submission, which may hold a tree of its own.
    ///
    /// # Errors
    /// [`Status::Usage`] when none of the three is inside the kit's tree.
    pub fn find() -> Result<Self, Failure> {
        let exe = env::current_exe().ok();
        let starts = [
            env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            exe.clone(),
            env::current_dir().ok(),
        ];
        let root = starts
            .iter()
            .flatten()
            .find_map(|start| start.ancestors().find(|dir| is_root(dir)));
        let Some(root) = root.map(Path::to_path_buf) else {
            return Err(
                Failure::new(Status::Usage, "the kit's sources are not here")
                    .advise("run kit from inside its tree, for example as `cargo kit`"),
            );
        };
        let target = exe
            .as_deref()
            .and_then(target_of)
            .unwrap_or_else(|| root.join("target"));
        Ok(Self { root, target })
    }

    /// The folder of the labs and their manifest: the one that [`LABS`] names, or else the tree's. The crates of the labs
    /// are the tree's in any case.
    #[must_use]
    pub fn labs(&self) -> PathBuf {
        match env::var_os(LABS).filter(|folder| !folder.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => self.root.join("labs"),
        }
    }

    /// The folder for kit's own files: logs, stamps, temporary initrds. It exists afterwards.
    ///
    /// # Errors
    /// [`Status::Host`] when it cannot be made.
    pub fn own_dir(&self) -> Result<PathBuf, Failure> {
        let dir = self.target.join("kit");
        fs::create_dir_all(&dir).doing("creating", &dir)?;
        Ok(dir)
    }
}

fn is_root(dir: &Path) -> bool {
    dir.join("Cargo.toml").is_file()
        && dir.join("kernel/shootdown").is_dir()
        && dir.join("grader").is_dir()
}

/// The target folder that contains `exe`: Cargo marks it with a `CACHEDIR.TAG`.
fn target_of(exe: &Path) -> Option<PathBuf> {
    exe.ancestors()
        .skip(1)
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .map(Path::to_path_buf)
}
