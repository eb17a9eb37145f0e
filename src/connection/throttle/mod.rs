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
//! The operator sets the [`Budgets`]. Those of an address and its network are not counted for
//! networks that are allowed; and nobody is refused where the [`Mode`] is to watch only.
//!
//! The counters live in the store, are atomic, survive a restart and are fixed in number. What was
//! paid is an [`Allowance`]; its [`proof`](Allowance::proof) names the account it was paid for, and
//! a strategy does not hash without it.

mod budgets;
mod codes;
mod factors;
mod mail;
mod texts;

use std::{fmt, net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;

pub(crate) use self::budgets::{Budgets, Config, Counters};
use self::budgets::{Mode, Rate};
pub(crate) use self::texts::TextCap;
use super::LoginName;
use crate::{
    clock::{Clock, Timestamp},
    crypto::MacKey,
    identity::{ConnectionId, Subject},
    metrics,
    store::{Budget, Counter, Counts, OneTimeStore, Spend, StoreError},
};

/// The keeper of the budgets.
pub(crate) struct Throttle {
    store: Arc<dyn OneTimeStore>,
    clock: Arc<dyn Clock>,
    /// Maps keys to counters, so that nobody outside can aim at one.
    key: MacKey,
    budgets: ArcSwap<Budgets>,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
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
type Price = (Counts, Vec<u8>, Rate);

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
            budgets: ArcSwap::from_pointee(budgets),
        }
    }

    /// The settings changed. What was counted stays.
    pub(crate) fn use_budgets(&self, budgets: Budgets) {
        self.budgets.store(Arc::new(budgets));
    }

    /// Whether anything is left to an address that a try at a password could be paid from, whatever
    /// the account. Nothing is spent: it is asked before somebody else is asked whose name it is.
    /// A [`KnownBrowser`] does not pay from here.
    pub(crate) async fn is_left_to(&self, address: Option<IpAddr>) -> Result<(), Throttled> {
        let budgets = self.budgets.load_full();
        let scarce = self.is_exhausted(for_all(&budgets)).await?;
        let prices = prices_of_address(&budgets, address, scarce);
        self.look(&budgets, &self.spends(prices)).await
    }

    /// Pays for one try at a password. When one budget is empty the others get their unit back.
    pub(crate) async fn login(&self, attempt: Attempt<'_>) -> Result<Allowance, Throttled> {
        let account = account_bytes(attempt.account);
        let budgets = self.budgets.load_full();
        let login = &budgets.login;
        // A cookie for another account is no cookie.
        let browser = attempt
            .browser
            .filter(|known| known.account == *attempt.account);
        let mut paid = Vec::new();
        let prices = if let Some(known) = browser {
            let key = [account, known.browser.to_vec()].concat();
            vec![(Counts::LoginKnownBrowser, key, login.known_browser)]
        } else {
            let shared = || (Counts::LoginAccount, account.clone(), login.account);
            let of_network = [account.as_slice(), &network_bytes(attempt.address)].concat();
            // What the network pays, when the shared budgets are at their end and when not.
            let prices = |scarce, at_account: bool| {
                let most = if at_account { budgets.scarce } else { u32::MAX };
                let at_account = login.account.at_most(most);
                let mut prices = prices_of_address(&budgets, attempt.address, scarce);
                prices.push((Counts::LoginAccountNetwork, of_network.clone(), at_account));
                prices
            };
            if budgets.mode == Mode::Enforce {
                let scarce = self.is_exhausted(for_all(&budgets)).await?;
                let at_account = self.is_exhausted(shared()).await?;
                let spends = self.spends(prices(scarce, at_account));
                self.look(&budgets, &spends).await?;
            }
            let of_all = self.spend(for_all(&budgets), &mut paid).await?;
            let scarce = matches!(of_all, Budget::Exhausted { .. });
            let of_account = self.spend(shared(), &mut paid).await?;
            let at_account = matches!(of_account, Budget::Exhausted { .. });
            prices(scarce, at_account)
        };
        self.pay(&budgets, prices, &mut paid).await?;
        Ok(Allowance {
            allowed: Allowed(Of::Login(attempt.account.clone())),
            paid,
        })
    }

    /// Pays for one try at a sign-up. What the address and the network pay is not given back: a
    /// success is a new user, and a refusal may tell that somebody has one.
    pub(crate) async fn sign_up(&self, address: Option<IpAddr>) -> Result<Allowance, Throttled> {
        let budgets = self.budgets.load_full();
        let rates = &budgets.sign_up;
        let of_address = (Counts::SignUpAddress, rates.address);
        let of_network = (Counts::SignUpNetwork, rates.network);
        let mut prices = prices_around(&budgets, address, of_address, of_network);
        prices.push((Counts::SignUpAll, Vec::new(), rates.all));
        let mut paid = Vec::new();
        self.pay(&budgets, prices, &mut paid).await?;
        paid.retain(|counter| counter.counts == Counts::SignUpAll);
        Ok(Allowance {
            allowed: Allowed(Of::SignUp),
            paid,
        })
    }

    /// Pays for a login that begins with a call to its provider, which anybody may cause. Nothing
    /// is given back.
    pub(crate) async fn begin(&self, address: Option<IpAddr>) -> Result<(), Throttled> {
        let budgets = self.budgets.load_full();
        let of_address = (Counts::BegunAddress, budgets.begun);
        let of_network = (Counts::BegunNetwork, budgets.begun_network);
        let prices = prices_around(&budgets, address, of_address, of_network);
        self.pay(&budgets, prices, &mut Vec::new()).await
    }

    /// Pays all these prices, or none of them and nothing of what was `paid` before. Where nobody is
    /// refused, whatever can be paid is.
    async fn pay(
        &self,
        budgets: &Budgets,
        prices: Vec<Price>,
        paid: &mut Vec<Counter>,
    ) -> Result<(), Throttled> {
        let spends = self.spends(prices);
        if budgets.mode == Mode::Enforce
            && let Err(refused) = self.look(budgets, &spends).await
        {
            self.refund(paid).await?;
            return Err(refused);
        }
        for spend in spends {
            let counts = spend.counter.counts;
            if let Budget::Exhausted { until } = self.count(spend, paid).await? {
                note_exhausted(budgets, counts);
                if budgets.mode == Mode::Enforce {
                    self.refund(paid).await?;
                    return Err(Throttled::Until(until));
                }
            }
        }
        Ok(())
    }

    /// Refuses what one of these budgets has nothing left for. Nothing is spent: a flood of tries
    /// that are refused reads, and writes nothing.
    async fn look(&self, budgets: &Budgets, spends: &[Spend]) -> Result<(), Throttled> {
        for spend in spends {
            let exhausted = self.store.exhausted(spend, self.clock.now());
            if let Some(until) = exhausted.await? {
                note_exhausted(budgets, spend.counter.counts);
                if budgets.mode == Mode::Enforce {
                    return Err(Throttled::Until(until));
                }
            }
        }
        Ok(())
    }

    async fn is_exhausted(&self, price: Price) -> Result<bool, StoreError> {
        let (spend, now) = (self.spend_of(price), self.clock.now());
        Ok(self.store.exhausted(&spend, now).await?.is_some())
    }

    async fn spend(&self, price: Price, paid: &mut Vec<Counter>) -> Result<Budget, StoreError> {
        self.count(self.spend_of(price), paid).await
    }

    async fn count(&self, spend: Spend, paid: &mut Vec<Counter>) -> Result<Budget, StoreError> {
        let budget = self.store.count(&spend, self.clock.now()).await?;
        if let Budget::Spent { .. } = budget {
            paid.push(spend.counter);
        }
        Ok(budget)
    }

    fn spends(&self, prices: Vec<Price>) -> Vec<Spend> {
        prices
            .into_iter()
            .map(|price| self.spend_of(price))
            .collect()
    }

    fn spend_of(&self, (counts, key, rate): Price) -> Spend {
        Spend {
            counter: self.counter(counts, &key),
            limit: rate.limit,
            window: rate.window,
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

/// What a try costs the budget for all.
fn for_all(budgets: &Budgets) -> Price {
    (Counts::LoginAll, Vec::new(), budgets.login.all)
}

/// What a try costs its address and the network around it.
fn prices_of_address(budgets: &Budgets, address: Option<IpAddr>, scarce: bool) -> Vec<Price> {
    let most = if scarce { budgets.scarce } else { u32::MAX };
    let of_address = (Counts::LoginAddress, budgets.login.address.at_most(most));
    let of_network = (Counts::LoginNetwork, budgets.login.network.at_most(most));
    prices_around(budgets, address, of_address, of_network)
}

/// What an address and the network around it pay; nothing where they are allowed.
fn prices_around(
    budgets: &Budgets,
    address: Option<IpAddr>,
    (of_address, at_address): (Counts, Rate),
    (of_network, at_network): (Counts, Rate),
) -> Vec<Price> {
    if !budgets.count_address(address) {
        return Vec::new();
    }
    vec![
        (of_address, address_bytes(address), at_address),
        (of_network, network_bytes(address), at_network),
    ]
}

/// One more that a budget has nothing left for.
fn note_exhausted(budgets: &Budgets, counts: Counts) {
    metrics::THROTTLED
        .with_label_values(&[counts.name(), budgets.mode.did()])
        .inc();
    if budgets.mode == Mode::Monitor {
        tracing::warn!(
            budget = counts.name(),
            "this would be refused, if protection.mode were enforce"
        );
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
    Code,
    Factor,
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
