//! What we send: requests for a login, and how messages are signed and carried.

use bytes::Bytes;
use http::{Method, header};
use url::Url;

use super::{
    Asked, SIGNING, Saml, descriptor,
    message::{Head, Message, MessageError},
    metadata::{Binding, first},
    refused::Refused,
    request::Request,
};
use crate::{
    connection::{
        ConnectionData, ProviderForm, Start, Step,
        federation::{ProviderError, send},
    },
    random,
};

/// How a message goes to the provider.
#[derive(Debug)]
pub(super) enum Sent {
    Form(ProviderForm),
    Url(Url),
}

/// What a SOAP request is about (SAML 2.0 bindings section 3.2.3.1).
const SOAP_ACTION: &str = "http://www.oasis-open.org/committees/security";

impl Saml {
    pub(super) async fn request(&self, start: &Start<'_>) -> Result<Step, Refused> {
        let provider = self.provider.now().await?;
        let wants = &start.wants;
        let authn_contexts = if wants.acr.is_empty() {
            &self.set.authn_contexts
        } else {
            wants.acr
        };
        let drawn: [u8; 16] = self.parts.random.bytes();
        let force_authn = self.set.force_authn || wants.again;
        let asked = Asked {
            // An ID does not begin with a digit.
            id: format!("_{}", random::hex(&drawn)),
            max_age: wants.max_age.map(|age| age.as_secs()),
            signed_in_since: force_authn.then_some(start.peer.now),
            authn_contexts: authn_contexts.to_vec(),
        };
        let acs = self.parts.assertion_consumer_service(&self.id);
        let ways = match self.set.request_binding {
            Some(binding) => vec![binding],
            None => vec![Binding::Redirect, Binding::Post],
        };
        let endpoint = first(&provider.sign_on, &ways).ok_or(Refused::NoBinding)?;
        let request = Request {
            head: Head {
                name: "AuthnRequest",
                id: &asked.id,
                now: start.peer.now,
                destination: Some(&endpoint.written),
                issuer: &self.entity_id,
                in_response_to: None,
            },
            acs: acs.as_str(),
            response_binding: if self.set.artifact {
                descriptor::ARTIFACT
            } else {
                descriptor::POST
            },
            force_authn,
            is_passive: self.set.is_passive,
            name_id_format: self.set.name_id_format.as_deref(),
            authn_contexts,
            comparison: self.set.comparison,
            provider_name: self.set.provider_name.as_deref(),
            wants_attributes: !self.set.requested_attributes.is_empty(),
        };
        let signing = self.set.signing.as_ref();
        if provider.wants_signed_requests && signing.is_none() {
            return Err(Refused::NoSigningKey);
        }
        let mut to = endpoint.location.clone();
        for (name, param) in &self.set.upstream_params {
            if let Some(value) = param.value(start.passed) {
                to.query_pairs_mut().append_pair(name, value);
            }
        }
        let (message, keep) = (request.message(), ConnectionData::of(&asked));
        Ok(
            match self
                .sent(message, (endpoint.binding, to), Some(start.state))
                .await?
            {
                Sent::Form(form) => Step::Post { form, keep },
                Sent::Url(to) => Step::Redirect { to, keep },
            },
        )
    }

    /// A message on its way, signed if there is a key.
    pub(super) async fn sent(
        &self,
        message: Message,
        (binding, to): (Binding, Url),
        state: Option<&str>,
    ) -> Result<Sent, Refused> {
        let (key, state) = (self.set.signing.clone(), state.map(str::to_owned));
        let made = SIGNING.done(move || {
            let (key, state) = (key.as_ref(), state.as_deref());
            Ok::<_, MessageError>(match binding {
                Binding::Post => Sent::Form(message.form(&to, state, key)?),
                Binding::Redirect | Binding::Soap => Sent::Url(message.redirect(&to, state, key)?),
            })
        });
        Ok(made.await??)
    }

    /// The same, from server to server.
    pub(super) async fn envelope(&self, message: Message) -> Result<String, Refused> {
        let key = self.set.signing.clone();
        let made = SIGNING.done(move || message.envelope(key.as_ref()));
        Ok(made.await??)
    }

    /// Calls the provider from here (bindings section 3.2.3).
    pub(super) async fn call(&self, url: &Url, envelope: String) -> Result<Vec<u8>, ProviderError> {
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(header::CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("soapaction", SOAP_ACTION)
            .body(Bytes::from(envelope));
        Ok(send(&self.set.http, url, request).await?.to_vec())
    }
}
