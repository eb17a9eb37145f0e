//! What a browser brings back, in the JSON form of WebAuthn level 3 section 5.1.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::Refused;

/// The longest text that is read, in octets. The largest attestations that nobody asked for are half
/// as long.
const MOST: usize = 16 << 10;
/// How many transports are noted, and how long their names may be.
const MOST_TRANSPORTS: usize = 8;
const MOST_TRANSPORT: usize = 16;

/// `RegistrationResponseJSON`: a credential that was made.
#[derive(Clone, Debug)]
pub(crate) struct Attestation {
    pub(super) id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    /// The attestation object.
    pub(super) object: Vec<u8>,
    pub(super) transports: Vec<String>,
}

/// `AuthenticationResponseJSON`: a proof by a credential.
#[derive(Clone, Debug)]
pub(crate) struct Assertion {
    pub(super) id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) authenticator_data: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) handle: Option<Vec<u8>>,
}

/// Both are alike around what differs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential<R> {
    id: String,
    raw_id: String,
    r#type: String,
    response: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proven {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

impl<'de, R: Deserialize<'de>> Credential<R> {
    /// Reads it; the id is that of its octets.
    fn read(text: &'de str) -> Result<(Vec<u8>, R), Refused> {
        if text.len() > MOST {
            return Err(Refused::Answer);
        }
        let read: Self = serde_json::from_str(text).map_err(|_| Refused::Answer)?;
        if read.r#type != "public-key" {
            return Err(Refused::Answer);
        }
        if read.id != read.raw_id {
            return Err(Refused::CredentialId);
        }
        Ok((octets(&read.id)?, read.response))
    }
}

fn octets(text: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Answer)
}

impl Attestation {
    /// Reads what the browser brought.
    pub(crate) fn read(text: &str) -> Result<Self, Refused> {
        let (id, made) = Credential::<Made>::read(text)?;
        let plain = |name: &String| {
            let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            name.len() <= MOST_TRANSPORT && name.bytes().all(letters)
        };
        let transports = made.transports.into_iter().filter(plain);
        Ok(Self {
            id,
            client_data: octets(&made.client_data)?,
            object: octets(&made.attestation_object)?,
            transports: transports.take(MOST_TRANSPORTS).collect(),
        })
    }
}

impl Assertion {
    /// Reads what the browser brought.
    pub(crate) fn read(text: &str) -> Result<Self, Refused> {
        let (id, proven) = Credential::<Proven>::read(text)?;
        // Some write an empty one where there is none.
        let handle = proven.user_handle.filter(|handle| !handle.is_empty());
        Ok(Self {
            id,
            client_data: octets(&proven.client_data)?,
            authenticator_data: octets(&proven.authenticator_data)?,
            signature: octets(&proven.signature)?,
            handle: handle.as_deref().map(octets).transpose()?,
        })
    }

    /// The id of the credential.
    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    /// Whether it says whose it is.
    pub(crate) fn names_somebody(&self) -> bool {
        self.handle.is_some()
    }
}
