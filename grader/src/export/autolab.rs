//! Autolab: the last line that a grading job prints.
//!
//! The contract is <https://docs.autolabproject.com/lab/>, the line before it
//! <https://docs.autolabproject.com/features/formatted-feedback/>. Students see all that a job prints. A job whose last
//! line is no such object gives no score: that is what comes of a host's failure.

use serde_json::{Map, Value, json};

use super::package::{Made, Package};
use super::told::{cut, told};
use crate::grade::report::Report;
use crate::status::Failure;

/// What students have to scroll through of one check.
const TEXT: usize = 8000;

pub(super) fn convert(reports: &[Report]) -> Result<String, Failure> {
    let mut printed = String::new();
    let (mut scores, mut board, mut stages) = (Map::new(), Vec::new(), Map::new());
    for report in reports {
        let stage = format!("lab {}", report.lab);
        let mut results = Map::new();
        for told in told(report) {
            let mark = if told.passed { "passed" } else { "FAILED" };
            printed += &format!("{}: {mark}, {} of {}\n", told.name, told.points, told.of);
            for line in cut(&told.text, TEXT).lines() {
                printed += &format!("    {line}\n");
            }
            let mut result = json!({ "passed": told.passed });
            if !told.passed && !told.hint.is_empty() {
                result["hint"] = told.hint.into();
            }
            results.insert(told.name, result);
        }
        scores.insert(problem(report.lab), report.points.into());
        board.push(Value::from(report.points));
        board.extend(report.leaderboard.map(Value::from));
        stages.insert(stage, results.into());
    }
    let names: Vec<&String> = stages.keys().collect();
    let mut shown = json!({ "_presentation": "semantic", "stages": names });
    stages
        .iter()
        .for_each(|(stage, results)| shown[stage] = results.clone());
    Ok(format!(
        "{printed}{shown}\n{}\n",
        json!({ "scores": scores, "scoreboard": board })
    ))
}

/// What the lab is called among Autolab's problems.
fn problem(lab: u8) -> String {
    format!("lab{lab}")
}

pub(super) fn files(package: &Package<'_>) -> Vec<Made> {
    let driver = [package.script("driver.sh", include_str!("templates/autolab-driver.sh"))];
    vec![
        package.text(
            "autograde-Makefile",
            include_str!("templates/autolab.Makefile"),
        ),
        Made::tar("autograde.tar", &driver),
        package.text("Dockerfile", include_str!("templates/autolab.Dockerfile")),
        package.script("install.sh", include_str!("templates/install.sh")),
        package.text("README.md", include_str!("templates/autolab-README.md")),
        package.tree(),
    ]
}
