//! What a solution's source must not contain: by its syntax tree, never by its text.
//!
//! A solution that keeps to these rules can do nothing but compute and ask the machine. They are for honest
//! mistakes as much as for others: a static would make the explorer's search wrong.

use std::fmt;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A rule that is broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The line, from 1.
    pub line: usize,
    /// What stands there, and why it must not.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Attributes that change nothing but what the compiler says, or how fast the code is.
const ATTRIBUTES: [&str; 11] = [
    "allow", "cold", "deny", "derive", "doc", "expect", "forbid", "inline", "must_use", "no_std",
    "warn",
];
/// Macros of the core library that only compute or panic.
const MACROS: [&str; 13] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "format_args",
    "matches",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "write",
];
/// What of the core library is of no use here, or goes behind the machine's back.
const CORE: [&str; 12] = [
    "arch",
    "any",
    "cell",
    "ffi",
    "hint",
    "intrinsics",
    "mem",
    "panic",
    "pin",
    "ptr",
    "sync",
    "task",
];
/// The crates that a path may begin with.
const CRATES: [&str; 4] = ["lab", "core", "crate", "self"];
/// Source files are small.
pub const LONGEST: usize = 200_000;

/// The rules that `source` breaks, in the order of lines; a source that is no Rust breaks one.
pub fn broken(source: &str) -> Vec<Broken> {
    let one = |line: usize, what: String| vec![Broken { line, what }];
    if source.len() > LONGEST {
        return one(1, format!("the file is longer than {LONGEST} bytes"));
    }
    let file = match syn::parse_file(source) {
        Ok(file) => file,
        Err(error) => {
            return one(
                error.span().start().line,
                format!("this is no Rust: {error}"),
            );
        }
    };
    let mut reader = Reader::default();
    reader.head(&file);
    reader.visit_file(&file);
    reader.broken.sort_by_key(|broken| broken.line);
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

    /// What the file has to begin with.
    fn head(&mut self, file: &syn::File) {
        let has = |name: &str, argument: Option<&str>| {
            file.attrs.iter().any(|attribute| {
                attribute.path().is_ident(name)
                    && argument.is_none_or(|argument| {
                        let list = attribute.meta.require_list();
                        list.is_ok_and(|list| list.tokens.to_string() == argument)
                    })
            })
        };
        if !has("no_std", None) {
            self.say(Span::call_site(), "`#![no_std]` is missing");
        }
        if !has("forbid", Some("unsafe_code")) {
            self.say(Span::call_site(), "`#![forbid(unsafe_code)]` is missing");
        }
    }

    /// The first words of a path.
    fn path(&mut self, words: &[String], span: Span, leading: bool) {
        let Some(first) = words.first() else { return };
        let foreign = [
            "std",
            "alloc",
            "shootdown",
            "kernel",
            "hw",
            "explorer",
            "proc_macro",
        ];
        if leading && !CRATES.contains(&first.as_str()) || foreign.contains(&first.as_str()) {
            self.say(
                span,
                format!("`{first}`: only `lab` and parts of `core` are there for a solution"),
            );
        }
        if first == "core"
            && let Some(second) = words.get(1)
            && (CORE.contains(&second.as_str()) || second == "*" || second == "self")
        {
            self.say(
                span,
                format!("`core::{second}` goes behind the machine's back: the words are `lab`'s"),
            );
        }
    }

    fn tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, before);
                }
            }
            syn::UseTree::Name(name) => self.leaf(name.ident.to_string(), name.span(), before),
            syn::UseTree::Rename(name) if before.is_empty() => {
                self.say(name.span(), "a crate under another name");
            }
            syn::UseTree::Rename(name) => self.leaf(name.ident.to_string(), name.span(), before),
            syn::UseTree::Glob(glob) => self.leaf("*".to_owned(), glob.span(), before),
        }
    }

    fn leaf(&mut self, name: String, span: Span, before: &[String]) {
        let mut words = before.to_vec();
        words.push(name);
        self.path(&words, span, false);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        let name = attribute.path();
        if !ATTRIBUTES.iter().any(|known| name.is_ident(known)) {
            let text = name
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect::<Vec<_>>()
                .join("::");
            self.say(
                attribute.span(),
                format!("the attribute `{text}` is none that a solution needs"),
            );
        }
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && let syn::Expr::Macro(_) = pair.value
        {
            self.say(attribute.span(), "a macro in an attribute could read files");
        }
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let known = MACROS.iter().any(|name| called.path.is_ident(name));
        if !known {
            let name = called.path.segments.last();
            let name = name.map_or(String::new(), |segment| segment.ident.to_string());
            self.say(
                called.span(),
                format!("the macro `{name}!` is none that a solution needs"),
            );
            return;
        }
        // What it is called with is code as well.
        let parser = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        match called.parse_body_with(parser) {
            Ok(arguments) => {
                for argument in &arguments {
                    // The tree is made here, and does not live as long as the file's.
                    let mut inner = Reader::default();
                    inner.visit_expr(argument);
                    self.broken.append(&mut inner.broken);
                }
            }
            // `matches!` has a pattern: only its words can be looked at.
            Err(_) => tokens(self, called.tokens.clone()),
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        let refused = match item {
            syn::Item::Static(_) => "a static: all that CPUs share is made by the machine",
            syn::Item::Mod(_) => "a module: a solution is one file",
            syn::Item::ExternCrate(_) => "`extern crate`: only `lab` is there for a solution",
            syn::Item::ForeignMod(_) => "foreign code",
            syn::Item::Macro(item) if item.ident.is_some() => "a macro of one's own",
            syn::Item::Union(_) => "a union",
            syn::Item::Verbatim(_) => "syntax that is not Rust's own",
            _ => "",
        };
        if refused.is_empty() {
            visit::visit_item(self, item);
        } else {
            self.say(item.span(), refused);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
        for attribute in &item.attrs {
            self.visit_attribute(attribute);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.path(&words, path.span(), path.leading_colon.is_some());
        visit::visit_path(self, path);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.say(block.span(), "`unsafe`");
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(word) = &signature.unsafety {
            self.say(word.span(), "`unsafe`");
        }
        if let Some(abi) = &signature.abi {
            self.say(abi.span(), "a function for foreign code");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(word) = &item.unsafety {
            self.say(word.span(), "`unsafe`");
        }
        visit::visit_item_impl(self, item);
    }
}

/// Looks at words only.
fn tokens(reader: &mut Reader, stream: proc_macro2::TokenStream) {
    for token in stream {
        match token {
            proc_macro2::TokenTree::Group(group) => tokens(reader, group.stream()),
            proc_macro2::TokenTree::Ident(word) if word == "unsafe" => {
                reader.say(word.span(), "`unsafe`");
            }
            proc_macro2::TokenTree::Ident(word) => {
                let text = word.to_string();
                if ["core", "std", "alloc"].contains(&text.as_str()) {
                    reader.say(word.span(), format!("`{text}` in a macro"));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "#![no_std]\n#![forbid(unsafe_code)]\nuse lab::four::*;\n";

    fn said(source: &str) -> Vec<String> {
        broken(&format!("{HEAD}{source}"))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn an_honest_source_that_is_refused() {
        let source = "/// Doc.\npub struct Student;\nfn f(a: u32) -> u32 { assert!(a > 0, \"{a}\"); \
            core::cmp::max(a, 1) }\nuse core::iter;\nconst C: u32 = 3;";
        assert_eq!(said(source), Vec::<String>::new());
    }

    #[test]
    fn what_goes_behind_the_machine_s_back() {
        for (source, word) in [
            ("static A: u32 = 0;", "a static"),
            ("fn f() { unsafe {} }", "`unsafe`"),
            ("unsafe fn f() {}", "`unsafe`"),
            ("unsafe impl Send for S {}", "`unsafe`"),
            ("extern \"C\" fn f() {}", "foreign"),
            ("extern \"C\" { fn f(); }", "foreign"),
            ("extern crate std;", "extern crate"),
            ("mod a;", "a module"),
            ("#[path = \"/etc/passwd\"] mod a;", "a module"),
            ("#[no_mangle] fn f() {}", "no_mangle"),
            ("#[unsafe(no_mangle)] fn f() {}", "unsafe"),
            ("#[link_section = \".x\"] fn f() {}", "link_section"),
            (
                "#[doc = include_str!(\"/etc/passwd\")] fn f() {}",
                "attribute",
            ),
            (
                "const S: &str = include_str!(\"/etc/passwd\");",
                "include_str!",
            ),
            ("const S: &str = env!(\"HOME\");", "env!"),
            ("fn f() { core::arch::asm!(\"hlt\"); }", "asm!"),
            ("fn f() { panic!(\"{}\", env!(\"HOME\")); }", "env!"),
            (
                "fn f() { assert!(matches!(core::sync::atomic::fence, _)); }",
                "core",
            ),
            ("macro_rules! m { () => {} }", "macro"),
            ("use core::sync::atomic::AtomicU32;", "core::sync"),
            ("use core::{sync::atomic::AtomicU32, cmp};", "core::sync"),
            ("use core as c;", "another name"),
            ("use std::fs;", "`std`"),
            ("use ::std::fs;", "`std`"),
            ("fn f() { ::std::process::exit(0) }", "`std`"),
            ("fn f() { std::process::exit(0) }", "`std`"),
            ("struct S(core::cell::Cell<u32>);", "core::cell"),
            ("union U { a: u32 }", "union"),
            ("fn f(", "no Rust"),
            ("#[cfg(debug_assertions)] fn f() {}", "cfg"),
        ] {
            let said = said(source);
            assert!(
                said.iter().any(|line| line.contains(word)),
                "{source}: {said:?}"
            );
        }
    }

    #[test]
    fn a_head_that_is_missing() {
        let said: Vec<String> = broken("fn f() {}").iter().map(|b| b.what.clone()).collect();
        assert!(said.iter().any(|what| what.contains("no_std")), "{said:?}");
        assert!(said.iter().any(|what| what.contains("forbid")), "{said:?}");
    }
}
