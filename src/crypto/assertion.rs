//! ES256 keys (RFC 7518 section 3.4) and the signed assertions that applications verify.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    JoseError,
    jwk::{KeyPair, alg::ec::EcKeyPair},
    jws::{
        ES256, JwsSigner,
        alg::ecdsa::{EcdsaJwsAlgorithm, EcdsaJwsSigner},
    },
};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::sha256;

/// A private key that signs JWTs (RFC 7519), named by its thumbprint (RFC 7638).
pub(crate) struct SigningKey {
    pair: EcKeyPair,
    signer: EcdsaJwsSigner,
    kid: String,
    public: Map<String, Value>,
    /// The first part of every JWT, encoded.
    header: String,
}

impl SigningKey {
    /// A new key, drawn by OpenSSL.
    pub(crate) fn generate() -> Result<Self, SigningKeyError> {
        Self::from_pair(ES256.generate_key_pair()?)
    }

    /// Reads what [`to_der`](Self::to_der) wrote.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, SigningKeyError> {
        Self::from_pair(ES256.key_pair_from_der(der)?)
    }

    /// The private key as PKCS #8 (RFC 5958), to be sealed.
    pub(crate) fn to_der(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair.to_der_private_key())
    }

    fn from_pair(pair: EcKeyPair) -> Result<Self, SigningKeyError> {
        const ALGORITHM: EcdsaJwsAlgorithm = ES256;
        let jwk = pair.to_jwk_public_key();
        let coordinate = |name| {
            let value = jwk.parameter(name).and_then(Value::as_str);
            value.ok_or(SigningKeyError::NoPublicKey)
        };
        let (x, y) = (coordinate("x")?, coordinate("y")?);
        // RFC 7638 section 3.2: the required members, in this order, without spaces
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(sha256(members.as_bytes()));
        let public = [
            ("alg", "ES256"),
            ("crv", "P-256"),
            ("kid", &kid),
            ("kty", "EC"),
            ("use", "sig"),
            ("x", x),
            ("y", y),
        ];
        let header = json!({ "alg": "ES256", "kid": kid, "typ": "JWT" });
        Ok(Self {
            signer: ALGORITHM.signer_from_der(pair.to_der_private_key())?,
            public: public
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            kid,
            pair,
        })
    }

    /// The key's name: the SHA-256 thumbprint.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a member of a JWK set (RFC 7517 section 5).
    pub(crate) fn public_jwk(&self) -> &Map<String, Value> {
        &self.public
    }

    /// The claims as a signed JWT in compact form (RFC 7515 section 7.1).
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, SigningKeyError> {
        let payload = serde_json::to_vec(claims).map_err(|_| SigningKeyError::Claims)?;
        let mut token = String::with_capacity(self.header.len() + payload.len() * 4 / 3 + 96);
        token.push_str(&self.header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.signer.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signing key {}", self.kid)
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningKeyError {
    #[error("the claims are not JSON")]
    Claims,
    #[error("the signing key: {0}")]
    Key(#[from] JoseError),
    #[error("the signing key has no public part")]
    NoPublicKey,
}

#[cfg(test)]
mod tests {
    use josekit::{jwk::Jwk, jws::JwsVerifier};

    use super::*;

    /// What an application does with `jwks.json`.
    fn verify(jwk: &Map<String, Value>, token: &str) -> Option<Map<String, Value>> {
        let verifier = ES256
            .verifier_from_jwk(&Jwk::from_map(jwk.clone()).unwrap())
            .unwrap();
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        verifier.verify(signed.as_bytes(), &signature).ok()?;
        let (_, payload) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    fn claims() -> Map<String, Value> {
        let claims = json!({ "aud": "wiki.test", "sub": "members|alice", "name": "Ällice" });
        claims.as_object().unwrap().clone()
    }

    #[test]
    fn a_jwt_verifies_under_its_own_key_only() {
        let (key, other) = (
            SigningKey::generate().unwrap(),
            SigningKey::generate().unwrap(),
        );
        let token = key.sign(&claims()).unwrap();
        assert_eq!(verify(key.public_jwk(), &token), Some(claims()));
        assert_eq!(verify(other.public_jwk(), &token), None);
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            // the top bit of the six: the lowest ones of a part's last letter carry nothing
            bytes[at] = if bytes[at] == b'B' { b'x' } else { b'B' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(verify(key.public_jwk(), &changed), None, "{at}");
        }
        let header = token.split('.').next().unwrap();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(
            header,
            json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid() })
        );
    }

    #[test]
    fn a_key_survives_storage() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_der(&key.to_der()).unwrap();
        assert_eq!(
            (again.kid(), again.public_jwk()),
            (key.kid(), key.public_jwk())
        );
        let token = again.sign(&claims()).unwrap();
        assert!(verify(key.public_jwk(), &token).is_some());
        assert!(SigningKey::from_der(b"not a key").is_err());
        let jwk = serde_json::to_string(key.public_jwk()).unwrap();
        assert!(!jwk.contains("\"d\""));
        assert_eq!(format!("{key:?}"), format!("signing key {}", key.kid()));
    }

    /// Computed apart for the public key of RFC 7515 appendix A.3.
    #[test]
    fn the_kid_is_the_thumbprint() {
        let jwk = json!({
            "kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        });
        let jwk = Jwk::from_map(jwk.as_object().unwrap().clone()).unwrap();
        let key = SigningKey::from_pair(EcKeyPair::from_jwk(&jwk).unwrap()).unwrap();
        assert_eq!(key.kid(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    }
}
