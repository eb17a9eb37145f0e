//! Signatures (RFC 7515).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jws::JwsVerifier;
use openssl::pkey::{PKey, Public};
use serde_json::{Map, Value};

use super::{
    Algorithm, JwkSet,
    algorithm::Family,
    json,
    jwk::{Found, public_verifier, verifier},
};

/// The largest token that is looked at, in bytes.
pub(super) const MOST_BYTES: usize = 16 << 10;
/// The longest name of a key.
const MOST_KID: usize = 256;
/// The shortest secret, in bytes (RFC 7518 section 3.2, for HS256).
const LEAST_SECRET: usize = 32;

/// What verifies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum VerificationKeys<'a> {
    /// One public key, which is meant whatever the token says of its key.
    Public(&'a PKey<Public>),
    /// Public keys. No secret is looked for among them.
    Set(&'a JwkSet),
    /// The octets of a secret of both sides.
    Secret(&'a [u8]),
}

/// What a token says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) typ: Option<String>,
}

/// A JWT whose signature is good. Nothing is said yet about its claims.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    pub(crate) header: Header,
    pub(crate) claims: Map<String, Value>,
}

/// Why a signature is not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum JwsError {
    #[error("more than one key could be meant")]
    Ambiguous,
    #[error("the signature is wrong")]
    BadSignature,
    #[error("the header has {0}, which is not supported")]
    Extension(&'static str),
    #[error("it is not a signed JWT in compact form")]
    Malformed,
    #[error("the algorithm {} is not allowed", .0.name())]
    NotAllowed(Algorithm),
    #[error("it is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("the key it names is not for this algorithm")]
    UnfitKey,
    #[error("the algorithm is none that there is here")]
    UnknownAlgorithm,
    #[error("no key is known that it could be signed with")]
    UnknownKey,
    #[error("the secret is shorter than {LEAST_SECRET} bytes")]
    WeakSecret,
}

/// Verifies a JWT in compact form (RFC 7515 section 5.2).
pub(crate) fn verify(
    token: &str,
    keys: VerificationKeys<'_>,
    allowed: &[Algorithm],
) -> Result<Verified, JwsError> {
    let (header, payload) = open_signed(token, keys, allowed)?;
    let claims = json::object(&payload).map_err(|_| JwsError::Malformed)?;
    Ok(Verified { header, claims })
}

/// The same for any payload.
pub(super) fn open_signed(
    token: &str,
    keys: VerificationKeys<'_>,
    allowed: &[Algorithm],
) -> Result<(Header, Vec<u8>), JwsError> {
    let parts = Parts::read(token)?;
    let algorithm = parts.algorithm;
    if !allowed.contains(&algorithm) {
        return Err(JwsError::NotAllowed(algorithm));
    }
    let length = algorithm.signature_length();
    if length.is_some_and(|length| length != parts.signature.len()) {
        return Err(JwsError::BadSignature);
    }
    let verifier: Box<dyn JwsVerifier> = match keys {
        VerificationKeys::Public(_) | VerificationKeys::Set(_) if algorithm.is_symmetric() => {
            return Err(JwsError::NotAllowed(algorithm));
        }
        VerificationKeys::Public(key) => {
            public_verifier(key, algorithm).ok_or(JwsError::UnfitKey)?
        }
        VerificationKeys::Set(set) => match set.find(parts.kid.as_deref(), algorithm) {
            Found::Ambiguous => return Err(JwsError::Ambiguous),
            Found::Unfit => return Err(JwsError::UnfitKey),
            Found::Unknown => return Err(JwsError::UnknownKey),
            Found::Key(key) => verifier(key, algorithm).ok_or(JwsError::UnfitKey)?,
        },
        VerificationKeys::Secret(secret) => {
            let Family::Hmac(family) = Family::from(algorithm) else {
                return Err(JwsError::NotAllowed(algorithm));
            };
            if secret.len() < LEAST_SECRET {
                return Err(JwsError::WeakSecret);
            }
            let verifier = family.verifier_from_bytes(secret);
            Box::new(verifier.map_err(|_| JwsError::WeakSecret)?)
        }
    };
    verifier
        .verify(parts.signed.as_bytes(), &parts.signature)
        .map_err(|_| JwsError::BadSignature)?;
    let header = Header {
        algorithm,
        typ: parts.typ,
    };
    Ok((header, parts.payload))
}

/// The algorithm that a token says it is signed with, to choose the keys by. It is checked nowhere.
pub(crate) fn algorithm_of(token: &str) -> Result<Algorithm, JwsError> {
    Parts::read(token).map(|parts| parts.algorithm)
}

/// What a token says, whoever signed it: for what is decided before its keys are looked up, and
/// again after that.
pub(crate) fn unverified(token: &str) -> Result<Verified, JwsError> {
    let parts = Parts::read(token)?;
    let claims = json::object(&parts.payload).map_err(|_| JwsError::Malformed)?;
    let header = Header {
        algorithm: parts.algorithm,
        typ: parts.typ,
    };
    Ok(Verified { header, claims })
}

/// A token in its parts.
struct Parts<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
    /// The first two parts: what is signed.
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn read(token: &'a str) -> Result<Self, JwsError> {
        if token.len() > MOST_BYTES {
            return Err(JwsError::TooLarge);
        }
        let malformed = JwsError::Malformed;
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed.clone())?;
        let (header, payload) = signed.split_once('.').ok_or(malformed.clone())?;
        if payload.contains('.') {
            return Err(malformed);
        }
        let header = octets(header).ok_or(malformed.clone())?;
        let header = json::object(&header).map_err(|_| malformed.clone())?;
        refuse_extensions(&header)?;
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= MOST_KID => Ok(Some(text.clone())),
            Some(_) => Err(JwsError::Malformed),
        };
        let name = text("alg")?.ok_or(malformed.clone())?;
        Ok(Self {
            algorithm: Algorithm::from_name(&name).ok_or(JwsError::UnknownAlgorithm)?,
            kid: text("kid")?,
            typ: text("typ")?,
            signed,
            payload: octets(payload).ok_or(malformed.clone())?,
            signature: octets(signature).ok_or(malformed)?,
        })
    }
}

/// What a header must not hold. Members that bring a key along (`jwk`, `jku`, `x5c`, `x5u`) may be
/// there and mean nothing.
pub(super) fn refuse_extensions(header: &Map<String, Value>) -> Result<(), JwsError> {
    // Whatever is critical is not understood here (RFC 7515 section 4.1.11); the payload is always
    // encoded (RFC 7797), and nothing is compressed (RFC 8725 section 3.6).
    let refused = ["crit", "b64", "zip"];
    match refused.into_iter().find(|name| header.contains_key(*name)) {
        Some(name) => Err(JwsError::Extension(name)),
        None => Ok(()),
    }
}

/// base64url without padding, white space or bits that nobody reads (RFC 7515 section 2).
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
