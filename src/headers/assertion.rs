//! The signed assertion: `X-Vestibule-Assertion`, a JWT (RFC 7519, ES256) that an application can
//! verify at `jwks.json`.
//!
//! It is signed at most once for each session, host and half-minute, is at most 30 s old when it is
//! sent and runs out 60 s after it was signed. Its audience is the origin of the host it is sent
//! to, so what one application was told is worth nothing at another.

use std::fmt;

use http::{HeaderName, HeaderValue};
use moka::sync::Cache;
use serde_json::{Map, Value, json};

use crate::{
    clock::Timestamp,
    crypto::{RingState, SigningKey, SigningKeyError},
    identity::ConnectionId,
    policy::{EmailTrust, Permit},
    protocol::{EmailAddress, Origin},
    session::Principal,
    store::SessionId,
};

/// The header that carries the assertion.
pub(crate) const ASSERTION: HeaderName = HeaderName::from_static("x-vestibule-assertion");

/// How long one is sent, in seconds.
const SENT_FOR: i64 = 30;

/// When one runs out after it was signed, in seconds.
const GOOD_FOR: i64 = 60;

/// The most octets of signed assertions that are kept.
const KEPT: u64 = 16 << 20;

/// Signs assertions, and keeps those that may be sent again.
pub(crate) struct Assertions {
    issuer: String,
    signer: SigningKey,
    jwks: String,
    signed: Cache<Key, HeaderValue>,
}

/// What makes two assertions the same.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    session: SessionId,
    /// Of what the session says of its person.
    contents: u64,
    connection: ConnectionId,
    audience: Origin,
    half_minute: i64,
}

impl Assertions {
    /// With the keys of the ring: the current one signs, all are published.
    pub(crate) fn new(
        issuer: &Origin,
        keys: Vec<(RingState, SigningKey)>,
    ) -> Result<Self, NoCurrentKey> {
        let jwks = render_jwks(keys.iter().map(|(_, key)| key));
        let current = (keys.into_iter())
            .find(|(state, _)| *state == RingState::Current)
            .map(|(_, key)| key)
            .ok_or(NoCurrentKey)?;
        let signed = Cache::builder()
            .max_capacity(KEPT)
            .weigher(|_: &Key, value: &HeaderValue| {
                u32::try_from(value.len() + 256).unwrap_or(u32::MAX)
            })
            .time_to_live(std::time::Duration::from_secs(30))
            .build();
        Ok(Self {
            issuer: issuer.to_string(),
            signer: current,
            jwks,
            signed,
        })
    }

    /// The public keys as a JWK set (RFC 7517 section 5).
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }

    /// The header's value for a permit, to be sent to `audience` now; `None` for nobody.
    pub(crate) fn sign(
        &self,
        permit: &Permit,
        trust: &EmailTrust,
        audience: &Origin,
        now: Timestamp,
    ) -> Result<Option<HeaderValue>, AssertionError> {
        let (Some(session), Some(connection)) = (permit.session(), permit.connection()) else {
            return Ok(None);
        };
        let key = Key {
            session: session.id(),
            contents: session.digest(),
            connection: connection.clone(),
            audience: audience.clone(),
            half_minute: now.seconds().div_euclid(SENT_FOR),
        };
        self.signed
            .try_get_with(key, || {
                let mut claims = permit
                    .with_principal(|who| self.claims(who, trust, audience, now))
                    .ok_or(AssertionError::Nobody)?;
                claims.insert("sid".to_owned(), session.id().to_string().into());
                let token = self.signer.sign(&claims)?;
                HeaderValue::try_from(token).map_err(|_| AssertionError::Unwritable)
            })
            .map(Some)
            .map_err(|error| (*error).clone())
    }

    /// What an assertion says of a person. `explain` shows it as it is; what is sent also names
    /// the session.
    pub(crate) fn claims(
        &self,
        who: &Principal<'_>,
        trust: &EmailTrust,
        audience: &Origin,
        now: Timestamp,
    ) -> Map<String, Value> {
        let identity = &who.identity.identity;
        let email = trust.email(who.identity);
        let signed_at = now.seconds();
        let claims = [
            ("iss", json!(self.issuer)),
            ("aud", json!(audience.to_string())),
            ("sub", json!(who.user.id)),
            ("iat", json!(signed_at)),
            ("exp", json!(signed_at.saturating_add(GOOD_FOR))),
            ("email", json!(email.as_ref().map(EmailAddress::as_str))),
            ("handle", json!(who.user.handle)),
            ("name", json!(who.user.profile.name)),
            ("groups", json!(identity.groups)),
            ("connection", json!(identity.connection)),
            ("amr", json!(who.authentication.amr)),
            ("acr", json!(who.authentication.acr)),
            ("auth_time", json!(who.authentication.auth_time.seconds())),
        ];
        (claims.into_iter())
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "assertions of {} by {}", self.issuer, self.signer.kid())
    }
}

fn render_jwks<'k>(keys: impl Iterator<Item = &'k SigningKey>) -> String {
    let keys: Vec<_> = keys.map(SigningKey::public_jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// A ring that nothing can be signed with.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the ring of signing keys has no current key")]
pub(crate) struct NoCurrentKey;

/// Why there is no assertion; the request must not go on without it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("the person has no identity of the connection that opened the route")]
    Nobody,
    #[error("the assertion is not signed: {0}")]
    Unsigned(String),
    #[error("the assertion cannot be written as a header")]
    Unwritable,
}

impl From<SigningKeyError> for AssertionError {
    fn from(error: SigningKeyError) -> Self {
        Self::Unsigned(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use josekit::{jwk::Jwk, jws::ES256};

    use super::*;
    use crate::policy::fixture::{NOW, Someone, known, permit};

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    fn assertions() -> Assertions {
        let keys = [RingState::Next, RingState::Current, RingState::Old]
            .map(|state| (state, SigningKey::generate().unwrap()));
        Assertions::new(&origin("https://login.example.com"), keys.into()).unwrap()
    }

    /// What an application does: find the key by its id in the set, verify, read.
    fn verify(jwks: &str, token: &str) -> Map<String, Value> {
        let parts: Vec<_> = token.split('.').collect();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
        let jwks: Value = serde_json::from_str(jwks).unwrap();
        let jwk = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .find(|key| key["kid"] == header["kid"])
            .unwrap();
        let jwk = Jwk::from_map(jwk.as_object().unwrap().clone()).unwrap();
        let verifier = ES256.verifier_from_jwk(&jwk).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        let signed = format!("{}.{}", parts[0], parts[1]);
        josekit::jws::JwsVerifier::verify(&verifier, signed.as_bytes(), &signature).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap()
    }

    #[test]
    fn an_application_can_verify_who_is_calling() {
        let assertions = assertions();
        let permit = permit(&Someone::by("acme"));
        let sign = |audience: &str, now| {
            let value = assertions.sign(&permit, known().trust(), &origin(audience), now);
            value.unwrap().unwrap().to_str().unwrap().to_owned()
        };
        let token = sign("https://wiki.example.com", NOW);
        let keys: Value = serde_json::from_str(assertions.jwks()).unwrap();
        assert_eq!(keys["keys"].as_array().unwrap().len(), 3);
        assert!(!assertions.jwks().contains("\"d\""));
        let claims = verify(assertions.jwks(), &token);
        assert_eq!(
            Value::Object(claims),
            json!({
                "iss": "https://login.example.com",
                "aud": "https://wiki.example.com",
                "sub": "acme|a-1",
                "iat": NOW.seconds(),
                "exp": NOW.seconds() + 60,
                "email": "Alice@acme.example",
                "handle": "alice",
                "name": "Alice Ä. Example",
                "groups": ["staff", "admins"],
                "connection": "acme",
                "amr": ["pwd"],
                "acr": "low",
                "auth_time": NOW.seconds() - 60,
                "sid": "07".repeat(16),
            })
        );
        // once for each host and half-minute
        assert_eq!(sign("https://wiki.example.com", NOW), token);
        let later = NOW + Duration::from_millis(29_999);
        assert_eq!(sign("https://wiki.example.com", later), token);
        let next = sign("https://wiki.example.com", NOW + Duration::from_secs(30));
        assert_ne!(next, token);
        assert_eq!(verify(assertions.jwks(), &next)["iat"], NOW.seconds() + 30);
        let other = sign("https://files.example.com", NOW);
        assert_eq!(
            verify(assertions.jwks(), &other)["aud"],
            "https://files.example.com"
        );
    }

    /// A change of the person shows in the next assertion, not in the next half-minute.
    #[test]
    fn another_version_is_another_assertion() {
        let assertions = assertions();
        let audience = origin("https://wiki.example.com");
        let sign = |who: &Someone| {
            let value = assertions.sign(&permit(who), known().trust(), &audience, NOW);
            verify(assertions.jwks(), value.unwrap().unwrap().to_str().unwrap())
        };
        let mut alice = Someone::by("acme");
        assert_eq!(sign(&alice)["handle"], "alice");
        alice.user.handle = "alicia".to_owned();
        alice.user.version += 1;
        assert_eq!(sign(&alice)["handle"], "alicia");
        let mut alice = Someone::by("acme").email("x@acme.example", false);
        alice.user.version += 2;
        assert!(!sign(&alice).contains_key("email"));
        let google = Someone::by("google").groups(&["g"]);
        assert_eq!(sign(&google)["groups"], json!(["g"]));
    }

    #[test]
    fn without_a_current_key_nothing_is_signed() {
        let old = vec![(RingState::Old, SigningKey::generate().unwrap())];
        assert!(Assertions::new(&origin("https://a.test"), old).is_err());
    }
}
