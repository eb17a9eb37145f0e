//! Single Logout (SAML 2.0 core section 3.7, profiles section 4.4): asked for by us, and by the
//! provider. A request is believed when it is signed; so is an answer.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    LOGOUTS, Saml,
    assertion::{NameId, NameIdRules, OLDEST, SAML, SKEW, check_issued, check_issuer, time},
    message::{Head, Message, push_attribute},
    metadata::{Binding, Endpoint, IdentityProvider, first},
    outgoing::Sent,
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
    protocol::xml::{Document, Element, Hashes, SigningCertificate, escape},
    random::hex,
};

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

    async fn answer(&self, request: &LogoutRequest) -> Result<LogoutReply, Rejection> {
        let answered = self.answer_logout(request).await;
        answered.map_err(|error| self.reject(error.at(LOGOUT)))
    }
}

impl Saml {
    async fn ask_to_end(&self, leaving: Leaving<'_>) -> Result<Departure, Refused> {
        let remembered: Option<Remembered> = leaving.kept.read();
        let Some(remembered) = remembered else {
            return Ok(Departure::Nowhere);
        };
        let provider = self.provider.now().await?;
        let ways = [Binding::Redirect, Binding::Post, Binding::Soap];
        let Some(endpoint) = first(&provider.logout, &ways) else {
            return Ok(Departure::Nowhere);
        };
        let id = request_id(leaving.state);
        let message = self.logout_request(&id, endpoint, &remembered);
        if endpoint.binding == Binding::Soap {
            let envelope = self.envelope(message).await?;
            let answer = self.call(&endpoint.location, envelope).await?;
            return Ok(Departure::Told(self.told(answer, id, provider).await?));
        }
        let to = (endpoint.binding, endpoint.location.clone());
        Ok(match self.sent(message, to, Some(leaving.state)).await? {
            Sent::Form(form) => Departure::Post(form),
            Sent::Url(to) => Departure::Redirect(to),
        })
    }

    /// Section 3.7.1.
    fn logout_request(&self, id: &str, endpoint: &Endpoint, of: &Remembered) -> Message {
        let now = self.parts.clock.now();
        let head = Head {
            name: "LogoutRequest",
            id,
            now,
            destination: Some(&endpoint.written),
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
        let certificates = self.provider.usable(&provider, now);
        let certificates = certificates.ok_or(Refused::NoCertificate)?;
        let read = LOGOUTS.done(move || {
            let by = (certificates.as_slice(), hashes);
            told(&answer, (&provider.entity_id, &id), by, now)
        });
        read.await?.map_err(Refused::Logout)
    }

    async fn read_logout(
        &self,
        reply: Reply<'_>,
        now: Timestamp,
    ) -> Result<LogoutMessage, Refused> {
        let received = Received::read(reply, &["SAMLRequest", "SAMLResponse"]);
        let received = received.ok_or(Refused::NoMessage)?;
        let provider = self.provider.now().await?;
        let certificates = self.provider.usable(&provider, now);
        let certificates = certificates.ok_or(Refused::NoCertificate)?;
        let slo = self.parts.single_logout_service(&self.id);
        let (set, service_provider) = (self.set.clone(), self.entity_id.clone());
        let id = self.id.clone();
        // Anybody may bring one: what is not for here is not verified.
        let read = LOGOUTS.done(move || {
            let soap = received.by_soap();
            let sides = Sides {
                identity_provider: &provider.entity_id,
                destination: Some(slo.as_str()),
                is_named: !soap,
            };
            let check = |message: &Element| {
                let name = if message.is(SAMLP, "LogoutResponse") && !soap {
                    "LogoutResponse"
                } else {
                    "LogoutRequest"
                };
                check_head(message, name, sides, now)
            };
            let message = received.verified(check, &certificates, set.hashes)?;
            check(&message)?;
            if message.is(SAMLP, "LogoutResponse") {
                let Some(state) = received.relay_state else {
                    // It was lost, and with it which request this answers.
                    return Ok(LogoutMessage::Response {
                        state: String::new(),
                        there: ProviderSession::Unknown,
                    });
                };
                let there = there(&message, &request_id(&state))?;
                return Ok(LogoutMessage::Response { state, there });
            }
            let rules = NameIdRules {
                service_provider: &service_provider,
                format: None,
                keys: &set.keys,
                ciphers: set.ciphers,
            };
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
        read.await?.map_err(Refused::Logout)
    }

    /// Section 3.7.2.
    async fn answer_logout(&self, request: &LogoutRequest) -> Result<LogoutReply, Refused> {
        let provider = self.provider.now().await?;
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
            destination: to.map(|(_, _, written)| written),
            issuer: &self.entity_id,
            in_response_to: Some(&request.id),
        };
        let content =
            format!("<samlp:Status><samlp:StatusCode Value=\"{SUCCESS}\"/></samlp:Status>");
        let message = Message::new(&head, &[], &content);
        if request.soap {
            return Ok(LogoutReply::Soap(self.envelope(message).await?));
        }
        let (binding, to, _) = to.ok_or(Refused::NoLogoutService)?;
        let state = request.relay_state.as_deref();
        Ok(
            match self.sent(message, (binding, to.clone()), state).await? {
                Sent::Form(form) => LogoutReply::Post(form),
                Sent::Url(to) => LogoutReply::Redirect(to),
            },
        )
    }
}

/// From whom a message must be, and for whom.
#[derive(Clone, Copy, Debug)]
struct Sides<'a> {
    identity_provider: &'a str,
    /// Any, if there is none.
    destination: Option<&'a str>,
    /// Whether it must say so (bindings sections 3.4.5.2 and 3.5.5.2).
    is_named: bool,
}

/// What every message must be: of that kind, issued now, by the provider, for this address.
fn check_head(message: &Element, name: &str, sides: Sides<'_>, now: Timestamp) -> Result<(), E> {
    if !message.is(SAMLP, name) {
        return Err(E::NoLogout);
    }
    if message.attribute("Version") != Some("2.0") {
        return Err(E::Version);
    }
    check_issued(message, now)?;
    let issuer = message.only(SAML, "Issuer").ok_or(E::Issuer)?;
    check_issuer(issuer, sides.identity_provider)?;
    match (message.attribute("Destination"), sides.destination) {
        (Some(said), Some(destination)) if said != destination => Err(E::Destination),
        (None, Some(_)) if sides.is_named => Err(E::Destination),
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

/// The same, by what the provider answered from server to server.
fn told(
    answer: &[u8],
    (identity_provider, id): (&str, &str),
    (certificates, hashes): (&[SigningCertificate], Hashes),
    now: Timestamp,
) -> Result<ProviderSession, E> {
    let document = Document::parse(answer, MOST_BYTES)?;
    let message = in_envelope(&document).ok_or(E::Malformed("Body"))?;
    let response = document.verified(message, certificates, hashes)?;
    let sides = Sides {
        identity_provider,
        destination: None,
        is_named: false,
    };
    check_head(&response, "LogoutResponse", sides, now)?;
    there(&response, id)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::xml::{SignatureError, fixture::Signer};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const INSTANT: &str = "2023-11-14T22:13:20Z";

    fn element(text: &str) -> Element {
        let declared = text.replacen(' ', &format!(" xmlns:p=\"{SAMLP}\" xmlns:a=\"{SAML}\" "), 1);
        Document::parse(declared.as_bytes(), MOST_BYTES)
            .unwrap()
            .root
    }

    fn head(message: &str, is_named: bool) -> Result<(), E> {
        let sides = Sides {
            identity_provider: "https://idp",
            destination: Some("https://sp/slo"),
            is_named,
        };
        check_head(&element(message), "LogoutResponse", sides, NOW)
    }

    #[test]
    fn each_deviation_of_what_every_message_must_be_is_named() {
        let good = format!(
            "<p:LogoutResponse Version=\"2.0\" IssueInstant=\"{INSTANT}\" \
             Destination=\"https://sp/slo\"><a:Issuer>https://idp</a:Issuer></p:LogoutResponse>"
        );
        assert_eq!(head(&good, true), Ok(()));
        for (from, to, why) in [
            ("LogoutResponse", "LogoutRequest", E::NoLogout),
            ("2.0", "1.1", E::Version),
            ("2023", "2022", E::IssuedLongAgo),
            ("2023", "2024", E::IssuedInFuture),
            ("https://idp", "https://other", E::Issuer),
            ("https://sp/slo", "https://sp/other", E::Destination),
            (" Destination=\"https://sp/slo\"", "", E::Destination),
        ] {
            assert_eq!(head(&good.replace(from, to), true), Err(why), "{to}");
        }
        // from server to server it need not say where it goes
        let unnamed = good.replace(" Destination=\"https://sp/slo\"", "");
        assert_eq!(head(&unnamed, false), Ok(()));
        let elsewhere = good.replace("sp/slo", "sp/other");
        assert_eq!(head(&elsewhere, false), Err(E::Destination));
    }

    fn read(inside: &str) -> Result<Vec<String>, E> {
        let rules = NameIdRules {
            service_provider: "https://sp",
            format: None,
            keys: &[],
            ciphers: crate::protocol::xml::Ciphers::Authenticated,
        };
        let text = format!("<p:LogoutRequest ID=\"_1\">{inside}</p:LogoutRequest>");
        request(&element(&text), &rules, NOW).map(|named| named.sids)
    }

    #[test]
    fn a_request_names_sessions_or_all_of_a_person() {
        let alice = "<a:NameID>alice</a:NameID>";
        let index = |text: &str| format!("<p:SessionIndex>{text}</p:SessionIndex>");
        let (one, two) = (index("1"), index(" 2 "));
        let both = read(&format!("{alice}{one}{two}"));
        assert_eq!(both.unwrap(), ["1\nalice", "2\nalice"]);
        assert_eq!(read(alice).unwrap(), ["\nalice"]);
        assert!(session_names("alice", Some("1")).contains(&"1\nalice".to_owned()));
        assert!(session_names("alice", Some("1")).contains(&"\nalice".to_owned()));
        // an index that is empty is not all of them
        let empty = read(&format!("{alice}{}", index("")));
        assert_eq!(empty, Err(E::Malformed("SessionIndex")));
        assert_eq!(read(&one), Err(E::NoSubject));
        let many = read(&format!("{alice}{}", one.repeat(MOST_INDEXES + 1)));
        assert_eq!(many, Err(E::TooMuch));
        let others = "<a:NameID SPNameQualifier=\"https://other\">alice</a:NameID>";
        assert_eq!(read(others), Err(E::OtherQualifier));
    }

    #[test]
    fn what_is_told_from_server_to_server_is_signed() {
        let (signer, other) = (Signer::rsa(), Signer::rsa());
        let good = format!(
            "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body>\
             <p:LogoutResponse xmlns:p='{SAMLP}' ID='_r' Version='2.0' IssueInstant='{INSTANT}' \
             InResponseTo='_1'><a:Issuer xmlns:a='{SAML}'>https://idp</a:Issuer>SIGNATURE\
             <p:Status><p:StatusCode Value='{SUCCESS}'/></p:Status></p:LogoutResponse></s:Body>\
             </s:Envelope>"
        );
        let read = |text: &str, id: &str, signer: &Signer| {
            let certificates = std::slice::from_ref(&signer.certificate);
            let by = (certificates, Hashes::Strong);
            told(text.as_bytes(), ("https://idp", id), by, NOW)
        };
        let signed = signer.sign(&good, "_r");
        assert_eq!(read(&signed, "_1", &signer), Ok(ProviderSession::Ended));
        let wrong = Err(E::Signature(SignatureError::BadSignature));
        assert_eq!(read(&signed, "_1", &other), wrong);
        assert_eq!(read(&signed, "_2", &signer), Err(E::InResponseTo));
        let forged = signed.replace("Success", "Responder");
        assert_eq!(read(&forged, "_1", &signer), wrong);
        let unsigned = good.replace("SIGNATURE", "");
        let not = Err(E::Signature(SignatureError::NotSigned));
        assert_eq!(read(&unsigned, "_1", &signer), not);
        let elsewhere = signer.sign(&good.replace("https://idp", "https://other"), "_r");
        assert_eq!(read(&elsewhere, "_1", &signer), Err(E::Issuer));
    }

    #[test]
    fn an_answer_is_to_this_request_and_says_how_it_went() {
        let answer = |id: &str, status: &str| {
            let text = format!(
                "<p:LogoutResponse InResponseTo=\"{id}\"><p:Status>{status}</p:Status>\
                 </p:LogoutResponse>"
            );
            there(&element(&text), "_1")
        };
        let code = |value: &str| {
            format!("<p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:{value}\"/>")
        };
        let nested =
            code("Success").replace("/>", &format!(">{}</p:StatusCode>", code("PartialLogout")));
        for (status, there) in [
            (code("Success"), ProviderSession::Ended),
            (nested, ProviderSession::PartlyEnded),
            (code("PartialLogout"), ProviderSession::PartlyEnded),
            (code("Responder"), ProviderSession::Unknown),
        ] {
            assert_eq!(answer("_1", &status), Ok(there), "{status}");
        }
        assert_eq!(answer("_2", &code("Success")), Err(E::InResponseTo));
        assert_eq!(answer("_1", ""), Err(E::Malformed("StatusCode")));
        // what answers one sign-out answers no other
        assert_ne!(request_id("a"), request_id("b"));
    }
}
