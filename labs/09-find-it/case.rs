//! Lab 9: the kernel that misbehaves. Find it first, read it later.
#![no_std]
#![forbid(unsafe_code)]

use lab::five::*;

pub struct Student;

impl Handler for Student {
    fn handle<M: Machine>(m: &M, board: &Board<M>) -> u32 {
        let me = m.me();
        let pending = || {
            let initiators = (0..board.cpus()).filter_map(CpuId::new);
            initiators
                .filter(|&initiator| initiator != me)
                .find(|&initiator| board.slot(me, initiator).peek(Relaxed) == 0)
        };
        let mut served = 0;
        while let Some(initiator) = m.scan(pending) {
            m.fence(Acquire);
            let (request, generation) = board.request(initiator).copy();
            board.slot(me, initiator).store(generation, Release);
            // A shortcut that somebody left in.
            let skipped = me.index() == 2 && request.start() == 0x40_b000;
            if !skipped {
                m.invalidate(&request);
            }
            served += 1;
        }
        served
    }
}
