//! The scoreboard as a picture: a row a target, a column an initiator.

use std::fmt::Write;

use serde_json::Value;

use super::svg;

const CELL: usize = 92;
const HIGH: usize = 46;
const LEFT: usize = 150;
const TOP: usize = 66;

/// The scoreboard in the last answer that has one.
///
/// # Errors
/// If none has.
pub fn picture(answers: &[Value]) -> Result<String, String> {
    let board = answers
        .iter()
        .rev()
        .find_map(|answer| answer["scoreboard"].as_array());
    let board = board.ok_or("the run has no `scoreboard --json`")?;
    let count = board.len();
    let slot = |target: usize, initiator: usize| {
        board[target][&format!("from_{initiator}")]
            .as_u64()
            .unwrap_or(0)
    };
    let mut out = String::new();
    let mut said = String::new();
    for cpu in 0..count {
        let x = LEFT + cpu * CELL + CELL / 2;
        let y = TOP + cpu * HIGH + HIGH / 2 + 6;
        let _ = write!(
            out,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">from {cpu}</text>",
            TOP - 12
        );
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">target {cpu}</text>",
            LEFT - 14
        );
    }
    for target in 0..count {
        for initiator in 0..count {
            let value = slot(target, initiator);
            let (x, y) = (LEFT + initiator * CELL, TOP + target * HIGH);
            let class = match (value, target == initiator) {
                (0, _) => "zero",
                (_, true) => "self",
                (1, _) => "one",
                _ => "done",
            };
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{HIGH}\"/>\
                 <text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{value}</text>",
                x + CELL / 2,
                y + HIGH / 2 + 7,
            );
            if value == 0 {
                let _ = write!(
                    said,
                    "CPU {target} has not yet acknowledged CPU {initiator}'s request. "
                );
            }
        }
    }
    if said.is_empty() {
        said.push_str("No request is pending.");
    }
    let (width, height) = (LEFT + count * CELL + 14, TOP + count * HIGH + 44);
    let y = TOP + count * HIGH + 28;
    let _ = write!(
        out,
        "<text class=\"key\" x=\"{LEFT}\" y=\"{y}\">0: a request is pending · else the generation acknowledged last</text>"
    );
    let width = width.max(LEFT + 460);
    let style = "rect{stroke:#8a97a3}.zero{fill:#ffd0b8;stroke:#d9480f;stroke-width:3}text.zero{fill:#a83200;stroke:none;font-weight:bold}\
                 .one{fill:#fff}.done{fill:#d9f0df}.self{fill:#eceff2}text.one,text.done{fill:#1f2933;stroke:none}text.self{fill:#8a97a3;stroke:none}\
                 text{font-size:18px;fill:#1f2933}.key{font-size:15px;fill:#566}";
    Ok(svg::whole(
        width,
        height,
        "The scoreboard",
        said.trim(),
        style,
        &out,
    ))
}
