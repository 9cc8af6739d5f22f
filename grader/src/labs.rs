//! The labs: what there is, by `labs/manifest.toml`.

pub mod answer;
pub mod answers;
pub mod check;
pub mod command;
pub mod court;
mod progress;
pub mod rig;
pub mod rules;
mod see;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use answers::Starter;
use explorer::Answerer;
use rig::{NotBuilt, Rig, Shared};

use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

/// The manifest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Whether the tree is the students', as `kit handout` writes it: without solutions, and hidden checks.
    #[serde(default)]
    pub handout: bool,
    /// The labs, in the order of their numbers.
    #[serde(rename = "lab")]
    pub labs: Vec<Lab>,
}

/// A lab.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lab {
    /// By which people ask for it.
    pub number: u8,
    /// Where it is, in `labs/`.
    pub folder: String,
    /// Its name.
    pub title: String,
    /// What one writes, in a phrase.
    pub summary: String,
    /// The module of the crate `lab` that it is written against; none of a script.
    pub module: Option<String>,
    /// The protocol that `--lab` boots where solutions are scripts, in the lab's folder, and the lab that it is a
    /// solution of.
    pub case: Option<(String, u8)>,
    /// How long it takes, about.
    pub minutes: u32,
    /// What the hidden checks are worth that are not in the students' tree.
    #[serde(default)]
    pub elsewhere: u32,
    /// What is checked, in this order.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
    /// Solutions that must fail.
    #[serde(rename = "wrong", default)]
    pub wrongs: Vec<Wrong>,
}

/// What is checked of a solution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// By which others depend on it.
    pub id: String,
    /// How it is checked.
    pub kind: Kind,
    /// The scenes of [`Kind::Explore`].
    #[serde(default)]
    pub scenes: Vec<String>,
    /// The script of [`Kind::Machine`], in the lab's folder.
    pub script: Option<String>,
    /// What [`Kind::Machine`] adds to the kernel's command line.
    #[serde(default)]
    pub words: Vec<String>,
    /// On how many CPUs [`Kind::Machine`] runs it, 2 to 64; else on four.
    pub cpus: Option<u32>,
    /// What [`Kind::Instructions`] allows, in hundredths of what the kit's own scoreboard takes, [`Kind::Costs`], in
    /// hundredths of what the best known way costs, [`Kind::Interrupts`], and [`Kind::Transfers`], in a hundred schedules.
    pub most: Option<u64>,
    /// The kernel's benchmark of [`Kind::Costs`].
    pub bench: Option<String>,
    /// The solution of [`Kind::Spares`] and [`Kind::Kills`], in `labs/`, or the kernel with it.
    pub mutant: Option<String>,
    /// The lab that it is a solution of.
    pub of: Option<u8>,
    /// What is asked by [`Kind::Answer`]: a line `# NAME: VALUE` of the solution.
    pub answer: Option<String>,
    /// The right value, or what [`answer::digest`] makes of it.
    pub is: Option<String>,
    /// The checks that must have passed before.
    #[serde(default)]
    pub depends: Vec<String>,
    /// Whether students do not get it: `kit handout` leaves it out, with its script, and grading tells them its name,
    /// its points and whether it passed.
    #[serde(default)]
    pub hidden: bool,
    /// How many points it is worth.
    pub weight: u32,
    /// What is tested.
    pub what: String,
    /// Why that matters.
    pub why: String,
    /// A hint for who fails it.
    pub hint: String,
}

/// How something is checked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The source keeps to the seam.
    Rules,
    /// It compiles.
    Compiles,
    /// No interleaving of the scenes breaks a rule.
    Explore,
    /// The script succeeds in the kernel, and the judge finds nothing.
    Machine,
    /// A shootdown of one page at three targets takes few instructions.
    Instructions,
    /// What changes cost in the kernel's benchmark `bench` is near the best known way.
    Costs,
    /// The kernel's benchmark `lazy` takes few interrupts.
    Interrupts,
    /// Few cache lines go from CPU to CPU in the scenes.
    Transfers,
    /// Of a solution that is a script: a right protocol passes it.
    Spares,
    /// A wrong one does not.
    Kills,
    /// Of a solution that is a script: a remark in it says what is right.
    Answer,
    /// Of a solution that is a script: it runs to its end.
    SeeRuns,
    /// A CPU reads through a dead translation in it.
    SeeDead,
    /// No other does.
    SeeOne,
    /// Without its faults it fails.
    SeeProof,
    /// The CPU is cured.
    SeeCure,
}

/// A solution that must fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    /// The file, in the lab's folder.
    pub file: String,
    /// The first check that fails.
    pub check: String,
    /// Words of what is then told.
    pub says: String,
}

impl Manifest {
    /// Reads the tree's.
    ///
    /// # Errors
    /// [`Status::Host`] if it cannot be read or is wrong.
    pub fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let path = workspace.labs().join("manifest.toml");
        let text = std::fs::read_to_string(&path).doing("reading", &path)?;
        let manifest: Manifest = toml::from_str(&text)
            .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
        manifest
            .sound()
            .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
        Ok(manifest)
    }

    /// Whether everything that is named exists.
    fn sound(&self) -> Result<(), String> {
        for (index, lab) in self.labs.iter().enumerate() {
            let number = lab.number;
            let before = &self.labs[..index];
            if before.iter().any(|known| known.number == number) {
                return Err(format!("two labs have the number {number}"));
            }
            if before.iter().any(|known| known.folder == lab.folder) {
                return Err(format!("two labs have the folder {}", lab.folder));
            }
            for (index, check) in lab.checks.iter().enumerate() {
                let id = &check.id;
                let before = |id: &String| lab.checks[..index].iter().any(|known| known.id == *id);
                if before(id) {
                    return Err(format!("lab {number}: two checks are called `{id}`"));
                }
                if let Some(unknown) = check.depends.iter().find(|id| !before(id)) {
                    return Err(format!(
                        "lab {number}: `{id}` depends on `{unknown}`, which does not come before it"
                    ));
                }
                let known = |scene: &String| explorer::scenes::find(scene).is_some();
                if let Some(unknown) = check.scenes.iter().find(|scene| !known(scene)) {
                    return Err(format!("lab {number}: there is no scene `{unknown}`"));
                }
                let measured = matches!(
                    check.kind,
                    Kind::Instructions | Kind::Costs | Kind::Interrupts | Kind::Transfers
                );
                if check.bench.is_some() != (check.kind == Kind::Costs) {
                    return Err(format!("lab {number}: `{id}` and its bench do not fit"));
                }
                if check.most.is_some() != measured {
                    return Err(format!("lab {number}: `{id}` and its `most` do not fit"));
                }
                let explored = matches!(check.kind, Kind::Explore | Kind::Transfers);
                if check.scenes.is_empty() == explored {
                    return Err(format!("lab {number}: `{id}` and its scenes do not fit"));
                }
                let breaks = matches!(check.kind, Kind::Spares | Kind::Kills);
                if (check.mutant.is_some(), check.of.is_some()) != (breaks, breaks) {
                    return Err(format!("lab {number}: `{id}` and its mutant do not fit"));
                }
                let asks = check.kind == Kind::Answer;
                if (check.answer.is_some(), check.is.is_some()) != (asks, asks) {
                    return Err(format!("lab {number}: `{id}` and its answer do not fit"));
                }
                if check.script.is_none() == (check.kind == Kind::Machine) {
                    return Err(format!("lab {number}: `{id}` and its script do not fit"));
                }
                let machine = check.kind == Kind::Machine;
                if check
                    .cpus
                    .is_some_and(|cpus| !machine || !(2..=64).contains(&cpus))
                {
                    return Err(format!(
                        "lab {number}: `{id}` and its cpus do not fit: a `machine` has 2 to 64"
                    ));
                }
                // Else `kit handout` would give a hidden one away, or leave out one that students need.
                let in_hidden = |script: &String| script.starts_with("hidden/");
                if check
                    .script
                    .as_ref()
                    .is_some_and(|script| in_hidden(script) != check.hidden)
                {
                    return Err(format!(
                        "lab {number}: `{id}` and its script do not fit: those of hidden checks, and no others, are in \
                         `hidden/`"
                    ));
                }
                let shows = |id: &&String| {
                    !check.hidden
                        && lab
                            .checks
                            .iter()
                            .any(|known| known.id == **id && known.hidden)
                };
                if let Some(depends) = check.depends.iter().find(shows) {
                    return Err(format!(
                        "lab {number}: `{id}` depends on `{depends}`, which is hidden: students do not have it"
                    ));
                }
            }
            for wrong in &lab.wrongs {
                if !lab.checks.iter().any(|check| check.id == wrong.check) {
                    return Err(format!("lab {number}: there is no check `{}`", wrong.check));
                }
            }
        }
        Ok(())
    }

    /// The lab of that number.
    ///
    /// # Errors
    /// [`Status::Usage`] if there is none.
    pub fn lab(&self, number: u8) -> Result<&Lab, Failure> {
        let found = self.labs.iter().find(|lab| lab.number == number);
        found.ok_or_else(|| {
            let numbers: Vec<String> = self.labs.iter().map(|lab| lab.number.to_string()).collect();
            Failure::new(Status::Usage, format!("there is no lab {number}"))
                .advise(format!("there are labs {}", numbers.join(", ")))
        })
    }
}

impl Lab {
    /// Its folder.
    #[must_use]
    pub fn path(&self, workspace: &Workspace) -> PathBuf {
        workspace.labs().join(&self.folder)
    }

    /// How its solutions' names end: they are Rust, or scripts of the shell.
    #[must_use]
    pub fn extension(&self) -> &'static str {
        if self.module.is_some() { "rs" } else { "tlb" }
    }

    /// What a student's own copy is called.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.{}", self.folder, self.extension())
    }

    /// The kit's solution: there is none in the students' tree.
    #[must_use]
    pub fn reference(&self, workspace: &Workspace) -> PathBuf {
        let name = format!("reference.{}", self.extension());
        self.path(workspace).join(name)
    }

    /// The student's own copy: there is one after `kit labs start`.
    #[must_use]
    pub fn work(&self, workspace: &Workspace) -> PathBuf {
        work(workspace).join(self.file())
    }

    /// `file`, or the student's own copy.
    ///
    /// # Errors
    /// [`Status::Usage`] if it is not there.
    pub fn solution(&self, workspace: &Workspace, file: Option<&Path>) -> Result<PathBuf, Failure> {
        if let Some(file) = file {
            return existing(file);
        }
        let work = self.work(workspace);
        if work.exists() {
            return Ok(work);
        }
        let message = format!("you have no copy of lab {} yet", self.number);
        Err(Failure::new(Status::Usage, message)
            .advise(format!("cargo kit labs start {}", self.number)))
    }

    /// Whether its solutions send by a command register of their own.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.module.as_deref() == Some("two")
    }

    /// The points that all checks are worth, those that are not here too.
    #[must_use]
    pub fn points(&self) -> u32 {
        let here: u32 = self.checks.iter().map(|check| check.weight).sum();
        here + self.elsewhere
    }
}

/// The kernel with a solution of lab `number` in it: `file`, or the student's own copy. Where it is.
///
/// # Errors
/// [`Status::Usage`] if there is no such lab or file, or the solution does not compile.
pub fn kernel(workspace: &Workspace, number: u8, file: Option<&Path>) -> Result<PathBuf, Failure> {
    let manifest = Manifest::read(workspace)?;
    let shared = Shared::of_this_program(workspace)?;
    let (lab, file, slot) = asked(workspace, &manifest, number, file)?;
    kernel_with(&shared, lab, &file, &slot)
}

/// The kernel with `file` in it, a solution of `lab`, built in the folder that `slot` names; or `file`, if it is a kernel
/// that was built before.
///
/// # Errors
/// As [`kernel`].
pub fn kernel_with(
    shared: &Arc<Shared>,
    lab: &Lab,
    file: &Path,
    slot: &str,
) -> Result<PathBuf, Failure> {
    if file.extension().is_some_and(|extension| extension == "elf") {
        return Ok(file.to_path_buf());
    }
    let rig = Rig::new(shared, lab, file, slot)?;
    rig.kernel().map_err(failure)
}

/// A solution of lab `number`, to be explored, likewise: its program is started by `starter` when it is first asked.
///
/// # Errors
/// As [`kernel`].
pub fn answerer(
    workspace: &Workspace,
    number: u8,
    file: Option<&Path>,
    starter: &Starter,
) -> Result<Answerer<'static>, Failure> {
    let manifest = Manifest::read(workspace)?;
    let shared = Shared::of_this_program(workspace)?;
    let (lab, file, slot) = asked(workspace, &manifest, number, file)?;
    let program = Rig::new(&shared, lab, &file, &slot)?.explorer();
    Ok(starter.answerer(program.map_err(failure)?, lab.sends()))
}

/// What is asked for by a lab's number and perhaps a file: the lab that it is a solution of, the file, and where to build.
fn asked<'m>(
    workspace: &Workspace,
    manifest: &'m Manifest,
    number: u8,
    file: Option<&Path>,
) -> Result<(&'m Lab, PathBuf, String), Failure> {
    let lab = manifest.lab(number)?;
    if let (Some((case, of)), None) = (&lab.case, file) {
        let case = existing(&lab.path(workspace).join(case))?;
        return Ok((manifest.lab(*of)?, case, format!("case-{number}")));
    }
    if lab.module.is_none() {
        let message = format!("lab {number} is a script: there is no code of yours in it");
        return Err(
            Failure::new(Status::Usage, message).advise(format!("cargo kit labs check {number}"))
        );
    }
    let file = lab.solution(workspace, file)?;
    Ok((lab, file, format!("lab-{number}")))
}

fn failure(why: NotBuilt) -> Failure {
    match why {
        NotBuilt::Host(failure) => failure,
        NotBuilt::Compiler(said) => {
            Failure::new(Status::Usage, "the solution does not compile").advise(said)
        }
        NotBuilt::Limit(limit) => Failure::new(Status::Usage, too_much(limit)),
    }
}

/// What is said of a solution that exhausts what compiling may take.
fn too_much(limit: sandbox::Limit) -> String {
    format!("compiling the solution takes too much {}", limit.name())
}

/// Names another folder for students' own copies than `labs/work`.
pub const WORK: &str = "KIT_LABS_WORK";

/// Where students' own copies are.
fn work(workspace: &Workspace) -> PathBuf {
    match std::env::var_os(WORK).filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => workspace.root.join("labs/work"),
    }
}

/// A file that is to be checked.
///
/// # Errors
/// [`Status::Usage`] if it is not there.
pub fn existing(file: &Path) -> Result<PathBuf, Failure> {
    file.canonicalize().map_err(|error| {
        Failure::new(
            Status::Usage,
            format!("reading {}: {error}", file.display()),
        )
    })
}
