//! `kit view --live`: a machine that runs, followed by a page, with its serial console beside it.
//!
//! The page is served on a port of the loopback interface that the system chooses. Whoever can reach the
//! port still needs the token in the address, and a page of another origin gets nothing: neither by a
//! name that it has point here, as `Host` must be this address, nor by asking across, as `Origin` must be.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chart::{Chart, of_evidence};
use evidence::{Evidence, Key, Timeline, decode};
use serde_json::json;
use tiny_http::{Header, Method, Request, Response, Server};

use super::page;
use crate::command::Session;
use crate::evidence::{hex, new_key};
use crate::input::Source;
use crate::launch::Prepared;
use crate::output::Output;
use crate::run::{Outcome, RunArgs};
use crate::say;
use crate::setup::Policy;
use crate::signals::Signals;
use crate::status::{Failure, Status};
use crate::verdict::{Kind, judge};
use crate::watchdog::Goal;
use crate::wiring::{Ending, Wiring};
use crate::workspace::Workspace;

/// The most events that the page is shown: the latest.
const SHOWN: usize = 3000;
/// The longest line of the console, in bytes.
const LINE: u64 = 4096;
/// The console's columns.
const COLUMNS: u16 = 100;
/// How long a page may take to ask for how the machine ended.
const FAREWELL: Duration = Duration::from_secs(3);

/// Runs the machine and serves the page until it ends.
///
/// # Errors
/// As `kit run`, and [`Status::Host`] where no port can be opened.
pub fn follow(args: &RunArgs) -> Result<Outcome, Failure> {
    if args.print_command || args.gdb.is_some() {
        return Err(Failure::new(
            Status::Usage,
            "--live runs the machine: --print-command and --gdb are for `kit run`",
        ));
    }
    let host = |error: std::io::Error| Failure::host(format!("following the machine: {error}"));
    let folder = tempfile::tempdir().map_err(host)?;
    let mut options = args.machine.clone();
    let file = options
        .evidence
        .get_or_insert_with(|| folder.path().join("evidence"))
        .clone();
    let key = options.evidence_key.map_or_else(new_key, Ok)?;
    options.evidence_key = Some(key);
    // The kernel then writes its records out as soon as a CPU has time.
    options.words.push("followed".into());
    let workspace = Workspace::find()?;
    let prepared = Prepared::new(workspace, &options, args.kernel.as_deref(), Policy::Install)?;
    let initrd = prepared.initrd(None)?;
    let signals = Signals::take().map_err(host)?;

    let (typed, typing) = std::io::pipe().map_err(host)?;
    let (mut serial, out) = std::io::pipe().map_err(host)?;
    let seen = Arc::new(Seen::default());
    let reading = {
        let seen = Arc::clone(&seen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = serial.read(&mut buffer) {
                seen.lock().serial.extend_from_slice(&buffer[..count]);
            }
        })
    };
    let mut desk = Desk::open(file, key, typing, Arc::clone(&seen))?;
    say::line(format_args!(
        "open {} in a browser of this host",
        desk.url()
    ));
    say::line("Ctrl-C, or `quit` in the console, ends the machine");
    let serving = thread::spawn(move || desk.serve());

    let session = Session {
        columns: Some(COLUMNS),
        ..Session::default()
    };
    let wiring = Wiring {
        source: Source::Pipe,
        from: typed.as_fd(),
        output: Output::lines(out.as_fd(), args.quiet),
        terminal: None,
        signals: Some(&signals),
        goal: Goal::Prompt,
        patience: args
            .boot_timeout
            .map_or_else(|| options.patience(), Duration::from_secs),
        timeout: args.timeout.map(Duration::from_secs),
        most: None,
        files: Vec::new(),
        until_prompt: false,
    };
    let finished = prepared.boot(&options, session, initrd.path(), wiring);
    drop(out);
    let _ = reading.join();
    let over = |text: &str| seen.lock().over = Some((text.to_owned(), Instant::now()));
    let finished = match finished {
        Ok(finished) => finished,
        Err(failure) => {
            over("the machine did not start");
            return Err(failure);
        }
    };
    let by_hand = prepared.by_hand(&options, session, initrd.path())?;
    let judged = judge(&finished, Kind::Shell, &by_hand);
    match &judged {
        Ok(()) => over("the machine has ended"),
        Err(failure) => over(&failure.to_string()),
    }
    if let Ending::Signal(signal) = finished.ending {
        return Ok(Outcome::Signal(signal));
    }
    let _ = serving.join();
    judged.map(|()| Outcome::Done)
}

/// What the page is told.
#[derive(Default)]
struct Seen(Mutex<News>);

#[derive(Default)]
struct News {
    serial: Vec<u8>,
    over: Option<(String, Instant)>,
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, News> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who serves.
struct Desk {
    server: Server,
    address: SocketAddr,
    token: String,
    file: PathBuf,
    key: Key,
    typing: std::io::PipeWriter,
    seen: Arc<Seen>,
    /// The evidence as it was last, with its file's length.
    charted: (u64, Charted),
}

/// The latest events.
#[derive(Clone)]
struct Charted {
    chart: Chart,
    /// How many there are in all.
    events: usize,
}

type Answer = Response<std::io::Cursor<Vec<u8>>>;

impl Desk {
    fn open(
        file: PathBuf,
        key: Key,
        typing: std::io::PipeWriter,
        seen: Arc<Seen>,
    ) -> Result<Desk, Failure> {
        let no_port = |what: String| Failure::host(format!("opening a port of 127.0.0.1: {what}"));
        let server = Server::http("127.0.0.1:0").map_err(|error| no_port(error.to_string()))?;
        let address = server.server_addr().to_ip();
        let address = address.ok_or_else(|| no_port("it has no number".into()))?;
        Ok(Desk {
            server,
            address,
            token: hex(&new_key()?),
            file,
            key,
            typing,
            seen,
            charted: (0, charted(&decode(&[], Some(&key)))),
        })
    }

    fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// Answers until a page knows that the machine has ended, or none asks.
    fn serve(&mut self) {
        loop {
            if let Ok(Some(mut request)) = self.server.recv_timeout(Duration::from_millis(100)) {
                let (answer, last) = self.answer(&mut request);
                let _ = request.respond(answer);
                if last {
                    return;
                }
            }
            let over = self.seen.lock().over.as_ref().map(|(_, when)| *when);
            if over.is_some_and(|when| when.elapsed() > FAREWELL) {
                return;
            }
        }
    }

    /// The answer, and whether there is nothing more to tell.
    fn answer(&mut self, request: &mut Request) -> (Answer, bool) {
        if let Err((status, why)) = self.admit(request) {
            return (plain(status, why), false);
        }
        let path = request.url().to_owned();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let path = &path[self.token.len() + 1..];
        match (request.method(), path) {
            (Method::Get, "/") => {
                self.look();
                let chart = &self.charted.1.chart;
                let page = page::live(chart, &format!("/{}", self.token));
                let answer = with(Response::from_data(page), "text/html; charset=utf-8");
                (answer, false)
            }
            (Method::Get, "/news") => self.news(query),
            (Method::Post, "/type") => (self.type_in(request), false),
            _ => (plain(404, "there is no such page"), false),
        }
    }

    /// Whether the request may be answered; else a status, and what was expected.
    fn admit(&self, request: &Request) -> Result<(), (u16, &'static str)> {
        let header = |name: &'static str| {
            let mut headers = request.headers().iter();
            let found = headers.find(|header| header.field.equiv(name));
            found.map(|header| header.value.as_str())
        };
        let host = self.address.to_string();
        if header("Host") != Some(&host) {
            return Err((403, "the address must be the one that kit printed"));
        }
        let origin = header("Origin");
        let ours = format!("http://{host}");
        let needed = *request.method() != Method::Get;
        if origin.map_or(needed, |origin| origin != ours) {
            return Err((403, "only the page that kit serves may ask"));
        }
        let path = request.url().strip_prefix('/').unwrap_or_default();
        let given = path.split('/').next().unwrap_or_default();
        if !same(given, &self.token) || path.len() == given.len() {
            return Err((403, "the token is not the one that kit printed"));
        }
        Ok(())
    }

    /// Reads the evidence, if there is more of it.
    fn look(&mut self) {
        let length = fs::metadata(&self.file).map_or(0, |file| file.len());
        if length == self.charted.0 {
            return;
        }
        if let Ok(bytes) = fs::read(&self.file) {
            let evidence = decode(&bytes, Some(&self.key));
            self.charted = (bytes.len() as u64, charted(&evidence));
        }
    }

    fn news(&mut self, query: &str) -> (Answer, bool) {
        let number = |name: &str| {
            let mut words = query.split('&').filter_map(|word| word.split_once('='));
            let value = words.find(|(found, _)| *found == name)?.1;
            value.parse::<usize>().ok()
        };
        let over = {
            let seen = self.seen.lock();
            seen.over.as_ref().map(|(text, _)| text.clone())
        };
        self.look();
        let Charted { chart, events } = &self.charted.1;
        let known = number("events");
        let chart = (known != Some(*events)).then_some(chart);
        let first = events - chart.map_or(0, |chart| chart.events.cpu.len());
        let seen = self.seen.lock();
        let read = number("read").unwrap_or(0).min(seen.serial.len());
        let fresh = &seen.serial[read..];
        // A character that has not come whole waits.
        let whole = match std::str::from_utf8(fresh) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => fresh.len(),
        };
        let last = over.is_some();
        let news = json!({
            "serial": String::from_utf8_lossy(&fresh[..whole]), "read": read + whole,
            "events": events, "first": first, "chart": chart, "over": over,
        });
        let answer = Response::from_string(news.to_string());
        (with(answer, "application/json"), last)
    }

    fn type_in(&mut self, request: &mut Request) -> Answer {
        let mut line = Vec::new();
        let read = request.as_reader().take(LINE + 1).read_to_end(&mut line);
        if read.is_err() || line.len() as u64 > LINE {
            return plain(413, "a line of at most 4096 bytes was expected");
        }
        match self.typing.write_all(&line) {
            Ok(()) => plain(200, ""),
            Err(_) => plain(410, "the machine has ended"),
        }
    }
}

fn charted(evidence: &Evidence) -> Charted {
    let timeline = Timeline::new(evidence.records.clone());
    let mut chart = of_evidence("the running machine", evidence, &timeline);
    // What the machine has not written yet is not missing.
    chart.facts.retain(|(name, _)| name != "evidence");
    Charted {
        events: chart.events.cpu.len(),
        chart: chart.around(&[], SHOWN),
    }
}

/// Whether the token is the right one; how long that takes does not tell how much of it is.
fn same(given: &str, right: &str) -> bool {
    let differing = given.bytes().zip(right.bytes()).map(|(a, b)| a ^ b);
    given.len() == right.len() && differing.fold(0, |all, bits| all | bits) == 0
}

fn plain(status: u16, text: &str) -> Answer {
    let answer = Response::from_string(text).with_status_code(status);
    with(answer, "text/plain; charset=utf-8")
}

/// With what every answer says of itself.
fn with(answer: Answer, kind: &str) -> Answer {
    let headers = [
        ("Content-Type", kind),
        ("Content-Security-Policy", page::LIVE_POLICY),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ];
    let headers = headers
        .iter()
        .filter_map(|(name, value)| Header::from_bytes(*name, *value).ok());
    headers.fold(answer, Response::with_header)
}
