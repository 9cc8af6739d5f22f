//! What a file holds that can be shown.

use std::fs;
use std::path::Path;

use chart::{Chart, find, of_evidence};
use evidence::{Key, Timeline};
use explorer::{retell, schedule, showing};
use serde_json::Value;

use crate::explore::{self, What};
use crate::status::{Doing, Failure, Status};
use crate::trace;

/// The charts of a file, at least one.
///
/// # Errors
/// [`Status::Usage`], with what was expected.
pub(super) fn charts(file: &Path, key: Option<Key>, of: What) -> Result<Vec<Chart>, Failure> {
    let bytes = fs::read(file)
        .doing("reading", file)
        .map_err(trace::usage)?;
    let charts = match std::str::from_utf8(&bytes) {
        Ok(text) if text.trim_start().starts_with(['{', '[']) => of_json(file, text)?,
        Ok(text) if is_schedule(text) => vec![of_schedule(file, text, of)?],
        _ => vec![of_run(file, &bytes, key)?],
    };
    if charts.is_empty() {
        return Err(wrong(file, "there is no chart in it")
            .advise("`kit explore --json` and `kit view --chart` write JSON with charts"));
    }
    Ok(charts)
}

fn wrong(file: &Path, what: &str) -> Failure {
    Failure::new(Status::Usage, format!("{}: {what}", file.display()))
}

/// JSON, or JSON lines.
fn of_json(file: &Path, text: &str) -> Result<Vec<Chart>, Failure> {
    let mut charts = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|error| wrong(file, &format!("no JSON: {error}")))?;
        charts.extend(find(&document).map_err(|what| wrong(file, &what))?);
    }
    Ok(charts)
}

/// Whether a text's first line that is no remark names a scene.
fn is_schedule(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| line.starts_with("scene "))
}

/// Takes the steps of a schedule.
fn of_schedule(file: &Path, text: &str, of: What) -> Result<Chart, Failure> {
    let (scene, steps) = schedule::read(text).map_err(|error| wrong(file, &error))?;
    let (name, story) = match of {
        What::Protocol(name) => {
            let story = explore::quietly(|| retell(&name, &scene.scene, &steps));
            (name.word(), story)
        }
        What::Lab(number) => {
            let story = explore::retold(number, &scene, &steps)?;
            ("student".to_owned(), story)
        }
    };
    let story = story.map_err(|impossible| {
        let line = schedule::line(impossible.step);
        wrong(
            file,
            &format!(
                "step {}, `{line}`, cannot be taken there: the schedule is of other code",
                impossible.number
            ),
        )
        .advise("--of PROTOCOL or --of LAB says whose it is")
    })?;
    Ok(showing::chart(&name, &scene, &story))
}

fn of_run(file: &Path, bytes: &[u8], key: Option<Key>) -> Result<Chart, Failure> {
    let evidence = trace::read(file, bytes, key)?;
    let timeline = Timeline::new(evidence.records.clone());
    let name = file.file_name().map_or_else(
        || file.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(of_evidence(&name, &evidence, &timeline))
}
