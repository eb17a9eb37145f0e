//! The authentication request (SAML 2.0 core section 3.4.1).

use super::message::{Head, Message, push_attribute};
use crate::protocol::xml::escape;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) head: Head<'a>,
    /// Where the response comes to, and by which binding.
    pub(crate) acs: &'a str,
    pub(crate) response_binding: &'a str,
    pub(crate) force_authn: bool,
    pub(crate) is_passive: bool,
    pub(crate) name_id_format: Option<&'a str>,
    /// One of these contexts; any, if there are none.
    pub(crate) authn_contexts: &'a [String],
    pub(crate) comparison: Comparison,
    pub(crate) provider_name: Option<&'a str>,
    /// Whether our metadata say which attributes are wanted.
    pub(crate) wants_attributes: bool,
}

/// How the context of a login compares with what was asked for (section 3.3.2.2.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Comparison {
    Better,
    #[default]
    Exact,
    Maximum,
    Minimum,
}

impl Comparison {
    fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Exact => "exact",
            Self::Maximum => "maximum",
            Self::Minimum => "minimum",
        }
    }
}

impl Request<'_> {
    /// The request as a message.
    pub(crate) fn message(&self) -> Message {
        let mut attributes = vec![
            ("AssertionConsumerServiceURL", self.acs),
            ("ProtocolBinding", self.response_binding),
        ];
        if self.force_authn {
            attributes.push(("ForceAuthn", "true"));
        }
        if self.is_passive {
            attributes.push(("IsPassive", "true"));
        }
        if self.wants_attributes {
            attributes.push(("AttributeConsumingServiceIndex", "0"));
        }
        if let Some(name) = self.provider_name {
            attributes.push(("ProviderName", name));
        }
        Message::new(&self.head, &attributes, &self.content())
    }

    fn content(&self) -> String {
        let mut xml = String::from("<samlp:NameIDPolicy AllowCreate=\"true\"");
        if let Some(format) = self.name_id_format {
            push_attribute(&mut xml, "Format", format);
        }
        xml.push_str("/>");
        // The others are as good: they are taken when they come back.
        let asked = match self.comparison {
            Comparison::Exact => self.authn_contexts,
            _ => self.authn_contexts.get(..1).unwrap_or_default(),
        };
        if !asked.is_empty() {
            xml.push_str("<samlp:RequestedAuthnContext");
            push_attribute(&mut xml, "Comparison", self.comparison.name());
            xml.push('>');
            for context in asked {
                xml.push_str("<saml:AuthnContextClassRef>");
                escape(&mut xml, context, false);
                xml.push_str("</saml:AuthnContextClassRef>");
            }
            xml.push_str("</samlp:RequestedAuthnContext>");
        }
        xml
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn request(contexts: &[String]) -> Request<'_> {
        Request {
            head: Head {
                name: "AuthnRequest",
                id: "_1",
                now: Timestamp::from_millis(1_700_000_000_000),
                destination: Some("https://idp.example/sso"),
                issuer: "https://sp.example",
                in_response_to: None,
            },
            acs: "https://sp.example/acs",
            response_binding: "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
            force_authn: false,
            is_passive: false,
            name_id_format: None,
            authn_contexts: contexts,
            comparison: Comparison::Exact,
            provider_name: None,
            wants_attributes: false,
        }
    }

    #[test]
    fn what_is_asked_for_is_in_the_request() {
        let plain = request(&[]).message().to_xml();
        assert_eq!(
            plain,
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_1\" Version=\"2.0\" \
             IssueInstant=\"2023-11-14T22:13:20Z\" Destination=\"https://idp.example/sso\" \
             AssertionConsumerServiceURL=\"https://sp.example/acs\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"><saml:Issuer>\
             https://sp.example</saml:Issuer><samlp:NameIDPolicy AllowCreate=\"true\"/>\
             </samlp:AuthnRequest>"
        );
        let contexts = ["urn:two".to_owned(), "urn:three".to_owned()];
        let asked = Request {
            force_authn: true,
            is_passive: true,
            name_id_format: Some("urn:name"),
            provider_name: Some("A & B"),
            wants_attributes: true,
            ..request(&contexts)
        };
        let xml = asked.message().to_xml();
        for part in [
            " ForceAuthn=\"true\"",
            " IsPassive=\"true\"",
            " AttributeConsumingServiceIndex=\"0\"",
            " ProviderName=\"A &amp; B\"",
            "<samlp:NameIDPolicy AllowCreate=\"true\" Format=\"urn:name\"/>",
            "<samlp:RequestedAuthnContext Comparison=\"exact\"><saml:AuthnContextClassRef>urn:two\
             </saml:AuthnContextClassRef><saml:AuthnContextClassRef>urn:three",
        ] {
            assert!(xml.contains(part), "{part}: {xml}");
        }
        // the least of them is asked for, and each of them is good enough
        let least = Request {
            comparison: Comparison::Minimum,
            ..request(&contexts)
        };
        let xml = least.message().to_xml();
        assert!(xml.contains("Comparison=\"minimum\""), "{xml}");
        assert!(
            xml.contains("urn:two") && !xml.contains("urn:three"),
            "{xml}"
        );
    }
}
