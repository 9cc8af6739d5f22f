//! Classroom 50, the successor of GitHub Classroom: `./result.json`, by a job of GitHub Actions.
//!
//! The contract is `schemas/result-v1.schema.json` of <https://github.com/foundation50/classroom50>; what its runner
//! stamps itself is taken from the same variables that it sets. An autograder that ends with a status other than 0 is
//! an error there, which leaves a student's release as it was: that is what comes of a host's failure. Whatever a job
//! reads or prints can be read by the student whose repository it runs in.

use std::env;

use serde::Serialize;

use super::json;
use super::package::{Made, Package};
use super::told::{fitting, points, told};
use crate::grade::report::Report;
use crate::status::{Failure, Status};

const SCHEMA: &str = "classroom50/result/v1";
/// Classroom 50 reads ten times as much.
const MOST: usize = 1 << 20;

#[derive(Serialize)]
struct Results {
    schema: &'static str,
    classroom: String,
    assignment: String,
    assignment_type: String,
    owner: String,
    submission: String,
    commit: String,
    release: String,
    review: String,
    datetime: String,
    score: u32,
    #[serde(rename = "max-score")]
    max_score: u32,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    #[serde(rename = "test-name")]
    name: String,
    passed: bool,
    score: u32,
    #[serde(rename = "max-score")]
    max_score: u32,
    /// Kept as it is by the collector.
    output: String,
}

pub(super) fn convert(reports: &[Report]) -> Result<String, Failure> {
    convert_with(reports, &|name| env::var(name).ok())
}

/// `variable` are the job's.
pub(super) fn convert_with(
    reports: &[Report],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Failure> {
    let known = |name: &str| variable(name).filter(|value| !value.is_empty());
    let needed = |name: &str| {
        known(name).ok_or_else(|| {
            let message = format!("the variable {name} is not set");
            Failure::new(Status::Usage, message).advise("Classroom 50's runner sets it")
        })
    };
    let commit = needed("COMMIT_URL")?;
    let (score, max_score) = points(reports);
    let (classroom, assignment) = (needed("CLASSROOM")?, needed("ASSIGNMENT")?);
    let owner = known("OWNER").map_or_else(|| needed("USERNAME"), Ok)?;
    let (submission, release) = (needed("SUBMISSION_TAG")?, needed("RELEASE_URL")?);
    let datetime = needed("SUBMITTED_AT")?;
    let all = reports.iter().flat_map(told).collect();
    fitting(all, MOST, |told| {
        let tests = told.iter().map(|told| Test {
            name: told.name.clone(),
            passed: told.passed,
            score: told.points,
            max_score: told.of,
            output: told.text.clone(),
        });
        json(&Results {
            schema: SCHEMA,
            classroom: classroom.clone(),
            assignment: assignment.clone(),
            assignment_type: known("ASSIGNMENT_TYPE").unwrap_or("individual".to_owned()),
            owner: owner.clone(),
            submission: submission.clone(),
            commit: commit.clone(),
            release: release.clone(),
            review: known("REVIEW_URL").unwrap_or(commit.clone()),
            datetime: datetime.clone(),
            score,
            max_score,
            tests: tests.collect(),
        })
    })
}

pub(super) fn files(package: &Package<'_>) -> Vec<Made> {
    vec![
        package.text(
            "kit-grade.yaml",
            include_str!("templates/classroom50-workflow.yaml"),
        ),
        package.text(
            "autograder.py",
            include_str!("templates/classroom50-autograder.py"),
        ),
        package.text(
            "runtime.json",
            include_str!("templates/classroom50-runtime.json"),
        ),
        package.script("install.sh", include_str!("templates/install.sh")),
        package.tree(),
    ]
}
