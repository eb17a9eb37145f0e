//! What a browser is known by: the connection used last, the accounts that signed in with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{At, CookieKind, Engine, Visit, cookies};
use crate::{
    connection::{AccountKey, KnownBrowser},
    crypto,
    identity::{Authentication, ConnectionId, Subject},
    protocol::cookie::SetCookie,
};

/// How long a browser is remembered to have signed in to an account.
const KNOWN: Duration = Duration::from_secs(180 * 24 * 3600);
/// Accounts remembered per browser.
const MOST_KNOWN: usize = 5;

/// The accounts that signed in with this browser, sealed in a cookie of it. It only lowers
/// throttling: nobody is signed in by it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Known {
    #[serde(rename = "b")]
    browser: [u8; 16],
    #[serde(rename = "a")]
    accounts: Vec<(ConnectionId, Subject)>,
}

impl Engine {
    /// Notes in the browser which connection was used, so that the page can mark it.
    pub(super) fn remember_choice(
        &self,
        visit: &Visit,
        connection: &ConnectionId,
    ) -> Option<SetCookie> {
        let name = self.names().of(CookieKind::Last);
        let ring = self.parts.ring.load();
        let at = device_at(&name, visit);
        let value = cookies::seal(&ring, at, connection, self.parts.random.as_ref())?;
        self.names().set(&name, &value, KNOWN)
    }

    /// The connection used last with this browser.
    pub(super) fn last_choice(&self, visit: &Visit) -> Option<ConnectionId> {
        let name = self.names().of(CookieKind::Last);
        let value = visit.jar.one(&name)?;
        cookies::open(&self.parts.ring.load(), device_at(&name, visit), value)
    }

    /// Notes in the browser that this account signed in with it.
    pub(super) fn remember_browser(
        &self,
        visit: &Visit,
        proven: &Authentication,
    ) -> Option<SetCookie> {
        let account = (proven.connection.clone(), proven.subject.clone());
        self.remember_account(visit, account)
    }

    /// Notes in the browser that whoever has this account uses it.
    pub(super) fn remember_account(
        &self,
        visit: &Visit,
        account: (ConnectionId, Subject),
    ) -> Option<SetCookie> {
        let mut known = self.known(visit).unwrap_or_else(|| Known {
            browser: self.parts.random.bytes(),
            accounts: Vec::new(),
        });
        known.accounts.retain(|held| *held != account);
        known.accounts.insert(0, account);
        known.accounts.truncate(MOST_KNOWN);
        let name = self.names().of(CookieKind::Known);
        let at = device_at(&name, visit);
        let value = cookies::seal(
            &self.parts.ring.load(),
            at,
            &known,
            self.parts.random.as_ref(),
        )?;
        self.names().set(&name, &value, KNOWN)
    }

    /// The browser, if it knows this account.
    pub(super) fn known_browser(
        &self,
        visit: &Visit,
        account: &AccountKey,
    ) -> Option<KnownBrowser> {
        let known = self.known(visit)?;
        let AccountKey::Subject(connection, subject) = account else {
            return None;
        };
        let held = known
            .accounts
            .iter()
            .any(|(c, s)| c == connection && s == subject);
        held.then(|| KnownBrowser {
            account: account.clone(),
            browser: known.browser,
        })
    }

    /// Whether somebody of a connection signed in with this browser, whoever comes now.
    pub(super) fn knows_somebody_of(&self, visit: &Visit, connection: &ConnectionId) -> bool {
        let known = self.known(visit);
        known.is_some_and(|known| known.accounts.iter().any(|(held, _)| held == connection))
    }

    fn known(&self, visit: &Visit) -> Option<Known> {
        let name = self.names().of(CookieKind::Known);
        let value = visit.jar.one(&name)?;
        cookies::open(&self.parts.ring.load(), device_at(&name, visit), value)
    }
}

pub(super) fn device_at<'a>(name: &'a str, visit: &'a Visit) -> At<'a> {
    At {
        purpose: crypto::Purpose::Device,
        name,
        host: visit.host.as_str(),
    }
}
