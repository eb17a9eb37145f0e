//! WebAuthn level 3 for a relying party: what a browser is asked for, and whether what it brings back
//! is good.
//!
//! A credential is made in [`register`] (section 7.1) and proves its holder in [`verify`] (section
//! 7.2). Each demands the ceremony that was begun, one exact origin, our RP ID, somebody who is there
//! and, where it is the only proof, somebody whom the authenticator knows. Attestations are not asked
//! for; one that comes all the same is read as CBOR and believed in nothing, since nobody here keeps
//! a list of makers.

mod authenticator_data;
mod cbor;
mod client_data;
mod cose;
mod credential;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzz;
mod options;
#[cfg(test)]
mod tests;

use self::{authenticator_data::AuthenticatorData, cbor::Value};
pub(crate) use self::{
    cbor::CborError,
    cose::CoseError,
    credential::{Assertion, Attestation},
    options::{CreationOptions, Descriptor, RequestOptions, Verification, Whose},
};
use crate::crypto;

/// Who asks for credentials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RelyingParty {
    /// The RP ID: a host, or a domain above it.
    pub(crate) id: String,
    /// What people read.
    pub(crate) name: String,
    /// The one origin whose pages ask.
    pub(crate) origin: String,
}

/// What an answer must be for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) party: &'a RelyingParty,
    pub(crate) challenge: &'a [u8],
    /// Whether the authenticator must have verified who holds it.
    pub(crate) verification: bool,
}

/// A credential that was made just now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Registered {
    pub(crate) id: Vec<u8>,
    /// The public key, as COSE has it.
    pub(crate) key: Vec<u8>,
    pub(crate) counter: u32,
    pub(crate) verified: bool,
    pub(crate) backup_eligible: bool,
    pub(crate) backed_up: bool,
    pub(crate) transports: Vec<String>,
}

/// What is known of a credential.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// The public key, as COSE has it.
    pub(crate) key: &'a [u8],
    /// The user handle of whoever has it.
    pub(crate) handle: &'a [u8],
    pub(crate) counter: u32,
    pub(crate) backup_eligible: bool,
}

/// A proof that is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Verified {
    pub(crate) counter: u32,
    pub(crate) verified: bool,
    pub(crate) backed_up: bool,
}

/// Why an answer is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it is not the JSON of a credential")]
    Answer,
    #[error("the authenticator data are cut off, or go on after their end")]
    AuthenticatorData,
    #[error("the credential says it is backed up and that it cannot be")]
    Backup,
    #[error("the credential could be backed up and now cannot, or the other way round")]
    BackupChanged,
    #[error("the CBOR is not an authenticator's: {0}")]
    Cbor(#[from] CborError),
    #[error("the challenge is another one")]
    Challenge,
    #[error("the client data are not the JSON of a browser")]
    ClientData,
    #[error("the counter did not go up: the authenticator may have been copied")]
    Cloned,
    #[error("the credential's id is empty, too long, or not the one that was named")]
    CredentialId,
    #[error("the page was shown within a page of another origin")]
    CrossOrigin,
    #[error("it names the user of another credential")]
    Handle,
    #[error("{0}")]
    Key(#[from] CoseError),
    #[error("no credential was made")]
    NoCredential,
    #[error("nobody was present")]
    NobodyPresent,
    #[error("the authenticator did not verify who holds it")]
    NobodyVerified,
    #[error("it comes from another origin")]
    Origin,
    #[error("it is the answer to another ceremony")]
    OtherCeremony,
    #[error("it is for another RP ID")]
    RelyingParty,
    #[error("the signature is wrong")]
    Signature,
}

/// Checks a credential that was made (section 7.1).
pub(crate) fn register(
    answer: &Attestation,
    expected: &Expected<'_>,
) -> Result<Registered, Refused> {
    client_data::check(&answer.client_data, "webauthn.create", expected)?;
    let object = cbor::read(&answer.object)?;
    let member = |name: &'static str| object.get(&Value::Text(name)).ok_or(Refused::Answer);
    // Their presence is part of the form; what an attestation says is believed in nothing.
    member("fmt")?.text().ok_or(Refused::Answer)?;
    member("attStmt")?;
    let data = member("authData")?.bytes().ok_or(Refused::Answer)?;
    let data = AuthenticatorData::check(data, expected)?;
    let (id, key) = data.credential.ok_or(Refused::NoCredential)?;
    if id != answer.id {
        return Err(Refused::CredentialId);
    }
    cose::key(key)?;
    Ok(Registered {
        id: id.to_vec(),
        key: key.to_vec(),
        counter: data.counter,
        verified: data.verified(),
        backup_eligible: data.backup_eligible(),
        backed_up: data.backed_up(),
        transports: answer.transports.clone(),
    })
}

/// Checks a proof by a known credential (section 7.2).
pub(crate) fn verify(
    answer: &Assertion,
    known: &Known<'_>,
    expected: &Expected<'_>,
) -> Result<Verified, Refused> {
    // Authenticators that found the credential by themselves say whose it is.
    if answer
        .handle
        .as_ref()
        .is_some_and(|named| named != known.handle)
    {
        return Err(Refused::Handle);
    }
    let hash = client_data::check(&answer.client_data, "webauthn.get", expected)?;
    let data = AuthenticatorData::check(&answer.authenticator_data, expected)?;
    let mut signed = answer.authenticator_data.clone();
    signed.extend_from_slice(&hash);
    if !cose::key(known.key)?.verifies(&signed, &answer.signature) {
        return Err(Refused::Signature);
    }
    if data.backup_eligible() != known.backup_eligible {
        return Err(Refused::BackupChanged);
    }
    // Passkeys that are synced do not count.
    if (data.counter != 0 || known.counter != 0) && data.counter <= known.counter {
        return Err(Refused::Cloned);
    }
    Ok(Verified {
        counter: data.counter,
        verified: data.verified(),
        backed_up: data.backed_up(),
    })
}

/// By what a credential is found: ids are up to a kilobyte long.
pub(crate) fn name_of(id: &[u8]) -> [u8; 16] {
    let hash = crypto::sha256_parts(&[b"webauthn credential", id]);
    *hash.first_chunk::<16>().unwrap_or(&[0; 16])
}
