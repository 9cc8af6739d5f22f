//! The similarity list, on the kit's own solutions.

use std::fs;
use std::path::Path;

use grader::grade::similarity::{Common, Language, Prints, pairs};

/// The kit's wrong solutions are its right one with a line or two changed. What is left of each without the right
/// one is too little to be compared, or its own.
#[test]
fn wrong_solutions_that_each_is_near_the_right_one_listed() {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../labs");
    let mut compared = 0;
    for folder in fs::read_dir(labs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let Ok(wrongs) = fs::read_dir(folder.join("wrong")) else {
            continue;
        };
        let rust = folder.join("reference.rs").exists();
        let (end, language) = match rust {
            true => ("rs", Language::Rust),
            false => ("tlb", Language::Script),
        };
        let mut common = Common::default();
        for given in ["starter", "reference"] {
            let path = folder.join(given).with_extension(end);
            common.add(&fs::read_to_string(path).unwrap(), language);
        }
        let wrongs = wrongs.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let files: Vec<Prints> = wrongs
            .map(|text| Prints::of(&text, language, &common))
            .collect();
        compared += files.len();
        let pairs = pairs(&files);
        assert!(pairs.is_empty(), "{}: {pairs:?}", folder.display());
    }
    assert!(compared > 50, "{compared}");
}
