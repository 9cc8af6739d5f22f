//! Mutants of a script of the shell: a lab's solution, or its answers.

use super::edit::Mutant;
use super::operators::sorted;

/// Every mutant of a script: a line left out, two in the other order, a comparison the other way round. Of remarks
/// only those that say one of `answers` count.
#[must_use]
pub fn mutants(source: &str, answers: &[&str]) -> Vec<Mutant> {
    let lines = statements(source, answers);
    let mut made = Vec::new();
    for line in &lines {
        made.extend(Mutant::new("drop-statement", source, line.clone(), ""));
        let text = &source[line.clone()];
        for (from, to) in [("==", "!="), ("!=", "==")] {
            if let Some(at) = text.find(from) {
                let at = line.start + at;
                made.extend(Mutant::new("comparison", source, at..at + 2, to));
            }
        }
    }
    for pair in lines.windows(2) {
        let (first, second) = (pair[0].clone(), pair[1].clone());
        let text = [
            &source[second.clone()],
            &source[first.end..second.start],
            &source[first.clone()],
        ]
        .concat();
        made.extend(Mutant::new("swap", source, first.start..second.end, &text));
    }
    sorted(made, source)
}

/// Where the statements are, and the remarks that are answers.
fn statements(source: &str, answers: &[&str]) -> Vec<std::ops::Range<usize>> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in source.split_inclusive('\n') {
        let text = line.trim_end();
        let said = |name: &&str| text.starts_with(&format!("# {name}:"));
        if !text.is_empty() && (!text.starts_with('#') || answers.iter().any(said)) {
            found.push(at..at + text.len());
        }
        at += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_script_that_is_left_as_it_is() {
        let script = "# cpu: 2\n# Why.\nmap 0x1\n\nexpect a == b\n";
        let all = mutants(script, &["cpu"]);
        let told: Vec<String> = all
            .iter()
            .map(|mutant| format!("{} {} `{}`", mutant.operator, mutant.line, mutant.becomes))
            .collect();
        assert_eq!(
            told,
            [
                "drop-statement 1 ``",
                "swap 1 `map 0x1`",
                "drop-statement 3 ``",
                "swap 3 `expect a == b`",
                "comparison 5 `expect a != b`",
                "drop-statement 5 ``",
            ]
        );
    }
}
