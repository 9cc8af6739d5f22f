use super::*;
use crate::timeline::scene::{Asked, Scene};
use shootdown::Point;
use std::string::ToString;

fn drawn(scene: &Scene, index: usize, view: &View) -> Vec<String> {
    let lines = draw(&scene.timeline(), index, view);
    lines.iter().map(ToString::to_string).collect()
}

fn text(scene: &Scene, view: &View) -> String {
    drawn(scene, 0, view).join("\n")
}

/// Two targets, the second later than the first.
const PICTURE: &str = "\
shootdown 0: page 0x400000 of space 1, by CPU 0 at 1-2, generation 1
acknowledged after 320 ticks

  ticks CPU 0                   CPU 1                   CPU 2
    -10  ░ pte-store             ░                       ░
     +0 │░ begin                 ░                       ░
    +20 │░ pin                   ░                       ░
    +30 │░ publish               ░                       ░
    +40 │░ generation 1          ░                       ░
    +50 │░ zero 1-2              ░                       ░
    +70 │░ send ─────────────────▼───────────────────────▼
   +100 │░ local-invalidate      ┆                       ┆
   +110 │  invlpg                ┆                       ┆
   +120 │                       ┃░ enter, from user      ┆
   +130 │                       ┃░ notice                ┆
   +140 │                       ┃░ copy                  ┆
   +150 │                       ┃░ acknowledge 1         ┆
   +160 │                       ┃░ invalidate            ┆
   +170 │                       ┃  invlpg                ┆
   +180 │                       ┃  leave                 ┆
   +200 │                                               ┃░ enter, from user
   +210 │                                               ┃░ notice
   +220 │                                               ┃░ copy
   +230 │                                               ┃░ acknowledge 1
   +240 │                                               ┃░ invalidate
   +250 │                                               ┃  invlpg
   +260 │                                               ┃  leave
   +280 ┊  wait
   +290 ┊  done
   +320 │  end
        │ initiates  ┊ waits  ┃ in its handler  ┆ interrupt under way
        ░ may use the old translation";

#[test]
fn another_picture_than_the_one_that_was_looked_at() {
    let picture = text(&Scene::usual(), &View::default());
    assert!(picture == PICTURE, "{picture}");
}

#[test]
fn a_glyph_that_a_plain_terminal_cannot_show() {
    let view = View {
        ascii: true,
        ..View::default()
    };
    let picture = text(&Scene::usual(), &view);
    assert!(picture.is_ascii(), "{picture}");
    assert!(picture.contains("send -----"), "{picture}");
}

#[test]
fn a_line_wider_than_the_screen() {
    let scene = Scene::usual();
    for width in [40, 53, 80, 200] {
        let view = View {
            width,
            ..View::default()
        };
        for line in drawn(&scene, 0, &view).iter().skip(3) {
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert_eq!(line.trim_end(), line);
        }
    }
    let narrow = View {
        width: 40,
        ..View::default()
    };
    assert!(text(&scene, &narrow).contains("no room for CPUs 2"));
}

#[test]
fn lanes_that_were_not_asked_for() {
    let view = View {
        cpus: CpuSet::from_bits(0b101),
        ..View::default()
    };
    let picture = text(&Scene::usual(), &view);
    assert!(
        picture.contains("CPU 2") && !picture.contains("CPU 1 "),
        "{picture}"
    );
}

#[test]
fn a_stale_translation_drawn_as_gone() {
    let scene = Scene::usual().without(2, Kind::Invlpg, 0);
    let picture = drawn(&scene, 0, &View::default());
    let end = picture.iter().find(|line| line.contains(" end")).unwrap();
    assert!(end.contains('░'), "{end}");
    let right = drawn(&Scene::usual(), 0, &View::default());
    let end = right.iter().find(|line| line.contains(" end")).unwrap();
    assert!(!end.contains('░'), "{end}");
}

#[test]
fn a_fault_or_a_parked_cpu_that_is_not_seen() {
    let mut scene = Scene::usual();
    let at = scene.find(1, Point::Acknowledge, 0);
    scene.push(1, Kind::Park, Point::Acknowledge as u64, 0);
    scene.push(1, Kind::Fault, 0, (Point::Acknowledge as u64) << 8);
    let last = scene.records.len() - 1;
    let scene = scene.moved(last, at).moved(last, at);
    let picture = text(&scene, &View::default());
    for seen in ["■", "park acknowledge", "FAULT acknowledge", "■ parked"] {
        assert!(picture.contains(seen), "{seen}: {picture}");
    }
}

#[test]
fn a_flood_of_rows() {
    let mut scene = Scene::entered();
    scene.ask(&Asked::USUAL);
    for _ in 0..500 {
        scene.push(1, Kind::Nmi, 0, 0);
    }
    scene.end(&Asked::USUAL);
    let picture = drawn(&scene, 0, &View::default());
    assert!(picture.len() < 130, "{}", picture.len());
    assert!(picture.iter().any(|line| line.contains("rows more")));
    assert!(picture.iter().any(|line| line.contains("  end ")));
}

#[test]
fn nothing_to_draw_that_panics() {
    let timeline = Timeline::default();
    assert!(draw(&timeline, 0, &View::default()).is_empty());
    assert!(window(&timeline, 0, usize::MAX, &View::default()).is_empty());
    let scene = Scene::usual().timeline();
    let lines = window(&scene, 3, usize::MAX, &View::default());
    assert!(lines.len() > 20);
    assert!(window(&scene, 9, 3, &View::default()).is_empty());
}
