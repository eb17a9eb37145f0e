//! What text messages cost, which are paid for by whoever runs this place.
//!
//! Who has messages sent to numbers that earn from each of them ("pumping", "toll fraud") has many
//! numbers, many addresses and patience. So every message is paid for from a budget of the connection,
//! of the country and of the block of numbers besides that of the number itself, in every
//! [`Mode`](super::Mode); nothing is given back. What belongs to a browser that knows the number is
//! paid from these too, for a fraud signs in with each of their numbers once. The last part of
//! the day's budget is left to such browsers, so that others cannot keep everybody out.

use std::net::IpAddr;

use super::{
    AccountKey, KnownBrowser, Throttle, Throttled, budgets::Rate, codes::known_key, prices_around,
};
use crate::{connection::throttle::account_bytes, protocol::PhoneNumber, store::Counts};

/// Messages to a number, whoever asks.
const NUMBER: Rate = Rate::minutes(5, 60);
const NUMBER_DAY: Rate = Rate::minutes(10, DAY);
/// Messages to a number that a browser it knows asks for.
const KNOWN_BROWSER: Rate = Rate::minutes(5, 60);
/// Messages that are asked for from one address of the network, and from the network around it: a
/// whole cell of a mobile network may be behind one.
const ADDRESS: Rate = Rate::minutes(10, 60);
const NETWORK: Rate = Rate::minutes(50, 60);
const DAY: u64 = 24 * 60;
/// What a block of numbers has in an hour at least.
const LEAST_BLOCK: u32 = 10;

/// How many text messages a connection sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextCap {
    /// In a day, at most.
    pub(crate) most_per_day: u32,
    /// Whether there is one country alone.
    pub(crate) one_country: bool,
}

impl TextCap {
    /// In a day, to whoever is not known to the browser.
    fn strangers(self) -> u32 {
        part(self.most_per_day, 4, 5)
    }

    /// In a day, to the numbers of one country, where all have so many.
    fn country(self, all: u32) -> u32 {
        if self.one_country {
            all
        } else {
            part(all, 3, 5)
        }
    }

    /// In an hour, to the numbers of one block.
    fn block(self) -> u32 {
        (self.most_per_day / 50).max(LEAST_BLOCK)
    }
}

/// So many parts of so many, and one at least.
fn part(of: u32, parts: u32, all: u32) -> u32 {
    let part = u64::from(of) * u64::from(parts) / u64::from(all.max(1));
    u32::try_from(part).unwrap_or(of).max(1)
}

impl Throttle {
    /// Pays for a text message by which somebody is to sign in, whether or not they may. Nothing is
    /// given back.
    pub(crate) async fn sign_in_text(
        &self,
        (account, number): (&AccountKey, &PhoneNumber),
        (address, browser): (Option<IpAddr>, Option<&KnownBrowser>),
        cap: TextCap,
    ) -> Result<(), Throttled> {
        let (AccountKey::Name(connection, _) | AccountKey::Subject(connection, _)) = account;
        let of_connection = |what: &str| format!("{connection}\0{what}").into_bytes();
        let day = |limit| Rate::minutes(limit, DAY);
        let budgets = self.enforcing();
        let known = browser.filter(|known| known.account == *account);
        let mut prices = if let Some(known) = known {
            vec![(Counts::TextKnownBrowser, known_key(known), KNOWN_BROWSER)]
        } else {
            let of_address = (Counts::TextAddress, ADDRESS);
            let of_network = (Counts::TextNetwork, NETWORK);
            let mut prices = prices_around(&budgets, address, of_address, of_network);
            let key = account_bytes(account);
            prices.push((Counts::TextNumber, key.clone(), NUMBER));
            prices.push((Counts::TextNumberDay, key, NUMBER_DAY));
            prices
        };
        let country = of_connection(number.country().as_str());
        let block = of_connection(number.block());
        let most = if known.is_some() {
            cap.most_per_day
        } else {
            cap.strangers()
        };
        prices.push((Counts::TextBlock, block, Rate::minutes(cap.block(), 60)));
        prices.push((Counts::TextCountry, country, day(cap.country(most))));
        prices.push((Counts::TextAll, of_connection(""), day(most)));
        self.pay(&budgets, prices, &mut Vec::new()).await
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        clock::{ManualClock, Timestamp},
        connection::Budgets,
        store::memory::Memory,
    };

    const CAP: TextCap = TextCap {
        most_per_day: 1000,
        one_country: false,
    };

    fn throttle() -> (Throttle, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let store = Arc::new(Memory::new(clock.clone(), 0));
        let config = toml::from_str("mode = 'monitor'").unwrap();
        let budgets = Budgets::open(&config).unwrap();
        let throttle = Throttle::new(store, clock.clone(), &[7; 32], budgets);
        (throttle, clock)
    }

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text, None).unwrap()
    }

    fn account(number: &PhoneNumber) -> AccountKey {
        let subject = number.as_str().parse().unwrap();
        AccountKey::Subject("phone".parse().unwrap(), subject)
    }

    fn from(network: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + (network << 8)).into())
    }

    /// Whether one message can be had.
    async fn asks(throttle: &Throttle, to: &str, network: u32) -> bool {
        let to = number(to);
        let account = account(&to);
        let paid = throttle.sign_in_text((&account, &to), (Some(from(network)), None), CAP);
        paid.await.is_ok()
    }

    /// The same by a browser that knows the number.
    async fn known_asks(throttle: &Throttle, to: &str) -> bool {
        let to = number(to);
        let account = account(&to);
        let known = KnownBrowser {
            account: account.clone(),
            browser: [3; 16],
        };
        let paid = throttle.sign_in_text((&account, &to), (Some(from(1)), Some(&known)), CAP);
        paid.await.is_ok()
    }

    #[tokio::test]
    async fn a_number_has_a_few_whoever_asks() {
        let (throttle, clock) = throttle();
        let mut had = Vec::new();
        for _ in 0..3 {
            let mut made = 0;
            for network in 0..50 {
                made += u32::from(asks(&throttle, "+447400123456", network).await);
            }
            had.push(made);
            clock.advance(Duration::from_hours(1));
        }
        assert_eq!(had, [5, 5, 0], "ten in a day");
        // Who was here before is not kept out by that.
        assert!(known_asks(&throttle, "+447400123456").await);
    }

    #[tokio::test]
    async fn a_block_of_numbers_has_a_few_known_browsers_or_not() {
        let (throttle, _) = throttle();
        let mut made = 0;
        for last in 0..100 {
            let to = format!("+4474001{last:05}");
            made += u32::from(asks(&throttle, &to, last).await);
        }
        assert_eq!(made, 20);
        let knows = known_asks(&throttle, "+447400199999").await;
        assert!(!knows, "a fraud has been in the browsers of theirs");
        assert!(asks(&throttle, "+447400223456", 1).await, "another block");
    }

    #[tokio::test]
    async fn one_client_has_a_few() {
        let (throttle, _) = throttle();
        let mut made = 0;
        for block in 10..99 {
            let to = format!("+44740{block}23456");
            made += u32::from(asks(&throttle, &to, 1).await);
        }
        assert_eq!(made, ADDRESS.limit);
    }

    /// How many of a country's numbers are written to, each of another block.
    async fn ask_all(throttle: &Throttle, code: &str, rest: &str) -> u32 {
        let mut made = 0;
        for block in 0..1000 {
            let to = format!("{code}{block:03}{rest}");
            if PhoneNumber::parse(&to, None).is_ok() {
                made += u32::from(asks(throttle, &to, block).await);
            }
        }
        made
    }

    #[tokio::test]
    async fn a_country_leaves_others_their_part_of_a_day_and_strangers_theirs_to_the_known() {
        let (throttle, clock) = throttle();
        let german = ask_all(&throttle, "+49151", "00000").await;
        assert_eq!(german, 480);
        let british = ask_all(&throttle, "+4475", "00000").await;
        assert_eq!(british, 320);
        assert!(!asks(&throttle, "+447400123456", 5000).await);
        assert!(known_asks(&throttle, "+4915223456789").await);
        clock.advance(Duration::from_hours(24));
        assert!(asks(&throttle, "+447400123456", 1).await);
    }

    #[test]
    fn a_small_budget_has_parts_too() {
        let cap = TextCap {
            most_per_day: 1,
            one_country: false,
        };
        let parts = (cap.strangers(), cap.country(1), cap.block());
        assert_eq!(parts, (1, 1, 10));
    }
}
