//! Prints `shell/REFERENCE.md`.

fn main() {
    print!("{}", shell::reference::page());
}
