//! A lecture as a chapter: what is shown when, and what is said.

use std::fmt::Write;

use press::deck::Deck;

/// The deck's slides with their times and notes.
#[must_use]
pub fn notes(deck: &Deck) -> String {
    let mut out = format!(
        "# {}\n\n{} minutes, {} slides.\n\n",
        deck.title,
        deck.minutes(),
        deck.slides.len()
    );
    let mut minute = 0;
    for (index, slide) in deck.slides.iter().enumerate() {
        let title = slide
            .markdown
            .lines()
            .find_map(|line| line.strip_prefix("# "));
        let until = minute + slide.minutes;
        let _ = write!(
            out,
            "## {}. {}\n\n*Minute {minute} to {until}.* {}\n\n",
            index + 1,
            title.unwrap_or("(no title)"),
            slide.notes
        );
        for command in &slide.made_by {
            let _ = write!(out, "Shown by `{command}`.\n\n");
        }
        minute = until;
    }
    out
}
