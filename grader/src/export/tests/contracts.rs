//! The contracts. A field that a platform does not know, or of another type, fails here.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

fn parsed<T: for<'d> Deserialize<'d>>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

mod gradescope {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Results {
        pub(super) score: Option<f64>,
        pub(super) output: Option<String>,
        pub(super) output_format: Option<Format>,
        pub(super) test_output_format: Option<Format>,
        pub(super) stdout_visibility: Option<Visibility>,
        pub(super) tests: Vec<Test>,
        #[serde(default)]
        pub(super) leaderboard: Vec<Entry>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Test {
        pub(super) score: f64,
        pub(super) max_score: f64,
        pub(super) status: Option<Status>,
        pub(super) name: String,
        pub(super) output: String,
        pub(super) visibility: Visibility,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Entry {
        pub(super) name: String,
        pub(super) value: f64,
        pub(super) order: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub(super) enum Format {
        Text,
        Html,
        #[serde(rename = "simple_format")]
        Simple,
        Md,
        Ansi,
    }

    #[derive(Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    pub(super) enum Visibility {
        Hidden,
        AfterDueDate,
        AfterPublished,
        Visible,
    }

    #[derive(Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    pub(super) enum Status {
        Passed,
        Failed,
    }
}

#[test]
fn results_that_gradescope_refuses_or_shows_to_the_wrong_people() {
    let results: gradescope::Results = parsed(&converted("gradescope", &[graded()]).unwrap());
    assert_eq!(results.score, Some(15.0));
    assert_eq!(results.tests.len(), 5);
    assert_eq!(
        results.tests.iter().map(|test| test.score).sum::<f64>(),
        15.0
    );
    assert_eq!(
        results.tests.iter().map(|test| test.max_score).sum::<f64>(),
        100.0
    );
    assert!(matches!(
        results.output_format,
        Some(gradescope::Format::Text)
    ));
    assert!(matches!(
        results.test_output_format,
        Some(gradescope::Format::Text)
    ));
    assert!(results.stdout_visibility == Some(gradescope::Visibility::Hidden));
    assert_eq!(results.output.as_deref(), Some("15 of 100 points"));
    for test in &results.tests {
        let secret = test.output.contains(SECRET);
        let kept = test.visibility == gradescope::Visibility::Hidden;
        assert!(!secret || kept, "{}", test.name);
        assert!(test.status.is_some());
    }
    // Instructors read all of it.
    assert!(results.tests[3].output.contains(SECRET));
    for words in [
        "why it matters",
        "a scene",
        "expected words",
        "actual words",
        "a hint",
        "CPU 0 | CPU 1",
        "kit explore",
    ] {
        assert!(results.tests[1].output.contains(words), "{words}");
    }
    assert!(
        results.tests[2]
            .output
            .contains("`explored` has to pass first")
    );
    let entry = &results.leaderboard[0];
    assert_eq!(
        (entry.name.as_str(), entry.value, entry.order.as_str()),
        ("lab 2: Ring", 777.0, "asc")
    );
    let results: gradescope::Results = parsed(&converted("gradescope", &[not_gradable()]).unwrap());
    assert_eq!(results.score, Some(0.0));
    assert!(results.tests[0].output.contains("E0425"));
    assert_eq!(results.tests[0].max_score, 100.0);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrairieLearn {
    gradable: bool,
    score: Option<f64>,
    message: Option<String>,
    format_errors: Option<Vec<String>>,
    tests: Option<Vec<PrairieTest>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrairieTest {
    name: String,
    description: String,
    points: f64,
    max_points: f64,
    message: String,
    output: String,
}

#[test]
fn results_that_prairielearn_refuses_or_an_attempt_lost_for_a_missing_semicolon() {
    let results: PrairieLearn = parsed(&converted("prairielearn", &[graded()]).unwrap());
    assert!(results.gradable);
    assert_eq!(results.score, Some(0.15));
    assert_eq!(results.message.as_deref(), Some("15 of 100 points"));
    let tests = results.tests.unwrap();
    assert_eq!(tests.iter().map(|test| test.points).sum::<f64>(), 15.0);
    assert_eq!(tests.iter().map(|test| test.max_points).sum::<f64>(), 100.0);
    assert_eq!(
        (tests[1].message.as_str(), tests[3].message.as_str()),
        ("a hint", "")
    );
    assert_eq!(
        (tests[3].name.as_str(), tests[3].description.as_str()),
        ("lab 2: hidden check 4", "a hidden check")
    );
    assert_eq!(tests[3].output, "");
    let results: PrairieLearn = parsed(&converted("prairielearn", &[not_gradable()]).unwrap());
    assert!(!results.gradable && results.score.is_none() && results.tests.is_none());
    assert!(results.format_errors.unwrap()[0].contains("E0425"));
    // With another lab that is graded the submission is.
    let both: PrairieLearn =
        parsed(&converted("prairielearn", &[graded(), not_gradable()]).unwrap());
    assert_eq!(both.score, Some(15.0 / 200.0));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Autoresult {
    scores: BTreeMap<String, f64>,
    scoreboard: Vec<f64>,
}

#[test]
fn a_last_line_that_autolab_cannot_read() {
    for (report, points, board) in [
        (graded(), 15.0, vec![15.0, 777.0]),
        (not_gradable(), 0.0, vec![0.0]),
    ] {
        let text = converted("autolab", &[report]).unwrap();
        let mut lines = text.lines().rev();
        let result: Autoresult = parsed(lines.next().unwrap());
        assert_eq!(result.scores, BTreeMap::from([("lab2".to_owned(), points)]));
        assert_eq!(result.scoreboard, board);
        let shown: serde_json::Value = parsed(lines.next().unwrap());
        assert_eq!(shown["_presentation"], "semantic");
        for stage in shown["stages"].as_array().unwrap() {
            let results = shown[stage.as_str().unwrap()].as_object().unwrap();
            assert!(results.values().all(|result| result["passed"].is_boolean()));
        }
        // No other line may be taken for one of the two.
        assert!(lines.all(|line| !line.starts_with('{')));
    }
}

/// The required fields of `schemas/result-v1.schema.json`, and no others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Classroom {
    schema: String,
    classroom: String,
    assignment: String,
    assignment_type: String,
    owner: String,
    submission: String,
    commit: String,
    release: String,
    review: String,
    datetime: String,
    score: u64,
    #[serde(rename = "max-score")]
    max_score: u64,
    tests: Vec<ClassroomTest>,
}

/// Further fields are allowed in a test.
#[derive(Deserialize)]
struct ClassroomTest {
    #[serde(rename = "test-name")]
    name: String,
    passed: bool,
    score: u64,
    #[serde(rename = "max-score")]
    max_score: u64,
}

#[test]
fn a_result_that_classroom50_refuses() {
    for (report, score) in [(graded(), 15), (not_gradable(), 0)] {
        let result: Classroom = parsed(&converted("classroom50", &[report]).unwrap());
        assert_eq!(result.schema, "classroom50/result/v1");
        assert!(["individual", "group", "team"].contains(&result.assignment_type.as_str()));
        assert!(result.submission.starts_with("submit/"));
        assert_eq!(result.datetime.len(), "2026-06-01T14:32:01Z".len());
        let texts = [
            &result.classroom,
            &result.assignment,
            &result.owner,
            &result.commit,
            &result.release,
            &result.review,
        ];
        assert!(texts.iter().all(|text| !text.is_empty()));
        assert_eq!((result.score, result.max_score), (score, 100));
        let sum = |of: fn(&ClassroomTest) -> u64| result.tests.iter().map(of).sum::<u64>();
        assert_eq!(
            (sum(|test| test.score), sum(|test| test.max_score)),
            (score, 100)
        );
        for test in &result.tests {
            assert!(!test.name.is_empty() && test.score <= test.max_score);
            assert_eq!(test.passed, test.score == test.max_score);
        }
    }
    // What nobody has said is no reason to make something up.
    let nothing = super::super::classroom50::convert_with(&[graded()], &|_| None);
    assert!(nothing.unwrap_err().message.contains("is not set"));
}

#[test]
fn xml_that_no_reader_takes() {
    let text = converted("junit", &[graded(), not_gradable()]).unwrap();
    let read = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!((read.tests, read.failures, read.errors), (6, 3, 0));
    assert_eq!(text.matches("<skipped").count(), 1);
    let forbidden = |c: char| c < ' ' && !"\t\n\r".contains(c);
    assert!(!text.contains(forbidden), "{text:?}");
    assert!(text.contains("alice &lt;b&gt;"), "{text}");
}
