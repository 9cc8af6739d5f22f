//! A view that is drawn again and again, until somebody has seen enough.

use super::{Painter, Screen};
use crate::report::Output;
use alloc::string::String;
use alloc::vec::Vec;

/// How fast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// Milliseconds from one frame to the next.
    pub milliseconds: u64,
    /// The speed of the serial line: 10 bits a character.
    pub baud: u64,
}

impl Pace {
    /// How many bytes the line takes in the time of a frame; some are left for what is typed.
    pub fn budget(self) -> usize {
        let bytes = self.baud.saturating_mul(self.milliseconds) / 10_000;
        usize::try_from(bytes * 9 / 10).map_or(usize::MAX, |bytes| bytes.max(1))
    }
}

/// The height that every terminal has.
pub const ROWS: usize = 24;
/// The alternate screen, without a cursor; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
const CTRL_C: u8 = 3;

/// Shows what `draw` draws, frame after frame, on the terminal's alternate screen, until `q` or
/// Ctrl-C; the screen is as before then. `wait` waits for the milliseconds that it is given, or less
/// when something was typed. Returns how many frames were drawn.
pub fn live(
    output: &mut Output<'_>,
    pace: Pace,
    draw: &mut dyn FnMut(&mut Screen),
    wait: &mut dyn FnMut(u64),
) -> u64 {
    let settings = output.settings();
    let columns = if settings.columns == 0 {
        80
    } else {
        settings.columns
    };
    // The last column is left alone: some terminals wrap as soon as it is written.
    let mut screen = Screen::new(columns.saturating_sub(1), ROWS);
    let mut painter = Painter::new(screen.columns(), ROWS, settings.colour);
    output.send(ENTER);
    let mut frames = 0;
    while !enough(output) {
        screen.clear();
        draw(&mut screen);
        let bytes = painter.paint(&screen, pace.budget());
        output.send(&bytes);
        frames += 1;
        wait(pace.milliseconds);
    }
    output.send(LEAVE);
    frames
}

/// Shows one frame as lines of text; as JSON, as notes.
pub fn print(output: &mut Output<'_>, screen: &Screen) {
    let lines: Vec<String> = screen.lines().collect();
    let used = lines.iter().rposition(|line| !line.is_empty());
    for line in lines.iter().take(used.map_or(0, |last| last + 1)) {
        if output.json() {
            output.note(line);
        } else {
            output.console().line(line);
        }
    }
}

fn enough(output: &mut Output<'_>) -> bool {
    if output.interrupted() {
        return true;
    }
    while let Some(key) = output.key() {
        if matches!(key, b'q' | b'Q' | CTRL_C) {
            return true;
        }
    }
    false
}
