//! Lab 2, which never ends.
#![no_std]
#![forbid(unsafe_code)]

use lab::two::*;

pub struct Student;

impl Ring for Student {
    fn xapic<M: Machine + CommandRegister>(m: &M, to: CpuSet) -> Result<(), Stuck> {
        let mut number = to.bits();
        while number != 1 << 63 | 1 {
            number = number.wrapping_mul(4).wrapping_add(m.me().index() as u64) | 2;
        }
        Ok(())
    }

    fn x2apic<M: Machine + CommandRegister>(_: &M, _: CpuSet) {}
}
