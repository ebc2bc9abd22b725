//! Makes the flag of crossbeam's own loom build known to the lints.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(crossbeam_loom)");
}
