//! A program that tries to break out, for the tests: ends with success if it could.

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, ExitCode, exit};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, getpid, getppid, getrlimit, kill_process, setsid};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let (attack, target) = (words[0].as_str(), words.get(1).map_or("", String::as_str));
    match attempt(attack, target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{attack}: {why}");
            ExitCode::FAILURE
        }
    }
}

type Attempt = Result<(), Box<dyn std::error::Error>>;

fn attempt(attack: &str, target: &str) -> Attempt {
    let path = Path::new(target);
    match attack {
        "honest" => {
            print!("{}", fs::read_to_string(path)?);
            fs::write("made", "here")?;
            thread::spawn(|| ()).join().map_err(|_| "no thread")?;
        }
        "read" => drop(fs::read(path)?),
        "list" => drop(fs::read_dir(path)?),
        "write" => fs::write(path, "was here")?,
        "append" => fs::OpenOptions::new()
            .append(true)
            .open(path)?
            .write_all(b"was here")?,
        "truncate" => drop(
            fs::OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(path)?,
        ),
        "remove" => fs::remove_file(path)?,
        "rename" => fs::rename(path, "mine")?,
        "link" => {
            fs::hard_link(path, "mine")?;
        }
        "symlink" => {
            symlink(path, "way")?;
            fs::read("way")?;
        }
        "dots" => drop(fs::read(format!("../../../../../../../../../../{target}"))?),
        "proc-root" => drop(fs::read(format!("/proc/self/root/{target}"))?),
        "proc-parent" => {
            fs::read(format!(
                "/proc/{}/environ",
                getppid().map_or(1, Pid::as_raw_pid)
            ))?;
        }
        "mode" => fs::set_permissions(path, fs::Permissions::from_mode(0o777))?,
        "run" => {
            let status = Command::new(path).status()?;
            return if status.success() {
                Ok(())
            } else {
                Err("it failed".into())
            };
        }
        "tcp" => drop(TcpStream::connect(target)?),
        "udp" => drop(UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", target)?),
        "unix" => drop(UnixStream::connect(path)?),
        "abstract" => {
            let address = SocketAddr::from_abstract_name(target.as_bytes())?;
            UnixDatagram::unbound()?.connect_addr(&address)?;
        }
        "environment" => drop(env::var(target)?),
        "kill" => kill_process(
            Pid::from_raw(target.parse()?).ok_or("no number")?,
            rustix::process::Signal::TERM,
        )?,
        "trace" => nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(target.parse()?))?,
        "mount" => nix::mount::mount(
            Some("none"),
            "/tmp",
            Some("tmpfs"),
            nix::mount::MsFlags::empty(),
            None::<&str>,
        )?,
        "unshare" => nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)?,
        "core" => {
            let most = getrlimit(Resource::Core).maximum;
            return if most == Some(0) {
                Err("no core files".into())
            } else {
                Ok(())
            };
        }
        "fork-once" => {
            Command::new("/proc/self/exe")
                .arg("nothing")
                .spawn()?
                .wait()?;
        }
        "thread-once" => {
            let thread = thread::Builder::new().spawn(|| ())?;
            let _ = thread.join();
        }
        "nothing" => {}
        // These end by a limit, or not at all.
        "spin" => loop {
            std::hint::spin_loop();
        },
        "sleep" => thread::sleep(Duration::from_secs(3600)),
        "memory" => {
            let mut kept = Vec::new();
            loop {
                kept.push(vec![1u8; 1 << 20]);
                if kept.len() % 64 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        "output" => loop {
            std::io::stdout().write_all(&[b'x'; 1 << 16])?;
        },
        "disk" => {
            for number in 0.. {
                fs::write(number.to_string(), vec![0; 1 << 20])?;
            }
        }
        "big-file" => {
            let mut file = fs::File::create("big")?;
            loop {
                file.write_all(&[0; 1 << 20])?;
            }
        }
        "files" => {
            for number in 0.. {
                fs::write(number.to_string(), "")?;
            }
        }
        // No more than a host on which nobody looks for a while can bear.
        "threads" => {
            for _ in 0..1000 {
                let sleeps = || thread::sleep(Duration::from_secs(3600));
                let _ = thread::Builder::new().stack_size(16 << 10).spawn(sleeps);
            }
            thread::sleep(Duration::from_secs(3600));
        }
        "fork-bomb" => {
            let depth = target.len();
            for _ in 0..8 * usize::from(depth < 3) {
                let deeper = "x".repeat(depth + 1);
                let _ = Command::new("/proc/self/exe")
                    .args(["fork-bomb", &deeper])
                    .spawn();
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_secs(3600));
        }
        "forks" => {
            // As many as it gets, faster than anybody looks.
            let mut had = Vec::new();
            let mut count = fs::File::create(target)?;
            while let Ok(child) = Command::new("/proc/self/exe").arg("sleep").spawn() {
                had.push(child);
                count.write_all(b".")?;
            }
            thread::sleep(Duration::from_secs(3600));
        }
        "daemon" => {
            // A child that leaves its session, and lives on when its parent has ended.
            Command::new("/proc/self/exe")
                .args(["daemon-2", target])
                .spawn()?;
        }
        "daemon-2" => {
            let _ = setsid();
            Command::new("/proc/self/exe")
                .args(["daemon-3", target])
                .spawn()?;
            exit(0);
        }
        "daemon-3" => {
            let _ = setsid();
            fs::write("daemon", getpid().as_raw_pid().to_string())?;
            loop {
                fs::write("alive", "yes")?;
                thread::sleep(Duration::from_millis(5));
            }
        }
        _ => return Err("no such attack".into()),
    }
    Ok(())
}
