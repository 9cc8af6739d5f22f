//! Page tables and PCIDs: which translations a CPU can use, where CPUs switch between spaces.

use crate::host::{Host, SPACE};
use crate::machine::{Machine, id};
use crate::op::{Op, WordId};
use crate::scene::Scene;
use crate::state::{State, Tables};
use crate::violation::Violation;
use shootdown::{CpuId, CpuSet, Mode, Spaces};

/// The kernel's space, that of the pages, and another.
pub(crate) const SPACES: usize = 3;

/// A scene in which CPUs switch between spaces.
#[derive(Clone, Debug)]
pub struct Switching {
    /// What address translation uses.
    pub mode: Mode,
    /// PCIDs are below this, 2 to 255: each CPU hands out 1 and upwards.
    pub pcids: u16,
    /// The CPUs that are in the space at the start, with every page in their TLBs.
    pub inside: CpuSet,
    /// Whether nothing changes, so that every activation must keep what the TLB holds.
    pub keeps: bool,
}

/// Where the words of space 1 are.
#[derive(Clone, Debug)]
pub(crate) struct SpaceWords {
    /// The active set.
    pub active: WordId,
    /// By CPU: the generation in which the space got its PCID there, and the CPU's present one.
    pub generations: Vec<[WordId; 2]>,
    /// By CPU: the next PCID, and the space's.
    pcids: Vec<[WordId; 2]>,
}

impl SpaceWords {
    pub fn of(spaces: &Spaces<Host>, cpus: usize, mode: Mode) -> SpaceWords {
        let contexts = spaces.contexts();
        let with_pcids = if mode.has_pcid() { cpus } else { 0 };
        let cpus = || (0..with_pcids).filter_map(CpuId::new);
        SpaceWords {
            active: spaces.active(SPACE).expect("not the kernel's").word().id(),
            generations: cpus()
                .map(|cpu| {
                    [
                        contexts.generation(SPACE, cpu).id(),
                        contexts.present(cpu).id(),
                    ]
                })
                .collect(),
            pcids: cpus()
                .map(|cpu| contexts.words(SPACE, cpu).map(|word| word.id()))
                .collect(),
        }
    }

    /// The words as they are when the CPUs of the scene are inside.
    pub fn move_in(&self, scene: &Scene, memory: &mut [u64]) {
        let Some(switching) = &scene.switching else {
            return;
        };
        let mut put = |word: WordId, value| memory[usize::from(word.0)] = value;
        put(self.active, switching.inside.bits());
        for cpu in switching.inside {
            if let (Some([generation, _]), Some([next, pcid])) = (
                self.generations.get(cpu.index()),
                self.pcids.get(cpu.index()),
            ) {
                put(*generation, 1);
                put(*pcid, 1);
                put(*next, 2);
            }
        }
    }

    /// What a word is, for people.
    pub fn name(&self, word: WordId) -> Option<String> {
        if word == self.active {
            return Some("the active set".into());
        }
        let of_cpu =
            |all: &[[WordId; 2]], which: usize| all.iter().position(|words| words[which] == word);
        let named = [
            (&self.generations, 0, "the space's generation on CPU"),
            (&self.generations, 1, "the present generation of CPU"),
            (&self.pcids, 0, "the next PCID of CPU"),
            (&self.pcids, 1, "the space's PCID on CPU"),
        ];
        named.into_iter().find_map(|(all, which, name)| {
            let cpu = of_cpu(all, which)?;
            Some(format!("{name} {cpu}"))
        })
    }
}

impl Scene {
    /// How many PCIDs' translations a TLB keeps apart, user PCIDs included.
    pub(crate) fn contexts(&self) -> usize {
        match &self.switching {
            Some(Switching { mode, pcids, .. }) if mode.has_pcid() => {
                usize::from(pcids - 1) * (1 + usize::from(mode.has_user_pcid()))
            }
            _ => 1,
        }
    }
}

impl Machine<'_> {
    fn mode(&self) -> Mode {
        let switching = self.scene.switching.as_ref();
        switching.map_or(Mode::Plain, |switching| switching.mode)
    }

    /// The CPUs that are not inside hold nothing.
    pub(crate) fn move_in(&self, state: &mut State) {
        let Some(switching) = &self.scene.switching else {
            return;
        };
        let l = &self.layout;
        let pcid = u8::from(self.mode().has_pcid());
        for cpu in 0..l.cpus {
            let inside = switching.inside.contains(id(cpu));
            let space = u8::from(inside);
            let tables = Tables {
                space,
                current: space,
                pcid: pcid * space,
                deferred: false,
            };
            state.set_tables(l, cpu, tables);
            state.forget(l, cpu, 0);
            let contexts = [Some(0), self.user_context(pcid)];
            let inside = inside || self.scene.global;
            for context in contexts.into_iter().flatten().filter(|_| inside) {
                (0..l.pages).for_each(|page| state.set_held(l, cpu, context, page, Some(0)));
            }
        }
    }

    /// Where the translations of a PCID, or of a user PCID (bit 11), are in a TLB; none of one that nobody has.
    fn context(&self, pcid: u16) -> Option<usize> {
        if !self.mode().has_pcid() {
            return Some(0);
        }
        let kernel = usize::from(pcid & 0x7ff).checked_sub(1)?;
        let user = self.mode().has_user_pcid();
        let each = self.layout.contexts / (1 + usize::from(user));
        if kernel >= each {
            return None;
        }
        if pcid & 0x800 == 0 {
            return Some(kernel);
        }
        user.then_some(kernel + each)
    }

    fn user_context(&self, pcid: u8) -> Option<usize> {
        let user = self.mode().has_user_pcid();
        self.context(u16::from(pcid) | 0x800).filter(|_| user)
    }

    /// Whether a CPU runs its user: no thread in the kernel, and no handler.
    fn in_user_mode(&self, state: &State, cpu: usize) -> bool {
        let l = &self.layout;
        state.handler(l, cpu).is_none() && state.running(l, cpu).is_none()
    }

    /// Which translations a CPU can use, and whose they ought to be: a place in its TLB, and a space.
    pub(crate) fn usable(&self, state: &State, cpu: usize) -> Option<(usize, u8)> {
        if self.scene.global {
            return Some((0, SPACE.0 as u8));
        }
        let tables = state.tables(&self.layout, cpu);
        if tables.space == 0 {
            return None;
        }
        let user = if self.mode().has_user_pcid() && self.in_user_mode(state, cpu) {
            0x800
        } else {
            0
        };
        let context = self.context(u16::from(tables.pcid) | user)?;
        Some((context, tables.space))
    }

    /// No CPU outside the handler may hold what a shootdown that returned has taken away, nor use what is another
    /// space's.
    pub(crate) fn check(&self, state: &State) -> Result<(), Violation> {
        self.unlawful(state).next().map_or(Ok(()), Err)
    }

    /// All that CPUs outside the handler can use and must not.
    pub(crate) fn unlawful(&self, state: &State) -> impl Iterator<Item = Violation> {
        let l = &self.layout;
        let cpus = (0..l.cpus).filter(move |&cpu| state.handler(l, cpu).is_none());
        let usable = cpus.filter_map(move |cpu| Some((cpu, self.usable(state, cpu)?)));
        usable.flat_map(move |(cpu, (context, space))| {
            (0..l.pages).filter_map(move |page| {
                let held = state.held(l, cpu, context, page)?;
                self.speaks_against(state, cpu, space, page, held)
            })
        })
    }

    /// What is wrong about a translation of `page` for `space` that `cpu` can use.
    fn speaks_against(
        &self,
        state: &State,
        cpu: usize,
        space: u8,
        page: usize,
        held: u16,
    ) -> Option<Violation> {
        let (cpu_id, number) = (id(cpu), page as u8);
        if u32::from(space) != SPACE.0 {
            return Some(Violation::Foreign {
                cpu: cpu_id,
                page: number,
            });
        }
        let required = state.required(&self.layout, page);
        (held < required).then(|| Violation::Stale {
            cpu: cpu_id,
            page: number,
            held,
            required,
            user: !self.scene.global
                && self.mode().has_user_pcid()
                && self.in_user_mode(state, cpu),
        })
    }

    /// Whether `cpu` may walk the tables for `page` now, so that its TLB holds what they say.
    pub(crate) fn fills(&self, state: &State, cpu: usize, page: u8) -> bool {
        let Some((context, space)) = self.usable(state, cpu) else {
            return false;
        };
        let absent = state
            .held(&self.layout, cpu, context, usize::from(page))
            .is_none();
        // Where every TLB is full at the start, only a walk that comes after a change can do harm.
        let harmful = self.scene.switching.is_some() || self.fills_late(state, page);
        u32::from(space) == SPACE.0 && absent && harmful
    }

    /// On the way out to user mode: what was put off is done.
    pub(crate) fn to_user_mode(&self, state: &mut State, cpu: usize) {
        let l = &self.layout;
        let tables = state.tables(l, cpu);
        if let Some(context) = self.user_context(tables.pcid)
            && tables.deferred
            && self.in_user_mode(state, cpu)
        {
            state.forget(l, cpu, context);
            let deferred = false;
            state.set_tables(l, cpu, Tables { deferred, ..tables });
        }
    }

    /// What loading CR3 does to tables alone.
    fn load_tables(&self, state: &mut State, cpu: usize, op: Op) {
        if let Op::LoadCr3 { space, pcid, .. } = op {
            let loaded = Tables {
                space,
                pcid,
                deferred: false,
                ..state.tables(&self.layout, cpu)
            };
            state.set_tables(&self.layout, cpu, loaded);
        }
    }

    /// Does an operation on translations and tables. Each serialises (SDM vol. 3A, 9.3).
    pub(crate) fn translate(&self, state: &mut State, cpu: usize, op: Op) {
        let l = &self.layout;
        let tables = state.tables(l, cpu);
        let current = self.context(tables.pcid.into());
        let user = self.user_context(tables.pcid);
        let forget_page = |state: &mut State, context: Option<usize>, page: u8| {
            if let Some(context) = context.filter(|_| usize::from(page) < l.pages) {
                state.set_held(l, cpu, context, usize::from(page), None);
            }
        };
        if !matches!(op, Op::DeferUserFlush | Op::SetCurrent(_)) {
            state.drain(l, cpu);
        }
        if self.scene.global && op.spares_global() {
            return self.load_tables(state, cpu, op);
        }
        match op {
            Op::Invlpg(page) => forget_page(state, current, page),
            Op::InvlpgUser(page) => forget_page(state, user, page),
            Op::InvpcidPage(pcid, page) => forget_page(state, self.context(pcid), page),
            Op::InvpcidContext(pcid) => {
                if let Some(context) = self.context(pcid) {
                    state.forget(l, cpu, context);
                }
            }
            Op::ReloadCr3 => {
                if let Some(context) = current {
                    state.forget(l, cpu, context);
                }
            }
            Op::FlushGlobal | Op::FlushAllButGlobal => {
                (0..l.contexts).for_each(|context| state.forget(l, cpu, context))
            }
            Op::LoadCr3 { pcid, keep, .. } => {
                self.load_tables(state, cpu, op);
                let goes = [self.context(pcid.into()), self.user_context(pcid)];
                let keep = keep && self.mode().has_pcid();
                for context in goes.into_iter().flatten().filter(|_| !keep) {
                    state.forget(l, cpu, context);
                }
            }
            Op::SetCurrent(current) => state.set_tables(l, cpu, Tables { current, ..tables }),
            Op::DeferUserFlush => {
                let deferred = true;
                state.set_tables(l, cpu, Tables { deferred, ..tables });
            }
            _ => {}
        }
    }
}
