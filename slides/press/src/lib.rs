//! Markdown to decks and books: single HTML files, which need nothing else.
//!
//! 1. **The sources are Markdown as others read it**: Marp for decks, any viewer for books.
//! 2. **A file of HTML is complete.** Style, script and pictures are in it; it asks no network for anything.
//! 3. **What is wrong is said with its line**: [`Mistake`].
//!
//! | module | what it does |
//! |---|---|
//! | [`deck`] | a deck: its slides, their notes and times |
//! | [`show`] | a deck as a page |
//! | [`book`] | chapters as a page, with search |
//! | [`markdown`] | Markdown as HTML, as both need it |
#![forbid(unsafe_code)]

pub mod book;
pub mod deck;
pub mod markdown;
pub mod show;

/// What is wrong with a source, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, counted from 1.
    pub line: usize,
    /// What was found, and what was expected.
    pub message: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}
