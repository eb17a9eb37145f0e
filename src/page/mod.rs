//! The pages under the auth prefix: from a request to an answer.
//!
//! An [`Endpoint`] is parsed from the path; unknown ones are 404, known ones with a wrong method
//! 405. Every POST of ours must come from a page of ours (`Origin` or `Sec-Fetch-Site`, and then
//! the form's own token); the few that a provider sends are named in [`Endpoint::is_from_elsewhere`].
//! What [`crate::flow`] decides is rendered and gets the headers that every answer of ours has.
//! Nothing under the prefix is ever proxied.

mod demo;
mod endpoint;
pub(crate) mod headers;
mod me;
mod steps;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

pub(crate) use self::endpoint::Endpoint;
use crate::{
    connection::Reply,
    flow::{Answer, CONFIRMED, Engine, Fields, LoginAsk, Next, REPOSTED, Turn, Visit},
    headers::assertion::Assertions,
    identity::ConnectionId,
    metrics,
    protocol::Scheme,
    text::{
        Pages,
        page::{
            Page,
            failure::{Failure, FailureKind},
        },
    },
};

/// The pages of one generation of the configuration.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) engine: Engine,
    pub(crate) text: Arc<Pages>,
    pub(crate) assertions: ArcSwap<Assertions>,
}

/// A request to a page: the head without what was never ours to read, and the whole body.
pub(crate) type Asked = Request<Bytes>;

impl Site {
    /// Answers a request under the prefix. `path` is what follows the prefix, without its slash.
    pub(crate) async fn answer(&self, visit: Visit, path: &str, asked: &Asked) -> Response<Bytes> {
        let Some(endpoint) = Endpoint::parse(path) else {
            return self.failure(&visit, FailureKind::NotFound, asked.headers());
        };
        let timer = metrics::REQUEST_SECONDS
            .with_label_values(&[endpoint.name()])
            .start_timer();
        let answer = self.route(visit, &endpoint, asked).await;
        timer.observe_duration();
        answer
    }

    async fn route(&self, visit: Visit, endpoint: &Endpoint, asked: &Asked) -> Response<Bytes> {
        let method = if asked.method() == Method::HEAD {
            &Method::GET
        } else {
            asked.method()
        };
        if !endpoint.methods().contains(method) {
            let mut answer = self.failure(&visit, FailureKind::MethodNotAllowed, asked.headers());
            let allow = endpoint
                .methods()
                .iter()
                .map(Method::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            if let Ok(allow) = HeaderValue::from_str(&allow) {
                answer.headers_mut().insert(header::ALLOW, allow);
            }
            return answer;
        }
        if method == Method::POST && !endpoint.is_from_elsewhere() && !self.is_own(&visit, asked) {
            tracing::info!(
                request_id = visit.request_id,
                page = endpoint.name(),
                "a form was refused: it did not come from a page of ours"
            );
            return self.failure(&visit, FailureKind::FormExpired, asked.headers());
        }
        match endpoint {
            Endpoint::Asset(name) => self.asset(&visit, name, asked.headers()),
            Endpoint::Jwks => headers::jwks(self.assertions.load().jwks().to_owned()),
            Endpoint::JwksOf(id) => self.jwks_of(&visit, id, asked.headers()),
            Endpoint::SamlMetadata(id) => self.metadata(&visit, id, asked.headers()),
            Endpoint::BackchannelLogout(id) => {
                let body = asked.body();
                headers::notified(self.engine.backchannel_logout(&visit, id, body).await)
            }
            Endpoint::FrontchannelLogout(id) => {
                let query = asked.uri().query().unwrap_or_default();
                headers::notified(self.engine.frontchannel_logout(&visit, id, query).await)
            }
            Endpoint::SamlSlo(id) if is_soap(asked.headers()) && method == Method::POST => {
                let body = asked.body();
                headers::soap(self.engine.single_logout_by_soap(&visit, id, body).await)
            }
            Endpoint::Me => me::answer(&self.engine, &visit),
            _ => {
                let turn = Box::pin(self.turn(&visit, endpoint, asked)).await;
                self.render(&visit, turn, asked.headers())
            }
        }
    }

    /// What a flow decides.
    async fn turn(&self, visit: &Visit, endpoint: &Endpoint, asked: &Asked) -> Turn {
        let engine = &self.engine;
        let query = Fields::parse(asked.uri().query().unwrap_or_default().as_bytes());
        let posted = asked.method() == Method::POST;
        let form = if posted {
            Fields::parse(asked.body())
        } else {
            Fields::default()
        };
        let mut ask = LoginAsk::from_fields(&query);
        if endpoint.is_of_login() && !engine.is_login_host(&visit.host) {
            if *endpoint == Endpoint::Account && !posted {
                return engine.account_elsewhere();
            }
            let page = match endpoint {
                Endpoint::SignUp(id) => format!("signup/{id}"),
                _ => "login".to_owned(),
            };
            if let Endpoint::LoginWith(id) = endpoint {
                ask.connection = Some(id.to_string());
            }
            return engine.elsewhere(visit, &page, &ask);
        }
        match (endpoint, posted) {
            (Endpoint::Login, false) => engine.login(visit, ask).await,
            (Endpoint::Login, true) => engine.identify(visit, &form).await,
            (Endpoint::Switch, _) => engine.switch(visit, &form).await,
            (Endpoint::LoginWith(id), false) => engine.login_with(visit, id, ask).await,
            (Endpoint::LoginWith(id), true) => engine.submit(visit, id, &form).await,
            (Endpoint::SamlSlo(id), _) => engine.single_logout(visit, id, reply(asked)).await,
            (Endpoint::Callback(id) | Endpoint::SamlAcs(id), _) => {
                let reply = reply(asked);
                let reposted = query.one(REPOSTED).is_some();
                // Another site may say so, too: only the browser's own word counts.
                let told = asked.headers().contains_key("sec-fetch-site")
                    || asked.headers().contains_key(header::ORIGIN);
                let own = posted && told && self.is_own(visit, asked);
                let confirmed = own && query.one(CONFIRMED).is_some();
                let page = match endpoint {
                    Endpoint::SamlAcs(_) => format!("saml/{id}/acs"),
                    _ => format!("callback/{id}"),
                };
                let fields = if posted { &form } else { &query };
                engine
                    .callback(
                        visit,
                        id,
                        Answer {
                            fields,
                            reply,
                            posted,
                            reposted,
                            confirmed,
                            page,
                        },
                    )
                    .await
            }
            (Endpoint::SignUp(id), false) => engine.sign_up_page(visit, id, &ask).await,
            (Endpoint::SignUp(id), true) => engine.sign_up(visit, id, &form).await,
            (
                Endpoint::Code
                | Endpoint::Email
                | Endpoint::Factor
                | Endpoint::Forgot(_)
                | Endpoint::Reset
                | Endpoint::Unblock
                | Endpoint::Verify,
                _,
            ) => {
                let form = posted.then_some(&form);
                Box::pin(self.further_step(visit, endpoint, (&query, form))).await
            }
            (Endpoint::Handover, _) => engine.handover(visit, &query).await,
            (Endpoint::Account, false) => engine.account(visit, &query).await,
            (Endpoint::Account, true) => engine.change_account(visit, &form).await,
            (Endpoint::Logout, false) => {
                engine
                    .sign_out_page(
                        visit,
                        (query.one("rd"), query.one("state")),
                        is_deliberate(asked.headers()),
                    )
                    .await
            }
            (Endpoint::Logout, true) => engine.sign_out(visit, query.one("rd"), &form).await,
            (Endpoint::Owner(token), false) => engine.owner_page(visit, token).await,
            (Endpoint::Owner(token), true) => engine.claim(visit, token, &form).await,
            (
                Endpoint::Asset(_)
                | Endpoint::BackchannelLogout(_)
                | Endpoint::FrontchannelLogout(_)
                | Endpoint::Jwks
                | Endpoint::JwksOf(_)
                | Endpoint::SamlMetadata(_)
                | Endpoint::Me,
                _,
            ) => engine.failure(visit, FailureKind::NotFound, Vec::new()),
        }
    }

    /// Whether a POST comes from a page of this host (Fetch standard, the Origin header). Only
    /// browsers that send neither header are judged by the form's token alone.
    fn is_own(&self, visit: &Visit, asked: &Asked) -> bool {
        let headers = asked.headers();
        if let Some(site) = headers.get("sec-fetch-site") {
            return site == "same-origin";
        }
        match headers.get(header::ORIGIN) {
            None => true,
            Some(origin) => {
                origin.as_bytes()
                    == self
                        .engine
                        .base
                        .login
                        .at(visit.host.clone())
                        .to_string()
                        .as_bytes()
            }
        }
    }

    fn asset(&self, visit: &Visit, name: &str, headers: &HeaderMap) -> Response<Bytes> {
        let path = self.engine.path(&format!("assets/{name}"));
        match self.text.assets().iter().find(|asset| asset.path == path) {
            Some(asset) => headers::asset(asset.media_type, asset.bytes.clone()),
            None => self.failure(visit, FailureKind::NotFound, headers),
        }
    }

    /// The keys of this deployment as the client of a connection's provider.
    fn jwks_of(&self, visit: &Visit, id: &ConnectionId, headers: &HeaderMap) -> Response<Bytes> {
        let connection = self.engine.connections.enabled(id);
        match connection.and_then(|(connection, _)| connection.jwks()) {
            Some(Ok(keys)) => headers::jwks(keys),
            Some(Err(rejection)) => {
                tracing::error!(
                    error = &rejection as &dyn std::error::Error,
                    "there are no keys"
                );
                self.failure(visit, FailureKind::Unavailable, headers)
            }
            None => self.failure(visit, FailureKind::NotFound, headers),
        }
    }

    /// What a connection says of this deployment.
    fn metadata(&self, visit: &Visit, id: &ConnectionId, headers: &HeaderMap) -> Response<Bytes> {
        let connection = self.engine.connections.enabled(id);
        match connection.and_then(|(connection, _)| connection.metadata()) {
            Some(Ok(document)) => headers::metadata(document),
            Some(Err(rejection)) => {
                tracing::error!(
                    error = &rejection as &dyn std::error::Error,
                    "there are no metadata"
                );
                self.failure(visit, FailureKind::Unavailable, headers)
            }
            None => self.failure(visit, FailureKind::NotFound, headers),
        }
    }

    /// A page that says what went wrong, or the same as JSON for whoever wants no page.
    pub(crate) fn failure(
        &self,
        visit: &Visit,
        kind: FailureKind,
        headers: &HeaderMap,
    ) -> Response<Bytes> {
        let turn = self.engine.failure(visit, kind, Vec::new());
        self.render(visit, turn, headers)
    }

    /// What a turn looks like on the wire.
    pub(crate) fn render(&self, visit: &Visit, turn: Turn, request: &HeaderMap) -> Response<Bytes> {
        let mut answer = match turn.next {
            Next::SeeOther(to) => headers::see_other(&to),
            Next::Page(status, page) => match page.as_ref() {
                Page::Failure(failure) if !wants_html(request) => failure_json(status, failure),
                page => self.html(visit, status, page),
            },
        };
        headers::common(
            answer.headers_mut(),
            self.engine.base.login.scheme == Scheme::Https,
        );
        for cookie in &turn.cookies {
            if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
                answer.headers_mut().append(header::SET_COOKIE, value);
            }
        }
        if turn.negotiate {
            let value = HeaderValue::from_static("Negotiate");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = turn.retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, wait.as_secs().max(1).into());
        }
        answer
    }

    fn html(&self, visit: &Visit, status: StatusCode, page: &Page) -> Response<Bytes> {
        let locale = self.text.languages().or_default(visit.locale);
        match self.text.render(page, locale) {
            Ok(text) => headers::html(
                status,
                text,
                &self.text.content_security_policy(page),
                locale,
            ),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    request_id = visit.request_id,
                    "a page could not be rendered: see the templates folder"
                );
                headers::json(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &serde_json::json!({
                        "error": "internal", "request_id": visit.request_id,
                    }),
                )
            }
        }
    }
}

/// What a provider says through the browser.
fn reply(asked: &Asked) -> Reply<'_> {
    if asked.method() == Method::POST {
        Reply::Form(asked.body())
    } else {
        Reply::Query(asked.uri().query().unwrap_or_default())
    }
}

/// Whether the person themselves, or a page of ours, asked for this: typed into the address bar
/// or followed from the same origin, and not fetched ahead of time.
fn is_deliberate(headers: &HeaderMap) -> bool {
    let is = |name: &str, values: &[&str]| {
        headers
            .get(name)
            .is_some_and(|value| values.iter().any(|one| value == one))
    };
    is("sec-fetch-site", &["same-origin", "none"])
        && is("sec-fetch-mode", &["navigate"])
        && !headers.contains_key("sec-purpose")
        && !headers.contains_key("purpose")
}

/// Whether a provider speaks itself (SOAP 1.1 section 6).
fn is_soap(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE);
    let media_type = media_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("text/xml")
}

/// Whether a page is wanted rather than data.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| {
            accept.split(',').any(|range| {
                let media = range.split(';').next().unwrap_or_default().trim();
                media.eq_ignore_ascii_case("text/html")
            })
        })
    })
}

fn failure_json(status: StatusCode, failure: &Failure) -> Response<Bytes> {
    headers::json(
        status,
        &serde_json::json!({
            "error": failure.kind.code(),
            "reason": failure.kind.class(),
            "request_id": failure.request_id,
        }),
    )
}
