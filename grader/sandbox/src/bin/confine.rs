//! A launcher for the tests.

#![forbid(unsafe_code)]

fn main() {
    sandbox::start_up(std::env::args_os().skip(1));
}
