//! The compiler, confined: what a student's file makes it do ends at a limit, and stays in one folder.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::{Ended, Limits, Policy, Report, Starts};
use tempfile::TempDir;

use super::record::Recorded;
use super::shared::Shared;
use super::{NotBuilt, Used};
use crate::status::{Doing, Failure};

/// What one call of the compiler may use. Honest solutions use a second and some 300 MB, most of it for linking.
const LIMITS: Limits = Limits {
    cpu: 10,
    memory: 640 << 20,
    // The compiler and the linker start a thread for each core of the host.
    processes: 512,
    disk: 128 << 20,
    files: 1000,
    output: 1 << 20,
    wall: 600,
};
/// A host that takes so long for a lab's own starter is too slow for [`LIMITS`].
pub const SLOW: Duration = Duration::from_secs(5);
/// What the linker reads besides: the system's libraries, and its own.
const SYSTEM: [&str; 7] = [
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/etc/ld.so.cache",
    "/dev/null",
    "/dev/urandom",
];

/// How the names of folders begin that are in use, or were when `kit` was killed.
pub const PREFIX: &str = "building-";

/// A source file to be compiled.
pub struct Source<'s> {
    /// What is in it.
    pub text: &'s [u8],
    /// The path that messages, backtraces and debuggers show.
    pub shown: &'s Path,
}

/// A folder for one call of the compiler: all that it can write. It is removed with this value.
pub struct Compiler<'s> {
    shared: &'s Shared,
    folder: TempDir,
}

impl<'s> Compiler<'s> {
    /// One that works in a new folder in `place`, which exists.
    pub fn new(shared: &'s Shared, place: &Path) -> Result<Self, Failure> {
        let folder = folder(place)?;
        Ok(Compiler { shared, folder })
    }

    /// Compiles `source` as it is `recorded`, with the student's library, if it is a program that needs one. Returns
    /// the path of what came of it, called `output`, in the private folder.
    pub fn run(
        &self,
        recorded: &Recorded,
        source: &Source,
        student: Option<&Path>,
        output: &str,
    ) -> (Result<PathBuf, NotBuilt>, Used) {
        let report = self.start(recorded, source, student);
        let report = match report {
            Ok(report) => report,
            Err(failure) => return (Err(NotBuilt::Host(failure)), Used::default()),
        };
        let used = Used {
            cpu: report.cpu,
            memory: report.memory,
        };
        let built = ended(&report).map(|()| self.folder.path().join(output));
        (built, used)
    }

    fn start(
        &self,
        recorded: &Recorded,
        source: &Source,
        student: Option<&Path>,
    ) -> Result<Report, Failure> {
        let private = self.folder.path();
        let folder = private.join("source");
        fs::create_dir(&folder).doing("creating", &folder)?;
        let name = source.shown.file_name().unwrap_or_default();
        let file = folder.join(name);
        fs::write(&file, source.text).doing("writing", &file)?;
        let mut arguments = arguments(recorded, &file, private, student);
        let root = &self.shared.workspace.root;
        // The last that fits counts.
        let shown = source.shown.parent().unwrap_or(root);
        for (from, to) in [(private, root.as_path()), (&folder, shown)] {
            let mut pair = from.as_os_str().to_owned();
            pair.push("=");
            pair.push(to);
            arguments.extend(["--remap-path-prefix".into(), pair]);
        }
        if student.is_none() {
            arguments.extend(["-F", "unsafe-code"].map(OsString::from));
        }
        let policy = self.policy(recorded, student);
        let compiler = recorded.sysroot.join("bin/rustc");
        sandbox::run(&self.shared.kit, &policy, private, &compiler, &arguments)
            .map_err(|error| Failure::host(format!("confining the compiler: {error}")))
    }

    fn policy(&self, recorded: &Recorded, student: Option<&Path>) -> Policy {
        let mut readable: Vec<PathBuf> = SYSTEM.map(PathBuf::from).into();
        readable.push(recorded.sysroot.clone());
        readable.push(self.shared.link_script());
        readable.extend(recorded.libraries().map(Path::to_path_buf));
        readable.extend(student.map(Path::to_path_buf));
        let folder = self.folder.path();
        let mut environment = vec![
            ("LC_ALL".to_owned(), "C".to_owned()),
            ("TMPDIR".to_owned(), folder.display().to_string()),
        ];
        if let Ok(path) = env::var("PATH") {
            environment.push(("PATH".to_owned(), path));
        }
        if recorded.bootstrap {
            environment.push(("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned()));
        }
        Policy {
            readable,
            writable: vec![folder.to_path_buf()],
            environment,
            // Only programs are linked.
            starts: match student {
                Some(_) => Starts::Programs,
                None => Starts::Threads,
            },
            limits: LIMITS,
            layers: self.shared.layers(),
        }
    }
}

/// A new folder in `place`, which exists.
pub fn folder(place: &Path) -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place);
    made.doing("creating a folder in", place)
}

/// The arguments as they were for the stub, with another file, and another folder for what comes of it.
fn arguments(
    recorded: &Recorded,
    file: &Path,
    private: &Path,
    student: Option<&Path>,
) -> Vec<OsString> {
    let mut made: Vec<OsString> = Vec::new();
    let mut words = recorded.arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--out-dir" => {
                words.next();
                made.extend([word.into(), private.into()]);
            }
            "-C" | "--extern" => {
                let value = words.next().map_or("", String::as_str);
                let own = ["incremental=", "extra-filename="];
                if own.iter().any(|own| value.starts_with(own)) {
                    continue;
                }
                made.push(word.into());
                match (value.starts_with("student="), student) {
                    (true, Some(student)) => {
                        let mut value = OsString::from("student=");
                        value.push(student);
                        made.push(value);
                    }
                    _ => made.push(value.into()),
                }
            }
            _ if word.starts_with("--emit=") => made.push("--emit=link".into()),
            // Messages are for people here.
            _ if word.starts_with("--error-format=") || word.starts_with("--json=") => {}
            _ if word.starts_with("--diagnostic-width=") => {}
            _ if word.ends_with(".rs") && !word.starts_with('-') => made.push(file.into()),
            _ => made.push(word.into()),
        }
    }
    made
}

/// What it means that the compiler ended so.
fn ended(report: &Report) -> Result<(), NotBuilt> {
    const SIGABRT: i32 = 6;
    const SIGKILL: i32 = 9;
    let said = String::from_utf8_lossy(&report.stderr);
    let no_memory = ["memory allocation of", "out of memory"];
    let no_memory = no_memory.iter().any(|words| said.contains(words));
    match &report.ended {
        Ended::Exit(0) => Ok(()),
        Ended::Signal(SIGABRT) | Ended::Exit(_) if no_memory => {
            Err(NotBuilt::Limit(sandbox::Limit::Memory))
        }
        Ended::Exit(_) => Err(NotBuilt::Compiler(said.into_owned())),
        Ended::Limit(limit) => Err(NotBuilt::Limit(*limit)),
        Ended::Signal(SIGKILL) => Err(Failure::host("somebody killed the compiler").into()),
        Ended::Signal(signal) => Err(NotBuilt::Compiler(format!(
            "the compiler was ended by signal {signal}: it is too deep for it\n{said}"
        ))),
        Ended::Idle | Ended::Stalled => Err(Failure::host(format!(
            "the compiler used {} s of CPU time in {} s: this host stands still",
            Duration::as_secs(&report.cpu),
            LIMITS.wall
        ))
        .into()),
        Ended::NotConfined(why) => {
            Err(Failure::host(format!("the compiler cannot be confined: {why}")).into())
        }
    }
}
