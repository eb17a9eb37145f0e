//! Proofs that somebody reads what is sent to an address: a link, and a code for the browser that
//! asked.
//!
//! The link has a token of 256 random bits, and the six digits are worked out of it: whoever opens the
//! link in another browser can be shown what to type, while the store has neither. A code belongs to
//! the flow that asked. Another message in the same flow takes the place of the one before it, and
//! what anybody else asks for takes the place of nothing. For each message there are three tries at the
//! code; each is a row that is taken before the code is compared, so tries at the same time are
//! counted like others. Looking at a link uses up nothing.

use std::{net::IpAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::digits::{CodeRow, Compared, digits};
use crate::{
    clock::Timestamp,
    connection::sealed_rows::SealedRows,
    crypto,
    identity::ConnectionId,
    store::{OneTimeKey, Purpose, StoreError},
};

/// What makes and takes them.
#[derive(Debug)]
pub(crate) struct SignInProofs(SealedRows);

/// What a message was asked for.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct SignInAsked {
    pub(crate) connection: ConnectionId,
    /// Where the message goes, in its one normalised form.
    pub(crate) to: String,
    pub(crate) asker: Asker,
}

/// Who asked, for whoever opens the link elsewhere.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Asker {
    pub(crate) address: Option<IpAddr>,
    /// The browser and the system, as far as they are known ones.
    pub(crate) device: Option<String>,
    pub(crate) at: Timestamp,
}

/// What the message holds.
#[derive(Debug)]
pub(crate) struct SignInSecret {
    /// For the link, in base64url.
    pub(crate) token: String,
    pub(crate) code: String,
}

/// A proof that is there, and not used up yet.
#[derive(Clone, Debug)]
pub(crate) struct FoundSignIn {
    key: OneTimeKey,
    row: LinkRow,
}

/// A message whose code is awaited in a flow. What is typed is compared with the code of this one,
/// whatever that flow asks for in the meantime.
pub(crate) struct AwaitedSignIn {
    found: FoundSignIn,
    code: CodeRow,
}

/// The proof that a person reads what is sent to an address. It is made once for each message.
#[derive(Debug)]
pub(crate) struct ByMessage(SignInAsked);

/// What was typed is no proof.
#[derive(Debug)]
pub(crate) enum NoSignIn {
    /// Nothing waits for a code in this flow any more.
    Gone,
    Store(StoreError),
    /// It is another code; `left`: the tries at this one that are left.
    Wrong {
        left: u8,
    },
}

impl From<StoreError> for NoSignIn {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What is kept under the hash of a link's token.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct LinkRow {
    asked: SignInAsked,
    /// The hash of the flow's id.
    flow: [u8; 32],
}

impl SignInProofs {
    pub(crate) fn new(rows: SealedRows) -> Self {
        Self(rows)
    }

    /// Makes a proof, in place of the one that this flow asked for before.
    pub(crate) async fn send(
        &self,
        asked: &SignInAsked,
        (flow, now, lifetime): (&str, Timestamp, Duration),
    ) -> Result<SignInSecret, StoreError> {
        let token: [u8; 32] = self.0.draw();
        let (key, flow) = (link_key(&token), flow_hash(flow));
        let (code, until) = (CodeRow::of(&token), now + lifetime);
        code.put_tries(&self.0, until).await?;
        let row = LinkRow {
            asked: asked.clone(),
            flow,
        };
        self.0.put(key, &row, until).await?;
        // The last step: until then the one before is the newest, and good.
        self.0.put(code_key(flow), &code, until).await?;
        Ok(SignInSecret {
            token: URL_SAFE_NO_PAD.encode(token),
            code: digits(&token),
        })
    }

    /// The proof of a link's token, if it is good now.
    pub(crate) async fn by_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<FoundSignIn>, StoreError> {
        match read(token) {
            Some(token) => self.find(link_key(&token), now).await,
            None => Ok(None),
        }
    }

    /// The code that belongs to a link which is [found](Self::by_token).
    pub(crate) fn code_of(token: &str) -> Option<String> {
        read(token).map(|token| digits(&token))
    }

    /// The message whose code is awaited in this flow.
    pub(crate) async fn awaited(
        &self,
        flow: &str,
        now: Timestamp,
    ) -> Result<Option<AwaitedSignIn>, StoreError> {
        let code: Option<CodeRow> = self.0.peek(code_key(flow_hash(flow)), now).await?;
        let Some(code) = code else { return Ok(None) };
        let found = self.find(link_of(&code), now).await?;
        Ok(found.map(|found| AwaitedSignIn { found, code }))
    }

    /// The proof of a code that was typed into the browser of its flow. It is one of the tries.
    pub(crate) async fn by_code(
        &self,
        awaited: AwaitedSignIn,
        (typed, now): (&str, Timestamp),
    ) -> Result<FoundSignIn, NoSignIn> {
        match awaited.code.compare(&self.0, (typed, now)).await? {
            Compared::NoTryLeft => Err(NoSignIn::Gone),
            Compared::Wrong { left } => Err(NoSignIn::Wrong { left }),
            Compared::Right => Ok(awaited.found),
        }
    }

    /// Uses a proof up. `None`: somebody else did, or a newer one is on its way.
    pub(crate) async fn use_up(
        &self,
        found: FoundSignIn,
        now: Timestamp,
    ) -> Result<Option<ByMessage>, StoreError> {
        let Some(found) = self.find(found.key, now).await? else {
            return Ok(None);
        };
        let taken = self.0.take(found.key, now).await?;
        Ok(taken.then_some(ByMessage(found.row.asked)))
    }

    /// A link that was not used and is the newest of its flow.
    async fn find(
        &self,
        key: OneTimeKey,
        now: Timestamp,
    ) -> Result<Option<FoundSignIn>, StoreError> {
        let row: Option<LinkRow> = self.0.peek(key, now).await?;
        let Some(row) = row else { return Ok(None) };
        let newest: Option<CodeRow> = self.0.peek(code_key(row.flow), now).await?;
        let is_newest = newest.is_some_and(|newest| newest.token == key.hash);
        Ok(is_newest.then_some(FoundSignIn { key, row }))
    }
}

impl AwaitedSignIn {
    /// What the message was asked for.
    pub(crate) fn asked(&self) -> &SignInAsked {
        self.found.asked()
    }
}

impl FoundSignIn {
    /// What it was asked for.
    pub(crate) fn asked(&self) -> &SignInAsked {
        &self.row.asked
    }

    /// Whether it was this flow that asked.
    pub(crate) fn is_of(&self, flow: &str) -> bool {
        self.row.flow.ct_eq(&flow_hash(flow)).into()
    }
}

impl ByMessage {
    /// What was proven.
    pub(crate) fn asked(&self) -> &SignInAsked {
        &self.0
    }
}

fn read(token: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()
}

fn link_key(token: &[u8; 32]) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::SignIn,
        hash: crypto::sha256(token),
    }
}

/// Where the link of the newest message is.
fn link_of(code: &CodeRow) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::SignIn,
        hash: code.token,
    }
}

fn flow_hash(flow: &str) -> [u8; 32] {
    crypto::sha256(format!("sign-in\0{flow}").as_bytes())
}

fn code_key(flow: [u8; 32]) -> OneTimeKey {
    OneTimeKey {
        purpose: Purpose::MailedCode,
        hash: flow,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::digits::TRIES, *};
    use crate::{clock::ManualClock, store::memory::Memory};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const LIFETIME: Duration = Duration::from_mins(5);

    fn proofs() -> SignInProofs {
        let clock = Arc::new(ManualClock::at(NOW));
        let store = Arc::new(Memory::new(clock, 1000));
        SignInProofs::new(SealedRows::for_tests(store))
    }

    fn asked(to: &str) -> SignInAsked {
        SignInAsked {
            connection: "mail".parse().unwrap(),
            to: to.to_owned(),
            asker: Asker {
                address: None,
                device: None,
                at: NOW,
            },
        }
    }

    async fn send(proofs: &SignInProofs, to: &str, flow: &str) -> SignInSecret {
        let sent = proofs.send(&asked(to), (flow, NOW, LIFETIME)).await;
        sent.unwrap()
    }

    async fn type_in(
        proofs: &SignInProofs,
        flow: &str,
        typed: &str,
        now: Timestamp,
    ) -> Result<FoundSignIn, NoSignIn> {
        let awaited = proofs.awaited(flow, now).await?;
        let awaited = awaited.ok_or(NoSignIn::Gone)?;
        proofs.by_code(awaited, (typed, now)).await
    }

    fn another(code: &str) -> String {
        format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
    }

    #[tokio::test]
    async fn a_code_is_good_once_and_in_the_flow_that_asked() {
        let proofs = proofs();
        let sent = send(&proofs, "ann@example.com", "a").await;
        let elsewhere = type_in(&proofs, "b", &sent.code, NOW).await;
        assert!(matches!(elsewhere, Err(NoSignIn::Gone)));
        let (front, back) = sent.code.split_at(3);
        let spaced = format!(" {front} {back} ");
        let found = type_in(&proofs, "a", &spaced, NOW).await.unwrap();
        assert!(found.is_of("a") && !found.is_of("b"));
        assert_eq!(found.asked(), &asked("ann@example.com"));
        let again = found.clone();
        assert!(proofs.use_up(found, NOW).await.unwrap().is_some());
        assert!(proofs.use_up(again, NOW).await.unwrap().is_none());
        let typed = type_in(&proofs, "a", &sent.code, NOW).await;
        assert!(matches!(typed, Err(NoSignIn::Gone)));
        assert!(proofs.by_token(&sent.token, NOW).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_code_can_be_mistyped_twice_and_not_three_times() {
        let proofs = proofs();
        let sent = send(&proofs, "ann@example.com", "a").await;
        let wrong = another(&sent.code);
        for (typed, expected) in [(&wrong, 2), (&wrong, 1)] {
            let no = type_in(&proofs, "a", typed, NOW).await.unwrap_err();
            assert!(matches!(no, NoSignIn::Wrong { left } if left == expected));
        }
        // the third may still be right
        assert!(type_in(&proofs, "a", &sent.code, NOW).await.is_ok());
        let fourth = type_in(&proofs, "a", &sent.code, NOW).await;
        assert!(matches!(fourth, Err(NoSignIn::Gone)));
        // the link has no digits to guess
        assert!(proofs.by_token(&sent.token, NOW).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn of_fifty_tries_at_once_three_are_compared() {
        let proofs = Arc::new(proofs());
        let sent = send(&proofs, "ann@example.com", "a").await;
        let wrong = another(&sent.code);
        let tries = (0..50).map(|_| {
            let (proofs, wrong) = (proofs.clone(), wrong.clone());
            tokio::spawn(async move { type_in(&proofs, "a", &wrong, NOW).await })
        });
        let mut compared = 0;
        for tried in tries.collect::<Vec<_>>() {
            let no = tried.await.unwrap().unwrap_err();
            compared += u8::from(matches!(no, NoSignIn::Wrong { .. }));
        }
        assert_eq!(compared, TRIES);
    }

    #[tokio::test]
    async fn the_newest_of_a_flow_counts_and_nobody_else_replaces_it() {
        let proofs = proofs();
        let first = send(&proofs, "ann@example.com", "a").await;
        let of_another = send(&proofs, "ann@example.com", "b").await;
        assert!(proofs.by_token(&first.token, NOW).await.unwrap().is_some());
        let second = send(&proofs, "ann@example.com", "a").await;
        assert!(proofs.by_token(&first.token, NOW).await.unwrap().is_none());
        for sent in [&second, &of_another] {
            assert!(proofs.by_token(&sent.token, NOW).await.unwrap().is_some());
        }
        let old = type_in(&proofs, "a", &first.code, NOW).await;
        assert!(first.code == second.code || old.is_err());
        assert!(type_in(&proofs, "a", &second.code, NOW).await.is_ok());
    }

    #[tokio::test]
    async fn both_end_in_time_and_the_link_tells_the_code() {
        let proofs = proofs();
        let sent = send(&proofs, "ann@example.com", "a").await;
        assert_eq!(SignInProofs::code_of(&sent.token), Some(sent.code.clone()));
        let awaited = proofs.awaited("a", NOW).await.unwrap();
        assert_eq!(awaited.unwrap().asked(), &asked("ann@example.com"));
        let late = NOW + LIFETIME;
        assert!(proofs.awaited("a", late).await.unwrap().is_none());
        assert!(proofs.by_token(&sent.token, late).await.unwrap().is_none());
        let typed = type_in(&proofs, "a", &sent.code, late).await;
        assert!(matches!(typed, Err(NoSignIn::Gone)));
        for bad in [
            "",
            "x",
            &URL_SAFE_NO_PAD.encode([7; 32]),
            &URL_SAFE_NO_PAD.encode([7; 33]),
        ] {
            assert!(proofs.by_token(bad, NOW).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_compared_is_the_message_that_was_looked_at() {
        let proofs = proofs();
        send(&proofs, "eve@example.com", "a").await;
        let of_eve = proofs.awaited("a", NOW).await.unwrap().unwrap();
        // In the meantime the same flow asks for a message to somebody else.
        let of_ann = send(&proofs, "ann@example.com", "a").await;
        let typed = proofs.by_code(of_eve, (&of_ann.code, NOW)).await;
        assert!(matches!(typed, Err(NoSignIn::Wrong { .. })));
        // An older message is used for nothing, even by its own code.
        let own = send(&proofs, "eve@example.com", "b").await;
        let of_eve = proofs.awaited("b", NOW).await.unwrap().unwrap();
        send(&proofs, "ann@example.com", "b").await;
        let found = proofs.by_code(of_eve, (&own.code, NOW)).await.unwrap();
        assert!(proofs.use_up(found, NOW).await.unwrap().is_none());
    }
}
