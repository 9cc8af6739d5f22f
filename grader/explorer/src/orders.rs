//! Memory orderings that one call asks for: whether what it reads and writes is ordered as the protocol needs it.
//!
//! The explored memory lets stores overtake stores, and never moves a load. So a missing acquire, and a release that
//! is to hold back loads, would not show by what happens. They are judged by what is asked instead: a function of the
//! call alone. A relaxed access beside the right fence is as good as an ordered one.

use crate::op::WordId;
use core::sync::atomic::Ordering::{self, AcqRel, Acquire, Release, SeqCst};
use std::collections::BTreeSet;

/// What a word is for, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    Slot,
    Request,
    Active,
    Plain,
    Other,
}

impl Use {
    /// By the name of its role.
    pub fn of(role: &str) -> Use {
        match role {
            "Slot" => Use::Slot,
            "RequestHead" | "RequestBody" | "Generation" => Use::Request,
            "Active" => Use::Active,
            "Plain" => Use::Plain,
            _ => Use::Other,
        }
    }
}

/// What one call has asked so far.
#[derive(Clone, Default, Debug)]
pub(crate) struct Orders {
    /// It has found a slot zero, and nothing keeps later loads behind that.
    announced: bool,
    /// It was led to its request by a generation, which it acquired: then a slot announces nothing.
    led: bool,
    /// The slots that it found acknowledged, likewise.
    acknowledged: BTreeSet<u16>,
    /// It has loaded something since the last release fence.
    loaded: bool,
    /// The words that it took as locks, and in what order.
    locks: Vec<(WordId, Ordering)>,
}

const fn acquires(order: Ordering) -> bool {
    matches!(order, Acquire | AcqRel | SeqCst)
}

const fn releases(order: Ordering) -> bool {
    matches!(order, Release | AcqRel | SeqCst)
}

impl Orders {
    pub fn fence(&mut self, order: Ordering) {
        if acquires(order) {
            self.announced = false;
            self.acknowledged.clear();
        }
        if releases(order) {
            self.loaded = false;
        }
    }

    /// # Panics
    /// If it may come before what told that there is something to read.
    pub fn load(&mut self, of: Use, word: WordId, value: u64, order: Ordering) {
        self.loaded = true;
        match (of, value) {
            (Use::Slot, 0) => self.announced = !acquires(order) && !self.led,
            (Use::Slot, _) if acquires(order) => {
                self.acknowledged.remove(&word.0);
            }
            (Use::Slot, _) => {
                self.acknowledged.insert(word.0);
            }
            (Use::Request, _) if acquires(order) => self.led = true,
            (Use::Request, _) => assert!(
                !self.announced,
                "a request is read after its slot was found zero, and nothing keeps the two in that order: no \
                 acquire (I1: the request before the zero)"
            ),
            _ => {}
        }
    }

    /// # Panics
    /// If what was done before may come after it.
    pub fn store(&mut self, of: Use, word: WordId, value: u64, order: Ordering) {
        let held_back = releases(order) || !self.loaded;
        if of == Use::Slot && value != 0 {
            assert!(
                held_back,
                "an acknowledgement may be seen before the request was read: no release (I4: acknowledge after \
                 the copy)"
            );
        }
        if of == Use::Request {
            self.acknowledged();
        }
        let lock = self.locks.iter().position(|(held, _)| *held == word);
        if let (Use::Plain, 0, Some(index)) = (of, value, lock) {
            let (_, taken) = self.locks.swap_remove(index);
            assert!(
                acquires(taken),
                "a lock is taken without acquire: what it guards may be touched before (I3: one request at a time)"
            );
            assert!(
                releases(order),
                "a lock is given back without release: what it guards may be touched afterwards (I3: one request \
                 at a time)"
            );
        }
    }

    /// It was replaced: a lock, if it is given back later.
    pub fn replace(&mut self, word: WordId, order: Ordering) {
        self.locks.push((word, order));
    }

    /// Bits were set, or cleared.
    ///
    /// # Panics
    /// If that is an active set, and what must come before or after it need not.
    pub fn modify(&mut self, of: Use, sets: bool, order: Ordering) {
        if of != Use::Active {
            return;
        }
        if sets {
            assert!(
                order == SeqCst,
                "a CPU enters the active set, and may read the page table before: the order must be SeqCst (I8: \
                 the bit before the tables)"
            );
        } else {
            assert!(
                releases(order),
                "a CPU leaves the active set, and may read the page table afterwards: no release (I8: the bit \
                 after the tables)"
            );
        }
    }

    /// The call relies on acknowledgements: it writes the next request, or says that every target has acknowledged.
    ///
    /// # Panics
    /// If what comes next need not come after that.
    pub fn acknowledged(&self) {
        assert!(
            self.acknowledged.is_empty(),
            "an acknowledgement was found without acquire: the next request may be written before the target has \
             read this one (I3: one request at a time)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering::Relaxed;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    const SLOT: WordId = WordId(1);
    const LOCK: WordId = WordId(2);

    fn told(call: impl FnOnce(&mut Orders)) -> String {
        let outcome = catch_unwind(AssertUnwindSafe(|| call(&mut Orders::default())));
        outcome.map_or_else(
            |payload| match payload.downcast::<String>() {
                Ok(message) => *message,
                Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
            },
            |()| String::new(),
        )
    }

    #[test]
    fn a_request_that_may_be_read_before_its_zero() {
        let read = |fence: Option<Ordering>, order| {
            told(|orders| {
                orders.load(Use::Slot, SLOT, 0, order);
                fence.into_iter().for_each(|fence| orders.fence(fence));
                orders.load(Use::Request, WordId(3), 5, Relaxed);
            })
        };
        assert!(read(None, Relaxed).contains("(I1"));
        assert!(read(Some(Release), Relaxed).contains("(I1"));
        assert_eq!(read(Some(Acquire), Relaxed), "");
        assert_eq!(read(None, Acquire), "");
        let led_by_a_generation = |orders: &mut Orders| {
            orders.load(Use::Request, WordId(4), 1, Acquire);
            orders.load(Use::Slot, SLOT, 0, Relaxed);
            orders.load(Use::Request, WordId(3), 5, Relaxed);
        };
        assert_eq!(told(led_by_a_generation), "");
    }

    #[test]
    fn an_acknowledgement_that_may_overtake_the_copy() {
        let answer = |fence: Option<Ordering>, order| {
            told(|orders| {
                orders.load(Use::Request, WordId(3), 5, Relaxed);
                fence.into_iter().for_each(|fence| orders.fence(fence));
                orders.store(Use::Slot, SLOT, 7, order);
            })
        };
        assert!(answer(None, Relaxed).contains("(I4"));
        assert!(answer(Some(Acquire), Relaxed).contains("(I4"));
        assert_eq!(answer(Some(Release), Relaxed), "");
        assert_eq!(answer(None, Release), "");
    }

    #[test]
    fn an_acknowledgement_that_is_found_too_early() {
        let wait = |order| {
            told(|orders| {
                orders.load(Use::Slot, SLOT, 6, Relaxed);
                orders.load(Use::Slot, SLOT, 7, order);
                orders.acknowledged();
            })
        };
        assert!(wait(Relaxed).contains("(I3"));
        assert_eq!(wait(Acquire), "");
        let written_over = |orders: &mut Orders| {
            orders.load(Use::Slot, SLOT, 7, Relaxed);
            orders.store(Use::Request, WordId(3), 8, Relaxed);
        };
        assert!(told(written_over).contains("(I3"));
    }

    #[test]
    fn a_lock_that_does_not_hold_what_it_guards() {
        let hold = |take, give| {
            told(|orders| {
                orders.replace(LOCK, take);
                orders.store(Use::Plain, LOCK, 0, give);
            })
        };
        assert!(hold(Relaxed, Release).contains("taken without"));
        assert!(hold(Acquire, Relaxed).contains("given back without"));
        assert_eq!(hold(Acquire, Release), "");
    }

    #[test]
    fn an_active_set_that_is_changed_too_late_or_too_early() {
        let change = |sets, order| told(|orders| orders.modify(Use::Active, sets, order));
        for order in [Relaxed, Acquire, Release, AcqRel] {
            assert!(change(true, order).contains("(I8"), "{order:?}");
        }
        assert_eq!(change(true, SeqCst), "");
        assert!(change(false, Acquire).contains("(I8"));
        assert_eq!(change(false, Release), "");
    }
}
