//! The names of values in scope: what may stand for another by mistake.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, FnArg, Member, Pat, Signature, Type};

/// What is in scope at a place.
#[derive(Default)]
pub struct Names {
    bound: Vec<String>,
    /// Fields that the function at hand hands to calls, as `asked.me`.
    fields: Vec<(String, String)>,
}

/// How much was in scope.
#[derive(Clone, Copy)]
pub struct Scope(usize);

impl Names {
    /// What is in scope now, to be returned to by [`Names::leave`].
    pub fn scope(&self) -> Scope {
        Scope(self.bound.len())
    }

    /// Forgets what was bound since.
    pub fn leave(&mut self, Scope(length): Scope) {
        self.bound.truncate(length);
    }

    /// Binds a function's parameters, and looks which fields it hands to calls.
    pub fn enter_function(&mut self, signature: &Signature, body: &Block, source: &str) -> Scope {
        let scope = self.scope();
        for input in &signature.inputs {
            // The machine and the words are handed down everywhere, and nothing else is of their type.
            if let FnArg::Typed(typed) = input
                && !matches!(*typed.ty, Type::Reference(_) | Type::ImplTrait(_))
            {
                self.bind(&typed.pat);
            }
        }
        let mut fields = Fields {
            source,
            found: Vec::new(),
        };
        fields.visit_block(body);
        self.fields = fields.found;
        scope
    }

    /// Binds the names of a pattern.
    pub fn bind(&mut self, pat: &Pat) {
        struct Bound<'n>(&'n mut Vec<String>);
        impl<'ast> Visit<'ast> for Bound<'_> {
            fn visit_pat_ident(&mut self, ident: &'ast syn::PatIdent) {
                let name = ident.ident.to_string();
                if !name.starts_with('_') && !name.starts_with(char::is_uppercase) {
                    self.0.push(name);
                }
            }
        }
        Bound(&mut self.bound).visit_pat(pat);
    }

    /// What may stand where `expr` does, if it is a name or a field of one. The compiler tells which are of its type.
    pub fn others(&self, expr: &Expr, source: &str) -> Vec<String> {
        let text = &source[expr.span().byte_range()];
        let is_name = matches!(expr, Expr::Path(path) if path.path.get_ident().is_some())
            && self.bound.iter().any(|name| name == text);
        if !is_name && field(expr).is_none() {
            return Vec::new();
        }
        let in_scope = |(base, _): &&(String, String)| self.bound.contains(base);
        let fields = self.fields.iter().filter(in_scope).map(|(_, field)| field);
        let mut others: Vec<String> = self
            .bound
            .iter()
            .chain(fields)
            .filter(|other| *other != text)
            .cloned()
            .collect();
        others.sort();
        others.dedup();
        others
    }
}

/// The name before the point, if `expr` is a field of one.
fn field(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Field(field) if matches!(field.member, Member::Named(_)) => match &*field.base {
            Expr::Path(path) => Some(path.path.get_ident()?.to_string()),
            _ => None,
        },
        _ => None,
    }
}

struct Fields<'s> {
    source: &'s str,
    found: Vec<(String, String)>,
}

impl<'ast> Visit<'ast> for Fields<'_> {
    fn visit_expr_field(&mut self, expr: &'ast syn::ExprField) {
        let whole = Expr::Field(expr.clone());
        if let Some(base) = field(&whole) {
            let text = self.source[expr.span().byte_range()].to_owned();
            self.found.push((base, text));
        }
        visit::visit_expr_field(self, expr);
    }
}
