//! Key sets of others (RFC 7517 section 5).

use josekit::{
    jwk::Jwk,
    jws::{self, JwsVerifier},
};
use openssl::pkey::{PKey, Public};
use serde_json::{Map, Value};

use super::{Algorithm, algorithm::Family, json};

/// The largest set that is read, in bytes, and the most keys.
const MOST_BYTES: usize = 256 << 10;
const MOST_KEYS: usize = 200;
/// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
const LEAST_RSA: usize = 2048;

/// Public keys that sign.
#[derive(Clone, Debug)]
pub(crate) struct JwkSet(Vec<Map<String, Value>>);

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwkSetError {
    #[error("it is not JSON, or has a member twice: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("it has no member keys that is a list of keys")]
    NoKeys,
    #[error("it is larger than {MOST_BYTES} bytes or has more than {MOST_KEYS} keys")]
    TooLarge,
}

/// Which key of a set.
pub(super) enum Found<'a> {
    /// More than one could be meant.
    Ambiguous,
    /// The one of that name is for something else.
    Unfit,
    Key(&'a Map<String, Value>),
    Unknown,
}

impl JwkSet {
    /// Reads a set. Keys that are for something else or of an unknown kind are passed over, as are
    /// secrets: they have no business in a set that is published.
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, JwkSetError> {
        if octets.len() > MOST_BYTES {
            return Err(JwkSetError::TooLarge);
        }
        let mut set = json::object(octets)?;
        let Some(Value::Array(keys)) = set.remove("keys") else {
            return Err(JwkSetError::NoKeys);
        };
        if keys.len() > MOST_KEYS {
            return Err(JwkSetError::TooLarge);
        }
        let keys = keys.into_iter().map(|key| match key {
            Value::Object(key) => Ok(key),
            _ => Err(JwkSetError::NoKeys),
        });
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// The key for a token that names it, or for one that names none if only one can be meant.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        let named = |key: &&Map<String, Value>| match kid {
            Some(kid) => key.get("kid").and_then(Value::as_str) == Some(kid),
            None => true,
        };
        let mut of_that_name = self.0.iter().filter(named).peekable();
        if of_that_name.peek().is_none() {
            return Found::Unknown;
        }
        let mut fitting = of_that_name.filter(|key| fits(key, algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Found::Key(key),
            (Some(_), Some(_)) => Found::Ambiguous,
            (None, _) if kid.is_some() => Found::Unfit,
            (None, _) => Found::Unknown,
        }
    }
}

/// Whether a key may verify by this algorithm: its type, and what it says it is for.
fn fits(key: &Map<String, Value>, algorithm: Algorithm) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let (kty, crv) = algorithm.key_type();
    let operations = match key.get("key_ops") {
        None => true,
        Some(Value::Array(all)) => all.iter().any(|one| one == "verify"),
        Some(_) => false,
    };
    // Two names for one algorithm (RFC 9864 section 2.2).
    let same = |name: &str| {
        let edwards = [Algorithm::EdDSA, Algorithm::Ed25519];
        name == algorithm.name()
            || edwards.contains(&algorithm) && edwards.iter().any(|one| one.name() == name)
    };
    text("kty") == Some(kty)
        && (crv.is_none() || text("crv") == crv)
        && key.get("use").is_none_or(|purpose| purpose == "sig")
        && operations
        && match key.get("alg") {
            None => true,
            Some(Value::String(name)) => same(name),
            Some(_) => false,
        }
        && (kty != "RSA" || is_strong(text("n"), text("e")))
}

/// Whether an RSA key can be one: its modulus is long, its exponent odd and not 1, with which
/// everything is its own signature.
fn is_strong(n: Option<&str>, e: Option<&str>) -> bool {
    let number = |text: Option<&str>| {
        let octets = text.and_then(super::jws::octets).unwrap_or_default();
        let significant = octets.into_iter().skip_while(|octet| *octet == 0);
        significant.collect::<Vec<u8>>()
    };
    let (n, e) = (number(n), number(e));
    n.len() * 8 >= LEAST_RSA && e != [1] && e.last().is_some_and(|last| last % 2 == 1)
}

/// What verifies with this key.
pub(super) fn verifier(
    key: &Map<String, Value>,
    algorithm: Algorithm,
) -> Option<Box<dyn JwsVerifier>> {
    // Only what is the key itself: the rest was looked at, and is not for the library to judge.
    let own = ["kty", "crv", "n", "e", "x", "y"];
    let key = key
        .iter()
        .filter(|(name, _)| own.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()));
    let jwk = Jwk::from_map(key.collect::<Map<_, _>>()).ok()?;
    Some(match Family::from(algorithm) {
        Family::Ecdsa(family) => Box::new(family.verifier_from_jwk(&jwk).ok()?),
        Family::Eddsa => Box::new(jws::EdDSA.verifier_from_jwk(&jwk).ok()?),
        Family::Pss(family) => Box::new(family.verifier_from_jwk(&jwk).ok()?),
        Family::Rsa(family) => Box::new(family.verifier_from_jwk(&jwk).ok()?),
        // No secret is ever a key of a set.
        Family::Hmac(_) => return None,
    })
}

/// What verifies by a key that is no JWK.
pub(super) fn public_verifier(
    key: &PKey<Public>,
    algorithm: Algorithm,
) -> Option<Box<dyn JwsVerifier>> {
    let der = key.public_key_to_der().ok()?;
    let is_long = || usize::try_from(key.bits()).is_ok_and(|bits| bits >= LEAST_RSA);
    Some(match Family::from(algorithm) {
        Family::Ecdsa(family) => Box::new(family.verifier_from_der(der).ok()?),
        Family::Eddsa => Box::new(jws::EdDSA.verifier_from_der(der).ok()?),
        Family::Pss(family) if is_long() => Box::new(family.verifier_from_der(der).ok()?),
        Family::Rsa(family) if is_long() => Box::new(family.verifier_from_der(der).ok()?),
        Family::Hmac(_) | Family::Pss(_) | Family::Rsa(_) => return None,
    })
}
