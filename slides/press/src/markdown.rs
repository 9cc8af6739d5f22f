//! Markdown as HTML: tables, pictures put into the page, transcripts and code coloured.

use std::fmt::Write;

use pulldown_cmark::{
    CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html,
};

/// Where links and pictures lead.
pub trait Places {
    /// What stands for the picture `address`: an address, or `data:` and the picture itself.
    fn picture(&mut self, address: &str) -> String;
    /// Where the link `address` leads; `None` leaves its text alone.
    fn link(&mut self, address: &str) -> Option<String>;
}

/// A heading: its level, 1 to 6, its text, and the name by which it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// 1 for the largest.
    pub level: u8,
    /// Its text, without marks.
    pub text: String,
    /// Its `id`.
    pub id: String,
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH
}

/// `text` as HTML. Headings are reached by `prefix` and their words; they are returned in order.
#[must_use]
pub fn html(text: &str, prefix: &str, places: &mut dyn Places) -> (String, Vec<Heading>) {
    let mut events = Vec::new();
    let mut headings: Vec<Heading> = Vec::new();
    let mut parser = Parser::new_ext(text, options());
    // Whether the links that are open stay links.
    let mut links = Vec::new();
    while let Some(event) = parser.next() {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(words) => {
                        words.split_whitespace().next().unwrap_or("").to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                let mut code = String::new();
                for event in parser.by_ref() {
                    match event {
                        Event::Text(text) => code.push_str(&text),
                        _ => break,
                    }
                }
                events.push(Event::Html(block(&language, &code).into()));
            }
            Event::Start(Tag::Heading { level, .. }) => {
                let inner: Vec<Event<'_>> = parser
                    .by_ref()
                    .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))
                    .collect();
                let text = plain(&inner);
                let id = unique(&headings, prefix, &text);
                let level = number(level);
                events.push(Event::Html(format!("<h{level} id=\"{id}\">").into()));
                let mut title = String::new();
                html::push_html(&mut title, inner.into_iter());
                events.push(Event::Html(format!("{title}</h{level}>\n").into()));
                headings.push(Heading { level, text, id });
            }
            Event::Start(Tag::Image {
                link_type,
                dest_url,
                title,
                id,
            }) => events.push(Event::Start(Tag::Image {
                link_type,
                dest_url: places.picture(&dest_url).into(),
                title,
                id,
            })),
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                title,
                id,
            }) => {
                let leads = places.link(&dest_url);
                links.push(leads.is_some());
                match leads {
                    Some(address) => events.push(Event::Start(Tag::Link {
                        link_type,
                        dest_url: address.into(),
                        title,
                        id,
                    })),
                    None => events.push(Event::InlineHtml(
                        format!("<span class=\"file\" title=\"{}\">", escape(&dest_url)).into(),
                    )),
                }
            }
            Event::End(TagEnd::Link) => events.push(if links.pop() == Some(true) {
                Event::End(TagEnd::Link)
            } else {
                Event::InlineHtml(CowStr::Borrowed("</span>"))
            }),
            other => events.push(other),
        }
    }
    let mut out = String::new();
    html::push_html(&mut out, events.into_iter());
    (out, headings)
}

/// The text of a piece of Markdown, without its marks: for the search.
#[must_use]
pub fn text(markdown: &str) -> String {
    let events: Vec<Event<'_>> = Parser::new_ext(markdown, options()).collect();
    plain(&events)
}

/// Links and pictures: their addresses, the text, whether they are pictures, and where they stand in bytes.
#[must_use]
pub fn references(markdown: &str) -> Vec<Reference> {
    let mut found: Vec<Reference> = Vec::new();
    let mut open = Vec::new();
    for (event, range) in Parser::new_ext(markdown, options()).into_offset_iter() {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => {
                open.push(found.len());
                found.push(Reference::new(&dest_url, false, range.start));
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                open.push(found.len());
                found.push(Reference::new(&dest_url, true, range.start));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                open.pop();
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(&last) = open.last() {
                    found[last].text.push_str(&text);
                }
            }
            _ => {}
        }
    }
    found
}

/// A link or a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where it leads.
    pub address: String,
    /// Its text; of a picture, what is said in its place.
    pub text: String,
    /// Whether it is a picture.
    pub picture: bool,
    /// Where it stands.
    pub at: usize,
}

impl Reference {
    fn new(address: &str, picture: bool, at: usize) -> Self {
        Self {
            address: address.to_owned(),
            text: String::new(),
            picture,
            at,
        }
    }
}

/// Code in the text: what stands between backquotes, and each line of a block, with the block's language.
#[must_use]
pub fn code(markdown: &str) -> Vec<(Option<String>, String)> {
    let mut found = Vec::new();
    let mut language = None;
    for event in Parser::new_ext(markdown, options()) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(words))) => {
                language = Some(words.split_whitespace().next().unwrap_or("").to_owned());
            }
            Event::End(TagEnd::CodeBlock) => language = None,
            Event::Text(text) => {
                if let Some(language) = &language {
                    let lines = text.lines();
                    found.extend(lines.map(|line| (Some(language.clone()), line.to_owned())));
                }
            }
            Event::Code(text) => found.push((None, text.to_string())),
            _ => {}
        }
    }
    found
}

fn plain(events: &[Event<'_>]) -> String {
    let mut out = String::new();
    for event in events {
        match event {
            Event::Text(text) | Event::Code(text) => out.push_str(text),
            Event::SoftBreak | Event::HardBreak | Event::End(_) if !out.ends_with(' ') => {
                out.push(' ')
            }
            _ => {}
        }
    }
    out.trim().to_owned()
}

const fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// A name that no other heading has, as GitHub makes them.
fn unique(before: &[Heading], prefix: &str, text: &str) -> String {
    let name = format!("{prefix}{}", slug(text));
    let taken = |id: &str| before.iter().any(|heading| heading.id == id);
    if !taken(&name) {
        return name;
    }
    let numbered = (1..).map(|number| format!("{name}-{number}"));
    numbered.into_iter().find(|id| !taken(id)).unwrap_or(name)
}

/// The words of a heading as a name: lower case, `-` for spaces, nothing else but letters, figures and `_`.
#[must_use]
pub fn slug(text: &str) -> String {
    let keep = |c: char| match c {
        ' ' | '-' => Some('-'),
        '_' => Some('_'),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    };
    text.to_lowercase().chars().filter_map(keep).collect()
}

/// `text` in HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// A block of code. In transcripts what was typed, and what is stale, stand out; in code the comments do.
fn block(language: &str, code: &str) -> String {
    let mut out = format!("<pre class=\"{}\"><code>", escape(language));
    for line in code.lines() {
        let typed = ["tlb> ", "$ "]
            .into_iter()
            .find(|prompt| line.starts_with(prompt));
        match (language, typed) {
            ("console", Some(prompt)) => {
                let (text, comment) = match line.split_once("  # ") {
                    Some((text, comment)) => (text, Some(comment)),
                    None => (line, None),
                };
                let typed = escape(text.strip_prefix(prompt).unwrap_or(text));
                let _ = write!(out, "<span class=\"prompt\">{prompt}</span><b>{typed}</b>");
                if let Some(comment) = comment {
                    let _ = write!(out, "<i>  # {}</i>", escape(comment));
                }
            }
            ("console", None) => out.push_str(&verdicts(&escape(line))),
            ("rust" | "c" | "tlb" | "asm" | "text", _) => {
                let mark = if language == "tlb" { "#" } else { "//" };
                match line
                    .find(mark)
                    .filter(|&at| at == 0 || line[..at].ends_with(' '))
                {
                    Some(at) => {
                        let (code, comment) = line.split_at(at);
                        let _ = write!(out, "{}<i>{}</i>", escape(code), escape(comment));
                    }
                    None => out.push_str(&escape(line)),
                }
            }
            _ => out.push_str(&escape(line)),
        }
        out.push('\n');
    }
    out.push_str("</code></pre>\n");
    out
}

/// Verdicts stand out, wherever they are in the line.
fn verdicts(line: &str) -> String {
    let line = line.replace(
        "STALE: a freed frame",
        "<em class=\"stale\">STALE: a freed frame</em>",
    );
    let stale = "<em class=\"stale\">STALE</em>";
    let line = line.replace(" STALE", &format!(" {stale}"));
    line.replace(" fresh", " <em class=\"fresh\">fresh</em>")
}

/// `bytes` in base 64.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const FIGURES: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let figure = FIGURES[(word >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= three.len() {
                char::from(figure)
            } else {
                '='
            });
        }
    }
    out
}

/// A picture as an address that holds it. `name` tells its kind: `.svg` or `.png`.
#[must_use]
pub fn data(name: &str, bytes: &[u8]) -> String {
    let kind = if name.ends_with(".svg") {
        "image/svg+xml"
    } else {
        "image/png"
    };
    format!("data:{kind};base64,{}", base64(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Places for Nowhere {
        fn picture(&mut self, address: &str) -> String {
            format!("pictures/{address}")
        }
        fn link(&mut self, address: &str) -> Option<String> {
            address.starts_with("https").then(|| address.to_owned())
        }
    }

    #[test]
    fn a_picture_or_a_link_that_leads_elsewhere() {
        let (html, headings) = html(
            "# A `b` c\n![it](x.svg) [one](https://a.b) [two](../c.rs)\n\n# A b c\n",
            "p-",
            &mut Nowhere,
        );
        assert!(
            html.contains("<img src=\"pictures/x.svg\" alt=\"it\" />"),
            "{html}"
        );
        assert!(html.contains("<a href=\"https://a.b\">one</a>"), "{html}");
        assert!(
            html.contains("<span class=\"file\" title=\"../c.rs\">two</span>"),
            "{html}"
        );
        let ids: Vec<&str> = headings.iter().map(|heading| &*heading.id).collect();
        assert_eq!(ids, ["p-a-b-c", "p-a-b-c-1"]);
    }

    #[test]
    fn base_64_with_a_wrong_end() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn a_transcript_whose_angle_brackets_are_markup() {
        let shown = block("console", "tlb> read <x>\n  2  STALE\n");
        assert!(shown.contains("<b>read &lt;x&gt;</b>"), "{shown}");
        assert!(shown.contains("<em class=\"stale\">STALE</em>"), "{shown}");
    }

    #[test]
    fn a_reference_that_is_not_seen() {
        let found = references("see [a `b`](c.md)\n\n![](d.svg)\n\n```\n[no](e)\n```\n");
        assert_eq!(found.len(), 2);
        assert_eq!((&*found[0].text, &*found[0].address), ("a b", "c.md"));
        assert!(found[1].picture && found[1].text.is_empty());
    }
}
