//! Names in submissions: shown so that they cannot harm a terminal, compared so that twins are found.

use unicode_normalization::UnicodeNormalization;

/// Folders that tools make and nobody hands in on purpose.
const SKIPPED: [&str; 4] = [".git", "__MACOSX", "node_modules", "target"];
/// No honest path is longer.
const LONGEST: usize = 1024;

/// The name of an entry.
pub(super) struct Name {
    /// It, printable.
    pub(super) shown: String,
    /// Its last part.
    pub(super) last: String,
    /// The folder that it is or lies in, if that is never looked into.
    pub(super) skipped: Option<String>,
    /// Why nothing may be called so.
    pub(super) fault: Option<&'static str>,
}

impl Name {
    /// The name that `raw` spells, with `/` between its parts.
    pub(super) fn of(raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&raw[..raw.len().min(LONGEST)]);
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let skipped = parts.iter().position(|part| SKIPPED.contains(part));
        Self {
            shown: shown(&text),
            last: parts.last().copied().unwrap_or_default().to_owned(),
            skipped: skipped.map(|index| shown(&parts[..=index].join("/"))),
            fault: fault(raw, &parts),
        }
    }

    /// Whether `file` is its last part, but for the case of letters and what Unicode holds to be the same.
    pub(super) fn like(&self, file: &str) -> bool {
        // Folding takes time, and most names are of another length in any normal form.
        self.last == file || (self.last.len() < 256 && folded(&self.last) == folded(file))
    }
}

fn folded(text: &str) -> String {
    let printing = text.chars().filter(|c| !c.is_control());
    let lower: String = printing.nfkc().flat_map(char::to_lowercase).collect();
    lower.trim().to_owned()
}

fn fault(raw: &[u8], parts: &[&str]) -> Option<&'static str> {
    let drive =
        |part: &&str| matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    let checks = [
        (parts.is_empty(), "it has no name"),
        (raw.len() > LONGEST, "its name is too long"),
        (raw.contains(&0), "its name has a NUL in it"),
        (std::str::from_utf8(raw).is_err(), "its name is not UTF-8"),
        (
            raw.iter().any(u8::is_ascii_control),
            "its name has a control character in it",
        ),
        (raw.first() == Some(&b'/'), "its path is absolute"),
        (parts.first().is_some_and(drive), "its path is absolute"),
        (parts.contains(&".."), "its path has `..` in it"),
    ];
    let fault = checks.into_iter().find(|(is_so, _)| *is_so);
    fault.map(|(_, why)| why)
}

/// Nothing that a terminal or a reader could take for something else; cut where it is long.
pub(in crate::grade) fn shown(text: &str) -> String {
    let plain = |c: char| match c {
        '\'' | '"' | '\\' => c.to_string(),
        // After another letter an accent is no reason to escape.
        c => format!("a{c}").escape_debug().skip(1).collect(),
    };
    let mut shown: String = text.chars().take(200).map(plain).collect();
    if text.chars().nth(200).is_some() {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_by_case_or_by_unicode_not_seen() {
        for twin in [
            "02-Ring.RS",
            "０２-ring.rs",
            "02-ring.rs\u{0}",
            " 02-ring.rs",
            "02-r\u{131}ng.rs",
        ] {
            let like = Name::of(format!("work/{twin}").as_bytes()).like("02-ring.rs");
            // A dotless i is another letter, to Unicode too.
            assert_eq!(like, !twin.contains('\u{131}'), "{twin:?}");
        }
        assert!(!Name::of(b"02-ring.rs.bak").like("02-ring.rs"));
    }

    #[test]
    fn a_name_that_leads_out_of_its_folder_not_seen() {
        for (name, why) in [
            (&b"../02-ring.rs"[..], ".."),
            (b"a/../../02-ring.rs", ".."),
            (b"/etc/passwd", "absolute"),
            (b"C:/02-ring.rs", "absolute"),
            (b"a\0b", "NUL"),
            (b"\xff/02-ring.rs", "UTF-8"),
            (b"a\x1b[2Jb", "control"),
            (b"", "no name"),
            (b"///", "no name"),
        ] {
            let fault = Name::of(name).fault;
            assert!(
                fault.is_some_and(|fault| fault.contains(why)),
                "{name:?}: {fault:?}"
            );
        }
        assert_eq!(Name::of(b"labs/work/02-ring.rs").fault, None);
        assert_eq!(Name::of("übung/02-ring.rs".as_bytes()).fault, None);
    }

    #[test]
    fn a_name_that_commands_the_terminal_shown_as_it_is() {
        let name = Name::of("a\u{1b}[31mred\u{202e}txt".as_bytes());
        assert_eq!(name.shown, r"a\u{1b}[31mred\u{202e}txt");
        for plain in ["O'Neil \\ 学生", "e\u{301}mile"] {
            assert_eq!(shown(plain), plain);
        }
    }
}
