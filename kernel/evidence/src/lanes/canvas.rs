//! One line, written character by character.

use super::{Line, Span, Style};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// A line of fixed width; what is written beyond it is dropped.
pub(super) struct Canvas(Vec<(Style, char)>);

impl Canvas {
    pub fn new(width: usize) -> Canvas {
        Canvas(vec![(Style::Plain, ' '); width])
    }

    pub fn put(&mut self, column: usize, style: Style, glyph: char) {
        if let Some(cell) = self.0.get_mut(column) {
            *cell = (style, glyph);
        }
    }

    pub fn write(&mut self, column: usize, style: Style, text: &str) {
        for (offset, glyph) in text.chars().enumerate() {
            self.put(column + offset, style, glyph);
        }
    }

    /// As spans, without the spaces at its end.
    pub fn line(self) -> Line {
        let end = self.0.iter().rposition(|&(_, glyph)| glyph != ' ');
        let mut spans: Vec<Span> = Vec::new();
        for (style, glyph) in self.0.into_iter().take(end.map_or(0, |end| end + 1)) {
            match spans.last_mut() {
                Some(span) if span.style == style || glyph == ' ' => span.text.push(glyph),
                _ => spans.push(Span {
                    style,
                    text: String::from(glyph),
                }),
            }
        }
        Line(spans)
    }
}
