//! What tries at second factors cost. Whoever spends it has given the first proof of that user, and a
//! code is short: so a spent budget refuses in every [`Mode`](super::Mode).

use super::{Allowance, Allowed, Of, Price, Throttle, Throttled, budgets::Rate};
use crate::{identity::UserId, store::Counts};

/// Wrong one-time passwords of one user.
const FACTOR: Rate = Rate::minutes(10, 15);
/// The same within a day: there are always three that are good.
const FACTOR_DAY: Rate = Rate::minutes(50, 24 * 60);
/// Wrong recovery codes of one user, apart: nobody keeps an owner from theirs by guessing at the
/// other.
const RECOVERY: Rate = Rate::minutes(10, 15);
/// Messages with a code to one user.
const MAIL: Rate = Rate::minutes(10, 60);

impl Throttle {
    /// Pays for one try at a one-time password of this user, whatever login or process it comes by.
    pub(crate) async fn factor(&self, user: &UserId) -> Result<Allowance, Throttled> {
        let key = user.as_str().as_bytes().to_vec();
        let of_day = (Counts::FactorDay, key.clone(), FACTOR_DAY);
        let prices = vec![of_day, (Counts::Factor, key, FACTOR)];
        self.pay_for_factor(prices).await
    }

    /// Pays for one try at a recovery code of this user.
    pub(crate) async fn recovery(&self, user: &UserId) -> Result<Allowance, Throttled> {
        let key = user.as_str().as_bytes().to_vec();
        self.pay_for_factor(vec![(Counts::Recovery, key, RECOVERY)])
            .await
    }

    /// Pays for a message with a code to this user. Nothing is given back.
    pub(crate) async fn factor_mail(&self, user: &UserId) -> Result<(), Throttled> {
        self.pay_for_factor(vec![mail(user)]).await.map(drop)
    }

    /// Whether another message with a code may go to this user. Nothing is spent.
    pub(crate) async fn factor_mail_is_left(&self, user: &UserId) -> Result<(), Throttled> {
        let spends = self.spends(vec![mail(user)]);
        self.look(&self.enforcing(), &spends).await
    }

    async fn pay_for_factor(&self, prices: Vec<Price>) -> Result<Allowance, Throttled> {
        let budgets = self.enforcing();
        let mut paid = Vec::new();
        self.pay(&budgets, prices, &mut paid).await?;
        Ok(Allowance {
            allowed: Allowed(Of::Factor),
            paid,
        })
    }
}

fn mail(user: &UserId) -> Price {
    (Counts::FactorMail, user.as_str().as_bytes().to_vec(), MAIL)
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

    #[tokio::test]
    async fn each_user_has_a_budget_for_a_while_and_one_for_the_day() {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let store = Arc::new(Memory::new(clock.clone(), 0));
        let throttle = {
            let config = toml::from_str("mode = 'monitor'").unwrap();
            // also where nobody is refused for a password
            let budgets = Budgets::open(&config).unwrap();
            Throttle::new(store, clock.clone(), &[7; 32], budgets)
        };
        let ann: UserId = "members|ann".parse().unwrap();
        let bob: UserId = "members|bob".parse().unwrap();
        let fails = async |user: &UserId| throttle.factor(user).await.is_ok();
        for _ in 0..5 {
            // what turns out well costs nothing
            for _ in 0..30 {
                let allowance = throttle.factor(&ann).await.unwrap();
                throttle.succeeded(allowance).await.unwrap();
            }
            for _ in 0..10 {
                assert!(fails(&ann).await);
            }
            assert!(!fails(&ann).await);
            assert!(fails(&bob).await);
            assert!(throttle.recovery(&ann).await.is_ok());
            clock.advance(Duration::from_mins(15));
        }
        // fifty in all; that the window begins anew does not help
        assert!(!fails(&ann).await);
        assert!(throttle.recovery(&ann).await.is_ok());
        clock.advance(Duration::from_hours(23));
        assert!(fails(&ann).await);
        for _ in 0..9 {
            assert!(throttle.recovery(&bob).await.is_ok());
        }
        assert!(throttle.recovery(&bob).await.is_ok());
        assert!(throttle.recovery(&bob).await.is_err());
        assert!(fails(&bob).await);
    }
}
