//! In which order the pieces can be done whole, and still come to what came of them.

use super::pieces::{Access, Piece, Start, Unforced};

/// Something that must come before something else.
struct Edge {
    from: usize,
    to: usize,
    /// Their accesses, if it is on their account.
    on: Option<(Access, Access)>,
}

/// An order of all pieces.
///
/// # Errors
/// [`Unforced`], at the first moment that would have to come in the middle of a piece.
pub(super) fn order(pieces: &[Piece]) -> Result<Vec<usize>, Unforced> {
    let edges = edges(pieces);
    let (mut order, mut done) = (Vec::new(), vec![false; pieces.len()]);
    let mut in_handler = vec![false; pieces.len()];
    while order.len() < pieces.len() {
        let ready = |&index: &usize| {
            let piece = &pieces[index];
            let free = match piece.start {
                Start::Lost | Start::Walk(_) => true,
                Start::Interrupt => !in_handler[piece.cpu],
                _ => piece.in_handler || !in_handler[piece.cpu],
            };
            let first = |edge: &Edge| edge.to != index || done[edge.from];
            !done[index] && free && edges.iter().all(first)
        };
        let Some(next) = (0..pieces.len()).find(ready) else {
            return Err(stuck(pieces, &edges, &done));
        };
        let piece = &pieces[next];
        if piece.start == Start::Interrupt {
            in_handler[piece.cpu] = true;
        }
        if piece.in_handler && piece.ends {
            in_handler[piece.cpu] = false;
        }
        done[next] = true;
        order.push(next);
    }
    Ok(order)
}

/// Pieces that one CPU does one after the other, without anybody else's in between, become one: a CPU need not be
/// parked behind a store for nothing.
pub(super) fn merge(pieces: &mut [Piece], order: &mut Vec<usize>) {
    let mut index = 0;
    while index + 1 < order.len() {
        let (this, next) = (order[index], order[index + 1]);
        let behind = matches!(pieces[next].start, Start::Behind(_));
        if !behind || pieces[this].after != Some(next) {
            index += 1;
            continue;
        }
        let Piece { after, ends, .. } = pieces[next];
        pieces[this].after = after;
        pieces[this].ends |= ends;
        order.remove(index + 1);
    }
}

fn edges(pieces: &[Piece]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (to, piece) in pieces.iter().enumerate() {
        edges.extend(piece.before.map(|from| Edge { from, to, on: None }));
        for (from, other) in pieces.iter().enumerate().filter(|&(from, _)| from != to) {
            edges.extend(conflict(other, piece).map(|on| Edge {
                from,
                to,
                on: Some(on),
            }));
        }
    }
    edges
}

/// Accesses of `first` and `second` that show that `first` comes first.
fn conflict(first: &Piece, second: &Piece) -> Option<(Access, Access)> {
    let own = first.cpu == second.cpu;
    // What one CPU does itself it sees in the order in which it did it.
    let when = |access: &Access| if own { access.moment } else { access.seen };
    first.accesses.iter().find_map(|early| {
        let mut late = second.accesses.iter();
        let late = late.find(|late| {
            let same = late.thing == early.thing && (late.writes || early.writes);
            same && when(early) < when(late)
        })?;
        Some((*early, *late))
    })
}

/// What the earliest piece that is left waits for.
fn stuck(pieces: &[Piece], edges: &[Edge], done: &[bool]) -> Unforced {
    let left = |edge: &&Edge| !done[edge.from] && !done[edge.to];
    let mut conflicts: Vec<_> = edges
        .iter()
        .filter(left)
        .filter_map(|edge| Some((edge, edge.on?)))
        // It began before what it is to come after.
        .filter(|(edge, _)| pieces[edge.to].moment < pieces[edge.from].moment)
        .collect();
    // A store that is made and not visible says more.
    let kept_back = |late: &Access| late.writes && late.seen != late.moment;
    conflicts.sort_by_key(|(_, (early, late))| (!kept_back(late), early.moment));
    let Some((edge, (early, late))) = conflicts.first() else {
        return Unforced {
            moment: None,
            why: "its CPUs would have to be parked where there is no point".into(),
        };
    };
    let piece = &pieces[edge.to];
    let why = if kept_back(late) {
        format!(
            "which comes before CPU {}'s store, made already, is visible: the emulator keeps no stores back",
            piece.cpu
        )
    } else {
        format!(
            "which would have to come in the middle of what CPU {} does from {} on: there is no point in between",
            piece.cpu,
            super::name(piece.start)
        )
    };
    Unforced {
        moment: Some(early.moment),
        why,
    }
}
