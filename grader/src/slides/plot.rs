//! Measurements as tables and as bars or lines, from answers that were recorded.

use std::fmt::Write;

use serde_json::Value;

use super::mark::Mark;
use super::svg;

/// The table that a mark names, among the answers.
fn rows<'a>(mark: &Mark, answers: &'a [Value]) -> Result<&'a [Value], String> {
    let name = mark
        .words
        .first()
        .ok_or("a table or plot names what it shows")?;
    let found = answers
        .iter()
        .find_map(|answer| answer[name.as_str()].as_array());
    found
        .map(Vec::as_slice)
        .ok_or_else(|| format!("no command answers with a table `{name}`"))
}

fn cell(row: &Value, column: &str) -> Result<String, String> {
    match &row[column] {
        Value::Null => Err(format!("the table has no column `{column}`: {row}")),
        Value::String(text) => Ok(text.clone()),
        Value::Array(cpus) => {
            let cpus: Vec<String> = cpus.iter().map(Value::to_string).collect();
            Ok(cpus.join(", "))
        }
        other => Ok(other.to_string()),
    }
}

/// The mark's columns of its table, as Markdown.
///
/// # Errors
/// What it names and the answers do not have.
pub fn table(mark: &Mark, answers: &[Value]) -> Result<String, String> {
    let columns = &mark.words[1..];
    let mut out = String::new();
    let heads: Vec<String> = columns
        .iter()
        .map(|column| column.replace('_', " "))
        .collect();
    let _ = writeln!(
        out,
        "| {} |\n|{}",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for row in rows(mark, answers)? {
        let cells = columns.iter().map(|column| cell(row, column));
        let _ = writeln!(
            out,
            "| {} |",
            cells.collect::<Result<Vec<_>, _>>()?.join(" | ")
        );
    }
    Ok(out)
}

/// The runs of a plot: what `%` stands for in each, and its command.
#[must_use]
pub fn commands(mark: &Mark) -> Vec<(String, String)> {
    let over = mark.words.iter().skip_while(|word| *word != "over").nth(1);
    match over {
        None => vec![(String::new(), mark.command.clone())],
        Some(values) => {
            let one = |value: &str| (value.to_owned(), mark.command.replace('%', value));
            values.split(',').map(one).collect()
        }
    }
}

/// A line, or a row of bars: its name, and its values in the order of the runs.
struct Series {
    name: String,
    values: Vec<f64>,
}

/// The plot of a mark: `TABLE LABEL VALUE`, `over A,B` for a line through several runs, `only A,B` for some of
/// the lines.
///
/// # Errors
/// What it names and the answers do not have.
pub fn picture(mark: &Mark, runs: &[(String, Vec<Value>)]) -> Result<String, String> {
    let [_, label, value, ..] = mark.words.as_slice() else {
        return Err("a plot is `plot TABLE LABEL VALUE`".to_owned());
    };
    let mut series: Vec<Series> = Vec::new();
    for (_, answers) in runs {
        for row in rows(mark, answers)? {
            let name = cell(row, label)?;
            let number = row[value.as_str()]
                .as_f64()
                .ok_or_else(|| format!("`{value}` is no number: {row}"))?;
            match series.iter_mut().find(|series| series.name == name) {
                Some(series) => series.values.push(number),
                None => series.push(Series {
                    name,
                    values: vec![number],
                }),
            }
        }
    }
    let only = mark.words.iter().skip_while(|word| *word != "only").nth(1);
    let wanted = |name: &str| only.is_none_or(|only| only.split(',').any(|other| other == name));
    series.retain(|series| series.values.len() == runs.len() && wanted(&series.name));
    let what = value.replace('_', " ");
    Ok(if runs.len() == 1 {
        bars(&series, label, &what)
    } else {
        lines(&series, runs, &what)
    })
}

/// Colours that the colour-blind tell apart (Okabe and Ito), with a mark each in lines.
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#7a4f9a"];
const DASHES: [&str; 4] = ["none", "10 5", "3 4", "12 4 3 4"];

const STYLE: &str = "text{fill:#1f2933;font-size:17px}.axis{stroke:#8a97a3}.grid{stroke:#dde3e8}.small{font-size:15px;fill:#455}polyline{fill:none;stroke-width:3}";

fn said(series: &[Series], of: &dyn Fn(usize) -> String) -> String {
    let mut out = String::new();
    for series in series {
        let values = series
            .values
            .iter()
            .enumerate()
            .map(|(index, value)| format!("{}{}", of(index), short(*value)));
        let _ = write!(
            out,
            "{}: {}. ",
            series.name,
            values.collect::<Vec<_>>().join(", ")
        );
    }
    out.trim_end().to_owned()
}

fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn bars(series: &[Series], label: &str, what: &str) -> String {
    let most = series
        .iter()
        .map(|series| series.values[0])
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    let mut out = String::new();
    let _ = write!(
        out,
        "<text class=\"small\" x=\"220\" y=\"24\">{what}</text>"
    );
    for (index, series) in series.iter().enumerate() {
        let y = 40 + index * 52;
        let width = series.values[0] / most * 640.0;
        let colour = COLOURS[index % COLOURS.len()];
        let name = press::markdown::escape(&series.name);
        let _ = write!(
            out,
            "<text x=\"206\" y=\"{0}\" text-anchor=\"end\">{name}</text><rect x=\"220\" y=\"{y}\" width=\"{width:.0}\" height=\"36\" fill=\"{colour}\"/>\
             <text x=\"{1:.0}\" y=\"{0}\">{2}</text>",
            y + 24,
            228.0 + width,
            short(series.values[0])
        );
    }
    let height = 52 + series.len() * 52;
    let title = format!("{what}, by {}", label.replace('_', " "));
    svg::whole(
        980,
        height,
        &title,
        &said(series, &|_| String::new()),
        STYLE,
        &out,
    )
}

fn lines(series: &[Series], runs: &[(String, Vec<Value>)], what: &str) -> String {
    let most = series
        .iter()
        .flat_map(|series| &series.values)
        .copied()
        .fold(0.0, f64::max)
        .max(f64::MIN_POSITIVE);
    // A round number above the largest.
    let unit = 10_f64.powf(most.log10().floor());
    let top = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|step| step * unit)
        .find(|top| *top >= most)
        .unwrap_or(most);
    let (left, right, up, down) = (110.0, 700.0, 46.0, 380.0);
    let x = |index: usize| {
        left + 40.0 + (right - left - 80.0) * index as f64 / (runs.len() - 1).max(1) as f64
    };
    let y = |value: f64| down - (down - up) * value / top;
    let mut out = String::new();
    for step in 0_u32..=5 {
        let value = top * f64::from(step) / 5.0;
        let at = y(value);
        let number = if value == 0.0 {
            "0".to_owned()
        } else {
            short(value)
        };
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{at:.0}\" x2=\"{right}\" y2=\"{at:.0}\"/><text class=\"small\" x=\"100\" y=\"{:.0}\" text-anchor=\"end\">{number}</text>",
            at + 5.0
        );
    }
    for (index, (value, _)) in runs.iter().enumerate() {
        let _ = write!(
            out,
            "<text x=\"{:.0}\" y=\"404\" text-anchor=\"middle\">{value}</text>",
            x(index)
        );
    }
    let _ = write!(
        out,
        "<line class=\"axis\" x1=\"{left}\" y1=\"{down}\" x2=\"{right}\" y2=\"{down}\"/><text class=\"small\" x=\"{left}\" y=\"24\">{what}</text>\
         <text class=\"small\" x=\"{right}\" y=\"430\" text-anchor=\"end\">CPUs</text>"
    );
    let mut taken: Vec<f64> = Vec::new();
    for (index, series) in series.iter().enumerate() {
        let points = series
            .values
            .iter()
            .enumerate()
            .map(|(run, value)| format!("{:.0},{:.0}", x(run), y(*value)));
        let points: Vec<String> = points.collect();
        let (colour, dash) = (COLOURS[index % 4], DASHES[index % 4]);
        let _ = write!(
            out,
            "<polyline points=\"{}\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\"/>",
            points.join(" ")
        );
        for point in &points {
            let (cx, cy) = point.split_once(',').unwrap_or(("0", "0"));
            let _ = write!(
                out,
                "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"5\" fill=\"{colour}\"/>"
            );
        }
        // Names stand at the lines' ends, and not over one another.
        let mut at = y(*series.values.last().unwrap_or(&0.0)) + 5.0;
        while taken.iter().any(|other| (other - at).abs() < 20.0) {
            at += 4.0;
        }
        taken.push(at);
        let name = press::markdown::escape(&series.name);
        let _ = write!(
            out,
            "<text x=\"716\" y=\"{at:.0}\" fill=\"{colour}\" style=\"fill:{colour};font-weight:bold\">{name}</text>"
        );
    }
    let said = said(series, &|run| format!("{} CPUs ", runs[run].0));
    svg::whole(900, 444, what, &said, STYLE, &out)
}
