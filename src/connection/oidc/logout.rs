//! Signing out: at the provider (OpenID Connect RP-Initiated Logout 1.0), and by its word
//! (Back-Channel Logout 1.0, Front-Channel Logout 1.0).

use async_trait::async_trait;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::{
    Logout, Oidc, Refused, Remembered, Signed,
    id_token::{IdTokenError, check_audience, check_issued, check_issuer, seconds, text},
};
use crate::{
    clock::Timestamp,
    connection::{
        ConnectionData, Departure, Ended, EndedWhose, Leaving, Notices, Once, Rejection, Reply,
        SignOut,
    },
    crypto::{
        self,
        jose::{self, Verified},
    },
    identity::Subject,
};

/// The step, for the operator.
const STEP: &str = "logout-token";
/// The event that a logout token is about (Back-Channel Logout 1.0 section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A notice is remembered for so long, in seconds: longer than it is accepted, by its `iat`.
const REMEMBERED: i64 = 2 * 3600;

/// What is wrong with a logout token (Back-Channel Logout 1.0 section 2.6).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LogoutTokenError {
    #[error(transparent)]
    Claims(#[from] IdTokenError),
    #[error("exp is in the past")]
    Expired,
    #[error("events does not hold the logout event")]
    NoEvent,
    #[error("there is no logout_token, or more than one")]
    NoToken,
    #[error("there is neither sub nor sid")]
    Nobody,
    #[error("it has a nonce, so it is an ID token")]
    Nonce,
    #[error("it is a token of another type")]
    OtherType,
    #[error("there is no jti")]
    Unnamed,
}

#[async_trait]
impl SignOut for Oidc {
    async fn begin(&self, leaving: Leaving<'_>) -> Result<Departure, Rejection> {
        let metadata = self.provider.metadata().await;
        let metadata = metadata.map_err(|error| self.reject(error.into()))?;
        let offered = metadata.end_session_endpoint.clone();
        let Some(mut to) = offered.filter(|_| self.set.logout == Logout::Provider) else {
            return Ok(Departure::Nowhere);
        };
        let remembered: Option<Remembered> = ConnectionData::read(leaving.kept);
        let mut query = to.query_pairs_mut();
        if let Some(hint) = remembered.and_then(|remembered| remembered.id_token)
            && !self.set.quirks.id_token_hint_left_out
        {
            query.append_pair("id_token_hint", &hint);
        }
        query
            .append_pair("client_id", &self.set.client_id)
            .append_pair("post_logout_redirect_uri", leaving.back.as_str())
            .append_pair("state", leaving.state);
        drop(query);
        Ok(Departure::Redirect(to))
    }
}

#[async_trait]
impl Notices for Oidc {
    async fn notified(&self, reply: Reply<'_>, now: Timestamp) -> Result<Ended, Rejection> {
        let ended = self.read_logout_token(reply, now).await;
        ended.map_err(|refused| self.reject(refused))
    }

    fn notified_in_front(&self, query: &str) -> Result<Ended, Rejection> {
        let one = |name: &str| {
            let mut found =
                form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
            let first = found.next().map(|(_, value)| value.into_owned());
            first.filter(|_| found.next().is_none())
        };
        // Both or neither (section 2), and without the name of a session it is nobody's.
        let iss = one("iss").filter(|iss| self.provider.issuer.has(iss));
        let sid = one("sid").filter(|sid| !sid.is_empty());
        match (iss, sid) {
            (Some(_), Some(sid)) => Ok(Ended {
                whose: EndedWhose::Sid(sid),
                once: None,
            }),
            (None, _) => Err(self.reject(LogoutTokenError::Claims(IdTokenError::Issuer).into())),
            (_, None) => Err(self.reject(LogoutTokenError::Nobody.into())),
        }
    }
}

impl Oidc {
    async fn read_logout_token(&self, reply: Reply<'_>, now: Timestamp) -> Result<Ended, Refused> {
        let Reply::Form(body) = reply else {
            return Err(LogoutTokenError::NoToken.into());
        };
        let mut found = form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token");
        let (Some((_, token)), None) = (found.next(), found.next()) else {
            return Err(LogoutTokenError::NoToken.into());
        };
        let metadata = self.provider.metadata().await?;
        let token = self.decrypted(&token, STEP)?;
        // Anybody can post here: what is not for this client does not have its keys looked up.
        let said =
            jose::unverified(&token).map_err(|error| Refused::Signature { step: STEP, error })?;
        self.check_addressed(&said)?;
        let signed = (STEP, Signed::AtLogout);
        let verified = self.verify(&metadata, &token, signed).await?;
        Ok(self.check_logout_token(&verified, now)?)
    }

    /// A logout token of this provider for this client, if it is what it says.
    fn check_addressed(&self, said: &Verified) -> Result<(), LogoutTokenError> {
        // Older providers say JWT, or nothing.
        let typ = said.header.typ.as_deref().unwrap_or("JWT");
        if !["logout+jwt", "application/logout+jwt", "JWT"]
            .iter()
            .any(|one| typ.eq_ignore_ascii_case(one))
        {
            return Err(LogoutTokenError::OtherType);
        }
        check_issuer(&said.claims, &self.provider.issuer)?;
        let (client_id, trusted) = (&self.set.client_id, &self.set.trusted_audiences);
        Ok(check_audience(&said.claims, client_id, trusted)?)
    }

    fn check_logout_token(
        &self,
        verified: &Verified,
        now: Timestamp,
    ) -> Result<Ended, LogoutTokenError> {
        self.check_addressed(verified)?;
        let claims = &verified.claims;
        check_issued(claims, now.seconds())?;
        let exp = seconds(claims, "exp")?;
        if exp.is_some_and(|exp| exp <= now.seconds() - super::id_token::SKEW) {
            return Err(LogoutTokenError::Expired);
        }
        let jti = text(claims, "jti").filter(|jti| !jti.is_empty());
        let jti = jti.ok_or(LogoutTokenError::Unnamed)?;
        check_event(claims)?;
        if claims.contains_key("nonce") {
            return Err(LogoutTokenError::Nonce);
        }
        // However long it says that it is good for: `iat` ends it (`check_issued`).
        let until = now.seconds() + REMEMBERED;
        let named = [b"logout", self.id.as_str().as_bytes(), jti.as_bytes()];
        Ok(Ended {
            whose: whose(claims)?,
            once: Some(Once {
                hash: crypto::sha256_parts(&named),
                until: Timestamp::from_millis(until.saturating_mul(1000)),
            }),
        })
    }
}

fn check_event(claims: &Map<String, Value>) -> Result<(), LogoutTokenError> {
    let events = claims.get("events").and_then(Value::as_object);
    let event = events.and_then(|events| events.get(EVENT));
    let is = event.is_some_and(Value::is_object);
    is.then_some(()).ok_or(LogoutTokenError::NoEvent)
}

/// The one session, if it is named; else all of the person.
fn whose(claims: &Map<String, Value>) -> Result<EndedWhose, LogoutTokenError> {
    if let Some(sid) = text(claims, "sid").filter(|sid| !sid.is_empty()) {
        return Ok(EndedWhose::Sid(sid.to_owned()));
    }
    let subject = text(claims, "sub").and_then(|sub| sub.parse::<Subject>().ok());
    subject
        .map(EndedWhose::Subject)
        .ok_or(LogoutTokenError::Nobody)
}
