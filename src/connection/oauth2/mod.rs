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
mod refused;
mod request;
mod token;

use async_trait::async_trait;

use self::{
    authorization::{Asked, Authorize},
    profile::{Known, Question},
    refused::Refused,
    token::Exchange,
};
pub(crate) use self::{config::*, provider::*};
use super::{
    Authenticated, Connection, ConnectionData, Mapping, Paths, Peer, Rejection, Reply, Start, Step,
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
    compose: Vec<(String, Template)>,
    mapping: Mapping,
    http: Client,
}

/// What is done and checked at a login, in order.
const STEPS: [(&str, &str); 4] = [
    (
        "authorization-response",
        "the answer has one code, belongs to this browser, and names no other issuer",
    ),
    (
        refused::TOKEN,
        "the code was exchanged by this client, and the token is a bearer's",
    ),
    (
        refused::PROFILE,
        "the provider's own addresses say who that is",
    ),
    ("identity", "there is a subject among what they say"),
];

#[async_trait]
impl Connection for OAuth2 {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let mut endpoint = self.set.authorize.endpoint.sample().clone();
        endpoint.set_query(None);
        endpoint.set_fragment(None);
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
        _: &Peer,
    ) -> Result<Step, Rejection> {
        let asked = kept.and_then(ConnectionData::read).ok_or(Refused::Unasked);
        let who = match asked {
            Ok(asked) => self.finish(&asked, reply).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| self.reject(refused))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    fn steps(&self) -> &'static [(&'static str, &'static str)] {
        &STEPS
    }
}

impl OAuth2 {
    async fn finish(&self, asked: &Asked, reply: Reply<'_>) -> Result<Authenticated, Refused> {
        let answer = Answer::read(reply, &self.expected())?;
        let mut known = Known::default();
        known
            .values
            .insert("client_id".to_owned(), self.set.client_id.clone());
        for name in &self.set.authorize.carry {
            if let Some(value) = answer.parameter(name)? {
                known.values.insert(name.clone(), value);
            }
        }
        let access_token = self.exchange(asked, &answer, &mut known).await?;
        for question in &self.set.questions {
            known.ask(question, &access_token, &self.set.http).await?;
        }
        known.compose(&self.set.compose);
        let subject = known.subject(&self.set.subject)?;
        let (profile, groups) = self.set.mapping.apply(&known.claims);
        let identity = Identity {
            connection: self.id.clone(),
            subject,
            profile,
            claims: known.claims,
            groups,
        };
        // OAuth 2.0 says nothing of when and how: that is too long ago and too weak for every route
        // that asks.
        let (auth_time, amr, acr) = (Timestamp::default(), Vec::new(), None);
        Ok(Authenticated::new(identity, auth_time, amr, acr))
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            source: Some(Box::new(refused)),
        }
    }
}
