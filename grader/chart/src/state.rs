//! What the words and the TLBs hold, as far as it can be told.

use crate::Chart;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a translation stands to the page table.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Age {
    /// It says the same.
    Fresh,
    /// It says something else, and may still be used: the shootdown has not returned.
    Old,
    /// It says something else, and must not be used any more.
    Stale,
}

/// A translation in a TLB.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Held {
    /// Of which version of the page: how often its entry had changed.
    pub version: u32,
    /// How it stands.
    pub age: Age,
}

/// What changes with an event.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// The slot of a target (first) for an initiator (second) holds this.
    Slot(u8, u8, u64),
    /// The entry of a page, by its index in [`Chart::pages`], is of this version.
    Page(usize, u32),
    /// A CPU's TLB holds this of a page.
    Tlb(u8, usize, Option<Held>),
}

/// The state at a moment.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
pub struct State {
    /// The slots that are known: target, initiator, value.
    pub slots: Vec<(u8, u8, u64)>,
    /// The versions of the pages' entries: page, version.
    pub pages: Vec<(usize, u32)>,
    /// What TLBs hold: CPU, page, translation.
    pub tlbs: Vec<(u8, usize, Held)>,
}

/// A state that can be changed.
#[derive(Clone, Default)]
pub(crate) struct Board {
    pub slots: BTreeMap<(u8, u8), u64>,
    pub pages: BTreeMap<usize, u32>,
    pub tlbs: BTreeMap<(u8, usize), Held>,
}

impl Board {
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Slot(target, initiator, value) => {
                self.slots.insert((target, initiator), value);
            }
            Change::Page(page, version) => {
                self.pages.insert(page, version);
            }
            Change::Tlb(cpu, page, Some(held)) => {
                self.tlbs.insert((cpu, page), held);
            }
            Change::Tlb(cpu, page, None) => {
                self.tlbs.remove(&(cpu, page));
            }
        }
    }

    pub fn state(&self) -> State {
        let slots = self.slots.iter();
        State {
            slots: slots.map(|(&(t, i), &value)| (t, i, value)).collect(),
            pages: self.pages.iter().map(|(&page, &it)| (page, it)).collect(),
            tlbs: self.tlbs.iter().map(|(&(c, p), &it)| (c, p, it)).collect(),
        }
    }
}

impl From<&State> for Board {
    fn from(state: &State) -> Board {
        Board {
            slots: state.slots.iter().map(|&(t, i, v)| ((t, i), v)).collect(),
            pages: state.pages.iter().copied().collect(),
            tlbs: state.tlbs.iter().map(|&(c, p, h)| ((c, p), h)).collect(),
        }
    }
}

impl Chart {
    /// The state after event `number`.
    #[must_use]
    pub fn state_at(&self, number: usize) -> State {
        let mut board = Board::from(&self.start);
        for (_, change) in self.changes.iter().take_while(|(at, _)| *at <= number) {
            board.change(*change);
        }
        board.state()
    }
}
