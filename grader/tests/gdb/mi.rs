//! gdb through its machine interface, as editors drive it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::common::KIT;

struct Mi {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Drop for Mi {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Mi {
    fn start() -> Mi {
        let mut child = Command::new(KIT)
            .args(["gdb", "--", "-nx", "--interpreter=mi3"])
            .args(["-iex", "set mi-async on"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        Mi {
            child,
            input,
            lines,
            seen: vec![],
        }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// The next line with all of `words`.
    #[track_caller]
    fn expect(&mut self, words: &[&str]) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(Duration::from_secs(90)) else {
                panic!("no line with {words:?} in\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
        }
    }
}

#[test]
fn an_editor_that_loses_the_thread_or_ctrl_c() {
    let mut mi = Mi::start();
    mi.expect(&["*stopped"]);
    mi.send("-thread-info");
    let threads = mi.expect(&["^done,threads="]);
    assert!(threads.contains("CPU 3: idle 3"), "{threads}");
    mi.send("-interpreter-exec console \"monitor storm rounds=100000000\"");
    mi.send("-interpreter-exec console \"shootdown break publish 1\"");
    mi.expect(&["breakpoint 1 at publish"]);
    mi.send("-exec-continue");
    let first = mi.expect(&["*stopped", "breakpoint-hit"]);
    mi.send("-exec-step-instruction");
    let stepped = mi.expect(&["*stopped", "end-stepping-range"]);
    let thread = |line: &str| {
        line.split("thread-id=")
            .nth(1)
            .map(|rest| rest[..4].to_owned())
    };
    assert_eq!(thread(&first), thread(&stepped));
    mi.send("-break-delete 1");
    mi.send("-exec-continue");
    mi.expect(&["*running"]);
    mi.send("-exec-interrupt");
    mi.expect(&["*stopped", "SIGINT"]);
    mi.send("-target-detach");
    mi.expect(&["^done"]);
    mi.send("-gdb-exit");
    assert!(mi.child.wait().unwrap().success());
}
