//! Lab 2: how an interrupt is sent.
#![no_std]
#![forbid(unsafe_code)]

use lab::two::*;

pub struct Student;

impl Ring for Student {
    fn xapic<M: Machine + CommandRegister>(m: &M, to: CpuSet) -> Result<(), Stuck> {
        if to == m.online().without(m.me()) {
            return command(m, 0, FIXED | OTHERS);
        }
        for cpu in to {
            command(m, m.apic_id(cpu) << 24, FIXED)?;
        }
        Ok(())
    }

    fn x2apic<M: Machine + CommandRegister>(m: &M, to: CpuSet) {
        // WRMSR may overtake the stores before it.
        m.fence(SeqCst);
        if to == m.online().without(m.me()) {
            return m.write_msr(u64::from(FIXED | OTHERS));
        }
        for cpu in to {
            m.write_msr(u64::from(m.apic_id(cpu)) << 32 | u64::from(FIXED));
        }
    }
}

/// Writes both halves of a command, once the one before was accepted.
fn command<M: Machine + CommandRegister>(m: &M, high: u32, low: u32) -> Result<(), Stuck> {
    // A handler that sends must not come between the two: it would leave its destination.
    let enabled = m.interrupts_enabled();
    m.disable_interrupts();
    let outcome = m.wait_briefly(|| m.read_low() & PENDING == 0);
    if outcome.is_ok() {
        m.write_high(high);
        m.write_low(low);
    }
    if enabled {
        m.enable_interrupts();
    }
    Ok(())
}
