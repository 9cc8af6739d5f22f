//! What single tokens show: wherever they stand, in the arguments of macros and attributes as well.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};

use super::Broken;

/// Attributes that change nothing but what the compiler says, or how fast the code is.
const ATTRIBUTES: [&str; 11] = [
    "allow", "cold", "deny", "derive", "doc", "expect", "forbid", "inline", "must_use", "no_std",
    "warn",
];
/// What may be derived.
const DERIVED: [&str; 9] = [
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Eq",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialOrd",
];
/// Macros of the core library that only compute or panic.
const MACROS: [&str; 10] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "format_args",
    "matches",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "write",
];
/// Modules of the core library that only compute.
const CORE: [&str; 28] = [
    "array", "bool", "char", "clone", "cmp", "convert", "default", "fmt", "i128", "i16", "i32",
    "i64", "i8", "isize", "iter", "marker", "num", "ops", "option", "result", "slice", "str",
    "u128", "u16", "u32", "u64", "u8", "usize",
];
/// Words that no solution needs, and why not.
const WORDS: [(&[&str], &str); 7] = [
    (&["unsafe"], "the rules of the language hold for a solution"),
    (
        &["extern"],
        "foreign code, or a crate that is not there for a solution",
    ),
    (&["static"], "all that CPUs share is made by the machine"),
    (&["mod"], "a solution is one file"),
    (&["macro_rules", "macro"], "a macro of one's own"),
    (&["async", "await", "gen"], "nobody is there to run it"),
    (
        &[
            "size_of",
            "size_of_val",
            "align_of",
            "align_of_val",
            "type_name",
            "type_name_of_val",
            "TypeId",
            "Location",
        ],
        "it tells what the code runs in, and a solution is the same everywhere",
    ),
];
/// Keywords that can stand before a `!` that means "not".
const BEFORE_NOT: [&str; 12] = [
    "if", "while", "match", "return", "in", "else", "break", "as", "let", "mut", "move", "impl",
];
/// Brackets may be nested so deep.
const DEEPEST: usize = 100;

/// The first place where brackets are nested too deep.
pub fn too_deep(stream: &TokenStream) -> Option<Broken> {
    let mut open = vec![stream.clone().into_iter()];
    while let Some(tokens) = open.last_mut() {
        match tokens.next() {
            Some(TokenTree::Group(group)) if open.len() > DEEPEST => {
                return Some(Broken {
                    line: group.span_open().start().line,
                    what: format!("brackets are nested more than {DEEPEST} deep"),
                });
            }
            Some(TokenTree::Group(group)) => open.push(group.stream().into_iter()),
            Some(_) => {}
            None => {
                open.pop();
            }
        }
    }
    None
}

/// What the tokens break.
pub fn broken(stream: TokenStream) -> Vec<Broken> {
    let mut reader = Reader::default();
    reader.stream(stream);
    reader.broken
}

#[derive(Default)]
struct Reader {
    broken: Vec<Broken>,
}

impl Reader {
    fn say(&mut self, span: Span, what: impl Into<String>) {
        let line = span.start().line;
        let what = what.into();
        self.broken.push(Broken { line, what });
    }

    fn stream(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let (before, after) = (&tokens[..index], &tokens[index + 1..]);
            match token {
                TokenTree::Ident(word) => self.word(word, before, after),
                TokenTree::Group(group) => {
                    if is_attribute(before) && group.delimiter() == Delimiter::Bracket {
                        self.attribute(group);
                    }
                    self.stream(group.stream());
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains(":p}") || text.contains(":#p}") {
                        self.say(
                            literal.span(),
                            "`{:p}`: an address tells what the code runs in",
                        );
                    }
                    if text.starts_with('c') {
                        self.say(literal.span(), "a string for foreign code");
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    fn word(&mut self, word: &Ident, before: &[TokenTree], after: &[TokenTree]) {
        let text = word.to_string();
        if text.starts_with("r#") {
            self.say(
                word.span(),
                format!("`{text}`: a raw identifier hides a word"),
            );
        }
        if !text.is_ascii() {
            self.say(
                word.span(),
                format!("`{text}`: names are written in ASCII, so that none looks like another"),
            );
        }
        let lifetime =
            matches!(before.last(), Some(TokenTree::Punct(mark)) if mark.as_char() == '\'');
        if lifetime {
            return;
        }
        let refused = WORDS
            .iter()
            .find(|(words, _)| words.contains(&text.as_str()));
        if let Some((_, why)) = refused {
            self.say(word.span(), format!("`{text}`: {why}"));
        }
        if is_macro(&text, after) && !MACROS.contains(&text.as_str()) {
            self.say(
                word.span(),
                format!("the macro `{text}!` is none that a solution needs"),
            );
        }
        if text == "core" && doubles(after) {
            self.of_core(word, &after[2..]);
        }
    }

    /// What follows `core::`.
    fn of_core(&mut self, word: &Ident, after: &[TokenTree]) {
        let names: Vec<Ident> = match after.first() {
            Some(TokenTree::Ident(name)) => vec![name.clone()],
            Some(TokenTree::Group(group)) => firsts(group),
            _ => Vec::new(),
        };
        if names.is_empty() {
            self.say(word.span(), "all of `core`: the words are `lab`'s");
        }
        for name in names {
            let text = name.to_string();
            if !CORE.contains(&text.as_str()) {
                self.say(
                    name.span(),
                    format!("`core::{text}` is none of the modules that only compute: the words are `lab`'s"),
                );
            }
        }
    }

    fn attribute(&mut self, group: &Group) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let name = match tokens.first() {
            Some(TokenTree::Ident(name)) => name.to_string(),
            _ => String::new(),
        };
        let path = doubles(&tokens[tokens.len().min(1)..]);
        if path || !ATTRIBUTES.contains(&name.as_str()) {
            self.say(
                group.span(),
                format!("the attribute `{name}` is none that a solution needs"),
            );
        }
        if let ("derive", Some(TokenTree::Group(list))) = (name.as_str(), tokens.get(1)) {
            for derived in list.stream() {
                if let TokenTree::Ident(derived) = derived
                    && !DERIVED.contains(&derived.to_string().as_str())
                {
                    self.say(derived.span(), format!("`derive({derived})`"));
                }
            }
        }
    }
}

/// The first words of a `use`'s group.
fn firsts(group: &Group) -> Vec<Ident> {
    let mut first = true;
    let mut found = Vec::new();
    for token in group.stream() {
        match token {
            TokenTree::Ident(name) if first => {
                found.push(name);
                first = false;
            }
            TokenTree::Punct(mark) if mark.as_char() == ',' => first = true,
            // A glob, or a group in a group.
            _ if first => return Vec::new(),
            _ => {}
        }
    }
    found
}

/// Whether an attribute's group comes next.
fn is_attribute(before: &[TokenTree]) -> bool {
    let is = |token: Option<&TokenTree>, wanted: char| matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == wanted);
    let last = before.last();
    is(last, '#') || is(last, '!') && is(before.iter().rev().nth(1), '#')
}

/// Whether this word and what follows is a call of a macro.
fn is_macro(word: &str, after: &[TokenTree]) -> bool {
    let [TokenTree::Punct(mark), next, ..] = after else {
        return false;
    };
    let called = matches!(next, TokenTree::Group(_) | TokenTree::Ident(_));
    let not = mark.spacing() == Spacing::Joint && matches!(next, TokenTree::Punct(_));
    mark.as_char() == '!' && called && !not && !BEFORE_NOT.contains(&word)
}

/// Whether `::` comes next.
fn doubles(after: &[TokenTree]) -> bool {
    let colon =
        |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':');
    after.len() > 1 && colon(&after[0]) && colon(&after[1])
}
