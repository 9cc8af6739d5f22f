//! A headless Chromium, over the DevTools protocol: for tests and measurements of the viewer.
//!
//! The protocol's messages go through two pipes, each message ended by a zero byte, so that no port is
//! opened. Every wait has a deadline.
//!
//! Source: "Chrome DevTools Protocol", chromedevtools.github.io/devtools-protocol; `--remote-debugging-pipe`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::setup::{self, Policy};
use crate::status::{Doing, Failure};
use crate::workspace::Workspace;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium reads the protocol from descriptor 3 and writes it to 4.
const PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null";

/// What keeps it from asking the network for anything, and from waiting for devices that are not there.
const ARGUMENTS: &[&str] = &[
    "--remote-debugging-pipe",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--hide-scrollbars",
];

/// A browser that runs.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    last: u64,
    /// What it told that nobody had asked for.
    told: Vec<Value>,
    profile: TempDir,
}

/// One of its pages.
#[derive(Debug)]
pub struct Page {
    browser: Browser,
    session: String,
}

fn failure(what: impl std::fmt::Display) -> Failure {
    Failure::host(format!("Chromium: {what}"))
}

impl Browser {
    /// Starts the one in `PATH`, which is installed first where there is none.
    ///
    /// # Errors
    /// [`crate::status::Status::Missing`] where there is none.
    pub fn start() -> Result<Self, Failure> {
        let program = setup::chromium(&Workspace::find()?, Policy::Install)?;
        let profile = tempfile::tempdir()
            .map_err(|error| failure(format_args!("making its folder: {error}")))?;
        let path = profile.path().join("said");
        let log = fs::File::create(&path).doing("writing", &path)?;
        let mut folder = std::ffi::OsString::from("--user-data-dir=");
        folder.push(profile.path());
        let mut child = Command::new("sh")
            .args(["-c", PIPES])
            .arg(program)
            .args(ARGUMENTS)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| failure(format_args!("starting it: {error}")))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| failure("it has no pipes"))?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(from).split(0).map_while(Result::ok) {
                let value = serde_json::from_slice(&message).unwrap_or(Value::Null);
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            to,
            from: receiver,
            last: 0,
            told: Vec::new(),
            profile,
        })
    }

    fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, Failure> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let sent = write!(self.to, "{message}\0").and_then(|()| self.to.flush());
        sent.map_err(|error| failure(format_args!("{method}: {error}\n{}", self.said())))?;
        loop {
            let answer = self.from.recv_timeout(PATIENCE);
            let mut answer = answer
                .map_err(|error| failure(format_args!("{method}: {error}\n{}", self.said())))?;
            if answer["id"] != self.last {
                self.told.push(answer);
                continue;
            }
            return match answer.get("error") {
                Some(error) => Err(failure(format_args!("{method}: {error}"))),
                None => Ok(answer["result"].take()),
            };
        }
    }

    /// The end of what it wrote to standard error.
    fn said(&self) -> String {
        let text = fs::read(self.profile.path().join("said")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        last.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Opens `address` in a window of that size, and waits until it is loaded. `dark` is the colour scheme
    /// that the page is told is preferred.
    ///
    /// # Errors
    /// What the browser says.
    pub fn open(mut self, address: &str, size: (u32, u32), dark: bool) -> Result<Page, Failure> {
        let made = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }))?;
        let target = json!({ "targetId": made["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", target)?;
        let session = attached["sessionId"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut page = Page {
            browser: self,
            session,
        };
        for domain in ["Page", "Runtime", "Network", "Accessibility", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}))?;
        }
        page.go(address, size, dark)?;
        Ok(page)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Page {
    /// Calls a method of the protocol.
    ///
    /// # Errors
    /// What the browser answers.
    pub fn call(&mut self, method: &str, parameters: Value) -> Result<Value, Failure> {
        self.browser.call(Some(&self.session), method, parameters)
    }

    /// Shows `address` instead, as [`Browser::open`] does, and forgets what was told of the one before.
    ///
    /// # Errors
    /// What the browser says.
    pub fn go(&mut self, address: &str, size: (u32, u32), dark: bool) -> Result<(), Failure> {
        // Not from page to page by their fragments alone, which would load nothing.
        self.call("Page.navigate", json!({ "url": "about:blank" }))?;
        self.wait("location.href === 'about:blank' && document.readyState === 'complete'")?;
        self.size(size.0, size.1)?;
        self.scheme(dark)?;
        self.browser.told.clear();
        self.call("Page.navigate", json!({ "url": address }))?;
        self.wait("location.href !== 'about:blank' && document.readyState === 'complete'")
    }

    /// Makes the page that large.
    ///
    /// # Errors
    /// What the browser says.
    pub fn size(&mut self, width: u32, height: u32) -> Result<(), Failure> {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics)
            .map(drop)
    }

    /// Tells the page which colour scheme is preferred.
    ///
    /// # Errors
    /// What the browser says.
    pub fn scheme(&mut self, dark: bool) -> Result<(), Failure> {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.call("Emulation.setEmulatedMedia", features).map(drop)
    }

    /// The value of an expression of the page's script; a promise's, once it is kept.
    ///
    /// # Errors
    /// What it throws.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value, Failure> {
        let asked =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call("Runtime.evaluate", asked)?;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(failure(format_args!("{expression}: {thrown}"))),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// That it is not, for a minute.
    pub fn wait(&mut self, expression: &str) -> Result<(), Failure> {
        for _ in 0..PATIENCE.as_millis() / 20 {
            if self.evaluate(expression)? == Value::Bool(true) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(failure(format_args!("waited in vain for {expression}")))
    }

    /// Waits until the page has drawn what it was told last.
    ///
    /// # Errors
    /// What the browser says.
    pub fn settle(&mut self) -> Result<(), Failure> {
        let frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))";
        self.evaluate(frames).map(drop)
    }

    /// Presses and releases a key, named as `KeyboardEvent.key` names it.
    ///
    /// # Errors
    /// What the browser says.
    pub fn press(&mut self, key: &str) -> Result<(), Failure> {
        let text = (key.chars().count() == 1).then_some(key);
        let text = text.or((key == "Enter").then_some("\r"));
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            _ => 0,
        };
        let down = json!({ "type": if text.is_some() { "keyDown" } else { "rawKeyDown" }, "key": key, "text": text,
            "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", without_null(down))?;
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up).map(drop)
    }

    /// Types a text into what has the keyboard.
    ///
    /// # Errors
    /// What the browser says.
    pub fn type_in(&mut self, text: &str) -> Result<(), Failure> {
        self.call("Input.insertText", json!({ "text": text }))
            .map(drop)
    }

    /// A picture of the page, as PNG in base 64.
    ///
    /// # Errors
    /// What the browser says.
    pub fn picture(&mut self) -> Result<String, Failure> {
        self.settle()?;
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }))?;
        Ok(shot["data"].as_str().unwrap_or_default().to_owned())
    }

    /// The addresses that the page asked for, its own among them.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let told = self.told("Network.requestWillBeSent");
        let address = |event: &Value| event["request"]["url"].as_str().map(str::to_owned);
        told.filter_map(address).collect()
    }

    /// What went wrong in the page's scripts, or was refused by its policy.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let thrown = self.told("Runtime.exceptionThrown").map(Value::to_string);
        let logged = self.told("Log.entryAdded");
        let logged = logged.filter(|entry| entry["entry"]["level"] == "error");
        thrown.chain(logged.map(Value::to_string)).collect()
    }

    fn told(&self, method: &str) -> impl Iterator<Item = &Value> {
        let told = self.browser.told.iter();
        told.filter(move |event| event["method"] == method)
            .map(|event| &event["params"])
    }
}

fn without_null(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    value
}

/// The address of a file.
///
/// # Errors
/// If it is not there.
pub fn address(file: &Path) -> Result<String, Failure> {
    let path = file.canonicalize().doing("finding", file)?;
    // What stands for something in an address is written by its number.
    let encoded = |byte: &u8| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let bytes = path.as_os_str().as_encoded_bytes();
    Ok(format!(
        "file://{}",
        bytes.iter().map(encoded).collect::<String>()
    ))
}
