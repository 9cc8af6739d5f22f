//! Answers that solutions give in remarks: compared, and kept in the students' tree without being readable.

/// Whether an answer is right. Numbers may be written in any way, words in any case.
#[must_use]
pub fn is_right(given: &str, right: &str) -> bool {
    if right.starts_with(DIGEST) {
        digest(given) == right
    } else {
        canonical(given) == canonical(right)
    }
}

/// What stands in the students' manifest for a right answer: it can be compared, and not be read. Whoever tries all
/// answers finds it all the same.
#[must_use]
pub fn digest(answer: &str) -> String {
    format!(
        "{DIGEST}{}",
        crate::digest::of(&[canonical(answer).as_bytes()])
    )
}

/// What [`digest`] begins with.
const DIGEST: &str = "sha256:";

fn canonical(answer: &str) -> String {
    let text = answer.trim().to_lowercase();
    let digits = text.replace('_', "");
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    };
    number.map_or(text, |number| number.to_string())
}
