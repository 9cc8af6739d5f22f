//! Which translations TLBs hold, and what slots hold, as far as records tell.
//!
//! A translation is held from where a record shows it (a read, or a change of its page while the
//! CPU is in the space) until an instruction is recorded that forgets it. What a CPU loads without
//! anybody asking is recorded nowhere: a TLB may hold more than is shown.

use crate::spans::lane;
use crate::state::Board;
use crate::{Age, Change, Held, Of, Page, Span};
use evidence::{Event, Kind, Purpose, Record, Timeline};
use shootdown::{PAGE_SIZE, Point};
use std::collections::BTreeMap;

/// How many pages are followed in all.
const PAGES: usize = 256;
/// How many of one change.
const OF_ONE: u64 = 64;
/// A change's number where nothing was there before.
const MAP: u64 = 0;

/// Follows them from record to record.
pub(crate) struct Ledger<'t> {
    timeline: &'t Timeline,
    /// Who held translations as their pages' entries changed: by the change's record.
    holders: BTreeMap<usize, Vec<u8>>,
    /// Where stale windows begin: by record.
    stale: BTreeMap<usize, Vec<Span>>,
    numbers: BTreeMap<(u32, u64), usize>,
    board: Board,
    changes: Vec<Change>,
    /// The pages that are followed.
    pub pages: Vec<Page>,
}

impl<'t> Ledger<'t> {
    pub fn new(timeline: &'t Timeline, spans: &[Span]) -> Self {
        let (mut holders, mut stale) = (BTreeMap::new(), BTreeMap::new());
        for span in spans {
            match (span.of, span.shootdown) {
                (Of::Old, Some(number)) => {
                    for &store in &timeline.shootdowns()[number].stores {
                        holders.entry(store).or_insert_with(Vec::new).push(span.cpu);
                    }
                }
                (Of::Stale, Some(_)) => {
                    stale.entry(span.from).or_insert_with(Vec::new).push(*span);
                }
                _ => {}
            }
        }
        Ledger {
            timeline,
            holders,
            stale,
            numbers: BTreeMap::new(),
            board: Board::default(),
            changes: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// What record `index` changes.
    pub fn record(&mut self, index: usize) -> Vec<Change> {
        let timeline = self.timeline;
        let record = &timeline.records()[index];
        match record.event {
            Event::Point(Point::Zero | Point::Acknowledge) => self.slot(record),
            Event::Point(Point::PteStore) => self.store(index, record),
            Event::Kind(Kind::Read) => self.read(record, false),
            Event::Kind(Kind::Stale) => self.read(record, true),
            Event::Kind(Kind::Invlpg) => {
                let (space, page) = (record.b as u32, record.a & !0xfff);
                self.forget(record, |it, address| {
                    address == page && (it == space || it == 0)
                });
            }
            Event::Kind(Kind::LoadCr3) => self.forget(record, |space, _| space != 0),
            Event::Kind(Kind::FlushGlobal) => self.forget(record, |_, _| true),
            _ => {}
        }
        for span in self.stale.remove(&index).unwrap_or_default() {
            self.condemn(&span);
        }
        std::mem::take(&mut self.changes)
    }

    /// What somebody knows besides: `cpu` holds this version of the page.
    pub fn holds(&mut self, cpu: u8, space: u32, address: u64, version: u32) -> Vec<Change> {
        if let Some(page) = self.page(space, address) {
            self.hold(cpu, page, version);
        }
        std::mem::take(&mut self.changes)
    }

    fn change(&mut self, change: Change) {
        self.board.change(change);
        self.changes.push(change);
    }

    /// The page's number; none if there are too many.
    fn page(&mut self, space: u32, address: u64) -> Option<usize> {
        if let Some(&number) = self.numbers.get(&(space, address)) {
            return Some(number);
        }
        let number = self.pages.len();
        if number == PAGES {
            return None;
        }
        self.numbers.insert((space, address), number);
        self.pages.push(Page {
            space,
            address: format!("{address:#x}"),
        });
        self.change(Change::Page(number, 0));
        Some(number)
    }

    fn version(&self, page: usize) -> u32 {
        self.board.pages.get(&page).copied().unwrap_or(0)
    }

    fn hold(&mut self, cpu: u8, page: usize, version: u32) {
        let age = if version < self.version(page) {
            Age::Old
        } else {
            Age::Fresh
        };
        self.change(Change::Tlb(cpu, page, Some(Held { version, age })));
    }

    fn slot(&mut self, record: &Record) {
        let Some(place) = record.place() else { return };
        if let (Purpose::Slot, Some(target), Some(initiator)) =
            (place.purpose, place.target, place.initiator)
        {
            self.change(Change::Slot(lane(target), lane(initiator), record.b));
        }
    }

    fn store(&mut self, index: usize, record: &Record) {
        let change = record.change();
        let holders = self.holders.remove(&index).unwrap_or_default();
        for number in 0..change.pages().min(OF_ONE) {
            let address = change.start + number * PAGE_SIZE;
            let Some(page) = self.page(change.space.0, address) else {
                return;
            };
            let before = self.version(page);
            if record.a & 0xfff != MAP {
                for &cpu in &holders {
                    if !self.board.tlbs.contains_key(&(cpu, page)) {
                        self.hold(cpu, page, before);
                    }
                }
            }
            self.change(Change::Page(page, before + 1));
            let held = self.board.tlbs.iter();
            let fresh: Vec<_> = held
                .filter(|((_, it), held)| *it == page && held.age == Age::Fresh)
                .map(|(&(cpu, _), held)| (cpu, held.version))
                .collect();
            for (cpu, version) in fresh {
                self.hold(cpu, page, version);
            }
        }
    }

    fn read(&mut self, record: &Record, stale: bool) {
        let (seen, truth) = (record.b >> 32, record.b & 0xffff_ffff);
        let Some(page) = self.page((record.a & 0xfff) as u32, record.a & !0xfff) else {
            return;
        };
        let (cpu, current) = (lane(record.cpu), self.version(page));
        if seen == truth && !stale {
            return self.hold(cpu, page, current);
        }
        if !self.board.tlbs.contains_key(&(cpu, page)) {
            self.hold(cpu, page, current.saturating_sub(1));
        }
        if stale {
            self.condemn_page(cpu, page);
        }
    }

    fn forget(&mut self, record: &Record, which: impl Fn(u32, u64) -> bool) {
        let cpu = lane(record.cpu);
        let gone = self.named(which);
        for page in gone {
            if self.board.tlbs.contains_key(&(cpu, page)) {
                self.change(Change::Tlb(cpu, page, None));
            }
        }
    }

    /// The pages of which `which` holds, by space and address.
    fn named(&self, which: impl Fn(u32, u64) -> bool) -> Vec<usize> {
        let numbers = self.numbers.iter();
        let named = numbers.filter(|((space, address), _)| which(*space, *address));
        named.map(|(_, &page)| page).collect()
    }

    /// From here on what the span's shootdown took away is stale.
    fn condemn(&mut self, span: &Span) {
        let Some(shootdown) = span.shootdown else {
            return;
        };
        let request = self.timeline.shootdowns()[shootdown].request;
        let named = self.named(|space, page| request.contains(shootdown::SpaceId(space), page));
        for page in named {
            self.condemn_page(span.cpu, page);
        }
    }

    fn condemn_page(&mut self, cpu: u8, page: usize) {
        if let Some(held) = self.board.tlbs.get(&(cpu, page))
            && held.age == Age::Old
        {
            let held = Held {
                age: Age::Stale,
                ..*held
            };
            self.change(Change::Tlb(cpu, page, Some(held)));
        }
    }
}
