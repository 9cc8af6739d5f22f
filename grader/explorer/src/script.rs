//! A schedule as a script of the kernel's shell, which parks CPUs at points so that they take the same steps in
//! the machine.
//!
//! The kernel can park a CPU at a point, and behind the store of one, and keep an interrupt on its way. So the
//! story is cut into pieces, from one such place to the next, and an order of whole pieces is looked for that
//! keeps everything in order that two CPUs have to do with one after the other: what each word held when it was
//! read, what interrupts found. If there is none, what would have to come in the middle of a piece is told.

mod order;
mod pieces;
mod write;

use crate::report;
use crate::scenes::Named;
use crate::story::Story;
use crate::violation::Violation;
use pieces::{Start, Unforced};

/// What a person is told of a script.
pub(crate) struct About<'a> {
    /// The scene.
    pub scene: &'a Named,
    /// The story that the script is to bring about.
    pub story: &'a Story,
    /// How it ends.
    pub violation: &'a Violation,
    /// The invariant that it speaks against; 0 if none.
    pub invariant: u8,
    /// The options with which the kit runs the kernel with the same code in it.
    pub machine: &'a str,
}

/// The script.
///
/// # Errors
/// A sentence: what no script can bring about, and why.
pub(crate) fn script(about: &About<'_>) -> Result<String, String> {
    if let Violation::Livelock { cpu } = about.violation {
        return Err(format!(
            "CPU {cpu} goes on for ever by itself: no schedule is needed to see it"
        ));
    }
    if let Violation::Silent { .. } = about.violation {
        return Err(format!(
            "{}: that is not a matter of schedules",
            about.violation
        ));
    }
    let (story, scene) = (about.story, &about.scene.scene);
    let whole = |fine| {
        let pieces = pieces::cut(story, scene, fine)?;
        let order = order::order(&pieces)?;
        Ok((pieces, order))
    };
    let (mut pieces, mut order) = whole(false)
        .or_else(|_: Unforced| whole(true))
        .map_err(|unforced| told(story, &unforced))?;
    order::merge(&mut pieces, &mut order);
    write::write(about, &pieces, &order).map_err(|unforced| told(story, &unforced))
}

fn told(story: &Story, unforced: &Unforced) -> String {
    match unforced.moment.and_then(|moment| story.moments.get(moment)) {
        Some(moment) => format!("{}, {}", report::moment(moment, story), unforced.why),
        None => unforced.why.clone(),
    }
}

/// Where a CPU stands before a piece.
fn name(start: Start) -> String {
    match start {
        Start::At(point) => format!("`{point}`"),
        Start::Behind(point) => format!("the store at `{point}`"),
        Start::Call { .. } => "its call".into(),
        Start::Interrupt => "its interrupt".into(),
        Start::Lost | Start::Walk(_) | Start::GiveUp => "there".into(),
    }
}
