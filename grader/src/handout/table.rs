//! What the students' tree is made of.

/// What stands at the top of the kit's tree, and whether students get it.
pub const TOP: [(&str, bool); 17] = [
    (".cargo", true),
    (".ci", false),
    (".git", false),
    (".gitignore", true),
    ("ARCHITECTURE.md", true),
    ("Cargo.lock", true),
    ("Cargo.toml", true),
    ("LICENSE-APACHE", true),
    ("LICENSE-MIT", true),
    ("README.md", true),
    ("gdb", true),
    ("grader", true),
    ("kernel", true),
    ("labs", true),
    ("shell", true),
    ("slides", true),
    ("target", false),
];

/// Of that, what is left out, by how its place begins: pages for instructors, and tests that need solutions, or show one.
pub const LEFT_OUT: [&str; 24] = [
    "grader/ATTACKS.md",
    "grader/README.md",
    "grader/tests/attacks",
    "grader/tests/authoring.rs",
    "grader/tests/batch.rs",
    "grader/tests/beyond_rules.rs",
    "grader/tests/book.rs",
    "grader/tests/course",
    "grader/tests/export.rs",
    "grader/tests/grade",
    "grader/tests/handout.rs",
    "grader/tests/labs.rs",
    "grader/tests/machines.rs",
    "grader/tests/mutate.rs",
    "grader/tests/rig.rs",
    "grader/tests/schedules.rs",
    "grader/tests/see.rs",
    "grader/tests/similarity.rs",
    "grader/tests/slides.rs",
    "labs/work/",
    "slides/book/grading.md",
    "slides/book/guest.md",
    "slides/book/guide.md",
    "slides/book/unit.md",
];

/// The folders in `labs/` that are no labs, which they get, and the manifest, which is written anew.
pub const LABS: [&str; 2] = ["lab", "rig"];

/// The files of a lab that they get, besides its starter, and the scripts of checks that are not hidden.
pub const PAGES: [&str; 2] = ["handout.md", "hints.md"];

/// What they read in any case, and may copy: a line of a solution that stands there too gives nothing away.
pub const READ: [&str; 5] = [
    "README.md",
    "kernel/shootdown/src",
    "labs/lab/src",
    "shell/REFERENCE.md",
    "slides/demo",
];
