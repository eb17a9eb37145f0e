//! The one table from what was decided to what goes out: status, headers, page or JSON.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use percent_encoding::utf8_percent_encode;
use pingora::{
    Error, ErrorSource, ErrorType,
    proxy::{FailToProxy, Session as Downstream},
};
use serde_json::json;

use super::{
    Edge, Found, Known, Live, Passage,
    bridge::{self, BodyError},
    certificate::channel_binding,
    head::{BadHead, Head},
    ours::Ours,
    peer::Waits,
    present::Present,
    worker,
};
use crate::{
    connection::ProviderTokens,
    flow::{Jar, Visit},
    gate::{Answerable, Permitted, RequestFacts, Verdict},
    metrics,
    page::{self, Endpoint, headers},
    policy::{Class, Facts, Reason},
    problem::Causes,
    route::{ForwardedToken, Upstream},
    session::{Session, Token, TokensError},
    store::{Event, EventKind},
    text::page::{
        Href, Page,
        failure::{Action, ActionLabel, Denial, FailureKind},
        login::SignInAgain,
    },
};

/// The longest return address, in bytes: as much as a login carries.
const LONGEST_RETURN: usize = 1024;
/// What is escaped in a return address beside what a query escapes anyway.
const QUERY: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Decided {
    Answer(Answer),
    /// It goes to the application: the permit is in the passage.
    Passes,
}

/// What is answered here, or is not known yet.
#[derive(Debug)]
pub(super) enum Answer {
    /// Nobody knows before the store was asked.
    AfterLoad(Token),
    CertificateOrigin,
    Demo,
    OwnPage,
    Page(FailureKind),
    Refusal(Box<(Verdict, Found)>),
    /// It would see our pages.
    ServiceWorker,
    /// It passes when its provider's tokens are there.
    Tokens(Box<Found>),
}

impl Edge {
    /// Decides about a request. The path of a signed-in one ends here: it waits for nothing.
    pub(super) fn decide(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        head: Head,
    ) -> Decided {
        let head = passage.head.insert(head);
        if head.at_certificate_origin {
            return Decided::Answer(Answer::CertificateOrigin);
        }
        if live.site.engine.base.prefix.matches(head.path()) {
            return Decided::Answer(Answer::OwnPage);
        }
        let base = &live.site.engine.base;
        if head.present.any(&[Present::SERVICE_WORKER])
            && *head.host() == base.login.host
            && worker::covers(&base.prefix, head.path(), &downstream.req_header().headers)
        {
            return Decided::Answer(Answer::ServiceWorker);
        }
        match self.known(live, head, downstream) {
            Known::As(found) => self.judge(downstream, passage, live, found),
            Known::OnlyToTheStore(token) => Decided::Answer(Answer::AfterLoad(token)),
        }
    }

    /// Asks the gate, now that it is known who comes.
    fn judge(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        found: Found,
    ) -> Decided {
        let Some(head) = passage.head.as_ref() else {
            return Decided::Answer(Answer::Page(FailureKind::Internal));
        };
        let request = downstream.req_header();
        let facts = Facts {
            scheme: head.client.scheme,
            host: head.host(),
            path: head.path(),
            method: &request.method,
            address: head.address(),
            now: head.now,
        };
        let facts = RequestFacts {
            facts,
            headers: &request.headers,
        };
        let session = match &found {
            Found::Session(session, _) => Some(session.clone()),
            Found::Nobody | Found::StoreAway => None,
        };
        match live.gate.decide(&facts, session) {
            Verdict::Forward(permitted) => {
                metrics::FORWARDED.inc();
                let wants_tokens =
                    !permitted.route().tokens.is_empty() && permitted.permit().session().is_some();
                match forward(downstream, passage, permitted) {
                    Decided::Answer(Answer::Demo) | Decided::Passes if wants_tokens => {
                        Decided::Answer(Answer::Tokens(Box::new(found)))
                    }
                    decided => decided,
                }
            }
            refused => Decided::Answer(Answer::Refusal(Box::new((refused, found)))),
        }
    }

    /// Answers what is not simply passed on: `Ok(true)` when it was answered here.
    pub(super) async fn answer(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        answer: Answer,
    ) -> pingora::Result<bool> {
        let answer = match answer {
            Answer::AfterLoad(token) => {
                let found = self.load(token).await;
                match self.judge(downstream, passage, live, found) {
                    Decided::Passes => return Ok(false),
                    Decided::Answer(answer) => answer,
                }
            }
            known => known,
        };
        let answer = match answer {
            Answer::Tokens(found) => {
                match self.fetch_tokens(downstream, passage, live, *found).await {
                    Decided::Passes => return Ok(false),
                    Decided::Answer(answer) => answer,
                }
            }
            known => known,
        };
        match answer {
            // Looked up above, and never twice.
            Answer::AfterLoad(_) | Answer::Tokens(_) => {
                let kind = FailureKind::Internal;
                self.page(downstream, passage, live, kind).await
            }
            Answer::CertificateOrigin => {
                Box::pin(self.certificate_origin(downstream, passage, live)).await
            }
            Answer::Demo => self.demo(downstream, passage, live).await,
            Answer::OwnPage => Box::pin(self.own_page(downstream, passage, live)).await,
            Answer::Page(kind) => self.page(downstream, passage, live, kind).await,
            Answer::Refusal(refused) => self.refuse(downstream, passage, live, *refused).await,
            Answer::ServiceWorker => self.refuse_worker(downstream, passage, live).await,
        }
    }

    /// Puts the provider's tokens into the passage. When they had to be fetched anew, the provider
    /// may have said something new about the person: the gate is asked again.
    async fn fetch_tokens(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        found: Found,
    ) -> Decided {
        let failed = Decided::Answer(Answer::Page(FailureKind::Internal));
        let (Some(permitted), Found::Session(_, token)) = (&passage.permitted, found) else {
            return failed;
        };
        let (permit, route) = (permitted.permit(), permitted.route().clone());
        let (Some(session), Some(id)) = (permit.session().cloned(), permit.connection().cloned())
        else {
            return failed;
        };
        let connection = live.site.engine.connections.enabled(&id);
        let Some(refresh) = connection.and_then(|(connection, _)| connection.refresh()) else {
            return passes(passage);
        };
        let tokens = match self.sessions.provider_tokens(&session, &id, refresh).await {
            Ok(None) => return passes(passage),
            Ok(Some(tokens)) => tokens,
            Err(error) => {
                tracing::warn!(
                    error = %Causes(&error),
                    connection = %id,
                    request_id = self.request_id(passage),
                    "a provider's tokens were not had"
                );
                passage.permitted = None;
                return match error {
                    TokensError::Disowned(_) | TokensError::Over => {
                        self.judge(downstream, passage, live, Found::Nobody)
                    }
                    TokensError::Away | TokensError::Failed(_) | TokensError::Store(_) => {
                        Decided::Answer(Answer::Page(FailureKind::Unavailable))
                    }
                };
            }
        };
        passage.tokens = fields(&route.tokens, &tokens.tokens);
        if !tokens.refreshed {
            return passes(passage);
        }
        passage.permitted = None;
        let found = self.load(token).await;
        match self.judge(downstream, passage, live, found) {
            Decided::Answer(Answer::Tokens(_)) => passes(passage),
            decided => decided,
        }
    }

    /// Refuses the script of a service worker, and tells the operator what to do about it.
    async fn refuse_worker(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
    ) -> pingora::Result<bool> {
        tracing::warn!(
            request_id = self.request_id(passage),
            "a service worker of an application was refused: it would see the login; let public_url \
             name a host without an application"
        );
        let kind = FailureKind::Denied(Denial::ServiceWorker);
        self.page(downstream, passage, live, kind).await
    }

    /// Answers a request that may not pass.
    async fn refuse(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        (verdict, found): (Verdict, Found),
    ) -> pingora::Result<bool> {
        let name = verdict.name();
        metrics::DECISIONS.with_label_values(&[name]).inc();
        match verdict {
            // It went on before.
            Verdict::Forward(_) => {
                let kind = FailureKind::Internal;
                self.page(downstream, passage, live, kind).await
            }
            // Nobody can tell whether a cookie is good: the login page would be a lie.
            Verdict::Challenge { .. } if matches!(found, Found::StoreAway) => {
                self.page(downstream, passage, live, FailureKind::Unavailable)
                    .await
            }
            Verdict::Challenge { how, .. } => self.challenge(downstream, passage, live, how).await,
            Verdict::Deny { reason, .. } => {
                self.deny(downstream, passage, live, (reason, found.session()))
                    .await
            }
            Verdict::BadRequest(_) => {
                self.page(downstream, passage, live, FailureKind::MethodNotAllowed)
                    .await
            }
            Verdict::NotFound => {
                self.page(downstream, passage, live, FailureKind::NotFound)
                    .await
            }
            Verdict::Misdirected => self.misdirected(downstream, passage, live).await,
        }
    }

    /// One of our own pages.
    pub(super) async fn own_page(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
    ) -> pingora::Result<bool> {
        let Some(head) = passage.head.as_ref() else {
            return Ok(true);
        };
        if !live.gate.knows(head.host()) && !live.site.engine.is_login_host(head.host()) {
            return self.misdirected(downstream, passage, live).await;
        }
        let path = head.path().as_str().to_owned();
        let path = path
            .get(live.site.engine.base.prefix.as_str().len() + 1..)
            .unwrap_or_default();
        let endpoint = Endpoint::parse(path);
        let found = if endpoint.as_ref().is_some_and(Endpoint::is_personal) {
            match self.known(live, head, downstream) {
                Known::As(found) => found,
                Known::OnlyToTheStore(token) => self.load(token).await,
            }
        } else {
            Found::Nobody
        };
        if matches!(found, Found::StoreAway) {
            return self
                .page(downstream, passage, live, FailureKind::Unavailable)
                .await;
        }
        let most = endpoint.map_or(0, |endpoint| endpoint.most_body());
        let body = match bridge::read_body(downstream, most).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => {
                return self
                    .page(downstream, passage, live, FailureKind::BodyTooLarge)
                    .await;
            }
            Err(BodyError::TooSlow) => {
                return self
                    .page(downstream, passage, live, FailureKind::RequestTimeout)
                    .await;
            }
            Err(BodyError::Broken) => {
                return self
                    .page(downstream, passage, live, FailureKind::BadRequest)
                    .await;
            }
        };
        let mut visit = self.visit(downstream, passage, live);
        visit.certificate = self.certificate(downstream, passage);
        visit.channel_binding = channel_binding(downstream, passage);
        if let Found::Session(session, token) = found {
            visit.session = Some((session, token));
        }
        let asked = asked(downstream, passage.head.as_ref(), body);
        let answer = Box::pin(live.site.answer(visit, path, &asked)).await;
        bridge::write(downstream, answer).await?;
        Ok(true)
    }

    /// The built-in application.
    async fn demo(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
    ) -> pingora::Result<bool> {
        let mut visit = self.visit(downstream, passage, live);
        let (Some(head), Some(permitted)) = (&passage.head, &passage.permitted) else {
            return Ok(true);
        };
        let mut request = downstream.req_header().clone();
        let visitor = (&head.client, &request.headers);
        let ours = Ours::fields(permitted, visitor, &mut None, HeaderValue::clone)?;
        let what = (permitted, passage.tokens.as_slice());
        super::rewrite::request(&mut request, (live, head), what, (None, ours), false)?;
        visit.session = None;
        let page = live.site.demo(
            permitted,
            &head.target(),
            (&request.method, &request.headers),
        );
        let turn = crate::flow::Turn::page(StatusCode::OK, page);
        let answer = live
            .site
            .render(&visit, turn, &downstream.req_header().headers);
        bridge::write(downstream, answer).await?;
        Ok(true)
    }

    /// Somebody must sign in first.
    async fn challenge(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        how: Answerable,
    ) -> pingora::Result<bool> {
        let Some(head) = passage.head.as_ref() else {
            return Ok(true);
        };
        let engine = &live.site.engine;
        let login = format!(
            "{}?rd={}",
            engine.path("login"),
            utf8_percent_encode(&wanted(head), QUERY)
        );
        let https = engine.base.login.scheme == crate::protocol::Scheme::Https;
        let mut answer = match how {
            Answerable::Redirect => {
                let mut answer = Response::new(Bytes::new());
                *answer.status_mut() = StatusCode::FOUND;
                if let Ok(login) = HeaderValue::from_str(&login) {
                    answer.headers_mut().insert(header::LOCATION, login);
                }
                answer
            }
            Answerable::SignInAgainPage => {
                let destination = head.host().as_str().to_owned();
                let sign_in = Href::path(&login).unwrap_or_else(Href::root);
                let page = Page::SignInAgain(SignInAgain {
                    destination,
                    sign_in,
                });
                let visit = self.visit(downstream, passage, live);
                let turn = crate::flow::Turn::page(StatusCode::UNAUTHORIZED, page);
                live.site
                    .render(&visit, turn, &downstream.req_header().headers)
            }
            Answerable::Unauthorized => {
                let origin = engine.base.login.at(head.host().clone());
                let login_url = format!("{origin}{login}");
                let request_id = self.request_id(passage).to_owned();
                let body = json!({
                    "error": "unauthenticated",
                    "login_url": login_url,
                    "request_id": request_id,
                });
                let mut answer = headers::json(StatusCode::UNAUTHORIZED, &body);
                // RFC 9110 section 15.5.2 wants a challenge; no browser opens a window for this one.
                answer
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, super::value("Session"));
                answer
            }
        };
        headers::common(answer.headers_mut(), https);
        bridge::write(downstream, answer).await?;
        Ok(true)
    }

    async fn deny(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        (reason, session): (Reason, Option<&Session>),
    ) -> pingora::Result<bool> {
        let request_id = self.request_id(passage).to_owned();
        let mut event = Event::new(self.clock.now(), EventKind::AccessDenied, reason.code());
        event.address = passage.head.as_ref().and_then(Head::address);
        event.request_id = Some(request_id);
        if let Some(session) = session {
            event = event.user(&session.user().id).session(session.id());
        }
        event.log();
        self.page(
            downstream,
            passage,
            live,
            FailureKind::Denied(denial(reason)),
        )
        .await
    }

    /// No route has this host. On the loopback the visitor probably meant `localhost`.
    pub(super) async fn misdirected(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
    ) -> pingora::Result<bool> {
        let Some(head) = passage.head.as_ref() else {
            return Ok(true);
        };
        let login = &live.site.engine.base.login;
        let safe = matches!(
            downstream.req_header().method,
            http::Method::GET | http::Method::HEAD
        );
        if safe && login.host.as_str() == "localhost" && head.host().as_str() == "127.0.0.1" {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::FOUND;
            if let Ok(to) = HeaderValue::from_str(&format!("{login}{}", head.target())) {
                answer.headers_mut().insert(header::LOCATION, to);
            }
            headers::common(answer.headers_mut(), false);
            bridge::write(downstream, answer).await?;
            return Ok(true);
        }
        tracing::info!(
            host = head.host().as_str(),
            "a request was for a host of no route"
        );
        self.page(downstream, passage, live, FailureKind::UnknownHost)
            .await
    }

    /// A head that is refused; the connection is not used again.
    pub(super) async fn refuse_head(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        bad: BadHead,
    ) -> pingora::Result<bool> {
        let request_id = self.request_id(passage).to_owned();
        tracing::info!(
            request_id,
            code = bad.code(),
            "a request was refused: {bad}"
        );
        metrics::DECISIONS.with_label_values(&["bad-request"]).inc();
        downstream.set_keepalive(None);
        let kind = match bad {
            BadHead::TooLarge => FailureKind::HeadTooLarge,
            BadHead::Method => FailureKind::MethodNotAllowed,
            BadHead::OtherName => FailureKind::UnknownHost,
            _ => FailureKind::BadRequest,
        };
        self.page(downstream, passage, live, kind).await
    }

    /// A page that says what went wrong.
    async fn page(
        &self,
        downstream: &mut Downstream,
        passage: &mut Passage,
        live: &Live,
        kind: FailureKind,
    ) -> pingora::Result<bool> {
        let visit = self.visit(downstream, passage, live);
        let actions = match &kind {
            FailureKind::Denied(_) => {
                let rd = passage.head.as_ref().map(wanted).unwrap_or_default();
                let rd = utf8_percent_encode(&rd, QUERY);
                let path = live.site.engine.path(&format!("login?switch=1&rd={rd}"));
                let out = live.site.engine.path("logout");
                [
                    (ActionLabel::OtherAccount, path),
                    (ActionLabel::SignOut, out),
                ]
                .into_iter()
                .filter_map(|(label, path)| {
                    Some(Action {
                        label,
                        href: Href::path(&path)?,
                    })
                })
                .collect()
            }
            _ => Vec::new(),
        };
        let turn = live.site.engine.failure(&visit, kind, actions);
        let answer = live
            .site
            .render(&visit, turn, &downstream.req_header().headers);
        bridge::write(downstream, answer).await?;
        Ok(true)
    }

    /// What our pages may know of a request.
    fn visit(&self, downstream: &Downstream, passage: &mut Passage, live: &Live) -> Visit {
        let request_id = self.request_id(passage).to_owned();
        let head = passage.head.as_ref();
        let request = downstream.req_header();
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let user_agent = request
            .headers
            .get(header::USER_AGENT)
            .and_then(text)
            .unwrap_or_default();
        Visit {
            request_id,
            host: head.map_or_else(
                || live.site.engine.base.login.host.clone(),
                |head| head.host().clone(),
            ),
            address: head.and_then(Head::address),
            user_agent: user_agent.chars().take(256).collect(),
            jar: Jar::new(
                request
                    .headers
                    .get_all(header::COOKIE)
                    .iter()
                    .map(|line| line.as_bytes().to_vec())
                    .collect(),
            ),
            session: None,
            ticket: negotiated(&request.headers),
            certificate: None,
            channel_binding: None,
            posted: request.method == http::Method::POST,
            locale: live.site.text.languages().negotiate(
                request
                    .headers
                    .get(header::ACCEPT_LANGUAGE)
                    .and_then(|value| value.to_str().ok()),
            ),
            now: self.clock.now(),
        }
    }

    /// The application did not answer, or something of ours broke: the request ends here.
    pub(super) async fn failed(
        &self,
        downstream: &mut Downstream,
        error: &Error,
        passage: &mut Passage,
    ) -> FailToProxy {
        let kind = kind(error);
        let request_id = self.request_id(passage).to_owned();
        let Some(kind) = kind else {
            tracing::debug!(request_id, %error, "the visitor went away");
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        let code = kind.status();
        if *error.esource() == ErrorSource::Upstream || code == 502 || code == 504 {
            metrics::UPSTREAM_ERRORS.inc();
            tracing::warn!(request_id, %error, "the application did not answer: see that it runs");
        } else {
            tracing::error!(request_id, %error, "a request failed");
        }
        downstream.set_keepalive(None);
        if downstream.response_written().is_none()
            && let Some(live) = passage.live.clone()
            && let Err(error) = self.page(downstream, passage, &live, kind).await
        {
            tracing::debug!(request_id, %error, "the visitor went away");
        }
        FailToProxy {
            error_code: code,
            can_reuse_downstream: false,
        }
    }

    /// One line for a request.
    pub(super) fn log_access(
        &self,
        downstream: &Downstream,
        error: Option<&Error>,
        passage: &mut Passage,
    ) {
        let request_id = self.request_id(passage).to_owned();
        let session = passage
            .permitted
            .as_ref()
            .and_then(|one| one.permit().session());
        tracing::info!(
            target: "access",
            request_id,
            method = downstream.req_header().method.as_str(),
            host = passage.head.as_ref().map(|head| head.host().as_str()),
            // The query may hold secrets of the application.
            path = path_to_log(passage),
            status = downstream.response_written().map(|response| response.status.as_u16()),
            user = session.map(|session| session.user().id.as_str()),
            address = passage.head.as_ref().and_then(Head::address).map(tracing::field::display),
            failed = error.is_some(),
        );
    }
}

/// A path for the log. Of ours only the page is named: the owner's link is a secret.
pub(super) fn path_to_log(passage: &Passage) -> Option<String> {
    let (head, live) = (passage.head.as_ref()?, passage.live.as_ref()?);
    let (path, prefix) = (head.path(), &live.site.engine.base.prefix);
    if !prefix.matches(path) {
        return Some(path.as_str().to_owned());
    }
    let page = path.as_str().get(prefix.as_str().len() + 1..);
    let page = page.and_then(Endpoint::parse);
    let page = page.as_ref().map_or("-", Endpoint::name);
    Some(format!("{}/{page}", prefix.as_str()))
}

impl Found {
    fn session(&self) -> Option<&Session> {
        match self {
            Self::Session(session, _) => Some(session),
            Self::Nobody | Self::StoreAway => None,
        }
    }
}

/// The request as our pages see it.
fn asked(downstream: &Downstream, head: Option<&Head>, body: Bytes) -> page::Asked {
    let request = downstream.req_header();
    let mut asked = http::Request::new(body);
    *asked.method_mut() = request.method.clone();
    *asked.headers_mut() = request.headers.clone();
    let target = head.map(Head::target).unwrap_or_default();
    *asked.uri_mut() = target.parse().unwrap_or_default();
    asked
}

/// Where to return: a query that no cookie of ours could carry is left out, so that no Location is
/// longer than what browsers take.
fn wanted(head: &Head) -> String {
    let target = head.target();
    if target.len() <= LONGEST_RETURN {
        target
    } else if head.path().as_str().len() <= LONGEST_RETURN {
        head.path().as_str().to_owned()
    } else {
        "/".to_owned()
    }
}

/// Lets a request pass, if it is no larger than the route takes.
fn forward(downstream: &mut Downstream, passage: &mut Passage, permitted: Permitted) -> Decided {
    let Some(head) = &passage.head else {
        return Decided::Answer(Answer::Page(FailureKind::Internal));
    };
    let present = head.present;
    if head.size as u64 > permitted.route().limits.head.0 {
        return Decided::Answer(Answer::Page(FailureKind::HeadTooLarge));
    }
    if present.any(&[Present::CONTENT_LENGTH]) && too_long(downstream, &permitted) {
        return Decided::Answer(Answer::Page(FailureKind::BodyTooLarge));
    }
    let first = permitted.route().upstreams.all().first();
    let demo = matches!(first, Some(Upstream::BuiltinDemo));
    passage.waits = Waits::of(downstream, present);
    set_patience(downstream, passage.waits, &permitted);
    passage.permitted = Some(permitted);
    if demo {
        Decided::Answer(Answer::Demo)
    } else {
        Decided::Passes
    }
}

/// What was decided, now that nothing is missing any more.
fn passes(passage: &Passage) -> Decided {
    let permitted = passage.permitted.as_ref();
    let first = permitted.and_then(|permitted| permitted.route().upstreams.all().first());
    match first {
        Some(Upstream::BuiltinDemo) => Decided::Answer(Answer::Demo),
        Some(_) => Decided::Passes,
        None => Decided::Answer(Answer::Page(FailureKind::Internal)),
    }
}

/// The tokens that the route wants, as header fields.
fn fields(wanted: &[ForwardedToken], tokens: &ProviderTokens) -> Vec<(HeaderName, HeaderValue)> {
    let field = |wanted: &ForwardedToken| {
        let token = match wanted {
            ForwardedToken::AccessToken => Some(&tokens.access_token),
            ForwardedToken::IdToken => tokens.id_token.as_ref(),
        };
        let mut value = HeaderValue::from_str(token?.expose()).ok()?;
        value.set_sensitive(true);
        Some((wanted.header(), value))
    };
    wanted.iter().filter_map(field).collect()
}

fn too_long(downstream: &Downstream, permitted: &crate::gate::Permitted) -> bool {
    let length = downstream.req_header().headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let most = permitted.route().limits.body;
    most.zip(length)
        .is_some_and(|(most, length)| length > most.0)
}

/// How long the visitor may take; nobody hurries a WebSocket.
fn set_patience(downstream: &mut Downstream, waits: Waits, permitted: &Permitted) {
    let client = permitted.route().timeouts.client.0;
    let reading = (waits != Waits::WebSocket).then_some(client);
    downstream.set_read_timeout(reading);
    downstream.set_write_timeout(Some(client));
    if downstream.is_http2() && !downstream.is_body_empty() {
        super::streams::await_body(client);
    }
}

/// What the person may know of a refusal.
fn denial(reason: Reason) -> Denial {
    match (reason, reason.class()) {
        (Reason::DenyRule, _) => Denial::DenyRule,
        (_, Class::Account) => Denial::Blocked,
        (_, Class::TooMuch) => Denial::TooManyGroups,
        (_, Class::NotAllowed | Class::Origin) => Denial::NotAllowed,
    }
}

/// What went wrong; `None` when nobody is left to tell.
fn kind(error: &Error) -> Option<FailureKind> {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, HTTPStatus, ReadError, ReadTimedout,
        TLSHandshakeTimedout, WriteError, WriteTimedout,
    };
    match (error.etype(), error.esource()) {
        (HTTPStatus(413), _) => Some(FailureKind::BodyTooLarge),
        (HTTPStatus(_), _) | (_, ErrorSource::Internal | ErrorSource::Unset) => {
            Some(FailureKind::Internal)
        }
        (
            ConnectTimedout | ReadTimedout | WriteTimedout | TLSHandshakeTimedout,
            ErrorSource::Upstream,
        ) => Some(FailureKind::AppTimeout),
        (_, ErrorSource::Upstream) => Some(FailureKind::AppUnreachable),
        (ConnectionClosed | ReadError | WriteError, ErrorSource::Downstream) => None,
        (ReadTimedout | WriteTimedout, ErrorSource::Downstream) => {
            Some(FailureKind::RequestTimeout)
        }
        (_, ErrorSource::Downstream) => Some(FailureKind::BadRequest),
    }
}

/// What the browser brought to `Negotiate` (RFC 4559 section 4.2).
fn negotiated(headers: &http::HeaderMap) -> Option<Vec<u8>> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("negotiate") {
        return None;
    }
    STANDARD.decode(token.trim()).ok()
}
