//! Logins: the single place that decides what comes next.
//!
//! | request | what happens | where next |
//! |---|---|---|
//! | GET login | the return address is parsed; who is signed in already goes on | the page, or back |
//! | GET, POST login/{connection} | the connection begins, or takes its form | [`Engine::advance`] |
//! | GET, POST callback/{connection} | the provider's answer | [`Engine::advance`] |
//! | GET, POST signup/{connection} | an account is made | [`Engine::admit`] |
//! | GET handover | another host's token | back |
//! | GET, POST account, logout, owner | the session's own pages | themselves |
//!
//! A strategy returns a [`Step`](crate::connection::Step); [`Engine::advance`] carries it out. When
//! it is done, [`Engine::admit`] turns the proof into a user and a session, and
//! [`Engine::go_on`] sends the person where they wanted to go. What happens once is a row in the
//! store; everything else is in the browser's sealed cookies, so that nobody fills our memory by
//! asking for login pages.

mod account;
mod cookies;
mod finish;
mod login;
mod login_flow;
mod owner;
mod sign_out;
mod sign_up;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use http::StatusCode;

pub(crate) use self::{cookies::*, login_flow::*, owner::*};
use crate::{
    clock::{Clock, Timestamp},
    connection::{Connection, ConnectionSettings, Connections, Peer},
    crypto::ring::KeyRing,
    gate::Gate,
    identity::ConnectionId,
    protocol::{
        cookie::SetCookie,
        host::{Host, Origin},
    },
    random::Random,
    session::{Session, Sessions, Token},
    store::OneTimeStore,
    text::Page,
    user::{Directory, Throttle},
};

/// Everything a login needs, for one generation of the configuration.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) parts: Arc<Parts>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) place: Place,
}

/// What outlives a reload.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) once: Arc<dyn OneTimeStore>,
    pub(crate) ring: Arc<ArcSwap<KeyRing>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    /// Trial mode: nobody signs up before the owner.
    pub(crate) trial: bool,
}

/// Where logins happen.
#[derive(Debug)]
pub(crate) struct Place {
    /// The login host.
    pub(crate) login: Origin,
    /// The reserved prefix, like `/.auth`.
    pub(crate) prefix: String,
    pub(crate) names: CookieNames,
}

/// One request to one of our pages.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) request_id: String,
    pub(crate) host: Host,
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: String,
    pub(crate) jar: Jar,
    pub(crate) session: Option<(Arc<Session>, Token)>,
    pub(crate) now: Timestamp,
}

/// What the browser gets.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) next: Next,
    pub(crate) cookies: Vec<SetCookie>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Next {
    Page(StatusCode, Box<Page>),
    /// 303: the next request is a GET, and carries no credential.
    SeeOther(String),
}

impl Turn {
    /// A page.
    pub(crate) fn page(status: StatusCode, page: Page) -> Self {
        Self { next: Next::Page(status, Box::new(page)), cookies: Vec::new() }
    }

    /// Somewhere else.
    pub(crate) fn see_other(to: impl Into<String>) -> Self {
        Self { next: Next::SeeOther(to.into()), cookies: Vec::new() }
    }

    /// With cookies.
    pub(crate) fn with(mut self, cookies: impl IntoIterator<Item = SetCookie>) -> Self {
        self.cookies.extend(cookies);
        self
    }
}

impl Visit {
    /// The signed-in person, if any.
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref().map(|(session, _)| session)
    }

    /// What a strategy may know of this request.
    pub(crate) fn peer(&self) -> Peer {
        Peer { address: self.address, now: self.now }
    }
}

impl Engine {
    /// The names of our cookies.
    pub(crate) fn names(&self) -> &CookieNames {
        &self.place.names
    }

    /// The path of a page of ours.
    pub(crate) fn path(&self, page: &str) -> String {
        format!("{}/{page}", self.place.prefix)
    }

    /// Whether this request is at the login host.
    pub(crate) fn at_login_host(&self, visit: &Visit) -> bool {
        visit.host == *self.place.login.host()
    }

    /// An enabled connection with its settings.
    pub(crate) fn connection(
        &self,
        id: &ConnectionId,
    ) -> Option<(&Arc<dyn Connection>, &ConnectionSettings)> {
        self.connections.enabled(id)
    }
}
