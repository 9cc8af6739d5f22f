//! The launcher: a process that restricts itself, and then becomes the program.

use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, ExitStatus, Stdio};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::sched::{CloneFlags, unshare};
use rustix::process::{
    Resource, Rlimit, Signal, getgid, getpid, getppid, getuid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, setrlimit, setsid, umask,
};
use rustix::thread::set_no_new_privs;

use crate::policy::{Limits, Policy, Starts};
use crate::{COMPLAINT, LAUNCH, Layers, NOT_CONFINED, filter, tree, user};

/// The second words of a launcher's start-ups that are not policies.
const INNER: &str = "inner";
const FIRST: &str = "first";
const PROBE: &str = "probe";

/// The access rights that are known here; a host that knows fewer holds fewer.
const KNOWN: ABI = ABI::V6;

/// What a launcher does with its arguments before anything else. Returns if they do not begin with [`LAUNCH`]; else
/// it ends the process, as the program ended.
pub fn start_up(mut words: impl Iterator<Item = OsString>) {
    if words.next().is_none_or(|word| word != LAUNCH) {
        return;
    }
    let ended = launch(words);
    let Err(why) = ended;
    eprintln!("{COMPLAINT}{why}");
    process::exit(NOT_CONFINED.into());
}

fn launch(mut words: impl Iterator<Item = OsString>) -> Result<Infallible, String> {
    let word = words.next().unwrap_or_default();
    if word == FIRST {
        // Whatever its namespace holds ends with it, and it with the launcher.
        let _ = std::io::stdin().read(&mut [0]);
        process::exit(0);
    }
    if word == PROBE {
        let name = words.next().unwrap_or_default();
        probe(&name.to_string_lossy())?;
        process::exit(0);
    }
    let inner = word == INNER;
    let (number, text) = if inner {
        let number = words.next().unwrap_or_default();
        (number, words.next().unwrap_or_default())
    } else {
        (OsString::new(), word)
    };
    let policy: Policy = serde_json::from_str(&text.to_string_lossy())
        .map_err(|error| format!("a policy was expected: {error}"))?;
    let program = words.next().map(PathBuf::from);
    let program = program.ok_or("a program was expected")?;
    if inner {
        let number = number.to_string_lossy().parse();
        let number = number.map_err(said("a number was expected"))?;
        become_program(&policy, number, &program, words)
    } else {
        watch_over(&policy, &text, &program, words)
    }
}

/// Stays beside the program, so that what it starts cannot outlive it.
fn watch_over(
    policy: &Policy,
    text: &OsString,
    program: &Path,
    words: impl Iterator<Item = OsString>,
) -> Result<Infallible, String> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(said("being tied to kit"))?;
    if getppid() != parent {
        return Err("kit has ended".into());
    }
    // What loses its parent becomes a child of this process.
    set_child_subreaper(Some(getpid())).map_err(said("taking orphans"))?;
    let _ = setsid();
    let itself = env::current_exe().map_err(said("finding the launcher"))?;
    let first = if policy.layers.namespaces {
        namespaces()?;
        Some(first_process(&itself)?)
    } else {
        None
    };
    let mut command = Command::new(itself);
    let number = getpid().as_raw_pid().to_string();
    command
        .args([LAUNCH, INNER, &number])
        .arg(text)
        .arg(program);
    command.args(words).env_clear();
    let child = command.spawn();
    let mut child = child.map_err(said("starting the program"))?;
    leave_pipes().map_err(said("leaving the program's pipes"))?;
    let status = child.wait().map_err(said("waiting for the program"))?;
    // With the first process of a namespace all others end; without one they have to be found.
    if let Some(mut first) = first {
        let _ = first.kill();
        let _ = first.wait();
    }
    tree::end_all_below();
    end_as(status)
}

/// Leaves the program its pipes for what it is told and says: when it closes them, they are closed.
fn leave_pipes() -> std::io::Result<()> {
    let nothing = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(())
}

/// Ends as the program did.
fn end_as(status: ExitStatus) -> ! {
    if let Some(signal) = status.signal() {
        let _ =
            rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
        if let Some(signal) = Signal::from_named_raw(signal) {
            // The first may find a handler of Rust's own, which then stands aside.
            for _ in 0..2 {
                let _ = kill_process(getpid(), signal);
            }
        }
        process::exit(128 + signal);
    }
    process::exit(status.code().unwrap_or(NOT_CONFINED.into()));
}

/// Gives what this process starts namespaces of their own.
fn namespaces() -> Result<(), String> {
    let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    if unshare(flags).is_ok() {
        return Ok(());
    }
    unshare(flags | CloneFlags::CLONE_NEWUSER).map_err(said("making namespaces"))?;
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{uid} {uid} 1")),
        ("gid_map", format!("{gid} {gid} 1")),
    ] {
        fs::write(format!("/proc/self/{file}"), text).map_err(said("making namespaces"))?;
    }
    Ok(())
}

/// The first process of the namespace: when it ends, all in it do.
fn first_process(itself: &Path) -> Result<Child, String> {
    let mut command = Command::new(itself);
    command
        .args([LAUNCH, FIRST])
        .env_clear()
        .stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(said("starting a first process"))
}

/// Restricts this process, and becomes the program. `number` is that of its launcher.
fn become_program(
    policy: &Policy,
    number: u32,
    program: &Path,
    words: impl Iterator<Item = OsString>,
) -> Result<Infallible, String> {
    if policy.layers.user {
        user::become_another(number).map_err(said("becoming another user"))?;
    }
    let alone = policy.layers.user || policy.layers.namespaces;
    user::limit_processes(policy.limits.processes, alone).map_err(said("limiting processes"))?;
    // With namespaces all ends with their first process. Who becomes another user loses this.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(said("being tied to the launcher"))?;
    limit(&policy.limits)?;
    umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    set_no_new_privs(true).map_err(said("giving up privileges"))?;
    if policy.layers.landlock {
        landlock(&policy.readable, &policy.writable)?;
    }
    if policy.layers.seccomp {
        filter::apply(policy.starts).map_err(said("filtering system calls"))?;
    }
    let environment = policy.environment.iter().map(|(name, value)| (name, value));
    let mut command = Command::new(program);
    command.args(words).env_clear().envs(environment);
    let error = command.exec();
    Err(format!("starting {}: {error}", program.display()))
}

fn limit(limits: &Limits) -> Result<(), String> {
    // At the first the system sends SIGXCPU, which says what it was; at the second SIGKILL, which cannot be ignored.
    let cpu = Rlimit {
        current: Some(limits.cpu),
        maximum: Some(limits.cpu + 2),
    };
    setrlimit(Resource::Cpu, cpu).map_err(said("limiting resources"))?;
    for (resource, most) in [
        // The sum is watched from outside; this is for what grows faster than one looks.
        (Resource::Data, limits.memory + limits.memory / 2),
        (Resource::Fsize, limits.disk),
        (Resource::Core, 0),
        (Resource::Nofile, 1024),
        (Resource::Memlock, 64 << 10),
        (Resource::Msgqueue, 0),
    ] {
        let most = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, most).map_err(said("limiting resources"))?;
    }
    Ok(())
}

fn landlock(readable: &[PathBuf], writable: &[PathBuf]) -> Result<(), String> {
    let everything = AccessFs::from_all(KNOWN);
    let made = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything)
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create);
    let mut ruleset = made.map_err(said("making rules for files"))?;
    let allowed = readable
        .iter()
        .map(|path| (path, AccessFs::from_read(KNOWN)))
        .chain(writable.iter().map(|path| (path, everything)));
    for (path, mut access) in allowed {
        // What is not there cannot be opened.
        let Ok(open) = PathFd::new(path) else {
            continue;
        };
        if !path.is_dir() {
            access &= AccessFs::from_file(KNOWN);
        }
        ruleset = ruleset
            .add_rule(PathBeneath::new(open, access))
            .map_err(said("making rules for files"))?;
    }
    let status = ruleset
        .restrict_self()
        .map_err(said("taking on rules for files"))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err("this host has no Landlock".into());
    }
    Ok(())
}

/// Whether the host has it: by being held.
fn probe(name: &str) -> Result<(), String> {
    let held = |held: bool| {
        held.then_some(())
            .ok_or_else(|| format!("{name} holds nothing"))
    };
    match name {
        "landlock" => {
            set_no_new_privs(true).map_err(said("giving up privileges"))?;
            landlock(&[], &[])?;
            held(fs::read_dir("/").is_err())
        }
        "seccomp" => {
            set_no_new_privs(true).map_err(said("giving up privileges"))?;
            filter::apply(Starts::Threads).map_err(said("filtering system calls"))?;
            let forbidden = Command::new("/proc/self/exe").args([LAUNCH, PROBE]).spawn();
            held(forbidden.is_err() && unshare(CloneFlags::CLONE_FS).is_err())
        }
        "namespaces" => {
            namespaces()?;
            let itself = env::current_exe().map_err(said("finding the launcher"))?;
            let mut first = first_process(&itself)?;
            let _ = first.kill();
            let _ = first.wait();
            // The namespace's first process has ended: no other can be started in it.
            held(Command::new(itself).args([LAUNCH, FIRST]).spawn().is_err())
        }
        "user" => {
            user::become_another(getpid().as_raw_pid().unsigned_abs())
                .map_err(said("becoming another user"))?;
            held(!getuid().is_root())
        }
        _ => Err(format!("there is no layer `{name}`")),
    }
}

fn said<E: Display>(doing: &str) -> impl FnOnce(E) -> String {
    let doing = doing.to_owned();
    move |error| format!("{doing}: {error}")
}

impl Layers {
    /// What it takes for the launcher's own processes, which are not the program's.
    pub(crate) fn own_processes(self) -> usize {
        1 + usize::from(self.namespaces)
    }
}
