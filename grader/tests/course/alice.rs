//! Lab 2, by Alice.
#![no_std]
#![forbid(unsafe_code)]

use lab::two::*;

pub struct Student;

impl Ring for Student {
    fn xapic<M: Machine + CommandRegister>(m: &M, to: CpuSet) -> Result<(), Stuck> {
        let others = m.online().without(m.me());
        let everybody = others == to;
        if everybody {
            return order(m, 0, FIXED | OTHERS);
        }
        let mut sent = Ok(());
        for target in to {
            let destination = m.apic_id(target);
            if sent.is_ok() {
                sent = order(m, destination << 24, FIXED);
            }
        }
        sent
    }

    fn x2apic<M: Machine + CommandRegister>(m: &M, to: CpuSet) {
        m.fence(SeqCst);
        let everybody = to == m.online().without(m.me());
        if everybody {
            let low = FIXED | OTHERS;
            m.write_msr(u64::from(low));
        } else {
            for target in to {
                let high = u64::from(m.apic_id(target));
                let low = u64::from(FIXED);
                m.write_msr((high << 32) + low);
            }
        }
    }
}

fn order<M: Machine + CommandRegister>(m: &M, destination: u32, low: u32) -> Result<(), Stuck> {
    let were_on = m.interrupts_enabled();
    if were_on {
        m.disable_interrupts();
    }
    let free = m.wait_briefly(|| (m.read_low() & PENDING) != PENDING);
    match free {
        Ok(()) => {
            m.write_high(destination);
            m.write_low(low);
        }
        Err(_) => {}
    }
    if were_on {
        m.enable_interrupts();
    }
    free
}
