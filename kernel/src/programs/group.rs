//! Several programs of one space: started, waited for and stopped together.

use super::{NotLaunched, Program, Running, Shared, launch, wait_until};
use crate::space::Space;
use crate::{console, job, thread};
use alloc::sync::Arc;
use alloc::vec::Vec;
use hw::programs::block;
use hw::{clock, percpu, probe};
use shootdown::CpuSet;

/// Programs of one space that were started together.
///
/// Dropping it has those that still run stop, without waiting for them.
#[derive(Debug)]
pub struct Group(Vec<Running>);

impl Group {
    /// Starts `program` on each of `cpus`.
    ///
    /// # Errors
    /// [`NotLaunched`], of the first that did not start; those before it are stopped.
    pub fn launch(
        space: &Arc<Space>,
        program: &'static Program,
        arguments: &[u64],
        cpus: CpuSet,
    ) -> Result<Group, NotLaunched> {
        let mut group = Group(Vec::new());
        for cpu in cpus {
            group.0.push(launch(space, program, arguments, cpu)?);
        }
        Ok(group)
    }

    /// Each of them.
    pub fn members(&self) -> &[Running] {
        &self.0
    }

    /// Whether all have ended.
    pub fn is_done(&self) -> bool {
        self.0.iter().all(Running::is_done)
    }

    /// Has those that still run stop after their round. Returns when they know, not when they have.
    pub fn stop(&self) {
        stop(self.0.iter().filter(|running| !running.is_done()));
    }

    /// Waits until all have ended, or `give_up` says so; says whether they have.
    pub fn wait_unless(&self, give_up: impl FnMut() -> bool) -> bool {
        wait_until(|| self.is_done(), give_up);
        self.is_done()
    }

    /// Waits until all have ended, for `us` microseconds at most, or until Ctrl-C is typed; says
    /// whether they have.
    pub fn wait(&self, us: u64) -> bool {
        let deadline = clock::Deadline::after_us(us);
        self.wait_unless(|| deadline.expired() || console::interrupted())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How long a program may take to notice that it is to stop, in microseconds: many time slices.
pub const STOP_US: u64 = 2_000_000;

/// Has `programs`, all of one space, stop after their round.
///
/// Their word is written through a thread in the space: the kernel writes to ring 3's frames only
/// through ring 3's mappings.
pub fn stop<'r>(programs: impl Iterator<Item = &'r Running>) {
    let places: Vec<Arc<Shared>> = programs.map(|running| running.shared.clone()).collect();
    let Some(first) = places.first() else { return };
    let space = first.place.space().clone();
    let tell = move || {
        for shared in &places {
            // One that has ended needs not be told, whatever became of its page.
            let _ = probe::write(shared.place.block() + 8 * block::STOP as u64, 1);
        }
    };
    if thread::space().is_some_and(|mine| mine.id() == space.id()) {
        tell();
    } else {
        // Left alone by a Ctrl-C it is still carried out.
        let _ = job::run("stop", percpu::cpu(), Some(space), tell);
    }
}
