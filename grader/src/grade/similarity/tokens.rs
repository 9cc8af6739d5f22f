//! Tokens for comparison: what a copyist changes without thought is not in them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::vec::IntoIter;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust.
    Rust,
    /// A script of the kernel's shell.
    Script,
}

/// A token, by what it counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Equal for tokens that count as the same.
    pub code: u64,
    /// Its line, from 1.
    pub line: usize,
}

/// The tokens of a file. What is no Rust is read as words.
pub fn of(text: &str, language: Language) -> Vec<Token> {
    let stream: Option<TokenStream> = match language {
        Language::Rust => text.parse().ok(),
        Language::Script => None,
    };
    match stream {
        Some(stream) => rust(stream),
        None => words(text),
    }
}

/// A word of a script is itself, but a number is any number.
fn words(text: &str) -> Vec<Token> {
    let line = |(index, line): (usize, &str)| {
        let code = line.split('#').next().unwrap_or_default();
        let words = code
            .split([' ', '\t', '=', ';', ','])
            .filter(|word| !word.is_empty());
        let token = |word: &str| {
            let number = word.starts_with(|c: char| c.is_ascii_digit());
            token(if number { LITERAL } else { word }, index + 1)
        };
        let ended = words.clone().next().map(|_| token("\n"));
        words.map(token).chain(ended).collect::<Vec<_>>()
    };
    text.lines().enumerate().flat_map(line).collect()
}

const LITERAL: &str = "0";
const NAME: &str = "name";

fn token(word: &str, line: usize) -> Token {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    Token {
        code: hasher.finish(),
        line,
    }
}

/// A token of Rust before it is known which names the file declares.
struct Raw {
    text: String,
    line: usize,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Literal,
    Mark,
}

fn rust(stream: TokenStream) -> Vec<Token> {
    let raw = flattened(stream);
    let declared = declared(&raw);
    let tokens = raw.iter().enumerate().map(|(index, here)| {
        let word = match here.kind {
            Kind::Mark => here.text.as_str(),
            Kind::Literal => LITERAL,
            Kind::Name if stays(&raw, index, &declared) => here.text.as_str(),
            Kind::Name => NAME,
        };
        token(word, here.line)
    });
    tokens.collect()
}

/// The words after which a file declares a name.
const DECLARE: [&str; 11] = [
    "const", "enum", "fn", "let", "mod", "mut", "static", "struct", "trait", "type", "union",
];

/// The names that a file declares: after a keyword, or before a type.
fn declared(raw: &[Raw]) -> HashSet<&str> {
    let names = raw
        .iter()
        .enumerate()
        .filter(|(_, here)| here.kind == Kind::Name);
    let declared = names.filter(|(index, _)| {
        let before = index.checked_sub(1).map(|before| raw[before].text.as_str());
        let after = raw.get(index + 1).map(|after| after.text.as_str());
        before.is_some_and(|before| DECLARE.contains(&before)) || after == Some(":")
    });
    declared.map(|(_, here)| here.text.as_str()).collect()
}

/// Whether a name is one that a copyist cannot change: a keyword, or a name from outside.
fn stays(raw: &[Raw], index: usize, declared: &HashSet<&str>) -> bool {
    let here = raw[index].text.as_str();
    let at = |index: usize| raw.get(index).map_or("", |token| token.text.as_str());
    let (before, after) = (index.checked_sub(1).map_or("", at), at(index + 1));
    if KEYWORDS.contains(&here) {
        return true;
    }
    let path = matches!(before, "." | "::") || matches!(after, "::" | "!" | "(");
    let constant = here.starts_with(|c: char| c.is_ascii_uppercase());
    (path || constant) && !declared.contains(here)
}

const KEYWORDS: [&str; 33] = [
    "as", "break", "const", "continue", "else", "enum", "false", "fn", "for", "if", "impl", "in",
    "let", "loop", "match", "mod", "move", "mut", "ref", "return", "self", "Self", "static",
    "struct", "trait", "true", "type", "use", "where", "while", "bool", "u32", "usize",
];

/// Without groups, attributes, visibility, and commas that layout adds. No recursion: a file may nest deeply.
fn flattened(stream: TokenStream) -> Vec<Raw> {
    let mut raw = Vec::new();
    let mut open: Vec<(IntoIter<TokenTree>, &'static str, usize)> = Vec::new();
    let mut inner = trees(stream);
    loop {
        let Some(tree) = inner.next() else {
            let Some((outer, mark, line)) = open.pop() else {
                return raw;
            };
            if raw.last().is_some_and(|last: &Raw| last.text == ",") {
                raw.pop();
            }
            push(&mut raw, mark.to_owned(), line, Kind::Mark);
            inner = outer;
            continue;
        };
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (start, end) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                push(&mut raw, start.to_owned(), line, Kind::Mark);
                let last = group.span_close().end().line;
                open.push((
                    std::mem::replace(&mut inner, trees(group.stream())),
                    end,
                    last,
                ));
            }
            TokenTree::Ident(name) => push(&mut raw, name.to_string(), line, Kind::Name),
            TokenTree::Literal(text) => push(&mut raw, text.to_string(), line, Kind::Literal),
            TokenTree::Punct(mark) => {
                let mut text = mark.as_char().to_string();
                let joined = mark.spacing() == Spacing::Joint && mark.as_char() == ':';
                if joined
                    && matches!(inner.as_slice().first(), Some(TokenTree::Punct(next)) if next.as_char() == ':')
                {
                    inner.next();
                    text.push(':');
                }
                push(&mut raw, text, line, Kind::Mark);
            }
        }
    }
}

fn push(raw: &mut Vec<Raw>, text: String, line: usize, kind: Kind) {
    raw.push(Raw { text, line, kind });
}

/// The trees of a stream but for attributes, documentation among them, and `pub`.
fn trees(stream: TokenStream) -> IntoIter<TokenTree> {
    let all: Vec<TokenTree> = stream.into_iter().collect();
    let mut kept = Vec::with_capacity(all.len());
    let is_mark = |tree: Option<&TokenTree>, mark: char| matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == mark);
    let is_group = |tree: Option<&TokenTree>, kind: Delimiter| matches!(tree, Some(TokenTree::Group(group)) if group.delimiter() == kind);
    let mut index = 0;
    while index < all.len() {
        let mut after = index + 1;
        if is_mark(all.get(index), '#') {
            after += usize::from(is_mark(all.get(after), '!'));
            if is_group(all.get(after), Delimiter::Bracket) {
                index = after + 1;
                continue;
            }
        }
        if matches!(&all[index], TokenTree::Ident(name) if name == "pub") {
            index += 1 + usize::from(is_group(all.get(index + 1), Delimiter::Parenthesis));
            continue;
        }
        kept.push(all[index].clone());
        index += 1;
    }
    kept.into_iter()
}
