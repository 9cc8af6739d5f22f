//! Who a confined program is, and how many processes it may have: the kernel's own limit on them counts by user.

use std::io;

use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, getuid, setrlimit};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, configure_capability_in_ambient_set,
    set_capabilities, set_capabilities_secure_bits, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use crate::tree;

/// The first of the numbers that no user has: above what is given to people, services and containers.
const NOBODY_S: u32 = 2_000_000_000;
/// Where those are not mapped, as in most containers: above what Debian gives to people.
const IN_CONTAINERS: u32 = 61_000;
/// How many there are.
const MANY: u32 = 4_000;

/// The launcher's own processes, and what a supervisor needs to see that there are too many.
const SLACK: u64 = 8;
/// What others of the same user may start meanwhile, where they are counted too.
const OTHERS: u64 = 4096;

/// As root, becomes a user whom nobody else is, of root's privileges with none but that over the owners of files,
/// which Landlock narrows: neither the limit on processes nor the owners of processes mean anything to root.
/// `number` tells one program from others that run at the time.
///
/// # Errors
/// This is not root, or the host has no such user, as in containers with few.
pub fn become_another(number: u32) -> io::Result<()> {
    // What is kept of the privileges holds for `access` as well, by which compilers look for their files.
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    set_thread_groups(&[])?;
    let become_one = |first: u32| {
        let (user, group) = (Uid::from_raw(first + number % MANY), Gid::from_raw(first));
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)
    };
    become_one(NOBODY_S).or_else(|_| become_one(IN_CONTAINERS))?;
    let files = CapabilitySet::DAC_OVERRIDE;
    let sets = CapabilitySets {
        effective: files,
        permitted: files,
        inheritable: files,
    };
    set_capabilities(None, sets)?;
    Ok(configure_capability_in_ambient_set(files, true)?)
}

/// Sees to it that the kernel starts no more than `most` processes and threads, and a few, whoever asks. `alone` says
/// that no others are counted: the user is nobody else, or counted in a namespace of its own.
///
/// # Errors
/// The limit cannot be set.
pub fn limit_processes(most: usize, alone: bool) -> io::Result<()> {
    let others = if alone {
        0
    } else {
        OTHERS + tree::threads_of(getuid().as_raw()) as u64
    };
    let wanted = most as u64 + SLACK + others;
    let now = getrlimit(Resource::Nproc);
    let most = now.maximum.map_or(wanted, |most| most.min(wanted));
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(Resource::Nproc, limit)?)
}
