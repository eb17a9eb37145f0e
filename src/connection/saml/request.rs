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
