//! The login page, and what comes back from it.

use url::Url;

use super::{
    Engine, Fields, LoginFlow, Turn, Visit,
    fresh::FRESH,
    login_page::suggest,
    onward::{hash_from_text, post_onward},
    unasked::Trip,
};
use crate::{
    connection::{
        ConnectionSettings, Form, InlineForm, Offer, Passed, Start, Step, Throttled, Wants,
    },
    gate::{Outlook, Wanted},
    identity::ConnectionId,
    policy::{Missing, Needs},
    protocol::{CanonicalPath, Destination, Host, ReturnTo},
    text::page::login::{Notice, StartAgainWhy},
};

/// The hidden field that says for which settings a form of a connection was made.
pub(super) const MADE_FOR: &str = "made_for";

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
    /// Show it to somebody who would be sent to a provider unasked.
    pub(crate) stay: bool,
    /// Prove anew who they are.
    pub(crate) fresh: bool,
    /// A flow that is under way, when the person changes the way in.
    pub(crate) flow: Option<String>,
    /// The fragment of the page that was wanted, as the browser told it.
    pub(crate) fragment: Option<String>,
    /// The token of a trial login.
    pub(crate) trial: Option<String>,
    /// Show a certificate, and do not ask for a password.
    pub(crate) certificate: bool,
    /// What to tell the person.
    pub(crate) notice: Option<Notice>,
    /// What else there is: some of it may be for the provider.
    pub(crate) others: Passed,
}

/// How the person wants to begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'a> {
    /// Whom they say they are.
    pub(super) hint: Option<&'a str>,
    /// By a certificate, and not by a password.
    pub(super) certificate: bool,
}

impl<'a> From<Option<&'a str>> for Wish<'a> {
    fn from(hint: Option<&'a str>) -> Self {
        Self {
            hint,
            certificate: false,
        }
    }
}

/// The names in the query of the login page that mean something here.
pub(crate) const LOGIN_QUERY: [&str; 11] = [
    "certificate",
    "connection",
    "flow",
    "fragment",
    "fresh",
    "login_hint",
    "nonce",
    "rd",
    "stay",
    "switch",
    "trial",
];
/// The longest of what is passed on to a provider, and the most of all of it, in bytes: it travels
/// in a cookie.
const MOST_PASSED: usize = 256;
const MOST_PASSED_IN_ALL: usize = 512;

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
            stay: text("stay").is_some(),
            fresh: text("fresh").is_some(),
            flow: text("flow"),
            fragment: text("fragment"),
            trial: text("trial"),
            certificate: text("certificate").is_some(),
            notice: None,
            others: others(fields),
        }
    }
}

/// What is in a query besides what is ours, once each, if it is text and short.
fn others(fields: &Fields) -> Passed {
    let mut others = Passed::new();
    let mut left = MOST_PASSED_IN_ALL;
    for (name, value) in fields.iter() {
        let plain = value.len() <= MOST_PASSED && !value.chars().any(char::is_control);
        let size = name.len() + value.len();
        let once = fields.one(name).is_some();
        if once && plain && size <= left && !LOGIN_QUERY.contains(&name) {
            left -= size;
            others.insert(name.to_owned(), value.to_owned());
        }
    }
    others
}

impl Engine {
    /// What of a query is for a provider.
    pub(super) fn passed(&self, ask: &LoginAsk) -> Passed {
        let mut passed = ask.others.clone();
        passed.retain(|name, _| self.connections.passes(name));
        passed
    }

    /// GET login.
    pub(crate) async fn login(&self, visit: &Visit, ask: LoginAsk) -> Turn {
        let held = ask.flow.as_deref().and_then(|id| self.find_flow(visit, id));
        let mut flow = held.unwrap_or_else(|| {
            let return_to = self.parse_return(ask.rd.as_deref().unwrap_or("/"));
            let target = return_to.target().to_owned();
            let mut flow = self.begin_flow(target, ask.nonce.clone());
            flow.passed = self.passed(&ask);
            flow.fresh = ask.fresh;
            flow
        });
        flow.add_fragment(ask.fragment.as_deref());
        let return_to = self.parse_return(&flow.return_to);
        let outlook = self.outlook(visit, &return_to);
        let stays = ask.switch || flow.link.is_some() || flow.fresh;
        if matches!(outlook, Outlook::Open) && !stays && visit.session.is_some() {
            return self
                .pass_on(visit, &flow.return_to, flow.nonce.as_deref())
                .await;
        }
        if matches!(outlook, Outlook::Challenge(Missing::SecondFactor)) && !stays {
            match Box::pin(self.step_up(visit, &flow, &return_to)).await {
                Some(turn) => return turn,
                // It is set up right after the first proof, which is too long ago.
                None => flow.fresh = true,
            }
        }
        let offer = self.offer(&return_to);
        let chosen = ask.connection.as_deref().and_then(|name| name.parse().ok());
        let wish = Wish {
            hint: ask.login_hint.as_deref(),
            certificate: ask.certificate,
        };
        if let Some(id) = chosen.filter(|id| offer.contains(id)) {
            return self.begin(visit, flow, &id, wish).await;
        }
        // Who comes to change the way in, or has just left, is asked.
        let asks = stays
            || ask.stay
            || ask.flow.is_some()
            || ask.connection.is_some()
            || ask.notice.is_some()
            || self.stays(visit);
        if let Some(id) = self.without_a_word(visit, offer).filter(|_| !asks) {
            return Box::pin(self.begin(visit, flow, &id, wish)).await;
        }
        if !asks && visit.session.is_none() {
            match self.preselected(visit.address, offer).as_slice() {
                [] => {}
                [one] => {
                    if let Trip::Goes(counted) = self.trip(visit, &flow.return_to) {
                        let begun = Box::pin(self.begin(visit, flow, one, wish));
                        return begun.await.with(counted);
                    }
                }
                several => return self.choose(visit, &flow, several, None),
            }
        }
        flow.choose_anew();
        let mut page = self.login_page(visit, &flow, offer);
        page.notice = ask.notice.or_else(|| notice(visit, &flow, outlook));
        if let Some(hint) = ask.login_hint {
            suggest(&mut page, hint);
        }
        self.show(visit, &flow, page).await
    }

    /// The first of these that may let somebody in who is asked nothing.
    fn without_a_word(&self, visit: &Visit, offer: &Offer) -> Option<ConnectionId> {
        let peer = visit.peer();
        let mut all = offer.directories.iter();
        let asks = |id: &&ConnectionId| {
            let found = self.connections.enabled(id);
            found.is_some_and(|(connection, _)| connection.needs_no_word(&peer))
        };
        all.find(asks).cloned()
    }

    /// GET login/{connection}.
    pub(crate) async fn login_with(
        &self,
        visit: &Visit,
        id: &ConnectionId,
        mut ask: LoginAsk,
    ) -> Turn {
        if let Some(token) = &ask.trial {
            return self.begin_trial(visit, id, token).await;
        }
        ask.connection = Some(id.to_string());
        self.login(visit, ask).await
    }

    /// The first step of a connection.
    pub(super) async fn begin(
        &self,
        visit: &Visit,
        mut flow: LoginFlow,
        id: &ConnectionId,
        wish: Wish<'_>,
    ) -> Turn {
        let hint = wish.hint;
        let Some((connection, settings)) = self.connections.enabled(id) else {
            return self.start_again(
                visit,
                StartAgainWhy::ConnectionChanged,
                Some(&flow.return_to),
            );
        };
        if connection.begins_with_a_call() {
            match self.parts.throttle.begin(visit.address).await {
                Ok(()) => {}
                Err(Throttled::Until(until)) => {
                    return self.throttled(visit, until.since(visit.now));
                }
                Err(Throttled::Store(error)) => return self.store_is_away(visit, &error),
            }
        }
        flow.connection = Some((id.clone(), settings.fingerprint));
        let return_to = self.parse_return(&flow.return_to);
        let needs = self.needs(&return_to);
        let outlook = self.outlook(visit, &return_to);
        let max_age = needs.as_ref().and_then(|needs| needs.max_age);
        let wants = Wants {
            max_age: max_age.into_iter().chain(flow.fresh.then_some(FRESH)).min(),
            acr: needs.as_ref().map_or(&[], |needs| &needs.acr),
            again: flow.fresh || matches!(outlook, Outlook::Challenge(Missing::FreshLogin)),
        };
        let start = Start {
            login_hint: hint,
            wants,
            state: &flow.state(),
            passed: &flow.passed,
            ticket: visit.ticket.as_deref(),
            certificate: wish.certificate,
            peer: &visit.peer_in(&flow),
        };
        match connection.begin(start).await {
            Ok(step) => self.advance(visit, flow, settings, (step, hint)).await,
            Err(rejection) if flow.trial.is_some() => {
                self.end_trial(visit, &flow, settings, Err(&rejection))
                    .await
            }
            // The form is the other half of what the browser was asked for.
            Err(rejection)
                if !wish.certificate
                    && (visit.ticket.is_some() || visit.certificate.is_some())
                    && let Some(InlineForm::Password(form)) = connection.inline() =>
            {
                self.note_rejection(visit, &rejection);
                let page = self.prompt(&flow, id, Form::Password(form), hint.unwrap_or_default());
                self.show(visit, &flow, page).await
            }
            Err(rejection) => self.rejected(visit, settings, &rejection, Some(&flow.return_to)),
        }
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
            Step::Done { who } if flow.trial.is_some() => {
                self.end_trial(visit, &flow, settings, Ok(&who)).await
            }
            Step::Done { who } => Box::pin(self.admit(visit, &flow, settings, *who)).await,
            Step::Prompt { form, keep } => {
                let mut flow = flow;
                flow.keep(&keep);
                let Some((id, _)) = flow.connection.clone() else {
                    return self.start_again(visit, StartAgainWhy::NoFlow, Some(&flow.return_to));
                };
                let page = self.prompt(&flow, &id, form, hint.unwrap_or_default());
                self.show(visit, &flow, page).await
            }
            Step::Negotiate { form, keep } => {
                let prompt = Step::Prompt { form, keep };
                let asked = self.advance(visit, flow, settings, (prompt, hint));
                Box::pin(asked).await.negotiate()
            }
            Step::Post { form, keep } => {
                let mut flow = flow;
                flow.keep(&keep);
                post_onward(form, &settings.display_name).with(self.keep_flow(visit, &flow))
            }
            Step::Redirect { to, keep } => {
                let mut flow = flow;
                flow.keep(&keep);
                self.leave(visit, to, &settings.display_name)
                    .with(self.keep_flow(visit, &flow))
            }
        }
    }

    /// What the gate would say to this person at the page that was wanted.
    fn outlook(&self, visit: &Visit, return_to: &ReturnTo) -> Outlook {
        let (host, path) = self.target(return_to);
        if self.base.prefix.matches(&path) {
            // The account page: every session opens it.
            return Outlook::Open;
        }
        let wanted = Wanted {
            host: &host,
            path: &path,
            address: visit.address,
            now: visit.now,
        };
        self.gate.outlook(wanted, visit.session().cloned())
    }

    pub(super) fn target(&self, return_to: &ReturnTo) -> (Host, CanonicalPath<'static>) {
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

    /// What the page that was wanted demands of a login.
    pub(super) fn needs(&self, return_to: &ReturnTo) -> Option<Needs> {
        let (host, path) = self.target(return_to);
        self.gate.needs(&host, &path)
    }
}

/// What to tell somebody who is signed in and still sees the login page.
fn notice(visit: &Visit, flow: &LoginFlow, outlook: Outlook) -> Option<Notice> {
    let session = visit.session()?;
    match outlook {
        Outlook::Challenge(Missing::FreshLogin) => Some(Notice::Reauthenticate),
        Outlook::Challenge(Missing::Context | Missing::Methods | Missing::SecondFactor) => {
            Some(Notice::StepUp)
        }
        _ if flow.fresh => Some(Notice::Reauthenticate),
        _ => Some(Notice::OtherAccount {
            signed_in_as: session.contents().user.handle,
        }),
    }
}
