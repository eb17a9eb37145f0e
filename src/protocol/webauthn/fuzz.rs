//! What a browser can bring, read as everything that it could be: what `fuzz/` calls, and a test with
//! thousands of changes of good ones.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{
    Assertion, Attestation, Expected, Known, RelyingParty, authenticator_data::AuthenticatorData,
    cbor, cose, register, verify,
};

const CHALLENGE: &[u8] = b"of whoever tries";

/// Reads octets as everything that they could be. Whatever they are, it returns, and nothing is
/// taken for a proof.
///
/// # Panics
///
/// If one of these does not hold.
pub(crate) fn everything(octets: &[u8]) {
    let party = RelyingParty {
        id: "example.org".to_owned(),
        name: "Example".to_owned(),
        origin: "https://example.org".to_owned(),
    };
    let expected = Expected {
        party: &party,
        challenge: CHALLENGE,
        verification: false,
    };
    let client_data = |kind: &str| {
        let challenge = URL_SAFE_NO_PAD.encode(CHALLENGE);
        json!({"type": kind, "challenge": challenge, "origin": party.origin})
            .to_string()
            .into_bytes()
    };
    let _ = cbor::read(octets);
    let key = cose::key(octets);
    let _ = AuthenticatorData::check(octets, &expected);
    if let Ok(text) = std::str::from_utf8(octets) {
        let _ = Attestation::read(text);
        let _ = Assertion::read(text);
    }
    let _ = register(
        &Attestation {
            id: octets.get(55..71).unwrap_or_default().to_vec(),
            client_data: client_data("webauthn.create"),
            object: octets.to_vec(),
            transports: Vec::new(),
        },
        &expected,
    );
    let known = Known {
        key: if key.is_ok() { octets } else { P256 },
        handle: b"somebody",
        counter: 0,
        backup_eligible: false,
    };
    let (data, signature) = octets.split_at(octets.len().min(37));
    let answer = Assertion {
        id: Vec::new(),
        client_data: client_data("webauthn.get"),
        authenticator_data: data.to_vec(),
        signature: signature.to_vec(),
        handle: None,
    };
    assert!(verify(&answer, &known, &expected).is_err());
}

/// The base point of P-256 as a COSE key: who knows its secret, which is 1, signs nothing here.
const P256: &[u8] = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20\
    \x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\
    \x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\
    \x22\x58\x20\
    \x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\
    \x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";
