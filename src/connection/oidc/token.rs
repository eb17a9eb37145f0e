//! The token request (RFC 6749 sections 4.1.3 and 6).

use serde::Deserialize;
use serde_json::Value;

use super::{
    Metadata, Oidc, Refused,
    client::{Call, Dpop},
};
use crate::{
    clock::Timestamp,
    connection::oauth::{check_access_token, lifetime},
};

/// The step, for the operator.
pub(super) const STEP: &str = "token-request";

/// A token response (RFC 6749 section 5.1, OpenID Connect Core 1.0 section 3.1.3.3).
#[derive(Clone, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    token_type: String,
    pub(crate) id_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    expires_in: Option<Value>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// How long the access token is good for, in seconds.
    pub(crate) fn expires_in(&self) -> Option<i64> {
        lifetime(self.expires_in.as_ref()?)
    }
}

impl Oidc {
    /// Exchanges a code, or a refresh token, for tokens.
    pub(super) async fn tokens(
        &self,
        metadata: &Metadata,
        form: Vec<(String, String)>,
        now: Timestamp,
    ) -> Result<Tokens, Refused> {
        let to = self.token_endpoint(metadata);
        let call = Call {
            to: &to,
            step: STEP,
            now,
            dpop: if self.set.dpop { Dpop::Key } else { Dpop::No },
        };
        let answered = self.post(metadata, call, form).await?;
        let tokens: Tokens = answered.read(STEP)?;
        let wanted = if self.set.dpop { "DPoP" } else { "Bearer" };
        if !tokens.token_type.eq_ignore_ascii_case(wanted) {
            return Err(Refused::Unreadable {
                step: STEP,
                why: format!("the token is not of the type {wanted}"),
            });
        }
        check_access_token(&tokens.access_token).map_err(|why| Refused::Unreadable {
            step: STEP,
            why: why.to_owned(),
        })?;
        Ok(tokens)
    }
}
