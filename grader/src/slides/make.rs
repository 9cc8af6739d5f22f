//! Makes again what a document shows of runs.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

use evidence::{Key, Timeline, decode};
use press::Mistake;
use serde_json::Value;

use super::mark::{Kind, Mark, marks, words};
use super::{board, lanes, plot};
use crate::evidence::hex;

/// The key of the runs that pictures are made from; they prove nothing to anybody.
const KEY: Key = Key::from_bytes(*b"slides, no proof");

/// Makes pictures, transcripts and tables, by running `kit`.
#[derive(Debug)]
pub struct Maker {
    kit: PathBuf,
    root: PathBuf,
    printed: HashMap<String, String>,
    traced: HashMap<String, Timeline>,
    recorded: Recorded,
}

/// What runs that were measured answered, by their commands.
pub type Recorded = BTreeMap<String, Vec<Value>>;

/// A document, made anew.
#[derive(Debug, Default)]
pub struct Made {
    /// The document.
    pub text: String,
    /// Its pictures, by their addresses as the document has them.
    pub pictures: BTreeMap<String, String>,
}

impl Maker {
    /// `kit` is the program, `root` the tree; measurements are not made anew but taken from `recorded`.
    #[must_use]
    pub fn new(kit: impl Into<PathBuf>, root: impl Into<PathBuf>, recorded: Recorded) -> Self {
        Self {
            kit: kit.into(),
            root: root.into(),
            printed: HashMap::new(),
            traced: HashMap::new(),
            recorded,
        }
    }

    /// The document with all that runs show in it as runs show it now.
    ///
    /// # Errors
    /// What is wrong with a mark, or with the run that it names.
    pub fn make(&mut self, text: &str) -> Result<Made, Mistake> {
        let mut made = Made {
            text: text.to_owned(),
            ..Made::default()
        };
        for mark in marks(text)?.iter().rev() {
            let address = &text[mark.body.clone()];
            match mark.kind {
                Kind::Transcript => {
                    let shown = self.transcript(mark)?;
                    made.text.replace_range(mark.body.clone(), &shown);
                }
                Kind::Source => {
                    let shown = self.source(mark)?;
                    made.text.replace_range(mark.body.clone(), &shown);
                }
                Kind::Table => {
                    let answers = self.recorded_of(mark, &mark.command)?;
                    let table = plot::table(mark, answers).map_err(|why| mark.mistake(why))?;
                    made.text.replace_range(mark.body.clone(), &table);
                }
                Kind::Lanes => {
                    let picture = self.lanes(mark)?;
                    made.pictures.insert(address.to_owned(), picture);
                }
                Kind::Scoreboard => {
                    let printed = self.printed(mark, &mark.command)?;
                    let picture = board::picture(&answers(&printed));
                    let picture = picture.map_err(|why| mark.mistake(why))?;
                    made.pictures.insert(address.to_owned(), picture);
                }
                Kind::Plot => {
                    let runs = plot::commands(mark).into_iter();
                    let runs = runs.map(|(value, command)| {
                        Ok((value, self.recorded_of(mark, &command)?.to_vec()))
                    });
                    let runs = runs.collect::<Result<Vec<_>, Mistake>>()?;
                    let picture = plot::picture(mark, &runs).map_err(|why| mark.mistake(why))?;
                    made.pictures.insert(address.to_owned(), picture);
                }
            }
        }
        Ok(made)
    }

    /// Runs what a document's tables and plots were measured by.
    ///
    /// # Errors
    /// What is wrong with a mark, or with the run that it names.
    pub fn measure(&mut self, text: &str) -> Result<Recorded, Mistake> {
        let mut recorded = Recorded::new();
        for mark in marks(text)? {
            let commands = match mark.kind {
                Kind::Table => vec![mark.command.clone()],
                Kind::Plot => plot::commands(&mark)
                    .into_iter()
                    .map(|(_, command)| command)
                    .collect(),
                _ => continue,
            };
            for command in commands {
                let printed = self.printed(&mark, &command)?;
                recorded.insert(command, answers(&printed));
            }
        }
        Ok(recorded)
    }

    /// The lines of a file from the one that has a text to the next that has another, without comments.
    fn source(&self, mark: &Mark) -> Result<String, Mistake> {
        let [file, from, first, to, last] = &words(&mark.command)[..] else {
            return Err(mark.mistake("a source is `FILE from \"TEXT\" to \"TEXT\"`"));
        };
        if (from.as_str(), to.as_str()) != ("from", "to") {
            return Err(mark.mistake("a source is `FILE from \"TEXT\" to \"TEXT\"`"));
        }
        let text = std::fs::read_to_string(self.root.join(file));
        let text = text.map_err(|error| mark.mistake(format!("{file}: {error}")))?;
        let mut lines = text
            .lines()
            .skip_while(|line| !line.contains(first.as_str()));
        let mut found = Vec::new();
        for line in lines.by_ref() {
            if !line.trim_start().starts_with("//") && !line.trim().is_empty() {
                found.push(line);
            }
            if line.contains(last.as_str()) {
                return Ok(dedented(&found));
            }
        }
        Err(mark.mistake(format!("{file} has no lines from `{first}` to `{last}`")))
    }

    fn recorded_of(&self, mark: &Mark, command: &str) -> Result<&[Value], Mistake> {
        let found = self.recorded.get(command).map(Vec::as_slice);
        found.ok_or_else(|| mark.mistake(format!("there is no measurement by `cargo kit {command}`: `cargo kit slides --regenerate` makes it")))
    }

    fn transcript(&mut self, mark: &Mark) -> Result<String, Mistake> {
        let printed = self.printed(mark, &mark.command)?;
        let ranges = mark.ranges();
        if ranges.is_empty() {
            return Ok(printed);
        }
        // Line by line where the mark says so, else command by command.
        let mut number = 0;
        let lines = printed.split_inclusive('\n').filter(|line| {
            number += usize::from(mark.says("lines") || line.starts_with("tlb> "));
            ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&number))
        });
        let chosen: String = lines.collect();
        if chosen.is_empty() {
            return Err(mark.mistake("the run prints nothing there"));
        }
        Ok(chosen)
    }

    /// What a command prints: of a run, from its first prompt on; else all, with `typed` below the command itself.
    fn printed(&mut self, mark: &Mark, command: &str) -> Result<String, Mistake> {
        let asked = format!("{}{command}", if mark.says("fails") { "! " } else { "" });
        if let Some(printed) = self.printed.get(&asked) {
            return Ok(printed.clone());
        }
        let text = self.run(mark, &words(command))?;
        let printed = if command.starts_with("run ") {
            let prompt = text
                .find("tlb> ")
                .ok_or_else(|| mark.mistake("the run shows no command"))?;
            text[prompt..].to_owned()
        } else {
            // How a host confines is not the same everywhere.
            let lines = text.split_inclusive('\n');
            let lines = lines.filter(|line| !line.starts_with("confined by "));
            let typed = if mark.says("typed") {
                format!("$ cargo kit {command}\n")
            } else {
                String::new()
            };
            typed + &lines.collect::<String>()
        };
        self.printed.insert(asked, printed.clone());
        Ok(printed)
    }

    fn lanes(&mut self, mark: &Mark) -> Result<String, Mistake> {
        if !self.traced.contains_key(&mark.command) {
            let folder = tempfile::tempdir().map_err(|error| mark.mistake(error.to_string()))?;
            let file = folder.path().join("evidence");
            let mut words = words(&mark.command);
            words.extend([
                "--evidence-key".to_owned(),
                hex(&KEY),
                "--evidence".to_owned(),
            ]);
            words.push(file.display().to_string());
            self.run(mark, &words)?;
            let bytes = std::fs::read(&file).map_err(|error| mark.mistake(error.to_string()))?;
            let evidence = decode(&bytes, Some(&KEY));
            let timeline = Timeline::new(evidence.records);
            self.traced.insert(mark.command.clone(), timeline);
        }
        let timeline = &self.traced[&mark.command];
        let count = timeline.shootdowns().len();
        let last = count.saturating_sub(1);
        let (first, last) = mark.ranges().first().copied().unwrap_or((last, last));
        if last >= count {
            return Err(mark.mistake(format!("the run has {count} shootdowns, counted from 0")));
        }
        Ok(lanes::picture(timeline, first..=last, mark.says("quiet")))
    }

    fn run(&self, mark: &Mark, arguments: &[String]) -> Result<String, Mistake> {
        let output = Command::new(&self.kit)
            .args(arguments)
            .current_dir(&self.root)
            .env("COLUMNS", "100")
            .output()
            .map_err(|error| mark.mistake(format!("starting kit: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() == mark.says("fails") {
            let said = String::from_utf8_lossy(&output.stderr);
            let ended = output.status;
            return Err(mark.mistake(format!(
                "`kit {}` ended with {ended}:\n{text}{said}",
                arguments.join(" ")
            )));
        }
        Ok(text)
    }
}

/// The lines, moved to the left together.
fn dedented(lines: &[&str]) -> String {
    let full = lines.iter().filter(|line| !line.trim().is_empty());
    let by = full
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    lines
        .iter()
        .map(|line| format!("{}\n", line.get(by..).unwrap_or("")))
        .collect()
}

/// The commands' answers in JSON.
fn answers(printed: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
    printed
        .lines()
        .filter_map(parse)
        .filter(Value::is_object)
        .collect()
}

/// Where two measurements differ by more than a tenth, or in anything that is not a number; empty if nowhere.
#[must_use]
pub fn differences(old: &Value, new: &Value, path: &str) -> Vec<String> {
    match (old, new) {
        (Value::Number(old), Value::Number(new)) => {
            let (old, new) = (old.as_f64().unwrap_or(0.0), new.as_f64().unwrap_or(0.0));
            let near = (old - new).abs() <= 0.1 * old.abs().max(new.abs());
            if near {
                vec![]
            } else {
                vec![format!("{path}: {old} was recorded, it is now {new}")]
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let pairs = old.iter().zip(new).enumerate();
            pairs
                .flat_map(|(index, (old, new))| differences(old, new, &format!("{path}[{index}]")))
                .collect()
        }
        (Value::Object(old), Value::Object(new)) if old.keys().eq(new.keys()) => {
            let pairs = old.iter().zip(new.values());
            pairs
                .flat_map(|((key, old), new)| differences(old, new, &format!("{path}.{key}")))
                .collect()
        }
        _ if old == new => vec![],
        _ => vec![format!("{path}: {old} was recorded, it is now {new}")],
    }
}

/// The file of measurements, from the tree's root.
pub const RECORDED: &str = "slides/generated/measured.json";

/// Reads what was measured; nothing where there is no file.
///
/// # Errors
/// What is wrong with the file.
pub fn recorded(root: &Path) -> Result<Recorded, String> {
    match std::fs::read_to_string(root.join(RECORDED)) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| format!("{RECORDED}: {error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Recorded::new()),
        Err(error) => Err(format!("{RECORDED}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_measurement_that_is_another_s() {
        let old = json!({ "a": [{ "n": 100, "p": "x" }] });
        assert!(differences(&old, &json!({ "a": [{ "n": 109, "p": "x" }] }), "").is_empty());
        assert_eq!(
            differences(&old, &json!({ "a": [{ "n": 120, "p": "x" }] }), "").len(),
            1
        );
        assert_eq!(
            differences(&old, &json!({ "a": [{ "n": 100, "p": "y" }] }), "").len(),
            1
        );
        assert_eq!(differences(&old, &json!({ "a": [] }), "").len(), 1);
    }
}
