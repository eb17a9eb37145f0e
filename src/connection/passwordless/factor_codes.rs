//! Codes by which somebody who has given the first proof shows that they read the mail of their
//! address, too.
//!
//! A code belongs to one first proof that waits, and to the user and the address it was sent to. A
//! newer one for the same proof takes its place. There are three tries, and it counts once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digits::{CodeRow, Compared, digits};
use crate::{
    clock::Timestamp,
    connection::sealed_rows::SealedRows,
    crypto,
    identity::UserId,
    protocol::EmailAddress,
    store::{OneTimeKey, Purpose, StoreError},
};

/// How long a code is good.
pub(crate) const FACTOR_CODE_LIFETIME: Duration = Duration::from_mins(5);

/// What makes and takes them.
#[derive(Debug)]
pub(crate) struct FactorCodes(SealedRows);

/// Whom a code is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeFor<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) to: &'a EmailAddress,
    /// What names the first proof that waits; only its browser has it.
    pub(crate) ticket: &'a str,
}

/// That a code was the right one. It is made once for each.
#[derive(Debug)]
#[must_use = "it is the second proof"]
pub(crate) struct ReadsMail(());

/// What was typed is no proof.
#[derive(Debug)]
pub(crate) enum NoCode {
    /// None is awaited any more, or it was for somebody or somewhere else.
    Gone,
    Store(StoreError),
    Wrong,
}

impl From<StoreError> for NoCode {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[derive(Deserialize, Serialize)]
struct Row {
    user: UserId,
    /// The address in its one normalised form.
    to: String,
    sent_at: Timestamp,
    code: CodeRow,
}

impl FactorCodes {
    pub(crate) fn new(rows: SealedRows) -> Self {
        Self(rows)
    }

    /// Makes a code in place of the one before: its six digits.
    pub(crate) async fn make(
        &self,
        whose: CodeFor<'_>,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let token: [u8; 32] = self.0.draw();
        let (code, until) = (CodeRow::of(&token), now + FACTOR_CODE_LIFETIME);
        code.put_tries(&self.0, until).await?;
        let row = Row {
            user: whose.user.clone(),
            to: whose.to.normalized(),
            sent_at: now,
            code,
        };
        self.0.put(key(whose.ticket), &row, until).await?;
        Ok(digits(&token))
    }

    /// When the code was made that is awaited.
    pub(crate) async fn made_at(
        &self,
        whose: CodeFor<'_>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = self.find(whose, now).await?;
        Ok(row.map(|row| row.sent_at))
    }

    /// Takes a code. It is one of the tries.
    pub(crate) async fn take(
        &self,
        whose: CodeFor<'_>,
        (typed, now): (&str, Timestamp),
    ) -> Result<ReadsMail, NoCode> {
        let row = self.find(whose, now).await?.ok_or(NoCode::Gone)?;
        match row.code.compare(&self.0, (typed, now)).await? {
            Compared::NoTryLeft | Compared::Wrong { left: 0 } => Err(NoCode::Gone),
            Compared::Wrong { .. } => Err(NoCode::Wrong),
            Compared::Right => {
                let first = self.0.take(key(whose.ticket), now).await?;
                first.then_some(ReadsMail(())).ok_or(NoCode::Gone)
            }
        }
    }

    async fn find(&self, whose: CodeFor<'_>, now: Timestamp) -> Result<Option<Row>, StoreError> {
        let row: Option<Row> = self.0.peek(key(whose.ticket), now).await?;
        Ok(row.filter(|row| row.user == *whose.user && row.to == whose.to.normalized()))
    }
}

fn key(ticket: &str) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::FactorCode,
        hash: crypto::sha256(ticket.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::digits::TRIES, *};
    use crate::{clock::ManualClock, store::memory::Memory};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn codes() -> FactorCodes {
        let clock = Arc::new(ManualClock::at(NOW));
        FactorCodes::new(SealedRows::for_tests(Arc::new(Memory::new(clock, 1000))))
    }

    struct Ann(UserId, EmailAddress);

    fn ann(to: &str) -> Ann {
        Ann(
            "members|ann".parse().unwrap(),
            EmailAddress::parse(to).unwrap(),
        )
    }

    fn of<'a>(ann: &'a Ann, ticket: &'a str) -> CodeFor<'a> {
        CodeFor {
            user: &ann.0,
            to: &ann.1,
            ticket,
        }
    }

    fn another(code: &str) -> String {
        format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
    }

    #[tokio::test]
    async fn a_code_counts_once_and_for_its_own_proof_user_and_address() {
        let (codes, ann) = (codes(), ann("ann@example.com"));
        let code = codes.make(of(&ann, "a"), NOW).await.unwrap();
        let mut other_user = self::ann("ann@example.com");
        other_user.0 = "members|eve".parse().unwrap();
        let other_address = self::ann("new@example.com");
        for whose in [of(&ann, "b"), of(&other_user, "a"), of(&other_address, "a")] {
            let no = codes.take(whose, (&code, NOW)).await.unwrap_err();
            assert!(matches!(no, NoCode::Gone), "{whose:?}");
            assert!(codes.made_at(whose, NOW).await.unwrap().is_none());
        }
        assert_eq!(codes.made_at(of(&ann, "a"), NOW).await.unwrap(), Some(NOW));
        let (front, back) = code.split_at(3);
        let spaced = format!("{front} {back}");
        let taken = codes.take(of(&ann, "a"), (&spaced, NOW)).await;
        let _ = taken.unwrap();
        let again = codes.take(of(&ann, "a"), (&code, NOW)).await;
        assert!(matches!(again, Err(NoCode::Gone)));
    }

    #[tokio::test]
    async fn three_wrong_tries_end_it_also_at_once() {
        let (codes, ann) = (Arc::new(codes()), ann("ann@example.com"));
        let code = codes.make(of(&ann, "a"), NOW).await.unwrap();
        let tries = (0..50).map(|_| {
            let (codes, wrong) = (codes.clone(), another(&code));
            tokio::spawn(async move {
                let ann = self::ann("ann@example.com");
                codes.take(of(&ann, "a"), (&wrong, NOW)).await
            })
        });
        let mut wrong = 0;
        for tried in tries.collect::<Vec<_>>() {
            wrong += u8::from(matches!(tried.await.unwrap(), Err(NoCode::Wrong)));
        }
        // the last one hears that it is gone
        assert_eq!(wrong, TRIES - 1);
        let right = codes.take(of(&ann, "a"), (&code, NOW)).await;
        assert!(matches!(right, Err(NoCode::Gone)));
    }

    #[tokio::test]
    async fn a_newer_one_takes_its_place_and_each_ends_in_time() {
        let (codes, ann) = (codes(), ann("ann@example.com"));
        let first = codes.make(of(&ann, "a"), NOW).await.unwrap();
        let second = codes.make(of(&ann, "a"), NOW).await.unwrap();
        if first != second {
            let no = codes.take(of(&ann, "a"), (&first, NOW)).await;
            assert!(matches!(no, Err(NoCode::Wrong)));
        }
        let late = NOW + FACTOR_CODE_LIFETIME;
        let no = codes.take(of(&ann, "a"), (&second, late)).await;
        assert!(matches!(no, Err(NoCode::Gone)));
        let in_time = codes.take(of(&ann, "a"), (&second, NOW)).await;
        let _ = in_time.unwrap();
    }
}
