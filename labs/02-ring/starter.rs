//! Lab 2: how an interrupt is sent. As it stands, nobody is interrupted.
#![no_std]
#![forbid(unsafe_code)]

use lab::two::*;

pub struct Student;

impl Ring for Student {
    fn xapic<M: Machine + CommandRegister>(m: &M, to: CpuSet) -> Result<(), Stuck> {
        // TODO: a command for each CPU of `to`, or one for all others.
        let _ = to;
        command(m, 0, FIXED)
    }

    fn x2apic<M: Machine + CommandRegister>(m: &M, to: CpuSet) {
        // TODO: the same by `write_msr`. What may still be in the store buffer?
        let _ = (m, to);
    }
}

/// Writes both halves of a command, once the one before was accepted.
fn command<M: Machine + CommandRegister>(m: &M, high: u32, low: u32) -> Result<(), Stuck> {
    // TODO: which half sends? What may come in between? And if the command before is still pending?
    let _ = (m, high, low);
    Ok(())
}
