//! Splitting a line.

/// A word of a line, and where it stands in it (bytes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'a> {
    pub text: &'a str,
    pub start: usize,
}

impl Token<'_> {
    /// Where the word ends.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The words of `line`: what stands between spaces and tabs.
pub(crate) fn tokens(line: &str) -> impl Iterator<Item = Token<'_>> {
    let base = line.as_ptr() as usize;
    line.split([' ', '\t'])
        .filter(|text| !text.is_empty())
        .map(move |text| Token {
            text,
            start: text.as_ptr() as usize - base,
        })
}
