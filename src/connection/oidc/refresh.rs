//! Refreshing (OpenID Connect Core 1.0 section 12): new tokens for the application, and a new look
//! at the person.

use async_trait::async_trait;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{
    Oidc, Refused, Remembered, Tokens,
    id_token::{Expected, IdToken, IdTokenError, Nonce},
};
use crate::{
    clock::Timestamp,
    connection::{
        ConnectionData, Fault, Kept, Lasting, ProviderTokens, Refresh, RefreshError, Refreshed,
        Seen, TooManyClaims,
    },
    crypto::jose::JwsError,
    identity::{Groups, Identity, Subject},
    secret::Secret,
};

/// What is kept besides the ID token.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct More {
    #[serde(rename = "a")]
    access_token: String,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    lasting: Option<Lasting>,
}

impl std::fmt::Debug for More {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("More").finish_non_exhaustive()
    }
}

impl More {
    /// What a token response holds.
    pub(super) fn of(tokens: &Tokens, now: Timestamp) -> Self {
        Self {
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            lasting: tokens
                .expires_in()
                .map(|seconds| Lasting::from(now, seconds)),
        }
    }
}

#[async_trait]
impl Refresh for Oidc {
    fn tokens(&self, kept: &ConnectionData) -> Option<ProviderTokens> {
        let remembered: Remembered = kept.read()?;
        let more = remembered.more?;
        Some(ProviderTokens {
            access_token: Secret::new(more.access_token),
            id_token: remembered.id_token.map(Secret::new),
            lasting: more.lasting,
            renewable: more.refresh_token.is_some(),
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
            let looked = replaced.is_some();
            let rejection_of = |refused| self.reject(refused);
            if disowns(&refused, looked) {
                RefreshError::Disowned(rejection_of(refused))
            } else {
                RefreshError::Failed {
                    rejection: rejection_of(refused),
                    kept: replaced,
                }
            }
        })
    }
}

/// Whether the provider takes back what it said of the person. `looked`: it gave new tokens, and
/// what was refused is what it says of the person.
fn disowns(refused: &Refused, looked: bool) -> bool {
    let unknown_key = matches!(
        refused,
        Refused::Signature {
            error: JwsError::UnknownKey,
            ..
        }
    );
    let says = matches!(
        refused,
        Refused::Claims(_)
            | Refused::Decryption { .. }
            | Refused::Encryption { .. }
            | Refused::IdToken(_)
            | Refused::Signature { .. }
            | Refused::Userinfo(_)
    );
    // A token that was given a moment ago, and does not open the way to the person.
    let closed = matches!(
        refused,
        Refused::Status { status, .. }
            if looked && [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status)
    );
    (says && !unknown_key) || closed || refused.fault() == Fault::Denied
}

impl Oidc {
    async fn refreshed(
        &self,
        (kept, replaced): (&Kept, &mut Option<Kept>),
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Refreshed, Refused> {
        let remembered: Remembered = kept.data.read().ok_or(Refused::Unasked)?;
        let more = remembered.more.ok_or(Refused::Unasked)?;
        let refresh_token = more.refresh_token.ok_or(Refused::Unasked)?;
        let metadata = self.provider.metadata().await?;
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh_token),
        ];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let form = form.into_iter().map(own).collect();
        let mut tokens = self.tokens(&metadata, form, now).await?;
        // One that is not replaced goes on (RFC 6749 section 6).
        tokens.refresh_token = tokens.refresh_token.or(Some(refresh_token));
        // Until somebody has looked at the person, the new tokens are nobody's; but the refresh token
        // that was there is used up.
        *replaced = Some(Kept {
            data: ConnectionData::of(&Remembered {
                id_token: remembered.id_token.clone(),
                more: Some(More {
                    refresh_token: tokens.refresh_token.clone(),
                    access_token: more.access_token,
                    lasting: more.lasting,
                }),
            }),
            sids: kept.sids.clone(),
            ends: None,
        });
        let token = match &tokens.id_token {
            Some(_) => Some(self.same_person(&metadata, &tokens, (subject, now)).await?),
            None => None,
        };
        let userinfo = self
            .userinfo(&metadata, &tokens, (subject, now), &Seen::default())
            .await?;
        let sid = token.as_ref().and_then(|token| token.sid.clone());
        let known = token.is_some() || userinfo.is_some();
        let mut claims = match token {
            Some(token) => token.claims,
            // What the ID token said, and userinfo does not, goes on.
            None if known => self.known_claims(subject).await?,
            None => serde_json::Map::new(),
        };
        claims.extend(userinfo.unwrap_or_default());
        let all_groups = !known || self.complete_groups(&mut claims, &tokens, now).await;
        let mut identity = known
            .then(|| self.identity(subject.clone(), claims, all_groups))
            .transpose()?;
        if let Some(identity) = &mut identity {
            self.complete_name(&mut identity.profile, subject, None)
                .await;
        }
        tokens.id_token = tokens.id_token.or(remembered.id_token);
        Ok(Refreshed {
            kept: Kept {
                data: ConnectionData::of(&Remembered {
                    id_token: tokens.id_token.clone(),
                    more: Some(More::of(&tokens, now)),
                }),
                sids: sid.map_or_else(|| kept.sids.clone(), |sid| vec![sid]),
                ends: None,
            },
            identity,
        })
    }

    /// A refreshed ID token: of the same person, by the same issuer, for this client (section 12.2).
    async fn same_person(
        &self,
        metadata: &super::Metadata,
        tokens: &Tokens,
        (subject, now): (&Subject, Timestamp),
    ) -> Result<IdToken, Refused> {
        let expected = Expected {
            issuer: &self.provider.issuer,
            client_id: &self.set.client_id,
            trusted_audiences: &self.set.trusted_audiences,
            nonce: Nonce::Any,
            max_age: None,
            acr: &[],
            acr_claim: self.set.quirks.acr_claim(),
            access_token: Some(&tokens.access_token),
            now,
        };
        let token = self
            .id_token(metadata, tokens, &expected, &Seen::default())
            .await?;
        if token.subject != *subject {
            return Err(IdTokenError::OtherSubject.into());
        }
        self.check_domain(&token.claims)?;
        Ok(token)
    }

    /// What these claims say of a person.
    pub(super) fn identity(
        &self,
        subject: Subject,
        mut claims: serde_json::Map<String, serde_json::Value>,
        all_groups: bool,
    ) -> Result<Identity, TooManyClaims> {
        let verified = claims.get_mut("email_verified");
        if let Some(verified) = verified.filter(|_| self.set.quirks.verified_as_text)
            && *verified == "true"
        {
            *verified = true.into();
        }
        claims.retain(|name, _| !super::OF_THE_TOKEN.contains(&name.as_str()));
        let (profile, groups) = self.mapping.apply(&claims)?;
        Ok(Identity {
            connection: self.id.clone(),
            subject,
            profile,
            claims,
            groups: if all_groups { groups } else { Groups::Unknown },
        })
    }
}
