//! Refuses a build that would link a second OpenSSL, and packs the addresses that the loader puts
//! right when the program starts.
//!
//! pingora turns on openssl-sys's `vendored` feature; only `OPENSSL_NO_VENDOR=1` keeps the one
//! the system patches. `.cargo/config.toml` sets it, but cargo reads that file only when it is
//! called inside the repository, so whoever builds from elsewhere is told here.

fn main() {
    println!("cargo:rerun-if-env-changed=OPENSSL_NO_VENDOR");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("OPENSSL_NO_VENDOR").is_none_or(|value| value != "1") {
        println!(
            "cargo:error=set OPENSSL_NO_VENDOR=1 (inside the repository .cargo/config.toml does): \
             Vestibule links the system's OpenSSL and no other"
        );
        std::process::exit(1);
    }
    pack_relocations();
}

/// A program that is loaded anywhere has some 90,000 addresses to put right. Packed (DT_RELR) their
/// list takes a fiftieth of its 2 MiB, all of which would be read and stay in memory. glibc knows the
/// form since 2.36, the one of Debian 12; a linker that does not know it says so and goes on.
fn pack_relocations() {
    let target = |name: &str| std::env::var_os(name).unwrap_or_default();
    let (os, env) = (
        target("CARGO_CFG_TARGET_OS"),
        target("CARGO_CFG_TARGET_ENV"),
    );
    if os == "linux" && env == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
