//! A record's operands, as what they are.

use evidence::{Event, Kind, Purpose, Record};
use shootdown::{CpuId, CpuSet, Point};

/// In words; empty where there is nothing to say.
#[must_use]
pub fn operands(record: &Record) -> String {
    if let Some(place) = record.place() {
        let of = |name: &str, cpu: Option<CpuId>| {
            cpu.map_or(String::new(), |cpu| format!("{name} {cpu}, "))
        };
        let (target, initiator) = (of("target", place.target), of("initiator", place.initiator));
        let value = match place.purpose {
            Purpose::Slot => record.b.to_string(),
            Purpose::Head => format!("{:#x}", record.b),
        };
        return format!("{target}{initiator}{value}");
    }
    match record.event {
        Event::Kind(Kind::Begin) | Event::Point(Point::Invalidate | Point::LocalInvalidate) => {
            record.range().to_string()
        }
        Event::Point(Point::PteStore) => changed(record),
        Event::Point(Point::Generation) => record.b.to_string(),
        Event::Point(Point::Activate) => format!("on CPUs {}", CpuSet::from_bits(record.b)),
        Event::Kind(Kind::Holders) => {
            let online = CpuSet::from_bits(record.b);
            format!("CPUs {} of {online}", record.cpus())
        }
        Event::Kind(Kind::Read | Kind::Stale) => {
            let (page, space) = (record.a & !0xfff, record.a & 0xfff);
            let (seen, truth) = (record.b >> 32, record.b & 0xffff_ffff);
            format!("{page:#x} of space {space}: {seen:#x}, page table says {truth:#x}")
        }
        Event::Kind(Kind::Asked) => format!("CPUs {}", record.cpus()),
        Event::Kind(Kind::Ipi) => {
            format!("vector {:#x} to CPUs {}", record.b & 0xff, record.cpus())
        }
        Event::Point(Point::Send) => format!("to CPUs {}", record.cpus()),
        Event::Kind(Kind::Enter) if record.b != 0 => format!("vector {:#x}, from ring 3", record.a),
        Event::Kind(Kind::Enter | Kind::Leave) => format!("vector {:#x}", record.a),
        Event::Kind(Kind::Invlpg) => format!("page {:#x} of space {}", record.a, record.b),
        Event::Kind(Kind::LoadCr3) => format!("space {}", record.a),
        Event::Kind(Kind::End) if record.a != 0 => "abandoned".into(),
        Event::Kind(Kind::End) => format!("generation {}", record.b),
        Event::Kind(Kind::Fault) => format!("fault {}, at {}", record.a, point(record.b >> 8)),
        Event::Kind(Kind::Park | Kind::Unpark) => format!("at {}", point(record.a)),
        Event::Kind(Kind::Stuck) => format!("waits for CPUs {}", record.cpus()),
        Event::Kind(Kind::Resend) => format!("to CPUs {}", record.cpus()),
        Event::Kind(Kind::Switch) => format!("thread {}, space {}", record.a, record.b),
        Event::Kind(Kind::Violation) if record.a != 0 => format!("I{}", record.a),
        _ if record.a == 0 && record.b == 0 => String::new(),
        _ => format!("{:#x} {:#x}", record.a, record.b),
    }
}

/// A change of page-table entries: what is done, and to which pages.
fn changed(record: &Record) -> String {
    let does = ["maps", "replaces", "unmaps", "protects"];
    let does = does.get((record.a & 0xfff) as usize).unwrap_or(&"changes");
    let range = record.change();
    match range.pages() {
        1 => format!("{does} page {:#x} of space {}", range.start, range.space.0),
        _ => format!("{does} {range}"),
    }
}

fn point(number: u64) -> &'static str {
    let point = usize::try_from(number).ok();
    let point = point.and_then(|number| Point::ALL.get(number));
    point.map_or("no point", |point| point.name())
}
