//! What invalidating instructions are good for.

use super::Timeline;
use crate::{Event, Kind, Range, Record};
use alloc::collections::BTreeSet;
use shootdown::{CpuId, Operation, PAGE_SIZE, SpaceId};

/// The first PCID that is one of user tables.
const USER_PCIDS: u64 = 0x800;

/// Whether the instruction that `record` tells of forgets everything that `range` names.
fn whole(record: &Record, range: &Range) -> bool {
    let Event::Kind(kind) = record.event else {
        return false;
    };
    match (kind, range.operation) {
        (Kind::FlushCaches, Some(Operation::Cache)) => true,
        (_, None | Some(Operation::Cache)) => false,
        (Kind::FlushGlobal, _) => true,
        (Kind::LoadCr3, Some(operation)) => {
            let gone = operation != Operation::Global && range.space != SpaceId::KERNEL;
            // Another space's load leaves this one; what the TLB keeps of it waits for the load that comes back.
            let kept = record.b == 1 && record.a == u64::from(range.space.0);
            gone && !kept
        }
        (Kind::Invpcid, Some(operation)) => {
            let (pcid, space) = (record.b >> 32, SpaceId(record.b as u32));
            match record.a & 0xfff {
                1 => {
                    operation != Operation::Global
                        && range.space != SpaceId::KERNEL
                        && range.space == space
                        && pcid < USER_PCIDS
                }
                2 => true,
                3 => operation != Operation::Global && range.space != SpaceId::KERNEL,
                _ => false,
            }
        }
        _ => false,
    }
}

/// Which of `executed`, in order, is the one after which everything that `range` names has been
/// forgotten. `None` if it never was.
pub fn covers<'r>(
    executed: impl IntoIterator<Item = (usize, &'r Record)>,
    range: &Range,
) -> Option<usize> {
    let pages = range.pages();
    let mut done = BTreeSet::new();
    for (index, record) in executed {
        if whole(record, range) {
            return Some(index);
        }
        let ahead = (record.a & !0xfff).wrapping_sub(range.start) / PAGE_SIZE;
        if record.is(Kind::Invlpg) && ahead < pages && range.has_pages() {
            done.insert(ahead);
            if done.len() as u64 == pages {
                return Some(index);
            }
        }
    }
    None
}

impl Timeline {
    /// The record of `cpu` after record `from` with which it had forgotten all that `range` names.
    pub fn forgotten(&self, cpu: CpuId, from: usize, range: &Range) -> Option<usize> {
        let executed = self.after(cpu, from).iter();
        covers(executed.map(|&index| (index, &self.records[index])), range)
    }

    /// The space whose tables `cpu` has in force as record `index` is made, by its own records;
    /// `None` if it made none that tells.
    pub fn space_at(&self, cpu: CpuId, index: usize) -> Option<SpaceId> {
        let before = self.before(cpu, index).iter().rev();
        before
            .map(|&index| &self.records[index])
            .find_map(|record| match record.event {
                Event::Kind(Kind::LoadCr3) => Some(SpaceId(record.a as u32)),
                Event::Kind(Kind::Invlpg) => Some(SpaceId(record.b as u32)),
                _ => None,
            })
    }
}
