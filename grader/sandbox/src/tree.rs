//! The processes below one, and what they use, by `/proc`.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};

/// What a process and all below it use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time, of those that have ended and been waited for as well.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Processes and threads.
    pub processes: usize,
    /// Whether a process runs, is ready to, or waits for a disk: not so if all wait for what somebody else does.
    pub busy: bool,
}

struct Process {
    parent: i32,
    ticks: u64,
    threads: usize,
    pages: u64,
    /// It has ended, and its parent has not asked how.
    dead: bool,
    busy: bool,
}

/// The numbers in `/proc/PID/stat`, after the name, which may hold anything.
fn read(pid: i32) -> Option<Process> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        dead: matches!(fields.first(), Some(&("Z" | "X"))),
        busy: matches!(fields.first(), Some(&("R" | "D"))),
        parent: fields.get(1)?.parse().ok()?,
        // utime, stime, and those of the children that were waited for.
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        threads: usize::try_from(number(17)?).ok()?,
        pages: number(21)?,
    })
}

/// The processes below `root`, itself not among them.
fn below(root: i32) -> HashMap<i32, Process> {
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut all: HashMap<i32, Process> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, read(pid)?)))
        .collect();
    let mut found = HashMap::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children: Vec<i32> = all
            .iter()
            .filter(|(_, process)| process.parent == parent)
            .map(|(pid, _)| *pid)
            .collect();
        for pid in children {
            parents.push(pid);
            if let Some(process) = all.remove(&pid) {
                found.insert(pid, process);
            }
        }
    }
    found
}

/// What the processes below `root` use; of itself only the CPU time of those that it waited for.
pub fn usage(root: Pid) -> Usage {
    let mut usage = Usage::default();
    let mut ticks = read(root.as_raw_pid()).map_or(0, |process| process.ticks);
    for process in below(root.as_raw_pid()).values() {
        ticks += process.ticks;
        usage.memory += process.pages * page_size() as u64;
        usage.processes += process.threads;
        usage.busy |= process.busy;
    }
    usage.cpu = time(ticks);
    usage
}

/// The CPU time of a process and of those that it waited for; of one that has ended too, until it is waited for.
pub fn cpu_of(pid: Pid) -> Duration {
    time(read(pid.as_raw_pid()).map_or(0, |process| process.ticks))
}

fn time(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 1000 / clock_ticks_per_second().max(1))
}

/// How many processes and threads a user has.
pub fn threads_of(user: u32) -> usize {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.metadata().is_ok_and(|data| data.uid() == user))
        .filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?))
        .map(|process| process.threads)
        .sum()
}

/// Kills the processes below `root`, once each; those that are dead already are not looked at. One that was just
/// changing parents is overlooked.
pub fn kill_below(root: Pid) {
    let alive: Vec<Pid> = below(root.as_raw_pid())
        .iter()
        .filter(|(_, process)| !process.dead)
        .filter_map(|(pid, _)| Pid::from_raw(*pid))
        .collect();
    // None starts another between the first and the last of them.
    for signal in [Signal::STOP, Signal::KILL] {
        for pid in &alive {
            let _ = kill_process(*pid, signal);
        }
    }
}

/// Ends everything that this process started. By one that takes orphans (`PR_SET_CHILD_SUBREAPER`): whoever loses
/// its parent becomes its child, so that nothing is left when it has no children, whatever `/proc` showed.
pub fn end_all_below() {
    while let Ok(ended) = wait(WaitOptions::NOHANG) {
        if ended.is_none() {
            kill_below(getpid());
            thread::sleep(Duration::from_millis(1));
        }
    }
}
