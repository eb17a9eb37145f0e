//! What it costs to sign in by a message: asking for one, and trying the code in it.
//!
//! Six digits stand no guessing. So here the end of a budget that is shared refuses everybody, in
//! every [`Mode`], whatever network they come from; but a browser that an address knows pays from
//! budgets of its own, which nobody else can spend, and the link of a message costs nothing.

use std::net::IpAddr;

use super::{
    AccountKey, Allowance, Allowed, Budgets, KnownBrowser, Of, Price, Throttle, Throttled,
    account_bytes,
    budgets::{Mode, Rate},
    network_bytes, prices_of_address,
};
use crate::store::Counts;

/// Wrong codes at one address.
const GUESS: Rate = Rate::minutes(20, 60);
/// The same within a day: one guess in 20,000 is right then.
const GUESS_DAY: Rate = Rate::minutes(50, 24 * 60);
/// Wrong codes at one address from a browser that it knows.
const GUESS_KNOWN_BROWSER: Rate = Rate::minutes(20, 60);
/// Messages to an address, whoever asks: more is a bombardment.
const MAIL: Rate = Rate::minutes(20, 60);
/// The same from one network, so that it takes several to keep somebody from their mail.
const MAIL_NETWORK: Rate = Rate::minutes(5, 60);
/// Messages to an address that a browser it knows asks for.
const MAIL_KNOWN_BROWSER: Rate = Rate::minutes(10, 60);

impl Throttle {
    /// Pays for a message by which somebody is to sign in, whether or not they may. Nothing is given
    /// back.
    pub(crate) async fn sign_in_message(
        &self,
        (account, address): (&AccountKey, Option<IpAddr>),
        browser: Option<&KnownBrowser>,
    ) -> Result<(), Throttled> {
        if let Some(known) = browser.filter(|known| known.account == *account) {
            let price = (
                Counts::MailKnownBrowser,
                known_key(known),
                MAIL_KNOWN_BROWSER,
            );
            return self.pay_in_any_mode(price).await.map(drop);
        }
        let key = account_bytes(account);
        let of_network = [key.clone(), network_bytes(address)].concat();
        let prices = vec![
            (Counts::SignInMailNetwork, of_network, MAIL_NETWORK),
            (Counts::SignInMail, key, MAIL),
        ];
        self.mail_priced(&self.enforcing(), address, prices).await
    }

    /// Pays for a try at the code of a message.
    pub(crate) async fn code_guess(
        &self,
        (account, address): (&AccountKey, Option<IpAddr>),
        browser: Option<&KnownBrowser>,
    ) -> Result<Allowance, Throttled> {
        let budgets = self.enforcing();
        let known = browser.filter(|known| known.account == *account);
        let prices: Vec<Price> = if let Some(known) = known {
            let key = known_key(known);
            vec![(Counts::CodeGuessKnownBrowser, key, GUESS_KNOWN_BROWSER)]
        } else {
            let key = account_bytes(account);
            let mut prices = prices_of_address(&budgets, address, false);
            prices.push((Counts::CodeGuessDay, key.clone(), GUESS_DAY));
            prices.push((Counts::CodeGuess, key, GUESS));
            prices
        };
        let mut paid = Vec::new();
        self.pay(&budgets, prices, &mut paid).await?;
        Ok(Allowance {
            allowed: Allowed(Of::Code),
            paid,
        })
    }

    pub(super) fn enforcing(&self) -> Budgets {
        Budgets {
            mode: Mode::Enforce,
            ..Budgets::clone(&self.budgets.load())
        }
    }
}

pub(super) fn known_key(known: &KnownBrowser) -> Vec<u8> {
    [account_bytes(&known.account), known.browser.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        clock::{ManualClock, Timestamp},
        store::memory::Memory,
    };

    fn throttle() -> (Throttle, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let store = Arc::new(Memory::new(clock.clone(), 0));
        let config = toml::from_str("mode = 'monitor'").unwrap();
        let budgets = Budgets::open(&config).unwrap();
        let throttle = Throttle::new(store, clock.clone(), &[7; 32], budgets);
        (throttle, clock)
    }

    fn ann() -> AccountKey {
        let subject = "ann@example.com".parse().unwrap();
        AccountKey::Subject("mail".parse().unwrap(), subject)
    }

    fn from(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + (number << 8)).into())
    }

    #[tokio::test]
    async fn a_million_guesses_from_everywhere_stay_inside_the_budget_of_the_address() {
        let (throttle, clock) = throttle();
        let mut made = 0;
        for number in 0..1000 {
            let account = ann();
            let guess = throttle
                .code_guess((&account, Some(from(number))), None)
                .await;
            made += u32::from(guess.is_ok());
        }
        assert_eq!(made, GUESS.limit);
        let account = ann();
        let browser = KnownBrowser {
            account: account.clone(),
            browser: [3; 16],
        };
        let known = throttle.code_guess((&account, Some(from(1))), Some(&browser));
        assert!(known.await.is_ok());
        for _ in 0..30 {
            clock.advance(Duration::from_hours(1));
            for number in 0..100 {
                let guess = throttle
                    .code_guess((&account, Some(from(number))), None)
                    .await;
                made += u32::from(guess.is_ok());
            }
        }
        // 50 in each of two days
        assert_eq!(made, 2 * GUESS_DAY.limit);
    }

    #[tokio::test]
    async fn what_turns_out_right_costs_nothing() {
        let (throttle, _) = throttle();
        for _ in 0..200 {
            let paid = throttle
                .code_guess((&ann(), Some(from(1))), None)
                .await
                .unwrap();
            throttle.succeeded(paid).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_known_browser_asks_although_others_have_asked_too_often() {
        let (throttle, _) = throttle();
        let account = ann();
        let browser = KnownBrowser {
            account: account.clone(),
            browser: [3; 16],
        };
        let asks = async |number, browser: Option<&KnownBrowser>| {
            let paid = throttle.sign_in_message((&account, Some(from(number))), browser);
            paid.await.is_ok()
        };
        // each network has a few, and all together not many
        for number in 0..4 {
            for _ in 0..MAIL_NETWORK.limit {
                assert!(asks(number, None).await);
            }
            assert!(!asks(number, None).await);
        }
        assert!(!asks(9, None).await);
        for _ in 0..MAIL_KNOWN_BROWSER.limit {
            assert!(asks(1, Some(&browser)).await);
        }
        assert!(!asks(1, Some(&browser)).await);
        let other = KnownBrowser {
            account: AccountKey::Subject("mail".parse().unwrap(), "bob".parse().unwrap()),
            browser: [3; 16],
        };
        assert!(!asks(9, Some(&other)).await);
    }
}
