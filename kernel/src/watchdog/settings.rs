//! When a wait is too long, and what is done about it.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use hw::clock;
use shell::commands::Choice;
pub use shell::commands::WatchdogAction as Action;

/// When a wait is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// After so many ticks of the time-stamp counter.
    Ticks(u64),
    /// After so many turns of the wait: events, whatever time they take.
    Turns(u64),
}

impl After {
    /// After so many milliseconds.
    pub fn ms(milliseconds: u64) -> After {
        After::Ticks(clock::from_us(milliseconds.saturating_mul(1000)))
    }
}

/// Nonzero where turns count, and not ticks.
static TURNS: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(u64::MAX);
static ACTION: AtomicU8 = AtomicU8::new(Action::GiveUp as u8);

/// When a wait is too long now.
pub fn after() -> After {
    match TURNS.load(Relaxed) {
        0 => After::Ticks(TICKS.load(Relaxed)),
        turns => After::Turns(turns),
    }
}

/// Sets that, for waits under way as well.
pub fn set_after(after: After) {
    match after {
        After::Ticks(ticks) => {
            TICKS.store(ticks, Relaxed);
            TURNS.store(0, Relaxed);
        }
        After::Turns(turns) => TURNS.store(turns.max(1), Relaxed),
    }
}

/// What is done about a wait that is too long, once it was explained.
pub fn action() -> Action {
    let number = ACTION.load(Relaxed);
    let named = Action::WORDS
        .iter()
        .filter_map(|word| Action::from_name(word.name))
        .find(|action| *action as u8 == number);
    named.unwrap_or(Action::GiveUp)
}

/// Sets that, for waits under way as well.
pub fn set_action(action: Action) {
    ACTION.store(action as u8, Relaxed);
}
