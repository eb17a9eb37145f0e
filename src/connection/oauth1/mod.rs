//! OAuth 1.0a (RFC 5849), for the few providers that never went on to the next one: temporary
//! credentials, the person's yes, token credentials ([`credentials`]), each request signed
//! ([`signature`]).
//!
//! The protocol has no `state`; ours travels in the callback address. What ties the answer to this
//! login besides is that it must name the temporary credentials that the flow's cookie holds.

mod config;
mod credentials;
mod open;
mod refused;
mod signature;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::Url;

pub(crate) use self::config::*;
use self::{
    credentials::{Credentials, Form},
    refused::Refused,
    signature::Method,
};
use super::{
    Authenticated, Check, Connection, ConnectionData, Mapping, Paths, Peer, Rejection, Reply,
    Start, Step, UpstreamParam,
    beginnings::Beginnings,
    oauth::{Endpoint, Values, text_of},
    registry::Parts,
};
use crate::{
    clock::Timestamp,
    egress::http::Client,
    identity::{ConnectionId, Identity},
    store::Pin,
};

/// A provider that speaks OAuth 1.0a.
#[derive(Debug)]
pub(crate) struct OAuth1 {
    id: ConnectionId,
    set: Set,
    beginnings: Beginnings,
    parts: Parts,
}

/// What is set, read and checked.
#[derive(Clone, Debug)]
struct Set {
    client_id: String,
    method: Method,
    request_token: Url,
    /// With the parameters that are always there.
    authorization: Url,
    upstream_params: BTreeMap<String, UpstreamParam>,
    access_token: Url,
    profile: Option<Endpoint>,
    at: Option<Paths>,
    carry: Vec<(String, Paths)>,
    subject: Paths,
    subject_written: String,
    mapping: Mapping,
    http: Client,
}

/// What is done and checked at a login, in order.
const CHECKS: [Check; 5] = [
    Check::step(
        refused::TEMPORARY,
        "the provider took our signature and confirmed where the answer comes to",
    ),
    Check::step(
        "authorization-response",
        "the answer is about this very login, and has a verifier",
    ),
    Check::step(refused::TOKEN, "the verifier was exchanged by this client"),
    Check::step(
        refused::PROFILE,
        "the provider's own address says who that is",
    ),
    Check::step("identity", "there is a subject in what it says"),
];

#[async_trait]
impl Connection for OAuth1 {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let mut endpoint = self.set.authorization.clone();
        endpoint.set_query(None);
        // Another name for who it is would be another person's, one day.
        endpoint.set_fragment(Some(&self.set.subject_written));
        Pin {
            strategy: "oauth1".to_owned(),
            issuer: endpoint.into(),
        }
    }

    fn begins_with_a_call(&self) -> bool {
        true
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let mut callback = self.parts.callback(&self.id);
        callback.query_pairs_mut().append_pair("state", start.state);
        let turn = self.beginnings.turn().await;
        let _turn = turn.map_err(|waiting| self.reject(waiting.into()))?;
        let temporary = self.temporary(&callback, start.peer.now).await;
        let temporary = temporary.map_err(|refused| self.reject(refused))?;
        let mut to = self.set.authorization.clone();
        let mut query = to.query_pairs_mut();
        query.append_pair("oauth_token", &temporary.token);
        for (name, param) in &self.set.upstream_params {
            if let Some(value) = param.value(start.passed) {
                query.append_pair(name, value);
            }
        }
        drop(query);
        Ok(Step::Redirect {
            to,
            keep: ConnectionData::of(&temporary),
        })
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let temporary = kept.and_then(ConnectionData::read).ok_or(Refused::Unasked);
        let who = match temporary {
            Ok(temporary) => self.finish(&temporary, reply, peer).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| self.reject(refused))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    fn checks(&self) -> Vec<Check> {
        CHECKS.to_vec()
    }
}

impl OAuth1 {
    async fn finish(
        &self,
        temporary: &Credentials,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Authenticated, Refused> {
        let (now, seen) = (peer.now, &peer.seen);
        let verifier = verifier(reply, temporary)?;
        let (credentials, answer) = self.token(temporary, verifier, now).await?;
        let mut claims = Map::new();
        let mut carried = Map::new();
        let mut values = Values::new();
        for (name, paths) in &self.set.carry {
            let found = answer.as_object().and_then(|answer| paths.find(answer));
            if let Some((value, text)) = found.and_then(|value| Some((value, text_of(value)?))) {
                carried.insert(name.clone(), value.clone());
                values.insert(name.clone(), text);
            }
        }
        if !carried.is_empty() {
            // The rest of the answer is tokens.
            seen.add(refused::TOKEN, &carried);
        }
        if let Some(profile) = &self.set.profile {
            let from = profile.fill(&values).map_err(Refused::NoValue)?;
            let answer = self.profile(&from, &credentials, now).await?;
            seen.add(refused::PROFILE, &answer);
            claims = self.about(answer)?;
        }
        claims.extend(carried);
        let subject = self.set.subject.find(&claims).and_then(text_of);
        let subject = subject.and_then(|text| text.parse().ok());
        let (profile, groups) = self.set.mapping.apply(&claims)?;
        let identity = Identity {
            connection: self.id.clone(),
            subject: subject.ok_or(Refused::NoSubject)?,
            profile,
            claims,
            groups,
        };
        // The protocol says nothing of when and how.
        let (auth_time, amr, acr) = (Timestamp::default(), Vec::new(), None);
        Ok(Authenticated::new(identity, auth_time, amr, acr))
    }

    /// The claims in the answer of the profile endpoint.
    fn about(&self, answer: Value) -> Result<Map<String, Value>, Refused> {
        let about = match &self.set.at {
            Some(paths) => answer.as_object().and_then(|all| paths.find(all)).cloned(),
            None => Some(answer),
        };
        match about {
            Some(Value::Object(claims)) => Ok(claims),
            _ => Err(Refused::Unreadable {
                step: refused::PROFILE,
                why: "it is not about anybody".to_owned(),
            }),
        }
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

/// The verifier of an answer (section 2.2) that is about these temporary credentials. Providers say
/// no in their own ways: X with `denied`, others with `oauth_problem`.
fn verifier(reply: Reply<'_>, temporary: &Credentials) -> Result<String, Refused> {
    let Reply::Query(query) = reply else {
        return Err(Refused::Unasked);
    };
    let answer = Form::of(query.as_bytes(), "authorization-response");
    let (token, verifier) = (answer.one("oauth_token")?, answer.one("oauth_verifier")?);
    if answer.one("denied")?.is_some() || answer.one("oauth_problem")?.is_some() {
        return Err(Refused::Denied);
    }
    if token.as_ref() != Some(&temporary.token) {
        return Err(Refused::OtherToken);
    }
    verifier
        .filter(|verifier| !verifier.is_empty() && verifier.len() <= 1024)
        .ok_or(Refused::NoVerifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_about_the_credentials_of_its_login() {
        let temporary = Credentials {
            token: "t".to_owned(),
            secret: "s".to_owned(),
        };
        let read = |query| verifier(Reply::Query(query), &temporary);
        assert_eq!(read("oauth_token=t&oauth_verifier=v&state=x").unwrap(), "v");
        for (query, why) in [
            ("oauth_token=other&oauth_verifier=v", "another request"),
            ("oauth_verifier=v", "another request"),
            ("oauth_token=t", "no oauth_verifier"),
            ("oauth_token=t&oauth_verifier=", "no oauth_verifier"),
            ("oauth_token=t&oauth_verifier=v&oauth_verifier=w", "twice"),
            ("oauth_token=t&oauth_token=u&oauth_verifier=v", "twice"),
            ("denied=t", "said no"),
            (
                "oauth_token=t&oauth_verifier=v&oauth_problem=user_refused",
                "said no",
            ),
        ] {
            let refused = read(query).unwrap_err();
            assert!(refused.to_string().contains(why), "{query}: {refused}");
            assert_eq!(refused.step(), "authorization-response");
        }
        let form = Reply::Form(b"oauth_token=t&oauth_verifier=v");
        assert!(verifier(form, &temporary).is_err());
    }
}
