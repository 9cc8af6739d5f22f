//! `kit slides`: the decks as pages, and all that they show of runs, made anew.
//!
//! A deck is a file `slides/N-….md`, as Marp has it. What a run can produce stands behind a [`mark`], and
//! `--regenerate` makes it again; `grader/tests/slides.rs` fails when what stands there is not what the kernel
//! now does.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use press::deck::Deck;
use press::markdown::{Places, data};
use press::{Mistake, show};

use crate::browser::{self, Browser};
use crate::run::Outcome;
use crate::say;
use crate::status::{Doing, Failure, Status};
use crate::workspace::Workspace;

mod board;
mod lanes;
pub mod make;
pub mod mark;
mod plot;
mod svg;

use make::{Maker, Recorded};

/// The folder of the decks.
pub const FOLDER: &str = "slides";
/// The style of the slides.
pub const THEME: &str = "slides/theme.css";
/// The lecture's length, in minutes.
pub const LECTURE: u32 = 50;

/// Arguments of `kit slides`.
#[derive(Args, Clone, Debug)]
pub struct SlidesArgs {
    /// Where the pages go; else to target/kit/slides
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write a PDF of each deck too, by Chromium
    #[arg(long)]
    pub pdf: bool,

    /// Make again, from runs, all that decks, books and README show of runs, and write it into the tree
    #[arg(long, conflicts_with_all = ["out", "pdf"])]
    pub regenerate: bool,
}

/// Writes the pages, or makes their sources anew.
///
/// # Errors
/// [`Status::Usage`] for a source that is wrong, with its line; [`Status::Host`] for a file that cannot be written.
pub fn slides(args: &SlidesArgs) -> Result<Outcome, Failure> {
    let workspace = Workspace::find()?;
    if args.regenerate {
        return regenerate(&workspace).map(|()| Outcome::Done);
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None => workspace.own_dir()?.join("slides"),
    };
    fs::create_dir_all(&out).doing("creating", &out)?;
    let mut pages = Vec::new();
    for source in sources(&workspace.root)? {
        let page = out
            .join(source.file_stem().unwrap_or_default())
            .with_extension("html");
        fs::write(&page, render(&workspace.root, &source)?).doing("writing", &page)?;
        pages.push(page);
    }
    if args.pdf {
        print(&pages)?;
    }
    say::line(format_args!(
        "{} decks are in {}",
        pages.len(),
        out.display()
    ));
    Ok(Outcome::Done)
}

/// The decks' sources, in their order.
///
/// # Errors
/// [`Status::Host`] if the folder cannot be read.
pub fn sources(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = root.join(FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).doing("reading", &folder)? {
        let path = entry.doing("reading", &folder)?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".md") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The documents that show runs: both READMEs, decks, books' chapters.
///
/// # Errors
/// [`Status::Host`] if a folder cannot be read.
pub fn documents(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = vec![root.join("README.md"), root.join("grader/README.md")];
    found.extend(sources(root)?);
    found.extend(crate::book::sources(root)?);
    Ok(found)
}

/// A deck.
///
/// # Errors
/// [`Status::Usage`] for a source that is wrong, with its lines.
pub fn deck(source: &Path) -> Result<Deck, Failure> {
    let text = fs::read_to_string(source).doing("reading", source)?;
    Deck::parse(&text).map_err(|mistakes| {
        let all = mistakes
            .iter()
            .map(|mistake| format!("{}: {mistake}", source.display()));
        Failure::new(Status::Usage, all.collect::<Vec<_>>().join("\n"))
    })
}

/// A deck's page.
///
/// # Errors
/// [`Status::Usage`] for a source that is wrong, or a picture that is not there.
pub fn render(root: &Path, source: &Path) -> Result<String, Failure> {
    let deck = deck(source)?;
    let theme = root.join(THEME);
    let theme = fs::read_to_string(&theme).doing("reading", &theme)?;
    let mut places = InTree::new(source);
    let page = show::page(&deck, &theme, &mut places);
    match places.missing {
        None => Ok(page),
        Some(missing) => Err(missing),
    }
}

/// Pictures are put into the page; links within the tree lead nowhere in a page that stands alone.
pub(crate) struct InTree {
    folder: PathBuf,
    /// The first picture that is not there.
    pub(crate) missing: Option<Failure>,
}

impl InTree {
    /// Of a document in the tree.
    pub(crate) fn new(document: &Path) -> Self {
        Self {
            folder: document.parent().unwrap_or(Path::new("")).to_owned(),
            missing: None,
        }
    }
}

impl Places for InTree {
    fn picture(&mut self, address: &str) -> String {
        let path = self.folder.join(address);
        match fs::read(&path).doing("reading the picture", &path) {
            Ok(bytes) => data(address, &bytes),
            Err(failure) => {
                self.missing.get_or_insert(failure);
                String::new()
            }
        }
    }

    fn link(&mut self, address: &str) -> Option<String> {
        address.starts_with("https://").then(|| address.to_owned())
    }
}

/// Writes a PDF beside each page.
fn print(pages: &[PathBuf]) -> Result<(), Failure> {
    let mut page = None;
    for file in pages {
        let address = browser::address(file)?;
        let mut shown = match page.take() {
            None => Browser::start()?.open(&address, (1280, 720), false)?,
            Some(mut shown) => {
                browser::Page::go(&mut shown, &address, (1280, 720), false)?;
                shown
            }
        };
        let bytes = shown.pdf()?;
        let path = file.with_extension("pdf");
        fs::write(&path, bytes).doing("writing", &path)?;
        page = Some(shown);
    }
    Ok(())
}

/// Makes all that documents show of runs, and writes what differs.
fn regenerate(workspace: &Workspace) -> Result<(), Failure> {
    let root = &workspace.root;
    let kit = env::current_exe().map_err(|error| Failure::host(format!("finding kit: {error}")))?;
    let mut recorded = Recorded::new();
    let mut maker = Maker::new(&kit, root, Recorded::new());
    let documents = documents(root)?;
    for document in &documents {
        let text = fs::read_to_string(document).doing("reading", document)?;
        recorded.extend(
            maker
                .measure(&text)
                .map_err(|mistake| wrong(document, &mistake))?,
        );
    }
    write(&root.join(make::RECORDED), &as_json(&recorded))?;
    let mut maker = Maker::new(&kit, root, recorded);
    for document in &documents {
        let text = fs::read_to_string(document).doing("reading", document)?;
        let made = maker
            .make(&text)
            .map_err(|mistake| wrong(document, &mistake))?;
        write(document, &made.text)?;
        let folder = document.parent().unwrap_or(root);
        for (address, picture) in &made.pictures {
            write(&folder.join(address), picture)?;
        }
    }
    Ok(())
}

/// Measurements as they are kept.
fn as_json(recorded: &Recorded) -> String {
    let mut text = serde_json::to_string_pretty(recorded).unwrap_or_default();
    text.push('\n');
    text
}

fn wrong(document: &Path, mistake: &Mistake) -> Failure {
    Failure::new(Status::Usage, format!("{}: {mistake}", document.display()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).doing("creating", folder)?;
    }
    say::line(format_args!("writing {}", path.display()));
    fs::write(path, text).doing("writing", path)
}
