//! What a stranger can send to a connection with SAML: responses, logout messages by each binding,
//! and metadata.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| vestibule::fuzz::saml(octets));
