//! A deck as a page: one slide at a time, notes beside it, and a page a slide when printed.
//!
//! The slides are `section`s with Marp's attributes, so Marp's themes fit.

use std::fmt::Write;

use crate::deck::Deck;
use crate::markdown::{self, Places, escape};

const CHROME: &str = include_str!("deck.css");
const SCRIPT: &str = include_str!("deck.js");

/// What the keys do, as `?` shows it.
const KEYS: &[(&str, &str)] = &[
    ("→ Space", "the next slide"),
    ("← Backspace", "the one before"),
    ("Home End", "the first, the last"),
    ("N", "notes beside the slide"),
    ("W", "a second window that goes along: press N there"),
    ("T", "the clock begins anew"),
    ("F", "the whole screen"),
    ("?", "these keys"),
];

/// The page. `theme` is the style of the slides themselves.
#[must_use]
pub fn page(deck: &Deck, theme: &str, places: &mut dyn Places) -> String {
    let mut out = String::new();
    let title = escape(&deck.title);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{CHROME}{theme}</style>\n</head>\n<body>\n<main id=\"deck\">\n"
    );
    let mut minute = 0;
    for (index, slide) in deck.slides.iter().enumerate() {
        let number = index + 1;
        let (body, headings) = markdown::html(&slide.markdown, &format!("s{number}-"), places);
        let heading = headings.first().map_or("", |heading| &heading.text);
        let until = minute + slide.minutes;
        let _ = write!(
            out,
            "<div data-line=\"{}\" data-from=\"{minute}\" data-until=\"{until}\" data-title=\"{}\">\n\
             <section class=\"{}\" data-marpit-pagination=\"{number}\" aria-label=\"Slide {number}\">\n{body}\
             <footer>{}</footer>\n</section>\n",
            slide.line,
            escape(heading),
            escape(&slide.class),
            escape(&deck.footer),
        );
        let (notes, _) = markdown::html(&slide.notes, &format!("n{number}-"), places);
        let _ = write!(
            out,
            "<aside class=\"notes\" aria-label=\"Notes of slide {number}\">\n\
             <p class=\"when\">{} min: from minute {minute} to {until}</p>\n{notes}",
            slide.minutes
        );
        for command in &slide.made_by {
            let _ = writeln!(out, "<p class=\"made\">shown by {}</p>", escape(command));
        }
        out.push_str("</aside>\n</div>\n");
        minute = until;
    }
    out.push_str("</main>\n<div id=\"clock\" role=\"status\"></div>\n<div id=\"keys\">");
    for (key, meaning) in KEYS {
        let _ = write!(out, "<div><kbd>{key}</kbd> {meaning}</div>");
    }
    let _ = write!(
        out,
        "</div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    );
    out
}
