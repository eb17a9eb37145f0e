//! Guessing costs a budget, and no budget is one that somebody else can spend for you.
//!
//! Before a password is hashed, the attempt is paid for: from the budgets of the client's address,
//! of the network around it, and of that network for the account. A success gives its unit back, so
//! only failures count. Two more budgets are shared by everybody, the account's and the one for
//! all. Their end refuses nobody, for anybody can bring it about: it leaves each network a few
//! tries, so that the owner gets in from a new device while others guess. A browser that once
//! signed in to the account carries a sealed cookie ([`KnownBrowser`]) and pays from a budget of
//! its own instead of all these.
//!
//! The counters live in the store, are atomic, survive a restart and are fixed in number. What was
//! paid is an [`Allowance`]; its [`proof`](Allowance::proof) names the account it was paid for, and
//! a strategy does not hash without it.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

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
    /// One account, from one network and from all together.
    pub(crate) account: u32,
    pub(crate) known_browser: u32,
    pub(crate) address: u32,
    pub(crate) network: u32,
    pub(crate) all: u32,
    /// What is left to a network when a shared budget is empty.
    pub(crate) scarce: u32,
    pub(crate) window: Duration,
    /// Sign-ups from one address, successful or not.
    pub(crate) sign_ups: u32,
    /// The same from one network.
    pub(crate) sign_ups_network: u32,
    /// Sign-ups in all that made a user.
    pub(crate) sign_ups_all: u32,
    pub(crate) sign_up_window: Duration,
    /// Logins begun from one address by a call to the provider: a whole office may be behind one.
    pub(crate) begun: u32,
    /// The same from one network.
    pub(crate) begun_network: u32,
    pub(crate) begun_window: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            account: 10,
            known_browser: 10,
            address: 50,
            network: 200,
            all: 10_000,
            scarce: 3,
            window: Duration::from_mins(15),
            sign_ups: 20,
            sign_ups_network: 100,
            sign_ups_all: 1000,
            sign_up_window: Duration::from_hours(1),
            begun: 300,
            begun_network: 1000,
            begun_window: Duration::from_mins(1),
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

/// What is counted, for whom, and how much there is of it.
type Price = (Counts, Vec<u8>, u32);

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

    /// Whether anything is left to an address that a try at a password could be paid from, whatever
    /// the account. Nothing is spent: it is asked before somebody else is asked whose name it is.
    /// A [`KnownBrowser`] does not pay from here.
    pub(crate) async fn is_left_to(&self, address: Option<IpAddr>) -> Result<(), Throttled> {
        let (budgets, window) = (&self.budgets, self.budgets.window);
        let all = (Counts::LoginAll, Vec::new(), budgets.all);
        let exhausted = async |price| {
            let spend = self.spend_of(price, window);
            self.store.exhausted(&spend, self.clock.now()).await
        };
        let scarce = exhausted(all).await?.is_some();
        for price in self.prices_of_address(address, scarce) {
            if let Some(until) = exhausted(price).await? {
                return Err(Throttled::Until(until));
            }
        }
        Ok(())
    }

    /// What a try costs its address and the network around it.
    fn prices_of_address(&self, address: Option<IpAddr>, scarce: bool) -> [Price; 2] {
        let budgets = &self.budgets;
        let most = if scarce { budgets.scarce } else { u32::MAX };
        let (of_address, of_network) = (address_bytes(address), network_bytes(address));
        [
            (Counts::LoginAddress, of_address, budgets.address.min(most)),
            (Counts::LoginNetwork, of_network, budgets.network.min(most)),
        ]
    }

    /// Pays for one try at a password. When one budget is empty the others get their unit back.
    pub(crate) async fn login(&self, attempt: Attempt<'_>) -> Result<Allowance, Throttled> {
        let account = account_bytes(attempt.account);
        let (budgets, window) = (&self.budgets, self.budgets.window);
        // A cookie for another account is no cookie.
        let browser = attempt
            .browser
            .filter(|known| known.account == *attempt.account);
        let mut paid = Vec::new();
        let prices = if let Some(known) = browser {
            let key = [account, known.browser.to_vec()].concat();
            vec![(Counts::LoginKnownBrowser, key, budgets.known_browser)]
        } else {
            let all = (Counts::LoginAll, Vec::new(), budgets.all);
            let of_all = self.spend(all, window, &mut paid).await?;
            let shared = (Counts::LoginAccount, account.clone(), budgets.account);
            let at_account = match self.spend(shared, window, &mut paid).await? {
                Budget::Exhausted { .. } => budgets.scarce.min(budgets.account),
                Budget::Spent { .. } => budgets.account,
            };
            let of_network = [account, network_bytes(attempt.address)].concat();
            let scarce = matches!(of_all, Budget::Exhausted { .. });
            let mut prices = self.prices_of_address(attempt.address, scarce).to_vec();
            prices.push((Counts::LoginAccountNetwork, of_network, at_account));
            prices
        };
        self.pay(prices, window, &mut paid).await?;
        Ok(Allowance {
            allowed: Allowed(Of::Login(attempt.account.clone())),
            paid,
        })
    }

    /// Pays for one try at a sign-up. What the address and the network pay is not given back: a
    /// success is a new user, and a refusal may tell that somebody has one.
    pub(crate) async fn sign_up(&self, address: Option<IpAddr>) -> Result<Allowance, Throttled> {
        let budgets = &self.budgets;
        let prices = vec![
            (
                Counts::SignUpAddress,
                address_bytes(address),
                budgets.sign_ups,
            ),
            (
                Counts::SignUpNetwork,
                network_bytes(address),
                budgets.sign_ups_network,
            ),
            (Counts::SignUpAll, Vec::new(), budgets.sign_ups_all),
        ];
        let mut paid = Vec::new();
        self.pay(prices, budgets.sign_up_window, &mut paid).await?;
        paid.retain(|counter| counter.counts == Counts::SignUpAll);
        Ok(Allowance {
            allowed: Allowed(Of::SignUp),
            paid,
        })
    }

    /// Pays for a login that begins with a call to its provider, which anybody may cause. Nothing
    /// is given back.
    pub(crate) async fn begin(&self, address: Option<IpAddr>) -> Result<(), Throttled> {
        let budgets = &self.budgets;
        let (of_address, of_network) = (address_bytes(address), network_bytes(address));
        let prices = vec![
            (Counts::BegunAddress, of_address, budgets.begun),
            (Counts::BegunNetwork, of_network, budgets.begun_network),
        ];
        self.pay(prices, budgets.begun_window, &mut Vec::new())
            .await
    }

    /// Pays all these prices, or none of them and nothing of what was `paid` before.
    async fn pay(
        &self,
        prices: Vec<Price>,
        window: Duration,
        paid: &mut Vec<Counter>,
    ) -> Result<(), Throttled> {
        for price in prices {
            if let Budget::Exhausted { until } = self.spend(price, window, paid).await? {
                self.refund(paid).await?;
                return Err(Throttled::Until(until));
            }
        }
        Ok(())
    }

    async fn spend(
        &self,
        price: Price,
        window: Duration,
        paid: &mut Vec<Counter>,
    ) -> Result<Budget, StoreError> {
        let spend = self.spend_of(price, window);
        let budget = self.store.count(&spend, self.clock.now()).await?;
        if let Budget::Spent { .. } = budget {
            paid.push(spend.counter);
        }
        Ok(budget)
    }

    fn spend_of(&self, (counts, key, limit): Price, window: Duration) -> Spend {
        Spend {
            counter: self.counter(counts, &key),
            limit,
            window,
        }
    }

    /// The sign-up made no user: the budget for all has its unit back.
    pub(crate) async fn made_nobody(&self, allowance: Allowance) {
        if let Err(error) = self.refund(&allowance.paid).await {
            // Then it counts like one that did; the answer is the same.
            tracing::warn!(%error, "a sign-up that made nobody was counted");
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
    prefix_bytes(address, 32, 64)
}

/// The network around an address: what is announced as one in the Internet at least, and so what
/// one party is sure to hold when it holds many addresses.
fn network_bytes(address: Option<IpAddr>) -> Vec<u8> {
    prefix_bytes(address, 24, 48)
}

fn prefix_bytes(address: Option<IpAddr>, v4: u32, v6: u32) -> Vec<u8> {
    match address.map(|address| address.to_canonical()) {
        None => b"local".to_vec(),
        Some(IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - v4).unwrap_or(0);
            (address.to_bits() & mask).to_be_bytes().to_vec()
        }
        Some(IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - v6).unwrap_or(0);
            (address.to_bits() & mask).to_be_bytes().to_vec()
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
