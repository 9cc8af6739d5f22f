//! What was done wrong about who may hold a space's translations: I8 and I9.

use crate::addressing::SpaceWords;
use crate::host::SPACE;
use crate::op::{Op, WordId};
use crate::story::{Story, What};
use shootdown::{CpuId, CpuSet, Point};

/// What one CPU has done.
#[derive(Clone, Default)]
struct Cpu {
    /// CR3 holds the tables of the pages' space.
    inside: bool,
    /// CR3 is loaded, and the current space not recorded.
    loading: bool,
    /// It has changed an entry, and not asked yet who may hold it.
    changed: bool,
    /// The CPUs whose generation it has cleared since.
    cleared: CpuSet,
    /// Its stores of entries and generations that others may not see yet.
    buffered: Vec<WordId>,
    /// What it read last of the space's generation here, and of its present one.
    read: [Option<u64>; 2],
}

/// Goes through a story in which CPUs switch between spaces.
pub(super) struct Members<'s> {
    words: Option<&'s SpaceWords>,
    active: CpuSet,
    cpus: Vec<Cpu>,
}

impl<'s> Members<'s> {
    pub fn new(story: &'s Story, cpus: usize) -> Self {
        let mut all = vec![Cpu::default(); cpus];
        for cpu in story.inside {
            if let Some(cpu) = all.get_mut(cpu.index()) {
                cpu.inside = true;
            }
        }
        Members {
            words: story.space_words.as_ref(),
            active: story.inside,
            cpus: all,
        }
    }

    /// What speaks against moment `number`: the invariant, and the sentence.
    pub fn moment(&mut self, story: &Story, number: usize) -> Option<(u8, String)> {
        let words = self.words?;
        let moment = &story.moments[number];
        let cpu = moment.cpu;
        let own = &mut self.cpus[cpu.index()];
        let op = match moment.what {
            What::Asks { op, .. } => op,
            What::Commits { word, .. } => {
                if let Some(index) = own.buffered.iter().position(|&stored| stored == word) {
                    own.buffered.remove(index);
                }
                return None;
            }
            What::Enters if own.loading || self.active.contains(cpu) != own.inside => {
                let words = format!(
                    "CPU {cpu} took an interrupt in the middle of a switch: the active set, CR3 and the \
                     current space did not agree"
                );
                return Some((10, words));
            }
            What::Leaves => {
                own.buffered.clear();
                return None;
            }
            _ => return None,
        };
        let answer = match moment.what {
            What::Asks { answer, .. } => answer,
            _ => 0,
        };
        if op.serialises() {
            own.buffered.clear();
        }
        match op {
            Op::Store {
                word,
                point: Some(Point::PteStore),
                ..
            } => {
                own.changed = true;
                own.cleared = CpuSet::EMPTY;
                own.buffered.push(word);
                None
            }
            Op::Store { word, value, .. } => self.stores(words, cpu, word, value),
            Op::Load { word, .. } => self.loads(words, cpu, word, answer),
            Op::Modify { word, change, .. } if word == words.active => {
                self.active = CpuSet::from_bits(change.apply(answer));
                self.left_out(cpu)
            }
            Op::SetCurrent(_) => {
                own.loading = false;
                None
            }
            Op::LoadCr3 { space, keep, .. } => self.switches(words, cpu, space, keep),
            _ => None,
        }
    }

    /// `cpu` has changed the active set: who is in the space is in the set.
    fn left_out(&self, cpu: CpuId) -> Option<(u8, String)> {
        let mut all = CpuSet::first(self.cpus.len()).into_iter();
        let out =
            all.find(|&other| self.cpus[other.index()].inside && !self.active.contains(other))?;
        let words = if out == cpu {
            format!("CPU {cpu} left the active set while CR3 still held the space's tables")
        } else {
            format!(
                "CPU {cpu} took CPU {out} out of the active set while CR3 there held the space's tables"
            )
        };
        Some((8, words))
    }

    fn stores(
        &mut self,
        words: &SpaceWords,
        cpu: CpuId,
        word: WordId,
        value: u64,
    ) -> Option<(u8, String)> {
        let whose = words
            .generations
            .iter()
            .position(|[space, _]| *space == word)?;
        let own = &mut self.cpus[cpu.index()];
        if value == 0 {
            own.buffered.push(word);
            own.cleared = own.cleared.with(CpuId::new(whose)?);
            return None;
        }
        (!self.active.contains(cpu)).then(|| {
            let words = format!(
                "CPU {cpu} wrote the space's generation before it was in the active set: who clears it now \
                 sends no interrupt"
            );
            (8, words)
        })
    }

    fn loads(
        &mut self,
        words: &SpaceWords,
        cpu: CpuId,
        word: WordId,
        answer: u64,
    ) -> Option<(u8, String)> {
        let own = &mut self.cpus[cpu.index()];
        if word == words.active {
            return self.asks(words, cpu);
        }
        let [space, present] = *words.generations.get(cpu.index())?;
        if word == present {
            own.read[1] = Some(answer);
        }
        if word != space {
            return None;
        }
        own.read[0] = Some(answer);
        (!self.active.contains(cpu)).then(|| {
            let words = format!(
                "CPU {cpu} looked at the space's generation before it was in the active set: who clears it \
                 now sends no interrupt"
            );
            (8, words)
        })
    }

    /// An initiator reads the active set.
    fn asks(&mut self, words: &SpaceWords, cpu: CpuId) -> Option<(u8, String)> {
        let own = &mut self.cpus[cpu.index()];
        if !core::mem::take(&mut own.changed) {
            return None;
        }
        let all = CpuSet::first(words.generations.len());
        let kept = all.minus(own.cleared);
        if !kept.is_empty() {
            let words = format!(
                "CPU {cpu} read the active set before it had cleared the space's generation on CPUs {kept}"
            );
            return Some((9, words));
        }
        (!own.buffered.is_empty()).then(|| {
            let words = format!(
                "CPU {cpu} read the active set while its own stores were still in its store buffer"
            );
            (8, words)
        })
    }

    fn switches(
        &mut self,
        words: &SpaceWords,
        cpu: CpuId,
        space: u8,
        keep: bool,
    ) -> Option<(u8, String)> {
        let own = &mut self.cpus[cpu.index()];
        own.loading = true;
        own.inside = u32::from(space) == SPACE.0;
        let read = core::mem::take(&mut own.read);
        if !own.inside {
            return None;
        }
        if !self.active.contains(cpu) {
            let words = format!(
                "CPU {cpu} loaded CR3 with the space's tables before it was in the active set"
            );
            return Some((8, words));
        }
        if !keep || words.generations.is_empty() {
            return None;
        }
        match read {
            [Some(space), Some(present)] if space == present => None,
            [Some(space), Some(present)] => {
                let words = format!(
                    "CPU {cpu} kept what its TLB held of the space, whose generation was {space} and the CPU's \
                     {present}"
                );
                Some((9, words))
            }
            _ => {
                let words = format!(
                    "CPU {cpu} kept what its TLB held of the space, and had not compared the generations"
                );
                Some((9, words))
            }
        }
    }
}
