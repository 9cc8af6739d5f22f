//! gdb under `kit gdb`, with a script.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::KIT;

/// Longer than any script takes on a busy host; then gdb is given up.
const LIMIT: Duration = Duration::from_secs(150);

/// What gdb said in answer to a script.
#[derive(Debug)]
pub struct Said {
    /// All of it, and kit's own lines.
    pub text: String,
}

/// Runs gdb with `script` on a machine whose stub is `stub`.
#[track_caller]
pub fn gdb(stub: &str, script: &str) -> Said {
    run(&["gdb", "--stub", stub], script)
}

/// Runs `kit` with `arguments`, which end as those of `kit gdb`.
#[track_caller]
pub fn run(arguments: &[&str], script: &str) -> Said {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // A step that prints where it stopped may look for sources that are not here.
    writeln!(file, "set pagination off\nset width 0\n{script}\ndetach").unwrap();
    // One pipe for all that is said, so that it keeps its order.
    let (mut pipe, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(KIT)
        .args(arguments)
        .args(["--", "-nx", "-batch", "-x"])
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(writer.try_clone().unwrap())
        .stderr(writer)
        .spawn()
        .unwrap();
    let reader = thread::spawn(move || {
        let mut text = vec![];
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let _ = child.wait();
    let text = reader.join().unwrap();
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?} after {:?}:\n{script}\n{text}",
        start.elapsed()
    );
    Said { text }
}

impl Said {
    /// Each of `parts` was said, in that order.
    #[track_caller]
    pub fn tells(&self, parts: &[&str]) -> &Self {
        let mut rest = &self.text[..];
        for part in parts {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("no `{part}` in what is left of\n{}", self.text));
            rest = &rest[at + part.len()..];
        }
        self
    }

    /// The line that begins with `start`, without that.
    #[track_caller]
    pub fn line(&self, start: &str) -> &str {
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(start))
            .unwrap_or_else(|| panic!("no line begins with `{start}` in\n{}", self.text))
    }
}
