//! Refuses a build that would link a second OpenSSL.
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
}
