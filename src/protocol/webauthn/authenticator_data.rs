//! What the authenticator says and signs (WebAuthn level 3 section 6.1).

use super::{Expected, Refused, cbor};
use crate::crypto;

/// The flags.
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;
/// The longest credential id (WebAuthn level 3 section 4).
const MOST_ID: usize = 1023;

/// Authenticator data that are for us.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuthenticatorData<'a> {
    flags: u8,
    pub(super) counter: u32,
    /// The id and the public key of a credential that was made.
    pub(super) credential: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads them whole.
    fn read(bytes: &'a [u8]) -> Result<([u8; 32], Self), Refused> {
        let short = || Refused::AuthenticatorData;
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or_else(short)?;
        let ([flags], rest) = rest.split_first_chunk::<1>().ok_or_else(short)?;
        let (counter, mut rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let mut credential = None;
        if flags & HAS_CREDENTIAL != 0 {
            let (_aaguid, after) = rest.split_first_chunk::<16>().ok_or_else(short)?;
            let (length, after) = after.split_first_chunk::<2>().ok_or_else(short)?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (id, after) = after.split_at_checked(length).ok_or_else(short)?;
            if id.is_empty() || id.len() > MOST_ID {
                return Err(Refused::CredentialId);
            }
            let (_, left) = cbor::read_first(after)?;
            let key = after.split_at_checked(after.len() - left.len());
            let (key, _) = key.ok_or_else(short)?;
            credential = Some((id, key));
            rest = left;
        }
        if flags & HAS_EXTENSIONS != 0 {
            let (_, left) = cbor::read_first(rest)?;
            rest = left;
        }
        if !rest.is_empty() {
            return Err(Refused::AuthenticatorData);
        }
        let data = Self {
            flags: *flags,
            counter: u32::from_be_bytes(*counter),
            credential,
        };
        Ok((*party, data))
    }

    /// Reads them, and checks what both ceremonies demand.
    pub(super) fn check(bytes: &'a [u8], expected: &Expected<'_>) -> Result<Self, Refused> {
        let (party, data) = Self::read(bytes)?;
        if party != crypto::sha256(expected.party.id.as_bytes()) {
            return Err(Refused::RelyingParty);
        }
        if data.flags & USER_PRESENT == 0 {
            return Err(Refused::NobodyPresent);
        }
        if expected.verification && !data.verified() {
            return Err(Refused::NobodyVerified);
        }
        if data.backed_up() && !data.backup_eligible() {
            return Err(Refused::Backup);
        }
        Ok(data)
    }

    /// Whether the authenticator has verified who holds it.
    pub(super) const fn verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    /// Whether the credential may be copied to other devices.
    pub(super) const fn backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    /// Whether it was.
    pub(super) const fn backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}
