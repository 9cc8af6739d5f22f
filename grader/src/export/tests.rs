//! Documents against their platforms' contracts, written down here once more, from the platforms' own pages.

mod contracts;

use crate::grade::report::{Checked, FORMAT, Outcome, Passed, Report};
use crate::status::{Failure, Status};

use super::{PLATFORMS, document};

fn check(name: &str, passed: Passed, of: u32) -> Checked {
    let failed = passed == Passed::No;
    let said = |text: &str| {
        if failed {
            text.to_owned()
        } else {
            String::new()
        }
    };
    Checked {
        name: name.to_owned(),
        description: format!("what {name} tests"),
        passed,
        points: if passed == Passed::Yes { of } else { 0 },
        of,
        hidden: false,
        dependency: (passed == Passed::Skipped).then(|| "explored".to_owned()),
        looked: "1234 states".to_owned(),
        rationale: said("why it matters"),
        input: said("a scene"),
        expected: said("expected words"),
        actual: said("actual words"),
        invariant: failed.then_some(5),
        log: said("CPU 0 | CPU 1\n\u{1b}[31m\u{0}<b>&amp;]]>\n"),
        schedule: None,
        chart: None,
        hint: said("a hint"),
        reproduce: failed.then(|| "kit explore --replay x".to_owned()),
    }
}

/// What nobody but instructors may read.
const SECRET: &str = "SECRET-SCENARIO";

fn hidden(name: &str, passed: Passed, of: u32) -> Checked {
    Checked {
        hidden: true,
        description: SECRET.to_owned(),
        hint: SECRET.to_owned(),
        log: SECRET.to_owned(),
        looked: SECRET.to_owned(),
        ..check(name, passed, of)
    }
}

fn report(outcome: Outcome, checks: Vec<Checked>) -> Report {
    let points = checks.iter().map(|check| check.points).sum();
    let graded = outcome == Outcome::Graded;
    Report {
        format: FORMAT.to_owned(),
        submission: "alice <b>".to_owned(),
        lab: 2,
        title: "Ring".to_owned(),
        solution: "00".to_owned(),
        kit: "11".to_owned(),
        sandbox: "strong".to_owned(),
        outcome,
        reason: if graded {
            String::new()
        } else {
            "error[E0425]: no".to_owned()
        },
        points: if graded { points } else { 0 },
        of: 100,
        checks,
        leaderboard: None,
    }
}

fn graded() -> Report {
    let checks = vec![
        check("compiles", Passed::Yes, 10),
        check("explored", Passed::No, 50),
        check("machine", Passed::Skipped, 20),
        hidden("hidden-machine", Passed::No, 15),
        hidden("hidden-storm", Passed::Yes, 5),
    ];
    Report {
        leaderboard: Some(777),
        ..report(Outcome::Graded, checks)
    }
}

fn not_gradable() -> Report {
    report(
        Outcome::NotGradable,
        vec![check("compiles", Passed::Pending, 100)],
    )
}

/// What the variables of a job of Classroom 50 are.
fn variable(name: &str) -> Option<String> {
    let known = [
        ("CLASSROOM", "os"),
        ("ASSIGNMENT", "ring"),
        ("USERNAME", "alice"),
        ("SUBMISSION_TAG", "submit/2026-06-01T14-32-05Z-a1b2c3d"),
        ("COMMIT_URL", "https://example.org/c"),
        ("RELEASE_URL", "https://example.org/r"),
        ("SUBMITTED_AT", "2026-06-01T14:32:01Z"),
    ];
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| (*value).to_owned())
}

fn converted(platform: &str, reports: &[Report]) -> Result<String, Failure> {
    if platform == "classroom50" {
        return document(
            |reports| super::classroom50::convert_with(reports, &variable),
            reports,
        );
    }
    let found = PLATFORMS
        .iter()
        .find(|known| known.name == platform)
        .unwrap();
    document(found.convert.unwrap(), reports)
}

const CONVERT: [&str; 5] = [
    "gradescope",
    "prairielearn",
    "autolab",
    "classroom50",
    "junit",
];

#[test]
fn a_host_that_failed_made_a_student_s_zero() {
    for platform in CONVERT {
        for outcome in [Outcome::Infrastructure, Outcome::Running] {
            let failed = report(outcome, vec![check("compiles", Passed::Yes, 10)]);
            let failure = converted(platform, &[graded(), failed]).unwrap_err();
            assert_eq!(failure.status, Status::Host, "{platform}");
            assert!(failure.to_string().contains("nobody's zero"), "{failure}");
        }
    }
}

#[test]
fn a_hidden_check_shown_to_students() {
    for platform in CONVERT.into_iter().filter(|name| *name != "gradescope") {
        let document = converted(platform, &[graded()]).unwrap();
        assert!(!document.contains(SECRET), "{platform}: {document}");
        assert!(!document.contains("hidden-machine"), "{platform}");
        assert!(document.contains("hidden check 4"), "{platform}");
    }
}

#[test]
fn a_document_larger_than_its_platform_reads() {
    let mut report = graded();
    for check in &mut report.checks {
        check.passed = Passed::No;
        check.hidden = false;
        check.log = "\u{e9}\"\\\n".repeat(400_000);
    }
    for (platform, most) in [
        ("gradescope", 1 << 20),
        ("prairielearn", 1_000_000),
        ("classroom50", 1 << 20),
    ] {
        let document = converted(platform, &[report.clone()]).unwrap();
        assert!(document.len() <= most, "{platform}: {}", document.len());
        assert!(document.len() > most / 8, "{platform}: {}", document.len());
        assert!(document.contains("bytes are left out here"), "{platform}");
    }
    let told = converted("autolab", &[report]).unwrap();
    assert!(told.len() < 100_000, "{}", told.len());
}
