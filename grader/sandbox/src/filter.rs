//! The system calls that are refused.
//!
//! A list of what is refused, not of what is allowed: compilers, linkers and QEMU need most of the rest, and differ
//! from version to version. What matters for files is Landlock's; this is for what Landlock does not see.

use std::collections::BTreeMap;

use crate::policy::Starts;
use rustix::io::Errno;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};

/// x86-64's numbers of the system calls that nobody in here needs, by what they would reach.
const REFUSED: [(&str, &[i64]); 10] = [
    (
        "the network: socket, connect, bind, listen, accept, accept4",
        &[41, 42, 49, 50, 43, 288],
    ),
    (
        "other processes: ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, process_madvise, kcmp",
        &[101, 310, 311, 438, 440, 312],
    ),
    (
        "mounts and namespaces: mount, umount2, pivot_root, chroot, unshare, setns, open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr",
        &[
            165, 166, 155, 161, 272, 308, 428, 429, 430, 431, 432, 433, 442,
        ],
    ),
    (
        "modes, owners, attributes: chmod, fchmod, fchmodat, fchmodat2, chown, fchown, lchown, fchownat, setxattr, lsetxattr, fsetxattr, setxattrat",
        &[90, 91, 268, 452, 92, 93, 94, 260, 188, 189, 190, 463],
    ),
    (
        "the kernel: init_module, finit_module, delete_module, kexec_load, kexec_file_load, reboot, bpf, perf_event_open, userfaultfd, syslog, acct, swapon, swapoff, quotactl, quotactl_fd",
        &[
            175, 313, 176, 246, 320, 169, 321, 298, 323, 103, 163, 167, 168, 179, 443,
        ],
    ),
    ("keys: add_key, request_key, keyctl", &[248, 249, 250]),
    (
        "the clock: settimeofday, clock_settime, adjtimex, clock_adjtime",
        &[164, 227, 159, 305],
    ),
    ("ports: ioperm, iopl", &[173, 172]),
    (
        "calls around this list: io_uring_setup, io_uring_enter, io_uring_register",
        &[425, 426, 427],
    ),
    (
        "files by other ways than their path: open_by_handle_at, name_to_handle_at, fanotify_init, mknod, mknodat, memfd_secret",
        &[304, 303, 300, 133, 259, 447],
    ),
];
/// The same calls by the x32 ABI have this bit in their numbers.
const X32: i64 = 0x4000_0000;

const CLONE: i64 = 56;
const FORK: i64 = 57;
const VFORK: i64 = 58;
const CLONE3: i64 = 435;
const CLONE_THREAD: u64 = 0x0001_0000;
const IOCTL: i64 = 16;
/// Puts a character into a terminal's input.
const TIOCSTI: u64 = 0x5412;
/// Pastes into a console's.
const TIOCLINUX: u64 = 0x541c;

/// Refuses them to this thread, and to whatever it becomes or starts.
///
/// # Errors
/// The host has no seccomp.
pub fn apply(starts: Starts) -> Result<(), seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for number in REFUSED.iter().flat_map(|(_, numbers)| *numbers) {
        rules.insert(*number, Vec::new());
    }
    let equal = |argument: u8, value: u64| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    rules.insert(IOCTL, vec![equal(1, TIOCSTI)?, equal(1, TIOCLINUX)?]);
    if starts < Starts::Programs {
        let thread = SeccompCmpOp::MaskedEq(CLONE_THREAD);
        let process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, thread, 0)?;
        let process = vec![SeccompRule::new(vec![process])?];
        let any = Vec::new();
        rules.insert(
            CLONE,
            if starts == Starts::Threads {
                process
            } else {
                any
            },
        );
        rules.insert(FORK, Vec::new());
        rules.insert(VFORK, Vec::new());
    }
    for (number, what) in rules.clone() {
        rules.insert(number | X32, what);
    }
    let refuse = |errno: Errno| SeccompAction::Errno(errno.raw_os_error().unsigned_abs());
    load(rules, refuse(Errno::PERM))?;
    if starts < Starts::Programs {
        // Its flags are in memory, where a filter cannot look; libraries then take `clone`.
        let clone3 = BTreeMap::from([(CLONE3, Vec::new()), (CLONE3 | X32, Vec::new())]);
        load(clone3, refuse(Errno::NOSYS))?;
    }
    Ok(())
}

fn load(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    refuse: SeccompAction,
) -> Result<(), seccompiler::Error> {
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::x86_64)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    apply_filter(&program)
}
