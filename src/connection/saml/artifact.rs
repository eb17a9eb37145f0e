//! Responses that the browser brings only the name of (SAML 2.0 bindings section 3.6, core section
//! 3.5).

use std::sync::Arc;

use url::form_urlencoded;

use super::{
    Saml, VERIFYING,
    assertion::{SAML, check_issued, check_issuer},
    message::{Head, Message},
    metadata::{Binding, Endpoint, IdentityProvider},
    received::in_envelope,
    refused::{ARTIFACT, Refused},
    response::{MOST_BYTES, ResponseError as E, SAMLP, SUCCESS, said},
};
use crate::{
    clock::Timestamp,
    connection::Reply,
    protocol::xml::{Document, base64, escape},
    random::hex,
};

/// An artifact of type 4 (bindings section 3.6.4.2).
#[derive(Debug)]
pub(super) struct Artifact {
    /// As it came.
    text: String,
    endpoint: u16,
    /// The SHA-1 of the entity ID.
    source: [u8; 20],
}

/// The artifact in a query or a form, if there is one.
pub(super) fn read(reply: Reply<'_>) -> Option<Artifact> {
    let octets = match reply {
        Reply::Query(query) => query.as_bytes(),
        Reply::Form(body) => body,
        Reply::Soap(_) => return None,
    };
    let mut found = form_urlencoded::parse(octets).filter(|(name, _)| name == "SAMLart");
    let text = found.next()?.1.into_owned();
    let octets = base64(&text).filter(|octets| octets.len() == 44 && found.next().is_none())?;
    let (head, rest) = octets.split_first_chunk::<4>()?;
    let [0, 4, high, low] = *head else {
        return None;
    };
    Some(Artifact {
        text,
        endpoint: u16::from_be_bytes([high, low]),
        source: *rest.first_chunk()?,
    })
}

impl Saml {
    /// Asks the provider for the response that an artifact stands for.
    pub(super) async fn resolve(
        &self,
        artifact: &Artifact,
        provider: &Arc<IdentityProvider>,
    ) -> Result<Vec<u8>, Refused> {
        let is_theirs = openssl::sha::sha1(provider.entity_id.as_bytes()) == artifact.source;
        let named = |one: &&Endpoint| {
            one.binding == Binding::Soap && one.index.unwrap_or_default() == artifact.endpoint
        };
        let endpoint = provider.artifacts.iter().find(named);
        let endpoint = endpoint.filter(|_| is_theirs && self.set.artifact);
        let endpoint = endpoint.ok_or(Refused::Artifact)?;
        let drawn: [u8; 16] = self.parts.random.bytes();
        let id = format!("_{}", hex(&drawn));
        let now = self.parts.clock.now();
        let head = Head {
            name: "ArtifactResolve",
            id: &id,
            now,
            destination: Some(&endpoint.written),
            issuer: &self.entity_id,
            in_response_to: None,
        };
        let mut content = String::from("<samlp:Artifact>");
        escape(&mut content, &artifact.text, false);
        content.push_str("</samlp:Artifact>");
        let message = Message::new(&head, &[], &content);
        // Who begins a login can bring one.
        let _turn = self.resolving.turn().await?;
        let envelope = self.envelope(message).await?;
        let answer = self.call(&endpoint.location, envelope).await;
        let answer = answer.map_err(|error| Refused::from(error).at(ARTIFACT))?;
        let provider = provider.clone();
        let read = VERIFYING.done(move || response(&answer, (&provider.entity_id, &id), now));
        read.await?.map_err(Refused::ArtifactResponse)
    }
}

/// The response in the answer. Nothing but a signature of its own makes it good, as if a browser had
/// brought it: what is around it, signed or not, can only have it refused.
fn response(
    answer: &[u8],
    (identity_provider, id): (&str, &str),
    now: Timestamp,
) -> Result<Vec<u8>, E> {
    let document = Document::parse(answer, MOST_BYTES)?;
    let message = in_envelope(&document).ok_or(E::Malformed("Body"))?;
    if !message.is(SAMLP, "ArtifactResponse") {
        return Err(E::Malformed("ArtifactResponse"));
    }
    if message.attribute("Version") != Some("2.0") {
        return Err(E::Version);
    }
    check_issued(message, now)?;
    if let Some(issuer) = message.only(SAML, "Issuer") {
        check_issuer(issuer, identity_provider)?;
    }
    if message.attribute("InResponseTo") != Some(id) {
        return Err(E::InResponseTo);
    }
    let code = message.only(SAMLP, "Status");
    let code = code.and_then(|status| status.only(SAMLP, "StatusCode"));
    let code = code.ok_or(E::Malformed("StatusCode"))?;
    if code.attribute("Value") != Some(SUCCESS) {
        return Err(E::Status(said(code)));
    }
    let response = message.only(SAMLP, "Response");
    let alone = response.and_then(|response| document.detach(response));
    Ok(alone.ok_or(E::NoResponse)?.to_xml().into_bytes())
}
