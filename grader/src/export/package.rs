//! The files of a package, and the archives that hold them.

use std::fs;
use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::status::{Doing, Failure, Status};

/// What packages are made of.
pub(super) struct Package<'a> {
    /// The labs that are graded.
    pub(super) labs: &'a [u8],
    /// The kit's tree, packed.
    pub(super) tree: Vec<u8>,
}

/// A file of a package.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// What the tree is called.
const TREE: &str = "kit.tar.gz";

impl Package<'_> {
    /// A file that is executed.
    pub(super) fn script(&self, name: &'static str, template: &str) -> Made {
        Made {
            mode: 0o755,
            ..self.text(name, template)
        }
    }

    /// A file made from a template.
    pub(super) fn text(&self, name: &'static str, template: &str) -> Made {
        let options: Vec<String> = self.labs.iter().map(|lab| format!("--lab {lab}")).collect();
        let numbers: Vec<String> = self.labs.iter().map(u8::to_string).collect();
        let text = template
            .replace("@LAB_OPTIONS@", &options.join(" "))
            .replace("@LABS@", &numbers.join(" "));
        Made {
            name,
            bytes: text.into_bytes(),
            mode: 0o644,
        }
    }

    /// The kit's tree.
    pub(super) fn tree(&self) -> Made {
        Made {
            name: TREE,
            bytes: self.tree.clone(),
            mode: 0o644,
        }
    }
}

impl Made {
    /// A zip archive of files.
    pub(super) fn zip(name: &'static str, files: &[Made]) -> Made {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for file in files {
            let options = SimpleFileOptions::default().unix_permissions(file.mode);
            // Writing to memory does not fail.
            let _ = writer.start_file(file.name, options);
            let _ = writer.write_all(&file.bytes);
        }
        let bytes = writer.finish().map(Cursor::into_inner).unwrap_or_default();
        Made {
            name,
            bytes,
            mode: 0o644,
        }
    }

    /// A tar archive of files.
    pub(super) fn tar(name: &'static str, files: &[Made]) -> Made {
        let mut builder = tar::Builder::new(Vec::new());
        for file in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(file.bytes.len() as u64);
            header.set_mode(file.mode);
            // Writing to memory does not fail.
            let _ = builder.append_data(&mut header, file.name, file.bytes.as_slice());
        }
        Made {
            name,
            bytes: builder.into_inner().unwrap_or_default(),
            mode: 0o644,
        }
    }
}

/// Writes the files into a new folder.
pub(super) fn write(folder: &Path, files: &[Made]) -> Result<(), Failure> {
    let there = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if there {
        let message = format!("{} is not empty", folder.display());
        return Err(Failure::new(Status::Usage, message).advise("a new folder was expected"));
    }
    fs::create_dir_all(folder).doing("creating", folder)?;
    for file in files {
        let path = folder.join(file.name);
        fs::write(&path, &file.bytes).doing("writing", &path)?;
        let mode = fs::Permissions::from_mode(file.mode);
        fs::set_permissions(&path, mode).doing("writing", &path)?;
    }
    Ok(())
}
