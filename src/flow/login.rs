//! The login page, and what comes back from it.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use url::Url;

use super::{CookieKind, Engine, Fields, LoginFlow, Turn, Visit, finish::hash_from_text};
use crate::{
    connection::{
        AccountKey, Allowance, Attempt, Connection, ConnectionSettings, Fault, Form, InlineForm,
        LoginName, LoginNames, PasswordForm, PasswordReply, Rejection, Reply, Start, Step,
        Throttled,
    },
    crypto,
    gate::{Outlook, Wanted},
    identity::ConnectionId,
    policy::Missing,
    protocol::{CanonicalPath, Destination, Host, ReturnTo},
    text::page::{
        Button, Hidden, Href, Names, Page, Post,
        failure::FailureKind,
        login::{
            ChooseConnection, Login, LoginForm, LoginProblem, LoopCause, Notice, Repost,
            StartAgainWhy,
        },
    },
};

/// How long a nonce waits at another host for its ticket.
const NONCE: Duration = Duration::from_secs(3600);

/// What the query of the login page may hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginAsk {
    /// Where to return.
    pub(crate) rd: Option<String>,
    /// Begin with this connection at once.
    pub(crate) connection: Option<String>,
    /// Whom the person says they are.
    pub(crate) login_hint: Option<String>,
    /// The hash of the nonce that another host of ours gave the browser.
    pub(crate) nonce: Option<String>,
    /// Show the page even to somebody who is signed in.
    pub(crate) switch: bool,
    /// A flow that is under way, when the person changes the way in.
    pub(crate) flow: Option<String>,
    /// The fragment of the page that was wanted, as the browser told it.
    pub(crate) fragment: Option<String>,
    /// What to tell the person.
    pub(crate) notice: Option<Notice>,
}

impl LoginAsk {
    /// From a query or a form.
    pub(crate) fn from_fields(fields: &Fields) -> Self {
        let text = |name: &str| fields.one(name).map(str::to_owned);
        Self {
            rd: text("rd"),
            connection: text("connection"),
            login_hint: text("login_hint").filter(|hint| hint.len() <= 256),
            nonce: text("nonce").filter(|nonce| hash_from_text(nonce).is_some()),
            switch: text("switch").is_some(),
            flow: text("flow"),
            fragment: text("fragment"),
            notice: None,
        }
    }
}

impl Engine {
    /// GET login.
    pub(crate) async fn login(&self, visit: &Visit, ask: LoginAsk) -> Turn {
        let held = ask.flow.as_deref().and_then(|id| self.find_flow(visit, id));
        let mut flow = held.unwrap_or_else(|| {
            let return_to = self.parse_return(ask.rd.as_deref().unwrap_or("/"));
            self.begin_flow(return_to.target().to_owned(), ask.nonce.clone())
        });
        flow.add_fragment(ask.fragment.as_deref());
        let return_to = self.parse_return(&flow.return_to);
        let outlook = self.outlook(visit, &return_to);
        if matches!(outlook, Outlook::Open) && !ask.switch && visit.session.is_some() {
            return self
                .pass_on(visit, &flow.return_to, flow.nonce.as_deref())
                .await;
        }
        let offered = self.offered(&return_to);
        let chosen = ask.connection.as_deref().and_then(|name| name.parse().ok());
        if let Some(id) = chosen.filter(|id| offered.contains(id)) {
            return self
                .begin(visit, flow, &id, ask.login_hint.as_deref())
                .await;
        }
        let mut page = self.login_page(visit, &flow, &offered);
        page.notice = ask.notice.or_else(|| notice(visit, outlook));
        if let Some(hint) = ask.login_hint {
            suggest(&mut page, hint);
        }
        self.show(visit, &flow, page).await
    }

    /// A request at another host for a page that lives at the login host. What was posted there is
    /// lost: no page of ours posts to it.
    pub(crate) fn elsewhere(&self, visit: &Visit, ask: &LoginAsk) -> Turn {
        if visit.posted {
            self.start_again(visit, StartAgainWhy::NoFlow)
        } else {
            self.go_to_login_host(visit, ask)
        }
    }

    /// The login page, with the cookie of its flow. It offers no sign-up that would be refused.
    async fn show(&self, visit: &Visit, flow: &LoginFlow, mut page: Login) -> Turn {
        if page.sign_up.is_some() && !self.strangers_welcome().await {
            page.sign_up = None;
        }
        flow.fragment()
            .unwrap_or_default()
            .clone_into(&mut page.fragment);
        Turn::page(StatusCode::OK, Page::Login(page)).with(self.keep_flow(visit, flow))
    }

    /// At another host of ours: binds the browser there by a nonce, and goes where logins live.
    fn go_to_login_host(&self, visit: &Visit, ask: &LoginAsk) -> Turn {
        let name = self.names().of(CookieKind::Nonce);
        let held = visit
            .jar
            .one(&name)
            .filter(|nonce| hash_from_text(nonce).is_some());
        let nonce = held.map_or_else(
            || URL_SAFE_NO_PAD.encode(self.parts.random.bytes::<32>()),
            str::to_owned,
        );
        let hash = crypto::sha256(nonce.as_bytes());
        let here = self.base.login.at(visit.host.clone());
        let rd = self.read_return(ask.rd.as_deref().unwrap_or("/"), &here);
        let wanted = match rd.as_ref().map(ReturnTo::destination) {
            Some(Destination::Local { target }) => format!("{here}{target}"),
            Some(Destination::Other { url, .. }) => url.clone(),
            None => format!("{here}/"),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("rd", &wanted);
        query.append_pair("nonce", &URL_SAFE_NO_PAD.encode(hash));
        if let Some(connection) = &ask.connection {
            query.append_pair("connection", connection);
        }
        if let Some(hint) = &ask.login_hint {
            query.append_pair("login_hint", hint);
        }
        if ask.switch {
            query.append_pair("switch", "1");
        }
        let to = format!(
            "{}{}?{}",
            self.base.login,
            self.path("login"),
            query.finish()
        );
        Turn::see_other(to).with(self.names().set(&name, &nonce, NONCE))
    }

    /// POST login: an e-mail address whose domain says which connection.
    pub(crate) async fn identify(&self, visit: &Visit, fields: &Fields) -> Turn {
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        flow.add_fragment(fields.one("fragment"));
        let return_to = self.parse_return(&flow.return_to);
        let offered = self.offered(&return_to);
        let typed = fields.one("login").unwrap_or_default().trim();
        let found = self.connections.by_domain(typed, &offered);
        match found.as_slice() {
            [] => {
                let mut page = self.login_page(visit, &flow, &offered);
                page.form = self.inline(&flow, &offered).map(|form| match form {
                    LoginForm::Password {
                        post,
                        names,
                        forgot,
                        ..
                    } => LoginForm::Password {
                        post,
                        names,
                        login: typed.to_owned(),
                        change: Some(self.login_href(&flow)),
                        forgot,
                    },
                    form @ LoginForm::Identifier { .. } => form,
                });
                page.problem = page.form.is_none().then_some(LoginProblem::NoConnection);
                self.show(visit, &flow, page).await
            }
            [one] => self.begin(visit, flow, one, Some(typed)).await,
            several => {
                let page = ChooseConnection {
                    destination: self.destination(&return_to),
                    login: typed.to_owned(),
                    buttons: self.buttons(visit, &flow, several, Some(typed)),
                    change: self.login_href(&flow),
                };
                Turn::page(StatusCode::OK, Page::ChooseConnection(page))
                    .with(self.keep_flow(visit, &flow))
            }
        }
    }

    /// GET login/{connection}.
    pub(crate) async fn login_with(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        mut ask: LoginAsk,
    ) -> Turn {
        ask.connection = Some(id.to_string());
        self.login(visit, ask).await
    }

    /// The first step of a connection.
    async fn begin(
        &self,
        visit: &Visit,
        mut flow: LoginFlow,
        id: &ConnectionId,
        hint: Option<&str>,
    ) -> Turn {
        let Some((connection, settings)) = self.connections.enabled(id) else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged);
        };
        flow.connection = Some((id.clone(), settings.fingerprint));
        let Ok(callback) = self.callback_url(id) else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged);
        };
        let start = Start {
            login_hint: hint,
            callback: &callback,
            peer: &visit.peer(),
        };
        match connection.begin(start).await {
            Ok(step) => self.advance(visit, flow, settings, (step, hint)).await,
            Err(rejection) => self.rejected(visit, settings, &rejection),
        }
    }

    /// POST login/{connection}: a form of the connection comes back.
    pub(crate) async fn submit(&self, visit: &Visit, id: &ConnectionId, fields: &Fields) -> Turn {
        let mut flow = match self.flow_of_form(visit, fields) {
            Ok(flow) => flow,
            Err(turn) => return *turn,
        };
        let Some((connection, settings)) = self.connections.enabled(id) else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged);
        };
        if !flow.fits(id, settings.fingerprint) {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged);
        }
        flow.add_fragment(fields.one("fragment"));
        let typed = fields.one("login").unwrap_or_default();
        // What is no answer to the form costs no hash, so it is not paid for either.
        let body = fields.only(&["login", "password"]);
        let Ok(PasswordReply { login, .. }) = PasswordReply::parse(body.as_bytes()) else {
            return self.try_again(visit, &flow, id, typed).await;
        };
        let allowance = match self.pay(visit, id, connection.as_ref(), login).await {
            Ok(allowance) => allowance,
            Err(Unpaid::Rejected(rejection)) => return self.rejected(visit, settings, &rejection),
            Err(Unpaid::Throttled(Throttled::Until(until))) => {
                let wait = until.since(visit.now);
                return self.too_many(visit, &flow, id, wait).await;
            }
            Err(Unpaid::Throttled(Throttled::Store(error))) => {
                return self.store_is_away(visit, &error);
            }
        };
        let peer = visit.peer_allowed(allowance.proof());
        match connection
            .resume(Some(&flow.kept()), Reply::Form(body.as_bytes()), &peer)
            .await
        {
            Ok(step) => {
                if matches!(step, Step::Done { .. })
                    && let Err(error) = self.parts.throttle.succeeded(allowance).await
                {
                    return self.store_is_away(visit, &error);
                }
                self.advance(visit, flow, settings, (step, None)).await
            }
            Err(rejection) if rejection.fault == Fault::Denied => {
                self.note_rejection(visit, &rejection);
                self.try_again(visit, &flow, id, typed).await
            }
            Err(rejection) => self.rejected(visit, settings, &rejection),
        }
    }

    /// Pays for one try at a password, before anything is hashed.
    async fn pay(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        connection: &dyn Connection,
        name: LoginName,
    ) -> Result<Allowance, Unpaid> {
        let account = match connection.accounts() {
            Some(accounts) => accounts
                .account_key(&name)
                .await
                .map_err(Unpaid::Rejected)?,
            None => AccountKey::Name(id.clone(), name),
        };
        let browser = self.known_browser(visit, &account);
        let attempt = Attempt {
            account: &account,
            address: visit.address,
            browser: browser.as_ref(),
        };
        self.parts
            .throttle
            .login(attempt)
            .await
            .map_err(Unpaid::Throttled)
    }
}

/// Why a try at a password was not made.
enum Unpaid {
    Rejected(Rejection),
    Throttled(Throttled),
}

impl Engine {
    /// GET and POST callback/{connection}: the provider's answer.
    pub(crate) async fn callback(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        answer: Answer<'_>,
    ) -> Turn {
        let Some((connection, settings)) = self.connections.enabled(id) else {
            return self.start_again(visit, StartAgainWhy::ConnectionChanged);
        };
        if connection.inline().is_some() {
            // It asks with a form of ours and nobody else answers for it: a password that comes
            // here would come past everything that guards the form.
            return self.failure(visit, FailureKind::NotFound, Vec::new());
        }
        let state = answer
            .fields
            .first_of(&["state", "RelayState", "wctx"])
            .unwrap_or_default();
        let flow = self.find_flow(visit, state);
        if flow.is_none() && answer.posted && !answer.reposted {
            return self.repost(&answer, id);
        }
        match flow {
            Some(flow) if flow.began_with(id, settings.fingerprint) => {
                let kept = flow.kept();
                match connection
                    .resume(Some(&kept), answer.reply, &visit.peer())
                    .await
                {
                    Ok(step) => self.advance(visit, flow, settings, (step, None)).await,
                    Err(rejection) => self.rejected(visit, settings, &rejection),
                }
            }
            Some(_) => self.start_again(visit, StartAgainWhy::ConnectionChanged),
            // The button was pressed twice, or the page was kept: who is signed in goes on.
            None if visit.session.is_some() => self.pass_on(visit, "/", None).await,
            None => match connection.resume(None, answer.reply, &visit.peer()).await {
                Ok(step) => {
                    let flow = self.begin_flow("/".to_owned(), None);
                    self.advance(visit, flow, settings, (step, None)).await
                }
                Err(rejection) => {
                    self.note_rejection(visit, &rejection);
                    self.start_again(visit, StartAgainWhy::NoFlow)
                }
            },
        }
    }

    /// A cross-site POST comes without our Lax cookies. The same fields posted once more by a page
    /// of ours come with them; only that second POST is looked at.
    fn repost(&self, answer: &Answer<'_>, id: &ConnectionId) -> Turn {
        let fields = answer.fields.iter().map(|(name, value)| Hidden {
            name: name.to_owned(),
            value: value.to_owned(),
        });
        let action = self.href(&format!("callback/{id}?{REPOSTED}=1"));
        Turn::page(
            StatusCode::OK,
            Page::Repost(Repost {
                action,
                fields: fields.collect(),
            }),
        )
    }

    /// Carries out a step.
    pub(super) async fn advance(
        &self,
        visit: &Visit,
        flow: LoginFlow,
        settings: &ConnectionSettings,
        (step, hint): (Step, Option<&str>),
    ) -> Turn {
        match step {
            Step::Done { who, .. } => self.admit(visit, &flow, settings, *who).await,
            Step::Prompt { form, keep } => {
                let mut flow = flow;
                flow.keep(&keep);
                let Some((id, _)) = flow.connection.clone() else {
                    return self.start_again(visit, StartAgainWhy::NoFlow);
                };
                let page = self.prompt(&flow, &id, form, hint.unwrap_or_default());
                self.show(visit, &flow, page).await
            }
            Step::Redirect { mut to, keep } => {
                let mut flow = flow;
                flow.keep(&keep);
                // An explicit empty fragment keeps ours from travelling along (RFC 9110 10.2.2).
                to.set_fragment(Some(""));
                self.leave(visit, &to, &settings.display_name)
                    .with(self.keep_flow(visit, &flow))
            }
        }
    }

    /// The form was wrong: the same page again, with what was typed but the password.
    async fn try_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        id: &ConnectionId,
        typed: &str,
    ) -> Turn {
        self.form_again(visit, flow, (id, typed), LoginProblem::WrongCredentials)
            .await
            .status(StatusCode::UNPROCESSABLE_ENTITY)
    }

    async fn too_many(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        id: &ConnectionId,
        wait: Duration,
    ) -> Turn {
        self.event(visit, crate::store::EventKind::LoginFailed, "throttled")
            .connection(id)
            .log();
        let minutes = wait.as_secs().div_ceil(60).max(1);
        let problem = LoginProblem::TooManyTries { minutes };
        self.form_again(visit, flow, (id, ""), problem)
            .await
            .status(StatusCode::TOO_MANY_REQUESTS)
            .retry_after(wait)
    }

    async fn form_again(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        (id, typed): (&ConnectionId, &str),
        problem: LoginProblem,
    ) -> Turn {
        let return_to = self.parse_return(&flow.return_to);
        let mut page = if flow.connection.is_some() {
            let form = self
                .connections
                .enabled(id)
                .and_then(|(one, _)| one.inline());
            let Some(InlineForm::Password(form)) = form else {
                return self.start_again(visit, StartAgainWhy::ConnectionChanged);
            };
            self.prompt(flow, id, Form::Password(form), typed)
        } else {
            let offered = self.offered(&return_to);
            let mut page = self.login_page(visit, flow, &offered);
            page.form = self.inline(flow, &offered);
            page
        };
        suggest(&mut page, typed.to_owned());
        page.problem = Some(problem);
        self.show(visit, flow, page).await
    }

    /// The page with one connection's form alone.
    fn prompt(&self, flow: &LoginFlow, id: &ConnectionId, form: Form, login: &str) -> Login {
        let Form::Password(form) = form;
        let return_to = self.parse_return(&flow.return_to);
        Login {
            destination: self.destination(&return_to),
            notice: None,
            problem: None,
            sign_up: form.signup.then(|| self.sign_up_href(flow, id)),
            form: Some(self.password_form(flow, id, &form, login)),
            buttons: Vec::new(),
            others: Some(self.login_href(flow)),
            fragment: String::new(),
        }
    }

    /// The page with all ways in.
    fn login_page(&self, visit: &Visit, flow: &LoginFlow, offered: &[ConnectionId]) -> Login {
        let return_to = self.parse_return(&flow.return_to);
        let form = if self.connections.any_by_domain(offered) {
            Some(LoginForm::Identifier {
                post: self.post(flow, "login"),
                login: String::new(),
            })
        } else {
            self.inline(flow, offered)
        };
        let inline = self.connections.inline(offered);
        let signup = inline.as_ref().filter(|(_, form)| form.signup);
        let buttons: Vec<_> = offered
            .iter()
            .filter(|id| inline.as_ref().is_none_or(|(inline, _)| inline != *id))
            .cloned()
            .collect();
        Login {
            destination: self.destination(&return_to),
            notice: None,
            problem: None,
            form,
            buttons: self.buttons(visit, flow, &buttons, None),
            sign_up: signup.map(|(id, _)| self.sign_up_href(flow, id)),
            others: None,
            fragment: String::new(),
        }
    }

    /// The form that shares the page, if one of the connections has one.
    fn inline(&self, flow: &LoginFlow, offered: &[ConnectionId]) -> Option<LoginForm> {
        let (id, form) = self.connections.inline(offered)?;
        Some(self.password_form(flow, &id, &form, ""))
    }

    fn password_form(
        &self,
        flow: &LoginFlow,
        id: &ConnectionId,
        form: &PasswordForm,
        login: &str,
    ) -> LoginForm {
        LoginForm::Password {
            post: self.post(flow, &format!("login/{id}")),
            names: names(form.names),
            login: login.to_owned(),
            change: None,
            forgot: None,
        }
    }

    fn buttons(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        ids: &[ConnectionId],
        hint: Option<&str>,
    ) -> Vec<Button> {
        let last = self.last_choice(visit);
        let mut buttons: Vec<_> = ids
            .iter()
            .filter_map(|id| self.connections.enabled(id))
            .filter(|(_, settings)| settings.common.button || hint.is_some())
            .map(|(connection, settings)| {
                let mut query = url::form_urlencoded::Serializer::new(String::new());
                query.append_pair("flow", &flow.id);
                if let Some(hint) = hint {
                    query.append_pair("login_hint", hint);
                }
                let page = format!("login/{}?{}", connection.id(), query.finish());
                Button {
                    connection: connection.id().to_string(),
                    display_name: settings.display_name.clone(),
                    icon: Some(settings.icon().to_owned()),
                    href: self.href(&page),
                    last_used: Some(connection.id()) == last.as_ref(),
                }
            })
            .collect();
        buttons.sort_by_key(|button| !button.last_used);
        buttons
    }

    /// A form of a flow.
    pub(super) fn post(&self, flow: &LoginFlow, page: &str) -> Post {
        Post {
            action: self.href(page),
            csrf: flow.csrf().to_owned(),
            hidden: vec![Hidden {
                name: "flow".to_owned(),
                value: flow.id.clone(),
            }],
        }
    }

    fn login_href(&self, flow: &LoginFlow) -> Href {
        self.href(&format!("login?flow={}", flow.id))
    }

    fn sign_up_href(&self, flow: &LoginFlow, id: &ConnectionId) -> Href {
        self.href(&format!("signup/{id}?flow={}", flow.id))
    }

    /// The host of the page that was wanted, when it is not this one.
    pub(super) fn destination(&self, return_to: &ReturnTo) -> Option<String> {
        return_to.host().map(|host| host.as_str().to_owned())
    }

    /// What the gate would say to this person at the page that was wanted.
    fn outlook(&self, visit: &Visit, return_to: &ReturnTo) -> Outlook {
        let (host, path) = self.target(return_to);
        let wanted = Wanted {
            host: &host,
            path: &path,
            address: visit.address,
            now: visit.now,
        };
        self.gate.outlook(wanted, visit.session().cloned())
    }

    /// The connections that open the page that was wanted.
    fn offered(&self, return_to: &ReturnTo) -> Arc<[ConnectionId]> {
        let (host, path) = self.target(return_to);
        let all = || {
            self.connections
                .all_enabled()
                .map(|(one, _)| one.id().clone())
                .collect()
        };
        self.gate.offered(&host, &path).cloned().unwrap_or_else(all)
    }

    fn target(&self, return_to: &ReturnTo) -> (Host, CanonicalPath<'static>) {
        let (host, target) = match return_to.destination() {
            Destination::Local { target } => (self.base.login.host.clone(), target.clone()),
            Destination::Other { host, url } => {
                let path = Url::parse(url).map(|url| url.path().to_owned());
                (host.clone(), path.unwrap_or_default())
            }
        };
        let path = target.split(['?', '#']).next().unwrap_or("/");
        // A return address is canonical already; anything else would be the start page's.
        let path = CanonicalPath::parse(path).map(CanonicalPath::into_owned);
        (host, path.unwrap_or_else(|_| CanonicalPath::root()))
    }

    fn callback_url(&self, id: &ConnectionId) -> Result<Url, url::ParseError> {
        Url::parse(&format!(
            "{}{}",
            self.base.login,
            self.path(&format!("callback/{id}"))
        ))
    }

    /// The flow that a form belongs to, or what to answer instead.
    pub(super) fn flow_of_form(
        &self,
        visit: &Visit,
        fields: &Fields,
    ) -> Result<LoginFlow, Box<Turn>> {
        let flow = fields.one("flow").and_then(|id| self.find_flow(visit, id));
        let Some(flow) = flow else {
            let turn = if visit.jar.is_empty() {
                self.loop_broken(visit, LoopCause::CookiesBlocked)
            } else {
                self.start_again(visit, StartAgainWhy::NoFlow)
            };
            return Err(Box::new(turn));
        };
        if flow.csrf_matches(fields.one("csrf").unwrap_or_default()) {
            Ok(flow)
        } else {
            Err(Box::new(self.start_again(visit, StartAgainWhy::NoFlow)))
        }
    }
}

/// What a provider sent back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) fields: &'a Fields,
    pub(crate) reply: Reply<'a>,
    /// By POST.
    pub(crate) posted: bool,
    /// By the page of ours that posts once more.
    pub(crate) reposted: bool,
}

/// The query parameter that marks the second POST.
pub(crate) const REPOSTED: &str = "reposted";

fn names(names: LoginNames) -> Names {
    match names {
        LoginNames::Email => Names::Email,
        LoginNames::EmailOrUsername => Names::EmailOrUsername,
        LoginNames::Username => Names::Username,
    }
}

/// What to tell somebody who is signed in and still sees the login page.
fn notice(visit: &Visit, outlook: Outlook) -> Option<Notice> {
    let session = visit.session()?;
    match outlook {
        Outlook::Challenge(Missing::FreshLogin) => Some(Notice::Reauthenticate),
        Outlook::Challenge(Missing::Context | Missing::Methods) => Some(Notice::StepUp),
        _ => Some(Notice::OtherAccount {
            signed_in_as: session.user().handle.clone(),
        }),
    }
}

/// Fills in the name to sign in with.
fn suggest(page: &mut Login, name: String) {
    if let Some(LoginForm::Identifier { login, .. } | LoginForm::Password { login, .. }) =
        page.form.as_mut()
    {
        *login = name;
    }
}
