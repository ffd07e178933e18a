//! Tells the program which system it is built for, and leaves the tables for unwinding out of the released program.
//!
//! A release aborts on panic (the workspace's profile says so), so nothing ever reads them, yet they are an eighth of the file, and rustc has no stable switch that also
//! reaches the standard library. Both common linkers of Linux take a small script that discards them; elsewhere nothing is
//! done.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=no-unwinding.ld");
    let target = env::var("TARGET").expect("cargo tells every build script its target");
    println!("cargo::rustc-env=HOTPLATE_TARGET={target}");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let fits = is("PROFILE", "release")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if fits {
        let folder =
            env::var("CARGO_MANIFEST_DIR").expect("cargo tells every build script its folder");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/no-unwinding.ld");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
