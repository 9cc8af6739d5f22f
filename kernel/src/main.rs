//! The kernel's program. Everything is in the library; see its first page.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
hw::entry_point!(|boot| kernel::boot::run(boot, &[]));

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("this is the kernel: build it for x86_64-unknown-none, or start it with `cargo run`");
    std::process::exit(2);
}
