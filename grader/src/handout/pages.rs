//! The students' pages: rows of tables that lead to what is left out are left out too.

use super::table;

/// `markdown` without the table rows that name a place of [`table::LEFT_OUT`], or one in it, or of `withheld`.
#[must_use]
pub fn students(markdown: &str, withheld: &[String]) -> String {
    let leads_nowhere = |line: &&str| {
        let withheld = withheld.iter().map(String::as_str);
        let mut places = table::LEFT_OUT.into_iter().chain(withheld);
        line.starts_with('|') && places.any(|place| line.contains(place))
    };
    let rows = markdown.split_inclusive('\n');
    rows.filter(|line| !leads_nowhere(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_leads_to_a_page_for_instructors() {
        let page = "| to | go to |\n|---|---|\n| read | [`a.md`](a.md) |\n| grade | [`x`](grader/README.md) |\n\
                    | add | [`b`](../labs/b.md) |\n\nAfter.";
        assert_eq!(
            students(page, &["labs/b.md".to_owned()]),
            "| to | go to |\n|---|---|\n| read | [`a.md`](a.md) |\n\nAfter."
        );
    }
}
