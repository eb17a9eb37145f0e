//! Refreshing (RFC 6749 section 6): new tokens for the application, and a new look at the person.

use async_trait::async_trait;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Known, OAuth2, Refused,
    token::{Grant, Tokens},
};
use crate::{
    clock::Timestamp,
    connection::{
        ConnectionData, Fault, Kept, Lasting, ProviderTokens, Refresh, RefreshError, Refreshed,
        oauth::Values,
    },
    identity::Subject,
    secret::Secret,
};

/// What stays with the session, if a route forwards tokens.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct Remembered {
    #[serde(rename = "a")]
    access_token: String,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    lasting: Option<Lasting>,
    /// What the data carry from one call to the next.
    #[serde(rename = "v", default, skip_serializing_if = "Values::is_empty")]
    values: Values,
}

impl Remembered {
    pub(super) fn of(tokens: &Tokens, known: &Known, now: Timestamp) -> Self {
        let mut values = known.values.clone();
        // They are of this token alone.
        values.retain(|name, _| !["access_token", "appsecret_proof"].contains(&name.as_str()));
        Self {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            lasting: tokens.expires_in.map(|seconds| Lasting::from(now, seconds)),
            values,
        }
    }
}

#[async_trait]
impl Refresh for OAuth2 {
    fn tokens(&self, kept: &ConnectionData) -> Option<ProviderTokens> {
        let remembered: Remembered = kept.read()?;
        Some(ProviderTokens {
            access_token: Secret::new(remembered.access_token),
            id_token: None,
            lasting: remembered.lasting,
            renewable: remembered.refresh_token.is_some(),
        })
    }

    async fn refresh(
        &self,
        kept: &Kept,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Refreshed, RefreshError> {
        let mut replaced = None;
        let refreshed = self.refreshed((kept, &mut replaced), subject, now).await;
        refreshed.map_err(|refused| {
            let disowned = disowns(&refused, replaced.is_some());
            let rejection = self.reject(refused);
            if disowned {
                RefreshError::Disowned(rejection)
            } else {
                RefreshError::Failed {
                    rejection,
                    kept: replaced,
                }
            }
        })
    }
}

/// Whether the provider takes back what it said of the person. `looked`: it gave a new token, and
/// what was refused is what it says of the person.
fn disowns(refused: &Refused, looked: bool) -> bool {
    let says = matches!(
        refused,
        Refused::Claims(_) | Refused::NoSubject | Refused::OtherSubject
    );
    let closed = matches!(
        refused,
        Refused::Error { status, .. }
            if looked && [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status)
    );
    says || closed || refused.fault() == Fault::Denied
}

impl OAuth2 {
    async fn refreshed(
        &self,
        (kept, replaced): (&Kept, &mut Option<Kept>),
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Refreshed, Refused> {
        let remembered: Remembered = kept.data.read().ok_or(Refused::Unasked)?;
        let refresh_token = remembered.refresh_token.ok_or(Refused::Unasked)?;
        let mut known = Known {
            values: remembered.values.clone(),
            ..Known::default()
        };
        let grant = Grant::RefreshToken(&refresh_token);
        let mut tokens = self.obtain(grant, &mut known).await?;
        known.recall(&self.set.exchange.carry);
        // One that is not replaced goes on (section 6).
        tokens.refresh_token = tokens.refresh_token.or(Some(refresh_token));
        // Until somebody has looked at the person, the new token is nobody's; but the refresh token
        // that was there is used up.
        let only_replaced = Remembered {
            refresh_token: tokens.refresh_token.clone(),
            access_token: remembered.access_token,
            lasting: remembered.lasting,
            values: remembered.values,
        };
        *replaced = Some(Kept {
            data: ConnectionData::of(&only_replaced),
            ..Kept::default()
        });
        self.look(&tokens, &mut known).await?;
        let data = ConnectionData::of(&Remembered::of(&tokens, &known, now));
        let identity = self.identity(known)?;
        if identity.subject != *subject {
            return Err(Refused::OtherSubject);
        }
        Ok(Refreshed {
            kept: Kept {
                data,
                ..Kept::default()
            },
            identity: Some(identity),
        })
    }
}
