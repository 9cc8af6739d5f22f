//! Code that runs in this process: the kit's own, and what an answering program is built around.

use crate::addressing::SPACES;
use crate::calls::Call;
use crate::code::{Answer, Built, Code, Declared, Setup};
use crate::host::{self, Addressing, Host, HostWord, Ringing, SPACE, address};
use crate::op::WordId;
use crate::ringing::Registers;
use crate::search::Subject;
use shootdown::{
    Abandoned, CpuId, CpuSet, Machine, PAGE_SIZE, Point, Protocol, Request, Role, Spaces, Targets,
    shoot_gathered,
};

/// The role of a page-table entry.
enum PageTableEntry {}

impl Role for PageTableEntry {
    fn stored(_: u64) -> Option<Point> {
        Some(Point::PteStore)
    }

    fn loaded(_: u64) -> Option<Point> {
        None
    }
}

/// The words that are the kit's, not the code's. They are made after the code's, so their numbers follow from how
/// many those are: whoever runs the code and whoever searches number them alike.
pub(crate) struct KitWords {
    /// Of the spaces, where CPUs switch.
    pub spaces: Option<Spaces<Host>>,
    /// The command registers, where the code sends by them.
    pub registers: Option<Registers>,
    /// The first page's entry.
    pub entries: WordId,
}

impl KitWords {
    pub fn new(machine: &Host, setup: &Setup, sends: bool) -> KitWords {
        let spaces = setup.spaces.map(|(pcids, _)| {
            let cpus = if setup.mode.has_pcid() { setup.cpus } else { 0 };
            Spaces::new(machine, SPACES, cpus, pcids)
        });
        let registers = sends.then(|| Registers::new(machine, setup.cpus));
        let entries = WordId(host::words_made());
        // Made by the seam, as all are.
        for _ in 0..setup.pages {
            let _: HostWord<u64, PageTableEntry> = machine.word(0);
        }
        KitWords {
            spaces,
            registers,
            entries,
        }
    }
}

impl<S: Subject + ?Sized> Code for S {
    fn build(&self, setup: &Setup) -> Box<dyn Built + '_> {
        Box::new(Local::new(self, setup))
    }
}

/// A protocol, built.
pub(crate) struct Local {
    protocol: Box<dyn Protocol<Host>>,
    declared: Declared,
    entries: WordId,
    pages: u8,
    orders: bool,
}

impl Local {
    pub fn new<S: Subject + ?Sized>(subject: &S, setup: &Setup) -> Local {
        host::inhabit(None);
        host::send_through(None);
        let protocol = host::build(setup.cpus, setup.mode, |machine| {
            subject.build(machine, setup.cpus)
        });
        let ring = setup.apic.zip(subject.transport());
        let declared = Declared {
            words: host::words(),
            sends: ring.is_some(),
            ..declared(subject, &*protocol, setup.cpus)
        };
        let words = KitWords::new(&Host, setup, declared.sends);
        let switching = words.spaces.zip(setup.spaces);
        host::inhabit(switching.map(|(spaces, (pcids, keeps))| Addressing {
            spaces,
            membership: subject.membership(),
            pcids,
            keeps,
        }));
        let ring = ring.zip(words.registers);
        host::send_through(ring.map(|((apic, transport), registers)| Ringing {
            transport,
            low: registers.low,
            apic,
        }));
        Local {
            protocol,
            declared,
            entries: words.entries,
            pages: setup.pages,
            orders: setup.orders,
        }
    }

    fn run(&self, call: Call) -> Result<(), Abandoned> {
        match call {
            Call::Handle => {
                host::served(self.protocol.handle(&Host));
                Ok(())
            }
            Call::Ring { to, masked } => {
                Host.ring(CpuSet::from_bits(to.into()), masked);
                Ok(())
            }
            Call::Activate(space) => {
                Host.activate(space);
                Ok(())
            }
            Call::ChangeKernel { version } => {
                self.store_entries(0..self.pages, version);
                let outcome = self
                    .protocol
                    .shoot(&Host, Request::global(), Targets::Active);
                outcome.map(drop)
            }
            Call::ChangeSeveral { version, .. } => {
                let (pages, _) = call.changes(self.pages).expect("it changes some");
                self.store_entries(pages.clone(), version);
                let request = |page| Request::page(SPACE, address(page)).expect("canonical");
                let requests: Vec<_> = pages.map(request).collect();
                shoot_gathered(&*self.protocol, &requests, |request| {
                    let outcome = self.protocol.shoot(&Host, request, Targets::Active);
                    host::shot(outcome.map(drop))
                })
            }
            Call::Change {
                first,
                pages,
                version,
            } => {
                self.store_entries(first..first + pages, version);
                let request = match pages {
                    1 => Request::page(SPACE, address(first)),
                    _ => {
                        let end = address(first) + u64::from(pages) * PAGE_SIZE;
                        Request::range(SPACE, address(first), end)
                    }
                };
                let request = request.expect("the pages are canonical");
                let outcome = self.protocol.shoot(&Host, request, Targets::Active);
                host::shot(outcome.map(drop))
            }
        }
    }

    fn store_entries(&self, pages: impl Iterator<Item = u8>, version: u8) {
        for page in pages {
            Host.store_pte(WordId(self.entries.0 + u16::from(page)), version);
        }
    }
}

fn declared<S: Subject + ?Sized>(
    subject: &S,
    protocol: &dyn Protocol<Host>,
    cpus: usize,
) -> Declared {
    let all = || (0..cpus).filter_map(CpuId::new);
    let pairs = || all().flat_map(|target| all().map(move |initiator| (target, initiator)));
    let slot = |(target, initiator)| protocol.slot(target, initiator).map(HostWord::id);
    Declared {
        heads: all()
            .map(|cpu| protocol.head(cpu).map(HostWord::id))
            .collect(),
        slots: pairs().map(slot).collect(),
        lines: subject.lines().map(|line| {
            let line = |(target, initiator)| line(cpus, target, initiator);
            pairs().map(line).collect()
        }),
        ..Declared::default()
    }
}

impl Built for Local {
    fn declared(&self) -> &Declared {
        &self.declared
    }

    fn ask(&self, call: Call, answers: &[u64]) -> Answer {
        host::judge_orders(self.orders);
        let (mut asked, reached) = host::replay(answers, || self.run(call));
        asked.truncate(answers.len());
        Answer { asked, reached }
    }
}
