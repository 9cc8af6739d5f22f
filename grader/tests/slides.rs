//! Decks and books: what they show of runs is what the kernel does, and they can be shown.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::KIT;
use grader::book;
use grader::browser::{Browser, Page, address};
use grader::slides::make::{self, Maker, Recorded};
use grader::slides::{self, LECTURE};
use press::deck::Deck;
use press::markdown::{self, Reference};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The name of a document, from the tree's root.
fn name(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The six decks, with their sources.
fn decks() -> Vec<(PathBuf, Deck)> {
    let sources = slides::sources(&root()).unwrap();
    assert_eq!(sources.len(), 6, "{sources:?}");
    sources
        .into_iter()
        .map(|source| {
            let deck = slides::deck(&source).unwrap();
            (source, deck)
        })
        .collect()
}

fn title(markdown: &str) -> &str {
    markdown
        .lines()
        .find_map(|line| line.strip_prefix("# "))
        .unwrap_or("")
}

#[test]
fn a_lecture_that_is_too_long_or_lacks_a_part() {
    for (source, deck) in decks() {
        let name = name(&source);
        assert_eq!(
            deck.minutes(),
            LECTURE,
            "{name}: the slides' times add up to that many minutes"
        );
        for slide in &deck.slides {
            let at = format!("{name}:{}", slide.line);
            assert!(!title(&slide.markdown).is_empty(), "{at}: no title");
            assert!(
                (1..=6).contains(&slide.minutes),
                "{at}: {} minutes",
                slide.minutes
            );
            let last = title(&slide.markdown) == "References";
            assert!(last || slide.notes.len() > 40, "{at}: next to no notes");
        }
        let of_class = |class| {
            deck.slides
                .iter()
                .filter(|slide| slide.class == class)
                .count()
        };
        assert_eq!(
            (of_class("lead"), of_class("demo"), of_class("exercise")),
            (1, 1, 1),
            "{name}"
        );
        let last = deck.slides.last().unwrap();
        assert_eq!(title(&last.markdown), "References", "{name}");
        let primary = markdown::references(&last.markdown).into_iter();
        assert!(
            primary
                .filter(|it| it.address.starts_with("https://"))
                .count()
                >= 1,
            "{name}: no primary source"
        );
    }
}

/// The command with which a lecture's demonstration starts.
fn demo(deck: &Deck) -> Vec<String> {
    let slide = deck
        .slides
        .iter()
        .find(|slide| slide.class == "demo")
        .unwrap();
    let code = markdown::code(&slide.markdown);
    let command = code
        .iter()
        .find_map(|(_, line)| line.strip_prefix("$ cargo kit "))
        .unwrap();
    slides::mark::words(command)
}

#[test]
fn a_demonstration_that_does_not_show_what_it_should() {
    for (source, deck) in decks() {
        let words = demo(&deck);
        assert!(
            words.contains(&"--seed".to_owned()) && words.contains(&"--deterministic".to_owned()),
            "{words:?}"
        );
        let output = Command::new(KIT)
            .args(&words)
            .current_dir(root())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{}: {words:?}\n{text}",
            name(&source)
        );
    }
}

/// What documents show that runs do not, and the pictures that their marks make.
fn wrong(documents: &[PathBuf], maker: &mut Maker) -> (Vec<String>, BTreeSet<PathBuf>) {
    let mut wrong = Vec::new();
    let mut pictures = BTreeSet::new();
    for document in documents {
        let text = fs::read_to_string(document).unwrap();
        let at = name(document);
        let made = maker.make(&text);
        let made = made.unwrap_or_else(|mistake| panic!("{at}: {mistake}"));
        let mut lines = text.lines().zip(made.text.lines());
        if let Some((old, new)) = lines.find(|(old, new)| old != new) {
            wrong.push(format!("{at} shows `{old}`, now it is `{new}`"));
        } else if text != made.text {
            wrong.push(format!("{at} does not end where it does now"));
        }
        for (address, picture) in made.pictures {
            let path = document.parent().unwrap().join(&address);
            if fs::read_to_string(&path).unwrap_or_default() != picture {
                wrong.push(format!("{}: the picture is another now", name(&path)));
            }
            pictures.insert(path);
        }
    }
    (wrong, pictures)
}

const AGAIN: &str = "`cargo kit slides --regenerate` makes all of it again";

/// The READMEs, and the others.
fn readmes_and_others() -> (Vec<PathBuf>, Vec<PathBuf>) {
    let documents = slides::documents(&root()).unwrap();
    documents
        .into_iter()
        .partition(|path| path.ends_with("README.md"))
}

#[test]
fn a_readme_that_shows_what_no_machine_prints() {
    let (readmes, _) = readmes_and_others();
    assert_eq!(readmes.len(), 2, "{readmes:?}");
    let mut maker = Maker::new(KIT, root(), Recorded::new());
    let (wrong, _) = wrong(&readmes, &mut maker);
    assert!(wrong.is_empty(), "{}\n{AGAIN}", wrong.join("\n"));
}

#[test]
fn a_document_that_shows_what_no_machine_prints() {
    let root = root();
    let recorded = make::recorded(&root).unwrap();
    let mut maker = Maker::new(KIT, &root, recorded.clone());
    let (_, documents) = readmes_and_others();
    let (mut wrong, pictures) = wrong(&documents, &mut maker);
    for entry in fs::read_dir(root.join("slides/generated")).unwrap() {
        let path = entry.unwrap().path();
        let svg = path.extension().is_some_and(|extension| extension == "svg");
        if svg && !pictures.contains(&path) {
            wrong.push(format!("{}: no mark makes it", name(&path)));
        }
    }
    let mut measured = Recorded::new();
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        let found = maker.measure(&text);
        measured.extend(found.unwrap_or_else(|mistake| panic!("{}: {mistake}", name(document))));
    }
    let old: Vec<&String> = recorded.keys().collect();
    assert_eq!(
        old,
        measured.keys().collect::<Vec<_>>(),
        "{}",
        make::RECORDED
    );
    for (command, now) in &measured {
        let pair = recorded[command].iter().zip(now);
        wrong.extend(pair.flat_map(|(old, now)| make::differences(old, now, command)));
    }
    assert!(wrong.is_empty(), "{}\n{AGAIN}", wrong.join("\n"));
}

/// What a document's links and pictures lack.
fn dead(root: &Path, source: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for Reference {
        address,
        text: said,
        picture,
        at,
    } in markdown::references(text)
    {
        let line = text[..at].matches('\n').count() + 1;
        if picture && said.chars().count() < 40 {
            wrong.push(format!("{source}:{line}: {address} has no text in its place that says what it shows: {said:?}"));
        }
        if address.contains("://") {
            continue;
        }
        let (file, fragment) = address.split_once('#').unwrap_or((&address, ""));
        let path = if file.is_empty() {
            PathBuf::from(source)
        } else {
            book::beside(Path::new(source), file)
        };
        if !root.join(&path).exists() {
            wrong.push(format!("{source}:{line}: {address} leads nowhere"));
        } else if !fragment.is_empty() {
            let target = fs::read_to_string(root.join(&path)).unwrap();
            let headings = target.lines().filter(|line| line.starts_with('#'));
            if !headings
                .map(|line| markdown::slug(&markdown::text(line)))
                .any(|slug| slug == fragment)
            {
                wrong.push(format!(
                    "{source}:{line}: {address}: no heading is called so"
                ));
            }
        }
        if picture && address.ends_with(".svg") {
            let svg = fs::read_to_string(root.join(&path)).unwrap_or_default();
            if !svg.contains("<title")
                || !svg.contains("<desc")
                || svg.contains("<desc id=\"d\"></desc>")
            {
                wrong.push(format!(
                    "{}: a picture without title or description",
                    path.display()
                ));
            }
        }
    }
    wrong
}

/// Documents of the tree for people.
fn documents(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with('.') || name == "target" || path == root().join("labs/work") {
            continue;
        }
        if path.is_dir() {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_or_a_picture_that_says_nothing() {
    let root = root();
    let mut found = Vec::new();
    documents(&root, &mut found);
    assert!(found.len() > 40, "{found:?}");
    let wrong = found
        .iter()
        .flat_map(|path| dead(&root, &name(path), &fs::read_to_string(path).unwrap()));
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The check itself.
    let seen = dead(
        &root,
        "slides/x.md",
        "[a](no.md) ![](../README.md) [b](../README.md#no) [c](../README.md#the-first-minute)",
    );
    assert_eq!(seen.len(), 3, "{seen:?}");
}

/// A page in Chromium, which asks the network for nothing and complains of nothing.
fn show(file: &Path, size: (u32, u32)) -> Page {
    let mut page = Browser::start()
        .unwrap()
        .open(&address(file).unwrap(), size, false)
        .unwrap();
    page.settle().unwrap();
    assert_eq!(page.complaints(), Vec::<String>::new());
    let own = |asked: &String| asked.starts_with("file://") || asked.starts_with("data:");
    assert!(page.asked().iter().all(own), "{:?}", page.asked());
    page
}

/// What stands outside its slide, as the page's script finds it.
const OVERFLOW: &str = r##"(() => {
  const wrong = [];
  document.body.classList.remove("live");
  for (const slide of document.querySelectorAll("#deck > div")) {
    const section = slide.querySelector("section");
    section.style.transform = "none";
    const page = section.getBoundingClientRect();
    const line = `line ${slide.dataset.line}, "${slide.dataset.title}"`;
    for (const it of section.querySelectorAll("*")) {
      if (it.closest("footer")) continue;
      const box = it.getBoundingClientRect();
      if (box.bottom > page.bottom - 44) wrong.push(`${line}: ${it.tagName} ends ${Math.round(box.bottom - page.bottom + 44)} px too low`);
      if (box.right > page.right - 30) wrong.push(`${line}: ${it.tagName} ends ${Math.round(box.right - page.right + 30)} px too far right`);
      if (it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0) wrong.push(`${line}: ${it.tagName} is ${it.scrollWidth - it.clientWidth} px too wide for its box`);
      if (it.tagName === "IMG" && !(it.naturalWidth > 0)) wrong.push(`${line}: a picture does not load`);
      if (it.tagName === "IMG" && box.height < 120) wrong.push(`${line}: a picture is too small to see`);
    }
  }
  return wrong;
})()"##;

fn strings(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn a_slide_that_does_not_fit_its_page() {
    let root = root();
    let folder = tempfile::tempdir().unwrap();
    let mut page: Option<Page> = None;
    let mut wrong = Vec::new();
    for (source, deck) in decks() {
        let file = folder.path().join("deck.html");
        fs::write(&file, slides::render(&root, &source).unwrap()).unwrap();
        let mut shown = match page.take() {
            None => show(&file, (1280, 720)),
            Some(mut shown) => {
                shown
                    .go(&address(&file).unwrap(), (1280, 720), false)
                    .unwrap();
                shown
            }
        };
        let count = shown
            .evaluate("document.querySelectorAll('#deck > div').length")
            .unwrap();
        assert_eq!(count, deck.slides.len());
        // By keyboard alone: the second slide, its notes, the last.
        shown.press("ArrowRight").unwrap();
        shown.press("n").unwrap();
        let seen = shown.evaluate("[location.hash, getComputedStyle(document.querySelector('.now .notes')).display, getComputedStyle(document.querySelector('#deck > div')).display]").unwrap();
        assert_eq!(strings(&seen), ["#2", "block", "none"]);
        shown.press("End").unwrap();
        assert_eq!(
            shown.evaluate("location.hash").unwrap(),
            format!("#{}", deck.slides.len())
        );
        let pdf = shown.pdf().unwrap();
        let pages = String::from_utf8_lossy(&pdf)
            .matches("/Type /Page\n")
            .count();
        assert_eq!(
            pages,
            deck.slides.len(),
            "{}: pages of the PDF",
            name(&source)
        );
        let found = strings(&shown.evaluate(OVERFLOW).unwrap());
        wrong.extend(
            found
                .into_iter()
                .map(|what| format!("{}: {what}", name(&source))),
        );
        page = Some(shown);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The check itself.
    let mut page = page.unwrap();
    page.evaluate("document.querySelector('section').insertAdjacentHTML('beforeend', '<pre>' + 'x\\n'.repeat(40) + '</pre>')").unwrap();
    assert!(
        strings(&page.evaluate(OVERFLOW).unwrap())
            .iter()
            .any(|what| what.contains("too low"))
    );
}
