//! Paths: `last.generation`, `last.reads[cpu=2].verdict`, and what they lead to.

use super::operate::{as_number, equal};
use super::variables::Variables;
use crate::parse::nearest;
use crate::report::{Answer, Member, Report, Table, Value};
use crate::system::Failure;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// A way into the last answer.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Path {
    /// As it was written.
    pub source: String,
    pub parts: Vec<Part>,
}

/// One step of a path.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Part {
    /// `.KEY`: a key of a report, or a column of its rows.
    Key(String),
    /// `[N]`: a row, counted from 0.
    Row(Constant),
    /// `[COLUMN=VALUE]`: the rows that have this value.
    Where(String, Constant),
}

/// A value in brackets.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Constant {
    Value(Value),
    Variable(String),
}

impl Constant {
    fn value(&self, variables: &Variables) -> Result<Value, Failure> {
        match self {
            Constant::Value(value) => Ok(value.clone()),
            Constant::Variable(name) => variables.get(name).cloned(),
        }
    }
}

/// Values, and what each is called.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct List {
    pub values: Vec<(String, Value)>,
    /// Why it is not one value, if it is not.
    pub why: Option<String>,
}

impl List {
    /// Just `value`.
    pub fn one(value: Value) -> List {
        List {
            values: vec![(String::new(), value)],
            why: None,
        }
    }
}

/// Where a path has led so far.
enum Place<'a> {
    Report(&'a Report),
    Sections(&'a [Report]),
    Rows(Rows<'a>),
    Values(List),
}

/// Some rows of a table.
struct Rows<'a> {
    table: &'a Table,
    rows: Vec<usize>,
    /// Why there is none.
    why: Option<String>,
}

impl Path {
    /// Follows the path into `last`.
    ///
    /// # Errors
    /// It leads nowhere: the failure names what there is.
    pub fn follow(&self, last: Option<&Answer>, variables: &Variables) -> Result<List, Failure> {
        let Some(last) = last else {
            return Err(Failure::new("no command has answered yet")
                .expected("`last` after a command: it is its answer"));
        };
        let mut place = Place::Report(&last.report);
        for (index, part) in self.parts.iter().enumerate() {
            place = match (part, index) {
                (Part::Key(key), 0) if last.report.member(key).is_none() => {
                    match about(last, key) {
                        Some(value) => Place::Values(List::one(value)),
                        None => place.key(key)?,
                    }
                }
                (Part::Key(key), _) => place.key(key)?,
                (Part::Row(row), _) => place.row(&row.value(variables)?)?,
                (Part::Where(column, value), _) => place.only(column, &value.value(variables)?)?,
            };
        }
        Ok(place.values())
    }
}

/// What the shell itself says about every answer.
fn about(last: &Answer, key: &str) -> Option<Value> {
    Some(match key {
        "ok" => last.failure.is_none().into(),
        "error" => match &last.failure {
            Some(failure) => failure.message.as_str().into(),
            None => Value::nothing(),
        },
        "command" => last.command.into(),
        "notes" => last.report.notes().join("\n").into(),
        _ => return None,
    })
}

/// The keys that [`about`] knows.
const ABOUT: [&str; 4] = ["ok", "error", "command", "notes"];

impl<'a> Place<'a> {
    fn key(self, key: &str) -> Result<Place<'a>, Failure> {
        match self {
            Place::Report(report) => match report.member(key) {
                Some(Member::Value(value)) => Ok(Place::Values(List::one(value.clone()))),
                Some(Member::Table(table)) => Ok(Place::Rows(Rows::all(table))),
                Some(Member::Section(section)) => Ok(Place::Report(section)),
                Some(Member::Sections(sections)) => Ok(Place::Sections(sections)),
                None => match sole_table(report) {
                    Ok(rows) if rows.table.column_at(key).is_some() => {
                        rows.column(key).map(Place::Values)
                    }
                    _ => Err(no_key(report, key)),
                },
            },
            Place::Rows(rows) => rows.column(key).map(Place::Values),
            Place::Sections(sections) => of_sections(sections, key).map(Place::Values),
            Place::Values(_) => Err(Failure::new(format_args!(
                "a value has no part `{key}`: the path goes too far"
            ))),
        }
    }

    fn row(self, number: &Value) -> Result<Place<'a>, Failure> {
        let Some(index) = as_number(number) else {
            return Err(
                Failure::new(format_args!("`{}` is no row's number", number.text()))
                    .expected("`[N]`, counted from 0, or `[COLUMN=VALUE]`"),
            );
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match self {
            Place::Report(report) => Ok(Place::Rows(sole_table(report)?.nth(index))),
            Place::Rows(rows) => Ok(Place::Rows(rows.nth(index))),
            Place::Sections(sections) => match sections.get(index) {
                Some(section) => Ok(Place::Report(section)),
                None => Err(outside(index, sections.len())),
            },
            Place::Values(list) => match list.values.into_iter().nth(index) {
                Some((_, value)) => Ok(Place::Values(List::one(value))),
                None => Err(Failure::new(format_args!("there is no value [{index}]"))),
            },
        }
    }

    fn only(self, column: &str, value: &Value) -> Result<Place<'a>, Failure> {
        match self {
            Place::Report(report) => sole_table(report)?.only(column, value).map(Place::Rows),
            Place::Rows(rows) => rows.only(column, value).map(Place::Rows),
            _ => Err(Failure::new(format_args!(
                "`[{column}=…]` chooses rows of a table, and this is none"
            ))),
        }
    }

    fn values(self) -> List {
        let unnamed = |count: usize, what: &str| List {
            values: (0..count)
                .map(|index| (format!("{what} {index}"), Value::nothing()))
                .collect(),
            why: Some(format!(
                "is made of {count} {what}s, not of values: name a key of theirs"
            )),
        };
        match self {
            Place::Values(list) => list,
            Place::Rows(rows) => {
                let mut list = unnamed(rows.rows.len(), "row");
                list.why = rows.why.or(list.why);
                list
            }
            Place::Sections(sections) => unnamed(sections.len(), "section"),
            Place::Report(_) => unnamed(1, "section"),
        }
    }
}

impl<'a> Rows<'a> {
    fn all(table: &'a Table) -> Rows<'a> {
        Rows {
            table,
            rows: (0..table.len()).collect(),
            why: table.is_empty().then(|| "has no row".to_string()),
        }
    }

    fn column_at(&self, name: &str) -> Result<usize, Failure> {
        self.table.column_at(name).ok_or_else(|| {
            let columns = || self.table.columns().iter().map(String::as_str);
            let failure = Failure::new(format_args!("there is no column `{name}`"))
                .expected(listed(columns()));
            match nearest(name, columns()) {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })
    }

    fn column(self, name: &str) -> Result<List, Failure> {
        let column = self.column_at(name)?;
        let first = self.table.columns().first().map_or("row", String::as_str);
        let labelled = |&row: &usize| {
            let label = format!(
                "{} {}",
                first.replace('_', " "),
                self.table.cell(row, 0).text()
            );
            (label, self.table.cell(row, column))
        };
        Ok(List {
            values: self.rows.iter().map(labelled).collect(),
            why: self.why.clone(),
        })
    }

    fn nth(mut self, index: usize) -> Rows<'a> {
        match self.rows.get(index).copied() {
            Some(row) => self.rows = vec![row],
            None => {
                let why = format!("has no row {index}: it has {}, from 0", self.rows.len());
                self.why.get_or_insert(why);
                self.rows.clear();
            }
        }
        self
    }

    fn only(mut self, name: &str, value: &Value) -> Result<Rows<'a>, Failure> {
        let column = self.column_at(name)?;
        let cell = |row: usize| self.table.cell(row, column);
        let kept: Vec<usize> = self
            .rows
            .iter()
            .copied()
            .filter(|&row| equal(&cell(row), value))
            .collect();
        if kept.is_empty() {
            let present: Vec<String> = self.rows.iter().map(|&row| cell(row).text()).collect();
            let why = format!(
                "has no row whose {name} is {}: there {} {}",
                value.text(),
                if present.len() == 1 { "is" } else { "are" },
                listed(present.iter().map(String::as_str)),
            );
            self.why.get_or_insert(why);
        }
        self.rows = kept;
        Ok(self)
    }
}

/// The table that is meant where none is named.
fn sole_table(report: &Report) -> Result<Rows<'_>, Failure> {
    let mut tables = report.tables();
    match (tables.next(), tables.next()) {
        (Some((_, table)), None) => Ok(Rows::all(table)),
        (None, _) => Err(Failure::new("the last answer has no table").expected(keys(report))),
        _ => Err(Failure::new("the last answer has several tables")
            .expected(listed(report.tables().map(|(key, _)| key)))),
    }
}

/// The value of `key` in each of `sections`.
fn of_sections(sections: &[Report], key: &str) -> Result<List, Failure> {
    let mut list = List::default();
    for (index, section) in sections.iter().enumerate() {
        match section.member(key) {
            Some(Member::Value(value)) => {
                list.values
                    .push((format!("section {index}"), value.clone()));
            }
            _ => return Err(no_key(section, key)),
        }
    }
    Ok(list)
}

fn outside(index: usize, count: usize) -> Failure {
    Failure::new(format_args!("there is no section {index}"))
        .expected(format_args!("one of {count}, counted from 0"))
}

fn no_key(report: &Report, key: &str) -> Failure {
    let failure =
        Failure::new(format_args!("the last answer has no `{key}`")).expected(keys(report));
    let columns = sole_table(report)
        .ok()
        .map_or(&[][..], |rows| rows.table.columns());
    let known = report.members().map(|(name, _)| name).chain(ABOUT);
    match nearest(key, known.chain(columns.iter().map(String::as_str))) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The keys of `report`, with the columns of each table.
fn keys(report: &Report) -> String {
    let mut keys: Vec<String> = Vec::new();
    for (key, member) in report.members() {
        keys.push(match member {
            Member::Table(table) => {
                format!("{key} with columns {}", table.columns().join(", "))
            }
            _ => key.to_string(),
        });
    }
    keys.extend(ABOUT.map(String::from));
    keys.join("; ")
}

/// Names in a row, not too many.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 16;
    let mut names = names;
    let mut shown: Vec<&str> = names.by_ref().take(MOST).collect();
    if names.next().is_some() {
        shown.push("…");
    }
    if shown.is_empty() {
        return "none".to_string();
    }
    shown.join(", ")
}
