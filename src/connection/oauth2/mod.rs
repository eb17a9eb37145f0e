//! Plain OAuth 2.0: a login by authorization code, and a profile from an API of the provider's own
//! (RFC 6749, RFC 7636, RFC 9700).
//!
//! How a provider speaks is data ([`provider`]), not code; [`open`] reads it once, with every
//! mistake in it. [`Connection::begin`] sends the browser away ([`authorization`]),
//! [`Connection::resume`] reads the answer, exchanges the code ([`token`]) and asks for the profile
//! ([`profile`]). The access token comes from our own exchange alone, and whom it is shown to is
//! written in the data: neither a token nor a host that comes with the browser counts.

mod authorization;
mod config;
mod open;
mod profile;
mod provider;
mod refresh;
mod refused;
mod request;
mod token;

use async_trait::async_trait;

use self::{
    authorization::{Asked, Authorize},
    profile::{Known, Question},
    refresh::Remembered,
    refused::Refused,
    token::{Exchange, Grant, Tokens},
};
pub(crate) use self::{config::*, provider::*};
use super::{
    Authenticated, Check, Connection, ConnectionData, Kept, Mapping, Paths, Peer, Refresh,
    Rejection, Reply, Start, Step,
    oauth::{Answer, Template},
    registry::Parts,
};
use crate::{
    clock::Timestamp,
    egress::http::Client,
    identity::{ConnectionId, Identity},
    secret::Secret,
    store::Pin,
};

/// A provider that speaks OAuth 2.0.
#[derive(Debug)]
pub(crate) struct OAuth2 {
    id: ConnectionId,
    set: Set,
    parts: Parts,
}

/// What is set, read and checked.
#[derive(Clone, Debug)]
struct Set {
    client_id: String,
    client_secret: Option<Secret>,
    pkce: bool,
    issuer: Option<String>,
    authorize: Authorize,
    exchange: Exchange,
    questions: Vec<Question>,
    subject: Paths,
    subject_written: String,
    compose: Vec<(String, Template)>,
    mapping: Mapping,
    http: Client,
}

/// What is done and checked at a login, in order.
const CHECKS: [Check; 4] = [
    Check::step(
        "authorization-response",
        "the answer has one code, belongs to this browser, and names no other issuer",
    ),
    Check::step(
        refused::TOKEN,
        "the code was exchanged by this client, and the token is a bearer's",
    ),
    Check::step(
        refused::PROFILE,
        "the provider's own addresses say who that is",
    ),
    Check::step("identity", "there is a subject among what they say"),
];

#[async_trait]
impl Connection for OAuth2 {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let mut endpoint = self.set.authorize.endpoint.sample().clone();
        endpoint.set_query(None);
        // Another name for who it is would be another person's, one day.
        endpoint.set_fragment(Some(&self.set.subject_written));
        Pin {
            strategy: "oauth2".to_owned(),
            issuer: endpoint.into(),
        }
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let asked = Asked::new(self.parts.random.as_ref());
        let to = self.authorization_url(&start, &asked);
        let to = to.map_err(|refused| self.reject(refused))?;
        Ok(Step::Redirect {
            to,
            keep: ConnectionData::of(&asked),
        })
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

    fn refresh(&self) -> Option<&dyn Refresh> {
        Some(self)
    }

    fn checks(&self) -> Vec<Check> {
        CHECKS.to_vec()
    }
}

impl OAuth2 {
    async fn finish(
        &self,
        asked: &Asked,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Authenticated, Refused> {
        let answer = Answer::read(reply, &self.expected())?;
        let mut known = Known {
            seen: peer.seen.clone(),
            ..Known::default()
        };
        for name in &self.set.authorize.carry {
            if let Some(value) = answer.parameter(name)? {
                known.values.insert(name.clone(), value);
            }
        }
        let code = &answer.code;
        let tokens = self.obtain(Grant::Code { code, asked }, &mut known).await?;
        self.look(&tokens, &mut known).await?;
        let mut kept = Kept::default();
        if self.parts.keep_tokens {
            kept.data = ConnectionData::of(&Remembered::of(&tokens, &known, peer.now));
        }
        let identity = self.identity(known)?;
        // OAuth 2.0 says nothing of when and how: that is too long ago and too weak for every route
        // that asks.
        let (auth_time, amr, acr) = (Timestamp::default(), Vec::new(), None);
        Ok(Authenticated::new(identity, auth_time, amr, acr).keeping(kept))
    }

    /// Gets tokens.
    async fn obtain(&self, grant: Grant<'_>, known: &mut Known) -> Result<Tokens, Refused> {
        let client_id = self.set.client_id.clone();
        known.values.insert("client_id".to_owned(), client_id);
        self.exchange(grant, known).await
    }

    /// Asks with them who that is.
    async fn look(&self, tokens: &Tokens, known: &mut Known) -> Result<(), Refused> {
        for question in &self.set.questions {
            let http = &self.set.http;
            known.ask(question, &tokens.access_token, http).await?;
        }
        known.compose(&self.set.compose);
        Ok(())
    }

    /// Who that is.
    fn identity(&self, known: Known) -> Result<Identity, Refused> {
        let subject = known.subject(&self.set.subject)?;
        let (profile, groups) = self.set.mapping.apply(&known.claims)?;
        Ok(Identity {
            connection: self.id.clone(),
            subject,
            profile,
            claims: known.claims,
            groups,
        })
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            check: None,
            source: Some(Box::new(refused)),
        }
    }
}
