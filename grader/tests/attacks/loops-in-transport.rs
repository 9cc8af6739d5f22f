// lab: 2
// tries: never come back from sending
// stopped by: explorer
// says: CPU time
#![no_std]
#![forbid(unsafe_code)]

use lab::two::*;

pub struct Student;

impl Ring for Student {
    fn xapic<M: Machine + CommandRegister>(_: &M, _: CpuSet) -> Result<(), Stuck> {
        loop {}
    }

    fn x2apic<M: Machine + CommandRegister>(_: &M, _: CpuSet) {
        loop {}
    }
}
