//! Tells the scripts which system they are built for, as Rust calls it: no macro knows.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").expect("cargo tells every build script its target");
    println!("cargo::rustc-env=HOTPLATE_TARGET={target}");
}
