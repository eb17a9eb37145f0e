//! Codes by e-mail as a second factor, for whom their connection allows it.

use super::{FactorRefusal, Factors, Origin, SecondProof};
use crate::{
    clock::Timestamp,
    connection::{CodeFor, NoCode, ReadsMail},
    store::{EventKind, StoreError},
};

impl SecondProof {
    /// By a code that was read in a mailbox.
    fn by_email(_: &ReadsMail, at: Timestamp) -> Self {
        Self::otp(at)
    }
}

impl Factors {
    /// Makes a code that is to be sent by e-mail, in place of the one before.
    pub(crate) async fn make_code(&self, whose: CodeFor<'_>) -> Result<String, StoreError> {
        self.emailed.make(whose, self.now()).await
    }

    /// When the code was made that is awaited.
    pub(crate) async fn code_made_at(
        &self,
        whose: CodeFor<'_>,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.emailed.made_at(whose, self.now()).await
    }

    /// Tries a code that was sent by e-mail.
    pub(crate) async fn prove_by_email(
        &self,
        whose: CodeFor<'_>,
        typed: &str,
        origin: &Origin,
    ) -> Result<SecondProof, FactorRefusal> {
        let (user, now) = (whose.user, self.now());
        if self.emailed.made_at(whose, now).await?.is_none() {
            return Err(FactorRefusal::Gone);
        }
        let allowance = self.pay(self.throttle.factor(user).await, user, origin)?;
        let refusal = match self.emailed.take(whose, (typed, now)).await {
            Ok(proof) => {
                let event = origin.event(now, EventKind::FactorUsed, "email").user(user);
                event.log();
                self.directory.users.record(event).await?;
                self.throttle.succeeded(allowance).await?;
                return Ok(SecondProof::by_email(&proof, now));
            }
            Err(NoCode::Store(error)) => return Err(error.into()),
            Err(NoCode::Gone) => FactorRefusal::Gone,
            Err(NoCode::Wrong) => FactorRefusal::Wrong,
        };
        self.failed(user, "wrong-emailed-code", origin).await?;
        Err(refusal)
    }
}
