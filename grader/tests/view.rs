//! The viewer, in Chromium: what it shows is what the charts say, by keyboard alone, and nothing leaves it.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use chart::{Age, Chart, find, of_evidence};
use common::KIT;
use evidence::{Key, Timeline, decode};
use grader::browser::{Browser, Page, address};
use grader::machine::Machine;
use grader::status::Status;
use grader::view::page::page;
use serde_json::Value;
use tempfile::TempDir;

const KEY: Key = Key::from_bytes(*b"a key for tests.");

const RIGHT: &str =
    "map 0x400000\nread 0x400000 on others\nremap 0x400000\nread 0x400000 on others\n";
const WRONG: &str = "map 0x400000\nread 0x400000 on others\nfault invalidate skip cpu 2\nremap 0x400000\nread 0x400000 on others\n";

/// The chart of a run.
fn of_run(title: &str, script: &str) -> Chart {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evidence");
    let machine = Machine::new(KIT).deterministic().evidence(&file, KEY);
    machine.script(script).unwrap();
    let evidence = decode(&fs::read(&file).unwrap(), Some(&KEY));
    assert!(evidence.is_sound(), "{:?}", evidence.defects);
    of_evidence(title, &evidence, &Timeline::new(evidence.records.clone()))
}

/// A right run, and one with a fault.
fn runs() -> &'static [Chart; 2] {
    static RUNS: OnceLock<[Chart; 2]> = OnceLock::new();
    RUNS.get_or_init(|| [of_run("right", RIGHT), of_run("with a fault", WRONG)])
}

/// Browsers that no test uses just now. They end with this process, with which their pipes are closed.
static IDLE: Mutex<Vec<Page>> = Mutex::new(Vec::new());

/// A page in a browser, and the folder that it lies in.
struct Shown {
    page: Option<Page>,
    _folder: TempDir,
}

impl Drop for Shown {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            IDLE.lock().unwrap().extend(self.page.take());
        }
    }
}

impl std::ops::Deref for Shown {
    type Target = Page;
    fn deref(&self) -> &Page {
        self.page.as_ref().unwrap()
    }
}

impl std::ops::DerefMut for Shown {
    fn deref_mut(&mut self) -> &mut Page {
        self.page.as_mut().unwrap()
    }
}

fn show(charts: &[&Chart], beside: Option<usize>, fragment: &str, dark: bool) -> Shown {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a page.html");
    fs::write(&file, page(charts, beside)).unwrap();
    let url = format!("{}{fragment}", address(&file).unwrap());
    let size = (1400, 900);
    let idle = IDLE.lock().unwrap().pop();
    let mut page = match idle {
        Some(mut page) => page.go(&url, size, dark).map(|()| page),
        None => Browser::start().and_then(|browser| browser.open(&url, size, dark)),
    }
    .unwrap();
    page.settle().unwrap();
    assert_eq!(page.complaints(), Vec::<String>::new());
    Shown {
        page: Some(page),
        _folder: folder,
    }
}

/// The number of the event at the cursor.
fn cursor(page: &mut Page) -> usize {
    page.settle().unwrap();
    let at = page.evaluate("viewer.pane.view.cursor").unwrap();
    usize::try_from(at.as_u64().unwrap()).unwrap()
}

/// The cells of the panel's tables, as `key=text`.
fn cells(page: &mut Page) -> BTreeSet<String> {
    page.settle().unwrap();
    let cells = page
        .evaluate(
            "[...document.querySelectorAll('[data-slot]')].map((it) => `slot ${it.dataset.slot}=${it.textContent}`)
              .concat([...document.querySelectorAll('[data-tlb]')].map((it) => `tlb ${it.dataset.tlb}=${it.textContent}`))",
        )
        .unwrap();
    let cells: Vec<String> = serde_json::from_value(cells).unwrap();
    cells
        .into_iter()
        .filter(|cell| !cell.ends_with("=–"))
        .collect()
}

/// What they should be.
fn expected(chart: &Chart, event: usize) -> BTreeSet<String> {
    let state = chart.state_at(event);
    let slots = state.slots.iter().map(|(target, initiator, value)| {
        let pending = if *value == 0 { "pending" } else { "" };
        format!("slot {target}.{initiator}={value}{pending}")
    });
    let tlbs = state.tlbs.iter().map(|(cpu, page, held)| {
        let age = match held.age {
            Age::Fresh => "",
            Age::Old => "old",
            Age::Stale => "stale",
        };
        format!("tlb {cpu}.{page}=v{}{age}", held.version)
    });
    slots.chain(tlbs).collect()
}

#[test]
fn a_scoreboard_or_a_tlb_that_is_another_moment_s() {
    let chart = &runs()[1];
    let mut page = show(&[chart], None, "", false);
    let last = chart.events.cpu.len() - 1;
    let mut seen = BTreeSet::new();
    for event in 0..=last {
        let shown = cells(&mut page);
        assert_eq!(shown, expected(chart, event), "event {event}");
        seen.extend(shown);
        page.press("ArrowDown").unwrap();
    }
    for word in ["slot 2.0=0pending", "tlb 2.0=v1old", "tlb 2.0=v1stale"] {
        assert!(seen.contains(word), "{word}: {seen:?}");
    }
    assert_eq!(cursor(&mut page), last);
    for event in (last - 20..last).rev() {
        page.press("k").unwrap();
        assert_eq!(cells(&mut page), expected(chart, event), "back at {event}");
    }
}

#[test]
fn a_key_that_leads_elsewhere() {
    let chart = &runs()[1];
    let mut page = show(&[chart], None, "", false);
    let nth = |look: char, nth: usize| {
        let mut found = chart.events.look.match_indices(look);
        found.nth(nth).unwrap().0
    };
    let after = |page: &mut Page, key: &str| {
        page.press(key).unwrap();
        cursor(page)
    };
    assert_eq!(after(&mut page, "f"), nth('f', 0));
    assert_eq!(after(&mut page, "s"), nth('s', 0));
    assert_eq!(after(&mut page, "["), chart.shootdowns[0].begin);
    let cpu = |event: usize| chart.events.cpu[event];
    let along = after(&mut page, "ArrowRight");
    let next = chart.shootdowns[0].begin + 1..chart.events.cpu.len();
    assert_eq!(Some(along), next.clone().find(|&event| cpu(event) == 0));
    assert_eq!(after(&mut page, "End"), chart.events.cpu.len() - 1);
    assert_eq!(after(&mut page, "Home"), 0);
    // Searching: the keys go into the field, Enter to what is found, round the end.
    assert_eq!(after(&mut page, "/"), 0);
    page.type_in("acknowledge").unwrap();
    let found: Vec<usize> = (0..chart.events.cpu.len())
        .filter(|&event| {
            let name = usize::from(chart.events.name[event]);
            chart.names[name].contains("acknowledge")
        })
        .collect();
    for &event in found.iter().chain(&found[..1]) {
        page.press("Enter").unwrap();
        assert_eq!(cursor(&mut page), event);
    }
    let tally = page
        .evaluate("document.getElementById('matches').textContent")
        .unwrap();
    assert_eq!(tally, format!("1 of {}", found.len()));
    page.evaluate("document.getElementById('search').value = ''")
        .unwrap();
    page.type_in("#17").unwrap();
    page.press("Enter").unwrap();
    assert_eq!(cursor(&mut page), 17);
    page.evaluate("document.getElementById('search').value = ''")
        .unwrap();
    page.type_in("no such thing").unwrap();
    page.settle().unwrap();
    let tally = page
        .evaluate("document.getElementById('matches').textContent")
        .unwrap();
    assert_eq!(tally, "not found");
}

#[test]
fn a_link_that_leads_to_another_moment() {
    let [right, wrong] = runs();
    let mut page = show(&[wrong, right], Some(1), "", false);
    for key in ["]", "ArrowDown", "o", "+", "w", "f"] {
        page.press(key).unwrap();
    }
    page.evaluate("viewer.showCpu(3, false)").unwrap();
    page.evaluate("viewer.search.set('zero')").unwrap();
    page.settle().unwrap();
    let look = "viewer.relink(); [location.hash, ...viewer.panes.map(({ view }) => [view.cursor, view.axis, view.zoom.toPrecision(4), view.lanes.join()].join(' ')), viewer.search.words, viewer.panes.indexOf(viewer.pane)].join('\\n')";
    let before = page.evaluate(look).unwrap();
    let fragment = before.as_str().unwrap().lines().next().unwrap();
    assert!(
        fragment.contains("at=") && fragment.contains("axis=time"),
        "{fragment}"
    );
    let mut again = show(&[wrong, right], None, fragment, false);
    assert_eq!(again.evaluate(look).unwrap(), before);
    // One that was made for something else does no harm.
    let mut other = show(
        &[right],
        None,
        "#at=99999&beside=7&zoom=x&cpus=9&generation=%3C&axis=up",
        false,
    );
    assert_eq!(cursor(&mut other), 0);
}

/// How many pixels of the lane of a CPU are of about the colour of stale.
fn red(page: &mut Page, cpu: usize) -> u64 {
    page.settle().unwrap();
    let script = format!(
        "(() => {{ const canvas = document.querySelector('.lanes');
          const {{ lanes }} = viewer.pane.view; const lane = (canvas.width - 92) / lanes.length;
          const left = 92 + lanes.indexOf({cpu}) * lane + lane - 20;
          const {{ data }} = canvas.getContext('2d').getImageData(left, 40, 3, canvas.height - 40);
          let red = 0;
          for (let at = 0; at < data.length; at += 4) if (data[at] > 150 && data[at + 1] < 140 && data[at + 2] < 100) red++;
          return red; }})()"
    );
    page.evaluate(&script).unwrap().as_u64().unwrap()
}

#[test]
fn a_stale_window_that_is_not_drawn_or_drawn_without_a_fault() {
    let [right, wrong] = runs();
    for dark in [false, true] {
        let mut page = show(&[wrong], None, "", dark);
        page.press("End").unwrap();
        assert!(red(&mut page, 2) > 100, "dark: {dark}");
        assert_eq!(red(&mut page, 1), 0, "dark: {dark}");
        let words = page.evaluate("document.body.innerText").unwrap();
        assert!(words.as_str().unwrap().contains("I5 broken"), "{words}");
        let mut page = show(&[right], None, "", dark);
        page.press("End").unwrap();
        assert_eq!(
            (red(&mut page, 1), red(&mut page, 2)),
            (0, 0),
            "dark: {dark}"
        );
        let words = page.evaluate("document.body.innerText").unwrap();
        assert!(!words.as_str().unwrap().contains("broken"), "{words}");
    }
}

#[test]
fn a_filter_that_hides_what_it_should_show() {
    let chart = &runs()[1];
    let mut page = show(&[chart], None, "", false);
    let rows = "JSON.stringify([...viewer.pane.view.rows])";
    let shown = |page: &mut Page| -> Vec<usize> {
        let text = page.evaluate(rows).unwrap();
        serde_json::from_str(text.as_str().unwrap()).unwrap()
    };
    let all = 0..chart.events.cpu.len();
    let of =
        |wanted: &dyn Fn(usize) -> bool| all.clone().filter(|&it| wanted(it)).collect::<Vec<_>>();
    page.evaluate("document.querySelector('#cpus input').click()")
        .unwrap();
    assert_eq!(shown(&mut page), of(&|event| chart.events.cpu[event] != 0));
    page.press("Escape").unwrap();
    assert_eq!(shown(&mut page).len(), all.len());
    page.press("g").unwrap();
    page.type_in("1").unwrap();
    let generation = |event: usize| {
        let shootdown = usize::try_from(chart.events.shootdown[event]).ok();
        shootdown.and_then(|number| chart.shootdowns[number].generation)
    };
    assert_eq!(shown(&mut page), of(&|event| generation(event) == Some(1)));
    page.type_in("7").unwrap();
    assert_eq!(shown(&mut page), Vec::<usize>::new());
    page.evaluate("viewer.clear(); viewer.showNames(new Set())")
        .unwrap();
    page.evaluate("viewer.showName('acknowledge', true)")
        .unwrap();
    let acknowledges =
        of(&|event| chart.names[usize::from(chart.events.name[event])] == "acknowledge");
    assert_eq!(shown(&mut page), acknowledges);
    assert_eq!(acknowledges.len(), 3);
}

#[test]
fn two_charts_whose_difference_is_not_found() {
    let [right, wrong] = runs();
    let mut page = show(&[right, wrong], Some(1), "", false);
    let differ = |chart: &Chart, event: usize| {
        let name = chart.names[usize::from(chart.events.name[event])].clone();
        (
            chart.events.cpu[event],
            name,
            chart.texts[chart.events.text[event] as usize].clone(),
        )
    };
    let first = (0..).find(|&event| differ(right, event) != differ(wrong, event));
    page.press("d").unwrap();
    assert_eq!(Some(cursor(&mut page)), first);
    assert_eq!(differ(wrong, first.unwrap()).1, "fault");
    page.press("w").unwrap();
    assert_eq!(Some(cursor(&mut page)), first);
}

#[test]
fn a_page_that_asks_the_network() {
    let [right, wrong] = runs();
    let mut hostile = wrong.clone();
    hostile.title = "</script><img src='http://127.0.0.1:1/title'>".into();
    hostile
        .texts
        .push("<img src='http://127.0.0.1:1/text'>".into());
    let text = u32::try_from(hostile.texts.len() - 1).unwrap();
    hostile.events.text.iter_mut().for_each(|it| *it = text);
    let mut page = show(&[&hostile, right], Some(1), "", false);
    for key in ["]", "s", "?"] {
        page.press(key).unwrap();
    }
    page.settle().unwrap();
    let asked = page.asked();
    assert!(asked.iter().all(|it| it.starts_with("file:")), "{asked:?}");
    assert_eq!(asked.len(), 1);
    // And could not if it would.
    let fetched = page.evaluate("fetch('http://127.0.0.1:1/').then(() => 'yes', () => 'no')");
    assert_eq!(fetched.unwrap(), "no");
    assert!(
        page.complaints()
            .iter()
            .any(|it| it.contains("Content Security Policy"))
    );
}

#[test]
fn a_picture_that_is_no_picture() {
    let mut chart = runs()[1].clone();
    chart.title = "a <fault> & \"more\"\u{1}".into();
    let mut page = show(&[&chart], None, "", false);
    page.press("s").unwrap();
    page.settle().unwrap();
    // The browser's own parser of XML, which forgives nothing.
    let parsed = page.evaluate(
        "(() => { const text = viewer.pane.svg(); const made = new DOMParser().parseFromString(text, 'image/svg+xml');
          return [made.documentElement.tagName, made.querySelectorAll('parsererror').length, made.querySelector('title').textContent,
            made.querySelectorAll('text').length > 40, made.querySelectorAll('pattern').length > 1, text.includes('STALE')].join('|'); })()",
    );
    assert_eq!(
        parsed.unwrap(),
        "svg|0|a <fault> & \"more\"\u{fffd}|true|true|true"
    );
    let drawn = page.evaluate(
        "(async () => { const image = new Image(); image.src = URL.createObjectURL(new Blob([viewer.pane.svg()], { type: 'image/svg+xml' }));
          await image.decode(); return image.width; })()",
    );
    assert!(drawn.unwrap().as_u64().unwrap() > 500);
    let png = page.evaluate(
        "new Promise((done) => viewer.pane.canvas.toBlob(async (blob) => done([...new Uint8Array(await blob.slice(1, 4).arrayBuffer())].map((it) => String.fromCharCode(it)).join('')), 'image/png'))",
    );
    assert_eq!(png.unwrap(), "PNG");
}

#[test]
fn a_control_that_a_screen_reader_cannot_name() {
    let [right, wrong] = runs();
    let mut page = show(&[right, wrong], Some(1), "", false);
    page.evaluate("document.querySelectorAll('details').forEach((it) => { it.open = true; })")
        .unwrap();
    page.press("?").unwrap();
    page.settle().unwrap();
    page.press("Escape").unwrap();
    let tree = page
        .call("Accessibility.getFullAXTree", serde_json::json!({}))
        .unwrap();
    let nodes = tree["nodes"].as_array().unwrap();
    let role = |node: &Value| {
        node["role"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let named = |node: &Value| {
        node["name"]["value"]
            .as_str()
            .is_some_and(|name| !name.trim().is_empty())
    };
    let must = [
        "button",
        "combobox",
        "searchbox",
        "textbox",
        "checkbox",
        "application",
        "image",
        "table",
        "columnheader",
        "rowheader",
        "dialog",
        "heading",
        "toolbar",
        "DisclosureTriangle",
    ];
    let mut seen = BTreeSet::new();
    for node in nodes.iter().filter(|node| node["ignored"] != true) {
        let role = role(node);
        let corner = role == "columnheader" && !named(node);
        if must.contains(&role.as_str()) && !corner {
            assert!(named(node), "{node}");
            seen.insert(role);
        }
    }
    for role in [
        "button",
        "combobox",
        "searchbox",
        "textbox",
        "checkbox",
        "application",
        "table",
        "rowheader",
    ] {
        assert!(seen.contains(role), "{role}: {seen:?}");
    }
    // Where the cursor is, is said.
    page.press("ArrowDown").unwrap();
    page.settle().unwrap();
    let said = page
        .evaluate("document.querySelector('[role=status]').textContent")
        .unwrap();
    assert!(said.as_str().unwrap().starts_with("Event 1: CPU"), "{said}");
    // Everything that has the keyboard can be reached with Tab.
    let reached = page.evaluate("document.activeElement?.blur(); ''").map(|_| {
        let mut reached = BTreeSet::new();
        for _ in 0..60 {
            page.press("Tab").unwrap();
            let what = page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.dataset.do || ''");
            reached.insert(what.unwrap().as_str().unwrap_or_default().to_owned());
        }
        reached
    });
    let reached = reached.unwrap();
    for what in ["lanes", "search", "axis", "generation", "next", "badge"] {
        assert!(reached.contains(what), "{what}: {reached:?}");
    }
}

/// The contrast of two colours of the palette, as WCAG 2 has it.
const CONTRAST: &str = "(() => {
  const light = (name) => { const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255).map((it) => (it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const contrast = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
  const pairs = [];
  for (const ink of ['ink', 'dim', 'initiator', 'handler', 'stale', 'fault', 'good', 'arrow', 'off']) for (const ground of ['page', 'lane', 'cursor']) pairs.push([ink, ground]);
  pairs.push(['on-stale', 'stale'], ['ink', 'stale-soft'], ['ink', 'initiator-soft'], ['ink', 'handler-soft'], ['ink', 'raised']);
  return pairs.map(([a, b]) => [a, b, contrast(a, b)]).filter(([, , it]) => it < 4.5).map((it) => it.join(' '));
})()";

#[test]
fn words_that_cannot_be_read_in_one_of_the_schemes() {
    let chart = &runs()[1];
    let mut page = show(&[chart], None, "", false);
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = page.evaluate(ground).unwrap();
    assert_eq!(page.evaluate(CONTRAST).unwrap(), serde_json::json!([]));
    page.scheme(true).unwrap();
    page.settle().unwrap();
    assert_ne!(page.evaluate(ground).unwrap(), light);
    assert_eq!(page.evaluate(CONTRAST).unwrap(), serde_json::json!([]));
    page.press("t").unwrap();
    page.settle().unwrap();
    assert_eq!(page.evaluate(ground).unwrap(), light);
    // On a narrow screen nothing is cut off.
    page.size(400, 800).unwrap();
    page.settle().unwrap();
    let wide = page
        .evaluate("document.documentElement.scrollWidth")
        .unwrap();
    assert_eq!(wide, 400);
}

/// `kit view` with these words, in a folder.
fn view(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(KIT)
        .arg("view")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn code(status: Status) -> Option<i32> {
    Some(i32::from(status.code()))
}

#[test]
fn a_counterexample_that_does_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let explored = Command::new(KIT)
        .args([
            "explore",
            "--scene",
            "lost",
            "--json",
            "--schedule",
            "lost.schedule",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    fs::write(folder.path().join("found.json"), &explored.stdout).unwrap();
    let charts = |file: &str| {
        let (status, said) = view(folder.path(), &[file, "--chart", "out.json"]);
        assert_eq!(status, code(Status::Success), "{said}");
        let text = fs::read_to_string(folder.path().join("out.json")).unwrap();
        find(&serde_json::from_str(&text).unwrap()).unwrap()
    };
    let found = charts("found.json");
    assert_eq!(found, charts("lost.schedule"));
    assert_eq!(found[0].findings[0].invariant, 2);
    let sources = found[0].events.source.iter();
    assert!(
        sources
            .clone()
            .any(|&it| found[0].texts[it as usize].starts_with("scoreboard.rs:"))
    );
    assert!(found[0].arrows.iter().all(|arrow| arrow.to.is_none()));
    let mut page = show(&found.iter().collect::<Vec<_>>(), None, "", false);
    page.press("s").unwrap();
    let last = found[0].events.cpu.len() - 1;
    assert_eq!(cursor(&mut page), last);
    assert_eq!(cells(&mut page), expected(&found[0], last));
}

#[test]
fn a_file_that_holds_nothing_taken_for_a_chart() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], &str); 6] = [
        ("empty", b"", "holds no evidence"),
        ("noise", &[7; 300], "holds no evidence"),
        ("json", b"{\"a\": 1}", "there is no chart in it"),
        ("torn", b"{\"a\": ", "no JSON"),
        (
            "old",
            b"{\"format\": \"shootdown-chart/0\"}",
            "not \"shootdown-chart/1\"",
        ),
        (
            "steps",
            b"scene lost\ninterrupt 1\n",
            "cannot be taken there",
        ),
    ];
    for (name, bytes, words) in cases {
        fs::write(folder.path().join(name), bytes).unwrap();
        let (status, said) = view(folder.path(), &[name]);
        assert_eq!(status, code(Status::Usage), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
        assert!(
            !folder.path().join(format!("{name}.html")).exists(),
            "{name}"
        );
    }
    let (status, said) = view(folder.path(), &["absent"]);
    assert_eq!(status, code(Status::Usage), "{said}");
}
