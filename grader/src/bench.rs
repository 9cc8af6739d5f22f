//! `kit bench`: what the kernel measures on itself for several CPU counts, how fast machines start, what
//! KVM's hypercall costs, how fast gdb's questions are answered, how fast the explorer is, how fast the viewer draws, and what grading takes.
//!
//! Instructions are counted, so a guest number is the same on every host. Times of the host are only
//! comparable within one run, so each is printed as a ratio to the first.

mod explorer;
mod gdb;
mod grading;
pub mod transports;
mod viewer;

use std::collections::BTreeMap;
use std::env;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::machine::Machine;
use crate::options::Board;
use crate::say;
use crate::status::{Failure, Status};

/// CPU counts the kernel's own benchmarks run with.
const CPUS: [u32; 3] = [2, 4, 8];
/// Machines whose start is timed; the first is what the others are compared with.
const BOARDS: [(&str, Board); 3] = [
    ("q35", Board::Q35),
    ("microvm", Board::Microvm),
    ("pc", Board::Pc),
];
/// Time for one CPU count: instructions are counted, so this only guards against hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// Arguments of `kit bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,

    /// Time each machine's start so many times, and take the median
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub starts: u32,

    /// Grade so many different copies of a solution, as a batch
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub copies: u32,

    /// Grade one solution so often, and compare the reports
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub repeats: u32,

    /// Measure only this
    #[arg(long, value_name = "WHAT", value_enum)]
    pub only: Option<What>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// How fast machines start
    Start,
    /// What the kernel measures on itself
    Guest,
    /// What sending by KVM's hypercall costs against the local APIC, where this host's KVM takes it
    Transports,
    /// How fast gdb's questions are answered
    Gdb,
    /// How many states a second the explorer looks at
    Explorer,
    /// How fast the viewer draws, in Chromium
    Viewer,
    /// What grading takes: each lab, and a batch
    Grading,
    /// Whether a solution that is graded again and again has the same report each time
    Repeat,
}

/// Measures and prints.
///
/// # Errors
/// What the machines fail with; a benchmark that failed in the kernel has its status.
pub fn bench(args: &BenchArgs) -> Result<(), Failure> {
    let kit = env::current_exe()
        .map_err(|error| Failure::host(format!("finding kit itself: {error}")))?;
    let machine = Machine::new(&kit).timeout(LIMIT);
    let asked = |what| args.only.is_none_or(|only| only == what);
    let start = match asked(What::Start) {
        true => starts(&machine, args.starts)?,
        false => Vec::new(),
    };
    let guest = asked(What::Guest).then(|| guests(&machine)).transpose()?;
    let transports = asked(What::Transports)
        .then(|| transports::measure(&machine))
        .transpose()?;
    let stub = asked(What::Gdb).then(|| gdb::measure(&kit)).transpose()?;
    let explorer = asked(What::Explorer).then(explorer::measure);
    let viewer = asked(What::Viewer)
        .then(|| viewer::measure(&kit))
        .transpose()?;
    let grading = asked(What::Grading)
        .then(|| grading::measure(&kit, args.copies))
        .transpose()?;
    let repeated = asked(What::Repeat)
        .then(|| grading::repeat(&kit, args.repeats))
        .transpose()?;
    if args.json {
        let guest = guest.map(|guest| {
            let columns = guest.into_iter();
            columns
                .map(|(cpus, value)| (cpus.to_string(), value))
                .collect::<Map<String, Value>>()
        });
        let stub = stub.map(|stub| stub.json());
        let start = start_object(&start);
        println!(
            "{}",
            json!({ "start_to_prompt": start, "guest": guest,
                "transports": transports.map(|transports| transports.json()), "gdb": stub,
                "explorer": explorer.map(|explorer| explorer.json()),
                "viewer": viewer.map(|viewer| viewer.json()),
                "grading": grading.map(|grading| grading.json()),
                "equal_reports": repeated })
        );
        return Ok(());
    }
    if !start.is_empty() {
        print_starts(&start);
    }
    if let Some(guest) = &guest {
        print_guests(guest);
    }
    if let Some(transports) = &transports {
        transports.print();
    }
    if let Some(stub) = &stub {
        stub.print();
    }
    if let Some(explorer) = &explorer {
        explorer.print();
    }
    if let Some(viewer) = &viewer {
        viewer.print();
    }
    if let Some(grading) = &grading {
        grading.print();
    }
    if let Some(repeated) = repeated {
        println!("\none solution, graded {repeated} times: all reports are equal");
    }
    Ok(())
}

/// The kernel's answer for each CPU count.
fn guests(machine: &Machine) -> Result<BTreeMap<u32, Value>, Failure> {
    let mut answers = BTreeMap::new();
    for cpus in CPUS {
        say::dim(format_args!(
            "running the kernel's benchmarks with {cpus} CPUs"
        ));
        let outcome = machine
            .clone()
            .cpus(cpus)
            .deterministic()
            .script("bench --json\n")?;
        if outcome.status != Status::Success {
            return Err(Failure::new(outcome.status, outcome.complaint).advise(outcome.transcript));
        }
        let answer = outcome.json().pop();
        let answer =
            answer.ok_or_else(|| Failure::host("the kernel's bench printed no JSON object"))?;
        answers.insert(cpus, answer);
    }
    Ok(answers)
}

/// The median time from the start of QEMU to the prompt, for each machine.
fn starts(machine: &Machine, count: u32) -> Result<Vec<(&'static str, Duration)>, Failure> {
    let mut medians = Vec::new();
    for (name, board) in BOARDS {
        say::dim(format_args!("starting {name} {count} times"));
        let machine = machine.clone().board(board);
        let mut times = (0..count)
            .map(|_| machine.boot_time())
            .collect::<Result<Vec<_>, _>>()?;
        times.sort();
        medians.push((name, times[times.len() / 2]));
    }
    Ok(medians)
}

fn ratio(time: Duration, first: Duration) -> f64 {
    time.as_secs_f64() / first.as_secs_f64()
}

fn start_object(start: &[(&'static str, Duration)]) -> Value {
    let rows = start.iter().map(|(name, time)| {
        let ratio = ratio(*time, start[0].1);
        (
            (*name).to_owned(),
            json!({ "seconds": time.as_secs_f64(), "ratio": ratio }),
        )
    });
    Value::Object(rows.collect())
}

fn print_starts(start: &[(&'static str, Duration)]) {
    println!("start of QEMU to the prompt, 4 CPUs (median)");
    for (name, time) in start {
        println!(
            "  {name:<10} {:>7.3} s   {:>5.2} x {}",
            time.as_secs_f64(),
            ratio(*time, start[0].1),
            start[0].0
        );
    }
}

/// Every number the kernel answered with, a column for each CPU count.
fn print_guests(guest: &BTreeMap<u32, Value>) {
    let mut rows: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
    for (cpus, answer) in guest {
        let mut numbers = Vec::new();
        flatten("", answer, &mut numbers);
        for (name, number) in numbers {
            rows.entry(name).or_default().insert(*cpus, number);
        }
    }
    let width = rows.keys().map(String::len).max().unwrap_or(0);
    print!(
        "\nthe kernel's benchmarks, instructions counted\n  {:width$}",
        "CPUs"
    );
    guest.keys().for_each(|cpus| print!(" {cpus:>12}"));
    println!();
    for (name, columns) in rows {
        print!("  {name:width$}");
        guest
            .keys()
            .for_each(|cpus| print!(" {:>12}", columns.get(cpus).map_or("-", String::as_str)));
        println!();
    }
}

/// The numbers in a JSON value, each with its path.
fn flatten(path: &str, value: &Value, numbers: &mut Vec<(String, String)>) {
    let child = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Number(number) => numbers.push((path.to_owned(), number.to_string())),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, field)| flatten(&child(name), field, numbers)),
        // A list of plain values names its row: see `row_name`.
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {}
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = row_name(item).unwrap_or_else(|| index.to_string());
                flatten(&child(&name), item, numbers);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// What tells a row of a table from its neighbours: its words, and how long its lists are.
fn row_name(row: &Value) -> Option<String> {
    let word = |(key, field): (&String, &Value)| match field {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(format!("{} {key}", items.len())),
        _ => None,
    };
    let words: Vec<String> = row.as_object()?.iter().filter_map(word).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lost_in_a_nested_answer() {
        let mut numbers = Vec::new();
        let answer = json!({ "a": { "b": 1 }, "rows": [{ "name": "ipi", "targets": [1, 2], "ratio": 1.25 }], "ok": true });
        flatten("", &answer, &mut numbers);
        let expected = [("a.b", "1"), ("rows.ipi, 2 targets.ratio", "1.25")];
        assert_eq!(
            numbers,
            expected.map(|(name, number)| (name.to_owned(), number.to_owned()))
        );
    }
}
