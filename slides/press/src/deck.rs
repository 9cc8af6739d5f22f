//! A deck's source, as Marp has it: Markdown whose slides are parted by `---`, with notes in comments.
//!
//! A slide's first note begins with its time: `<!-- 3 min. What to say. -->`. A comment `_class: lead` is
//! Marp's own; one that begins with a mark, such as `transcript:`, says what made the block behind it.
//!
//! Source: marpit.marp.app, "Directives" and "Presenter notes".

use crate::Mistake;

/// Comments that begin with one of these, and a colon, are neither notes nor Marp's.
pub const MARKS: &[&str] = &[
    "transcript",
    "lanes",
    "scoreboard",
    "table",
    "plot",
    "source",
];

/// A deck.
#[derive(Clone, Debug)]
pub struct Deck {
    /// The title, from the front matter.
    pub title: String,
    /// What stands at the foot of each slide.
    pub footer: String,
    /// The slides.
    pub slides: Vec<Slide>,
}

/// A slide.
#[derive(Clone, Debug, Default)]
pub struct Slide {
    /// Its first line in the source, counted from 1.
    pub line: usize,
    /// Its Markdown, without comments.
    pub markdown: String,
    /// What the lecturer says, as Markdown.
    pub notes: String,
    /// How long it is shown.
    pub minutes: u32,
    /// Marp's `_class`.
    pub class: String,
    /// The commands that made what it shows.
    pub made_by: Vec<String>,
}

impl Deck {
    /// Reads a source.
    ///
    /// # Errors
    /// What is not as Marp, or this, expects it: the front matter, a comment without an end, a slide without
    /// its time.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let (front, first) = front_matter(text).map_err(|mistake| vec![mistake])?;
        let mut deck = Deck {
            title: String::new(),
            footer: String::new(),
            slides: Vec::new(),
        };
        let mut marp = false;
        for (key, value) in front {
            match key {
                "title" => deck.title = value.to_owned(),
                "footer" => deck.footer = value.to_owned(),
                "marp" => marp = value == "true",
                _ => {}
            }
        }
        if !marp || deck.title.is_empty() {
            mistakes.push(Mistake {
                line: 1,
                message: "the front matter needs `marp: true` and a `title`".to_owned(),
            });
        }
        for (line, text) in split(text, first) {
            match slide(line, &text) {
                Ok(slide) => deck.slides.push(slide),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() {
            Ok(deck)
        } else {
            Err(mistakes)
        }
    }

    /// How long the lecture is, in minutes.
    #[must_use]
    pub fn minutes(&self) -> u32 {
        self.slides.iter().map(|slide| slide.minutes).sum()
    }
}

/// Keys and values.
type Front<'a> = Vec<(&'a str, &'a str)>;

/// The front matter's keys and values, and the number of lines it takes.
fn front_matter(text: &str) -> Result<(Front<'_>, usize), Mistake> {
    let mistake = |message: &str| Mistake {
        line: 1,
        message: message.to_owned(),
    };
    let mut lines = text.lines();
    if lines.next() != Some("---") {
        return Err(mistake("a deck begins with a front matter: `---`"));
    }
    let front: Vec<&str> = lines.take_while(|line| *line != "---").collect();
    let taken = front.len() + 2;
    if text.lines().nth(taken - 1) != Some("---") {
        return Err(mistake("the front matter has no end: `---`"));
    }
    let pair = |line: &&'_ str| line.split_once(':').is_some();
    let pairs = front.iter().filter(|line| pair(line)).filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        Some((key.trim(), value.trim().trim_matches('"')))
    });
    Ok((pairs.collect(), taken))
}

/// The slides' texts, each with its first line.
fn split(text: &str, skip: usize) -> Vec<(usize, String)> {
    let mut slides = vec![(skip + 1, String::new())];
    let mut fence = false;
    for (number, line) in text.lines().enumerate().skip(skip) {
        if line.starts_with("```") {
            fence = !fence;
        }
        if !fence && line == "---" {
            slides.push((number + 2, String::new()));
        } else if let Some((_, slide)) = slides.last_mut() {
            slide.push_str(line);
            slide.push('\n');
        }
    }
    slides
}

fn slide(line: usize, text: &str) -> Result<Slide, Mistake> {
    let mut slide = Slide {
        line,
        ..Slide::default()
    };
    let mut minutes = None;
    for piece in pieces(text) {
        let (comment, at) = match piece {
            Piece::Text(text) => {
                slide.markdown.push_str(text);
                continue;
            }
            Piece::Comment(comment, at) => (comment.trim(), at),
            Piece::Open(at) => {
                return Err(Mistake {
                    line: line + lines(&text[..at]),
                    message: "a comment has no end: `-->`".to_owned(),
                });
            }
        };
        if let Some(class) = comment.strip_prefix("_class:") {
            class.trim().clone_into(&mut slide.class);
        } else if let Some(made_by) = mark(comment) {
            slide.made_by.push(made_by.to_owned());
        } else {
            let mut note = comment;
            if minutes.is_none() {
                let Some((time, rest)) = timed(comment) else {
                    return Err(Mistake {
                        line: line + lines(&text[..at]),
                        message: format!(
                            "a slide's first note begins with its time, as `3 min.`: {comment}"
                        ),
                    });
                };
                minutes = Some(time);
                note = rest;
            }
            if !slide.notes.is_empty() {
                slide.notes.push_str("\n\n");
            }
            slide.notes.push_str(note);
        }
    }
    slide.minutes = minutes.ok_or_else(|| Mistake {
        line,
        message: "the slide has no note with its time: `<!-- 3 min. … -->`".to_owned(),
    })?;
    Ok(slide)
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// The command of a mark.
fn mark(comment: &str) -> Option<&str> {
    let (word, rest) = comment.split_once(':')?;
    let name = word.split_whitespace().next()?;
    MARKS.contains(&name).then_some(rest.trim())
}

/// `3 min.` and what follows it.
fn timed(note: &str) -> Option<(u32, &str)> {
    let (time, rest) = note.split_once(" min.")?;
    Some((time.parse().ok()?, rest.trim()))
}

/// A part of a slide.
enum Piece<'a> {
    Text(&'a str),
    /// A comment's inside, and where it begins.
    Comment(&'a str, usize),
    /// A comment without an end.
    Open(usize),
}

/// Comments that begin a line outside code, and what is between them.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut from, mut at, mut fence) = (0, 0, false);
    while at < text.len() {
        let end = text[at..]
            .find('\n')
            .map_or(text.len(), |length| at + length + 1);
        let line = &text[at..end];
        if line.starts_with("```") {
            fence = !fence;
        }
        if fence || !line.starts_with("<!--") {
            at = end;
            continue;
        }
        pieces.push(Piece::Text(&text[from..at]));
        let Some(length) = text[at..].find("-->") else {
            pieces.push(Piece::Open(at));
            return pieces;
        };
        pieces.push(Piece::Comment(&text[at + 4..at + length], at));
        from = at + length + 3;
        at = text[from..]
            .find('\n')
            .map_or(text.len(), |length| from + length + 1);
    }
    pieces.push(Piece::Text(&text[from..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str = "---\nmarp: true\ntitle: T\n---\n";

    #[test]
    fn a_slide_parted_in_its_code() {
        let text = format!(
            "{FRONT}# A\n```\n---\n<!-- x -->\n```\n<!-- 2 min. Say it. -->\n\n---\n\n# B\n<!-- 3 min. -->\n<!-- more -->\n"
        );
        let deck = Deck::parse(&text).unwrap();
        assert_eq!(deck.slides.len(), 2);
        assert_eq!(deck.minutes(), 5);
        assert!(deck.slides[0].markdown.contains("<!-- x -->"));
        assert_eq!(deck.slides[0].notes, "Say it.");
        assert_eq!(deck.slides[1].notes, "\n\nmore".trim_start_matches('\n'));
        assert_eq!(deck.slides[1].line, 13);
    }

    #[test]
    fn a_mark_taken_for_a_note() {
        let text = format!(
            "{FRONT}# A\n<!-- transcript 2-3: cargo kit run -->\n<!-- _class: lead -->\n<!-- 2 min. Note: this. -->\n"
        );
        let slide = &Deck::parse(&text).unwrap().slides[0];
        assert_eq!(slide.made_by, ["cargo kit run"]);
        assert_eq!((&*slide.class, &*slide.notes), ("lead", "Note: this."));
    }

    #[test]
    fn a_source_that_is_wrong_and_not_told_where() {
        let wrong = |text: &str| Deck::parse(text).unwrap_err()[0].to_string();
        assert!(wrong("# A\n").starts_with("line 1: a deck begins"));
        assert!(
            wrong(&format!("{FRONT}# A\n<!-- Say. -->\n"))
                .starts_with("line 6: a slide's first note")
        );
        assert!(
            wrong(&format!("{FRONT}# A\n<!-- 2 min.\n"))
                .starts_with("line 6: a comment has no end")
        );
        assert!(wrong(&format!("{FRONT}# A\n")).starts_with("line 5: the slide has no note"));
        assert!(wrong("---\ntitle: T\n---\n# A\n<!-- 2 min. -->").contains("marp: true"));
    }
}
