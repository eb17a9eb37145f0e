//! From a proof to a session, and back to the page that was wanted.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{CookieKind, Engine, LoginFlow, Next, Turn, Visit, cookies};
use crate::{
    clock::Timestamp,
    connection::{Authenticated, ConnectionSettings},
    crypto::digest,
    identity::{Authentication, UserId},
    protocol::{cookie::SetCookie, return_to::ReturnTo},
    session::{Login, OpenError},
    store::{AccountRecord, Event, EventKind, OneTimeKey, OneTimeRow, OneTimeUse, Purpose, UserRecord},
    text::{ErrorPage, Page, SwitchUserPage},
    user::{Admission, Admitted},
};

/// How long the first of two steps is good for.
const PENDING: std::time::Duration = std::time::Duration::from_secs(600);
/// How long a browser is remembered to have signed in to an account.
const KNOWN: u64 = 180 * 24 * 3600;
/// Accounts remembered per browser.
const MOST_KNOWN: usize = 5;
/// How often in how long somebody is passed on without a question before that is a loop.
const MOST_TRIPS: u32 = 5;
const TRIPS_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

/// A proof that waits for another step: kept in the store, named by the browser.
#[derive(Debug, Deserialize, Serialize)]
struct Pending {
    user: UserId,
    authentication: Authentication,
}

/// The accounts that signed in with this browser, sealed in a cookie of it. It only lowers
/// throttling: nobody is signed in by it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Known {
    #[serde(rename = "b")]
    browser: [u8; 16],
    #[serde(rename = "a")]
    accounts: Vec<(ConnectionId, Subject)>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Trips {
    to: String,
    began: Timestamp,
    count: u32,
}

impl Engine {
    /// Turns a proof into a user and a session.
    pub(super) async fn admit(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        settings: &ConnectionSettings,
        proven: Proven,
    ) -> Turn {
        let authentication = proven.who.authentication().clone();
        let signup = settings.common.signup && self.strangers_welcome().await;
        let admission = Admission { settings, signup, account: proven.account };
        match self.parts.directory.admit(*proven.who, admission, &visit.origin()).await {
            Err(refusal) => self.refused(visit, &authentication, &refusal),
            Ok(Admitted { user, .. }) => {
                let pending = Pending { user: user.id.clone(), authentication };
                let other = visit.session().is_some_and(|held| held.user().id != user.id);
                if other {
                    self.ask_to_switch(visit, flow, &user, pending).await
                } else {
                    self.open_session(visit, flow, user, pending, Vec::new()).await
                }
            }
        }
    }

    /// The person confirmed that another session ends.
    pub(super) async fn switch(&self, visit: &Visit, flow: &LoginFlow, ticket: &str) -> Turn {
        let Some(key) = pending_key(ticket) else { return self.start_again(visit) };
        let now = visit.now;
        let row = match self.parts.once.peek(&key, now).await {
            Ok(row) => row.and_then(|row| serde_json::from_slice::<Pending>(&row).ok()),
            Err(error) => return self.store_is_away(visit, &error),
        };
        let Some(pending) = row else { return self.start_again(visit) };
        // Between two steps somebody may have been blocked.
        let user = match self.parts.directory.find(&pending.user).await {
            Ok(user) => user,
            Err(error) => return self.store_is_away(visit, &error),
        };
        match user {
            Some(user) if !user.blocked => {
                let uses = vec![OneTimeUse::Row { key, now }];
                self.open_session(visit, flow, user, pending, uses).await
            }
            _ => self.start_again(visit),
        }
    }

    async fn ask_to_switch(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        user: &UserRecord,
        pending: Pending,
    ) -> Turn {
        let ticket: [u8; 32] = self.parts.random.bytes();
        let ticket = URL_SAFE_NO_PAD.encode(ticket);
        let row = serde_json::to_vec(&pending).ok().zip(pending_key(&ticket));
        let Some((payload, key)) = row else { return self.start_again(visit) };
        let put = OneTimeRow { key, payload, until: visit.now + PENDING };
        if let Err(error) = self.parts.once.put(put).await {
            return self.store_is_away(visit, &error);
        }
        let held = visit.session().map(|held| held.user().handle.clone()).unwrap_or_default();
        let page = SwitchUserPage {
            action: self.path("login/switch"),
            flow: flow.id.clone(),
            csrf: flow.csrf().to_owned(),
            ticket,
            current: held,
            other: user.handle.clone(),
            stay: self.path("account"),
        };
        Turn::page(StatusCode::OK, Page::SwitchUser(page)).with(self.keep_flow(visit, flow))
    }

    async fn open_session(
        &self,
        visit: &Visit,
        flow: &LoginFlow,
        user: UserRecord,
        pending: Pending,
        mut uses: Vec<OneTimeUse>,
    ) -> Turn {
        uses.push(flow.once());
        let proven = pending.authentication.clone();
        let login = Login {
            user,
            authentication: pending.authentication,
            held: visit.session.clone(),
            host: visit.host.as_str().to_owned(),
            address: visit.address,
            user_agent: visit.user_agent.clone(),
            uses,
            request_id: visit.request_id.clone(),
        };
        let opened = match self.parts.sessions.open(login).await {
            Ok(opened) => opened,
            Err(OpenError::Store(error)) => return self.store_is_away(visit, &error),
            // Pressed twice: the first press has signed them in.
            Err(OpenError::AlreadyUsed(_)) if visit.session.is_some() => {
                return self.go_on(visit, &flow.return_to, flow.nonce.as_deref()).await;
            }
            Err(error) => {
                tracing::info!(%error, request_id = visit.request_id, "a login did not end in a session");
                return self.start_again(visit);
            }
        };
        let names = self.names();
        let lifetime = self.parts.sessions.lifetimes().absolute.as_secs();
        let mut set = vec![
            names.set(names.session().to_owned(), opened.cookie, Some(lifetime)),
            self.end_flow(flow),
            names.set(names.of(CookieKind::Last), proven.connection.to_string(), Some(KNOWN)),
        ];
        set.extend(self.remember_browser(visit, &proven));
        let here = Visit { session: Some((opened.session, opened.token)), ..visit.clone() };
        self.go_on(&here, &flow.return_to, flow.nonce.as_deref()).await.with(set)
    }

    /// Sends a signed-in person to where they wanted to go. The address was checked when the flow
    /// began and is checked again against the configuration of now.
    pub(super) async fn go_on(&self, visit: &Visit, return_to: &str, nonce: Option<&str>) -> Turn {
        let return_to = self.parse_return(return_to);
        let Some(host) = return_to.other_host() else {
            return Turn::see_other(return_to.location());
        };
        let ticket = match (visit.session(), nonce.and_then(hash_from_text)) {
            (Some(session), Some(nonce)) => {
                self.parts.sessions.hand_over(session, host.as_str(), &nonce).await
            }
            // Nothing binds a ticket to this browser yet: the other host begins.
            _ => return Turn::see_other(return_to.location()),
        };
        match ticket {
            Err(error) => self.store_is_away(visit, &error),
            Ok(ticket) => {
                let mut to = self.place.login.with_host(host);
                to.push_str(&self.path("handover"));
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("ticket", &URL_SAFE_NO_PAD.encode(ticket))
                    .append_pair("rd", &return_to.path_and_query())
                    .finish();
                Turn::see_other(format!("{to}?{query}{}", return_to.fragment_suffix()))
            }
        }
    }

    /// Goes on without a question, unless that has happened too often just now: then something
    /// keeps the browser from holding its session, and going on would not end.
    pub(super) async fn pass_on(&self, visit: &Visit, return_to: &str, nonce: Option<&str>) -> Turn {
        let name = self.names().of(CookieKind::Trips);
        let at = (name.as_str(), visit.host.as_str());
        let ring = self.parts.ring.load_full();
        let held = visit.jar.one(&name).and_then(|value| cookies::open::<Trips>(&ring, at, value));
        let count = match held {
            Some(trips)
                if trips.to == return_to && visit.now.since(trips.began) < TRIPS_WITHIN =>
            {
                Trips { count: trips.count + 1, ..trips }
            }
            _ => Trips { to: return_to.to_owned(), began: visit.now, count: 1 },
        };
        if count.count > MOST_TRIPS {
            return self.loop_broken(visit, "not-accepted").with([self.names().clear(name)]);
        }
        let value = cookies::seal(&ring, at, &count, self.parts.random.as_ref());
        let set = value.map(|value| {
            self.names().set(name.clone(), value, Some(TRIPS_WITHIN.as_secs()))
        });
        self.go_on(visit, return_to, nonce).await.with(set)
    }

    /// Notes in the browser that this account signed in with it.
    fn remember_browser(&self, visit: &Visit, proven: &Authentication) -> Option<SetCookie> {
        let mut known = self.known(visit).unwrap_or_else(|| Known {
            browser: self.parts.random.bytes(),
            accounts: Vec::new(),
        });
        let account = (proven.connection.clone(), proven.subject.clone());
        known.accounts.retain(|held| *held != account);
        known.accounts.insert(0, account);
        known.accounts.truncate(MOST_KNOWN);
        let name = self.names().of(CookieKind::Known);
        let at = (name.as_str(), visit.host.as_str());
        let value =
            cookies::seal(&self.parts.ring.load(), at, &known, self.parts.random.as_ref())?;
        Some(self.names().set(name, value, Some(KNOWN)))
    }

    /// The browser, if it knows this account.
    pub(super) fn known_browser(
        &self,
        visit: &Visit,
        account: &AccountKey,
    ) -> Option<KnownBrowser> {
        let known = self.known(visit)?;
        let AccountKey::Subject(connection, subject) = account else { return None };
        let held = known.accounts.iter().any(|(c, s)| c == connection && s == subject);
        held.then(|| KnownBrowser { account: account.clone(), browser: known.browser })
    }

    fn known(&self, visit: &Visit) -> Option<Known> {
        let name = self.names().of(CookieKind::Known);
        let value = visit.jar.one(&name)?;
        cookies::open(&self.parts.ring.load(), (&name, visit.host.as_str()), value)
    }

    /// A return address that is good now; the start page in place of any other.
    pub(super) fn parse_return(&self, text: &str) -> ReturnTo {
        ReturnTo::parse(text, &self.place.login, &self.place.prefix, &|host| self.gate.knows(host))
            .unwrap_or_else(|_| ReturnTo::root())
    }
}

fn pending_key(ticket: &str) -> Option<OneTimeKey> {
    let ticket = URL_SAFE_NO_PAD.decode(ticket).ok()?;
    (ticket.len() == 32)
        .then(|| OneTimeKey { purpose: Purpose::Pending, hash: digest::sha256(&ticket) })
}

/// A SHA-256 in base64url, as a nonce's hash travels.
pub(super) fn hash_from_text(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
