//! JSON Web Tokens (RFC 7519), signed by a key of the metadata.

use serde_json::{Map, Value};

use super::token::{Expected, Token, TokenError as E, instant};
use crate::{
    clock::Timestamp,
    crypto::{
        self,
        jose::{self, Algorithm, JwsError, VerificationKeys, Verified},
    },
};

/// No secret is shared with a provider, so nothing that needs one.
const ALLOWED: [Algorithm; 9] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
/// Where providers say how and when somebody signed in, besides OpenID Connect's claims: AD FS's
/// short names, and the URIs of Windows Identity Foundation.
const METHODS: [&str; 3] = [
    "acr",
    "authmethod",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/authenticationmethod",
];
const INSTANTS: [&str; 2] = [
    "auth_time",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/authenticationinstant",
];

/// What is said of the token, and not of the person (RFC 7519 section 4.1).
const OF_THE_TOKEN: [&str; 6] = ["aud", "exp", "iat", "iss", "jti", "nbf"];

/// Verifies and checks a JWT.
pub(super) fn check(token: &str, expected: &Expected<'_>) -> Result<Token, E> {
    let verified = verified(token, expected)?;
    // RFC 8725 section 3.11: tokens for other ends have other types.
    let typ = verified.header.typ.as_deref();
    if !typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")) {
        return Err(E::Malformed("typ"));
    }
    let mut claims = verified.claims;
    let (until, from) = (seconds(&claims, "exp")?, seconds(&claims, "nbf")?);
    let issued = seconds(&claims, "iat")?.or(from);
    let issued = issued.ok_or(E::Malformed("iat"))?;
    expected.check_issued(issued)?;
    if claims.get("iss").and_then(Value::as_str) != Some(expected.provider) {
        return Err(E::Issuer);
    }
    let until = until.ok_or(E::Malformed("exp"))?;
    expected.check_window(from, Some(until))?;
    let is_us = match claims.get("aud") {
        Some(Value::String(audience)) => audience == expected.wtrealm,
        Some(Value::Array(all)) => all.iter().any(|one| one == expected.wtrealm),
        _ => false,
    };
    if !is_us {
        return Err(E::Audience);
    }
    let authenticated = expected.check_authenticated(authenticated(&claims)?)?;
    let methods = METHODS.iter().filter_map(|name| claims.get(*name));
    let methods = methods.flat_map(texts).collect();
    let method = expected.check_method(methods)?;
    let name = claims.get("sub").and_then(Value::as_str);
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    for name in OF_THE_TOKEN {
        claims.remove(name);
    }
    // What is signed of it, so that it has one name only.
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    Ok(Token {
        id: crypto::sha256(signed.as_bytes()).to_vec(),
        name,
        claims,
        issued,
        authenticated,
        method,
        session_ends: None,
        not_on_or_after: until,
    })
}

/// By one of the keys of the metadata. What a header says of its key means nothing.
fn verified(token: &str, expected: &Expected<'_>) -> Result<Verified, E> {
    let mut wrong = JwsError::UnknownKey;
    for certificate in expected.certificates {
        let Ok(key) = certificate.public_key() else {
            continue;
        };
        match jose::verify(token, VerificationKeys::Public(&key), &ALLOWED) {
            Ok(verified) => return Ok(verified),
            // A key of another kind says less than one that fits.
            Err(JwsError::UnfitKey) if wrong != JwsError::UnknownKey => {}
            Err(error) => wrong = error,
        }
    }
    Err(wrong.into())
}

/// A NumericDate (RFC 7519 section 2).
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, E> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = number(value).ok_or(E::Malformed(name))?;
    Ok(Some(seconds))
}

fn number(value: &Value) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and what is as large is refused all the same"
    )]
    let whole = value.as_i64().or(value.as_f64().map(|part| part as i64));
    whole.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)))
}

/// When the person signed in, as a number or as a text.
fn authenticated(claims: &Map<String, Value>) -> Result<Option<Timestamp>, E> {
    let Some(value) = INSTANTS.iter().find_map(|name| claims.get(*name)) else {
        return Ok(None);
    };
    let at = match value {
        Value::String(text) => instant(text),
        value => number(value),
    };
    at.map(Some).ok_or(E::Malformed("auth_time"))
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}
