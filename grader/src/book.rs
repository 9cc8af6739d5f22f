//! `kit book`: the student's book and the instructor's guide, each one page with search, from what the tree has.
//!
//! A chapter is a file of Markdown, or is made from one: the seam's manual from the documentation of the crate
//! `lab`, a lecture's from its deck.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use press::book::{self, Chapter};
use press::markdown::{self, Places};

use crate::labs::Manifest;
use crate::run::Outcome;
use crate::say;
use crate::slides::{self, InTree};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

mod lecture;
mod seam;

/// The folder of the chapters that are written for the books.
pub const FOLDER: &str = "slides/book";

/// Arguments of `kit book`.
#[derive(Args, Clone, Debug)]
pub struct BookArgs {
    /// Where the pages go; else to target/kit/book
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// What a chapter is made from.
#[derive(Clone, Copy, Debug)]
pub enum Made {
    /// The file as it is.
    AsItIs,
    /// The documentation in these files of Rust.
    Seam,
    /// A deck: its slides' titles, times and notes.
    Lecture,
}

/// A chapter of a book: the part that begins with it, its title, its file.
pub type Entry = (&'static str, &'static str, &'static str, Made);

/// The student's book.
const STUDENT: &[Entry] = &[
    (
        "Begin",
        "How to work with this kit",
        "slides/book/begin.md",
        Made::AsItIs,
    ),
    (
        "Labs",
        "1. See it",
        "labs/01-see-it/handout.md",
        Made::AsItIs,
    ),
    ("", "2. Ring", "labs/02-ring/handout.md", Made::AsItIs),
    (
        "",
        "3. One at a time",
        "labs/03-one-at-a-time/handout.md",
        Made::AsItIs,
    ),
    (
        "",
        "4. Everyone at once",
        "labs/04-everyone-at-once/handout.md",
        Made::AsItIs,
    ),
    ("", "5. Answer", "labs/05-answer/handout.md", Made::AsItIs),
    (
        "",
        "6. Who may hold it",
        "labs/06-who-may-hold-it/handout.md",
        Made::AsItIs,
    ),
    (
        "",
        "7. When it goes wrong",
        "labs/07-when-it-goes-wrong/handout.md",
        Made::AsItIs,
    ),
    (
        "",
        "8. Break it",
        "labs/08-break-it/handout.md",
        Made::AsItIs,
    ),
    ("", "9. Find it", "labs/09-find-it/handout.md", Made::AsItIs),
    (
        "",
        "10. Make it fast",
        "labs/10-make-it-fast/handout.md",
        Made::AsItIs,
    ),
    (
        "Manuals",
        "The seam: all that your code may use",
        "labs/lab/src/lib.rs",
        Made::Seam,
    ),
    ("", "The explorer", "slides/book/explorer.md", Made::AsItIs),
    ("", "gdb on the kernel", "gdb/README.md", Made::AsItIs),
    (
        "Reference",
        "Shell commands",
        "shell/REFERENCE.md",
        Made::AsItIs,
    ),
    (
        "",
        "The invariants",
        "kernel/shootdown/INVARIANTS.md",
        Made::AsItIs,
    ),
    (
        "",
        "What each machine reproduces",
        "grader/MACHINES.md",
        Made::AsItIs,
    ),
    (
        "",
        "A model of the protocol, for Spin",
        "slides/model/README.md",
        Made::AsItIs,
    ),
    ("", "Glossary", "slides/book/glossary.md", Made::AsItIs),
];

/// The instructor's guide.
const INSTRUCTOR: &[Entry] = &[
    (
        "Plan",
        "What there is, and what to prepare",
        "slides/book/guide.md",
        Made::AsItIs,
    ),
    (
        "",
        "A unit of two weeks",
        "slides/book/unit.md",
        Made::AsItIs,
    ),
    (
        "",
        "A guest lecture of one hour",
        "slides/book/guest.md",
        Made::AsItIs,
    ),
    ("", "Grading", "slides/book/grading.md", Made::AsItIs),
    ("", "The autograder", "grader/README.md", Made::AsItIs),
    (
        "",
        "Attacks on the autograder, and what stops them",
        "grader/ATTACKS.md",
        Made::AsItIs,
    ),
    (
        "",
        "Checks and labs of your own",
        "labs/AUTHORING.md",
        Made::AsItIs,
    ),
    (
        "Lectures",
        "1. What a TLB is",
        "slides/1-what-a-tlb-is.md",
        Made::Lecture,
    ),
    (
        "",
        "2. Interrupts between processors",
        "slides/2-interrupts.md",
        Made::Lecture,
    ),
    (
        "",
        "3. One at a time",
        "slides/3-one-at-a-time.md",
        Made::Lecture,
    ),
    (
        "",
        "4. The parallel scoreboard",
        "slides/4-scoreboard.md",
        Made::Lecture,
    ),
    (
        "",
        "5. When it goes wrong",
        "slides/5-when-it-goes-wrong.md",
        Made::Lecture,
    ),
    (
        "",
        "6. Measuring, and making it fast",
        "slides/6-fast.md",
        Made::Lecture,
    ),
    (
        "Labs, for instructors",
        "1. See it",
        "labs/01-see-it/instructor.md",
        Made::AsItIs,
    ),
    ("", "2. Ring", "labs/02-ring/instructor.md", Made::AsItIs),
    (
        "",
        "3. One at a time",
        "labs/03-one-at-a-time/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "4. Everyone at once",
        "labs/04-everyone-at-once/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "5. Answer",
        "labs/05-answer/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "6. Who may hold it",
        "labs/06-who-may-hold-it/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "7. When it goes wrong",
        "labs/07-when-it-goes-wrong/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "8. Break it",
        "labs/08-break-it/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "9. Find it",
        "labs/09-find-it/instructor.md",
        Made::AsItIs,
    ),
    (
        "",
        "10. Make it fast",
        "labs/10-make-it-fast/instructor.md",
        Made::AsItIs,
    ),
];

/// A book: its file, title and chapters.
pub type Book = (&'static str, &'static str, &'static [Entry]);

/// The student's book, and the instructor's guide.
pub const BOOKS: [Book; 2] = [
    ("student.html", "TLB shootdown: the student's book", STUDENT),
    (
        "instructor.html",
        "TLB shootdown: the instructor's guide",
        INSTRUCTOR,
    ),
];

/// Writes both books; in the students' tree, theirs.
///
/// # Errors
/// [`crate::status::Status::Host`] for a file that cannot be read or written.
pub fn book(args: &BookArgs) -> Result<Outcome, Failure> {
    let workspace = Workspace::find()?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => workspace.own_dir()?.join("book"),
    };
    fs::create_dir_all(&out).doing("creating", &out)?;
    let books = match Manifest::read(&workspace)?.handout {
        true => &BOOKS[..1],
        false => &BOOKS[..],
    };
    let mut names = Vec::new();
    for (name, page) in pages(&workspace.root, books)? {
        let path = out.join(name);
        fs::write(&path, page).doing("writing", &path)?;
        names.push(name);
    }
    say::line(format_args!("in {}: {}", out.display(), names.join(", ")));
    Ok(Outcome::Done)
}

/// Books: their files' names, and the pages.
///
/// # Errors
/// [`crate::status::Status::Host`] for a file that cannot be read.
pub fn pages(root: &Path, books: &[Book]) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut pages = Vec::new();
    for &(file, title, entries) in books {
        let chapters = chapters(root, entries)?;
        let ids: HashMap<PathBuf, String> = chapters
            .iter()
            .map(|chapter| (PathBuf::from(&chapter.source), chapter.id.clone()))
            .collect();
        let page = book::page(title, &chapters, |chapter| InBook {
            source: PathBuf::from(&chapter.source),
            id: chapter.id.clone(),
            ids: &ids,
            pictures: InTree::new(&root.join(&chapter.source)),
        });
        pages.push((file, page));
    }
    Ok(pages)
}

/// The chapters of both books: their sources, and their Markdown.
///
/// # Errors
/// [`crate::status::Status::Host`] for a file that cannot be read.
pub fn all_chapters(root: &Path) -> Result<Vec<Chapter>, Failure> {
    let books = BOOKS.iter().map(|(_, _, entries)| chapters(root, entries));
    Ok(books.collect::<Result<Vec<_>, _>>()?.concat())
}

fn chapters(root: &Path, entries: &[Entry]) -> Result<Vec<Chapter>, Failure> {
    let chapter = |&(part, title, source, made): &Entry| {
        let path = root.join(source);
        let markdown = match made {
            Made::AsItIs => fs::read_to_string(&path).doing("reading", &path)?,
            Made::Seam => seam::manual(root)?,
            Made::Lecture => lecture::notes(&slides::deck(&path)?),
        };
        let id = markdown::slug(&source.replace(['/', '.'], " "));
        Ok(Chapter {
            id,
            part: part.to_owned(),
            title: title.to_owned(),
            source: source.to_owned(),
            markdown,
        })
    };
    entries.iter().map(chapter).collect()
}

/// The chapters that are written for the books, in which marks are made anew.
///
/// # Errors
/// [`crate::status::Status::Host`] if the folder cannot be read.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = root.join(FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).doing("reading", &folder)? {
        let path = entry.doing("reading", &folder)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Links lead to chapters of the same book, or out of it by https; what else is in the tree is named only.
struct InBook<'a> {
    source: PathBuf,
    id: String,
    ids: &'a HashMap<PathBuf, String>,
    pictures: InTree,
}

impl Places for InBook<'_> {
    fn picture(&mut self, address: &str) -> String {
        self.pictures.picture(address)
    }

    fn link(&mut self, address: &str) -> Option<String> {
        if address.starts_with("https://") {
            return Some(address.to_owned());
        }
        let (file, fragment) = address.split_once('#').unwrap_or((address, ""));
        let id = if file.is_empty() {
            &self.id
        } else {
            self.ids.get(&beside(&self.source, file))?
        };
        Some(if fragment.is_empty() {
            format!("#{id}")
        } else {
            format!("#{id}-{fragment}")
        })
    }
}

/// The path, from the tree's root, of what `address` means in the file `source`.
#[must_use]
pub fn beside(source: &Path, address: &str) -> PathBuf {
    let mut path = source.parent().unwrap_or(Path::new("")).to_owned();
    for component in Path::new(address).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_to_another_file() {
        let path = |address| beside(Path::new("labs/02-ring/handout.md"), address);
        assert_eq!(path("../lab/src/two.rs"), Path::new("labs/lab/src/two.rs"));
        assert_eq!(path("./hints.md"), Path::new("labs/02-ring/hints.md"));
    }
}
