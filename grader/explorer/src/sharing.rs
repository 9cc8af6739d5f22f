//! Which words concern one CPU only, as far as has been seen.
//!
//! A load of a word that nobody else writes can be done at once: whatever else happens before or
//! after it leaves the same. Who writes what is learnt while searching; if somebody turns out to
//! write a word that was taken for another's own, the search begins again, knowing better.

use crate::calls::unknown;
use crate::op::WordId;

/// Who accesses: a CPU's handler and its threads are two, for one can come between the other's
/// operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Accessor {
    pub cpu: usize,
    pub handler: bool,
}

impl Accessor {
    const fn bit(self) -> u128 {
        1 << (2 * self.cpu + self.handler as usize)
    }
}

/// What is known of one word: sets of [`Accessor`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Word {
    writers: u128,
    /// Who loaded it early because nobody else wrote it.
    relying: u128,
}

/// What is known of all.
#[derive(Clone, Default)]
pub(crate) struct Sharing {
    words: Vec<Word>,
    wrong: bool,
    /// Nothing is learnt.
    frozen: bool,
}

impl Sharing {
    pub fn new(words: usize) -> Self {
        Sharing {
            words: vec![Word::default(); words],
            wrong: false,
            frozen: false,
        }
    }

    /// `who` writes `word`.
    pub fn written(&mut self, word: WordId, who: Accessor) {
        let word = &mut self.words[usize::from(word.0)];
        if self.frozen && word.writers & who.bit() == 0 {
            unknown();
        }
        word.writers |= who.bit();
        self.wrong |= word.relying & !who.bit() != 0;
    }

    /// Whether `who` may load `word` at once. Relies on nobody else writing it from now on.
    pub fn is_own(&mut self, word: WordId, who: Accessor) -> bool {
        let word = &mut self.words[usize::from(word.0)];
        let own = word.writers & !who.bit() == 0;
        if own {
            word.relying |= who.bit();
        }
        own
    }

    /// From here on nothing is learnt.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Who is known to write what.
    pub fn writers(&self) -> Vec<u128> {
        self.words.iter().map(|word| word.writers).collect()
    }

    /// Whether something that was relied on has turned out wrong. What has been learnt is kept.
    pub fn begin_again(&mut self) -> bool {
        for word in &mut self.words {
            word.relying = 0;
        }
        core::mem::take(&mut self.wrong)
    }
}
