//! A report as one JSON object on one line.

use super::is_plain;
use super::output::{Item, Report};
use crate::system::Failure;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The answer to one command: what it said, and whether it failed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Answer {
    pub command: Option<&'static str>,
    pub failure: Option<Failure>,
    pub report: Report,
}

impl Answer {
    /// The object, on one line without its end. Holds no control character.
    pub fn json(&self) -> String {
        // Serialising strings, numbers and maps with string keys into memory cannot fail.
        let json = serde_json::to_string(self).unwrap_or_else(|_| r#"{"ok":false}"#.to_string());
        // The format leaves DEL, C1 and bidirectional controls as they are; a terminal must not.
        if json.chars().all(is_plain) {
            return json;
        }
        json.chars().map(escaped).collect()
    }
}

fn escaped(character: char) -> String {
    if is_plain(character) {
        character.to_string()
    } else {
        // All that is not plain lies below U+10000, so one escape holds it.
        format!("\\u{:04x}", u32::from(character))
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("command", &self.command)?;
        map.serialize_entry("ok", &self.failure.is_none())?;
        if let Some(failure) = &self.failure {
            map.serialize_entry("error", &failure.message)?;
            for (key, text) in [
                ("expected", &failure.expected),
                ("hint", &failure.hint),
                ("usage", &failure.usage),
            ] {
                if let Some(text) = text {
                    map.serialize_entry(key, text)?;
                }
            }
        }
        members(&self.report, &mut map)?;
        map.end()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        members(self, &mut map)?;
        map.end()
    }
}

/// The members of a report's object, notes last.
fn members<M: SerializeMap>(report: &Report, map: &mut M) -> Result<(), M::Error> {
    let mut notes = Vec::new();
    for item in &report.items {
        match item {
            Item::Field(key, value) => map.serialize_entry(key, value)?,
            Item::Table(key, table) => map.serialize_entry(key, table)?,
            Item::Section(key, section) => map.serialize_entry(key, section)?,
            Item::Sections(key, sections) => map.serialize_entry(key, sections)?,
            Item::Answers(key, answers) => map.serialize_entry(key, answers)?,
            Item::Note(_, text) | Item::Line(_, text) => notes.push(text),
        }
    }
    if notes.is_empty() {
        Ok(())
    } else {
        map.serialize_entry("notes", &notes)
    }
}
