//! The books: every command in them is executed by a test, and they can be searched.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{KIT, succeed};
use grader::book;
use grader::browser::{Browser, address};
use grader::labs::WORK;
use grader::machine::Machine;
use grader::slides::{self, mark};
use press::book::Chapter;
use press::markdown;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The chapters of both books, the decks as they are, and the invariants.
fn chapters() -> Vec<Chapter> {
    let root = root();
    let mut chapters = book::all_chapters(&root).unwrap();
    for source in slides::sources(&root).unwrap() {
        chapters.push(Chapter {
            markdown: fs::read_to_string(&source).unwrap(),
            source: source.strip_prefix(&root).unwrap().display().to_string(),
            id: String::new(),
            part: String::new(),
            title: String::new(),
        });
    }
    chapters
}

/// Code of a chapter without what its marks make, which is run where it is made; each with its language, if it
/// stands in a block.
fn code(chapter: &Chapter) -> Vec<(Option<String>, String)> {
    let mut text = chapter.markdown.clone();
    for mark in mark::marks(&text).unwrap_or_default().iter().rev() {
        text.replace_range(mark.body.clone(), "");
    }
    markdown::code(&text)
}

/// Whether a word stands for what the reader puts in its place.
fn has_placeholder(command: &str) -> bool {
    let placeholder = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let name = bare.len() > 1 && bare.chars().all(|c| c.is_ascii_uppercase());
        name || bare == "N" || word.contains('…')
    };
    command.split_whitespace().any(placeholder)
}

/// The shell's commands, from its reference: each with its examples.
fn reference() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("shell/REFERENCE.md")).unwrap();
    let commands = text.split("\n## Scripts").next().unwrap();
    let part = |part: &str| {
        let name = part.split('`').nth(1).unwrap().to_owned();
        let blocks: Vec<&str> = part.split("```").skip(1).step_by(2).collect();
        // The first block is the usage, the last the examples, if there are any.
        let examples = blocks.get(1..).and_then(<[_]>::last);
        let lines = examples.map_or(vec![], |block| block.trim().lines().collect());
        (name, lines.into_iter().map(str::to_owned).collect())
    };
    commands.split("\n### ").skip(1).map(part).collect()
}

/// Commands of the shell that end the machine, need a terminal or take long: the tests that execute them.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("reboot", "machine.rs", "a_script_that_reboots_for_ever"),
    (
        "quit",
        "machine.rs",
        "leaving_the_shell_with_the_wrong_status",
    ),
    (
        "crash null",
        "crash.rs",
        "a_page_fault_without_cpu_cause_registers_or_callers",
    ),
    (
        "crash stack",
        "crash.rs",
        "a_stack_that_overruns_in_silence",
    ),
    (
        "watch",
        "see.rs",
        "a_view_that_shows_nothing_without_a_terminal",
    ),
    (
        "selftest",
        "selftest.rs",
        "four_cpus_that_fail_their_own_tests",
    ),
    (
        "tour",
        "selftest.rs",
        "a_tour_that_does_not_show_the_stale_read",
    ),
    // There is nothing to tear in x2APIC mode, in which this test's machine is.
    (
        "fault send torn",
        "machines.rs",
        "a_fault_whose_verdict_depends_on_the_emulator",
    ),
    (
        "fault activate interrupts-on",
        "faults.rs",
        "a_harmless_fault_that_harms",
    ),
    (
        "bench",
        "slides.rs",
        "a_document_that_shows_what_no_machine_prints",
    ),
];

/// Fails unless the test is there.
fn is_there(file: &str, test: &str) {
    let path = root().join("grader/tests").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let found = text.contains(&format!("#[test]\nfn {test}()"));
    assert!(found, "{file} has no test {test}");
}

/// What a command needs before it, and what undoes it.
fn around(command: &str) -> (Vec<&'static str>, Vec<&'static str>) {
    const PARKED: [&str; 2] = ["break acknowledge cpu 1-2 2*", "remap 0x400000"];
    let name = command.split(' ').next().unwrap();
    let says = |word: &str| command.split(' ').any(|other| other == word);
    let mut before = match name {
        "map" => vec![],
        _ => vec!["map 0x400000 16", "read 0x400000 on all"],
    };
    let mut after = vec![];
    match name {
        "fault" if says("clear") => before.push("fault acknowledge delay 1us"),
        "fault" if says("list") || says("actions") || command == "fault" => {}
        "fault" => after.push("fault clear"),
        "break" if says("clear") || command == "break" => before.push("break wait cpu 1"),
        "break" => after.push("break clear"),
        "stop" => after.push("resume"),
        "resume" => before.push("stop 2"),
        "step" => {
            before.extend(PARKED);
            after.extend(["break clear", "continue"]);
        }
        "continue" => {
            before.extend(PARKED);
            after.push("break clear");
        }
        "trace" => {
            before.extend(["trace on", "remap 0x400000"]);
            after.push("trace off");
        }
        // Its initiator is parked, so that the shell goes on while the interrupts are on their way.
        "deliver" => {
            before.extend([
                "watchdog after 1ms resend",
                "fault send hold cpu 3 1*",
                "break wait cpu 3 1*",
                "remap from 3 0x400000",
            ]);
            after.extend(["fault clear", "continue", "watchdog after 500ms give-up"]);
        }
        "witness" if says("start") => after.push("witness stop"),
        "witness" => {
            before.push("witness start 0x400000");
            if !says("stop") {
                after.push("witness stop");
            }
        }
        "watchdog" => after.push("watchdog after 500ms give-up"),
        "proto" => after.push("proto scoreboard unpadded broadcast"),
        _ => {}
    }
    (before, after)
}

#[test]
fn a_shell_command_of_a_book_that_the_shell_refuses() {
    let reference = reference();
    assert!(reference.len() > 40, "{reference:?}");
    let mut commands: BTreeSet<String> = reference.values().flatten().cloned().collect();
    for chapter in chapters() {
        for (language, text) in code(&chapter) {
            let name = text.split_whitespace().next().unwrap_or("");
            // The seam's chapter has Rust between its backquotes; the reference's commands are its examples.
            let prose = !chapter.source.ends_with(".rs") && chapter.source != "shell/REFERENCE.md";
            let shell = reference.contains_key(name) && language.is_none() && prose;
            if !shell || has_placeholder(&text) {
                continue;
            }
            // A command's bare name stands for the command: that there is one, help knows.
            let bare = text == name;
            commands.insert(if bare { format!("help {name}") } else { text });
        }
    }
    assert!(
        commands.contains("break activate cpu 1"),
        "lab 6: {commands:?}"
    );
    let mut script = String::new();
    for command in &commands {
        let elsewhere = ELSEWHERE
            .iter()
            .find(|(start, ..)| command.starts_with(start));
        if let Some((_, file, test)) = elsewhere {
            is_there(file, test);
        } else if command != LAST {
            let (before, after) = around(command);
            script.push_str("space new\nlet s = last.space\n");
            for line in before.iter().chain([&command.as_str()]).chain(&after) {
                let _ = writeln!(script, "{line}");
            }
            script.push_str("space drop $s\n");
        }
    }
    let _ = writeln!(script, "space new\n{LAST}");
    succeed(&Machine::new(KIT).deterministic(), &script);
}

/// What takes the space away with which the machine begins.
const LAST: &str = "space drop 1";

/// How a command of the host's is executed.
#[derive(Clone, Copy, Debug)]
enum By {
    /// By this test, with further words; it ends in success.
    Running(&'static str),
    /// By another.
    Test(&'static str, &'static str),
}

/// How each command of the host's is executed, by how it begins; the first that fits counts.
const HOST: &[(&str, By)] = &[
    (
        "run --deterministic --seed",
        By::Test(
            "slides.rs",
            "a_demonstration_that_does_not_show_what_it_should",
        ),
    ),
    (
        "run --deterministic --script grader/scenarios",
        By::Test("faults.rs", "a_broken_invariant_that_shows_no_symptom"),
    ),
    (
        "run --deterministic --append patience=300 --script grader/scenarios",
        By::Test("faults.rs", "a_broken_invariant_that_shows_no_symptom"),
    ),
    (
        "run --deterministic --apic xapic --append patience=300 --script grader/scenarios",
        By::Test("faults.rs", "a_broken_invariant_that_shows_no_symptom"),
    ),
    (
        "run --machine bochs --script grader/scenarios",
        By::Test("faults.rs", "a_broken_invariant_that_shows_no_symptom"),
    ),
    (
        "run --deterministic --evidence run",
        By::Test("model.rs", "a_run_of_the_kernel_that_the_model_has_not"),
    ),
    (
        "model",
        By::Test("model.rs", "a_run_of_the_kernel_that_the_model_has_not"),
    ),
    (
        "run --gdb",
        By::Test("gdb/mi.rs", "an_editor_that_loses_the_thread_or_ctrl_c"),
    ),
    (
        "run --lab 3",
        By::Running("--solution labs/03-one-at-a-time/reference.rs --command proto"),
    ),
    (
        "run --lab 4",
        By::Running("--solution labs/04-everyone-at-once/reference.rs --command proto"),
    ),
    (
        "run --lab 5",
        By::Running("--solution labs/05-answer/reference.rs --command proto"),
    ),
    // Its benchmarks are what the lab's checks run.
    (
        "run --lab 10 --deterministic --command 'bench",
        By::Test("labs.rs", "a_solution_of_a_lab_that_is_judged_wrong"),
    ),
    ("run", By::Running("--deterministic --command cpus")),
    (
        "gdb",
        By::Test(
            "gdb/batch.rs",
            "a_target_that_cannot_be_stopped_in_its_handler_while_the_initiator_waits",
        ),
    ),
    (
        "labs watch",
        By::Test("book.rs", "a_watch_that_sees_nothing"),
    ),
    (
        "labs mutate",
        By::Test("mutate.rs", "a_mutant_that_is_said_to_be_what_it_is_not"),
    ),
    (
        "handout",
        By::Test(
            "handout.rs",
            "a_handout_that_is_not_written_or_lacks_a_kernel",
        ),
    ),
    (
        "labs verify",
        By::Test("labs.rs", "a_solution_of_a_lab_that_is_judged_wrong"),
    ),
    (
        "labs check",
        By::Test("labs.rs", "a_student_s_work_or_progress_that_is_lost"),
    ),
    (
        "labs hint",
        By::Test("labs.rs", "a_student_s_work_or_progress_that_is_lost"),
    ),
    ("labs", By::Running("")),
    (
        "explore 4",
        By::Running("labs/04-everyone-at-once/reference.rs"),
    ),
    ("explore 5", By::Running("labs/05-answer/reference.rs")),
    ("explore", By::Running("--scene one")),
    (
        "trace",
        By::Test("trace.rs", "a_run_traced_at_once_that_shows_nothing"),
    ),
    (
        "view",
        By::Test("view.rs", "a_counterexample_that_does_not_open"),
    ),
    (
        "slides --regenerate",
        By::Test("slides.rs", "a_document_that_shows_what_no_machine_prints"),
    ),
    (
        "slides --pdf",
        By::Test("slides.rs", "a_slide_that_does_not_fit_its_page"),
    ),
    ("slides", By::Running("")),
    ("book", By::Running("")),
    ("doctor", By::Running("")),
    ("grade --help", By::Running("")),
    (
        "export",
        By::Test(
            "export.rs",
            "a_package_that_gradescope_cannot_run_or_that_makes_zeros",
        ),
    ),
    (
        "grade --batch",
        By::Test(
            "course.rs",
            "a_course_in_which_one_submission_costs_another_its_grade",
        ),
    ),
    (
        "grade",
        By::Test("grade.rs", "a_right_solution_that_loses_points"),
    ),
    // These measure for minutes; that the words are right is seen.
    ("bench", By::Running("--help")),
];

/// Commands of cargo's own that the books name: they test, or write what tests compare.
const CARGO: &[&str] = &[
    "cargo test",
    "cargo run -p grader --example invariants",
    "cargo run -p grader --example machines",
    "cargo run -p shell --example reference",
    "cargo install cargo-fuzz",
    "cargo fuzz",
    "cargo +nightly fuzz",
];

/// The commands of kit in the books, without placeholders.
fn of_kit() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let chapters = chapters();
    // What made a slide's transcript or picture is run to compare it.
    let marks = chapters
        .iter()
        .flat_map(|chapter| mark::marks(&chapter.markdown).unwrap_or_default());
    let made: BTreeSet<String> = marks.map(|mark| mark.command).collect();
    for chapter in chapters {
        for (language, text) in code(&chapter) {
            let typed = match language {
                Some(_) => text.strip_prefix("$ ").unwrap_or(""),
                None => &text,
            };
            let typed = typed.split("  #").next().unwrap_or("").trim();
            if !typed.starts_with("cargo ") || CARGO.iter().any(|own| typed.starts_with(own)) {
                continue;
            }
            let words = typed
                .strip_prefix("cargo kit")
                .or(typed.strip_prefix("cargo run -p grader --"));
            let words = match (words, typed) {
                (Some(words), _) => words.trim().to_owned(),
                (None, "cargo run") => "run".to_owned(),
                (None, other) => panic!("{}: `{other}` is no command of kit", chapter.source),
            };
            if !words.is_empty() && !made.contains(&words) {
                found.insert(words);
            }
        }
    }
    found
}

#[test]
fn a_command_of_kit_in_a_book_that_no_test_executes() {
    let commands = of_kit();
    assert!(commands.len() > 40, "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut ran = BTreeSet::new();
    for command in &commands {
        let how = HOST.iter().find(|(start, _)| command.starts_with(start));
        let Some((_, how)) = how else {
            panic!("nothing executes `cargo kit {command}`");
        };
        match how {
            By::Test(file, test) => is_there(file, test),
            By::Running(more) => {
                // What the reader chooses is chosen here.
                let line = format!("{command} {more}");
                let line = line.replace("DIR", folder.path().to_str().unwrap());
                let words: Vec<&str> = line
                    .split_whitespace()
                    .filter(|word| *word != "N")
                    .collect();
                if !ran.insert(words.join(" ")) {
                    continue;
                }
                let output = Command::new(KIT)
                    .args(&words)
                    .current_dir(root())
                    .env(WORK, folder.path())
                    .stdin(Stdio::null())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "kit {words:?}: {said}");
            }
        }
    }
}

#[test]
fn a_watch_that_sees_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let kit = |words: &[&str]| {
        let mut command = Command::new(KIT);
        command
            .args(words)
            .env(WORK, folder.path())
            .stdin(Stdio::null());
        command
    };
    assert!(
        kit(&["labs", "start", "1"])
            .output()
            .unwrap()
            .status
            .success()
    );
    let mut watching = kit(&["labs", "watch", "1"]);
    let mut watching = watching
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let said: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.contains("of 100 points"))
        .collect();
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert!(said.iter().any(|line| line.contains("runs")), "{said:?}");
}

#[test]
fn a_plan_that_names_a_slide_that_is_not_there() {
    let root = root();
    let sources = slides::sources(&root).unwrap();
    let plan = fs::read_to_string(root.join("slides/book/guest.md")).unwrap();
    let mut minutes = vec![];
    let mut named = 0;
    for row in plan.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        minutes.push(cells[1].parse::<u32>().unwrap());
        let Some((deck, titles)) = cells[3].split_once(": ") else {
            continue;
        };
        let number: usize = deck.strip_prefix("deck ").unwrap().parse().unwrap();
        let text = fs::read_to_string(&sources[number - 1]).unwrap();
        for title in titles
            .split(';')
            .map(|title| title.trim().trim_matches('*'))
        {
            assert!(
                text.contains(&format!("\n# {title}\n")),
                "deck {number} has no slide `{title}`"
            );
            named += 1;
        }
    }
    assert!(
        minutes.is_sorted() && *minutes.last().unwrap() < 60,
        "{minutes:?}"
    );
    assert!(named > 12, "{named} slides");
}

#[test]
fn a_book_that_cannot_be_searched_or_asks_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let mut page = None;
    for (name, html) in book::pages(&root(), &book::BOOKS).unwrap() {
        let file = folder.path().join(name);
        fs::write(&file, html).unwrap();
        let url = address(&file).unwrap();
        let mut shown = match page.take() {
            None => Browser::start()
                .unwrap()
                .open(&url, (1200, 800), false)
                .unwrap(),
            Some(mut shown) => {
                grader::browser::Page::go(&mut shown, &url, (1200, 800), false).unwrap();
                shown
            }
        };
        assert_eq!(shown.complaints(), Vec::<String>::new(), "{name}");
        let own = |asked: &String| asked.starts_with("file://") || asked.starts_with("data:");
        assert!(shown.asked().iter().all(own), "{:?}", shown.asked());
        // Every link within the book leads somewhere.
        let dead = shown
            .evaluate("[...document.querySelectorAll('main a[href^=\"#\"], #contents a')].map((it) => it.getAttribute('href')).filter((it) => !document.getElementById(decodeURIComponent(it.slice(1))))")
            .unwrap();
        assert_eq!(dead, serde_json::json!([]), "{name}");
        let wide = shown
            .evaluate("document.documentElement.scrollWidth > innerWidth")
            .unwrap();
        assert_eq!(wide, false, "{name}: wider than the window");
        // By keyboard: search, and what is found is shown.
        shown.press("/").unwrap();
        shown.type_in("acknowledge invalidate").unwrap();
        shown.settle().unwrap();
        let found = shown
            .evaluate("document.querySelectorAll('#found a').length")
            .unwrap();
        assert!(found.as_u64().unwrap() > 2, "{name}: {found}");
        shown
            .evaluate("document.querySelector('#found a').click()")
            .unwrap();
        shown.settle().unwrap();
        let seen = shown
            .evaluate("(() => { const it = document.getElementById(decodeURIComponent(location.hash.slice(1))); return it.closest('article').classList.contains('now') && document.querySelectorAll('article.now').length === 1; })()")
            .unwrap();
        assert_eq!(seen, true, "{name}");
        shown.evaluate("(() => { const it = document.getElementById('search'); it.value = 'xyzzy qwerty'; it.dispatchEvent(new Event('input')); })()").unwrap();
        let none = shown
            .evaluate("document.querySelector('#found').textContent")
            .unwrap();
        assert_eq!(none, "Nothing has all these words.", "{name}");
        page = Some(shown);
    }
}
