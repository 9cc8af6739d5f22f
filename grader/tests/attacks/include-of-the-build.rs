// lab: 4
// tries: a source that a build script beside it writes
// stopped by: rules
// says: include!
// beside build.rs: fn main() { std::fs::remove_file("CANARY").unwrap(); std::fs::write(std::env::var("OUT_DIR").unwrap() + "/solution.rs", "").unwrap(); }
// beside Cargo.toml: [package]\nname = "evil"\nversion = "1.0.0"\nbuild = "build.rs"\n[dependencies]\nlibc = "*"\n
// beside .cargo/config.toml: [build]\nrustc-wrapper = "/bin/false"\n[target.x86_64-unknown-linux-gnu]\nrunner = "/bin/false"\nlinker = "/bin/false"\n
// beside rust-toolchain.toml: [toolchain]\npath = "/"\n
#![no_std]
#![forbid(unsafe_code)]

use lab::four::*;

include!(concat!(env!("OUT_DIR"), "/solution.rs"));
