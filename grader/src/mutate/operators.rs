//! What makes mutants: small mistakes, made in every place of a source where they can be.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, ExprMethodCall, ImplItemFn, ItemFn, Lit, RangeLimits, Stmt, UnOp};

use super::edit::Mutant;
use super::names::Names;

/// Every operator of Rust sources: its name, and what it does.
pub const OPERATORS: [(&str, &str); 18] = [
    ("and-or", "`&&` for `||`, `|` for `&`, and the reverse"),
    ("another-name", "a value in scope for another"),
    ("another-number", "a number more or less by one"),
    ("arithmetic", "`+` for `-`, `*` for `+`, `<<` for `>>`"),
    ("comparison", "another comparison"),
    ("drop-adapter", "a filter of an iterator or set left out"),
    ("drop-fence", "a fence left out"),
    ("drop-not", "a `!` left out"),
    ("drop-operand", "one side of an operator left out"),
    ("drop-statement", "a statement left out"),
    ("early-return", "a function that returns at once"),
    ("fixed-condition", "a condition that always holds"),
    ("flip-flag", "`true` for `false`"),
    ("ignore-error", "an error that is not handed on"),
    ("negate-condition", "a condition that is negated"),
    (
        "once",
        "a loop that ends after its first round, or skips it",
    ),
    (
        "swap",
        "two statements, or two arguments, in the other order",
    ),
    ("weaken", "a weaker memory ordering"),
];

/// Every mutant of a Rust source, in the order of lines, none twice.
///
/// # Errors
/// If it is no Rust.
pub fn mutants(source: &str) -> syn::Result<Vec<Mutant>> {
    let file = syn::parse_file(source)?;
    let mut maker = Maker {
        source,
        made: Vec::new(),
        names: Names::default(),
    };
    maker.visit_file(&file);
    Ok(sorted(maker.made, source))
}

/// In the order of lines, none twice.
pub(super) fn sorted(mut made: Vec<Mutant>, original: &str) -> Vec<Mutant> {
    made.retain(|mutant| mutant.source != original);
    made.sort_by(|a, b| (a.line, a.operator, &a.source).cmp(&(b.line, b.operator, &b.source)));
    let mut seen = std::collections::BTreeSet::new();
    made.retain(|mutant| seen.insert(mutant.source.clone()));
    made
}

struct Maker<'s> {
    source: &'s str,
    made: Vec<Mutant>,
    names: Names,
}

impl Maker<'_> {
    fn text(&self, node: &impl Spanned) -> &str {
        &self.source[node.span().byte_range()]
    }

    fn replace(&mut self, operator: &'static str, span: Span, text: &str) {
        let made = Mutant::new(operator, self.source, span.byte_range(), text);
        self.made.extend(made);
    }

    /// The texts of two neighbours, in the other order.
    fn swap(&mut self, first: &impl Spanned, second: &impl Spanned) {
        let (first, second) = (first.span().byte_range(), second.span().byte_range());
        let text = [
            &self.source[second.clone()],
            &self.source[first.end..second.start],
            &self.source[first.clone()],
        ]
        .concat();
        let made = Mutant::new("swap", self.source, first.start..second.end, &text);
        self.made.extend(made);
    }

    fn condition(&mut self, condition: &Expr) {
        match condition {
            // A pattern cannot be negated, what is asked beside it can.
            Expr::Let(_) => {}
            Expr::Binary(binary) if has_let(condition) => {
                self.condition(&binary.left);
                self.condition(&binary.right);
            }
            _ => {
                let negated = format!("!({})", self.text(condition));
                self.replace("negate-condition", condition.span(), &negated);
                self.replace("fixed-condition", condition.span(), "true");
            }
        }
    }

    fn body_of_loop(&mut self, body: &Block) {
        for (statement, place) in [(body.stmts.first(), false), (body.stmts.last(), true)] {
            let Some(statement) = statement else { continue };
            let text = self.text(statement);
            let text = match (place, statement) {
                (false, _) => format!("break; {text}"),
                (true, Stmt::Expr(_, None)) => format!("{text}; break;"),
                (true, _) => format!("{text} break;"),
            };
            self.replace("once", statement.span(), &text);
        }
    }

    /// A body that does nothing, where there is something to return.
    fn at_once(&mut self, output: &syn::ReturnType, body: &Block) {
        let value = match output {
            syn::ReturnType::Default => "",
            syn::ReturnType::Type(_, kind) => match self.text(kind) {
                "u32" | "u64" | "usize" => "0",
                "bool" => "false",
                "CpuSet" => "CpuSet::EMPTY",
                kind if kind.starts_with("Result<(),") => "Ok(())",
                kind if kind.starts_with("Result<u32,") => "Ok(1)",
                _ => return,
            },
        };
        if let Some(first) = body.stmts.first() {
            let text =
                format!("return {value}; {}", self.text(first)).replace("return ;", "return;");
            self.replace("early-return", first.span(), &text);
        }
    }

    fn function(&mut self, signature: &syn::Signature, body: &Block) {
        self.at_once(&signature.output, body);
        let scope = self.names.enter_function(signature, body, self.source);
        self.visit_block(body);
        self.names.leave(scope);
    }

    fn arguments<'e>(&mut self, arguments: impl Iterator<Item = &'e Expr> + Clone) {
        for (first, second) in arguments.clone().zip(arguments.clone().skip(1)) {
            self.swap(first, second);
        }
        arguments.for_each(|argument| self.name(argument));
    }

    /// Another name for one.
    fn name(&mut self, expr: &Expr) {
        let inner = match expr {
            Expr::Reference(reference) => &*reference.expr,
            other => other,
        };
        for other in self.names.others(inner, self.source) {
            self.replace("another-name", inner.span(), &other);
        }
    }

    fn binary(&mut self, binary: &syn::ExprBinary) {
        let (operator, others): (_, &[&str]) = match binary.op {
            BinOp::And(_) => ("and-or", &["||"]),
            BinOp::Or(_) => ("and-or", &["&&"]),
            BinOp::BitAnd(_) => ("and-or", &["|"]),
            BinOp::BitOr(_) => ("and-or", &["&"]),
            BinOp::Eq(_) => ("comparison", &["!="]),
            BinOp::Ne(_) => ("comparison", &["=="]),
            BinOp::Lt(_) => ("comparison", &["<=", ">="]),
            BinOp::Le(_) => ("comparison", &["<", ">"]),
            BinOp::Gt(_) => ("comparison", &[">=", "<="]),
            BinOp::Ge(_) => ("comparison", &[">", "<"]),
            BinOp::Add(_) => ("arithmetic", &["-"]),
            BinOp::Sub(_) => ("arithmetic", &["+"]),
            BinOp::Mul(_) => ("arithmetic", &["+"]),
            BinOp::Shl(_) => ("arithmetic", &[">>"]),
            BinOp::Shr(_) => ("arithmetic", &["<<"]),
            BinOp::AddAssign(_) => ("arithmetic", &["-="]),
            BinOp::SubAssign(_) => ("arithmetic", &["+="]),
            _ => return,
        };
        for other in others {
            self.replace(operator, binary.op.span(), other);
        }
        let assigns = matches!(binary.op, BinOp::AddAssign(_) | BinOp::SubAssign(_));
        if operator != "comparison" && !assigns && !has_let(&binary.left) && !has_let(&binary.right)
        {
            for kept in [&binary.left, &binary.right] {
                let text = self.text(kept).to_owned();
                self.replace("drop-operand", binary.span(), &text);
            }
        }
    }

    fn orderings(&mut self, path: &syn::ExprPath) {
        let weaker: &[&str] = match path.path.segments.last().map(|last| last.ident.to_string()) {
            Some(name) if name == "SeqCst" => &["Relaxed", "Release", "Acquire"],
            Some(name) if name == "AcqRel" => &["Relaxed", "Release", "Acquire"],
            Some(name) if name == "Acquire" || name == "Release" => &["Relaxed"],
            _ => return,
        };
        for order in weaker {
            self.replace("weaken", path.span(), order);
        }
    }
}

/// Whether a pattern is asked for somewhere in a chain.
fn has_let(expr: &Expr) -> bool {
    match expr {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn is_fence(statement: &Stmt) -> bool {
    matches!(statement, Stmt::Expr(Expr::MethodCall(call), _) if call.method == "fence")
}

impl<'ast> Visit<'ast> for Maker<'_> {
    fn visit_block(&mut self, block: &'ast Block) {
        let scope = self.names.scope();
        for statement in &block.stmts {
            let operator = if is_fence(statement) {
                "drop-fence"
            } else {
                "drop-statement"
            };
            self.replace(operator, statement.span(), "");
        }
        for pair in block.stmts.windows(2) {
            // A value at the end stays there.
            if !matches!(&pair[1], Stmt::Expr(expr, None) if !ends_a_line(expr)) {
                self.swap(&pair[0], &pair[1]);
            }
        }
        for statement in &block.stmts {
            self.visit_stmt(statement);
            if let Stmt::Local(local) = statement {
                self.names.bind(&local.pat);
            }
        }
        self.names.leave(scope);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        let scope = self.names.scope();
        closure.inputs.iter().for_each(|pat| self.names.bind(pat));
        self.visit_expr(&closure.body);
        self.names.leave(scope);
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.condition(&branch.cond);
        let scope = self.names.scope();
        self.visit_expr(&branch.cond);
        self.visit_block(&branch.then_branch);
        self.names.leave(scope);
        if let Some((_, other)) = &branch.else_branch {
            self.replace("fixed-condition", branch.cond.span(), "false");
            self.visit_expr(other);
        }
    }

    fn visit_expr_let(&mut self, asked: &'ast syn::ExprLet) {
        self.visit_expr(&asked.expr);
        self.names.bind(&asked.pat);
    }

    fn visit_expr_while(&mut self, repeated: &'ast syn::ExprWhile) {
        self.condition(&repeated.cond);
        self.body_of_loop(&repeated.body);
        let scope = self.names.scope();
        visit::visit_expr_while(self, repeated);
        self.names.leave(scope);
    }

    fn visit_expr_for_loop(&mut self, repeated: &'ast syn::ExprForLoop) {
        self.body_of_loop(&repeated.body);
        self.visit_expr(&repeated.expr);
        let scope = self.names.scope();
        self.names.bind(&repeated.pat);
        self.visit_block(&repeated.body);
        self.names.leave(scope);
    }

    fn visit_expr_loop(&mut self, repeated: &'ast syn::ExprLoop) {
        self.body_of_loop(&repeated.body);
        visit::visit_expr_loop(self, repeated);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let scope = self.names.scope();
        self.names.bind(&arm.pat);
        visit::visit_arm(self, arm);
        self.names.leave(scope);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        self.binary(binary);
        self.name(&binary.left);
        self.name(&binary.right);
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if matches!(unary.op, UnOp::Not(_)) {
            let text = self.text(&unary.expr).to_owned();
            self.replace("drop-not", unary.span(), &text);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_range(&mut self, range: &'ast syn::ExprRange) {
        let other = match range.limits {
            RangeLimits::HalfOpen(_) => "..=",
            RangeLimits::Closed(_) => "..",
        };
        self.replace("another-number", range.limits.span(), other);
        if let Some(end) = &range.end {
            let text = format!("{} - 1", self.text(end));
            self.replace("another-number", end.span(), &text);
        }
        visit::visit_expr_range(self, range);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if ["filter", "without"].iter().any(|name| call.method == name) {
            let text = self.text(&call.receiver).to_owned();
            self.replace("drop-adapter", call.span(), &text);
        }
        self.arguments(call.args.iter());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        // To drop something else is to leave the drop out.
        let drops = matches!(&*call.func, Expr::Path(path) if path.path.is_ident("drop"));
        if !drops {
            self.arguments(call.args.iter());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_try(&mut self, handed_on: &'ast syn::ExprTry) {
        let text = format!("let _ = {}", self.text(&handed_on.expr));
        self.replace("ignore-error", handed_on.span(), &text);
        visit::visit_expr_try(self, handed_on);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        self.orderings(path);
    }

    fn visit_expr_lit(&mut self, literal: &'ast syn::ExprLit) {
        match &literal.lit {
            Lit::Bool(flag) => {
                let other = (!flag.value).to_string();
                self.replace("flip-flag", flag.span(), &other);
            }
            Lit::Int(number) => {
                let Ok(value) = number.base10_parse::<u64>() else {
                    return;
                };
                for other in [value.checked_add(1), value.checked_sub(1)] {
                    let Some(other) = other else { continue };
                    let text = format!("{other}{}", number.suffix());
                    self.replace("another-number", number.span(), &text);
                }
            }
            _ => {}
        }
    }
}

/// Whether an expression stands as a statement without a semicolon.
fn ends_a_line(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::If(_) | Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) | Expr::Match(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
fn serve<M: Machine>(m: &M, board: &Board<M>, me: CpuId) -> u32 {
    let mut served = 0;
    // A remark stays where it is.
    for other in 0..board.cpus() {
        if other != me.index() && !board.skips(me, other) {
            m.fence(SeqCst);
            board.slot(me, other).store(7, Release);
            served += 1;
        }
    }
    settle(m)?;
    served
}
";

    fn made(operator: &str) -> Vec<String> {
        let all = mutants(SAMPLE).unwrap();
        let of = all.iter().filter(|mutant| mutant.operator == operator);
        of.map(|mutant| format!("{} {}", mutant.line, mutant.becomes))
            .collect()
    }

    #[test]
    fn a_mistake_that_is_not_made() {
        assert!(made("weaken").contains(&"6 m.fence(Relaxed);".into()));
        assert!(made("weaken").contains(&"7 board.slot(me, other).store(7, Relaxed);".into()));
        assert_eq!(made("drop-fence"), ["6 "]);
        assert!(made("drop-statement").contains(&"7 ".into()));
        assert!(made("swap").contains(&"6 board.slot(me, other).store(7, Release);".into()));
        assert!(made("swap").contains(&"7 board.slot(other, me).store(7, Release);".into()));
        assert!(made("another-name").contains(&"7 board.slot(me, me).store(7, Release);".into()));
        assert!(made("another-number").contains(&"4 for other in 0..=board.cpus() {".into()));
        assert!(made("another-number").contains(&"4 for other in 1..board.cpus() {".into()));
        assert!(made("another-number").contains(&"4 for other in 0..board.cpus() - 1 {".into()));
        assert!(
            made("another-number").contains(&"7 board.slot(me, other).store(6, Release);".into())
        );
        assert_eq!(
            made("drop-not"),
            ["5 if other != me.index() && board.skips(me, other) {"]
        );
        assert_eq!(
            made("negate-condition"),
            ["5 if !(other != me.index() && !board.skips(me, other)) {"]
        );
        assert_eq!(made("fixed-condition"), ["5 if true {"]);
        assert_eq!(
            made("and-or"),
            ["5 if other != me.index() || !board.skips(me, other) {"]
        );
        assert_eq!(
            made("comparison"),
            ["5 if other == me.index() && !board.skips(me, other) {"]
        );
        assert_eq!(
            made("drop-operand"),
            [
                "5 if !board.skips(me, other) {",
                "5 if other != me.index() {"
            ]
        );
        assert_eq!(made("arithmetic"), ["8 served -= 1;"]);
        assert_eq!(made("early-return"), ["2 return 0; let mut served = 0;"]);
        assert_eq!(made("ignore-error"), ["11 let _ = settle(m);"]);
        assert_eq!(made("once").len(), 2, "at the loop's start, and at its end");
    }

    #[test]
    fn a_mutant_whose_lines_have_other_numbers_or_that_is_there_twice() {
        let all = mutants(SAMPLE).unwrap();
        let mut sources: Vec<&str> = all.iter().map(|mutant| &*mutant.source).collect();
        for source in &sources {
            assert_eq!(source.lines().count(), SAMPLE.lines().count(), "{source}");
            assert_ne!(*source, SAMPLE);
        }
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), all.len());
        let operators = OPERATORS.map(|(name, _)| name);
        assert!(
            all.iter()
                .all(|mutant| operators.contains(&mutant.operator))
        );
        assert!(all.is_sorted_by_key(|mutant| mutant.line));
    }

    #[test]
    fn a_diff_that_shows_more_or_less_than_the_change() {
        let all = mutants(SAMPLE).unwrap();
        let dropped = all.iter().find(|mutant| mutant.operator == "drop-fence");
        assert_eq!(dropped.unwrap().diff(SAMPLE), "   6 - m.fence(SeqCst);\n");
        let once = all.iter().find(|mutant| mutant.operator == "arithmetic");
        assert_eq!(
            once.unwrap().diff(SAMPLE),
            "   8 - served += 1;\n   8 + served -= 1;\n"
        );
    }

    #[test]
    fn a_source_that_is_no_rust_taken_for_one_without_mutants() {
        assert!(mutants("fn f( {").is_err());
    }
}
