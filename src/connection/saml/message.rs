//! Messages of ours, and the bindings that carry them (SAML 2.0 bindings sections 3.2, 3.4 and 3.5).

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use flate2::{Compression, write::DeflateEncoder};
use url::{Url, form_urlencoded};

use super::{assertion::SAML, descriptor::OwnKey, response::SAMLP};
use crate::{
    clock::Timestamp,
    connection::ProviderForm,
    protocol::xml::{escape, signed},
};

/// The namespace of SOAP 1.1.
pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// What every message begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// The element: `AuthnRequest`.
    pub(crate) name: &'static str,
    pub(crate) id: &'a str,
    pub(crate) now: Timestamp,
    /// Where it goes, as the provider writes it.
    pub(crate) destination: Option<&'a str>,
    /// The entity ID of this side.
    pub(crate) issuer: &'a str,
    pub(crate) in_response_to: Option<&'a str>,
}

/// A message, with a gap where a signature goes: behind the issuer (core section 3.2.1).
#[derive(Clone, Debug)]
pub(crate) struct Message {
    id: String,
    name: &'static str,
    before: String,
    after: String,
}

/// Why a message was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("it was not compressed: {0}")]
    Compress(#[from] std::io::Error),
    #[error("it was not signed: {0}")]
    Sign(#[from] openssl::error::ErrorStack),
    #[error("it was not signed: the library that signs did not like the key")]
    SignXml,
}

impl Message {
    /// A message with further attributes and with what is in it.
    pub(crate) fn new(head: &Head<'_>, attributes: &[(&str, &str)], content: &str) -> Self {
        let name = head.name;
        let mut before = format!(r#"<samlp:{name} xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}""#);
        let instant = instant(head.now);
        let own = [
            ("ID", head.id),
            ("Version", "2.0"),
            ("IssueInstant", &instant),
        ];
        let destination = head.destination.map(|to| ("Destination", to));
        let in_response_to = head.in_response_to.map(|id| ("InResponseTo", id));
        let own = own.into_iter().chain(destination).chain(in_response_to);
        for (name, value) in own.chain(attributes.iter().copied()) {
            push_attribute(&mut before, name, value);
        }
        before.push_str("><saml:Issuer>");
        escape(&mut before, head.issuer, false);
        before.push_str("</saml:Issuer>");
        Self {
            id: head.id.to_owned(),
            name,
            before,
            after: format!("{content}</samlp:{name}>"),
        }
    }

    /// The message as XML, without a signature.
    pub(crate) fn to_xml(&self) -> String {
        format!("{}{}", self.before, self.after)
    }

    fn signed(&self, key: Option<&OwnKey>) -> Result<String, MessageError> {
        let Some(key) = key else {
            return Ok(self.to_xml());
        };
        let both = (self.before.as_str(), self.after.as_str());
        let by = (key.key(), key.certificate());
        signed(both, &self.id, by).ok_or(MessageError::SignXml)
    }

    /// The parameter that carries it.
    fn parameter(&self) -> &'static str {
        if self.name.ends_with("Response") {
            "SAMLResponse"
        } else {
            "SAMLRequest"
        }
    }

    /// Where the browser is sent (bindings section 3.4.4.1). What is signed is the query.
    pub(crate) fn redirect(
        &self,
        to: &Url,
        relay_state: Option<&str>,
        key: Option<&OwnKey>,
    ) -> Result<Url, MessageError> {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(self.to_xml().as_bytes())?;
        let message = STANDARD.encode(deflate.finish()?);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair(self.parameter(), &message);
        if let Some(relay_state) = relay_state {
            query.append_pair("RelayState", relay_state);
        }
        let mut query = match key {
            None => query.finish(),
            // What is signed is these octets, as they are sent.
            Some(key) => query
                .append_pair("SigAlg", key.signature_algorithm())
                .finish(),
        };
        if let Some(key) = key {
            let signature = STANDARD.encode(key.sign(query.as_bytes())?);
            let signature = form_urlencoded::byte_serialize(signature.as_bytes());
            query.push_str("&Signature=");
            query.extend(signature);
        }
        let mut to = to.clone();
        let query = match to.query() {
            Some(before) if !before.is_empty() => format!("{before}&{query}"),
            _ => query,
        };
        to.set_query(Some(&query));
        Ok(to)
    }

    /// The form that the browser posts (bindings section 3.5.4).
    pub(crate) fn form(
        &self,
        to: &Url,
        relay_state: Option<&str>,
        key: Option<&OwnKey>,
    ) -> Result<ProviderForm, MessageError> {
        let message = STANDARD.encode(self.signed(key)?);
        let relay_state = relay_state.map(|text| ("RelayState", text.to_owned()));
        let message = [(self.parameter(), message)];
        Ok(ProviderForm {
            to: to.clone(),
            fields: message.into_iter().chain(relay_state).collect(),
        })
    }

    /// The envelope that goes from server to server (bindings section 3.2.2).
    pub(crate) fn envelope(&self, key: Option<&OwnKey>) -> Result<String, MessageError> {
        let message = self.signed(key)?;
        Ok(format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}"><s:Body>{message}</s:Body></s:Envelope>"#
        ))
    }
}

/// Writes ` name="value"`.
pub(super) fn push_attribute(to: &mut String, name: &str, value: &str) {
    to.push(' ');
    to.push_str(name);
    to.push_str("=\"");
    escape(to, value, true);
    to.push('"');
}

/// An xs:dateTime in UTC.
pub(crate) fn instant(at: Timestamp) -> String {
    let at = DateTime::from_timestamp_millis(at.millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        connection::{Reply, saml::received::Received},
        protocol::xml::{Hashes, SigningCertificate, fixture::Signer},
        secret::Secret,
    };

    fn message() -> Message {
        let head = Head {
            name: "LogoutRequest",
            id: "_1",
            now: Timestamp::from_millis(1_700_000_000_000),
            destination: Some("https://idp.example/slo?a=1&b=2"),
            issuer: "https://sp.example/<\"&>",
            in_response_to: None,
        };
        Message::new(
            &head,
            &[("Reason", "a\"b")],
            "<saml:NameID>alice</saml:NameID>",
        )
    }

    fn keys() -> [OwnKey; 2] {
        [Signer::rsa(), Signer::ecdsa()].map(|signer| {
            let pem = signer.key().private_key_to_pem_pkcs8().unwrap();
            OwnKey::parse(&Secret::new(String::from_utf8(pem).unwrap())).unwrap()
        })
    }

    /// What is sent is read by the very code that reads what providers send.
    #[test]
    fn what_is_signed_here_verifies_by_each_binding_and_each_kind_of_key() {
        let to: Url = "https://idp.example/slo?a=1".parse().unwrap();
        let keys = keys();
        for (index, key) in keys.iter().enumerate() {
            let certificate = SigningCertificate::from_der(key.certificate()).unwrap();
            let other = keys.get(1 - index).unwrap();
            let other = SigningCertificate::from_der(other.certificate()).unwrap();
            let state = Some("state & more");
            let redirect = message().redirect(&to, state, Some(key)).unwrap();
            let query = redirect.query().unwrap().strip_prefix("a=1&").unwrap();
            let form = message().form(&to, state, Some(key)).unwrap();
            let mut body = form_urlencoded::Serializer::new(String::new());
            let body = body.extend_pairs(&form.fields).finish();
            let envelope = message().envelope(Some(key)).unwrap();
            for reply in [
                Reply::Query(query),
                Reply::Form(body.as_bytes()),
                Reply::Soap(envelope.as_bytes()),
            ] {
                let received = Received::read(reply, &["SAMLRequest"]).unwrap();
                assert_eq!(received.relay_state.is_none(), received.by_soap());
                let by = |one: &SigningCertificate| {
                    received.verified(|_| Ok(()), std::slice::from_ref(one), Hashes::Strong)
                };
                let element = by(&certificate).unwrap();
                assert_eq!(element.attribute("Reason"), Some("a\"b"), "{reply:?}");
                let issuer = element.only(SAML, "Issuer").unwrap().text();
                assert_eq!(issuer.as_deref(), Some("https://sp.example/<\"&>"));
                assert!(by(&other).is_err(), "{reply:?}");
            }
        }
    }

    /// Beside the signature of a query another one would be looked at by nobody.
    #[test]
    fn a_message_in_a_query_has_no_signature_of_its_own() {
        let [key, _] = keys();
        let certificate = SigningCertificate::from_der(key.certificate()).unwrap();
        let signed = message().signed(Some(&key)).unwrap();
        let twice = Message {
            before: signed,
            after: String::new(),
            ..message()
        };
        let to: Url = "https://idp.example/slo".parse().unwrap();
        let redirect = twice.redirect(&to, None, Some(&key)).unwrap();
        let query = Reply::Query(redirect.query().unwrap());
        let received = Received::read(query, &["SAMLRequest"]).unwrap();
        let read = received.verified(|_| Ok(()), &[certificate], Hashes::Strong);
        let misplaced = crate::protocol::xml::SignatureError::Misplaced;
        assert_eq!(read.map(drop), Err(misplaced.into()));
    }

    #[test]
    fn a_message_without_a_key_is_not_signed() {
        let to: Url = "https://idp.example/slo".parse().unwrap();
        let redirect = message().redirect(&to, None, None).unwrap();
        assert!(!redirect.as_str().contains("Signature"), "{redirect}");
        assert!(!message().envelope(None).unwrap().contains("Signature"));
    }
}
