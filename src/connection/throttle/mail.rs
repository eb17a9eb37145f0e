//! What mail costs that anybody may ask for, and the codes in it.

use std::net::IpAddr;

use super::{
    AccountKey, Allowance, Allowed, Of, Price, Throttle, Throttled, account_bytes, prices_around,
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
        let (rates, mut paid) = (&budgets.mail, Vec::new());
        let all = (Counts::MailAll, Vec::new(), rates.all);
        let most = match self.spend(all, &mut paid).await? {
            Budget::Exhausted { .. } => budgets.scarce,
            Budget::Spent { .. } => u32::MAX,
        };
        let of_address = (Counts::MailAddress, rates.address.at_most(most));
        let of_network = (Counts::MailNetwork, rates.network.at_most(most));
        let mut prices = prices_around(&budgets, address, of_address, of_network);
        prices.push((Counts::MailName, account_bytes(name), rates.name));
        self.pay(&budgets, prices, &mut paid).await
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

    async fn pay_in_any_mode(&self, price: Price) -> Result<Vec<Counter>, Throttled> {
        let mut paid = Vec::new();
        match self.spend(price, &mut paid).await? {
            Budget::Exhausted { until } => Err(Throttled::Until(until)),
            Budget::Spent { .. } => Ok(paid),
        }
    }
}
