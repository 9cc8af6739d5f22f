//! `kit handout`: writes the students' tree, and proves that nothing withheld is in it.
//!
//! What students get is a table ([`table`]); what they do not get is every other file of the labs, with what the
//! manifest says of hidden checks and wrong solutions. They run some of those all the same: as kernels
//! ([`kernels`]). After writing, every line of what is withheld is looked for in every file ([`proof`]).

pub mod kernels;
pub mod manifest;
pub mod pages;
pub mod proof;
pub mod table;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::digest::{files, read};
use crate::labs::Manifest;
use crate::mutate::page::Page;
use crate::say;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;
use proof::Withheld;

/// Arguments of `kit handout`.
#[derive(Args, Clone, Debug)]
pub struct HandoutArgs {
    /// The folder to write: a new one, or an empty one
    folder: PathBuf,
}

/// Where the manifest is, in the tree.
const MANIFEST: &str = "labs/manifest.toml";

/// What there is, and who gets it.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files that students get as they are, by their places in the tree.
    pub published: Vec<String>,
    /// Files that they do not get.
    pub withheld: Vec<String>,
}

/// Writes the students' tree.
///
/// # Errors
/// [`Status::Usage`] if the folder is not empty; [`Status::CommandFailed`] if something withheld would be in it. Then there
/// is no such folder.
pub fn handout(args: &HandoutArgs) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    let manifest = Manifest::read(&workspace)?;
    if manifest.handout {
        let message = "this is the students' tree already: it has no solutions to leave out";
        return Err(Failure::new(Status::Usage, message));
    }
    let to = &args.folder;
    let free = !to.exists() || fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none());
    if !free {
        let message = format!("{} is there already, and is no empty folder", to.display());
        return Err(Failure::new(Status::Usage, message));
    }
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).doing("creating", parent)?;
    // Beside it, so that it is there whole or not at all.
    let draft = tempfile::Builder::new()
        .prefix(".handout-")
        .tempdir_in(parent)
        .doing("creating", parent)?;
    let plan = Plan::new(&workspace, &manifest)?;
    write(&workspace, &manifest, &plan, draft.path(), &|kernel, to| {
        kernels::build(&workspace, &manifest, kernel, to)
    })?;
    let said = prove(&workspace, &manifest, &plan, draft.path())?;
    if to.exists() {
        fs::remove_dir(to).doing("writing", to)?;
    }
    let draft = draft.keep();
    fs::rename(&draft, to).doing("writing", to)?;
    open_to_all(to)?;
    say::line(format_args!("{said}"));
    Ok(())
}

/// A temporary folder is its owner's alone; a handout is for others.
fn open_to_all(folder: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).doing("writing", folder)
}

impl Plan {
    /// Goes through the tree.
    ///
    /// # Errors
    /// If something stands at its top of which nobody has said whether students get it.
    pub fn new(workspace: &Workspace, manifest: &Manifest) -> Result<Self, Failure> {
        let mut plan = Plan::default();
        let root = &workspace.root;
        let entries = fs::read_dir(root)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .doing("reading", root)?;
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            match table::TOP.iter().find(|(known, _)| *known == name) {
                Some((_, true)) => {
                    for file in files(&entry.path())? {
                        let place = file.strip_prefix(root).unwrap_or(&file);
                        plan.sort_out(place.to_string_lossy().into_owned(), manifest);
                    }
                }
                Some((_, false)) => {}
                None => {
                    return Err(Failure::host(format!(
                        "{}: nothing says whether students get it",
                        entry.path().display()
                    ))
                    .advise("name it in grader/src/handout/table.rs, or move it"));
                }
            }
        }
        plan.published.sort();
        plan.withheld.sort();
        Ok(plan)
    }

    fn sort_out(&mut self, place: String, manifest: &Manifest) {
        let name = place.rsplit('/').next().unwrap_or_default();
        let junk = place
            .split('/')
            .skip(1)
            .any(|part| part == "__pycache__" || part.starts_with('.') && part != ".gitignore");
        if junk || name.ends_with('~') || place == MANIFEST {
            return;
        }
        if table::LEFT_OUT.iter().any(|start| place.starts_with(start)) {
            return;
        }
        let withheld = place
            .strip_prefix("labs/")
            .is_some_and(|rest| !published(rest, manifest));
        if withheld {
            self.withheld.push(place);
        } else {
            self.published.push(place);
        }
    }
}

/// Whether students get the file at `place`, in `labs/`.
fn published(place: &str, manifest: &Manifest) -> bool {
    let Some((folder, file)) = place.split_once('/') else {
        return false;
    };
    if table::LABS.contains(&folder) {
        return true;
    }
    let Some(lab) = manifest.labs.iter().find(|lab| lab.folder == folder) else {
        return false;
    };
    let script = |file: &str| {
        let mut checks = lab.checks.iter().filter(|check| !check.hidden);
        checks.any(|check| check.script.as_deref() == Some(file))
    };
    table::PAGES.contains(&file) || file == format!("starter.{}", lab.extension()) || script(file)
}

/// Writes what students get to `draft`. `build` writes a kernel.
///
/// # Errors
/// [`Status::Host`] if something cannot be read, built or written.
pub fn write(
    workspace: &Workspace,
    manifest: &Manifest,
    plan: &Plan,
    draft: &Path,
    build: &dyn Fn(&kernels::Prebuilt, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for place in &plan.published {
        let (from, to) = (workspace.root.join(place), draft.join(place));
        make_room(&to)?;
        // With its permissions.
        fs::copy(&from, &to).doing("copying", &from)?;
        if place.ends_with(".md") {
            let page = fs::read_to_string(&from).doing("reading", &from)?;
            fs::write(&to, pages::students(&page, &plan.withheld)).doing("writing", &to)?;
        }
    }
    let kernels = kernels::needed(manifest, |source| published(source, manifest));
    for kernel in &kernels {
        let to = draft.join("labs").join(&kernel.folder).join(&kernel.file);
        make_room(&to)?;
        build(kernel, &to)?;
    }
    let path = workspace.root.join(MANIFEST);
    let text = fs::read_to_string(&path).doing("reading", &path)?;
    let students = manifest::students(&text, manifest, &kernels)
        .map_err(|error| Failure::host(format!("{}: {error}", path.display())))?;
    let to = draft.join(MANIFEST);
    make_room(&to)?;
    fs::write(&to, students).doing("writing", &to)
}

fn make_room(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(file);
    fs::create_dir_all(folder).doing("creating", folder)
}

/// Reads all that was written to `draft`, and looks for what must not be there. What to say if there is none of it.
///
/// # Errors
/// [`Status::CommandFailed`] for a line that must not be there: all of them, each with its file.
pub fn prove(
    workspace: &Workspace,
    manifest: &Manifest,
    plan: &Plan,
    draft: &Path,
) -> Result<String, Failure> {
    let text = |place: &str| -> Result<String, Failure> {
        let bytes = read(&workspace.root.join(place))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut withheld = Withheld::default();
    for place in &plan.withheld {
        withheld.add(place, &text(place)?);
        // Its name as well, if that says what is wrong with it.
        if !place.contains("/reference.") && !place.ends_with("/instructor.md") {
            withheld.add(place, place.trim_start_matches("labs/"));
        }
    }
    withheld.add(MANIFEST, &text(MANIFEST)?);
    // How the page of mutants begins, before it says anything of a lab, is in the source that writes it.
    withheld.read(&Page::default().text());
    let students = Workspace {
        root: draft.to_path_buf(),
        target: workspace.target.clone(),
    };
    // It is read as students' will, so what it names must be there.
    let written = Manifest::read(&students)?;
    let path = draft.join(MANIFEST);
    withheld.read(&fs::read_to_string(&path).doing("reading", &path)?);
    for place in plan
        .published
        .iter()
        .filter(|place| is_read(place, manifest))
    {
        withheld.read(&text(place)?);
    }
    let search = withheld.search()?;
    let (mut leaks, mut count) = (Vec::new(), 0);
    for file in files(draft)? {
        let place = file.strip_prefix(draft).unwrap_or(&file);
        leaks.extend(search.leaks(&place.to_string_lossy(), &read(&file)?));
        count += 1;
    }
    if leaks.is_empty() {
        return Ok(format!(
            "{count} files, {} labs; none of {} lines of {} files that are withheld is in them",
            written.labs.len(),
            withheld.count(),
            plan.withheld.len()
        ));
    }
    let lines: Vec<String> = leaks
        .iter()
        .map(|leak| match leak.line {
            0 => format!("{}: holds {}", leak.file, leak.from),
            line => format!("{}:{line}: holds {}", leak.file, leak.from),
        })
        .collect();
    Err(Failure::new(Status::CommandFailed, lines.join("\n"))
        .advise("the students' tree was not written: what is withheld would be in it"))
}

/// Whether a file is one that students are meant to read and to copy from.
fn is_read(place: &str, manifest: &Manifest) -> bool {
    let of_a_lab = || {
        let (folder, file) = place.strip_prefix("labs/")?.split_once('/')?;
        let lab = manifest.labs.iter().find(|lab| lab.folder == folder)?;
        Some(file.ends_with(".tlb") || file == format!("starter.{}", lab.extension()))
    };
    table::READ.iter().any(|start| place.starts_with(start)) || of_a_lab() == Some(true)
}
