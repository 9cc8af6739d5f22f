//! Looking into a report: what a script asks of the last answer.

use super::output::{Item, Report};
use super::{Table, Value};
use alloc::string::String;
use alloc::vec::Vec;

/// What a key of a report stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member<'a> {
    Value(&'a Value),
    Table(&'a Table),
    Section(&'a Report),
    Sections(&'a [Report]),
}

impl Report {
    /// What `key` stands for, whatever its case.
    pub(crate) fn member(&self, key: &str) -> Option<Member<'_>> {
        self.members()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, member)| member)
    }

    /// Every key with what it stands for, in order.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&'static str, Member<'_>)> {
        self.items.iter().filter_map(|item| {
            Some(match item {
                Item::Field(key, value) => (*key, Member::Value(value)),
                Item::Table(key, table) => (*key, Member::Table(table)),
                Item::Section(key, section) => (*key, Member::Section(section)),
                Item::Sections(key, sections) => (*key, Member::Sections(sections)),
                Item::Note(..) | Item::Line(..) | Item::Answers(..) => return None,
            })
        })
    }

    /// Its tables, by key.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&'static str, &Table)> {
        self.members().filter_map(|(key, member)| match member {
            Member::Table(table) => Some((key, table)),
            _ => None,
        })
    }

    /// Its sentences.
    pub(crate) fn notes(&self) -> Vec<&str> {
        let notes = self.items.iter().filter_map(|item| match item {
            Item::Note(_, text) | Item::Line(_, text) => Some(text.as_str()),
            _ => None,
        });
        notes.collect()
    }
}

impl Table {
    /// The names of the columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of the column `name`, whatever its case.
    pub(crate) fn column_at(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }

    /// The value in `row` under `column`, both counted from 0; nothing outside the table.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Value {
        let cell = self.rows.get(row).and_then(|row| row.get(column));
        cell.cloned().unwrap_or(Value::nothing())
    }
}
