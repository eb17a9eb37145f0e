//! This client's own keys: those that the operator gave, or some that are derived from the key ring
//! for this connection. What is derived is nowhere stored, is the same in every process, and comes
//! and goes with the ring.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value, json};

use crate::{
    crypto::{
        DerivedKeyError, KeyRing, RingKey, RingState, derived_p256,
        jose::{self, Algorithm, PrivateKey, SignError},
    },
    identity::ConnectionId,
};

/// What a derived key is for.
const SIGNATURES: &str = "client signatures";
const DPOP: &str = "dpop";
const DECRYPTION: &str = "client decryption";

/// The private keys of one connection.
#[derive(Debug)]
pub(crate) struct ClientKeys {
    pub(crate) connection: ConnectionId,
    pub(crate) ring: Arc<ArcSwap<KeyRing>>,
    /// The operator's key for signatures.
    pub(crate) own: Option<PrivateKey>,
    pub(crate) algorithm: Option<Algorithm>,
    /// The operator's keys for what the provider encrypts.
    pub(crate) decryption: Vec<PrivateKey>,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    Derived(#[from] DerivedKeyError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl ClientKeys {
    /// The claims as a JWT of that type.
    pub(crate) fn sign(&self, typ: &str, claims: &Map<String, Value>) -> Result<String, KeyError> {
        let derived;
        let key = if let Some(own) = &self.own {
            own
        } else {
            derived = self.derived(self.ring.load().current(), SIGNATURES)?;
            &derived
        };
        let algorithm = self.algorithm.unwrap_or_else(|| key.default_algorithm());
        Ok(key.sign(algorithm, jose::Headers::typ(typ), claims)?)
    }

    /// A DPoP proof: its public key is in its header (RFC 9449 section 4.2).
    pub(crate) fn sign_dpop(&self, claims: &Map<String, Value>) -> Result<String, KeyError> {
        let key = self.derived(self.ring.load().current(), DPOP)?;
        Ok(key.sign(Algorithm::ES256, jose::Headers::dpop(&key), claims)?)
    }

    /// All keys that something for us may be encrypted with.
    pub(crate) fn decryption(&self) -> Result<Vec<PrivateKey>, KeyError> {
        let ring = self.ring.load();
        let derived = ring.keys().map(|key| self.derived(key, DECRYPTION));
        let mut all: Vec<PrivateKey> = derived.collect::<Result<_, _>>()?;
        all.extend(self.decryption.iter().cloned());
        Ok(all)
    }

    /// The public keys (RFC 7517 section 5). The next one is there before it is used.
    pub(crate) fn public(&self) -> Result<Value, KeyError> {
        let ring = self.ring.load();
        let mut all = Vec::new();
        match &self.own {
            Some(own) => all.push(own.public_jwk("sig")),
            None => {
                for key in ring.keys() {
                    all.push(self.derived(key, SIGNATURES)?.public_jwk("sig"));
                }
            }
        }
        if self.decryption.is_empty() {
            for key in ring.keys().filter(|key| key.state() != RingState::Old) {
                all.push(self.derived(key, DECRYPTION)?.public_jwk("enc"));
            }
        }
        all.extend(self.decryption.iter().map(|key| key.public_jwk("enc")));
        Ok(json!({ "keys": all }))
    }

    fn derived(&self, key: &RingKey, what: &str) -> Result<PrivateKey, DerivedKeyError> {
        derived_p256(key, &[what, self.connection.as_str()])
    }
}
