//! Guessing costs a budget, and no budget is one that somebody else can spend for you.
//!
//! Before a password is hashed, the attempt is paid for: from the account's budget for browsers it
//! does not know, from the client address's, and from the one for all. A success gives its unit
//! back, so only failures count. A browser that once signed in to the account carries a sealed
//! cookie ([`KnownBrowser`]) and pays from a budget of its own instead of these three: whoever
//! exhausts them locks out strangers for some minutes, never the owner's own browser.
//!
//! The counters live in the store, are atomic, survive a restart and are fixed in number. What was
//! paid is an [`Allowance`]; its [`proof`](Allowance::proof) names the account it was paid for, and
//! a strategy does not hash without it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::LoginName;
use crate::{
    clock::{Clock, Timestamp},
    crypto::MacKey,
    identity::{ConnectionId, Subject},
    store::{Budget, Counter, Counts, OneTimeStore, Spend, StoreError},
};

/// The keeper of the budgets.
pub(crate) struct Throttle {
    store: Arc<dyn OneTimeStore>,
    clock: Arc<dyn Clock>,
    /// Maps keys to counters, so that nobody outside can aim at one.
    key: MacKey,
    budgets: Budgets,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}

/// How many failures each budget holds, within its window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budgets {
    pub(crate) account: u32,
    pub(crate) known_browser: u32,
    pub(crate) address: u32,
    pub(crate) all: u32,
    pub(crate) window: Duration,
    /// Sign-ups from one address, successful or not.
    pub(crate) sign_ups: u32,
    pub(crate) sign_up_window: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            account: 10,
            known_browser: 10,
            address: 50,
            all: 10_000,
            window: Duration::from_mins(15),
            sign_ups: 20,
            sign_up_window: Duration::from_hours(1),
        }
    }
}

/// Whose password is being guessed. An e-mail address and a username of one account are one key; a
/// name that belongs to nobody counts as itself, so that an answer does not tell which exist.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum AccountKey {
    Name(ConnectionId, LoginName),
    Subject(ConnectionId, Subject),
}

/// A browser that has signed in to an account before. Whoever opens the sealed cookie makes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KnownBrowser {
    pub(crate) account: AccountKey,
    pub(crate) browser: [u8; 16],
}

/// One try at a password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) account: &'a AccountKey,
    /// Where it comes from; `None` behind a Unix socket.
    pub(crate) address: Option<IpAddr>,
    pub(crate) browser: Option<&'a KnownBrowser>,
}

impl Throttle {
    /// Budgets kept in `store`; `key` is derived from the root secret and outlives a restart.
    pub(crate) fn new(
        store: Arc<dyn OneTimeStore>,
        clock: Arc<dyn Clock>,
        key: &[u8; 32],
        budgets: Budgets,
    ) -> Self {
        Self {
            store,
            clock,
            key: MacKey::new(key),
            budgets,
        }
    }

    /// Pays for one try at a password. When one budget is empty the others get their unit back.
    pub(crate) async fn login(&self, attempt: Attempt<'_>) -> Result<Allowance, Throttled> {
        let account = account_bytes(attempt.account);
        let budgets = &self.budgets;
        // A cookie for another account is no cookie.
        let browser = attempt
            .browser
            .filter(|known| known.account == *attempt.account);
        let prices = if let Some(known) = browser {
            let mut key = account;
            key.extend_from_slice(&known.browser);
            vec![(Counts::LoginKnownBrowser, key, budgets.known_browser)]
        } else {
            vec![
                (
                    Counts::LoginAddress,
                    address_bytes(attempt.address),
                    budgets.address,
                ),
                (Counts::LoginAccount, account, budgets.account),
                (Counts::LoginAll, Vec::new(), budgets.all),
            ]
        };
        let mut paid = Vec::with_capacity(prices.len());
        for (counts, key, limit) in prices {
            let counter = self.counter(counts, &key);
            let spend = Spend {
                counter,
                limit,
                window: budgets.window,
            };
            if let Budget::Exhausted { until } = self.store.count(&spend, self.clock.now()).await? {
                self.refund(&paid).await?;
                return Err(Throttled::Until(until));
            }
            paid.push(counter);
        }
        Ok(Allowance {
            allowed: Allowed(Of::Login(attempt.account.clone())),
            paid,
        })
    }

    /// Pays for one try at a sign-up. Nothing is given back: each success is a new user.
    pub(crate) async fn sign_up(&self, address: Option<IpAddr>) -> Result<Allowance, Throttled> {
        let spend = Spend {
            counter: self.counter(Counts::SignUpAddress, &address_bytes(address)),
            limit: self.budgets.sign_ups,
            window: self.budgets.sign_up_window,
        };
        match self.store.count(&spend, self.clock.now()).await? {
            Budget::Exhausted { until } => Err(Throttled::Until(until)),
            Budget::Spent { .. } => Ok(Allowance {
                allowed: Allowed(Of::SignUp),
                paid: Vec::new(),
            }),
        }
    }

    /// The try succeeded: gives back what it cost, and no more than that. Setting a counter to
    /// nothing instead would let anybody with an account of their own clear their address.
    pub(crate) async fn succeeded(&self, allowance: Allowance) -> Result<(), StoreError> {
        self.refund(&allowance.paid).await
    }

    async fn refund(&self, paid: &[Counter]) -> Result<(), StoreError> {
        for counter in paid {
            self.store.refund(counter).await?;
        }
        Ok(())
    }

    fn counter(&self, counts: Counts, key: &[u8]) -> Counter {
        let [high, low, ..] = self.key.sign(&[b"throttle", counts.name().as_bytes(), key]);
        Counter {
            counts,
            slot: u16::from_be_bytes([high, low]),
        }
    }
}

/// Neither a connection's name nor a subject nor a login name holds a NUL.
fn account_bytes(account: &AccountKey) -> Vec<u8> {
    match account {
        AccountKey::Name(connection, name) => format!("name\0{connection}\0{name}\0"),
        AccountKey::Subject(connection, subject) => format!("subject\0{connection}\0{subject}\0"),
    }
    .into_bytes()
}

/// An IPv6 subscriber holds a /64 (RFC 6177), so that is one client; so is an IPv4 address, mapped
/// or not.
fn address_bytes(address: Option<IpAddr>) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        None => b"local".to_vec(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            network.octets().to_vec()
        }
    }
}

/// One paid try. It is not `Clone`: what it cost is given back at most once.
#[derive(Debug)]
#[must_use = "a try that succeeds is given back"]
pub(crate) struct Allowance {
    allowed: Allowed,
    paid: Vec<Counter>,
}

impl Allowance {
    /// What a strategy wants to see before it hashes.
    pub(crate) fn proof(&self) -> Allowed {
        self.allowed.clone()
    }
}

/// The proof that a try was paid for.
#[derive(Clone, Debug)]
pub(crate) struct Allowed(Of);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Of {
    Login(AccountKey),
    Operator,
    SignUp,
}

impl Allowed {
    /// For the command line: the operator guesses nothing.
    pub(crate) fn operator() -> Self {
        Self(Of::Operator)
    }

    /// Whether it was paid for a try at this account.
    pub(in crate::connection) fn covers(&self, account: &AccountKey) -> bool {
        self.0 == Of::Login(account.clone())
    }

    /// Whether it was paid for a sign-up.
    pub(in crate::connection) fn covers_sign_up(&self) -> bool {
        self.0 == Of::SignUp
    }

    /// Whether the operator asks.
    pub(in crate::connection) fn is_operator(&self) -> bool {
        self.0 == Of::Operator
    }
}

/// Why a try may not be made now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Throttled {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("too many failed tries; again after {0}")]
    Until(Timestamp),
}
