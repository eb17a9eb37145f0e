//! What a browser is asked for, in the JSON form of WebAuthn level 3 sections 5.1.8 and 5.1.9.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::RelyingParty;
use crate::crypto::CredentialAlgorithm;

/// How long the browser waits for the person, in milliseconds.
const TIMEOUT: u32 = 300_000;

/// A credential that is meant, or that must not be used.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Descriptor {
    r#type: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transports: Vec<String>,
}

impl Descriptor {
    /// Names a credential, with what is known of how it is reached.
    pub(crate) fn new(id: &[u8], transports: &[String]) -> Self {
        Self {
            r#type: "public-key",
            id: URL_SAFE_NO_PAD.encode(id),
            transports: transports.to_vec(),
        }
    }
}

/// Whether the authenticator is to verify who holds it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verification {
    /// If it can.
    Preferred,
    /// Or nothing.
    Required,
}

/// `PublicKeyCredentialRequestOptionsJSON`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestOptions {
    challenge: String,
    rp_id: String,
    timeout: u32,
    user_verification: Verification,
    allow_credentials: Vec<Descriptor>,
}

impl RequestOptions {
    /// Asks for a proof by one of these credentials, or by any that the authenticator knows.
    pub(crate) fn new(
        party: &RelyingParty,
        challenge: &[u8],
        verification: Verification,
        allowed: Vec<Descriptor>,
    ) -> Self {
        Self {
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            rp_id: party.id.clone(),
            timeout: TIMEOUT,
            user_verification: verification,
            allow_credentials: allowed,
        }
    }
}

/// Whose credential is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'a> {
    /// The user handle.
    pub(crate) handle: &'a [u8],
    /// What tells this account from another of the same person.
    pub(crate) name: &'a str,
    pub(crate) display_name: &'a str,
}

/// `PublicKeyCredentialCreationOptionsJSON`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationOptions {
    rp: Party,
    user: User,
    challenge: String,
    pub_key_cred_params: Vec<Parameters>,
    timeout: u32,
    exclude_credentials: Vec<Descriptor>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Party {
    id: String,
    name: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    name: String,
    display_name: String,
}

#[derive(Clone, Debug, Serialize)]
struct Parameters {
    r#type: &'static str,
    alg: i64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    resident_key: Verification,
    require_resident_key: bool,
    user_verification: Verification,
}

impl CreationOptions {
    /// Asks for a new credential on an authenticator that has none of these.
    pub(crate) fn new(
        party: &RelyingParty,
        challenge: &[u8],
        whose: Whose<'_>,
        (verification, excluded): (Verification, Vec<Descriptor>),
    ) -> Self {
        let parameters = CredentialAlgorithm::ALL.map(|algorithm| Parameters {
            r#type: "public-key",
            alg: algorithm.cose(),
        });
        Self {
            rp: Party {
                id: party.id.clone(),
                name: party.name.clone(),
            },
            user: User {
                id: URL_SAFE_NO_PAD.encode(whose.handle),
                name: whose.name.to_owned(),
                display_name: whose.display_name.to_owned(),
            },
            challenge: URL_SAFE_NO_PAD.encode(challenge),
            pub_key_cred_params: parameters.to_vec(),
            timeout: TIMEOUT,
            exclude_credentials: excluded,
            authenticator_selection: Selection {
                // What is to be the only proof must also be found without a name.
                resident_key: verification,
                require_resident_key: verification == Verification::Required,
                user_verification: verification,
            },
            attestation: "none",
        }
    }
}
