//! The page: the viewer's sources and the charts, in one file that asks the network for nothing.

use std::fmt::Write;

use chart::Chart;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../slides/viewer/index.html");
const STYLE: &str = include_str!("../../../slides/viewer/style.css");

/// Names and texts of the modules in a table.
macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../slides/viewer/", $name, ".js")))),*]
    };
}

/// The modules, each after those that it imports.
const MODULES: &[(&str, &str)] = modules![
    "palette", "view", "model", "surface", "paint", "overview", "panel", "pane", "search", "keys",
    "link", "save", "controls", "live", "main",
];

/// The page allows itself nothing but what is in it. A saved picture is a `blob:` of its own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob:; base-uri 'none'; form-action 'none'";

/// The page of these charts; the first is shown, and the one of number `beside` next to it.
#[must_use]
pub fn page(charts: &[&Chart], beside: Option<usize>) -> String {
    filled(&json!({ "charts": charts, "beside": beside }), POLICY)
}

/// What the page of a running machine may do besides: ask the machine.
pub(super) const LIVE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/// The page of a machine that runs, which answers under the path `live`.
pub(super) fn live(chart: &Chart, live: &str) -> String {
    filled(&json!({ "charts": [chart], "live": live }), LIVE_POLICY)
}

fn filled(charts: &Value, policy: &str) -> String {
    // No `<` in it: nothing that charts say can end the element that they are in.
    let charts = charts.to_string().replace('<', "\\u003c");
    let parts = [
        ("{{policy}}", policy),
        ("{{style}}", STYLE),
        ("{{charts}}", &charts),
        ("{{script}}", &script()),
    ];
    let mut rest = PAGE;
    let mut page = String::new();
    for (place, part) in parts {
        let (before, after) = rest
            .split_once(place)
            .expect("the page has a place for each part, in this order");
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// The modules as one: each a function's body, so that what it does not export stays its own.
fn script() -> String {
    let mut script = String::from("'use strict';\n");
    for (name, text) in MODULES {
        let mut exported = Vec::new();
        let _ = writeln!(script, "const {name}_js = (() => {{");
        for line in text.lines() {
            let line = match line.strip_prefix("export ") {
                Some(exports) => {
                    exported.push(name_of(exports));
                    exports
                }
                None => line,
            };
            let _ = writeln!(script, "{}", import(line).as_deref().unwrap_or(line));
        }
        let _ = writeln!(script, "return {{ {} }};\n}})();", exported.join(", "));
    }
    script
}

/// The name that `class X`, `function x(` or `const x =` gives.
fn name_of(declaration: &str) -> &str {
    let after = declaration.split(' ').nth(1).unwrap_or_default();
    after.split(['(', ' ', ';']).next().unwrap_or_default()
}

/// An import, as a declaration that takes from the function's result.
fn import(line: &str) -> Option<String> {
    let (names, from) = line.strip_prefix("import ")?.split_once(" from './")?;
    let module = from.strip_suffix(".js';")?;
    Some(format!("const {names} = {module}_js;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_not_in_the_page() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../slides/viewer");
        for entry in std::fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(name) = name.strip_suffix(".js") {
                assert!(MODULES.iter().any(|(other, _)| *other == name), "{name}");
            }
        }
        let script = script();
        assert!(!script.contains("\nimport ") && !script.contains("\nexport "));
    }

    #[test]
    fn a_text_of_a_chart_that_ends_the_script() {
        let charts = json!({ "title": "</script><script>alert(1)</script>" });
        let page = filled(&charts, POLICY);
        assert!(!page.contains("<script>alert"));
        assert!(page.contains("\\u003c/script>"));
    }
}
