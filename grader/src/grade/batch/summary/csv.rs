//! A table that spreadsheets read, and take nothing in for a formula.

use csv::WriterBuilder;

use super::{Brief, Row, Summary};
use crate::grade::report::Outcome;

const HEAD: [&str; 8] = [
    "submission",
    "lab",
    "outcome",
    "points",
    "of",
    "leaderboard",
    "why",
    "solution",
];

/// A line for each report, and for each submission without one.
pub(super) fn table(summary: &Summary) -> String {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(HEAD);
    for row in &summary.submissions {
        for brief in &row.labs {
            let _ = writer.write_record(record(row, brief));
        }
        if let Some(nothing) = &row.nothing {
            let why = plain(nothing);
            let _ =
                writer.write_record([&plain(&row.name), "", "not-gradable", "", "", "", &why, ""]);
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn record(row: &Row, brief: &Brief) -> [String; 8] {
    let outcome = serde_json::to_value(brief.outcome).unwrap_or_default();
    // No points are not zero points.
    let graded = brief.outcome == Outcome::Graded;
    [
        plain(&row.name),
        brief.lab.to_string(),
        outcome.as_str().unwrap_or_default().to_owned(),
        if graded {
            brief.points.to_string()
        } else {
            String::new()
        },
        brief.of.to_string(),
        brief
            .leaderboard
            .map(|value| value.to_string())
            .unwrap_or_default(),
        plain(&brief.why),
        brief.solution.clone(),
    ]
}

/// What a spreadsheet takes for text: an apostrophe goes before what would begin a formula.
fn plain(text: &str) -> String {
    let formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '|', '%', '＝', '＋', '－', '＠']);
    let control = text.starts_with(|c: char| c.is_control());
    match formula || control {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}
