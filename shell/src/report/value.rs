//! One value of a report.

use alloc::string::{String, ToString};
use serde::ser::{Serialize, Serializer};
use shootdown::{CpuId, CpuSet, SpaceId};

/// How a value is set off, where colours are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// As it should be: green.
    Good,
    /// Wrong: red.
    Bad,
    /// Worth a look: yellow.
    Warn,
    /// By the way: dim.
    Dim,
    /// Above others: bold.
    Strong,
}

impl Style {
    /// The sequence that switches it on (ECMA-48, SGR).
    pub(crate) const fn sequence(self) -> &'static str {
        match self {
            Style::Good => "\x1b[32m",
            Style::Bad => "\x1b[31m",
            Style::Warn => "\x1b[33m",
            Style::Dim => "\x1b[2m",
            Style::Strong => "\x1b[1m",
        }
    }
}

/// A value: a number, a text, a set. Plain numbers, texts and sets convert into it.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    content: Content,
    style: Option<Style>,
}

/// What a value is, however it looks.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Content {
    Nothing,
    Hex(u64),
    Count(u64),
    /// In thousandths.
    Ratio(u64),
    Truth(bool),
    Text(String),
    Cpus(CpuSet),
}

impl Value {
    /// An address or a bit pattern. Text shows it as `0x…`, and so does JSON, as a string: its
    /// numbers are exact only up to 2^53.
    pub const fn hex(value: u64) -> Self {
        Value {
            content: Content::Hex(value),
            style: None,
        }
    }

    /// `dividend / divisor`, to three places; nothing if the divisor is 0.
    pub fn ratio(dividend: u64, divisor: u64) -> Self {
        let thousandths = (u128::from(dividend) * 1000 + u128::from(divisor / 2))
            .checked_div(u128::from(divisor))
            .map(|value| u64::try_from(value).unwrap_or(u64::MAX));
        Value {
            content: thousandths.map_or(Content::Nothing, Content::Ratio),
            style: None,
        }
    }

    /// No value: `-` in text, `null` in JSON.
    pub const fn nothing() -> Self {
        Value {
            content: Content::Nothing,
            style: None,
        }
    }

    /// The same value, set off.
    #[must_use]
    pub fn styled(mut self, style: Style) -> Self {
        self.style = Some(style);
        self
    }

    /// What it is.
    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// A number of thousandths.
    pub(crate) const fn thousandths(value: u64) -> Self {
        Value {
            content: Content::Ratio(value),
            style: None,
        }
    }

    /// How it is set off.
    pub(super) fn style(&self) -> Option<Style> {
        self.style
    }

    /// Whether a column of such values lines up on the right.
    pub(super) fn is_number(&self) -> bool {
        matches!(
            self.content,
            Content::Hex(_) | Content::Count(_) | Content::Ratio(_)
        )
    }

    /// Whether it says nothing about its column.
    pub(super) fn is_nothing(&self) -> bool {
        self.content == Content::Nothing
    }

    /// As text shows it.
    pub(crate) fn text(&self) -> String {
        use alloc::format;
        match &self.content {
            Content::Nothing => "-".to_string(),
            Content::Hex(value) => format!("{value:#x}"),
            Content::Count(value) => value.to_string(),
            Content::Ratio(value) => format!("{}.{:03}", value / 1000, value % 1000),
            Content::Truth(value) => if *value { "yes" } else { "no" }.to_string(),
            Content::Text(text) => text.clone(),
            Content::Cpus(set) => set.to_string(),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.content {
            Content::Nothing => serializer.serialize_none(),
            Content::Count(value) => serializer.serialize_u64(*value),
            Content::Ratio(value) => serializer.serialize_f64(*value as f64 / 1000.0),
            Content::Truth(value) => serializer.serialize_bool(*value),
            Content::Cpus(set) => serializer.collect_seq(set.into_iter().map(CpuId::index)),
            Content::Hex(_) | Content::Text(_) => serializer.serialize_str(&self.text()),
        }
    }
}

/// Implements the conversions into a value.
macro_rules! from {
    ($($type:ty: $value:ident => $content:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Value { content: $content, style: None }
            }
        }
    )*};
}

from! {
    u64: value => Content::Count(value);
    u32: value => Content::Count(u64::from(value));
    u16: value => Content::Count(u64::from(value));
    u8: value => Content::Count(u64::from(value));
    usize: value => Content::Count(value as u64);
    bool: value => Content::Truth(value);
    &str: value => Content::Text(value.to_string());
    String: value => Content::Text(value);
    CpuId: value => Content::Count(value.index() as u64);
    CpuSet: value => Content::Cpus(value);
    SpaceId: value => Content::Count(u64::from(value.0));
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::nothing(), Into::into)
    }
}
