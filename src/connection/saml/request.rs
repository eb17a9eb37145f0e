//! The authentication request (SAML 2.0 core section 3.4.1) by HTTP-Redirect (bindings section 3.4).

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, SecondsFormat};
use flate2::{Compression, write::DeflateEncoder};
use url::{Url, form_urlencoded};

use super::{assertion::SAML, descriptor::OwnKey, response::SAMLP};
use crate::{clock::Timestamp, protocol::xml::escape};

const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) id: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) to: &'a Url,
    /// The same as the provider writes it.
    pub(crate) destination: &'a str,
    /// The entity ID of this side.
    pub(crate) issuer: &'a str,
    /// Where the response comes to.
    pub(crate) acs: &'a str,
    pub(crate) force_authn: bool,
    pub(crate) name_id_format: Option<&'a str>,
    /// One of these contexts; any, if there are none.
    pub(crate) authn_contexts: &'a [String],
    pub(crate) comparison: &'a str,
    pub(crate) provider_name: Option<&'a str>,
}

impl Request<'_> {
    /// The request as XML.
    pub(crate) fn to_xml(&self) -> String {
        let mut xml = format!(r#"<samlp:AuthnRequest xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}""#);
        let mut attribute = |name: &str, value: &str| {
            xml.push(' ');
            xml.push_str(name);
            xml.push_str("=\"");
            escape(&mut xml, value, true);
            xml.push('"');
        };
        attribute("ID", self.id);
        attribute("Version", "2.0");
        attribute("IssueInstant", &instant(self.now));
        attribute("Destination", self.destination);
        attribute("AssertionConsumerServiceURL", self.acs);
        attribute("ProtocolBinding", POST);
        if self.force_authn {
            attribute("ForceAuthn", "true");
        }
        if let Some(name) = self.provider_name {
            attribute("ProviderName", name);
        }
        xml.push_str("><saml:Issuer>");
        escape(&mut xml, self.issuer, false);
        xml.push_str("</saml:Issuer><samlp:NameIDPolicy AllowCreate=\"true\"");
        if let Some(format) = self.name_id_format {
            xml.push_str(" Format=\"");
            escape(&mut xml, format, true);
            xml.push('"');
        }
        xml.push_str("/>");
        if !self.authn_contexts.is_empty() {
            xml.push_str("<samlp:RequestedAuthnContext Comparison=\"");
            escape(&mut xml, self.comparison, true);
            xml.push_str("\">");
            for context in self.authn_contexts {
                xml.push_str("<saml:AuthnContextClassRef>");
                escape(&mut xml, context, false);
                xml.push_str("</saml:AuthnContextClassRef>");
            }
            xml.push_str("</samlp:RequestedAuthnContext>");
        }
        xml.push_str("</samlp:AuthnRequest>");
        xml
    }

    /// Where the browser is sent (section 3.4.4.1).
    pub(crate) fn redirect(
        &self,
        relay_state: &str,
        signing: Option<&OwnKey>,
    ) -> Result<Url, std::io::Error> {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(self.to_xml().as_bytes())?;
        let message = STANDARD.encode(deflate.finish()?);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("SAMLRequest", &message)
            .append_pair("RelayState", relay_state);
        let mut query = match signing {
            None => query.finish(),
            // What is signed is these octets, as they are sent.
            Some(key) => query
                .append_pair("SigAlg", key.signature_algorithm())
                .finish(),
        };
        if let Some(key) = signing {
            let signature = STANDARD.encode(key.sign(query.as_bytes())?);
            let signature = form_urlencoded::byte_serialize(signature.as_bytes());
            query.push_str("&Signature=");
            query.extend(signature);
        }
        let mut to = self.to.clone();
        let query = match to.query() {
            Some(before) if !before.is_empty() => format!("{before}&{query}"),
            _ => query,
        };
        to.set_query(Some(&query));
        Ok(to)
    }
}

/// An xs:dateTime in UTC.
pub(crate) fn instant(at: Timestamp) -> String {
    let at = DateTime::from_timestamp_millis(at.millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
