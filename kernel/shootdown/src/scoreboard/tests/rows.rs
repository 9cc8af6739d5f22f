//! Where the slots are.

use super::*;
use std::collections::HashSet;

#[test]
fn a_slot_that_two_pairs_share() {
    for cpus in [1, 3, 16, 17, 64] {
        for padded in [false, true] {
            let rows = Rows {
                base: 3,
                stride: Rows::stride(cpus, padded),
            };
            let pairs = (0..cpus).flat_map(|target| (0..cpus).map(move |from| (target, from)));
            let slots: HashSet<usize> = pairs
                .map(|(target, from)| rows.index(cpu(target), from))
                .collect();
            assert_eq!(slots.len(), cpus * cpus, "{cpus} CPUs");
            assert!(
                slots
                    .iter()
                    .all(|&slot| slot < rows.base + cpus * rows.stride)
            );
        }
    }
}

#[test]
fn padded_rows_that_share_a_cache_line() {
    let line = |cpus, target, from| {
        let rows = Rows {
            base: 0,
            stride: Rows::stride(cpus, true),
        };
        rows.index(cpu(target), from) / SLOTS_PER_LINE
    };
    for cpus in [1, 4, 16, 17] {
        for target in 1..cpus {
            assert!(
                line(cpus, target, 0) > line(cpus, target - 1, cpus - 1),
                "{cpus} CPUs"
            );
        }
    }
}

#[test]
fn rows_that_do_not_begin_on_a_cache_line() {
    for cpus in 1..5 {
        let model = Model::steps(cpus);
        let board = Scoreboard::new(
            &model,
            cpus,
            Settings {
                padded: true,
                ..Settings::default()
            },
        );
        assert!(board.padded());
        // The model's words are larger than a kernel's; the address is what counts.
        assert_eq!(board.row(cpu(0)).as_ptr().addr() % 64, 0);
    }
}

#[test]
fn a_row_that_belongs_to_the_initiator() {
    for padded in [false, true] {
        let model = Model::steps(3);
        let board = board(
            model,
            3,
            Settings {
                padded,
                ..Settings::default()
            },
        );
        model.at(1, Point::Wait, move || {
            assert_eq!(slot_value(board, cpu(2), cpu(1)), Some(0));
            assert_eq!(slot_value(board, cpu(1), cpu(2)), Some(1));
            assert_eq!(board.row(cpu(2))[1].peek(Relaxed), 0);
            assert_eq!(board.outstanding(cpu(1)), set(&[2]));
        });
        let _ = model.on(1, || shoot(board, model, 0, &[2]));
    }
}

#[test]
fn a_slot_that_begins_pending() {
    let (_, board) = machine(3);
    for target in 0..3 {
        for initiator in 0..3 {
            assert_eq!(slot_value(board, cpu(target), cpu(initiator)), Some(1));
        }
    }
    assert_eq!(slot_value(board, cpu(3), cpu(0)), None);
    assert_eq!(slot_value(board, cpu(0), cpu(3)), None);
    assert!(board.request(cpu(3)).is_none());
    assert_eq!(board.outstanding(cpu(63)), CpuSet::EMPTY);
}

#[test]
fn an_interrupt_for_nothing() {
    let (model, board) = machine(2);
    assert_eq!(model.on(1, || board.handle(&model)), 0);
    assert_eq!(model.points(1), [Point::Return]);
}
