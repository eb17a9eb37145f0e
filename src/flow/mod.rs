//! Logins: the single place that decides what comes next.
//!
//! | request | what happens | where next |
//! |---|---|---|
//! | GET login | the return address is parsed; who is signed in already goes on | the page, a connection, or back |
//! | POST login | the domain of what was typed says which connection | it begins, or the password form |
//! | GET, POST login/{connection} | the connection begins, or takes its form | [`Engine::advance`] |
//! | GET, POST callback/{connection}, saml/{connection}/acs | the provider's answer | [`Engine::advance`] |
//! | GET, POST signup/{connection} | an account is made | [`Engine::admit`] |
//! | GET, POST forgot/{connection}, reset | a mail leads to a new password | the login |
//! | GET, POST email | mails confirm another address | themselves |
//! | GET, POST verify | a mail confirms an address | the login that waited |
//! | GET, POST code | the link of a message by which somebody signs in | [`Engine::advance`] |
//! | GET, POST factor | the second factor is proven, or set up | [`Engine::let_in`] |
//! | GET handover | another host's token | back |
//! | GET, POST account, logout, owner | the session's own pages | themselves, or a login that links |
//!
//! A strategy returns a [`Step`](crate::connection::Step); [`Engine::advance`] carries it out. When
//! it is done, [`Engine::admit`] turns the proof into a user, [`Engine::enter`] asks for the second
//! factor if there is to be one, [`Engine::let_in`] makes the session, and
//! [`Engine::go_on`] sends the person where they wanted to go. What happens once is a row in the
//! store; everything else is in the browser's sealed cookies, so that nobody fills our memory by
//! asking for login pages.

mod account;
mod account_mail;
mod answering;
mod callback;
mod cookies;
mod delete_account;
mod device;
mod discovery;
mod email_change;
mod enrol;
mod factor;
mod factor_email;
mod factors;
mod failures;
mod fields;
mod finish;
mod forgot;
mod fresh;
mod handover;
mod link;
mod login;
mod login_flow;
mod login_page;
mod mailing;
mod notices;
mod onward;
mod owner;
mod passkey;
mod passkey_account;
mod passkey_factor;
mod passkey_sign_up;
mod password;
mod password_rules;
mod passwordless;
mod pending;
mod profile;
mod sign_in_link;
mod sign_in_message;
mod sign_out;
mod sign_up;
mod submit;
mod trial;
mod unasked;
mod unblock;
mod username;
mod verify;

use std::{net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use http::StatusCode;
use url::Url;

pub(crate) use self::{
    answering::Answering,
    callback::{Answer, CONFIRMED, REPOSTED},
    cookies::*,
    discovery::Offers,
    fields::Fields,
    login::{LOGIN_QUERY, LoginAsk},
    login_flow::*,
    owner::new_owner_token,
    trial::*,
};
use crate::{
    clock::{Clock, Timestamp},
    connection::{
        Allowed, Connections, MailedProofs, Peer, Seen, SignInProofs, Throttle,
        passkey::{Desk, Records},
    },
    crypto::KeyRing,
    gate::Gate,
    mail::{Outbox, Post},
    protocol::{ChannelBinding, ClientCertificate, Host, Origin, PathPrefix, cookie::SetCookie},
    random::Random,
    session::{Session, Sessions, Token},
    sms,
    store::OneTimeStore,
    text::{Locale, Page, Pages, page::Href},
    user::{self, Directory, Factors},
};

/// Everything a login needs, for one generation of the configuration.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) parts: Arc<Parts>,
    pub(crate) connections: Arc<Connections>,
    pub(crate) gate: Arc<Gate>,
    /// How mail leaves, if it does.
    pub(crate) mail: Option<Arc<Post>>,
    /// What is said in it.
    pub(crate) text: Arc<Pages>,
    pub(crate) offers: Offers,
    /// Who asks for passkeys as second factors; `None` where browsers offer none.
    pub(crate) desk: Option<Desk>,
    pub(crate) base: Base,
}

/// What outlives a reload.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) factors: Arc<Factors>,
    pub(crate) passkeys: Arc<Records>,
    pub(crate) once: Arc<dyn OneTimeStore>,
    /// Where the owner's link is: with the users, who are made with it.
    pub(crate) owner_links: Arc<dyn OneTimeStore>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) texts: Arc<sms::Outbox>,
    pub(crate) mailed: MailedProofs,
    pub(crate) sign_in: SignInProofs,
    pub(crate) ring: Arc<ArcSwap<KeyRing>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) answering: Answering,
    /// Trial mode: nobody signs up before the owner.
    pub(crate) trial: bool,
}

/// Where logins happen.
#[derive(Debug)]
pub(crate) struct Base {
    /// The login host.
    pub(crate) login: Origin,
    /// The reserved prefix, like `/.auth`.
    pub(crate) prefix: PathPrefix,
    pub(crate) names: CookieNames,
}

/// One request to one of our pages.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) request_id: String,
    pub(crate) host: Host,
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: String,
    pub(crate) jar: Jar,
    pub(crate) session: Option<(Arc<Session>, Token)>,
    /// What the browser brought to `Negotiate` (RFC 4559 section 4.2).
    pub(crate) ticket: Option<Vec<u8>>,
    /// The client certificate that was shown; nobody has said that it is good.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    /// Of the visitor's TLS connection, where it ended here.
    pub(crate) channel_binding: Option<ChannelBinding>,
    /// Whether this is a form.
    pub(crate) posted: bool,
    /// The language that it is answered in.
    pub(crate) locale: Locale,
    pub(crate) now: Timestamp,
}

/// What the browser gets.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) next: Next,
    pub(crate) cookies: Vec<SetCookie>,
    /// When to come back.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the browser is asked for a ticket: the status is 401.
    pub(crate) negotiate: bool,
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
        Self {
            next: Next::Page(status, Box::new(page)),
            cookies: Vec::new(),
            retry_after: None,
            negotiate: false,
        }
    }

    /// Somewhere else.
    pub(crate) fn see_other(to: impl Into<String>) -> Self {
        Self {
            next: Next::SeeOther(to.into()),
            cookies: Vec::new(),
            retry_after: None,
            negotiate: false,
        }
    }

    /// Asks the browser for a ticket, too.
    pub(crate) fn negotiate(self) -> Self {
        Self {
            negotiate: true,
            ..self.status(StatusCode::UNAUTHORIZED)
        }
    }

    /// With another status.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        if let Next::Page(was, _) = &mut self.next {
            *was = status;
        }
        self
    }

    /// Where it leads without a page that asks for something.
    fn leads_to(&self) -> Option<Href> {
        match &self.next {
            Next::SeeOther(to) => Href::path(to).or_else(|| Href::url(&Url::parse(to).ok()?)),
            Next::Page(_, page) => match page.as_ref() {
                Page::Onward(onward) => Some(onward.to.clone()),
                _ => None,
            },
        }
    }

    /// With the time to come back.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
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
        Peer {
            address: self.address,
            now: self.now,
            certificate: self.certificate.clone(),
            channel_binding: self.channel_binding.clone(),
            allowed: None,
            seen: Seen::default(),
        }
    }

    /// The same, where the operator may see what the provider says in this flow.
    pub(crate) fn peer_in(&self, flow: &LoginFlow) -> Peer {
        Peer {
            seen: flow.seen.clone(),
            ..self.peer()
        }
    }

    /// Where this request came from, for the audit trail.
    pub(crate) fn origin(&self) -> user::Origin {
        user::Origin {
            address: self.address,
            request_id: Some(self.request_id.clone()),
        }
    }

    /// The same, with the proof that a try was paid for.
    pub(crate) fn peer_allowed(&self, allowed: Allowed) -> Peer {
        Peer {
            allowed: Some(allowed),
            ..self.peer()
        }
    }
}

impl Engine {
    /// The names of our cookies.
    pub(crate) fn names(&self) -> &CookieNames {
        &self.base.names
    }

    /// The path of a page of ours.
    pub(crate) fn path(&self, page: &str) -> String {
        format!("{}/{page}", self.base.prefix.as_str())
    }

    /// Whether this is the login host.
    pub(crate) fn is_login_host(&self, host: &Host) -> bool {
        *host == self.base.login.host
    }
}
