//! What a stranger's browser can say of a passkey: attestation objects, keys, proofs, and their JSON.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| vestibule::fuzz::webauthn(octets));
