//! What the grammar shows.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Lit};

use super::Broken;

/// The crates that a path may begin with.
const CRATES: [&str; 4] = ["lab", "core", "crate", "self"];
/// Crates that are not there for a solution.
const FOREIGN: [&str; 8] = [
    "alloc",
    "explorer",
    "hw",
    "kernel",
    "proc_macro",
    "shootdown",
    "std",
    "test",
];
/// An array may have so many elements, all its dimensions together: a kernel's stack has 32 KiB.
const LARGEST: u128 = 1024;

/// What the tree breaks.
pub fn broken(file: &syn::File) -> Vec<Broken> {
    let mut reader = Reader::default();
    reader.head(file);
    reader.constants(file);
    reader.visit_file(file);
    reader.broken
}

#[derive(Default)]
struct Reader {
    broken: Vec<Broken>,
    /// The constants of the file whose values can be told.
    constants: BTreeMap<String, u128>,
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

    fn constants(&mut self, file: &syn::File) {
        for item in &file.items {
            if let syn::Item::Const(item) = item
                && let Some(value) = self.value(&item.expr)
            {
                self.constants.insert(item.ident.to_string(), value);
            }
        }
    }

    /// The value of an expression, if it is a simple one; as large as can be if it overflows.
    fn value(&self, expression: &Expr) -> Option<u128> {
        match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(number) => number.base10_parse().ok(),
                _ => None,
            },
            Expr::Paren(inner) => self.value(&inner.expr),
            Expr::Group(inner) => self.value(&inner.expr),
            Expr::Cast(inner) => self.value(&inner.expr),
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                self.constants.get(&name).copied()
            }
            Expr::Binary(both) => {
                let (left, right) = (self.value(&both.left)?, self.value(&both.right)?);
                let shift = u32::try_from(right).unwrap_or(u32::MAX).min(64);
                Some(match both.op {
                    BinOp::Add(_) => left.saturating_add(right),
                    BinOp::Sub(_) => left.saturating_sub(right),
                    BinOp::Mul(_) => left.saturating_mul(right),
                    BinOp::Div(_) => left.checked_div(right)?,
                    BinOp::Shl(_) => left.saturating_mul(1 << shift),
                    _ => return None,
                })
            }
            _ => None,
        }
    }

    fn length(&mut self, length: Option<u128>, span: Span) {
        if length.is_some_and(|length| length > LARGEST) {
            self.say(
                span,
                format!(
                    "an array of more than {LARGEST} elements: it would not fit on a kernel's stack"
                ),
            );
        }
    }

    /// The elements of an array's type, all dimensions together.
    fn elements(&self, array: &syn::TypeArray) -> Option<u128> {
        let inner = match &*array.elem {
            syn::Type::Array(inner) => self.elements(inner)?,
            _ => 1,
        };
        Some(self.value(&array.len)?.saturating_mul(inner))
    }

    fn repeated(&self, array: &syn::ExprRepeat) -> Option<u128> {
        let inner = match &*array.expr {
            Expr::Repeat(inner) => self.repeated(inner)?,
            _ => 1,
        };
        Some(self.value(&array.len)?.saturating_mul(inner))
    }

    /// The first word of a path.
    fn first(&mut self, first: &str, span: Span, leading: bool) {
        if leading && !CRATES.contains(&first) || FOREIGN.contains(&first) {
            self.say(
                span,
                format!("`{first}`: only `lab` and parts of `core` are there for a solution"),
            );
        }
    }

    fn outlives(&mut self, span: Span) {
        self.say(
            span,
            "a lifetime as a bound: known holes of the compiler lead through it; what is behind `impl` lives as long \
             as it can without",
        );
    }

    fn tree(&mut self, tree: &syn::UseTree, leading: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                self.first(&path.ident.to_string(), path.ident.span(), leading);
                // `use core::{self as other}`
                if path.ident == "core" || path.ident == "lab" {
                    self.itself(&path.tree);
                }
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, leading);
                }
            }
            syn::UseTree::Name(name) => {
                self.first(&name.ident.to_string(), name.span(), leading);
                self.whole(&name.ident);
            }
            syn::UseTree::Rename(name) => {
                self.say(name.span(), "a crate under another name");
            }
            syn::UseTree::Glob(glob) => self.say(glob.span(), "a glob of all crates"),
        }
    }

    fn itself(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.itself(tree);
                }
            }
            syn::UseTree::Rename(name) if name.ident == "self" => {
                self.say(name.span(), "a crate under another name");
            }
            _ => {}
        }
    }

    fn whole(&mut self, name: &proc_macro2::Ident) {
        if name == "core" {
            self.say(name.span(), "all of `core`: the words are `lab`'s");
        }
    }
}

/// The lifetimes that have names in a type.
#[derive(Default)]
struct Lifetimes(BTreeSet<String>);

impl<'ast> Visit<'ast> for Lifetimes {
    fn visit_lifetime(&mut self, lifetime: &'ast syn::Lifetime) {
        if lifetime.ident != "_" {
            self.0.insert(lifetime.ident.to_string());
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Union(_) => self.say(item.span(), "a union"),
            syn::Item::Trait(_) | syn::Item::TraitAlias(_) => self.say(
                item.span(),
                "a trait of one's own: known holes of the compiler lead through it; the lab's is there to be implemented",
            ),
            syn::Item::Verbatim(_) => self.say(item.span(), "syntax that is not Rust's own"),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, item.leading_colon.is_some());
        visit::visit_item_use(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let Some(first) = path.segments.first() {
            let single = path.segments.len() == 1 && path.leading_colon.is_none();
            if !single {
                let leading = path.leading_colon.is_some();
                self.first(&first.ident.to_string(), path.span(), leading);
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_type(&mut self, kind: &'ast syn::Type) {
        match kind {
            syn::Type::Ptr(_) => self.say(kind.span(), "a raw pointer"),
            syn::Type::BareFn(_) => self.say(
                kind.span(),
                "a pointer to a function: known holes of the compiler lead through it; `impl Fn` does as well",
            ),
            syn::Type::TraitObject(_) => self.say(
                kind.span(),
                "`dyn`: known holes of the compiler lead through it; `impl` does as well",
            ),
            syn::Type::Verbatim(_) => self.say(kind.span(), "syntax that is not Rust's own"),
            _ => {}
        }
        let mut lifetimes = Lifetimes::default();
        lifetimes.visit_type(kind);
        if lifetimes.0.len() > 1 {
            self.say(
                kind.span(),
                "two named lifetimes in one type: known holes of the compiler begin with it; one of them can be `'_`",
            );
        }
        visit::visit_type(self, kind);
    }

    fn visit_bound_lifetimes(&mut self, bound: &'ast syn::BoundLifetimes) {
        self.say(
            bound.span(),
            "`for<…>`: known holes of the compiler lead through it",
        );
    }

    fn visit_type_param_bound(&mut self, bound: &'ast syn::TypeParamBound) {
        if matches!(bound, syn::TypeParamBound::Lifetime(_)) {
            self.outlives(bound.span());
        }
        visit::visit_type_param_bound(self, bound);
    }

    fn visit_lifetime_param(&mut self, parameter: &'ast syn::LifetimeParam) {
        if !parameter.bounds.is_empty() {
            self.outlives(parameter.span());
        }
        visit::visit_lifetime_param(self, parameter);
    }

    fn visit_predicate_lifetime(&mut self, predicate: &'ast syn::PredicateLifetime) {
        self.outlives(predicate.span());
        visit::visit_predicate_lifetime(self, predicate);
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        self.length(self.elements(array), array.span());
        visit::visit_type_array(self, array);
    }

    fn visit_expr_repeat(&mut self, array: &'ast syn::ExprRepeat) {
        self.length(self.repeated(array), array.span());
        visit::visit_expr_repeat(self, array);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::RawAddr(_) => self.say(expression.span(), "a raw pointer"),
            Expr::Verbatim(_) => self.say(expression.span(), "syntax that is not Rust's own"),
            _ => {}
        }
        visit::visit_expr(self, expression);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        // What it is called with is code as well.
        let parser = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        if let Ok(arguments) = called.parse_body_with(parser) {
            // The tree is made here, and does not live as long as the file's.
            let mut inner = Reader {
                broken: Vec::new(),
                constants: self.constants.clone(),
            };
            for argument in &arguments {
                inner.visit_expr(argument);
            }
            self.broken.append(&mut inner.broken);
        }
    }
}
