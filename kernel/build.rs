//! Links the kernel at its addresses, when it is the kernel that is built.

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let directory =
            std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the crate's folder");
        println!("cargo::rustc-link-arg-bins=-T{directory}/link.ld");
        println!("cargo::rustc-link-arg-bins=-n");
    }
}
