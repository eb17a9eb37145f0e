//! From the `gateway` table to each way of calling one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Method, header};
use zeroize::Zeroizing;

use super::{
    config::{Config, Format, HttpMethod, missing},
    gateway::{Auth0, Described, Sender, Twilio},
    jwt::Bearer,
    template::{Address, BadTemplate, Body, Place},
};
use crate::{
    egress::{http::is_loopback, webhook::SigningKey},
    problem::Problem,
    secret::Secret,
};

/// Where Twilio is.
const TWILIO: &str = "https://api.twilio.com";

impl Config {
    fn address(&self, text: Option<&str>, problems: &mut Vec<Problem>) -> Option<Address> {
        let Some(text) = text else {
            problems.push(missing("url", "set the address that takes messages"));
            return None;
        };
        let address = Address::read(text).map_err(|why| problems.push(bad("url", why)));
        let address = address.ok()?;
        let url = address.url();
        if url.scheme() == "http" && !self.danger_plain_http && !is_loopback(url) {
            let message = "numbers and codes would go over the network unprotected";
            problems.push(Problem::new("url", message).hint("use https"));
        }
        Some(address)
    }

    pub(super) fn twilio(&self, problems: &mut Vec<Problem>) -> Option<Twilio> {
        let base = self.url.as_ref().map_or(TWILIO, Secret::expose);
        let account = sid(("account_sid", "AC"), self.account_sid.as_ref(), problems);
        if account.is_none() && self.account_sid.is_none() {
            problems.push(missing(
                "account_sid",
                "the console of Twilio shows it: AC…",
            ));
        }
        let key = sid(("api_key", "SK"), self.api_key.as_ref(), problems);
        let service = sid(
            ("messaging_service_sid", "MG"),
            self.messaging_service_sid.as_ref(),
            problems,
        );
        let sender = match (&self.from, &self.messaging_service_sid) {
            (Some(from), None) => Some(Sender::From(from.clone())),
            (None, Some(_)) => service.map(Sender::Service),
            (None, None) => {
                problems.push(missing("from", "or set messaging_service_sid"));
                None
            }
            (Some(_), Some(_)) => {
                let message = "the messaging service chooses the sender";
                problems.push(Problem::new("from", message).hint("take one of both out"));
                None
            }
        };
        if self.auth_token.is_none() {
            problems.push(missing(
                "auth_token",
                "like { env = \"TWILIO_AUTH_TOKEN\" }",
            ));
        }
        let account = account.unwrap_or_default();
        let base = base.trim_end_matches('/');
        let url = format!("{base}/2010-04-01/Accounts/{account}/Messages.json");
        let url = self.address(Some(&url), problems);
        Some(Twilio {
            url: url?,
            login: (key.unwrap_or(account), self.auth_token.clone()?),
            sender: sender?,
        })
    }

    pub(super) fn auth0(&self, problems: &mut Vec<Problem>) -> Option<Auth0> {
        let url = self.address(self.url.as_ref().map(Secret::expose), problems);
        let mut bearer = None;
        if let Some(jwt) = &self.jwt {
            let secret = jwt.secret.as_ref().map(Secret::expose);
            let key = secret.map(|text| {
                if jwt.secret_is_base64 {
                    STANDARD.decode(text).ok()
                } else {
                    Some(text.as_bytes().to_vec())
                }
            });
            match key {
                // RFC 7518 section 3.2 asks for as many bits as the hash has; Auth0 for fewer.
                Some(Some(key)) if key.len() >= 16 => {
                    bearer = Some(Bearer {
                        key: Zeroizing::new(key),
                        subject: jwt.subject.clone(),
                        audience: jwt.audience.clone(),
                    });
                }
                Some(_) => problems.push(
                    Problem::new(
                        "jwt.secret",
                        "it is too short, or not the base64 it is said to be",
                    )
                    .hint("openssl rand -hex 32"),
                ),
                None => problems.push(missing("jwt.secret", "openssl rand -hex 32")),
            }
        }
        Some(Auth0 {
            url: url?,
            from: self.from.clone(),
            bearer,
            with_client: self.forward_client,
        })
    }

    pub(super) fn described(&self, problems: &mut Vec<Problem>) -> Option<Described> {
        let url = self.address(self.url.as_ref().map(Secret::expose), problems);
        let method = self.method.unwrap_or_default();
        let text = self.body.as_ref().map(Secret::expose);
        let body = text.map(|text| match self.format.unwrap_or_default() {
            Format::Form => Body::form(text),
            Format::Json => Body::json(text),
            Format::Plain => Body::plain(text),
        });
        let body = body
            .transpose()
            .map_err(|why| problems.push(bad("body", why)));
        if method == HttpMethod::Get && text.is_some() {
            let message = "a GET has no body";
            let hint = "put the places into the query of url";
            problems.push(Problem::new("body", message).hint(hint));
        }
        let keys = self.signing_keys(problems);
        if method == HttpMethod::Get && !keys.is_empty() {
            let message = "a GET has no body that could be signed";
            problems.push(Problem::new("signing_secret", message));
        }
        if self.bearer.is_some() && self.password.is_some() {
            let message = "it names two ways to say who we are";
            problems.push(Problem::new("bearer", message).hint("take it or password out"));
        }
        let login = match (&self.user, &self.password) {
            (user, Some(password)) => Some((user.clone().unwrap_or_default(), password.clone())),
            (Some(_), None) => {
                problems.push(missing("password", "like { env = \"SMS_PASSWORD\" }"));
                None
            }
            (None, None) => None,
        };
        let way = Described {
            method: match method {
                HttpMethod::Get => Method::GET,
                HttpMethod::Post => Method::POST,
                HttpMethod::Put => Method::PUT,
            },
            headers: self.headers(problems),
            url: url?,
            body: body.ok()?,
            from: self.from.clone(),
            login,
            bearer: self.bearer.clone(),
            keys,
        };
        let names = way.has(Place::To) || way.has(Place::Digits);
        if !names || !(way.has(Place::Text) || way.has(Place::Code)) {
            let key = if method == HttpMethod::Get {
                "url"
            } else {
                "body"
            };
            let message = "it does not say what is sent to whom";
            let hint = "like body = '{ \"to\": \"{{ to }}\", \"text\": \"{{ text }}\" }'";
            problems.push(Problem::new(key, message).hint(hint));
        }
        Some(way)
    }

    fn signing_keys(&self, problems: &mut Vec<Problem>) -> Vec<SigningKey> {
        let secrets = [
            ("signing_secret", &self.signing_secret),
            ("next_signing_secret", &self.next_signing_secret),
        ];
        let mut keys = Vec::new();
        for (name, secret) in secrets {
            match secret.as_ref().map(SigningKey::read) {
                Some(Some(key)) => keys.push(key),
                Some(None) => problems.push(
                    Problem::new(name, "it is no secret of Standard Webhooks")
                        .hint("echo whsec_$(openssl rand -base64 32)"),
                ),
                None => {}
            }
        }
        keys
    }

    fn headers(&self, problems: &mut Vec<Problem>) -> Vec<(HeaderName, HeaderValue)> {
        let ours = [
            header::CONTENT_LENGTH,
            header::HOST,
            header::TRANSFER_ENCODING,
        ];
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let read = HeaderName::from_bytes(name.as_bytes()).ok();
            let read = read.filter(|name| !ours.contains(name));
            match (read, HeaderValue::from_str(value.expose())) {
                (Some(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                }
                _ => problems.push(Problem::new(
                    format!("headers.{name}"),
                    "this is no header that can be set",
                )),
            }
        }
        headers
    }
}

/// What Twilio calls things: two letters and 32 hexadecimal digits.
fn sid(
    (key, letters): (&str, &str),
    given: Option<&String>,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let given = given?;
    let digits = given.strip_prefix(letters).unwrap_or_default();
    if digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(given.clone());
    }
    let message = format!("it is not {letters} and 32 hexadecimal digits");
    problems.push(Problem::new(key, message).hint("the console of Twilio shows it"));
    None
}

fn bad(key: &str, why: BadTemplate) -> Problem {
    Problem::new(key, why.to_string())
}
