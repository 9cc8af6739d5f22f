//! JUnit XML, as CodeGrade and continuous integration read it.
//!
//! What other programs agree on is at <https://github.com/testmoapp/junitxml>. A report is a suite, a check a case.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::told::{Told, told};
use crate::grade::report::{Outcome, Passed, Report};
use crate::status::Failure;

pub(super) fn convert(reports: &[Report]) -> Result<String, Failure> {
    let mut document = Document::new("kit");
    for report in reports {
        let mut suite = TestSuite::new(format!("lab {}: {}", report.lab, report.title));
        suite.add_property(("submission", report.submission.as_str()));
        suite.add_property(("points", report.points.to_string().as_str()));
        suite.add_property(("of", report.of.to_string().as_str()));
        let skipped = |index: usize| {
            let check = report.checks.get(index);
            report.outcome == Outcome::Graded
                && check.is_some_and(|check| check.passed == Passed::Skipped)
        };
        for (index, told) in told(report).iter().enumerate() {
            suite.add_test_case(case(report, told, skipped(index)));
        }
        document.add_test_suite(suite);
    }
    document
        .to_string()
        .map_err(|error| Failure::host(format!("writing XML: {error}")))
}

fn case(report: &Report, told: &Told, skipped: bool) -> TestCase {
    let status = match (told.passed, skipped) {
        (true, _) => TestCaseStatus::success(),
        (false, true) => TestCaseStatus::skipped(),
        (false, false) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(told.description.as_str());
            status.set_description(told.text.as_str());
            status
        }
    };
    let mut case = TestCase::new(told.name.as_str(), status);
    case.set_classname(format!("lab{:02}", report.lab));
    case
}
