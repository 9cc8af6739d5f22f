//! What the outcome of a shootdown is good for: getting back what was unmapped.

use crate::{Abandoned, Acknowledged, Machine, Protocol, Request, Targets};
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many were leaked. Counts only; nothing here depends on it.
static LEAKED: AtomicUsize = AtomicUsize::new(0);

/// How many [`Flush`]es ended without a shootdown, so that what they held is lost for good.
pub fn leaked() -> usize {
    LEAKED.load(Relaxed)
}

/// Holding one proves that page-table entries were changed and that their old translations may
/// live on in any TLB.
///
/// It holds what those translations lead to, the frames taken out of the page table, and gives
/// them back only after a shootdown that began after the change and was acknowledged by every CPU
/// that may hold the translations. Dropping it instead leaks them, safely, and is counted
/// ([`leaked`]).
#[must_use = "the old translations live on until this is shot; dropping it leaks what it holds"]
#[derive(Debug)]
pub struct Flush<T> {
    request: Request,
    retired: Option<T>,
}

impl<T> Flush<T> {
    /// For who has just changed the page table: `request` covers every page whose entry was
    /// changed, and `retired` is what those entries led to (`()` if nothing is to be reused).
    pub const fn new(request: Request, retired: T) -> Self {
        Flush {
            request,
            retired: Some(retired),
        }
    }

    /// What will be asked of the CPUs.
    pub const fn request(&self) -> Request {
        self.request
    }

    /// Shoots the translations down wherever they may be, and gives back what was retired.
    ///
    /// # Errors
    /// The flush itself if the shootdown was abandoned: try again, or
    /// [`abandon`](Flush::abandon) it.
    pub fn shoot<M: Machine>(
        mut self,
        protocol: &(impl Protocol<M> + ?Sized),
        m: &M,
    ) -> Result<(T, Acknowledged), Flush<T>> {
        match protocol.shoot(m, self.request, Targets::Active) {
            Ok(proof) => {
                let retired = self.retired.take().expect("taken here only");
                Ok((retired, proof))
            }
            Err(Abandoned) => Err(self),
        }
    }

    /// Gives up: what was retired is leaked, for a CPU may yet use it. Returns the error for it.
    pub fn abandon(self) -> Abandoned {
        Abandoned
    }
}

impl<T> Flush<T> {
    /// The same, holding a list of one: see [`gather`](Flush::gather). There is no `map`: its
    /// closure could free what no proof has freed.
    pub fn listed(mut self) -> Flush<Vec<T>> {
        let retired = self.retired.take().expect("taken here only");
        Flush::new(self.request, vec![retired])
    }
}

impl<T> Flush<Vec<T>> {
    /// One flush in place of many: of all those of `flushes` that `request` includes. It holds
    /// what they held, in order, and may hold nothing. Beside it those left over.
    pub fn gather(
        request: Request,
        flushes: impl IntoIterator<Item = Flush<Vec<T>>>,
    ) -> (Flush<Vec<T>>, Vec<Flush<Vec<T>>>) {
        let mut gathered = Flush::new(request, Vec::new());
        let mut left_over = Vec::new();
        for mut flush in flushes {
            if !request.includes(&flush.request) {
                left_over.push(flush);
            } else if let (Some(all), Some(some)) = (&mut gathered.retired, &mut flush.retired) {
                all.append(some);
                flush.retired = None;
            }
        }
        (gathered, left_over)
    }
}

impl<T> Drop for Flush<T> {
    fn drop(&mut self) {
        if let Some(retired) = self.retired.take() {
            mem::forget(retired);
            LEAKED.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
