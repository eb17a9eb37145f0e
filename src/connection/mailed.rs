//! Proofs by mail: whoever holds the link or the code of a message reads the mail of its address.
//!
//! A link has a token of 256 random bits. The store has its hash under the purpose it was made for, so
//! a token of one purpose is nothing to another, and beside it which one is the newest for the account:
//! an older one is good for nothing. A code of six digits is for the browser that asked, by the flow it
//! holds; whoever asks it to be checked pays for each try before (see
//! [`Throttle`](super::Throttle)). Looking uses up nothing, for mail scanners fetch every link they see.
//! [`MailedProofs::use_up`] does, once among all who try, and gives the [`ByMail`] without which
//! nothing is changed.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::sealed_rows::SealedRows;
use crate::{
    clock::Timestamp,
    crypto,
    identity::{ConnectionId, Subject},
    store::{OneTimeKey, Purpose, StoreError},
};

/// How long a code is good: nobody types one from a message of yesterday.
pub(crate) const CODE_LIFETIME: Duration = Duration::from_mins(15);

/// What makes and takes them.
#[derive(Debug)]
pub(crate) struct MailedProofs(SealedRows);

/// What a message is to prove.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Claimed {
    pub(crate) connection: ConnectionId,
    pub(crate) subject: Subject,
    /// The address that the message goes to.
    pub(crate) email: String,
    /// The new address that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<EmailChange>,
}

/// A change of an account's address.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct EmailChange {
    /// What tells it from another one.
    pub(crate) id: String,
    /// As typed.
    pub(crate) new: String,
    /// The address that it replaces, in its normalised form.
    pub(crate) was: Option<String>,
    /// Whether the old address is asked as well.
    pub(crate) both: bool,
}

/// What the message holds.
#[derive(Debug)]
pub(crate) struct Sent {
    /// For the link, in base64url.
    pub(crate) token: String,
    /// For the browser that asked, if one did.
    pub(crate) code: Option<String>,
}

/// A proof that is there, and not used up yet.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    key: OneTimeKey,
    claimed: Claimed,
}

/// The proof that a person reads the mail of an address. It is made once for each message.
#[derive(Debug)]
pub(crate) struct ByMail(Claimed);

/// What is kept under the hash of a browser's flow.
#[derive(Deserialize, Serialize)]
struct CodeRow {
    token: [u8; 32],
    digits: String,
}

impl MailedProofs {
    pub(crate) fn new(rows: SealedRows) -> Self {
        Self(rows)
    }

    /// Makes a proof for `claimed`, in place of those that the account has for this purpose. With the
    /// id of a flow there is a code for its browser, too.
    pub(crate) async fn send(
        &self,
        purpose: Purpose,
        claimed: &Claimed,
        (now, lifetime): (Timestamp, Duration),
        flow: Option<&str>,
    ) -> Result<Sent, StoreError> {
        let token: [u8; 32] = self.0.draw();
        let key = OneTimeKey {
            purpose,
            hash: crypto::sha256(&token),
        };
        let until = now + lifetime;
        let code = match flow {
            None => None,
            Some(flow) => {
                let digits = self.digits();
                let row = CodeRow {
                    token: key.hash,
                    digits: digits.clone(),
                };
                let until = until.min(now + CODE_LIFETIME);
                self.0.put(code_key(purpose, flow), &row, until).await?;
                Some(digits)
            }
        };
        self.0.put(key, claimed, until).await?;
        // The last step: until then the one before is the newest, and good.
        let newest = newest_key(purpose, &claimed.connection, &claimed.subject);
        self.0.put(newest, &key.hash, until).await?;
        Ok(Sent {
            token: URL_SAFE_NO_PAD.encode(token),
            code,
        })
    }

    /// The proof of a link's token, if it is good for this purpose now.
    pub(crate) async fn by_token(
        &self,
        purpose: Purpose,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let token = URL_SAFE_NO_PAD.decode(token).ok();
        let Some(token) = token.and_then(|token| <[u8; 32]>::try_from(token).ok()) else {
            return Ok(None);
        };
        let hash = crypto::sha256(&token);
        self.find(OneTimeKey { purpose, hash }, now).await
    }

    /// The proof of a code that was typed into the browser of this flow.
    pub(crate) async fn by_code(
        &self,
        purpose: Purpose,
        (flow, typed): (&str, &str),
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let row: Option<CodeRow> = self.0.peek(code_key(purpose, flow), now).await?;
        let Some(row) = row else { return Ok(None) };
        let typed: String = typed.chars().filter(char::is_ascii_digit).collect();
        if !bool::from(row.digits.as_bytes().ct_eq(typed.as_bytes())) {
            return Ok(None);
        }
        let hash = row.token;
        self.find(OneTimeKey { purpose, hash }, now).await
    }

    /// Uses a proof up. `None`: somebody else did, or a newer one is on its way.
    pub(crate) async fn use_up(
        &self,
        found: Found,
        now: Timestamp,
    ) -> Result<Option<ByMail>, StoreError> {
        let Some(found) = self.find(found.key, now).await? else {
            return Ok(None);
        };
        let taken = self.0.take(found.key, now).await?;
        Ok(taken.then_some(ByMail(found.claimed)))
    }

    /// Lets what is on its way be good for nothing.
    pub(crate) async fn call_off(
        &self,
        purpose: Purpose,
        (connection, subject): (&ConnectionId, &Subject),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let newest = newest_key(purpose, connection, subject);
        self.0.take(newest, now).await.map(drop)
    }

    /// A row that was not used and is the newest of its account.
    async fn find(&self, key: OneTimeKey, now: Timestamp) -> Result<Option<Found>, StoreError> {
        let claimed: Option<Claimed> = self.0.peek(key, now).await?;
        let Some(claimed) = claimed else {
            return Ok(None);
        };
        let newest = newest_key(key.purpose, &claimed.connection, &claimed.subject);
        let newest: Option<[u8; 32]> = self.0.peek(newest, now).await?;
        let is_newest = newest == Some(key.hash);
        Ok(is_newest.then_some(Found { key, claimed }))
    }

    /// Six digits, each as likely as any other.
    fn digits(&self) -> String {
        const MOST: u32 = u32::MAX - u32::MAX % 1_000_000;
        loop {
            let drawn = u32::from_be_bytes(self.0.draw());
            if drawn < MOST {
                return format!("{:06}", drawn % 1_000_000);
            }
        }
    }
}

impl Found {
    /// What it is about.
    pub(crate) fn claimed(&self) -> &Claimed {
        &self.claimed
    }
}

impl ByMail {
    /// What was proven.
    pub(crate) fn claimed(&self) -> &Claimed {
        &self.0
    }
}

/// Which proof is the newest of an account. Neither a connection's name nor a subject holds a NUL.
fn newest_key(purpose: Purpose, connection: &ConnectionId, subject: &Subject) -> OneTimeKey {
    let name = format!("{}\0{connection}\0{subject}", purpose.name());
    OneTimeKey {
        purpose: Purpose::NewestMail,
        hash: crypto::sha256(name.as_bytes()),
    }
}

fn code_key(purpose: Purpose, flow: &str) -> OneTimeKey {
    let name = format!("{}\0{flow}", purpose.name());
    OneTimeKey {
        purpose: Purpose::MailedCode,
        hash: crypto::sha256(name.as_bytes()),
    }
}
