//! A table of a report.

use super::{Console, Style, Value};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Rows under named columns. In JSON, an array of objects whose members are the columns.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Table {
    /// An empty table. Columns are named in lower case with `_` between words; text shows capitals
    /// and spaces.
    pub fn new<T: ToString>(columns: impl IntoIterator<Item = T>) -> Self {
        let columns: Vec<String> = columns
            .into_iter()
            .map(|column| column.to_string())
            .collect();
        Table {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row: one value a column. Missing ones are nothing; superfluous ones are dropped.
    pub fn row(&mut self, values: impl IntoIterator<Item = Value>) {
        let mut row: Vec<Value> = values.into_iter().take(self.columns.len()).collect();
        row.resize(self.columns.len(), Value::nothing());
        self.rows.push(row);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it as aligned text, each line after `indent` spaces.
    pub(super) fn show(&self, console: &mut Console<'_>, indent: usize) {
        let headings: Vec<Value> = self.columns.iter().map(|name| heading(name)).collect();
        let layout: Vec<Column> = (0..self.columns.len())
            .map(|index| self.column(&headings, index))
            .collect();
        for row in core::iter::once(&headings).chain(&self.rows) {
            show_row(console, indent, &layout, row);
        }
    }

    fn column(&self, headings: &[Value], index: usize) -> Column {
        let cells = || self.rows.iter().filter_map(|row| row.get(index));
        let heading = headings.get(index).into_iter();
        let width = heading
            .chain(cells())
            .map(|cell| width(&cell.text()))
            .max()
            .unwrap_or(0);
        let mut told = cells().filter(|cell| !cell.is_nothing()).peekable();
        let right = told.peek().is_some() && told.all(Value::is_number);
        Column { width, right }
    }
}

/// How wide a column is, and on which side it lines up.
struct Column {
    width: usize,
    right: bool,
}

fn heading(name: &str) -> Value {
    Value::from(name.replace('_', " ").to_uppercase()).styled(Style::Dim)
}

/// Characters that `text` takes once it is harmless.
pub(super) fn width(text: &str) -> usize {
    super::Sanitised(text).to_string().chars().count()
}

fn show_row(console: &mut Console<'_>, indent: usize, layout: &[Column], row: &[Value]) {
    // Spaces before the next cell: no line ends with them.
    let mut due = indent;
    for (column, cell) in layout.iter().zip(row) {
        let text = cell.text();
        let padding = column.width.saturating_sub(width(&text));
        let (before, after) = if column.right {
            (padding, 0)
        } else {
            (0, padding)
        };
        if !text.is_empty() {
            console.spaces(due + before);
            console.styled(cell.style(), &text);
            due = after + 2;
        } else {
            due += column.width + 2;
        }
    }
    console.end_line();
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| Row(&self.columns, row)))
    }
}

/// A row as a JSON object.
struct Row<'a>(&'a [String], &'a [Value]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, value) in self.0.iter().zip(self.1) {
            map.serialize_entry(column, value)?;
        }
        map.end()
    }
}
