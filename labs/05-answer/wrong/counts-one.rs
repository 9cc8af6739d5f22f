//! Wrong: says that it served one, however many there were.
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
        // Until no slot is zero: one interrupt may stand for several.
        while let Some(initiator) = m.scan(pending) {
            // The request after the zero that announced it.
            m.fence(Acquire);
            let (request, generation) = board.request(initiator).copy();
            // Release: after the copy. From here on the initiator may write its next request.
            board.slot(me, initiator).store(generation, Release);
            m.invalidate(&request);
            served = 1;
        }
        served
    }
}
