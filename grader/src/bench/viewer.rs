//! How fast the viewer draws: frames of a chart of many events, in Chromium, against those of one of few.

use std::fs;
use std::path::Path;

use chart::{Chart, of_evidence};
use evidence::{Key, Timeline, decode};
use serde_json::{Value, json};

use crate::browser::{Browser, Page, address};
use crate::machine::Machine;
use crate::say;
use crate::status::{Doing, Failure};
use crate::view::page::page;

/// Rounds of a storm that leave about 1,000 and about 100,000 events.
const ROUNDS: [u32; 2] = [6, 620];

/// What is done between two frames, by the name under which it is told.
const DOINGS: [(&str, &str); 5] = [
    (
        "step",
        "app.legible(); app.setAxis('order'); return () => app.step(1);",
    ),
    (
        "scroll",
        "app.legible(); return () => { view.top += 500; view.settle(); app.redraw(); };",
    ),
    ("everything", "app.enlarge(0); return () => app.step(1);"),
    (
        "a tenth",
        "app.enlarge(0); app.enlarge(10); return () => { view.top += 3; view.settle(); app.redraw(); };",
    ),
    ("time", "app.setAxis('time'); return () => app.step(1);"),
];

/// Takes so many frames, and sorts how long the page's script took for each, and how long each was.
const FRAMES: &str = "((prepare) => new Promise((done) => {
  const app = viewer; const { view } = app.panes[0]; app.go(app.panes[0], app.panes[0].model.count >> 1);
  const next = prepare(app, view); const script = []; const frames = []; let before = null;
  const draw = app.draw.bind(app); let took = 0;
  app.draw = () => { const begun = performance.now(); draw(); took = performance.now() - begun; };
  const frame = (now) => {
    if (before !== null) { frames.push(now - before); script.push(took); }
    before = now;
    if (frames.length === 100) { delete app.draw; done([script, frames].map((all) => all.sort((a, b) => a - b))); return; }
    next(); requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}))";

struct Row {
    doing: &'static str,
    events: usize,
    /// Times of the script and of frames in milliseconds, rising.
    script: Vec<f64>,
    frames: Vec<f64>,
}

/// What was measured.
pub(super) struct Measured(Vec<Row>);

/// Draws frames.
///
/// # Errors
/// If there is no Chromium, or the machine fails.
pub(super) fn measure(kit: &Path) -> Result<Measured, Failure> {
    let mut rows = Vec::new();
    for rounds in ROUNDS {
        let chart = storm(kit, rounds)?;
        let events = chart.events.cpu.len();
        say::dim(format_args!("drawing {events} events"));
        let folder = tempfile::tempdir()
            .map_err(|error| Failure::host(format!("making a folder: {error}")))?;
        let file = folder.path().join("page.html");
        fs::write(&file, page(&[&chart], None)).doing("writing", &file)?;
        let mut page = Browser::start()?.open(&address(&file)?, (1920, 1080), false)?;
        page.settle()?;
        for (doing, prepare) in DOINGS {
            rows.push(frames(&mut page, doing, prepare, events)?);
        }
    }
    Ok(Measured(rows))
}

fn storm(kit: &Path, rounds: u32) -> Result<Chart, Failure> {
    let folder =
        tempfile::tempdir().map_err(|error| Failure::host(format!("making a folder: {error}")))?;
    let file = folder.path().join("evidence");
    let key = Key::from_bytes([0; 16]);
    let machine = Machine::new(kit).deterministic().evidence(&file, key);
    machine.script(&format!("storm rounds={rounds}\n"))?;
    let evidence = decode(&fs::read(&file).doing("reading", &file)?, Some(&key));
    let timeline = Timeline::new(evidence.records.clone());
    Ok(of_evidence("a storm", &evidence, &timeline))
}

fn frames(
    page: &mut Page,
    doing: &'static str,
    prepare: &str,
    events: usize,
) -> Result<Row, Failure> {
    let told = page.evaluate(&format!("{FRAMES}((app, view) => {{ {prepare} }})"))?;
    let [script, frames]: [Vec<f64>; 2] = serde_json::from_value(told)
        .map_err(|error| Failure::host(format!("the times of frames: {error}")))?;
    Ok(Row {
        doing,
        events,
        script,
        frames,
    })
}

fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}

impl Measured {
    pub fn json(&self) -> Value {
        let rows = self.0.iter().map(|row| {
            json!({ "doing": row.doing, "events": row.events,
                "script_ms": { "median": percentile(&row.script, 50), "95": percentile(&row.script, 95) },
                "frame_ms": { "median": percentile(&row.frames, 50), "95": percentile(&row.frames, 95) } })
        });
        Value::Array(rows.collect())
    }

    pub fn print(&self) {
        println!(
            "\n{:<12} {:>8} {:>12} {:>8} {:>12} {:>8} {:>9}",
            "viewer", "events", "script, ms", "95 %", "frame, ms", "95 %", "script ×"
        );
        for row in &self.0 {
            let few = self.0.iter().find(|other| other.doing == row.doing);
            let few = few.map_or(1.0, |few| percentile(&few.script, 50));
            let script = percentile(&row.script, 50);
            println!(
                "{:<12} {:>8} {script:>12.1} {:>8.1} {:>12.1} {:>8.1} {:>9.1}",
                row.doing,
                row.events,
                percentile(&row.script, 95),
                percentile(&row.frames, 50),
                percentile(&row.frames, 95),
                script / few.max(0.1)
            );
        }
    }
}
