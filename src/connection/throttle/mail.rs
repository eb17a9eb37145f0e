//! What mail costs that anybody may ask for, and the codes in it.

use std::net::IpAddr;

use super::{
    AccountKey, Allowance, Allowed, Budgets, Of, Price, Throttle, Throttled, account_bytes,
    budgets::Mode, prices_around,
};
use crate::{
    protocol::EmailAddress,
    store::{Budget, Counter, Counts},
};

impl Throttle {
    /// Pays for a message that is asked for by a name, whether or not somebody has it. Nothing is
    /// given back. The end of the budget for all leaves each network a few.
    pub(crate) async fn mail(
        &self,
        address: Option<IpAddr>,
        name: &AccountKey,
    ) -> Result<(), Throttled> {
        let budgets = self.budgets.load_full();
        let of_name = (Counts::MailName, account_bytes(name), budgets.mail.name);
        self.mail_priced(&budgets, address, vec![of_name]).await
    }

    /// Pays for a message: from what there is for all and for where it is asked from, and these.
    pub(super) async fn mail_priced(
        &self,
        budgets: &Budgets,
        address: Option<IpAddr>,
        more: Vec<Price>,
    ) -> Result<(), Throttled> {
        let (rates, mut paid) = (&budgets.mail, Vec::new());
        let all = || (Counts::MailAll, Vec::new(), rates.all);
        let prices = |scarce| {
            let most = if scarce { budgets.scarce } else { u32::MAX };
            let of_address = (Counts::MailAddress, rates.address.at_most(most));
            let of_network = (Counts::MailNetwork, rates.network.at_most(most));
            let mut prices = prices_around(budgets, address, of_address, of_network);
            prices.extend(more.iter().cloned());
            prices
        };
        if budgets.mode == Mode::Enforce {
            let scarce = self.is_exhausted(all()).await?;
            self.look(budgets, &self.spends(prices(scarce))).await?;
        }
        let of_all = self.spend(all(), &mut paid).await?;
        let scarce = matches!(of_all, Budget::Exhausted { .. });
        self.pay(budgets, prices(scarce), &mut paid).await
    }

    /// Pays for a message to an address, by whatever name it was asked for and by whomever. Whoever
    /// asked is not told.
    pub(crate) async fn mail_to(&self, address: &EmailAddress) -> Result<(), Throttled> {
        let rate = self.budgets.load().mail.recipient;
        let key = address.normalized().into_bytes();
        self.pay_in_any_mode((Counts::MailRecipient, key, rate))
            .await
            .map(drop)
    }

    /// Pays for the message that lets somebody in again at whose account too much was guessed.
    pub(crate) async fn unblock(&self, name: &AccountKey) -> Result<(), Throttled> {
        let rate = self.budgets.load().mail.unblock;
        let key = account_bytes(name);
        self.pay_in_any_mode((Counts::MailUnblock, key, rate))
            .await
            .map(drop)
    }

    /// Pays for a try at the code of a flow. Six digits stand no guessing, in no mode.
    pub(crate) async fn code(&self, flow: &str) -> Result<Allowance, Throttled> {
        let rate = self.budgets.load().mail.code;
        let key = flow.as_bytes().to_vec();
        let paid = self.pay_in_any_mode((Counts::MailCode, key, rate)).await?;
        Ok(Allowance {
            allowed: Allowed(Of::Code),
            paid,
        })
    }

    pub(super) async fn pay_in_any_mode(&self, price: Price) -> Result<Vec<Counter>, Throttled> {
        let mut paid = Vec::new();
        match self.spend(price, &mut paid).await? {
            Budget::Exhausted { until } => Err(Throttled::Until(until)),
            Budget::Spent { .. } => Ok(paid),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock::{ManualClock, Timestamp},
        connection::{Budgets, LoginName},
        store::memory::Memory,
    };

    fn throttle(protection: &str) -> (Throttle, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_000_000)));
        let store = Arc::new(Memory::new(clock.clone(), 10));
        let budgets = Budgets::open(&toml::from_str(protection).unwrap()).unwrap();
        (
            Throttle::new(store, clock.clone(), &[7; 32], budgets),
            clock,
        )
    }

    fn name(number: usize) -> AccountKey {
        let name = LoginName::parse(&format!("person-{number}@example.com")).unwrap();
        AccountKey::Name("members".parse().unwrap(), name)
    }

    /// How many messages can be asked for, each by another name, before one is refused.
    async fn asked(throttle: &Throttle, from: &str, first: usize) -> usize {
        let mut asked = 0;
        let address = Some(from.parse().unwrap());
        while throttle.mail(address, &name(first + asked)).await.is_ok() {
            asked += 1;
            assert!(asked < 2000);
        }
        asked
    }

    #[tokio::test]
    async fn mails_run_out_for_a_client_and_for_the_network_around_it() {
        let (throttle, clock) = throttle("");
        assert_eq!(asked(&throttle, "192.0.2.1", 0).await, 20, "one client");
        assert_eq!(asked(&throttle, "192.0.2.2", 100).await, 20, "another");
        for other in 3..6 {
            asked(&throttle, &format!("192.0.2.{other}"), other * 100).await;
        }
        assert_eq!(asked(&throttle, "192.0.2.9", 900).await, 0, "the network");
        assert_eq!(asked(&throttle, "198.51.100.1", 1000).await, 20);
        assert_eq!(asked(&throttle, "2001:db8::1", 1100).await, 20);
        assert_eq!(
            asked(&throttle, "2001:db8::2", 1200).await,
            0,
            "a /64 is one"
        );
        clock.advance(std::time::Duration::from_hours(1));
        assert_eq!(asked(&throttle, "192.0.2.9", 2000).await, 20);
        let (throttle, _) = self::throttle("allow = ['192.0.2.0/24']");
        assert_eq!(asked(&throttle, "198.51.100.1", 0).await, 20);
        let office = Some("192.0.2.1".parse().unwrap());
        for number in 0..50 {
            throttle.mail(office, &name(number)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn when_the_mails_of_all_have_run_out_each_network_has_a_few() {
        let (throttle, _) = throttle("");
        for network in 0..50 {
            let from = format!("10.0.{network}.1");
            assert_eq!(asked(&throttle, &from, network * 100).await, 20);
        }
        // Those were the thousand.
        for network in 50..53 {
            let from = format!("10.0.{network}.1");
            assert_eq!(asked(&throttle, &from, network * 100).await, 3);
        }
        assert_eq!(asked(&throttle, "10.0.52.2", 9000).await, 0);
    }

    #[tokio::test]
    async fn a_mailbox_gets_so_many_by_whatever_name_and_in_any_mode() {
        for mode in ["enforce", "monitor"] {
            let (throttle, _) = throttle(&format!("mode = '{mode}'"));
            for spelling in ["ada@example.com", "ADA@example.com", "ada@EXAMPLE.com"] {
                let box_of = EmailAddress::parse(spelling).unwrap();
                throttle.mail_to(&box_of).await.unwrap();
            }
            let ada = EmailAddress::parse("ada@example.com").unwrap();
            for _ in 0..2 {
                throttle.mail_to(&ada).await.unwrap();
            }
            let sixth = throttle.mail_to(&ada).await;
            assert!(matches!(sixth, Err(Throttled::Until(_))), "{mode}");
            let bob = EmailAddress::parse("bob@example.com").unwrap();
            throttle.mail_to(&bob).await.unwrap();
        }
    }
}
