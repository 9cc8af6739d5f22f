// lab: 2
// tries: panic while an interrupt is sent
// stopped by: explorer
// says: panic
#![no_std]
#![forbid(unsafe_code)]

use lab::two::*;

pub struct Student;

impl Ring for Student {
    fn xapic<M: Machine + CommandRegister>(_: &M, _: CpuSet) -> Result<(), Stuck> {
        panic!("sent")
    }

    fn x2apic<M: Machine + CommandRegister>(_: &M, _: CpuSet) {
        panic!("sent")
    }
}
