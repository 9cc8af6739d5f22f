//! The run's seed, from which everything random is drawn.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SEED: AtomicU64 = AtomicU64::new(1);

/// The seed in force.
pub fn seed() -> u64 {
    SEED.load(Relaxed)
}

/// Starts every sequence anew from `seed`.
pub fn set_seed(seed: u64) {
    SEED.store(seed, Relaxed);
}

/// A sequence of numbers that depends only on the seed and on which `stream` it is (SplitMix64,
/// Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `stream` under the seed in force.
    pub fn new(stream: u64) -> Random {
        let mut random = Random(seed() ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        random
    }

    /// The next number.
    #[expect(
        clippy::should_implement_trait,
        reason = "endless: there is nothing to be optional"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
