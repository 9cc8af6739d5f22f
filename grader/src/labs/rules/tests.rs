use std::fs;

use super::*;
use crate::workspace::Workspace;

const HEAD: &str = "#![no_std]\n#![forbid(unsafe_code)]\nuse lab::four::*;\n";

fn said(source: &str) -> Vec<String> {
    super::broken(format!("{HEAD}{source}").as_bytes())
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_honest_source_that_is_refused() {
    for source in [
        "/// Doc.\npub struct Student;\nfn f(a: u32) -> u32 { assert!(a > 0, \"{a}\"); core::cmp::max(a, 1) }",
        "use core::iter;\nconst C: u32 = 3;\nuse core::fmt::{self, Write};",
        "// Übergröße: « »\nconst S: &str = \"naïve, 日本\";\nconst A: [u8; 64] = [0; 64];",
        "fn f<'a, M: Machine>(m: &'a M, x: bool) -> &'a M { if !(x) { return m; } match !x { _ => m } }",
        "#[derive(Clone, Copy, PartialEq, Eq)]\nstruct S { core: u32, std: u32 }\nimpl S { fn core(&self) -> u32 { self.core } }",
        "#[must_use]\nfn f(x: u32) -> bool { x != 3 && !matches!(x, 1 | 2) }",
        "fn f(s: &'static str) -> impl Iterator<Item = u8> + use<'_> { s.bytes() }",
    ] {
        assert_eq!(said(source), Vec::<String>::new(), "{source}");
    }
    let windows = format!("\u{feff}{HEAD}pub struct Student;\n").replace('\n', "\r\n");
    assert_eq!(super::broken(windows.as_bytes()), Vec::new());
}

#[test]
fn what_goes_behind_the_machine_s_back() {
    for (source, word) in [
        ("static A: u32 = 0;", "`static`"),
        ("fn f() { unsafe {} }", "`unsafe`"),
        ("unsafe fn f() {}", "`unsafe`"),
        ("unsafe trait T {}", "`unsafe`"),
        ("unsafe impl Send for S {}", "`unsafe`"),
        ("type F = unsafe fn();", "`unsafe`"),
        (
            "fn f() { assert!(matches!(g(unsafe { 1 }), _)); }",
            "`unsafe`",
        ),
        ("extern \"C\" fn f() {}", "`extern`"),
        ("extern \"C\" { fn f(); }", "`extern`"),
        ("type F = extern \"C\" fn();", "`extern`"),
        ("extern crate std;", "`extern`"),
        ("extern crate core as c;", "`extern`"),
        ("mod a;", "`mod`"),
        ("mod a { pub fn f() {} }", "`mod`"),
        ("#[path = \"/etc/passwd\"] mod a;", "`path`"),
        ("#[no_mangle] fn f() {}", "no_mangle"),
        ("#[unsafe(no_mangle)] fn f() {}", "`unsafe`"),
        ("#[export_name = \"main\"] fn f() {}", "export_name"),
        ("#[link_section = \".x\"] fn f() {}", "link_section"),
        ("#[link(name = \"c\")] fn f() {}", "`link`"),
        ("#[used] const A: u32 = 0;", "`used`"),
        ("#[panic_handler] fn f() {}", "panic_handler"),
        ("#[global_allocator] const A: u32 = 0;", "global_allocator"),
        ("#[cfg_attr(all(), no_mangle)] fn f() {}", "cfg_attr"),
        ("#[rustc_dummy] fn f() {}", "rustc_dummy"),
        ("#[core::prelude::v1::derive(Clone)] struct S;", "attribute"),
        ("#[track_caller] fn f() {}", "track_caller"),
        ("#[derive(lab::Bad)] struct S;", "derive"),
        (
            "#[doc = include_str!(\"/etc/passwd\")] fn f() {}",
            "include_str!",
        ),
        (
            "#[doc = concat!(\"a\", env!(\"HOME\"))] fn f() {}",
            "concat!",
        ),
        (
            "const S: &str = include_str!(\"/etc/passwd\");",
            "include_str!",
        ),
        (
            "const S: &[u8] = include_bytes! [\"/etc/passwd\"];",
            "include_bytes!",
        ),
        ("include!(\"/etc/passwd\");", "include!"),
        ("const S: &str = env!(\"HOME\");", "env!"),
        (
            "const S: Option<&str> = option_env!(\"HOME\");",
            "option_env!",
        ),
        ("fn f() { core::arch::asm!(\"hlt\"); }", "asm!"),
        ("core::arch::global_asm!(\"hlt\");", "global_asm!"),
        ("fn f() { panic!(\"{}\", env!(\"HOME\")); }", "env!"),
        (
            "fn f() { panic!(\"{}\", format_args!(\"{}\", env!(\"HOME\"))); }",
            "env!",
        ),
        (
            "fn f() { assert!(matches!(1, x if { #[cfg(a)] x } == 1)); }",
            "`cfg`",
        ),
        (
            "fn f() { assert!(matches!(core::sync::atomic::fence, _)); }",
            "core::sync",
        ),
        ("macro_rules! m { () => {} }", "macro_rules"),
        (
            "macro_rules! m { ($($t:tt)*) => { m!($($t)* $($t)*); } }",
            "macro_rules",
        ),
        ("const A: bool = cfg!(debug_assertions);", "cfg!"),
        ("fn f() { debug_assert!({ g(); true }); }", "debug_assert!"),
        ("const L: u32 = line!();", "line!"),
        ("const F: &str = file!();", "file!"),
        ("const T: &str = stringify!(unsafe_code);", "stringify!"),
        ("use core::sync::atomic::AtomicU32;", "core::sync"),
        ("use core::{sync::atomic::AtomicU32, cmp};", "core::sync"),
        ("use core::{cmp, cell};", "core::cell"),
        ("use core::{{cell::Cell}};", "core"),
        ("use core::include_str as assert;", "core::include_str"),
        ("use core::prelude::v1::*;", "core::prelude"),
        ("use core::*;", "all of `core`"),
        ("use core::{*};", "all of `core`"),
        ("use core::{self};", "core::self"),
        ("use core::{self as c};", "another name"),
        ("use core;", "all of `core`"),
        ("use core as c;", "another name"),
        ("use {core as c};", "another name"),
        ("use ::core as c;", "another name"),
        ("use r#core::cell::Cell;", "raw identifier"),
        ("use std::fs;", "`std`"),
        ("use ::std::fs;", "`std`"),
        ("use alloc::boxed::Box;", "`alloc`"),
        ("use shootdown::Scoreboard;", "`shootdown`"),
        ("fn f() { ::std::process::exit(0) }", "`std`"),
        ("fn f() { std::process::exit(0) }", "`std`"),
        (
            "fn f() { <u32 as ::explorer::Subject>::build() }",
            "`explorer`",
        ),
        ("struct S(core::cell::Cell<u32>);", "core::cell"),
        ("fn f() { core::mem::forget(1) }", "core::mem"),
        (
            "fn f() { let _ = core::panic::Location::caller(); }",
            "core::panic",
        ),
        (
            "fn f<M>() -> &'static str { core::any::type_name::<M>() }",
            "core::any",
        ),
        ("fn f<M>() -> usize { size_of::<M>() }", "size_of"),
        ("fn f<M>(m: &M) { panic!(\"{m:p}\"); }", "{:p}"),
        ("fn f(a: *const u8) {}", "raw pointer"),
        ("fn f(a: u8) { let _ = &raw const a; }", "raw pointer"),
        ("union U { a: u32 }", "union"),
        ("async fn f() {}", "`async`"),
        ("const C: &core::ffi::CStr = c\"a\";", "foreign code"),
        ("#[cfg(debug_assertions)] fn f() {}", "cfg"),
        ("fn аdd() {}", "ASCII"),
        ("fn f(", "no Rust"),
        ("const A: [u8; 1 << 40] = [0; 1 << 40];", "elements"),
        (
            "const N: usize = 4096 * 4096;\nfn f() { let a = [0u8; N]; }",
            "elements",
        ),
        ("fn f(a: [[[u8; 99]; 99]; 99]) {}", "elements"),
    ] {
        let said = said(source);
        assert!(
            said.iter().any(|line| line.contains(word)),
            "{source}: {said:?}"
        );
    }
}

/// rust-lang/rust issues 25860, 57893, 84366, 84591, 98117, 100051, 129021 and their kin: what they need, by what they
/// are written with.
#[test]
fn a_known_hole_of_the_compiler() {
    for (source, word) in [
        (
            "fn f<'a, 'b, T>(_: &'a &'b (), v: &'b T) -> &'a T { v }",
            "two named",
        ),
        (
            "fn f<'a, T>(_: &'static &'a (), v: &'a T) -> &'static T { v }",
            "two named",
        ),
        (
            "struct W<'a, 'b>(&'a (), &'b ());\nfn f<'a, 'b, T>(_: W<'a, 'b>, v: &'b T) -> &'a T { v }",
            "two named",
        ),
        ("fn f<'a, 'b>() where &'a &'b (): Sized {}", "two named"),
        (
            "trait T { type A; }\nfn f<'a, 'b>(_: <&'a &'b () as T>::A) {}",
            "two named",
        ),
        ("type F = fn(&u8) -> &u8;", "pointer to a function"),
        (
            "fn f() { let g: fn(_, _) -> _ = h; }",
            "pointer to a function",
        ),
        (
            "fn f<F>(g: F) where F: for<'a> Fn(&'a u8) -> &'a u8 {}",
            "`for<…>`",
        ),
        ("fn f<F: for<'a> Fn(&'a u8)>(g: F) {}", "`for<…>`"),
        (
            "fn f() { let g = for<'a> |x: &'a u8| -> &'a u8 { x }; }",
            "`for<…>`",
        ),
        ("trait O { type A; }\nfn f(o: &dyn O<A = u8>) {}", "`dyn`"),
        ("impl S for dyn T {}", "`dyn`"),
        (
            "trait H { type O; }\nimpl<R, F: Fn() -> R> H for F { type O = R; }",
            "a trait of one's own",
        ),
        (
            "fn f<I: Iterator + 'static>(_: &I, x: I::Item) -> I::Item { x }",
            "a lifetime as a bound",
        ),
        (
            "fn f<I: Iterator>(_: &I, x: I::Item) -> impl Sized + '_ { x }",
            "a lifetime as a bound",
        ),
        (
            "fn f<T>(x: T) -> T where T: 'static { x }",
            "a lifetime as a bound",
        ),
        ("fn f<'a: 'static>(x: &'a u8) {}", "a lifetime as a bound"),
        (
            "fn f<'a>(x: &'a u8) where 'a: 'static {}",
            "a lifetime as a bound",
        ),
    ] {
        let said = said(source);
        assert!(
            said.iter().any(|line| line.contains(word)),
            "{source}: {said:?}"
        );
    }
}

#[test]
fn a_head_that_is_missing() {
    let said: Vec<String> = super::broken(b"fn f() {}")
        .iter()
        .map(|broken| broken.what.clone())
        .collect();
    assert!(said.iter().any(|what| what.contains("no_std")), "{said:?}");
    assert!(said.iter().any(|what| what.contains("forbid")), "{said:?}");
}

#[test]
fn a_text_that_does_not_read_as_it_looks() {
    for (bytes, word) in [
        (&b"\xff\xfe"[..], "UTF-8"),
        (b"// \n// \xc3\x28", "line 2: the file is not UTF-8"),
        (b"// a\0b", "control character"),
        (b"// \x1b[2J", "control character"),
        ("// \u{202e}".as_bytes(), "U+202E"),
        ("\n\n/* \u{2066} */".as_bytes(), "line 3: U+2066"),
        ("const A\u{200b}: u8 = 1;".as_bytes(), "U+200B"),
        ("// \u{feff}".as_bytes(), "U+FEFF"),
        (b"#!/bin/sh\n", "to run it"),
    ] {
        let said: Vec<String> = super::broken(bytes)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(said.len() == 1 && said[0].contains(word), "{said:?}");
    }
    let long = vec![b' '; LONGEST + 1];
    assert!(super::broken(&long)[0].what.contains("longer"));
}

/// A starter, with bytes changed, taken away and put in: whatever comes, something is said of it or nothing.
#[test]
fn bytes_that_break_the_reader() {
    let labs = Workspace::find().unwrap().root.join("labs");
    let whole = fs::read(labs.join("07-when-it-goes-wrong/starter.rs")).unwrap();
    let pieces: [&[u8]; 14] = [
        b"(", b"]", b"{", b"'", b"\"", b"#", b"!", b"r#\"", b"//", b"/*", b"\xf0", b"\0", b"::",
        b"<",
    ];
    let mut state = 1_u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut refused = 0;
    for _ in 0..400 {
        let mut source = whole.clone();
        for _ in 0..=draw(4) {
            let place = draw(source.len());
            let end = source.len().min(place + draw(40));
            match draw(3) {
                0 => source[place] = u8::try_from(draw(256)).unwrap(),
                1 => drop(source.drain(place..end)),
                _ => drop(source.splice(place..place, pieces[draw(pieces.len())].iter().copied())),
            }
        }
        refused += usize::from(!super::broken(&source).is_empty());
    }
    assert!((100..400).contains(&refused), "{refused}");
    for length in [0, 1, 7, 1000] {
        let noise: Vec<u8> = (0..length)
            .map(|_| u8::try_from(draw(256)).unwrap())
            .collect();
        assert!(!super::broken(&noise).is_empty());
    }
}
