//! Password hashes that other software made, read and checked.
//!
//! A stored hash is one string. [`StoredHash::parse`] recognises it by its own marks and turns it
//! into a [`Scheme`], what is computed, and a [`Reading`], how the typed password becomes the
//! octets that it is computed over. What has no marks (a bare digest, a digest under a key) is
//! declared: [`CustomHash`] is that declaration, and its string form begins with `custom:`. No
//! form holds a password itself.
//!
//! | written by | forms |
//! |---|---|
//! | PHC strings | `$argon2id$…` `$argon2i$…` `$argon2d$…` `$scrypt$ln=…` `$pbkdf2-sha256$i=…` |
//! | bcrypt | `$2a$` `$2b$` `$2y$` `$2x$`, passlib's `$bcrypt-sha256$`, WordPress' `$wp$2y$` |
//! | crypt(3) | `$1$` `$apr1$` `$5$` `$6$` `$7$` `$y$` |
//! | LDAP (RFC 2307, OpenLDAP, Dovecot) | `{SHA}` `{SSHA}` … `{CRYPT}` `{PBKDF2-SHA256}` `{ARGON2}` |
//! | Django | `pbkdf2_sha256$` `argon2$` `bcrypt$` `bcrypt_sha256$` `scrypt$` `md5$` `sha1$` |
//! | Werkzeug | `pbkdf2:sha256:…` `scrypt:…` |
//! | ASP.NET Identity | base64 of versions 2 and 3 |
//! | phpass, Drupal | `$P$` `$H$` `$S$`, with `U` before it where MD5 went first |
//! | Firebase | `$fbscrypt$` |
//! | nobody | `!…` and `*…`: locked |
//!
//! Every cost is bounded before anything is computed, so that a row that was damaged or planted
//! takes neither the memory nor the processor away. Computed values are compared in constant time.

mod argon2;
mod bcrypt;
mod crypt;
mod custom;
mod digest;
mod encoding;
mod ldap;
mod pbkdf2;
mod phpass;
mod reading;
mod scrypt;
#[cfg(test)]
mod tests;

use subtle::ConstantTimeEq;

pub(crate) use self::custom::CustomHash;
use self::{
    argon2::Argon2,
    bcrypt::Bcrypt,
    crypt::{Md5Crypt, ShaCrypt, Yescrypt},
    custom::CUSTOM,
    digest::{Digest, Hmac, PlainDigest},
    pbkdf2::Pbkdf2,
    phpass::Phpass,
    reading::{Prehash, Reading, TextEncoding},
    scrypt::{FirebaseScrypt, Scrypt},
};

/// A stored hash that was read, and may be compared with a password.
pub(super) struct StoredHash {
    reading: Reading,
    scheme: Scheme,
}

impl std::fmt::Debug for StoredHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[stored hash]")
    }
}

/// What is computed.
enum Scheme {
    Argon2(Argon2),
    Bcrypt(Bcrypt),
    Digest(PlainDigest),
    FirebaseScrypt(FirebaseScrypt),
    Hmac(Hmac),
    /// No password matches.
    Locked,
    Md5Crypt(Md5Crypt),
    Pbkdf2(Pbkdf2),
    Phpass(Phpass),
    Scrypt(Scrypt),
    ShaCrypt(ShaCrypt),
    Yescrypt(Yescrypt),
}

/// Why a stored hash cannot be checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadHash {
    #[error("it is a damaged {0} hash")]
    Damaged(&'static str),
    #[error("its {0} would take too much time or memory")]
    TooCostly(&'static str),
    #[error("it has more than {LONGEST} bytes")]
    TooLong,
    #[error("it has no form that is known")]
    Unknown,
}

/// The longest stored hash, in bytes.
const LONGEST: usize = 4096;
/// The most memory that a stored hash may ask for, in bytes.
const MOST_MEMORY: u64 = 256 << 20;
/// Octets of salt, at most.
const LONGEST_SALT: usize = 1024;
/// Octets of a derived key. Fewer than the least would match passwords by chance.
const KEY_LENGTHS: std::ops::RangeInclusive<usize> = 16..=512;

/// Whether a text can be stored as a password's hash, and why not.
pub(crate) fn check_hash(text: &str) -> Result<(), BadHash> {
    StoredHash::parse(text).map(drop)
}

impl StoredHash {
    /// Reads a stored hash.
    pub(super) fn parse(text: &str) -> Result<Self, BadHash> {
        if text.len() > LONGEST {
            return Err(BadHash::TooLong);
        }
        if text.starts_with(['!', '*']) {
            return Ok(Scheme::Locked.into());
        }
        if let Some(json) = text.strip_prefix(CUSTOM) {
            return CustomHash::from_json(json)?.read();
        }
        if let Some(rest) = text.strip_prefix('{') {
            return ldap::read(rest);
        }
        if text.starts_with('$') || text.starts_with("U$") {
            return modular(text);
        }
        if let Some((name, rest)) = text.split_once('$')
            && let Some(read) = django(name, rest)
        {
            return read;
        }
        if let Some((name, rest)) = text.split_once(':') {
            return match name {
                "pbkdf2" => Pbkdf2::werkzeug(rest).map(Into::into),
                "scrypt" => Scrypt::werkzeug(rest).map(Into::into),
                _ => Err(BadHash::Unknown),
            };
        }
        Pbkdf2::asp_net(text).map(Into::into)
    }

    /// Whether this is the password. Takes time and memory, on purpose.
    pub(super) fn matches(&self, password: &str) -> Result<bool, BadHash> {
        // HMAC pads a key with zeros and bcrypt repeats it after one, so a NUL more or less makes
        // no difference to most of these functions.
        if password.contains('\0') && !matches!(self.scheme, Scheme::Argon2(_)) {
            return Ok(false);
        }
        let Some(octets) = self.reading.octets(password) else {
            return Ok(false);
        };
        match &self.scheme {
            Scheme::Argon2(argon2) => argon2.matches(&octets),
            Scheme::Bcrypt(bcrypt) => Ok(bcrypt.matches(&octets)),
            Scheme::Digest(digest) => Ok(digest.matches(&octets)),
            Scheme::FirebaseScrypt(scrypt) => scrypt.matches(&octets),
            Scheme::Hmac(hmac) => hmac.matches(&octets),
            Scheme::Locked => Ok(false),
            Scheme::Md5Crypt(md5) => Ok(md5.matches(&octets)),
            Scheme::Pbkdf2(pbkdf2) => pbkdf2.matches(&octets),
            Scheme::Phpass(phpass) => Ok(phpass.matches(&octets)),
            Scheme::Scrypt(scrypt) => scrypt.matches(&octets),
            Scheme::ShaCrypt(sha) => Ok(sha.matches(&octets)),
            Scheme::Yescrypt(yescrypt) => yescrypt.matches(&octets),
        }
    }

    /// The memory that a comparison takes, in bytes; what is small counts as none.
    pub(super) fn memory(&self) -> u64 {
        match &self.scheme {
            Scheme::Argon2(argon2) => argon2.memory(),
            Scheme::FirebaseScrypt(scrypt) => scrypt.memory(),
            Scheme::Scrypt(scrypt) => scrypt.memory(),
            Scheme::Yescrypt(yescrypt) => yescrypt.memory(),
            _ => 0,
        }
    }

    /// Whether it is what [`Hasher::hash`](super::Hasher::hash) makes at this cost.
    pub(super) fn is_ours(&self, params: &::argon2::Params) -> bool {
        matches!(&self.scheme, Scheme::Argon2(argon2) if argon2.is_ours(params))
            && self.reading == Reading::default()
    }
}

impl From<Scheme> for StoredHash {
    fn from(scheme: Scheme) -> Self {
        Self {
            reading: Reading::default(),
            scheme,
        }
    }
}

/// The forms that begin with `$`.
fn modular(text: &str) -> Result<StoredHash, BadHash> {
    if let Some(rest) = text.strip_prefix('U') {
        return Ok(StoredHash {
            reading: Prehash::Md5Hex.into(),
            scheme: Scheme::Phpass(Phpass::parse(rest)?),
        });
    }
    let name = text.split('$').nth(1).unwrap_or_default();
    match name {
        "argon2i" | "argon2d" | "argon2id" => Argon2::parse(text).map(Into::into),
        "scrypt" => Scrypt::phc(text).map(Into::into),
        "fbscrypt" => FirebaseScrypt::parse(text).map(Into::into),
        "bcrypt-sha256" => bcrypt::passlib_sha256(text),
        "wp" => bcrypt::word_press(text),
        "P" | "H" | "S" => Phpass::parse(text).map(Into::into),
        _ if name.starts_with("pbkdf2") => Pbkdf2::phc(text).map(Into::into),
        _ => crypt::read(text),
    }
}

/// The forms of Django, which begin with a name; none if it is no name of Django's.
fn django(name: &str, rest: &str) -> Option<Result<StoredHash, BadHash>> {
    Some(match name {
        "argon2" => Argon2::parse(&format!("${rest}")).map(Into::into),
        "bcrypt" => Bcrypt::parse(rest).map(Into::into),
        "bcrypt_sha256" => Bcrypt::parse(rest).map(|bcrypt| StoredHash {
            reading: Prehash::Sha256Hex.into(),
            scheme: Scheme::Bcrypt(bcrypt),
        }),
        "md5" => salted_hex(Digest::Md5, rest),
        "pbkdf2_sha1" => Pbkdf2::django(Digest::Sha1, rest).map(Into::into),
        "pbkdf2_sha256" => Pbkdf2::django(Digest::Sha256, rest).map(Into::into),
        "scrypt" => Scrypt::django(rest).map(Into::into),
        "sha1" => salted_hex(Digest::Sha1, rest),
        _ => return None,
    })
}

/// `salt$hexdigest`; the salt, which may be empty, goes before the password.
fn salted_hex(digest: Digest, rest: &str) -> Result<StoredHash, BadHash> {
    let (salt, hash) = rest
        .split_once('$')
        .ok_or(BadHash::Damaged("salted digest"))?;
    Ok(StoredHash {
        reading: Reading {
            before: salted(salt.as_bytes().to_vec())?,
            ..Reading::default()
        },
        scheme: Scheme::Digest(PlainDigest::new(digest, encoding::hex(hash))?),
    })
}

fn same(computed: &[u8], stored: &[u8]) -> bool {
    computed.ct_eq(stored).into()
}

/// A salt of a sane length.
fn salted(salt: Vec<u8>) -> Result<Vec<u8>, BadHash> {
    if salt.len() > LONGEST_SALT {
        return Err(BadHash::TooCostly("salt"));
    }
    Ok(salt)
}

/// A derived key of a sane length.
fn key(octets: Vec<u8>, of: &'static str) -> Result<Vec<u8>, BadHash> {
    if KEY_LENGTHS.contains(&octets.len()) {
        Ok(octets)
    } else {
        Err(BadHash::Damaged(of))
    }
}

/// A number that its maker wrote in the usual way: digits, and no zero before them.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let usual = plain && (text == "0" || !text.starts_with('0'));
    usual.then(|| text.parse().ok()).flatten()
}

impl From<Argon2> for StoredHash {
    fn from(argon2: Argon2) -> Self {
        Scheme::Argon2(argon2).into()
    }
}

impl From<Bcrypt> for StoredHash {
    fn from(bcrypt: Bcrypt) -> Self {
        Scheme::Bcrypt(bcrypt).into()
    }
}

impl From<FirebaseScrypt> for StoredHash {
    fn from(scrypt: FirebaseScrypt) -> Self {
        Scheme::FirebaseScrypt(scrypt).into()
    }
}

impl From<Pbkdf2> for StoredHash {
    fn from(pbkdf2: Pbkdf2) -> Self {
        Scheme::Pbkdf2(pbkdf2).into()
    }
}

impl From<Phpass> for StoredHash {
    fn from(phpass: Phpass) -> Self {
        Scheme::Phpass(phpass).into()
    }
}

impl From<Scrypt> for StoredHash {
    fn from(scrypt: Scrypt) -> Self {
        Scheme::Scrypt(scrypt).into()
    }
}
