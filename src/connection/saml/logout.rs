//! Single Logout (SAML 2.0 core section 3.7, profiles section 4.4): asked for by us, and by the
//! provider. A request is believed when it is signed; so is an answer.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    Saml, VERIFYING,
    assertion::{NameId, NameIdRules, OLDEST, SAML, SKEW, check_issued, check_issuer, time},
    message::{Head, Message, push_attribute},
    metadata::{Binding, Endpoint, IdentityProvider, first},
    received::{Received, in_envelope},
    refused::{LOGOUT, Refused},
    response::{MOST_BYTES, ResponseError as E, SAMLP, SUCCESS, said},
};
use crate::{
    clock::Timestamp,
    connection::{
        ConnectionData, Departure, EndedWhose, Leaving, LogoutMessage, LogoutReply, LogoutRequest,
        Once, ProviderSession, Rejection, Reply, SignOut, SingleLogout,
    },
    crypto,
    protocol::xml::{Document, Element, escape},
    random::hex,
};

const RESPONDER: &str = "urn:oasis:names:tc:SAML:2.0:status:Responder";
const PARTIAL: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";

/// Whom a provider knows by a session, for the request that ends it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Remembered {
    #[serde(rename = "n")]
    pub(super) name_id: NameId,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(super) session_index: Option<String>,
}

/// By what a provider may name a session: the person and the index, or the person alone.
pub(super) fn session_names(name_id: &str, session_index: Option<&str>) -> Vec<String> {
    let with = session_index.map(|index| format!("{index}\n{name_id}"));
    with.into_iter().chain([format!("\n{name_id}")]).collect()
}

/// The ID of the request that goes with this state: what answers the one answers the other.
fn request_id(state: &str) -> String {
    let hash = crypto::sha256(format!("logout {state}").as_bytes());
    let half = hash.first_chunk::<16>().copied().unwrap_or_default();
    format!("_{}", hex(&half))
}

#[async_trait]
impl SignOut for Saml {
    async fn begin(&self, leaving: Leaving<'_>) -> Result<Departure, Rejection> {
        let begun = self.ask_to_end(leaving).await;
        begun.map_err(|refused| self.reject(refused.at(LOGOUT)))
    }
}

#[async_trait]
impl SingleLogout for Saml {
    async fn read(&self, reply: Reply<'_>, now: Timestamp) -> Result<LogoutMessage, Rejection> {
        let read = self.read_logout(reply, now).await;
        read.map_err(|error| self.reject(error.at(LOGOUT)))
    }

    async fn answer(&self, request: &LogoutRequest, done: bool) -> Result<LogoutReply, Rejection> {
        let answered = self.answer_logout(request, done).await;
        answered.map_err(|error| self.reject(error.at(LOGOUT)))
    }
}

impl Saml {
    async fn ask_to_end(&self, leaving: Leaving<'_>) -> Result<Departure, Refused> {
        let remembered: Option<Remembered> = leaving.kept.read();
        let Some(remembered) = remembered.filter(|_| self.set.logout) else {
            return Ok(Departure::Nowhere);
        };
        let provider = self.identity_provider().await?;
        let ways = [Binding::Redirect, Binding::Post, Binding::Soap];
        let Some(endpoint) = first(&provider.logout, &ways) else {
            return Ok(Departure::Nowhere);
        };
        let id = request_id(leaving.state);
        let message = self.logout_request(&id, endpoint, &remembered);
        let (to, state, key) = (
            &endpoint.location,
            Some(leaving.state),
            self.set.signing.as_ref(),
        );
        Ok(match endpoint.binding {
            Binding::Redirect => Departure::Redirect(message.redirect(to, state, key)?),
            Binding::Post => Departure::Post(message.form(to, state, key)?),
            Binding::Soap => {
                let envelope = message.envelope(key)?;
                let answer = self.call(to, envelope).await?;
                Departure::Told(self.told(answer, id, provider).await?)
            }
        })
    }

    /// Section 3.7.1.
    fn logout_request(&self, id: &str, endpoint: &Endpoint, of: &Remembered) -> Message {
        let now = self.parts.clock.now();
        let head = Head {
            name: "LogoutRequest",
            id,
            now,
            destination: &endpoint.written,
            issuer: &self.entity_id,
            in_response_to: None,
        };
        let mut content = String::from("<saml:NameID");
        let qualifiers = [
            ("Format", &of.name_id.format),
            ("NameQualifier", &of.name_id.name_qualifier),
            ("SPNameQualifier", &of.name_id.sp_name_qualifier),
        ];
        for (name, value) in qualifiers {
            if let Some(value) = value {
                push_attribute(&mut content, name, value);
            }
        }
        content.push('>');
        escape(&mut content, &of.name_id.value, false);
        content.push_str("</saml:NameID>");
        if let Some(index) = &of.session_index {
            content.push_str("<samlp:SessionIndex>");
            escape(&mut content, index, false);
            content.push_str("</samlp:SessionIndex>");
        }
        let reason = ("Reason", "urn:oasis:names:tc:SAML:2.0:logout:user");
        Message::new(&head, &[reason], &content)
    }

    /// What a provider answered to a request from server to server.
    async fn told(
        &self,
        answer: Vec<u8>,
        id: String,
        provider: std::sync::Arc<IdentityProvider>,
    ) -> Result<ProviderSession, Refused> {
        let (now, hashes) = (self.parts.clock.now(), self.set.hashes);
        let certificates = self.usable(&provider, now)?;
        let _turn = VERIFYING.acquire().await.map_err(|_| Refused::Verifier)?;
        let read = tokio::task::spawn_blocking(move || {
            let document = Document::parse(&answer, MOST_BYTES)?;
            let message = in_envelope(&document).ok_or(E::Malformed("Body"))?;
            let response = document.verified(message, &certificates, hashes)?;
            check_head(
                &response,
                "LogoutResponse",
                (&provider.entity_id, None),
                now,
            )?;
            there(&response, &id)
        });
        let read = read.await.map_err(|_| Refused::Verifier)?;
        read.map_err(Refused::Logout)
    }

    async fn read_logout(
        &self,
        reply: Reply<'_>,
        now: Timestamp,
    ) -> Result<LogoutMessage, Refused> {
        let received = Received::read(reply, &["SAMLRequest", "SAMLResponse"]);
        let received = received.ok_or(Refused::NoMessage)?;
        let provider = self.identity_provider().await?;
        let certificates = self.usable(&provider, now)?;
        let slo = self.parts.single_logout_service(&self.id);
        let (set, service_provider) = (self.set.clone(), self.entity_id.clone());
        let id = self.id.clone();
        // Anybody may bring one.
        let _turn = VERIFYING.acquire().await.map_err(|_| Refused::Verifier)?;
        let read = tokio::task::spawn_blocking(move || {
            let message = received.verified(&certificates, set.hashes)?;
            let sides = (provider.entity_id.as_str(), Some(slo.as_str()));
            if message.is(SAMLP, "LogoutResponse") {
                check_head(&message, "LogoutResponse", sides, now)?;
                let state = received.relay_state.ok_or(E::InResponseTo)?;
                let there = there(&message, &request_id(&state))?;
                return Ok(LogoutMessage::Response { state, there });
            }
            check_head(&message, "LogoutRequest", sides, now)?;
            let rules = NameIdRules {
                service_provider: &service_provider,
                format: None,
                keys: &set.keys,
                ciphers: set.ciphers,
            };
            let soap = received.by_soap();
            let read = request(&message, &rules, now)?;
            let named = [b"logout", id.as_str().as_bytes(), read.id.as_bytes()];
            let longest = u64::try_from(OLDEST + 2 * SKEW).unwrap_or_default();
            Ok(LogoutMessage::Request(LogoutRequest {
                once: Once {
                    hash: crypto::sha256_parts(&named),
                    until: now + std::time::Duration::from_secs(longest),
                },
                id: read.id,
                relay_state: received.relay_state,
                soap,
                whose: read.sids.into_iter().map(EndedWhose::Sid).collect(),
            }))
        });
        let read = read.await.map_err(|_| Refused::Verifier)?;
        read.map_err(Refused::Logout)
    }

    /// Section 3.7.2.
    async fn answer_logout(
        &self,
        request: &LogoutRequest,
        done: bool,
    ) -> Result<LogoutReply, Refused> {
        let provider = self.identity_provider().await?;
        let endpoint = first(&provider.logout, &[Binding::Redirect, Binding::Post]);
        let endpoint = endpoint.filter(|_| !request.soap);
        let to = endpoint.map(|endpoint| match &endpoint.response {
            Some((url, written)) => (endpoint.binding, url, written.as_str()),
            None => (
                endpoint.binding,
                &endpoint.location,
                endpoint.written.as_str(),
            ),
        });
        let drawn: [u8; 16] = self.parts.random.bytes();
        let id = format!("_{}", hex(&drawn));
        let head = Head {
            name: "LogoutResponse",
            id: &id,
            now: self.parts.clock.now(),
            destination: to.map_or(&*provider.entity_id, |(_, _, written)| written),
            issuer: &self.entity_id,
            in_response_to: Some(&request.id),
        };
        let status = if done { SUCCESS } else { RESPONDER };
        let content =
            format!("<samlp:Status><samlp:StatusCode Value=\"{status}\"/></samlp:Status>");
        let message = Message::new(&head, &[], &content);
        let (state, key) = (request.relay_state.as_deref(), self.set.signing.as_ref());
        Ok(match to {
            Some((Binding::Redirect, to, _)) => {
                LogoutReply::Redirect(message.redirect(to, state, key)?)
            }
            Some((_, to, _)) => LogoutReply::Post(message.form(to, state, key)?),
            None if request.soap => LogoutReply::Soap(message.envelope(key)?),
            None => return Err(Refused::NoLogoutService),
        })
    }
}

/// What every message must be: of that kind, issued now, by the provider, for this address.
fn check_head(
    message: &Element,
    name: &str,
    (identity_provider, destination): (&str, Option<&str>),
    now: Timestamp,
) -> Result<(), E> {
    if !message.is(SAMLP, name) {
        return Err(E::NoLogout);
    }
    if message.attribute("Version") != Some("2.0") {
        return Err(E::Version);
    }
    check_issued(message, now)?;
    let issuer = message.only(SAML, "Issuer").ok_or(E::Issuer)?;
    check_issuer(issuer, identity_provider)?;
    let said = message.attribute("Destination");
    match destination {
        Some(destination) if said != Some(destination) => Err(E::Destination),
        _ => Ok(()),
    }
}

/// What a request names.
struct Named {
    id: String,
    sids: Vec<String>,
}

/// The most indexes of one request.
const MOST_INDEXES: usize = 100;

fn request(message: &Element, rules: &NameIdRules<'_>, now: Timestamp) -> Result<Named, E> {
    let until = time(message, "NotOnOrAfter")?;
    if until.is_some_and(|until| until.seconds() <= now.seconds() - SKEW) {
        return Err(E::Expired);
    }
    let id = message.attribute("ID").filter(|id| !id.is_empty());
    let id = id.ok_or(E::Malformed("ID"))?.to_owned();
    let name_id = NameId::of(message, rules)?;
    let mut sids = Vec::new();
    for index in message.all(SAMLP, "SessionIndex") {
        let index = index.text().map(|text| text.trim().to_owned());
        let index = index.filter(|index| !index.is_empty());
        let index = index.ok_or(E::Malformed("SessionIndex"))?;
        sids.push(format!("{index}\n{}", name_id.value));
        if sids.len() > MOST_INDEXES {
            return Err(E::TooMuch);
        }
    }
    if sids.is_empty() {
        // All of the person (section 3.7.3.2).
        sids = session_names(&name_id.value, None);
    }
    Ok(Named { id, sids })
}

/// What became of the session there, by the answer to the request with this ID.
fn there(response: &Element, id: &str) -> Result<ProviderSession, E> {
    if response.attribute("InResponseTo") != Some(id) {
        return Err(E::InResponseTo);
    }
    let status = response.only(SAMLP, "Status");
    let status = status.ok_or(E::Malformed("Status"))?;
    let code = status.only(SAMLP, "StatusCode");
    let code = code.ok_or(E::Malformed("StatusCode"))?;
    let partial = code
        .walk()
        .any(|code| code.attribute("Value") == Some(PARTIAL));
    Ok(match code.attribute("Value") {
        _ if partial => ProviderSession::PartlyEnded,
        Some(SUCCESS) => ProviderSession::Ended,
        _ => {
            tracing::warn!(status = said(code), "a provider did not end its session");
            ProviderSession::Unknown
        }
    })
}

/// What stays with a session, for its end.
pub(super) fn remember(name_id: &NameId, session_index: Option<&str>) -> ConnectionData {
    ConnectionData::of(&Remembered {
        name_id: name_id.clone(),
        session_index: session_index.map(str::to_owned),
    })
}
