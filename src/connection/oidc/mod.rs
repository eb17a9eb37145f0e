//! OpenID Connect: the authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 9700).
//!
//! [`Connection::begin`] makes the request ([`authorization`]): everything that must be unguessable
//! comes from one seed that travels in the flow's sealed cookie. [`Connection::resume`] reads the
//! answer ([`oauth`]), exchanges the code ([`token`], [`client`]), checks the ID token
//! ([`id_token`]) and asks for the rest ([`userinfo`]). What the provider says of itself is fetched
//! at the first login ([`metadata`]). Nothing that a token or an answer holds chooses whom we call.

mod authorization;
mod checks;
mod client;
mod config;
mod id_token;
mod issuer;
mod keys;
mod logout;
mod metadata;
mod open;
mod quirks;
mod refresh;
mod refused;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub(crate) use self::config::*;
use self::{
    authorization::Asked,
    id_token::{Expected, IdToken, Nonce, check_type},
    issuer::Issuer,
    keys::ClientKeys,
    metadata::{Aliases, Metadata, Provider, Signed},
    quirks::Quirks,
    refresh::More,
    refused::Refused,
    token::Tokens,
};
use super::{
    Authenticated, Check, Connection, ConnectionData, Kept, Mapping, Notices, Peer, Refresh,
    Rejection, Reply, Seen, SignOut, Start, Step, UpstreamParam,
    beginnings::Beginnings,
    oauth::{self, Answer, ResponseMode, Seed},
    registry::Parts,
};
use crate::{
    clock::Timestamp,
    crypto::jose::{self, Algorithm, JwkSet, JwsError, VerificationKeys, Verified},
    identity::ConnectionId,
    secret::Secret,
    store::Pin,
};

/// A provider that speaks OpenID Connect.
#[derive(Debug)]
pub(crate) struct Oidc {
    id: ConnectionId,
    set: Set,
    provider: Provider,
    keys: ClientKeys,
    mapping: Mapping,
    beginnings: Beginnings,
    parts: Parts,
}

/// What is set, checked and with its defaults.
#[derive(Clone, Debug)]
struct Set {
    client_id: String,
    client_secret: Option<Secret>,
    auth_method: Option<AuthMethod>,
    has_certificate: bool,
    has_own_key: bool,
    scopes: Vec<String>,
    response_mode: ResponseMode,
    prompt: Option<String>,
    max_age: Option<u64>,
    acr_values: Vec<String>,
    accepted_acr_values: Vec<String>,
    ui_locales: Vec<String>,
    request_claims: Option<String>,
    pushed: Option<bool>,
    signed_request: bool,
    signing_alg: Option<Algorithm>,
    assertion_audience: AssertionAudience,
    id_token_algs: Vec<Algorithm>,
    encrypted_id_token: bool,
    trusted_audiences: Vec<String>,
    userinfo: bool,
    dpop: bool,
    logout: Logout,
    upstream_params: BTreeMap<String, UpstreamParam>,
    quirks: Quirks,
}

/// Claims that are about the token and not about the person.
const OF_THE_TOKEN: [&str; 12] = [
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "sid",
];

#[async_trait]
impl Connection for Oidc {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        Pin {
            strategy: "oidc".to_owned(),
            issuer: self.provider.issuer.as_str().to_owned(),
        }
    }

    fn begins_with_a_call(&self) -> bool {
        let metadata = self.provider.known_metadata();
        metadata.is_some_and(|metadata| self.pushes(&metadata))
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let begun = self.request(&start).await;
        begun.map_err(|refused| self.reject(refused))
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let asked = kept.and_then(ConnectionData::read).ok_or(Refused::Unasked);
        let who = match asked {
            Ok(asked) => self.finish(&asked, reply, peer).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| self.reject(refused))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    async fn reach(&self) -> Result<(), Rejection> {
        let keys = self.provider.keys().await;
        keys.map(drop).map_err(|error| self.reject(error.into()))
    }

    fn checks(&self) -> Vec<Check> {
        checks::all()
    }

    fn notices(&self) -> Option<&dyn Notices> {
        Some(self)
    }

    fn sign_out(&self) -> Option<&dyn SignOut> {
        Some(self)
    }

    fn refresh(&self) -> Option<&dyn Refresh> {
        self.parts.keep_tokens.then_some(self)
    }

    fn jwks(&self) -> Option<Result<String, Rejection>> {
        let keys = self.keys.public().map(|keys| keys.to_string());
        let step = "client-keys";
        Some(keys.map_err(|error| self.reject(Refused::Key { step, error })))
    }
}

impl Oidc {
    async fn request(&self, start: &Start<'_>) -> Result<Step, Refused> {
        let metadata = self.provider.metadata().await?;
        let wants = &start.wants;
        let max_age = wants.max_age.map(|age| age.as_secs());
        let max_age = [max_age, self.set.max_age].into_iter().flatten().min();
        // What the route demands counts more than what the connection asks for in general.
        let (acr_values, acr) = if wants.acr.is_empty() {
            let set = &self.set;
            (set.acr_values.clone(), set.accepted_acr_values.clone())
        } else {
            (wants.acr.to_vec(), wants.acr.to_vec())
        };
        let asked = Asked {
            seed: Seed::new(self.parts.random.as_ref()),
            max_age,
            acr_values,
            acr,
        };
        let to = self.authorization_url(&metadata, start, &asked).await?;
        Ok(Step::Redirect {
            to,
            keep: ConnectionData::of(&asked),
        })
    }

    async fn finish(
        &self,
        asked: &Asked,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Authenticated, Refused> {
        let now = peer.now;
        let metadata = self.provider.metadata().await?;
        let expected = oauth::Expected {
            mode: self.set.response_mode,
            issuer: metadata.named_issuer(),
            code: "code",
            error: "error",
        };
        let answer = Answer::read(reply, &expected)?;
        let (callback, verifier) = (self.parts.callback(&self.id), asked.seed.verifier());
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &answer.code),
            ("redirect_uri", callback.as_str()),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut form: Vec<(String, String)> = form.into_iter().map(own).collect();
        if !self.set.quirks.code_verifier_left_out {
            form.push(own(("code_verifier", &verifier)));
        }
        form.extend(self.set.quirks.token_params.clone());
        let tokens = self.tokens(&metadata, form, now).await?;
        let nonce = asked.nonce();
        let expected = Expected {
            issuer: &self.provider.issuer,
            client_id: &self.set.client_id,
            trusted_audiences: &self.set.trusted_audiences,
            nonce: if self.set.quirks.nonce_left_out {
                Nonce::IfThere(&nonce)
            } else {
                Nonce::Is(&nonce)
            },
            max_age: asked.max_age,
            acr: &asked.acr,
            acr_claim: self.set.quirks.acr_claim(),
            access_token: Some(&tokens.access_token),
            now,
        };
        let mut token = self
            .id_token(&metadata, &tokens, &expected, &peer.seen)
            .await?;
        self.check_domain(&token.claims)?;
        let all_groups = self.complete_groups(&mut token.claims, &tokens, now).await;
        let more = self
            .userinfo(&metadata, &tokens, (&token.subject, now), &peer.seen)
            .await?;
        let user = answer.user.as_deref();
        let with = (&tokens, now, user, all_groups);
        self.authenticated(token, more, with).await
    }

    /// The proof that all of this amounts to.
    async fn authenticated(
        &self,
        token: IdToken,
        more: Option<Map<String, Value>>,
        (tokens, now, user, all_groups): (&Tokens, Timestamp, Option<&str>, bool),
    ) -> Result<Authenticated, Refused> {
        let mut claims = token.claims;
        claims.extend(more.unwrap_or_default());
        let mut identity = self.identity(token.subject, claims, all_groups)?;
        let (profile, subject) = (&mut identity.profile, &identity.subject);
        self.complete_name(profile, subject, user).await;
        // Nobody knows when, unless the provider says so: then it was too long ago for every route
        // that asks.
        let auth_time = token.auth_time.unwrap_or_default();
        let kept = Kept {
            data: ConnectionData::of(&Remembered {
                id_token: tokens.id_token.clone(),
                more: self.parts.keep_tokens.then(|| More::of(tokens, now)),
            }),
            sids: token.sid.into_iter().collect(),
            ends: None,
        };
        Ok(Authenticated::new(identity, auth_time, token.amr, token.acr).keeping(kept))
    }

    /// The ID token, checked.
    async fn id_token(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        expected: &Expected<'_>,
        seen: &Seen,
    ) -> Result<IdToken, Refused> {
        let token = tokens.id_token.as_deref().ok_or(Refused::NoIdToken)?;
        let encrypted = token.bytes().filter(|byte| *byte == b'.').count() == 4;
        if encrypted != self.set.encrypted_id_token {
            return Err(Refused::Encryption { encrypted });
        }
        let token = self.decrypted(token, id_token::STEP)?;
        let at = (id_token::STEP, Signed::AtLogin);
        let verified = self.verify(metadata, &token, at).await?;
        seen.add(id_token::STEP, &verified.claims);
        check_type(verified.header.typ.as_deref())?;
        let algorithm = verified.header.algorithm;
        Ok(IdToken::check(verified.claims, algorithm, expected)?)
    }

    /// What is inside, if it is encrypted.
    fn decrypted(&self, token: &str, step: &'static str) -> Result<String, Refused> {
        if token.bytes().filter(|byte| *byte == b'.').count() != 4 {
            return Ok(token.to_owned());
        }
        let keys = self.keys.decryption();
        let keys = keys.map_err(|error| Refused::Key { step, error })?;
        let inner = jose::decrypt(token, &keys);
        let inner = inner.map_err(|error| Refused::Decryption { step, error })?;
        String::from_utf8(inner).map_err(|error| Refused::Unreadable {
            step,
            why: error.to_string(),
        })
    }

    /// Verifies a signature of the provider.
    async fn verify(
        &self,
        metadata: &Metadata,
        token: &str,
        (step, signed): (&'static str, Signed),
    ) -> Result<Verified, Refused> {
        let allowed = self.allowed(metadata);
        let failed = |error| Refused::Signature { step, error };
        if let Some(secret) = &self.set.client_secret
            && jose::algorithm_of(token).is_ok_and(Algorithm::is_symmetric)
        {
            let keys = VerificationKeys::Secret(secret.expose().as_bytes());
            return jose::verify(token, keys, &allowed).map_err(failed);
        }
        let verify = |keys: &JwkSet| jose::verify(token, VerificationKeys::Set(keys), &allowed);
        let no_keys = |error| Refused::Keys { step, error };
        let keys = self.provider.keys().await.map_err(no_keys)?;
        let (error, anew) = match verify(&keys) {
            Err(error @ JwsError::UnknownKey) => {
                let anew = self.provider.keys_anew(&keys, signed).await;
                (error, anew.map_err(no_keys)?)
            }
            // A provider may have changed its key and kept the name.
            Err(error @ (JwsError::BadSignature | JwsError::UnfitKey)) => {
                let anew = self.provider.keys_anew_if_old(&keys, signed).await;
                (error, anew.map_err(no_keys)?)
            }
            verified => return verified.map_err(failed),
        };
        let anew = anew.ok_or_else(|| failed(error))?;
        verify(&anew).map_err(failed)
    }

    /// How the provider may sign: as is set here, as far as its metadata say that it does.
    fn allowed(&self, metadata: &Metadata) -> Vec<Algorithm> {
        let named = metadata.id_token_signing_alg_values_supported.as_deref();
        let set = self.set.id_token_algs.iter().copied();
        set.filter(|algorithm| {
            named.is_none_or(|all| all.iter().any(|one| one == algorithm.name()))
        })
        .collect()
    }

    fn sign(
        &self,
        (step, typ): (&'static str, &str),
        claims: &Map<String, Value>,
    ) -> Result<String, Refused> {
        let signed = self.keys.sign(typ, claims);
        signed.map_err(|error| Refused::Key { step, error })
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            check: refused.check(),
            source: Some(Box::new(refused)),
        }
    }
}

/// What stays with the session.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
struct Remembered {
    /// Shown to the provider when the person signs out (OpenID Connect RP-Initiated Logout 1.0).
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// For an application, if a route forwards them.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    more: Option<More>,
}
