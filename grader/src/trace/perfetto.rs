//! Evidence in the Trace Event Format, which Chrome and Perfetto show.
//!
//! CPUs are threads. Shootdowns, waits and handlers are slices, points instants, interrupts flows from the
//! send's slice to the handler's; for how long a CPU may use an old translation is an asynchronous slice.
//!
//! Source: "Trace Event Format", the Chromium project.

use evidence::timeline::{Arrow, Handler, Outcome, Shootdown};
use evidence::{Event, Evidence, Kind, Timeline};
use serde_json::{Value, json};
use shootdown::Point;

/// The whole trace.
pub(super) fn json(evidence: &Evidence, timeline: &Timeline) -> Value {
    let khz = evidence.header.as_ref().map_or(0, |header| header.tsc_khz);
    let trace = Trace::new(timeline, khz);
    let mut events = trace.names();
    for (number, shootdown) in timeline.shootdowns().iter().enumerate() {
        events.push(trace.shootdown(number, shootdown));
        events.extend(trace.waits(shootdown));
        events.extend(trace.stale(number, shootdown));
    }
    events.extend(
        timeline
            .handlers()
            .iter()
            .map(|handler| trace.handler(handler)),
    );
    events.extend(trace.instants());
    for (number, arrow) in timeline.arrows().iter().enumerate() {
        events.extend(trace.flow(number, arrow));
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

struct Trace<'t> {
    timeline: &'t Timeline,
    /// Ticks a microsecond.
    scale: f64,
    first: u64,
    last: usize,
}

impl<'t> Trace<'t> {
    fn new(timeline: &'t Timeline, khz: u64) -> Self {
        let records = timeline.records();
        Self {
            timeline,
            // An unknown rate is shown as if a tick were a nanosecond.
            scale: if khz == 0 {
                1000.0
            } else {
                khz as f64 / 1000.0
            },
            first: records.first().map_or(0, |record| record.tsc),
            last: records.len().saturating_sub(1),
        }
    }

    /// When a record was made, in microseconds since the first.
    fn at(&self, index: usize) -> f64 {
        (self.timeline.tsc(index) - self.first) as f64 / self.scale
    }

    fn names(&self) -> Vec<Value> {
        let name = |cpu: shootdown::CpuId| {
            json!({ "ph": "M", "pid": 1, "tid": cpu.index(), "name": "thread_name",
                "args": { "name": format!("CPU {cpu}") } })
        };
        let process = json!({ "ph": "M", "pid": 1, "name": "process_name",
            "args": { "name": "machine" } });
        let cpus = self.timeline.cpus().into_iter().map(name);
        std::iter::once(process).chain(cpus).collect()
    }

    fn slice(&self, name: &str, tid: usize, from: usize, to: Option<usize>, args: Value) -> Value {
        let (begin, end) = (self.at(from), self.at(to.unwrap_or(self.last).max(from)));
        json!({ "ph": "X", "pid": 1, "tid": tid, "name": name, "ts": begin, "dur": end - begin,
            "args": args })
    }

    fn shootdown(&self, number: usize, shootdown: &Shootdown) -> Value {
        let outcome = match shootdown.outcome {
            Outcome::Acknowledged => "acknowledged",
            Outcome::Abandoned => "abandoned",
            Outcome::Unfinished => "not ended",
        };
        let args = json!({
            "number": number,
            "request": shootdown.request.to_string(),
            "targets": shootdown.targets().to_string(),
            "generation": shootdown.generation,
            "outcome": outcome,
        });
        let tid = shootdown.initiator.index();
        self.slice("shootdown", tid, shootdown.begin, shootdown.end, args)
    }

    fn waits(&self, shootdown: &Shootdown) -> Vec<Value> {
        let records = self.timeline.records();
        let mut waits = Vec::new();
        let mut since = None;
        for &step in &shootdown.steps {
            if records[step].is(Point::Wait) {
                since = Some(step);
            } else if records[step].is(Point::Done) || records[step].is(Kind::End) {
                waits.extend(since.take().map(|from| (from, Some(step))));
            }
        }
        waits.extend(since.map(|from| (from, None)));
        let tid = shootdown.initiator.index();
        let slice = |(from, to)| self.slice("wait", tid, from, to, json!({}));
        waits.into_iter().map(slice).collect()
    }

    /// For how long each holder may use what the shootdown is to take away.
    fn stale(&self, number: usize, shootdown: &Shootdown) -> Vec<Value> {
        let Some(&store) = shootdown.stores.last() else {
            return Vec::new();
        };
        let mut events = Vec::new();
        for cpu in shootdown.holders {
            let forgotten = self.timeline.forgotten(cpu, store, &shootdown.request);
            let ends = [("b", store), ("e", forgotten.unwrap_or(self.last))];
            events.extend(ends.map(|(phase, index)| {
                json!({ "ph": phase, "cat": "stale", "pid": 1, "tid": cpu.index(),
                    "id": format!("{number}.{cpu}"), "name": format!("CPU {cpu} may be stale"),
                    "ts": self.at(index) })
            }));
        }
        events
    }

    fn handler(&self, handler: &Handler) -> Value {
        let args = json!({ "vector": handler.vector });
        self.slice(
            "handler",
            handler.cpu.index(),
            handler.enter,
            handler.leave,
            args,
        )
    }

    fn instants(&self) -> Vec<Value> {
        let records = self.timeline.records().iter().enumerate();
        let told = |event: Event| {
            let slices = [
                Kind::Begin,
                Kind::End,
                Kind::Enter,
                Kind::Leave,
                Kind::Holders,
            ];
            !slices.into_iter().any(|kind| event == kind.into())
        };
        records
            .filter(|(_, record)| told(record.event))
            .map(|(index, record)| {
                json!({ "ph": "i", "s": "t", "pid": 1, "tid": record.cpu.index(),
                    "name": record.event.name(), "ts": self.at(index),
                    "args": { "number": record.number, "a": format!("{:#x}", record.a),
                        "b": format!("{:#x}", record.b) } })
            })
            .collect()
    }

    fn flow(&self, number: usize, arrow: &Arrow) -> Vec<Value> {
        let Some(handler) = arrow.handler else {
            return Vec::new();
        };
        let enter = self.timeline.handlers()[handler].enter;
        let from = self.timeline.records()[arrow.ipi].cpu.index();
        let part = |phase: &str, tid: usize, index: usize| {
            json!({ "ph": phase, "cat": "ipi", "name": "interrupt", "id": number, "pid": 1,
                "tid": tid, "ts": self.at(index), "bp": "e" })
        };
        vec![
            part("s", from, arrow.ipi),
            part("f", arrow.target.index(), enter),
        ]
    }
}
