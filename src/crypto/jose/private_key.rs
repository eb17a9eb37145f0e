//! Keys of ours.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    JoseError,
    jwk::{
        KeyPair as _,
        alg::{ec::EcKeyPair, ed::EdKeyPair, rsa::RsaKeyPair},
    },
    jws::{self, JwsSigner},
};
use openssl::{
    nid::Nid,
    pkey::{Id, PKey, Private},
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::{Algorithm, algorithm::Family};
use crate::{crypto::sha256, secret::Secret};

/// A private key, named by its thumbprint (RFC 7638) or as its JWK says.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    pub(super) pair: PKey<Private>,
    kid: String,
    public: Map<String, Value>,
    algorithm: Algorithm,
}

/// Why a text is no private key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyParseError {
    #[error("it is neither a private key in PEM nor a JWK: {0}")]
    Unreadable(String),
    #[error("a key of this kind does not sign: RSA, P-256, P-384, P-521 and Ed25519 keys do")]
    Unsupported,
    #[error("an RSA key has at least 2048 bits")]
    Weak,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error("the key does not sign with {}", .0.name())]
    Algorithm(Algorithm),
    #[error("the claims are not JSON")]
    Claims,
    #[error("{0}")]
    Key(#[from] JoseError),
}

/// What a header holds besides the algorithm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    typ: String,
    /// The public key itself, in place of its name.
    jwk: Option<Map<String, Value>>,
    /// Another name of the key than its own.
    kid: Option<String>,
}

impl Headers {
    /// A type (RFC 8725 section 3.11).
    pub(crate) fn typ(typ: &str) -> Self {
        Self {
            typ: typ.to_owned(),
            jwk: None,
            kid: None,
        }
    }

    /// The same under a name that somebody else gave the key.
    pub(crate) fn named(self, kid: &str) -> Self {
        Self {
            kid: Some(kid.to_owned()),
            ..self
        }
    }

    /// Those of a DPoP proof (RFC 9449 section 4.2).
    pub(crate) fn dpop(key: &PrivateKey) -> Self {
        Self {
            typ: "dpop+jwt".to_owned(),
            jwk: Some(key.public.clone()),
            kid: None,
        }
    }
}

impl PrivateKey {
    /// Reads PEM (PKCS #8, PKCS #1, SEC 1), or a JWK.
    pub(crate) fn parse(text: &Secret) -> Result<Self, KeyParseError> {
        let text = text.expose().trim();
        if text.starts_with('{') {
            return Self::from_jwk(text);
        }
        let pair = PKey::private_key_from_pem(text.as_bytes())
            .map_err(|error| KeyParseError::Unreadable(error.to_string()))?;
        Self::from_pair(pair, None)
    }

    /// Reads PKCS #8 (RFC 5958).
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyParseError> {
        let pair = PKey::private_key_from_pkcs8(der)
            .map_err(|error| KeyParseError::Unreadable(error.to_string()))?;
        Self::from_pair(pair, None)
    }

    fn from_jwk(text: &str) -> Result<Self, KeyParseError> {
        let unreadable = |error: &dyn fmt::Display| KeyParseError::Unreadable(error.to_string());
        let jwk = super::json::object(text.as_bytes()).map_err(|error| unreadable(&error))?;
        let jwk = josekit::jwk::Jwk::from_map(jwk).map_err(|error| unreadable(&error))?;
        let der = match (jwk.key_type(), jwk.curve()) {
            ("RSA", _) => RsaKeyPair::from_jwk(&jwk).map(|pair| pair.to_der_private_key()),
            ("EC", _) => EcKeyPair::from_jwk(&jwk).map(|pair| pair.to_der_private_key()),
            ("OKP", _) => EdKeyPair::from_jwk(&jwk).map(|pair| pair.to_der_private_key()),
            _ => return Err(KeyParseError::Unsupported),
        };
        let der = Zeroizing::new(der.map_err(|error| unreadable(&error))?);
        let pair = PKey::private_key_from_der(&der).map_err(|error| unreadable(&error))?;
        Self::from_pair(pair, jwk.key_id())
    }

    fn from_pair(pair: PKey<Private>, kid: Option<&str>) -> Result<Self, KeyParseError> {
        let (algorithm, public) = public(&pair)?;
        let kid = kid.map_or_else(|| thumbprint(&public), str::to_owned);
        Ok(Self {
            pair,
            kid,
            public,
            algorithm,
        })
    }

    /// What it signs with, unless something else is set.
    pub(crate) fn default_algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key as a member of a JWK set, for `sig` or `enc` (RFC 7517 section 4.2).
    pub(crate) fn public_jwk(&self, purpose: &str) -> Map<String, Value> {
        let mut jwk = self.public.clone();
        jwk.insert("kid".to_owned(), self.kid.clone().into());
        jwk.insert("use".to_owned(), purpose.into());
        jwk
    }

    /// The claims as a signed JWT.
    pub(crate) fn sign(
        &self,
        algorithm: Algorithm,
        headers: Headers,
        claims: &Map<String, Value>,
    ) -> Result<String, SignError> {
        if algorithm.key_type() != self.algorithm.key_type() {
            return Err(SignError::Algorithm(algorithm));
        }
        let pkcs8 = || self.pair.private_key_to_pkcs8().map(Zeroizing::new);
        let pkcs1 = || self.pair.rsa()?.private_key_to_der().map(Zeroizing::new);
        let lost = |_| SignError::Algorithm(algorithm);
        let signer: Box<dyn JwsSigner> = match Family::from(algorithm) {
            Family::Ecdsa(family) => Box::new(family.signer_from_der(&*pkcs8().map_err(lost)?)?),
            Family::Eddsa => Box::new(jws::EdDSA.signer_from_der(&*pkcs8().map_err(lost)?)?),
            Family::Pss(family) => Box::new(family.signer_from_der(&*pkcs1().map_err(lost)?)?),
            Family::Rsa(family) => Box::new(family.signer_from_der(&*pkcs8().map_err(lost)?)?),
            Family::Hmac(_) => return Err(SignError::Algorithm(algorithm)),
        };
        let mut header = json!({ "alg": algorithm.name(), "typ": headers.typ });
        if let Value::Object(header) = &mut header {
            let kid = headers.kid.unwrap_or_else(|| self.kid.clone());
            match headers.jwk {
                Some(jwk) => header.insert("jwk".to_owned(), jwk.into()),
                None => header.insert("kid".to_owned(), kid.into()),
            };
        }
        compact(&header, claims, signer.as_ref())
    }
}

/// Claims signed with a secret of both sides (`client_secret_jwt`).
pub(crate) fn sign_with_secret(
    secret: &Secret,
    algorithm: Algorithm,
    typ: &str,
    claims: &Map<String, Value>,
) -> Result<String, SignError> {
    let Family::Hmac(family) = Family::from(algorithm) else {
        return Err(SignError::Algorithm(algorithm));
    };
    let signer = family.signer_from_bytes(secret.expose().as_bytes())?;
    let header = json!({ "alg": algorithm.name(), "typ": typ });
    compact(&header, claims, &signer)
}

fn compact(
    header: &Value,
    claims: &Map<String, Value>,
    signer: &dyn JwsSigner,
) -> Result<String, SignError> {
    let claims = serde_json::to_vec(claims).map_err(|_| SignError::Claims)?;
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "private key {}", self.kid)
    }
}

/// The public members of a key, and what it signs with by itself.
fn public(pair: &PKey<Private>) -> Result<(Algorithm, Map<String, Value>), KeyParseError> {
    let unreadable =
        |error: openssl::error::ErrorStack| KeyParseError::Unreadable(error.to_string());
    let text = |octets: &[u8]| Value::String(URL_SAFE_NO_PAD.encode(octets));
    let (algorithm, members) = match pair.id() {
        Id::RSA => {
            let rsa = pair.rsa().map_err(unreadable)?;
            if rsa.size() < 256 {
                return Err(KeyParseError::Weak);
            }
            let members = vec![
                ("kty", "RSA".into()),
                ("n", text(&rsa.n().to_vec())),
                ("e", text(&rsa.e().to_vec())),
            ];
            (Algorithm::RS256, members)
        }
        Id::EC => {
            let key = pair.ec_key().map_err(unreadable)?;
            let (algorithm, crv, length) = match key.group().curve_name() {
                Some(Nid::X9_62_PRIME256V1) => (Algorithm::ES256, "P-256", 32),
                Some(Nid::SECP384R1) => (Algorithm::ES384, "P-384", 48),
                Some(Nid::SECP521R1) => (Algorithm::ES512, "P-521", 66),
                _ => return Err(KeyParseError::Unsupported),
            };
            let mut context = openssl::bn::BigNumContext::new().map_err(unreadable)?;
            let mut x = openssl::bn::BigNum::new().map_err(unreadable)?;
            let mut y = openssl::bn::BigNum::new().map_err(unreadable)?;
            key.public_key()
                .affine_coordinates(key.group(), &mut x, &mut y, &mut context)
                .map_err(unreadable)?;
            let members = vec![
                ("kty", "EC".into()),
                ("crv", crv.into()),
                ("x", text(&x.to_vec_padded(length).map_err(unreadable)?)),
                ("y", text(&y.to_vec_padded(length).map_err(unreadable)?)),
            ];
            (algorithm, members)
        }
        Id::ED25519 => {
            let x = pair.raw_public_key().map_err(unreadable)?;
            let members = vec![
                ("kty", "OKP".into()),
                ("crv", "Ed25519".into()),
                ("x", text(&x)),
            ];
            (Algorithm::EdDSA, members)
        }
        _ => return Err(KeyParseError::Unsupported),
    };
    let own = |(name, value): (&str, Value)| (name.to_owned(), value);
    Ok((algorithm, members.into_iter().map(own).collect()))
}

/// RFC 7638 section 3: the required members, sorted, without spaces.
pub(super) fn thumbprint(public: &Map<String, Value>) -> String {
    let mut members: Vec<_> = public.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, value)| format!("{name:?}:{value}"))
        .collect();
    URL_SAFE_NO_PAD.encode(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
}
