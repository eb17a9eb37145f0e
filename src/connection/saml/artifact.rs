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
        Reply::Message(_) | Reply::Soap(_) => return None,
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

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn an_artifact_is_of_type_4_and_there_once() {
        let mut octets = vec![0, 4, 1, 2];
        octets.extend([7; 20]);
        octets.extend([9; 20]);
        let query = |octets: &[u8]| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query
                .append_pair("SAMLart", &STANDARD.encode(octets))
                .finish()
        };
        let good = query(&octets);
        let artifact = read(Reply::Query(&good)).unwrap();
        assert_eq!(artifact.endpoint, 0x102);
        assert_eq!(artifact.source, [7; 20]);
        assert!(read(Reply::Form(good.as_bytes())).is_some());
        assert!(read(Reply::Query(&format!("{good}&{good}"))).is_none());
        assert!(read(Reply::Query(&query(&octets[..43]))).is_none());
        octets[1] = 3;
        assert!(read(Reply::Query(&query(&octets))).is_none());
    }

    #[test]
    fn each_deviation_of_what_is_around_a_response_is_named() {
        let good = format!(
            "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <p:ArtifactResponse xmlns:p=\"{SAMLP}\" xmlns:a=\"{SAML}\" Version=\"2.0\" \
             IssueInstant=\"2023-11-14T22:13:20Z\" InResponseTo=\"_1\"><a:Issuer>https://idp\
             </a:Issuer><p:Status><p:StatusCode Value=\"{SUCCESS}\"/></p:Status><p:Response \
             ID=\"_r\"/></p:ArtifactResponse></s:Body></s:Envelope>"
        );
        let read = |text: &str| response(text.as_bytes(), ("https://idp", "_1"), NOW);
        // alone, with what was declared around it: it is verified like any other
        let alone = String::from_utf8(read(&good).unwrap()).unwrap();
        assert!(alone.starts_with("<p:Response"), "{alone}");
        assert!(alone.contains(SAMLP), "{alone}");
        for (from, to, why) in [
            (
                "p:ArtifactResponse",
                "p:LogoutResponse",
                E::Malformed("ArtifactResponse"),
            ),
            ("\"2.0\"", "\"1.1\"", E::Version),
            ("2023", "2022", E::IssuedLongAgo),
            ("https://idp", "https://other", E::Issuer),
            (
                "InResponseTo=\"_1\"",
                "InResponseTo=\"_2\"",
                E::InResponseTo,
            ),
            (":Success", ":Requester", E::Status("Requester".to_owned())),
            ("<p:Response ID=\"_r\"/>", "", E::NoResponse),
            (
                "<p:Response ID=\"_r\"/>",
                "<p:Response ID=\"_r\"/><p:Response ID=\"_s\"/>",
                E::NoResponse,
            ),
            ("s:Body>", "s:Other>", E::Malformed("Body")),
        ] {
            assert_eq!(read(&good.replace(from, to)), Err(why), "{from} {to}");
        }
    }
}
