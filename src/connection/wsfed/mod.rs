//! WS-Federation, as a relying party: the passive requestor profile (WS-Federation 1.2 section 13).
//!
//! [`Connection::begin`] sends the browser to the address that the provider's federation metadata
//! name ([`metadata`]), with the flow's state as `wctx`. [`Connection::resume`] checks the answer
//! ([`response`]) and the token in it: an assertion of SAML 1.1 ([`saml11`]) or 2.0 ([`saml20`]), or
//! a JWT ([`jwt`]). All become one [`Token`]. Nothing in an answer chooses the keys by which it is
//! verified. A token opens one session.

mod config;
mod jwt;
mod metadata;
mod open;
mod refused;
mod response;
mod saml11;
mod saml20;
mod sign_out;
#[cfg(test)]
mod tests;
mod token;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use openssl::pkey::{PKey, Private};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

pub(crate) use self::config::*;
use self::{
    metadata::SecurityTokenService,
    refused::{IDENTITY, Refused, TOKEN},
    token::{Expected, SKEW, Token},
};
use super::{
    Authenticated, Check, Connection, ConnectionData, Facts, Kept, Mapping, Once, Peer, Rejection,
    Reply, SignOut, Start, Step, Tended, UpstreamParam,
    federation::{MetadataRules, Provider, Turns, name_known},
};
use crate::{
    clock::Timestamp,
    crypto,
    egress::http::Client,
    identity::{ConnectionId, Identity, Subject},
    protocol::xml::{Ciphers, Hashes},
    store::Pin,
};

/// What an answer says it is (section 13.2.1).
const SIGN_IN: &str = "wsignin1.0";
/// The claim that is a NameIdentifier for those whose assertions have none.
const NAME_IDENTIFIER: &str =
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier";
/// So many answers are verified at once, in all.
static VERIFYING: Turns = Turns::new(4);

/// A provider that speaks WS-Federation.
#[derive(Debug)]
pub(crate) struct Wsfed {
    id: ConnectionId,
    /// What the provider knows this deployment as.
    wtrealm: String,
    /// Where its answers come to.
    wreply: Url,
    set: Set,
    provider: Provider<SecurityTokenService>,
}

/// What is set, read and checked.
#[derive(Clone, Debug)]
struct Set {
    metadata: MetadataRules,
    wauth: Vec<String>,
    whr: Option<String>,
    wfresh: Option<Duration>,
    user_id_attribute: Option<String>,
    /// Whether the provider's session ends with ours.
    logout: bool,
    keys: Vec<PKey<Private>>,
    ciphers: Ciphers,
    hashes: Hashes,
    future_authentication: bool,
    upstream_params: BTreeMap<String, UpstreamParam>,
    mapping: Mapping,
    http: Client,
}

/// What a flow remembers between the request and the answer: what it must be held against, since
/// whoever brings the request may have changed it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Asked {
    /// The oldest login that is good enough, in seconds.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    max_age: Option<u64>,
    /// The person must sign in after that.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    signed_in_since: Option<Timestamp>,
    /// In one of these ways.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    wauth: Vec<String>,
}

#[async_trait]
impl Connection for Wsfed {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let issuer = self.set.metadata.issuer::<SecurityTokenService>();
        let by = self.set.user_id_attribute.as_deref();
        Pin {
            strategy: "wsfed".to_owned(),
            issuer: format!("{issuer}#{}", by.unwrap_or("NameIdentifier")),
        }
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
            Ok(asked) => self.finish(asked, reply, peer).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| self.reject(refused))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    async fn reach(&self) -> Result<(), Rejection> {
        let known = self.provider.now().await.map_err(Refused::from);
        known.map(drop).map_err(|refused| self.reject(refused))
    }

    fn checks(&self) -> Vec<Check> {
        refused::STEPS.to_vec()
    }

    fn sign_out(&self) -> Option<&dyn SignOut> {
        Some(self)
    }

    fn is_cleanup(&self, reply: Reply<'_>) -> bool {
        sign_out::is_cleanup(reply)
    }

    async fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        facts.insert("wtrealm".to_owned(), self.wtrealm.clone().into());
        self.provider.add_facts(&mut facts).await;
        facts
    }

    async fn tend(&self) -> Tended {
        self.provider.tend().await
    }
}

impl Wsfed {
    /// Section 13.2.2.
    async fn request(&self, start: &Start<'_>) -> Result<Step, Refused> {
        let provider = self.provider.now().await?;
        let wants = &start.wants;
        let wauth = if wants.acr.is_empty() {
            &self.set.wauth
        } else {
            wants.acr
        };
        let max_age = [wants.max_age, self.set.wfresh].into_iter().flatten().min();
        let again = wants.again || max_age == Some(Duration::ZERO);
        let asked = Asked {
            max_age: max_age.map(|age| age.as_secs()),
            signed_in_since: again.then_some(start.peer.now),
            wauth: wauth.to_vec(),
        };
        let now = DateTime::from_timestamp_millis(start.peer.now.millis()).unwrap_or_default();
        let mut to = provider.passive_requestor.clone();
        {
            let mut query = to.query_pairs_mut();
            query
                .append_pair("wa", SIGN_IN)
                .append_pair("wtrealm", &self.wtrealm)
                .append_pair("wreply", self.wreply.as_str())
                .append_pair("wctx", start.state)
                .append_pair("wct", &now.to_rfc3339_opts(SecondsFormat::Secs, true));
            if let Some(method) = wauth.first() {
                query.append_pair("wauth", method);
            }
            if let Some(realm) = &self.set.whr {
                query.append_pair("whr", realm);
            }
            // In minutes; a part of one is none.
            let minutes = if again {
                Some(0)
            } else {
                max_age.map(|age| age.as_secs() / 60)
            };
            if let Some(minutes) = minutes {
                query.append_pair("wfresh", &minutes.to_string());
            }
            for (name, param) in &self.set.upstream_params {
                if let Some(value) = param.value(start.passed) {
                    query.append_pair(name, value);
                }
            }
        }
        Ok(Step::Redirect {
            to,
            keep: ConnectionData::of(&asked),
        })
    }

    async fn finish(
        &self,
        asked: Asked,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Authenticated, Refused> {
        let wresult = answer(reply).ok_or(Refused::NoAnswer)?;
        peer.seen.add(TOKEN, &json!({ "wresult": wresult }));
        let provider = self.provider.now().await?;
        let token = self.verified(wresult, asked, provider, peer).await?;
        self.authenticated(token, peer)
    }

    /// Verifies and checks an answer, off the threads that serve.
    async fn verified(
        &self,
        wresult: String,
        asked: Asked,
        provider: Arc<SecurityTokenService>,
        peer: &Peer,
    ) -> Result<Token, Refused> {
        let (set, wtrealm) = (self.set.clone(), self.wtrealm.clone());
        let (wreply, now) = (self.wreply.clone(), peer.now);
        let certificates = self.provider.usable(&provider, now);
        let certificates = certificates.ok_or(Refused::NoCertificate)?;
        // Anybody may bring an answer.
        let checked = VERIFYING.done(move || {
            let expected = Expected {
                provider: &provider.entity_id,
                wtrealm: &wtrealm,
                wreply: wreply.as_str(),
                certificates: &certificates,
                keys: &set.keys,
                ciphers: set.ciphers,
                hashes: set.hashes,
                max_age: asked.max_age,
                signed_in_since: asked.signed_in_since,
                future_authentication: set.future_authentication,
                wauth: &asked.wauth,
                now,
            };
            response::check(&wresult, &expected)
        });
        Ok(checked.await??)
    }

    /// Who the token is about.
    fn authenticated(&self, token: Token, peer: &Peer) -> Result<Authenticated, Refused> {
        let mut claims = token.claims;
        name_known(&mut claims);
        peer.seen.add(IDENTITY, &Value::Object(claims.clone()));
        let claimed = |name: &str| claims.get(name).and_then(Value::as_str).map(str::trim);
        let subject = match &self.set.user_id_attribute {
            Some(name) => claimed(name),
            None => token.name.as_deref().or_else(|| claimed(NAME_IDENTIFIER)),
        };
        let subject = subject.and_then(|text| text.parse::<Subject>().ok());
        let (profile, groups) = self.set.mapping.apply(&claims)?;
        let identity = Identity {
            connection: self.id.clone(),
            subject: subject.ok_or(Refused::NoSubject)?,
            profile,
            claims,
            groups,
        };
        let named = [b"token".as_slice(), self.id.as_str().as_bytes(), &token.id];
        let once = Once {
            hash: crypto::sha256_parts(&named),
            until: token.not_on_or_after + Duration::from_secs(SKEW.unsigned_abs()),
        };
        // A session that keeps nothing of a provider does not lead there when it ends.
        let leads_there = self.set.logout.then(|| ConnectionData::of(&true));
        let kept = Kept {
            data: leads_there.unwrap_or_default(),
            ends: token.session_ends,
            ..Kept::default()
        };
        let at = token.authenticated.unwrap_or(token.issued).min(peer.now);
        let who = Authenticated::new(identity, at, Vec::new(), token.method);
        Ok(who.keeping(kept).once(once))
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

/// The `wresult` that a browser posted (section 13.2.3).
fn answer(reply: Reply<'_>) -> Option<String> {
    let Reply::Form(body) = reply else {
        return None;
    };
    let only = |wanted: &str| {
        let mut all = form_urlencoded::parse(body).filter(|(name, _)| name == wanted);
        let (first, more) = (all.next(), all.next());
        first.filter(|_| more.is_none()).map(|(_, value)| value)
    };
    let wresult = only("wresult").filter(|wresult| wresult.len() <= response::MOST_BYTES)?;
    (only("wa")? == SIGN_IN).then(|| wresult.into_owned())
}
