//! What the browser says of a ceremony, and signs nothing of itself: the authenticator signs its hash
//! (WebAuthn level 3 section 5.8.1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::{Expected, Refused};
use crate::crypto;

/// The longest that is read, in octets. Browsers write a third of that.
const MOST: usize = 4096;

/// `CollectedClientData`. Browsers may add fields that nobody knows yet.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

/// Checks what the browser says, and gives its hash.
pub(super) fn check(
    json: &[u8],
    kind: &'static str,
    expected: &Expected<'_>,
) -> Result<[u8; 32], Refused> {
    if json.len() > MOST {
        return Err(Refused::ClientData);
    }
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Refused::ClientData)?;
    if data.r#type != kind {
        return Err(Refused::OtherCeremony);
    }
    let challenge = URL_SAFE_NO_PAD.decode(&data.challenge);
    let challenge = challenge.map_err(|_| Refused::Challenge)?;
    if !crypto::equal(&challenge, expected.challenge) {
        return Err(Refused::Challenge);
    }
    // One exact origin: neither its sub-domains nor another port of it.
    if data.origin != expected.party.origin {
        return Err(Refused::Origin);
    }
    // Nobody has a reason to show our pages in a frame.
    if data.cross_origin || data.top_origin.is_some() {
        return Err(Refused::CrossOrigin);
    }
    Ok(crypto::sha256(json))
}
