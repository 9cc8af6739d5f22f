//! Chapters as one page: contents at the side, a search over every section, nothing from the network.

use std::fmt::Write;

use crate::markdown::{self, Places, escape};

const STYLE: &str = include_str!("book.css");
const SCRIPT: &str = include_str!("book.js");

/// A chapter.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// The name by which it is reached: a word.
    pub id: String,
    /// The part of the book that begins with it; empty if none does.
    pub part: String,
    /// Its title in the contents.
    pub title: String,
    /// Where it comes from in the tree.
    pub source: String,
    /// The text.
    pub markdown: String,
}

/// The page. `places` is told which chapter is being written.
#[must_use]
pub fn page<P: Places>(
    title: &str,
    chapters: &[Chapter],
    mut places: impl FnMut(&Chapter) -> P,
) -> String {
    let mut out = String::new();
    let name = escape(title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{name}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body data-title=\"{name}\">\n<nav aria-label=\"Contents\">\n<h1>{name}</h1>\n\
         <input id=\"search\" type=\"search\" placeholder=\"Search (press /)\" aria-label=\"Search\">\n\
         <ol id=\"found\" aria-live=\"polite\"></ol>\n<ol id=\"contents\">\n"
    );
    for chapter in chapters {
        if !chapter.part.is_empty() {
            let _ = writeln!(out, "<li class=\"part\">{}</li>", escape(&chapter.part));
        }
        let _ = writeln!(
            out,
            "<li><a href=\"#{}\">{}</a></li>",
            chapter.id,
            escape(&chapter.title)
        );
    }
    out.push_str("</ol>\n</nav>\n<main>\n");
    for chapter in chapters {
        let mut places = places(chapter);
        let (body, _) = markdown::html(&chapter.markdown, &format!("{}-", chapter.id), &mut places);
        let _ = write!(
            out,
            "<article id=\"{}\" data-title=\"{}\">\n{body}<p class=\"source\">From <code>{}</code> in the kit.</p>\n</article>\n",
            chapter.id,
            escape(&chapter.title),
            escape(&chapter.source),
        );
    }
    let _ = write!(
        out,
        "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    out
}
