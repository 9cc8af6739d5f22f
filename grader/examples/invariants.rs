//! Writes the table of invariants: `cargo run -p grader --example invariants > kernel/shootdown/INVARIANTS.md`.

fn main() -> std::io::Result<()> {
    print!(
        "{}",
        grader::invariants::table(&grader::invariants::scenarios()?)
    );
    Ok(())
}
