//! Whether somebody has proven a moment ago who they are: changes that a stolen session must not
//! make are for them alone.

use std::time::Duration;

use super::{Engine, Turn, Visit};
use crate::{clock::Timestamp, identity::Authentication, session::Session, store::StoreError};

/// How long ago a proof may have been.
pub(super) const FRESH: Duration = Duration::from_mins(10);
/// How far the clock of a provider may be ahead.
const SKEW: Duration = Duration::from_mins(1);

/// Whether the first proof is fresh.
pub(super) fn is_fresh(held: &Authentication, now: Timestamp) -> bool {
    let proven = held.auth_time.max(held.proven_at.unwrap_or_default());
    is_recent(proven, now)
}

fn is_recent(then: Timestamp, now: Timestamp) -> bool {
    now.since(then) <= FRESH && then.since(now) <= SKEW
}

impl Engine {
    /// Whether the person at this session has proven a moment ago who they are, with the second
    /// factor if they have one, or are sent codes in place of one.
    pub(super) async fn has_fresh_proof(
        &self,
        visit: &Visit,
        session: &Session,
    ) -> Result<bool, StoreError> {
        let user = &session.user().id;
        let has_factor = !self.parts.factors.of(user).await?.is_empty();
        let person = self.parts.directory.store().find(user).await?;
        let is_sent_codes = |held: &Authentication| {
            let address = |person| self.code_address(person, &held.connection);
            person.as_ref().and_then(address).is_some()
        };
        let fresh = |held: &Authentication| {
            let second = held.second_factor_at;
            let second = second.is_some_and(|at| is_recent(at, visit.now));
            is_fresh(held, visit.now) && (second || !(has_factor || is_sent_codes(held)))
        };
        Ok(session.contents().authentications.iter().any(fresh))
    }

    /// The same, or the login on the way back to the account page.
    pub(super) async fn demand_fresh_proof(
        &self,
        visit: &Visit,
        session: &Session,
    ) -> Result<(), Box<Turn>> {
        match self.has_fresh_proof(visit, session).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let back = self.path("account?done=confirmed");
                Err(Box::new(self.to_fresh_login(&back, None)))
            }
            Err(error) => Err(Box::new(self.store_is_away(visit, &error))),
        }
    }

    /// The login, on the way back to the account page or to another page.
    pub(super) fn to_fresh_login(&self, back: &str, nonce: Option<&str>) -> Turn {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("rd", back).append_pair("fresh", "1");
        if let Some(nonce) = nonce {
            query.append_pair("nonce", nonce);
        }
        Turn::see_other(self.path(&format!("login?{}", query.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_fresh_for_ten_minutes() {
        let at = |seconds: i64| Timestamp::from_millis(1_800_000_000_000 + seconds * 1000);
        let now = at(0);
        let held = |auth_time, proven_at| Authentication {
            connection: "acme".parse().unwrap(),
            subject: "a".parse().unwrap(),
            auth_time,
            amr: Vec::new(),
            acr: None,
            proven_at,
            second_factor_at: None,
        };
        for (auth_time, proven_at, fresh) in [
            (at(0), None, true),
            (at(-600), None, true),
            (at(-601), None, false),
            (at(60), None, true),
            (at(61), None, false),
            (Timestamp::default(), None, false),
            (Timestamp::default(), Some(at(-600)), true),
            (at(-9999), Some(at(-601)), false),
        ] {
            let held = held(auth_time, proven_at);
            assert_eq!(is_fresh(&held, now), fresh, "{held:?}");
        }
    }
}
