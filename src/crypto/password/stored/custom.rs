//! Hashes without marks of their own, declared field by field.
//!
//! The fields are those of Auth0's `custom_password_hash`, so that what was written for an import
//! there is right here. The string form is `custom:` and the declaration as a JSON object.

use serde::{Deserialize, Serialize};

use super::{
    Argon2, BadHash, Bcrypt, Digest, Hmac, Pbkdf2, PlainDigest, Scheme, StoredHash, TextEncoding,
    encoding, ldap,
    scrypt::{Scrypt, ScryptCost},
};

/// How the string form begins.
pub(super) const CUSTOM: &str = "custom:";

/// A hash with everything that is needed to check it.
#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CustomHash {
    algorithm: Algorithm,
    hash: HashPart,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<SaltPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<PasswordPart>,
    /// Octets of a scrypt hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keylen: Option<usize>,
    /// scrypt's N.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost: Option<u64>,
    /// scrypt's r.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    block_size: Option<u32>,
    /// scrypt's p.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parallelization: Option<u32>,
    /// Whether the software that made a bcrypt hash cut passwords of more than 72 bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncates: bool,
}

impl std::fmt::Debug for CustomHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomHash")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Algorithm {
    Argon2,
    Bcrypt,
    Hmac,
    Ldap,
    Md4,
    Md5,
    Pbkdf2,
    Scrypt,
    Sha1,
    Sha256,
    Sha512,
}

#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct HashPart {
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoding: Option<OctetEncoding>,
    /// Of an HMAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    /// Of an HMAC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<KeyPart>,
}

#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct KeyPart {
    value: String,
    #[serde(default)]
    encoding: OctetEncoding,
}

#[derive(Clone, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct SaltPart {
    value: String,
    #[serde(default)]
    encoding: OctetEncoding,
    #[serde(default)]
    position: Position,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct PasswordPart {
    #[serde(default)]
    encoding: TextEncoding,
}

/// How octets are written in JSON.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum OctetEncoding {
    Base64,
    Hex,
    #[default]
    Utf8,
}

/// Where a salt goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Position {
    /// Before the password.
    #[default]
    Prefix,
    /// After it.
    Suffix,
}

impl CustomHash {
    /// The form that is stored.
    pub(crate) fn to_stored(&self) -> Result<String, BadHash> {
        let json = serde_json::to_string(self).map_err(|_| BadHash::Damaged("custom"))?;
        let stored = format!("{CUSTOM}{json}");
        super::check_hash(&stored)?;
        Ok(stored)
    }

    pub(super) fn from_json(json: &str) -> Result<Self, BadHash> {
        serde_json::from_str(json).map_err(|_| BadHash::Damaged("custom"))
    }

    pub(super) fn read(&self) -> Result<StoredHash, BadHash> {
        let mut read: StoredHash = match self.algorithm {
            Algorithm::Argon2 => Argon2::parse(self.text()?)?.into(),
            Algorithm::Bcrypt => self.bcrypt()?.into(),
            Algorithm::Hmac => Scheme::Hmac(self.hmac()?).into(),
            Algorithm::Ldap => self.ldap()?,
            Algorithm::Md4 => self.digest(Digest::Md4)?,
            Algorithm::Md5 => self.digest(Digest::Md5)?,
            Algorithm::Pbkdf2 => Pbkdf2::phc(self.text()?)?.into(),
            Algorithm::Scrypt => self.scrypt()?.into(),
            Algorithm::Sha1 => self.digest(Digest::Sha1)?,
            Algorithm::Sha256 => self.digest(Digest::Sha256)?,
            Algorithm::Sha512 => self.digest(Digest::Sha512)?,
        };
        read.reading.encoding = self.password.map(|part| part.encoding).unwrap_or_default();
        match (self.algorithm, self.salt_octets()?) {
            (_, None) | (Algorithm::Scrypt, _) => (),
            // The salt of these is in their value.
            (Algorithm::Argon2 | Algorithm::Ldap | Algorithm::Pbkdf2, Some(_)) => {
                return Err(self.damaged());
            }
            (_, Some((salt, Position::Prefix))) => read.reading.before = salt,
            (_, Some((salt, Position::Suffix))) => read.reading.after = salt,
        }
        let is_scrypt = self.algorithm == Algorithm::Scrypt;
        let has_cost = (self.keylen.is_some() || self.cost.is_some())
            || (self.block_size.is_some() || self.parallelization.is_some());
        if (has_cost && !is_scrypt) || (self.truncates && self.algorithm != Algorithm::Bcrypt) {
            return Err(self.damaged());
        }
        Ok(read)
    }

    fn bcrypt(&self) -> Result<Bcrypt, BadHash> {
        let bcrypt = Bcrypt::parse(self.text()?)?;
        Ok(if self.truncates {
            bcrypt.truncating()
        } else {
            bcrypt
        })
    }

    fn hmac(&self) -> Result<Hmac, BadHash> {
        let digest = self.hash.digest.ok_or(self.damaged())?;
        let key = self.hash.key.as_ref().ok_or(self.damaged())?;
        let key = key.encoding.decode(&key.value).ok_or(self.damaged())?;
        Hmac::new(digest, key, self.octets())
    }

    fn ldap(&self) -> Result<StoredHash, BadHash> {
        let value = self.text()?.strip_prefix('{').ok_or(self.damaged())?;
        let (scheme, value) = value.split_once('}').ok_or(self.damaged())?;
        ldap::digest(scheme, value).unwrap_or(Err(self.damaged()))
    }

    fn scrypt(&self) -> Result<Scrypt, BadHash> {
        let hash = self.octets().ok_or(self.damaged())?;
        if self.keylen != Some(hash.len()) {
            return Err(self.damaged());
        }
        let cost = ScryptCost::new(
            self.cost.unwrap_or(16_384),
            self.block_size.unwrap_or(8),
            self.parallelization.unwrap_or(1),
        )?;
        let salt = self.salt_octets()?.map(|(salt, _)| salt);
        Scrypt::new(cost, salt.unwrap_or_default(), hash)
    }

    fn digest(&self, digest: Digest) -> Result<StoredHash, BadHash> {
        Ok(Scheme::Digest(PlainDigest::new(digest, self.octets())?).into())
    }

    /// The hash of an algorithm whose hashes are texts.
    fn text(&self) -> Result<&str, BadHash> {
        match self.hash.encoding {
            None | Some(OctetEncoding::Utf8) => Ok(&self.hash.value),
            Some(_) => Err(self.damaged()),
        }
    }

    /// The hash of an algorithm whose hashes are octets: they have no form of their own, so it must
    /// be said which it is.
    fn octets(&self) -> Option<Vec<u8>> {
        match self.hash.encoding? {
            OctetEncoding::Utf8 => None,
            encoding => encoding.decode(&self.hash.value),
        }
    }

    fn salt_octets(&self) -> Result<Option<(Vec<u8>, Position)>, BadHash> {
        let Some(salt) = &self.salt else {
            return Ok(None);
        };
        let octets = salt.encoding.decode(&salt.value).ok_or(self.damaged())?;
        Ok(Some((super::salted(octets)?, salt.position)))
    }

    fn damaged(&self) -> BadHash {
        BadHash::Damaged("custom")
    }
}

impl OctetEncoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => encoding::base64(text),
            Self::Hex => encoding::hex(text),
            Self::Utf8 => Some(text.as_bytes().to_vec()),
        }
    }
}
