//! Why a submission, or a solution in it, cannot be taken.

use std::fmt;

/// Why there is no solution. Names are made printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no file of that name.
    Missing(String),
    /// There are several of that name: these.
    Several(String, Vec<String>),
    /// The first is called nearly as the second, which is right.
    Spelled(String, String),
    /// The name is one that nothing may have, for this reason.
    Name(String, &'static str),
    /// It is not a regular file, but this.
    NotAFile(String, &'static str),
    /// It is encrypted.
    Encrypted(String),
    /// It is longer than so many bytes.
    File(String, u64),
    /// The archive is longer than so many bytes.
    Archive(u64),
    /// The archive unpacks to more than so many bytes.
    Unpacked(u64),
    /// The archive unpacks to more than so many times its size.
    Ratio(u64),
    /// There are more than so many files and folders.
    Entries(usize),
    /// There are folders within folders, more than so many.
    Depth(usize),
    /// An archive of a kind that is not read: this.
    Kind(&'static str),
    /// A damaged archive of that kind, and what the reader said.
    Damaged(&'static str, String),
}

impl Refusal {
    /// An archive that is damaged. What its reader says may hold bytes of it.
    pub(super) fn damaged(kind: &'static str, said: impl fmt::Display) -> Self {
        Self::Damaged(kind, super::name::shown(&said.to_string()))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ADVICE: &str = "hand in the files of labs/work alone";
        match self {
            Self::Missing(file) => write!(f, "there is no file `{file}` in it"),
            Self::Several(file, names) => {
                write!(f, "there is more than one `{file}` in it: ")?;
                let shown: Vec<String> = names.iter().take(5).map(|n| format!("`{n}`")).collect();
                let more = if names.len() > 5 { ", ..." } else { "" };
                write!(f, "{}{more}; one was expected", shown.join(", "))
            }
            Self::Spelled(found, file) => write!(f, "`{found}` has to be called `{file}`"),
            Self::Name(name, why) => write!(f, "`{name}` is not taken: {why}"),
            Self::NotAFile(name, what) => {
                write!(f, "`{name}` is {what}; a regular file was expected")
            }
            Self::Encrypted(name) => write!(f, "`{name}` is encrypted"),
            Self::File(name, most) => {
                write!(
                    f,
                    "`{name}` is longer than {most} bytes, which no solution is"
                )
            }
            Self::Archive(most) => write!(f, "it is longer than {most} bytes; {ADVICE}"),
            Self::Unpacked(most) => {
                write!(f, "it unpacks to more than {most} bytes; {ADVICE}")
            }
            Self::Ratio(most) => {
                write!(
                    f,
                    "it unpacks to more than {most} times its size, as no text does"
                )
            }
            Self::Entries(most) => {
                write!(f, "there are more than {most} files in it; {ADVICE}")
            }
            Self::Depth(most) => {
                write!(f, "there are more than {most} folders within folders in it")
            }
            Self::Kind(kind) => {
                write!(
                    f,
                    "it is a {kind} archive; a folder, zip, tar or tar.gz was expected"
                )
            }
            Self::Damaged(kind, said) => write!(f, "the {kind} archive is damaged: {said}"),
        }
    }
}
