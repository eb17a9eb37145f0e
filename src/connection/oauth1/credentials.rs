//! Temporary and token credentials (RFC 5849 section 2), and what they are shown for.

use bytes::Bytes;
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{
    OAuth1,
    refused::{PROFILE, Refused, TEMPORARY, TOKEN},
    signature::Unsigned,
};
use crate::{clock::Timestamp, crypto::jose};

/// What the provider gave: a name and a secret. Those of the first step travel in the flow's sealed
/// cookie.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Credentials {
    #[serde(rename = "t")]
    pub(super) token: String,
    #[serde(rename = "s")]
    pub(super) secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// One request.
#[derive(Clone, Copy, Debug)]
struct Call<'a> {
    step: &'static str,
    verb: &'static str,
    to: &'a Url,
    as_whom: Option<&'a Credentials>,
    now: Timestamp,
}

/// A parameter of the protocol.
type Parameter = (&'static str, String);

impl OAuth1 {
    /// Temporary credentials for one login, whose answer comes to `callback` (section 2.1).
    pub(super) async fn temporary(
        &self,
        callback: &Url,
        now: Timestamp,
    ) -> Result<Credentials, Refused> {
        let call = Call {
            step: TEMPORARY,
            verb: "POST",
            to: &self.set.request_token,
            as_whom: None,
            now,
        };
        let more = vec![("oauth_callback", callback.to_string())];
        let answer = Form::read(&self.call(call, more).await?, TEMPORARY)?;
        // Without it the answer has no verifier, and whoever began the login need not be who ended
        // it (OAuth Security Advisory 2009.1).
        if answer.one("oauth_callback_confirmed")? != Some("true".to_owned()) {
            return Err(Refused::Unconfirmed);
        }
        answer.credentials()
    }

    /// Token credentials for the person's yes (section 2.3), and the whole answer.
    pub(super) async fn token(
        &self,
        temporary: &Credentials,
        verifier: String,
        now: Timestamp,
    ) -> Result<(Credentials, Value), Refused> {
        let call = Call {
            step: TOKEN,
            verb: "POST",
            to: &self.set.access_token,
            as_whom: Some(temporary),
            now,
        };
        let more = vec![("oauth_verifier", verifier)];
        let answer = Form::read(&self.call(call, more).await?, TOKEN)?;
        let credentials = answer.credentials()?;
        let all = answer
            .pairs
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)));
        Ok((credentials, Value::Object(all.collect())))
    }

    /// What the provider says of the person.
    pub(super) async fn profile(
        &self,
        from: &Url,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Value, Refused> {
        let call = Call {
            step: PROFILE,
            verb: "GET",
            to: from,
            as_whom: Some(credentials),
            now,
        };
        let answer = self.call(call, Vec::new()).await?;
        jose::value(&answer).map_err(|error| Refused::Unreadable {
            step: PROFILE,
            why: error.to_string(),
        })
    }

    /// Signs a request and sends it.
    async fn call(&self, call: Call<'_>, mut more: Vec<Parameter>) -> Result<Bytes, Refused> {
        let nonce = u64::from_be_bytes(self.parts.random.bytes());
        // Twenty digits: the length and the characters that every provider takes.
        let nonce = format!("{nonce:020}");
        more.extend([
            ("oauth_consumer_key", self.set.client_id.clone()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", self.set.method.name().to_owned()),
            ("oauth_timestamp", call.now.seconds().to_string()),
            ("oauth_version", "1.0".to_owned()),
        ]);
        if let Some(credentials) = call.as_whom {
            more.push(("oauth_token", credentials.token.clone()));
        }
        let unsigned = Unsigned {
            verb: call.verb,
            url: call.to,
            parameters: &more,
        };
        let secret = call.as_whom.map_or("", |credentials| &credentials.secret);
        let header = unsigned.header(&self.set.method, secret);
        let header = header.map_err(|error| Refused::Sign {
            step: call.step,
            error,
        })?;
        let unreadable = |error: http::Error| Refused::Unreadable {
            step: call.step,
            why: error.to_string(),
        };
        let request = http::Request::builder()
            .method(call.verb)
            .uri(call.to.as_str())
            .header(header::AUTHORIZATION, header)
            .header(header::ACCEPT, "application/json, */*;q=0.9")
            .body(Bytes::new())
            .map_err(unreadable)?;
        let answer = self
            .set
            .http
            .send(request)
            .await
            .map_err(|error| Refused::Http {
                step: call.step,
                error,
            })?;
        if !answer.status().is_success() {
            return Err(Refused::Status {
                step: call.step,
                status: answer.status(),
            });
        }
        Ok(answer.into_body())
    }
}

/// Parameters of an answer or of a query.
#[derive(Debug)]
pub(super) struct Form {
    step: &'static str,
    pairs: Vec<(String, String)>,
}

impl Form {
    /// An answer of a provider (section 2.1): whatever it says its type is, many say `text/html`.
    fn read(answer: &[u8], step: &'static str) -> Result<Self, Refused> {
        let unreadable = |_| Refused::Unreadable {
            step,
            why: "it is no form".to_owned(),
        };
        std::str::from_utf8(answer).map_err(unreadable)?;
        Ok(Self::of(answer, step))
    }

    pub(super) fn of(octets: &[u8], step: &'static str) -> Self {
        let pairs = form_urlencoded::parse(octets).into_owned().collect();
        Self { step, pairs }
    }

    pub(super) fn one(&self, name: &'static str) -> Result<Option<String>, Refused> {
        let mut found = self.pairs.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Refused::Repeated(name)),
            (found, None) => Ok(found.map(|(_, value)| value.clone())),
        }
    }

    fn credentials(&self) -> Result<Credentials, Refused> {
        let one = |name| {
            let value = self.one(name)?.filter(|value| !value.is_empty());
            value.ok_or_else(|| Refused::Unreadable {
                step: self.step,
                why: format!("there is no {name} in it"),
            })
        };
        Ok(Credentials {
            token: one("oauth_token")?,
            secret: one("oauth_token_secret")?,
        })
    }
}
