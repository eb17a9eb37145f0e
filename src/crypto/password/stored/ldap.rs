//! `userPassword` values (RFC 2307 section 5.3), with what OpenLDAP's modules, Dovecot and Atlassian
//! have added.

use super::{
    Argon2, BadHash, Bcrypt, Digest, Pbkdf2, PlainDigest, Reading, Scheme, StoredHash, crypt,
    encoding,
};

/// Reads what follows `{`.
pub(super) fn read(rest: &str) -> Result<StoredHash, BadHash> {
    let (scheme, value) = rest.split_once('}').ok_or(BadHash::Unknown)?;
    if let Some(read) = digest(scheme, value) {
        return read;
    }
    match scheme.to_ascii_uppercase().as_str() {
        "ARGON2" | "ARGON2I" | "ARGON2ID" => Argon2::parse(value).map(Into::into),
        "BLF-CRYPT" => Bcrypt::parse(value).map(Into::into),
        "CRYPT" | "MD5-CRYPT" | "SHA256-CRYPT" | "SHA512-CRYPT" => crypt::read(value),
        "PBKDF2" | "PBKDF2-SHA1" => Pbkdf2::ldap(Digest::Sha1, value).map(Into::into),
        "PBKDF2-SHA256" => Pbkdf2::ldap(Digest::Sha256, value).map(Into::into),
        "PBKDF2-SHA512" => Pbkdf2::ldap(Digest::Sha512, value).map(Into::into),
        "PKCS5S2" => Pbkdf2::atlassian(value).map(Into::into),
        _ => Err(BadHash::Unknown),
    }
}

/// Reads `{SSHA}…` and its kin: a digest of the password and of the salt that follows the digest.
/// None if it is another scheme.
pub(super) fn digest(scheme: &str, value: &str) -> Option<Result<StoredHash, BadHash>> {
    let (digest, is_salted) = match scheme.to_ascii_uppercase().as_str() {
        "MD5" => (Digest::Md5, false),
        "SHA" => (Digest::Sha1, false),
        "SHA256" => (Digest::Sha256, false),
        "SHA384" => (Digest::Sha384, false),
        "SHA512" => (Digest::Sha512, false),
        "SMD5" => (Digest::Md5, true),
        "SSHA" => (Digest::Sha1, true),
        "SSHA256" => (Digest::Sha256, true),
        "SSHA384" => (Digest::Sha384, true),
        "SSHA512" => (Digest::Sha512, true),
        _ => return None,
    };
    let read = || {
        let damaged = BadHash::Damaged("LDAP");
        let octets = encoding::base64(value).ok_or(damaged)?;
        let (hash, salt) = octets.split_at_checked(digest.length()).ok_or(damaged)?;
        if salt.is_empty() == is_salted {
            return Err(damaged);
        }
        Ok(StoredHash {
            reading: Reading {
                after: super::salted(salt.to_vec())?,
                ..Reading::default()
            },
            scheme: Scheme::Digest(PlainDigest::new(digest, Some(hash.to_vec()))?),
        })
    };
    Some(read())
}
