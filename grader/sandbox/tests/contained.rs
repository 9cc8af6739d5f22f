//! What a confined program cannot do; and that each defence is what keeps it from doing so.

use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sandbox::{Ended, Layers, Limit, Limits, Policy, Report, Starts, run};

const LAUNCHER: &str = env!("CARGO_BIN_EXE_confine");
const HOSTILE: &str = env!("CARGO_BIN_EXE_hostile");

fn layers() -> Layers {
    let layers = Layers::of_this_host(Path::new(LAUNCHER));
    assert!(
        layers.landlock && layers.seccomp,
        "these tests need Landlock and seccomp: {layers}"
    );
    layers
}

/// A program's own folder, and one beside it that is none of its business.
struct Place {
    whole: tempfile::TempDir,
    policy: Policy,
}

impl Place {
    fn new() -> Place {
        let whole = tempfile::tempdir().unwrap();
        for name in ["own", "given", "others"] {
            fs::create_dir(whole.path().join(name)).unwrap();
            fs::write(whole.path().join(name).join("file"), format!("in {name}")).unwrap();
        }
        let policy = Policy {
            readable: ["/usr", "/lib", "/lib64", "/bin", HOSTILE]
                .map(PathBuf::from)
                .into_iter()
                .chain([whole.path().join("given")])
                .collect(),
            writable: vec![whole.path().join("own")],
            environment: vec![("GIVEN".into(), "yes".into())],
            starts: Starts::Programs,
            limits: Limits {
                cpu: 20,
                memory: 512 << 20,
                processes: 24,
                disk: 32 << 20,
                files: 200,
                output: 1 << 20,
                wall: 60,
            },
            layers: layers(),
        };
        Place { whole, policy }
    }

    fn path(&self, name: &str) -> String {
        self.whole.path().join(name).display().to_string()
    }

    fn own(&self) -> PathBuf {
        self.whole.path().join("own")
    }

    fn attack(&self, attack: &str, target: &str) -> Report {
        self.run(&[attack, target])
    }

    fn run(&self, words: &[&str]) -> Report {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let (launcher, hostile) = (Path::new(LAUNCHER), Path::new(HOSTILE));
        run(launcher, &self.policy, &self.own(), hostile, &words).unwrap()
    }
}

/// The attack is contained with all layers, and would not be without this one. Another user would hold some alone.
#[track_caller]
fn held(attack: &str, target: impl Fn(&Place) -> String, without: impl Fn(&mut Layers)) {
    let place = Place::new();
    let report = place.attack(attack, &target(&place));
    assert_eq!(
        report.ended,
        Ended::Exit(1),
        "{attack}: {}",
        String::from_utf8_lossy(&report.stderr)
    );
    let mut open = Place::new();
    open.policy.layers.user = false;
    without(&mut open.policy.layers);
    let target = target(&open);
    assert!(
        open.attack(attack, &target).success(),
        "{attack} is no attack"
    );
}

fn no_landlock(layers: &mut Layers) {
    layers.landlock = false;
}

fn nothing_at_all(layers: &mut Layers) {
    *layers = Layers::NONE;
}

#[test]
fn an_honest_program() {
    let place = Place::new();
    let report = place.attack("honest", &place.path("given/file"));
    let said = String::from_utf8_lossy(&report.stderr).into_owned();
    assert!(report.success(), "{:?}: {said}", report.ended);
    assert_eq!(report.stdout, b"in given");
    assert_eq!(
        fs::read_to_string(place.own().join("made")).unwrap(),
        "here"
    );
    assert!(place.attack("environment", "GIVEN").success());
    assert!(place.attack("fork-once", "").success());
}

#[test]
fn files_of_others() {
    for attack in ["read", "append", "truncate", "symlink", "dots", "proc-root"] {
        held(attack, |place| place.path("others/file"), no_landlock);
    }
    for attack in ["write", "list", "remove"] {
        let name = |attack| match attack {
            "write" => "others/new",
            "list" => "others",
            _ => "others/file",
        };
        held(attack, |place| place.path(name(attack)), no_landlock);
    }
    for attack in ["rename", "link"] {
        held(attack, |place| place.path("others/file"), no_landlock);
    }
    held("write", |place| place.path("given/new"), no_landlock);
    held("append", |place| place.path("given/file"), no_landlock);
    held("read", |_| "/etc/passwd".into(), no_landlock);
    held("proc-parent", |_| String::new(), nothing_at_all);
}

#[test]
fn modes_of_what_it_may_only_read() {
    held(
        "mode",
        |place| place.path("given/file"),
        |layers| layers.seccomp = false,
    );
}

#[test]
fn programs_that_are_not_given() {
    held(
        "run",
        |place| {
            let copy = place.path("others/true");
            fs::copy("/bin/true", &copy).unwrap();
            copy
        },
        no_landlock,
    );
}

#[test]
fn the_network() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    held("tcp", |_| address.clone(), nothing_at_all);
    let address = udp.local_addr().unwrap().to_string();
    held("udp", |_| address.clone(), nothing_at_all);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    held("unix", |_| path.display().to_string(), nothing_at_all);
    let name = format!("kit-sandbox-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let _listener = UnixDatagram::bind_addr(&address).unwrap();
    held("abstract", |_| name.clone(), nothing_at_all);
}

#[test]
fn the_network_by_seccomp_alone() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut place = Place::new();
    place.policy.layers = Layers {
        seccomp: true,
        ..Layers::NONE
    };
    let report = place.attack("tcp", &tcp.local_addr().unwrap().to_string());
    assert_eq!(report.ended, Ended::Exit(1));
}

#[test]
fn other_processes() {
    let victim = || Command::new("sleep").arg("600").spawn().unwrap();
    for attack in ["kill", "trace"] {
        let mut sleeper = victim();
        let pid = sleeper.id().to_string();
        held(attack, |_| pid.clone(), nothing_at_all);
        let _ = sleeper.kill();
        sleeper.wait().unwrap();
    }
}

#[test]
fn more_privileges() {
    for attack in ["mount", "unshare"] {
        let place = Place::new();
        assert_eq!(place.attack(attack, "").ended, Ended::Exit(1), "{attack}");
    }
    held("unshare", |_| String::new(), nothing_at_all);
}

#[test]
fn what_it_would_inherit() {
    let place = Place::new();
    for (attack, target) in [
        ("environment", "PATH"),
        ("environment", "HOME"),
        ("core", ""),
    ] {
        assert_eq!(
            place.attack(attack, target).ended,
            Ended::Exit(1),
            "{attack} {target}"
        );
    }
}

#[test]
fn more_than_it_may_use() {
    for (attack, limit) in [
        ("memory", Limit::Memory),
        ("output", Limit::Output),
        ("disk", Limit::Disk),
        ("big-file", Limit::Disk),
        ("files", Limit::Disk),
        ("threads", Limit::Processes),
        ("fork-bomb", Limit::Processes),
    ] {
        let place = Place::new();
        let report = place.attack(attack, "");
        assert_eq!(report.ended, Ended::Limit(limit), "{attack}");
    }
}

/// Between two looks of the supervisor a bomb would have filled the host.
#[test]
fn more_processes_than_the_kernel_lets_it_have() {
    let place = Place::new();
    let count = place.own().join("count");
    let report = place.attack("forks", &count.display().to_string());
    assert_eq!(report.ended, Ended::Limit(Limit::Processes));
    let had = fs::read(count).unwrap().len();
    let most = place.policy.limits.processes;
    assert!((most / 2..most + 10).contains(&had), "{had}");
}

#[test]
fn all_the_time_there_is() {
    let mut place = Place::new();
    place.policy.limits.cpu = 1;
    let report = place.attack("spin", "");
    assert_eq!(report.ended, Ended::Limit(Limit::Cpu));
    // It is looked at now and then, and a busy host looks seldom.
    assert!(report.cpu >= Duration::from_millis(300), "{:?}", report.cpu);
    place.policy.limits.wall = 1;
    assert_eq!(place.attack("sleep", "").ended, Ended::Stalled);
}

#[test]
fn a_program_that_may_not_start_others() {
    let mut place = Place::new();
    place.policy.starts = Starts::Threads;
    assert_eq!(place.attack("fork-once", "").ended, Ended::Exit(1));
    assert!(place.attack("thread-once", "").success());
    let report = place.attack("honest", &place.path("given/file"));
    assert!(report.success(), "it may have threads: {report:?}");
    place.policy.starts = Starts::Nothing;
    assert_eq!(place.attack("fork-once", "").ended, Ended::Exit(1));
    assert_eq!(place.attack("thread-once", "").ended, Ended::Exit(1));
}

#[test]
fn what_outlives_it() {
    // Whether it is found among changing parents differs from run to run.
    for namespaces in [true, false, false, false, false, false] {
        let mut place = Place::new();
        place.policy.layers.namespaces &= namespaces;
        assert!(place.attack("daemon", "").success());
        let alive = place.own().join("alive");
        let _ = fs::remove_file(&alive);
        thread::sleep(Duration::from_millis(100));
        assert!(
            !alive.exists(),
            "a daemon lives on, namespaces: {namespaces}"
        );
    }
}

#[test]
fn a_supervisor_that_is_killed() {
    let place = Place::new();
    let mut words = place.policy.arguments(Path::new(HOSTILE));
    words.push("sleep".into());
    // A parent that starts the launcher and is then killed.
    let mut shell = Command::new("bash");
    shell
        .arg("-c")
        .arg("\"$@\" & echo $! > pid; wait")
        .arg("bash")
        .arg(LAUNCHER);
    shell.args(words).current_dir(place.own());
    let mut shell = shell.spawn().unwrap();
    let file = place.own().join("pid");
    let begun = Instant::now();
    let launcher = loop {
        assert!(begun.elapsed() < Duration::from_secs(20));
        match fs::read_to_string(&file)
            .unwrap_or_default()
            .trim()
            .parse::<u32>()
        {
            Ok(pid) => break pid,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    };
    let program = || {
        let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"));
        children
            .unwrap_or_default()
            .split_whitespace()
            .last()
            .map(str::to_owned)
    };
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let program = loop {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the program never came"
        );
        match program().filter(|pid| name(pid).starts_with("hostile")) {
            Some(pid) => break pid,
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    shell.kill().unwrap();
    shell.wait().unwrap();
    let gone = Instant::now();
    while name(&program).starts_with("hostile") {
        assert!(
            gone.elapsed() < Duration::from_secs(20),
            "the program lives on"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_launcher_that_cannot_confine() {
    let place = Place::new();
    let missing = Path::new("/nowhere/program");
    let report = run(
        Path::new(LAUNCHER),
        &place.policy,
        &place.own(),
        missing,
        &[],
    )
    .unwrap();
    let Ended::NotConfined(why) = report.ended else {
        panic!("{:?}", report.ended);
    };
    assert!(why.contains("/nowhere/program"), "{why}");
}

#[test]
fn a_tier_that_is_not_there() {
    let layers = layers();
    assert_eq!(layers.reaches("strong"), Some(true));
    assert_eq!(layers.reaches("golden"), None);
    assert_eq!(Layers::NONE.reaches("weak"), Some(false));
    assert_eq!(Layers::NONE.to_string(), "limits (limits)");
}

#[test]
fn a_crash_that_is_taken_for_a_status() {
    let place = Place::new();
    for (name, number) in [("SEGV", 11), ("BUS", 7), ("ABRT", 6)] {
        let words = ["-c".to_owned(), format!("kill -{name} $$")].map(OsString::from);
        let (launcher, shell) = (Path::new(LAUNCHER), Path::new("/bin/sh"));
        let report = run(launcher, &place.policy, &place.own(), shell, &words).unwrap();
        assert_eq!(report.ended, Ended::Signal(number), "{name}");
    }
}
