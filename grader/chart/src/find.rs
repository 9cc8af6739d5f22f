//! Charts in other documents.

use crate::{Change, Chart, FORMAT};
use serde_json::Value;

/// How deep charts are looked for.
const DEEPEST: usize = 16;

/// The charts in a JSON document, at any depth up to 16, in the order in which they stand.
///
/// # Errors
/// What is wrong with something that says that it is a chart.
pub fn find(document: &Value) -> Result<Vec<Chart>, String> {
    let mut charts = Vec::new();
    look(document, DEEPEST, &mut charts)?;
    Ok(charts)
}

fn look(value: &Value, depth: usize, charts: &mut Vec<Chart>) -> Result<(), String> {
    if depth == 0 {
        return Ok(());
    }
    let mut within = |value: &Value| look(value, depth - 1, charts);
    match value {
        Value::Array(values) => values.iter().try_for_each(within),
        Value::Object(fields) => match fields.get("format").and_then(Value::as_str) {
            Some(format) if format.starts_with("shootdown-chart/") => {
                charts.push(read(value, format)?);
                Ok(())
            }
            _ => fields.values().try_for_each(&mut within),
        },
        _ => Ok(()),
    }
}

fn read(value: &Value, format: &str) -> Result<Chart, String> {
    if format != FORMAT {
        return Err(format!("a chart of format {format:?}, not {FORMAT:?}"));
    }
    let chart: Chart =
        serde::Deserialize::deserialize(value).map_err(|error| format!("a chart: {error}"))?;
    chart.check()?;
    Ok(chart)
}

impl Chart {
    /// Whether every number in it stands for something that it has.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let events = &self.events;
        let count = events.cpu.len();
        let columns = [
            events.time.len(),
            events.name.len(),
            events.text.len(),
            events.source.len(),
            events.shootdown.len(),
            events.look.len(),
        ];
        if columns.iter().any(|&length| length != count) {
            return Err("a chart whose columns of events are of different lengths".into());
        }
        let event = |number: usize| number < count;
        let maybe = |number: Option<usize>| number.is_none_or(event);
        let lane = |cpu: u8| self.cpus.contains(&cpu);
        let shot = |number: Option<usize>| number.is_none_or(|it| it < self.shootdowns.len());
        let text = |&it: &u32| (it as usize) < self.texts.len();
        let page = |it: usize| it < self.pages.len();
        let sound = |change: &Change| match *change {
            Change::Slot(target, initiator, _) => lane(target) && lane(initiator),
            Change::Page(number, _) => page(number),
            Change::Tlb(cpu, number, _) => lane(cpu) && page(number),
        };
        let checks = [
            ("a CPU of an event", events.cpu.iter().all(|&it| lane(it))),
            (
                "a name of an event",
                events
                    .name
                    .iter()
                    .all(|&it| usize::from(it) < self.names.len()),
            ),
            (
                "a text of an event",
                events.text.iter().chain(&events.source).all(text),
            ),
            (
                "a shootdown of an event",
                events
                    .shootdown
                    .iter()
                    .all(|&it| shot(usize::try_from(it).ok())),
            ),
            (
                "a span",
                self.spans
                    .iter()
                    .all(|it| lane(it.cpu) && event(it.from) && maybe(it.to) && shot(it.shootdown)),
            ),
            (
                "an arrow",
                self.arrows.iter().all(|it| {
                    lane(it.target) && event(it.from) && maybe(it.to) && shot(it.shootdown)
                }),
            ),
            (
                "a shootdown",
                self.shootdowns
                    .iter()
                    .all(|it| lane(it.initiator) && event(it.begin) && maybe(it.end)),
            ),
            (
                "a change",
                self.changes.iter().all(|(at, it)| event(*at) && sound(it))
                    && self.changes.is_sorted_by_key(|(at, _)| *at),
            ),
            (
                "a finding",
                self.findings
                    .iter()
                    .all(|it| it.events.iter().all(|&number| event(number))),
            ),
        ];
        match checks.iter().find(|(_, sound)| !sound) {
            Some((what, _)) => Err(format!("a chart in which {what} refers to nothing")),
            None => Ok(()),
        }
    }
}
