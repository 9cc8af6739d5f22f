//! PrairieLearn: `/grade/results/results.json`, written by an external grader's container.
//!
//! The contract is <https://prairielearn.readthedocs.io/en/latest/externalGrading/>. A submission that cannot be graded
//! costs no attempt there. A container that leaves no results is a grading job that failed, and no score.

use serde::Serialize;

use super::json;
use super::package::{Made, Package};
use super::told::{fitting, points, told};
use crate::grade::report::{Outcome, Report};
use crate::status::Failure;

/// PrairieLearn's limit is 1 MB.
const MOST: usize = 1_000_000;

#[derive(Serialize)]
#[serde(untagged)]
enum Results {
    Graded {
        gradable: bool,
        /// 0 to 1.
        score: f64,
        message: String,
        tests: Vec<Test>,
    },
    NotGradable {
        gradable: bool,
        format_errors: Vec<String>,
    },
}

#[derive(Serialize)]
struct Test {
    name: String,
    description: String,
    points: u32,
    max_points: u32,
    message: String,
    output: String,
}

pub(super) fn convert(reports: &[Report]) -> Result<String, Failure> {
    let all = reports.iter().flat_map(told).collect();
    let none = reports
        .iter()
        .all(|report| report.outcome != Outcome::Graded);
    let (score, of) = points(reports);
    fitting(all, MOST, |told| {
        let tests = told.iter().map(|told| Test {
            name: told.name.clone(),
            description: told.description.clone(),
            points: told.points,
            max_points: told.of,
            message: told.hint.clone(),
            output: told.text.clone(),
        });
        json(&match none {
            true => Results::NotGradable {
                gradable: false,
                format_errors: told.iter().map(|told| told.text.clone()).collect(),
            },
            false => Results::Graded {
                gradable: true,
                score: f64::from(score) / f64::from(of.max(1)),
                message: format!("{score} of {of} points"),
                tests: tests.collect(),
            },
        })
    })
}

pub(super) fn files(package: &Package<'_>) -> Vec<Made> {
    vec![
        package.text(
            "Dockerfile",
            include_str!("templates/prairielearn.Dockerfile"),
        ),
        package.script(
            "entrypoint.sh",
            include_str!("templates/prairielearn-entrypoint.sh"),
        ),
        package.script("install.sh", include_str!("templates/install.sh")),
        package.text(
            "info.json",
            include_str!("templates/prairielearn-info.json"),
        ),
        package.tree(),
    ]
}
