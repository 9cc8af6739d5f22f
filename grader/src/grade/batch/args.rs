//! The command line of a batch.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::{Batch, From, GradeOne, Job, Show, Spawn, Stop, batch};
use crate::grade::digest;
use crate::kernel::Kernel;
use crate::labs::Manifest;
use crate::labs::rig::{Shared, Side};
use crate::options::ProfileChoice;
use crate::run;
use crate::setup::{self, Policy};
use crate::status::Failure;
use crate::workspace::Workspace;

/// How long a child may take, far beyond what its own limits allow.
const LIMIT: Duration = Duration::from_secs(3600);

/// Arguments of `kit grade` for many submissions, or for one that is a folder or an archive.
#[derive(Args, Clone, Debug)]
pub struct BatchArgs {
    /// Grade each folder, archive and file in DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "name", "report"], requires = "out")]
    pub batch: Option<PathBuf>,

    /// Where the results of a batch go, or of a submission that is a folder or an archive; what is there is kept
    #[arg(long, value_name = "OUT", conflicts_with_all = ["name", "report"])]
    pub out: Option<PathBuf>,

    /// With --out: grade N at once; else one for each core
    #[arg(short, long, value_name = "N", requires = "out")]
    pub jobs: Option<NonZeroUsize>,
}

impl BatchArgs {
    /// Does what they say, if they ask for a batch: of `file` if there is one. A child grades, with `words`.
    ///
    /// # Errors
    /// As [`batch`].
    pub fn run(
        &self,
        file: Option<&Path>,
        labs: &[u8],
        json: bool,
        words: &[&str],
    ) -> Result<Option<run::Outcome>, Failure> {
        let Some(out) = &self.out else {
            return Ok(None);
        };
        let from = match (&self.batch, file) {
            (Some(folder), _) => From::Each(folder.clone()),
            (None, Some(file)) => From::One(file.to_path_buf()),
            (None, None) => return Ok(None),
        };
        let workspace = Workspace::find()?;
        let manifest = Manifest::read(&workspace)?;
        let cores = || thread::available_parallelism().ok();
        let asked = Batch {
            from,
            labs: labs.to_vec(),
            jobs: self.jobs.or_else(cores).map_or(1, NonZeroUsize::get),
            out: out.clone(),
            show: if json { Show::Json } else { Show::Text },
            kit: digest::of_kit(&workspace)?,
        };
        let kit = std::env::current_exe()
            .map_err(|error| Failure::host(format!("finding kit itself: {error}")))?;
        let kit = Kit {
            manifest: &manifest,
            shared: Shared::new(&workspace, &kit),
            spawn: Spawn {
                kit: kit.clone(),
                program: kit,
                words: words.iter().map(Into::into).collect(),
                limit: LIMIT,
            },
        };
        batch(&asked, &workspace, &manifest, &kit).map(Some)
    }
}

/// Children of this program, which find what all solutions share built.
struct Kit<'m> {
    manifest: &'m Manifest,
    shared: Arc<Shared>,
    spawn: Spawn,
}

impl GradeOne for Kit<'_> {
    fn prepare(&self, jobs: &[Job]) -> Result<(), Failure> {
        self.shared.set(Side::Host)?;
        self.shared.set(Side::Machine)?;
        // Scripts run on the kit's own kernel.
        let script = |job: &Job| {
            let lab = self.manifest.lab(job.lab);
            lab.is_ok_and(|lab| lab.module.is_none())
        };
        if !jobs.iter().any(script) {
            return Ok(());
        }
        let workspace = &self.shared.workspace;
        let toolchain = setup::toolchain(workspace, Policy::Install)?;
        Kernel::build(workspace, &toolchain, ProfileChoice::default()).map(drop)
    }

    fn grade(&self, job: &Job, stop: &Stop) -> Result<(), Failure> {
        self.spawn.grade(job, stop)
    }
}
