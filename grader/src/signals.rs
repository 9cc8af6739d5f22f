//! Signals as bytes on a socket, so that one loop can wait for them and end a run in order.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::{flag, low_level};

/// What the person or the system asks of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// End, because of this signal.
    End(i32),
    /// Stop until continued.
    Stop,
    /// Continued after a stop.
    Continue,
}

/// Holding one means the signals that would end or stop `kit` arrive here instead.
#[derive(Debug)]
pub struct Signals {
    wake: UnixStream,
    end: Arc<AtomicUsize>,
    stop: Arc<AtomicUsize>,
    resume: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes over the signals, for the life of the process.
    ///
    /// # Errors
    /// Whatever the system refuses.
    pub fn take() -> io::Result<Self> {
        let (wake, sender) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        let signals = Self {
            wake,
            end: Arc::default(),
            stop: Arc::default(),
            resume: Arc::default(),
        };
        for (signal, slot) in [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
            .map(|signal| (signal, &signals.end))
            .into_iter()
            .chain([(SIGTSTP, &signals.stop), (SIGCONT, &signals.resume)])
        {
            // The note first: who wakes up must find it.
            flag::register_usize(
                signal,
                Arc::clone(slot),
                usize::try_from(signal).unwrap_or(0),
            )?;
            low_level::pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(signals)
    }

    /// What was asked since the last call; ending goes before stopping.
    pub fn asked(&self) -> Option<Asked> {
        while matches!(io::Read::read(&mut &self.wake, &mut [0; 64]), Ok(1..)) {}
        let take = |slot: &AtomicUsize| match slot.swap(0, Ordering::SeqCst) {
            0 => None,
            signal => i32::try_from(signal).ok(),
        };
        if let Some(signal) = take(&self.end) {
            return Some(Asked::End(signal));
        }
        match (take(&self.stop), take(&self.resume)) {
            (Some(_), _) => Some(Asked::Stop),
            (None, Some(_)) => Some(Asked::Continue),
            (None, None) => None,
        }
    }
}

impl AsFd for Signals {
    /// Readable when something was asked.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// Stops this process as the terminal's stop key does; returns when it is continued.
pub fn stop_here() {
    let _ = low_level::raise(signal_hook::consts::SIGSTOP);
}
