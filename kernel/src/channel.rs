//! The evidence channel: the CPUs' records, written out for the host so that none is lost.
//!
//! On, every CPU records from boot. One whose ring fills writes its own records out, with
//! interrupts off, and waits for nobody but a CPU that is writing at this moment, which waits for
//! nobody. What is left is written as the machine ends, on whichever way, and then how many
//! records each CPU has begun, so that the host sees whether it has them all.
//!
//! What leaves the machine is the same in two deterministic runs: words are named by what they
//! are for, never by address.

use crate::{machine, panic, places, points};
use core::array;
use core::hint::spin_loop;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use evidence::{Encoder, Event, Header, Key, Place, Purpose, Record};
use hw::interrupts::Off;
use hw::sync::IrqLock;
use hw::trace::{self, CAPACITY, Raw};
use hw::{debugcon, percpu};
use shootdown::{CpuId, MAX_CPUS};

/// A CPU writes its records out when there are this many: a short time with interrupts off, and
/// room for what an NMI adds meanwhile.
const BATCH: u64 = CAPACITY / 8;
/// How often a lock or a record is looked at before it is given up: far longer than either is
/// under way, for whoever interrupted that in an NMI would wait for ever.
const TRIES: u32 = 1 << 24;
/// The same for the end, which is worth waiting for: who is writing a batch out takes long on a busy host.
const LAST_TRIES: u32 = 1 << 28;

/// Whether no record may be lost.
static LOSSLESS: AtomicBool = AtomicBool::new(false);
static ENCODER: IrqLock<Option<Encoder>> = IrqLock::new(None);
/// The first record of each CPU that is not written out. Changed with [`ENCODER`] held.
static WRITTEN: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];
/// Which CPUs hold [`ENCODER`] or wait for it: an NMI there must do neither, nor halt the CPU.
static BUSY: [AtomicBool; MAX_CPUS] = [const { AtomicBool::new(false) }; MAX_CPUS];

/// Whether somebody follows the machine: then records are not kept until there are many.
static FOLLOWED: AtomicBool = AtomicBool::new(false);

/// Whether every record is written to the channel.
pub fn lossless() -> bool {
    LOSSLESS.load(Acquire)
}

/// Opens the channel under `key`, if the device is there. Before a second CPU runs. Returns
/// whether it is open.
pub fn open(key: Key, header: &Header<&str>) -> bool {
    if !debugcon::present() {
        return false;
    }
    let mut encoder = Encoder::new(key);
    encoder.header(header, &mut debugcon::write);
    *ENCODER.lock() = Some(encoder);
    LOSSLESS.store(true, Release);
    points::set_tracing(true);
    true
}

/// From now on a CPU writes its records out whenever it has time.
pub fn follow() {
    FOLLOWED.store(true, Release);
}

/// This CPU has recorded something: it writes its records out if there are many. In any context.
pub fn recorded() {
    write_if(BATCH);
}

/// This CPU has time, or has run for a while: if somebody follows the machine, it writes its records out.
/// In any context.
pub fn pause() {
    if FOLLOWED.load(Relaxed) {
        write_if(1);
    }
}

/// Writes this CPU's records out if there are `enough`.
fn write_if(enough: u64) {
    if !lossless() {
        return;
    }
    let _off = Off::new();
    let me = percpu::cpu();
    if trace::begun(me) - WRITTEN[me.index()].load(Relaxed) >= enough {
        let outermost = with_encoder(me, TRIES, |encoder| {
            if let Some(encoder) = encoder {
                write_out(encoder, me, false);
            }
        });
        // In an NMI that came upon this CPU at the channel, whoever closes it would wait for ever.
        if outermost {
            panic::halt_if_panicked();
        }
    }
}

/// Writes what is left, and the totals. For whoever ends the machine, just before; in any
/// context. Nothing is recorded afterwards.
pub fn close() {
    if !LOSSLESS.swap(false, SeqCst) {
        return;
    }
    let _off = Off::new();
    points::disarm();
    with_encoder(percpu::cpu(), LAST_TRIES, |encoder| {
        // Nobody who waited for it writes behind the totals.
        let Some(mut encoder) = encoder.take() else {
            return;
        };
        let begun: [u64; MAX_CPUS] = array::from_fn(|index| {
            CpuId::new(index).map_or(0, |cpu| write_out(&mut encoder, cpu, true))
        });
        let cpus = machine::started().into_iter().map(CpuId::index).max();
        let begun = begun.into_iter().take(cpus.unwrap_or(0) + 1);
        encoder.totals(begun, &mut debugcon::write);
    });
}

/// Whether an NMI has come upon `cpu`, this one, while it was at the channel: it must go on, to
/// halt by itself when it is through.
pub fn busy(cpu: CpuId) -> bool {
    BUSY[cpu.index()].load(Acquire)
}

/// Does `work` with the encoder, with interrupts off, unless the lock is not to be had. Returns
/// whether this CPU was not about it already, in what an NMI has interrupted: then nothing is done.
fn with_encoder(me: CpuId, tries: u32, work: impl FnOnce(&mut Option<Encoder>)) -> bool {
    if BUSY[me.index()].swap(true, SeqCst) {
        return false;
    }
    for _ in 0..tries {
        if let Some(mut encoder) = ENCODER.try_lock() {
            work(&mut encoder);
            break;
        }
        spin_loop();
    }
    BUSY[me.index()].store(false, SeqCst);
    true
}

/// Writes the records of `cpu` out, up to the last that it has begun, or the first that it has not
/// finished. `last` says that those are left out. Returns how many it has begun.
fn write_out(encoder: &mut Encoder, cpu: CpuId, last: bool) -> u64 {
    let written = &WRITTEN[cpu.index()];
    let begun = trace::begun(cpu);
    let mut number = written.load(Relaxed);
    while number < begun {
        let raw = if last {
            finished(cpu, number)
        } else {
            trace::read(cpu, number)
        };
        match raw {
            Some(raw) => {
                if let Some(record) = record(cpu, &raw) {
                    encoder.record(&record, &mut debugcon::write);
                }
            }
            // An NMI interrupted this CPU in the middle of it, or it is overwritten.
            None if !last && begun <= number + CAPACITY => break,
            None => {}
        }
        number += 1;
    }
    written.store(number, Relaxed);
    encoder.flush(&mut debugcon::write);
    begun
}

/// Record `number` of `cpu`, which may be in the middle of writing it, or be halted there.
fn finished(cpu: CpuId, number: u64) -> Option<Raw> {
    for _ in 0..TRIES >> 8 {
        if let Some(raw) = trace::read(cpu, number) {
            return Some(raw);
        }
        if trace::begun(cpu) > number + CAPACITY {
            return None;
        }
        spin_loop();
    }
    None
}

/// What `raw` means, with words named.
pub fn record(cpu: CpuId, raw: &Raw) -> Option<Record> {
    let event = Event::from_code(raw.event)?;
    let a = if event.has_word() {
        packed(raw.a as usize)
    } else {
        raw.a
    };
    Some(Record {
        cpu,
        number: raw.number,
        tsc: raw.tsc,
        event,
        a,
        b: raw.b,
    })
}

/// The name of the word at `address`; 0 if it has none.
fn packed(address: usize) -> u64 {
    places::of(address).map_or(0, |place| {
        let purpose = match place.purpose {
            places::Purpose::Slot => Purpose::Slot,
            places::Purpose::Head => Purpose::Head,
        };
        Place {
            purpose,
            target: place.target,
            initiator: place.initiator,
        }
        .packed()
    })
}
