//! `kit view --live`, in Chromium: the page follows the machine, and nobody else's page does.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use common::KIT;
use grader::browser::{Browser, Page};

/// A machine that is served.
struct Live {
    kit: Child,
    said: BufReader<ChildStderr>,
    /// `127.0.0.1:PORT`.
    host: String,
    token: String,
}

impl Live {
    fn start() -> Self {
        let mut kit = Command::new(KIT)
            .args(["view", "--live", "--deterministic"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(kit.stderr.take().unwrap());
        let mut all = String::new();
        let (host, token) = loop {
            let before = all.len();
            assert_ne!(said.read_line(&mut all).unwrap(), 0, "{all}");
            let line = &all[before..];
            if let Some((_, url)) = line.split_once("open http://") {
                let (host, rest) = url.split_once('/').unwrap();
                let (token, _) = rest.split_once('/').unwrap();
                break (host.to_owned(), token.to_owned());
            }
        };
        Self {
            kit,
            said,
            host,
            token,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/{}/", self.host, self.token)
    }

    /// The status of a request with these lines in its head.
    fn status(&self, first: &str, headers: &[String]) -> u16 {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        let head = headers
            .iter()
            .fold(String::new(), |all, it| all + it + "\r\n");
        write!(
            stream,
            "{first} HTTP/1.1\r\n{head}Connection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default();
        status.parse().unwrap_or_else(|_| panic!("{answer}"))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.kit.kill();
        let _ = self.kit.wait();
    }
}

fn send(page: &mut Page, line: &str) {
    page.evaluate("document.getElementById('line').focus()")
        .unwrap();
    page.type_in(line).unwrap();
    page.press("Enter").unwrap();
}

fn count(page: &mut Page) -> u64 {
    page.evaluate("viewer.pane.model.count")
        .unwrap()
        .as_u64()
        .unwrap()
}

#[test]
fn a_page_that_does_not_follow_the_machine() {
    let mut live = Live::start();
    let mut page = Browser::start()
        .unwrap()
        .open(&live.url(), (1400, 900), false)
        .unwrap();
    let prompts = |number: usize| {
        format!("document.getElementById('serial').textContent.split('tlb> ').length > {number}")
    };
    page.wait(&prompts(1)).unwrap();
    send(&mut page, "map 0x400000");
    page.wait(&prompts(2)).unwrap();
    send(&mut page, "read 0x400000 on others");
    page.wait(&prompts(3)).unwrap();
    let before = count(&mut page);
    send(&mut page, "remap 0x400000");
    page.wait(&prompts(4)).unwrap();
    page.wait("viewer.pane.model.chart.shootdowns.some((it) => it.end != null)")
        .unwrap();
    assert!(count(&mut page) > before + 20);
    let last = "viewer.pane.view.cursor === viewer.pane.model.count - 1";
    assert_eq!(page.evaluate(last).unwrap(), true);
    let serial = page
        .evaluate("document.getElementById('serial').textContent")
        .unwrap();
    assert!(
        serial.as_str().unwrap().contains("shot down on  1-3"),
        "{serial}"
    );
    // Who looks at an event goes on looking at it.
    page.evaluate("viewer.go(viewer.pane, 5)").unwrap();
    let seen = "(({ view, model }) => `${model.nameOf(view.cursor)} ${model.time[view.cursor]}`)(viewer.pane)";
    let looked = page.evaluate(seen).unwrap();
    let before = count(&mut page);
    send(&mut page, "remap 0x400000");
    page.wait(&format!("viewer.pane.model.count > {}", before + 20))
        .unwrap();
    assert_eq!(page.evaluate(seen).unwrap(), looked);
    // The keyboard stays in the console, whose keys are letters there.
    let focused = page.evaluate("document.activeElement.id").unwrap();
    assert_eq!(focused, "line");
    page.press("ArrowUp").unwrap();
    let again = page
        .evaluate("document.getElementById('line').value")
        .unwrap();
    assert_eq!(again, "remap 0x400000");
    assert_eq!(page.complaints(), Vec::<String>::new());
    let strange = page
        .asked()
        .into_iter()
        .find(|url| !url.starts_with(&live.url()[..live.url().len() - 1]));
    assert_eq!(strange, None);
    page.evaluate("document.getElementById('line').value = ''")
        .unwrap();
    send(&mut page, "quit");
    page.wait("document.getElementById('serial').textContent.includes('[the machine has ended]')")
        .unwrap();
    assert_eq!(live.kit.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    live.said.read_to_string(&mut rest).unwrap();
    assert!(
        !rest.contains("error") && !rest.contains("panicked"),
        "{rest}"
    );
}

#[test]
fn a_page_that_answers_whoever_asks() {
    let live = Live::start();
    let host = format!("Host: {}", live.host);
    let path = format!("/{}", live.token);
    let wrong = format!("/{}", "0".repeat(live.token.len()));
    let origin = |origin: &str| format!("Origin: {origin}");
    let ours = origin(&format!("http://{}", live.host));
    let length = "Content-Length: 0".to_owned();
    let get = |path: &str, headers: &[String]| live.status(&format!("GET {path}"), headers);
    assert_eq!(get(&format!("{path}/"), std::slice::from_ref(&host)), 200);
    assert_eq!(
        get(
            &format!("{path}/news?read=0"),
            &[host.clone(), ours.clone()]
        ),
        200
    );
    // Without the token, or with another.
    for other in [
        "/",
        "/news",
        &wrong,
        &format!("{wrong}/"),
        &format!("{wrong}/news"),
        &path,
        &path[..9],
    ] {
        assert_eq!(get(other, std::slice::from_ref(&host)), 403, "{other}");
    }
    // By a name that somebody has point here.
    let port = live.host.split(':').nth(1).unwrap();
    for name in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("localhost:{port}"),
    ] {
        let named = format!("Host: {name}");
        assert_eq!(
            get(&format!("{path}/"), std::slice::from_ref(&named)),
            403,
            "{name}"
        );
    }
    // From another's page, or from none.
    for other in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(
            get(&format!("{path}/news"), &[host.clone(), origin(other)]),
            403,
            "{other}"
        );
    }
    let post = |headers: &[String]| live.status(&format!("POST {path}/type"), headers);
    assert_eq!(post(&[host.clone(), length.clone()]), 403);
    assert_eq!(
        post(&[host.clone(), length.clone(), origin("http://evil.example")]),
        403
    );
    assert_eq!(post(&[host.clone(), length, ours.clone()]), 200);
    let long = [host.clone(), ours, "Content-Length: 5000".to_owned()];
    let mut stream = TcpStream::connect(&live.host).unwrap();
    let body = "x".repeat(5000);
    write!(
        stream,
        "POST {path}/type HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n{body}",
        long.join("\r\n")
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(live.status(&format!("GET {path}/other"), &[host]), 404);
    // Nobody on another interface.
    let port: u16 = port.parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err());
}
