//! The checks of an ID token (OpenID Connect Core 1.0 sections 2, 3.1.3.7 and 12.2), one after the
//! other, so that a trial login can show each.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::Issuer;
use crate::{
    clock::Timestamp,
    crypto::{self, jose::Algorithm},
    identity::Subject,
};

/// The step, for the operator.
pub(super) const STEP: &str = "verify-id-token";
/// What is checked, in this order, and what must be.
pub(super) const CHECKS: [(&str, &str); 15] = [
    ("keys", "the provider's keys are there"),
    (
        "signature",
        "by one of them and an algorithm that is allowed",
    ),
    ("typ", "no other type of token"),
    ("iss", "this very issuer"),
    ("sub", "names somebody"),
    ("aud", "this client, and no other that is not trusted"),
    ("azp", "this client, if it is there or aud names several"),
    ("exp", "not in the past"),
    ("iat", "about now"),
    ("nbf", "not in the future, if it is there"),
    ("nonce", "the one of this login"),
    ("at_hash", "fits the access token, if it is there"),
    (
        "auth_time",
        "past, and not too long ago if max_age was asked for",
    ),
    ("acr", "one of those that were asked for, if any were"),
    ("hd", "the domain that is set here, if one is"),
];

/// How far clocks may be apart, in seconds.
pub(crate) const SKEW: i64 = 60;
/// An ID token from a token endpoint is made when it is asked for: an hour is a clock that nobody
/// sets, more is an old token.
const OLDEST: i64 = 3600;
/// The longest subject (OpenID Connect Core 1.0 section 2).
const MOST_SUBJECT: usize = 255;

/// What a token is held against.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) client_id: &'a str,
    pub(crate) trusted_audiences: &'a [String],
    /// `None`: the provider is known to leave it out, and one that comes must still be right.
    pub(crate) nonce: Nonce<'a>,
    pub(crate) max_age: Option<u64>,
    /// One of these contexts must be there, in this claim.
    pub(crate) acr: &'a [String],
    pub(crate) acr_claim: &'a str,
    /// The token that came with it.
    pub(crate) access_token: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// What the nonce must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nonce<'a> {
    /// There, and this.
    Is(&'a str),
    /// This, if it is there: a provider that is known to leave it out.
    IfThere(&'a str),
    /// Not looked at: a refreshed token has the one of the login or none (section 12.2).
    Any,
}

/// What a good token says.
#[derive(Clone, Debug)]
pub(crate) struct IdToken {
    pub(crate) subject: Subject,
    pub(crate) auth_time: Option<Timestamp>,
    pub(crate) acr: Option<String>,
    pub(crate) amr: Vec<String>,
    pub(crate) sid: Option<String>,
    pub(crate) claims: Map<String, Value>,
}

/// What is wrong with an ID token.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum IdTokenError {
    #[error("acr is {0:?}, which is not what was asked for")]
    Acr(String),
    #[error("there is no acr, but one was asked for")]
    AcrMissing,
    #[error("at_hash does not fit the access token")]
    AtHash,
    #[error("aud does not name this client")]
    Audience,
    #[error("aud names another audience that is not trusted")]
    AudienceUntrusted,
    #[error("auth_time is in the future")]
    AuthTimeInFuture,
    #[error("auth_time is {0} seconds ago, which is longer than was asked for")]
    AuthTimeTooOld(i64),
    #[error("there is no auth_time, but max_age was asked for")]
    AuthTimeMissing,
    #[error("azp names another client")]
    AuthorizedParty,
    #[error("aud names several, and azp does not say for whom the token is")]
    AuthorizedPartyMissing,
    #[error("exp is in the past")]
    Expired,
    #[error("iat is in the future")]
    IssuedInFuture,
    #[error("iat is long ago")]
    IssuedLongAgo,
    #[error("iss is another issuer")]
    Issuer,
    #[error("the claim {0} is missing or is not what it must be")]
    Malformed(&'static str),
    #[error("nbf is in the future")]
    NotYet,
    #[error("the nonce is not the one of this login")]
    Nonce,
    #[error("there is no nonce")]
    NonceMissing,
    #[error("sub is another person")]
    OtherSubject,
    #[error("it is a token of another type")]
    OtherType,
}

impl IdTokenError {
    /// Which of [`CHECKS`] it is.
    pub(crate) fn check(&self) -> &'static str {
        match self {
            Self::Acr(_) | Self::AcrMissing => "acr",
            Self::AtHash => "at_hash",
            Self::Audience | Self::AudienceUntrusted => "aud",
            Self::AuthTimeInFuture | Self::AuthTimeMissing | Self::AuthTimeTooOld(_) => "auth_time",
            Self::AuthorizedParty | Self::AuthorizedPartyMissing => "azp",
            Self::Expired => "exp",
            Self::IssuedInFuture | Self::IssuedLongAgo => "iat",
            Self::Issuer => "iss",
            Self::Malformed(claim) => claim,
            Self::NotYet => "nbf",
            Self::Nonce | Self::NonceMissing => "nonce",
            Self::OtherSubject => "sub",
            Self::OtherType => "typ",
        }
    }
}

impl IdToken {
    /// Checks claims whose signature is good.
    pub(crate) fn check(
        claims: Map<String, Value>,
        algorithm: Algorithm,
        expected: &Expected<'_>,
    ) -> Result<Self, IdTokenError> {
        check_issuer(&claims, expected.issuer)?;
        let subject = subject(&claims)?;
        check_audience(&claims, expected.client_id, expected.trusted_audiences)?;
        check_times(&claims, expected.now)?;
        check_nonce(&claims, expected.nonce)?;
        if let (Some(hash), Some(token)) = (claims.get("at_hash"), expected.access_token)
            && hash.as_str() != Some(&half_hash(algorithm, token))
        {
            return Err(IdTokenError::AtHash);
        }
        let auth_time = auth_time(&claims, expected)?;
        let acr = acr(&claims, expected.acr_claim, expected.acr)?;
        Ok(Self {
            subject,
            auth_time,
            acr,
            amr: strings(claims.get("amr")),
            sid: text(&claims, "sid").map(str::to_owned),
            claims,
        })
    }
}

/// Another kind of token is no ID token (RFC 8725 sections 3.11 and 3.12). ID tokens have no type
/// of their own: theirs is `JWT`, or left out, or what a provider likes.
pub(crate) fn check_type(typ: Option<&str>) -> Result<(), IdTokenError> {
    let other = typ.is_some_and(|typ| typ.to_ascii_lowercase().ends_with("+jwt"));
    (!other).then_some(()).ok_or(IdTokenError::OtherType)
}

/// `iss`, exactly.
pub(crate) fn check_issuer(
    claims: &Map<String, Value>,
    issuer: &Issuer,
) -> Result<(), IdTokenError> {
    let iss = text(claims, "iss").ok_or(IdTokenError::Malformed("iss"))?;
    let issued = issuer.issued(iss, text(claims, "tid"));
    issued.then_some(()).ok_or(IdTokenError::Issuer)
}

fn subject(claims: &Map<String, Value>) -> Result<Subject, IdTokenError> {
    let sub = text(claims, "sub").filter(|sub| sub.len() <= MOST_SUBJECT);
    let subject = sub.and_then(|sub| sub.parse().ok());
    subject.ok_or(IdTokenError::Malformed("sub"))
}

/// `aud` and `azp` (section 3.1.3.7, 3 to 5).
pub(crate) fn check_audience(
    claims: &Map<String, Value>,
    client_id: &str,
    trusted: &[String],
) -> Result<(), IdTokenError> {
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => {
            let all: Option<Vec<&str>> = all.iter().map(Value::as_str).collect();
            all.ok_or(IdTokenError::Malformed("aud"))?
        }
        _ => return Err(IdTokenError::Malformed("aud")),
    };
    if !audiences.contains(&client_id) {
        return Err(IdTokenError::Audience);
    }
    let known =
        |audience: &&&str| **audience != client_id && !trusted.iter().any(|one| one == **audience);
    if audiences.iter().any(|audience| known(&audience)) {
        return Err(IdTokenError::AudienceUntrusted);
    }
    match claims.get("azp") {
        Some(Value::String(azp)) if azp == client_id => Ok(()),
        Some(_) => Err(IdTokenError::AuthorizedParty),
        None if audiences.len() > 1 => Err(IdTokenError::AuthorizedPartyMissing),
        None => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), IdTokenError> {
    let now = now.seconds();
    if seconds(claims, "exp")?.ok_or(IdTokenError::Malformed("exp"))? <= now - SKEW {
        return Err(IdTokenError::Expired);
    }
    check_issued(claims, now)?;
    if seconds(claims, "nbf")?.is_some_and(|nbf| nbf > now + SKEW) {
        return Err(IdTokenError::NotYet);
    }
    Ok(())
}

/// `iat`: there, about now.
pub(crate) fn check_issued(claims: &Map<String, Value>, now: i64) -> Result<(), IdTokenError> {
    let iat = seconds(claims, "iat")?.ok_or(IdTokenError::Malformed("iat"))?;
    if iat > now + SKEW {
        return Err(IdTokenError::IssuedInFuture);
    }
    if iat < now - OLDEST {
        return Err(IdTokenError::IssuedLongAgo);
    }
    Ok(())
}

fn check_nonce(claims: &Map<String, Value>, nonce: Nonce<'_>) -> Result<(), IdTokenError> {
    let expected = match nonce {
        Nonce::Any => return Ok(()),
        Nonce::Is(nonce) | Nonce::IfThere(nonce) => nonce,
    };
    match (claims.get("nonce"), nonce) {
        (Some(Value::String(found)), _) if crypto::equal(found.as_bytes(), expected.as_bytes()) => {
            Ok(())
        }
        (Some(_), _) => Err(IdTokenError::Nonce),
        (None, Nonce::IfThere(_)) => Ok(()),
        (None, _) => Err(IdTokenError::NonceMissing),
    }
}

fn auth_time(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<Option<Timestamp>, IdTokenError> {
    let now = expected.now.seconds();
    let at = seconds(claims, "auth_time")?;
    if at.is_some_and(|at| at > now + SKEW) {
        return Err(IdTokenError::AuthTimeInFuture);
    }
    if let Some(max_age) = expected.max_age {
        let at = at.ok_or(IdTokenError::AuthTimeMissing)?;
        let age = now.saturating_sub(at);
        let most = i64::try_from(max_age).unwrap_or(i64::MAX);
        if age > most.saturating_add(SKEW) {
            return Err(IdTokenError::AuthTimeTooOld(age));
        }
    }
    // A clock that is a little ahead does not make a login that lies ahead.
    let at = at.map(|at| at.clamp(0, now));
    Ok(at.map(|at| Timestamp::from_millis(at.saturating_mul(1000))))
}

fn acr(
    claims: &Map<String, Value>,
    claim: &str,
    wanted: &[String],
) -> Result<Option<String>, IdTokenError> {
    let acr = text(claims, claim);
    match acr {
        Some(acr) if wanted.is_empty() || wanted.iter().any(|one| one == acr) => {}
        None if wanted.is_empty() => {}
        Some(acr) => return Err(IdTokenError::Acr(crate::connection::oauth::printable(acr))),
        None => return Err(IdTokenError::AcrMissing),
    }
    Ok(acr.map(str::to_owned))
}

/// The left half of a hash of the token, by the hash function of the signature (section 3.1.3.6).
fn half_hash(algorithm: Algorithm, token: &str) -> String {
    let hash = algorithm.hash(token.as_bytes());
    let half = hash.get(..hash.len() / 2).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(half)
}

pub(crate) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// A NumericDate (RFC 7519 section 2) in whole seconds: not negative, and not so large that it
/// could stand for anything.
pub(crate) fn seconds(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<i64>, IdTokenError> {
    let malformed = IdTokenError::Malformed(name);
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let Value::Number(number) = value else {
        return Err(malformed);
    };
    let whole = number.as_i64().or_else(|| {
        let float = number.as_f64().filter(|float| float.is_finite())?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a fraction is cut, the rest fits"
        )]
        (0.0..1e15).contains(&float).then_some(float as i64)
    });
    let sane = whole.filter(|whole| (0..1_000_000_000_000).contains(whole));
    sane.map(Some).ok_or(malformed)
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let all = value.and_then(Value::as_array);
    let texts = all.into_iter().flatten().filter_map(Value::as_str);
    texts.take(32).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;
    const TOKEN: &str = "an-access-token";

    fn good() -> Value {
        json!({
            "iss": "https://idp.example", "sub": "248289761001", "aud": "app",
            "exp": NOW + 300, "iat": NOW, "nonce": "n",
        })
    }

    fn check_with(
        claims: Value,
        change: impl FnOnce(&mut Expected<'_>),
    ) -> Result<IdToken, IdTokenError> {
        let issuer = Issuer::Is("https://idp.example".to_owned());
        let mut expected = Expected {
            issuer: &issuer,
            client_id: "app",
            trusted_audiences: &[],
            nonce: Nonce::Is("n"),
            max_age: None,
            acr: &[],
            acr_claim: "acr",
            access_token: Some(TOKEN),
            now: Timestamp::from_millis(NOW * 1000),
        };
        change(&mut expected);
        let Value::Object(claims) = claims else {
            panic!("claims")
        };
        IdToken::check(claims, Algorithm::RS256, &expected)
    }

    fn check(claims: Value) -> Result<IdToken, IdTokenError> {
        check_with(claims, |_| ())
    }

    /// With one claim changed, or taken away.
    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        let object = claims.as_object_mut().unwrap();
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.to_owned(), value)),
        }
        claims
    }

    #[test]
    fn a_good_token_is_taken() {
        let token = check(with("sid", json!("s"))).unwrap();
        assert_eq!(token.subject.as_str(), "248289761001");
        assert_eq!(token.sid.as_deref(), Some("s"));
        assert!(token.auth_time.is_none() && token.acr.is_none() && token.amr.is_empty());
        for (name, value) in [
            ("aud", json!(["app"])),
            ("azp", json!("app")),
            ("nbf", json!(NOW + 60)),
            ("iat", json!(NOW + 60)),
            ("exp", json!(NOW - 59)),
            ("exp", json!(4_102_444_800_i64)),
            ("exp", json!(1_795_000_300.5)),
        ] {
            assert!(check(with(name, value.clone())).is_ok(), "{name} {value}");
        }
    }

    /// Wrong in everything, and then put right in the order of [`CHECKS`].
    #[test]
    fn the_checks_are_made_in_the_order_in_which_they_are_shown() {
        let mut claims = json!({
            "iss": "https://evil.example", "sub": "", "aud": "other", "azp": "other",
            "exp": 0, "iat": 0, "nbf": NOW + 3600, "nonce": "m", "at_hash": "x",
            "auth_time": 0, "acr": "low",
        });
        let right = json!({
            "iss": "https://idp.example", "sub": "248289761001", "aud": "app", "azp": "app",
            "exp": NOW + 300, "iat": NOW, "nbf": NOW, "nonce": "n",
            "at_hash": half_hash(Algorithm::RS256, TOKEN), "auth_time": NOW, "acr": "high",
        });
        let wanted: &[String] = vec!["high".to_owned()].leak();
        let mut failed = Vec::new();
        while let Err(error) = check_with(claims.clone(), |expected| {
            (expected.max_age, expected.acr) = (Some(600), wanted);
        }) {
            failed.push(error.check());
            claims[error.check()] = right[error.check()].clone();
        }
        // Before and after these, others look at the token.
        let shown = CHECKS.map(|(check, _)| check);
        assert_eq!(shown[..3], ["keys", "signature", "typ"]);
        assert_eq!(failed, shown[3..14]);
        assert_eq!(shown[14..], ["hd"]);
    }

    #[test]
    fn each_deviation_is_named() {
        use IdTokenError as E;
        for (name, value, error) in [
            ("iss", json!("https://evil.example"), E::Issuer),
            ("iss", json!("https://idp.example/"), E::Issuer),
            ("iss", Value::Null, E::Malformed("iss")),
            ("iss", json!(["https://idp.example"]), E::Malformed("iss")),
            ("sub", Value::Null, E::Malformed("sub")),
            ("sub", json!(""), E::Malformed("sub")),
            ("sub", json!(7), E::Malformed("sub")),
            ("sub", json!("x".repeat(256)), E::Malformed("sub")),
            ("sub", json!("a\nb"), E::Malformed("sub")),
            ("aud", Value::Null, E::Malformed("aud")),
            ("aud", json!({}), E::Malformed("aud")),
            ("aud", json!(["app", 7]), E::Malformed("aud")),
            ("aud", json!("other"), E::Audience),
            ("aud", json!([]), E::Audience),
            ("aud", json!(["app", "other"]), E::AudienceUntrusted),
            ("azp", json!("other"), E::AuthorizedParty),
            ("azp", json!(7), E::AuthorizedParty),
            ("exp", Value::Null, E::Malformed("exp")),
            ("exp", json!(NOW - 60), E::Expired),
            ("exp", json!(0), E::Expired),
            ("exp", json!(-1), E::Malformed("exp")),
            ("exp", json!("9999999999"), E::Malformed("exp")),
            ("exp", json!(1e300), E::Malformed("exp")),
            ("exp", json!(u64::MAX), E::Malformed("exp")),
            ("iat", Value::Null, E::Malformed("iat")),
            ("iat", json!(NOW + 61), E::IssuedInFuture),
            ("iat", json!(NOW - 3601), E::IssuedLongAgo),
            ("iat", json!(1_u64 << 63), E::Malformed("iat")),
            ("nbf", json!(NOW + 61), E::NotYet),
            ("nbf", json!("now"), E::Malformed("nbf")),
            ("nonce", Value::Null, E::NonceMissing),
            ("nonce", json!("m"), E::Nonce),
            ("nonce", json!(["n"]), E::Nonce),
            ("at_hash", json!("x"), E::AtHash),
            ("at_hash", json!(7), E::AtHash),
            ("auth_time", json!("now"), E::Malformed("auth_time")),
            ("auth_time", json!(NOW + 61), E::AuthTimeInFuture),
        ] {
            let found = check(with(name, value.clone())).map(drop);
            assert_eq!(found, Err(error), "{name} {value}");
        }
    }

    #[test]
    fn another_audience_must_be_trusted_and_the_party_named() {
        let check = |claims| {
            let trusted = ["other".to_owned()];
            let Value::Object(claims) = claims else {
                panic!("claims")
            };
            check_audience(&claims, "app", &trusted)
        };
        let both = json!({ "aud": ["other", "app"] });
        assert_eq!(check(both), Err(IdTokenError::AuthorizedPartyMissing));
        assert_eq!(
            check(json!({ "aud": ["other", "app"], "azp": "app" })),
            Ok(())
        );
        let third = json!({ "aud": ["other", "app", "third"], "azp": "app" });
        assert_eq!(check(third), Err(IdTokenError::AudienceUntrusted));
    }

    #[test]
    fn the_hash_of_the_access_token_is_checked() {
        // OpenID Connect Core 1.0 section 3.1.3.6, with OpenSSL: the left half of SHA-256
        let hash = openssl::sha::sha256(TOKEN.as_bytes());
        let right = URL_SAFE_NO_PAD.encode(&hash[..16]);
        assert!(check(with("at_hash", json!(right))).is_ok());
        let whole = URL_SAFE_NO_PAD.encode(hash);
        let found = check(with("at_hash", json!(whole))).map(drop);
        assert_eq!(found, Err(IdTokenError::AtHash));
    }

    #[test]
    fn a_provider_that_leaves_the_nonce_out_may_not_send_a_wrong_one() {
        let lenient = |claims| check_with(claims, |expected| expected.nonce = Nonce::IfThere("n"));
        assert!(lenient(with("nonce", Value::Null)).is_ok());
        assert_eq!(
            lenient(with("nonce", json!("m"))).unwrap_err(),
            IdTokenError::Nonce
        );
    }

    #[test]
    fn a_login_is_as_fresh_as_was_asked_for() {
        let aged = |value| {
            check_with(with("auth_time", value), |expected| {
                expected.max_age = Some(600);
            })
        };
        assert_eq!(
            aged(Value::Null).unwrap_err(),
            IdTokenError::AuthTimeMissing
        );
        assert_eq!(
            aged(json!(NOW - 661)).unwrap_err(),
            IdTokenError::AuthTimeTooOld(661)
        );
        let token = aged(json!(NOW - 660)).unwrap();
        assert_eq!(
            token.auth_time,
            Some(Timestamp::from_millis((NOW - 660) * 1000))
        );
        let ahead = check(with("auth_time", json!(NOW + 60))).unwrap();
        assert_eq!(ahead.auth_time, Some(Timestamp::from_millis(NOW * 1000)));
    }

    #[test]
    fn a_context_that_was_asked_for_must_come_back() {
        let wanted = ["high".to_owned(), "higher".to_owned()];
        let asked = |value: Value| {
            let Value::Object(claims) = with("acr", value) else {
                panic!("claims")
            };
            acr(&claims, "acr", &wanted)
        };
        assert_eq!(asked(json!("higher")), Ok(Some("higher".to_owned())));
        assert_eq!(
            asked(json!("low")),
            Err(IdTokenError::Acr("low".to_owned()))
        );
        assert_eq!(asked(Value::Null), Err(IdTokenError::AcrMissing));
        assert_eq!(asked(json!(["high"])), Err(IdTokenError::AcrMissing));
        assert_eq!(
            check(with("acr", json!("0"))).unwrap().acr.as_deref(),
            Some("0")
        );
    }
}
