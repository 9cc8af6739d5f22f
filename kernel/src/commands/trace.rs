//! `trace`: what the CPUs have recorded.

use super::HERE;
use crate::{channel, machine, points, trace};
use alloc::format;
use alloc::string::{String, ToString};
use evidence::lanes::{self, View};
use evidence::{Event, Kind, Purpose, Record, Timeline};
use shell::Failure;
use shell::commands::{TraceAction, args};
use shell::report::{Output, Style, Table, Value};
use shootdown::{CpuId, CpuSet, Point};

/// The most records that `trace raw` shows unless told.
const RAW: u64 = 40;

/// `trace`
pub fn trace(args: &args::Trace, output: &mut Output<'_>) -> Result<(), Failure> {
    let all = machine::started();
    let chosen = args.cpus.map(|cpus| cpus.resolve(HERE, all));
    match args.action {
        TraceAction::On | TraceAction::Off => {
            trace::set(args.action == TraceAction::On).map_err(Failure::new)?;
            status(output);
        }
        TraceAction::Clear => {
            trace::clear();
            status(output);
        }
        TraceAction::Status => status(output),
        TraceAction::Last => last(args.number.unwrap_or(1), chosen.unwrap_or_default(), output)?,
        TraceAction::Raw => raw(args.number.unwrap_or(RAW), chosen.unwrap_or(all), output)?,
    }
    Ok(())
}

fn status(output: &mut Output<'_>) {
    output.field("recording", points::tracing());
    output.field("to_the_host", channel::lossless());
    let mut table = Table::new(["cpu", "records", "overwritten"]);
    for cpu in machine::started() {
        let recorded = trace::recorded(cpu);
        table.row([
            Value::from(cpu.index() as u64),
            recorded.begun.into(),
            recorded.overwritten.into(),
        ]);
    }
    output.table("cpus", table);
}

fn nothing() -> Failure {
    let failure = Failure::new("nothing is recorded");
    if points::tracing() {
        failure
    } else {
        failure.hint("trace on")
    }
}

/// The last shootdowns, oldest first, with lanes for `cpus`; where it is empty, for those that took
/// part.
fn last(number: u64, cpus: CpuSet, output: &mut Output<'_>) -> Result<(), Failure> {
    let timeline = Timeline::new(trace::records(machine::started()));
    let shootdowns = timeline.shootdowns();
    if shootdowns.is_empty() {
        return Err(nothing());
    }
    let view = View {
        width: output.settings().columns,
        tsc_khz: hw::clock::tsc_hz() / 1000,
        cpus,
        ..View::default()
    };
    let first = shootdowns.len().saturating_sub(number as usize);
    for index in first..shootdowns.len() {
        for line in lanes::draw(&timeline, index, &view) {
            let spans = line.0.into_iter();
            output.line(spans.map(|span| (style(span.style), span.text)).collect());
        }
    }
    note_overwritten(output);
    Ok(())
}

/// The shell's style for a span of a drawing.
fn style(style: lanes::Style) -> Option<Style> {
    match style {
        lanes::Style::Plain => None,
        lanes::Style::Dim => Some(Style::Dim),
        lanes::Style::Heading | lanes::Style::Initiator | lanes::Style::Arrow => {
            Some(Style::Strong)
        }
        lanes::Style::Target | lanes::Style::Good => Some(Style::Good),
        lanes::Style::Off => Some(Style::Warn),
        lanes::Style::Fault | lanes::Style::Stale => Some(Style::Bad),
    }
}

fn note_overwritten(output: &mut Output<'_>) {
    let overwritten: u64 = machine::started()
        .into_iter()
        .map(|cpu| trace::recorded(cpu).overwritten)
        .sum();
    if overwritten > 0 {
        output.note(format_args!("{overwritten} older records are overwritten"));
    }
}

/// The last records of each CPU, in the order of their time.
fn raw(number: u64, cpus: CpuSet, output: &mut Output<'_>) -> Result<(), Failure> {
    let mut records = trace::records(cpus);
    if records.is_empty() {
        return Err(nothing());
    }
    records.sort_by_key(|record| record.tsc);
    let left_out = records.len().saturating_sub(number as usize);
    list(&records[left_out..], output);
    note_overwritten(output);
    Ok(())
}

fn list(records: &[Record], output: &mut Output<'_>) {
    let begun = records.first().map_or(0, |record| record.tsc);
    let mut table = Table::new(["ticks", "cpu", "number", "event", "what"]);
    for record in records {
        table.row([
            Value::from(record.tsc - begun),
            Value::from(record.cpu.index() as u64),
            record.number.into(),
            record.event.name().into(),
            what(record).into(),
        ]);
    }
    output.table("records", table);
}

/// A record's operands in words.
fn what(record: &Record) -> String {
    let (a, b) = (record.a, record.b);
    let set = CpuSet::from_bits;
    match record.event {
        event if event.has_word() => word(record),
        Event::Point(Point::Send) => format!("to {}", set(a)),
        Event::Point(Point::Invalidate | Point::LocalInvalidate) | Event::Kind(Kind::Begin) => {
            range(record)
        }
        Event::Point(Point::PteStore) => range(record),
        Event::Point(_) => String::new(),
        Event::Kind(Kind::Holders) => format!("{} of {}", set(a), set(b)),
        Event::Kind(Kind::End) if a == 0 => format!("acknowledged, generation {b}"),
        Event::Kind(Kind::End) => "abandoned".to_string(),
        Event::Kind(Kind::Enter) => format!("vector {a}"),
        Event::Kind(Kind::Leave) => format!("vector {a}, {b} served"),
        Event::Kind(Kind::Ipi) => format!("vector {} to {}", b & 0xff, set(a)),
        Event::Kind(Kind::Invlpg) => format!("{a:#x} of space {b}"),
        Event::Kind(Kind::LoadCr3) if b == 1 => format!("of space {a}, what its PCID tags is kept"),
        Event::Kind(Kind::LoadCr3) => format!("of space {a}"),
        Event::Kind(Kind::Invpcid) => invpcid(record),
        Event::Kind(Kind::Switch) => format!("to thread {a}, space {b}"),
        Event::Kind(Kind::Stuck) => format!("waits for {}, generation {b}", set(a)),
        Event::Kind(Kind::Resend) => format!("to {}", set(a)),
        Event::Kind(Kind::Park | Kind::Unpark) => Point::ALL
            .get(a as usize)
            .map_or(String::new(), |point| format!("at {point}")),
        Event::Kind(Kind::Mark) => format!("{a}"),
        Event::Kind(Kind::Read | Kind::Stale) => {
            let (page, space) = (a & !0xfff, a & 0xfff);
            let (seen, truth) = (b >> 32, b & 0xffff_ffff);
            format!("{page:#x} of space {space}: {seen:#x}, page table says {truth:#x}")
        }
        Event::Kind(_) => match (a, b) {
            (0, 0) => String::new(),
            _ => format!("{a:#x} {b:#x}"),
        },
    }
}

fn invpcid(record: &Record) -> String {
    let (page, pcid, space) = (record.a & !0xfff, record.b >> 32, record.b & 0xffff_ffff);
    match record.a & 0xfff {
        0 => format!("{page:#x} of PCID {pcid:#x}, space {space}"),
        1 => format!("all of PCID {pcid:#x}, space {space}"),
        2 => "everything".to_string(),
        _ => "everything but global".to_string(),
    }
}

fn range(record: &Record) -> String {
    // Page operands: what comes below the page is not an address.
    let (a, b) = (record.a, record.b);
    format!(
        "{:#x} to {:#x} of space {}",
        a & !0xfff,
        b & !0xfff,
        b & 0xfff
    )
}

fn word(record: &Record) -> String {
    let name = |cpu: Option<CpuId>| cpu.map_or_else(|| "all".to_string(), |cpu| cpu.to_string());
    match record.place() {
        Some(place) if place.purpose == Purpose::Slot => format!(
            "slot of {} for {}: {}",
            name(place.target),
            name(place.initiator),
            record.b
        ),
        Some(place) => format!("request of {}: {:#x}", name(place.initiator), record.b),
        None => format!("{:#x}", record.b),
    }
}
