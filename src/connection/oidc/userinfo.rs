//! The userinfo request (OpenID Connect Core 1.0 section 5.3).

use http::{Method, header};
use serde_json::{Map, Value};

use super::{
    Metadata, Oidc, Refused, Signed, Tokens,
    client::{Answered, Call, Dpop},
    id_token::{IdTokenError, check_audience, check_issuer, text},
};
use crate::{clock::Timestamp, connection::Seen, crypto::jose, identity::Subject};

/// The step, for the operator.
pub(super) const STEP: &str = "userinfo-request";

impl Oidc {
    /// What the userinfo endpoint says about this person. `None`: there is no such endpoint.
    pub(super) async fn userinfo(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        (subject, now): (&Subject, Timestamp),
        seen: &Seen,
    ) -> Result<Option<Map<String, Value>>, Refused> {
        let endpoint = self.userinfo_endpoint(metadata);
        let Some(to) = endpoint.filter(|_| self.set.userinfo) else {
            return Ok(None);
        };
        let kind = if self.set.dpop { "DPoP" } else { "Bearer" };
        let head = http::Request::builder().method(Method::GET).header(
            header::AUTHORIZATION,
            format!("{kind} {}", tokens.access_token),
        );
        let call = Call {
            to: &to,
            step: STEP,
            now,
            dpop: if self.set.dpop {
                Dpop::KeyAnd(&tokens.access_token)
            } else {
                Dpop::No
            },
        };
        let answered = self.call(call, head, bytes::Bytes::new()).await?;
        let claims = self.userinfo_claims(metadata, &answered, seen).await?;
        // Section 5.3.2: otherwise these are somebody else's claims.
        if text(&claims, "sub") != Some(subject.as_str()) {
            return Err(Refused::Userinfo(IdTokenError::OtherSubject));
        }
        Ok(Some(claims))
    }

    async fn userinfo_claims(
        &self,
        metadata: &Metadata,
        answered: &Answered,
        seen: &Seen,
    ) -> Result<Map<String, Value>, Refused> {
        if answered.media_type != "application/jwt" {
            // A member twice could be read as one person here and as another elsewhere.
            let claims = jose::object(&answered.body);
            let claims = claims.map_err(|error| Refused::Unreadable {
                step: STEP,
                why: error.to_string(),
            })?;
            seen.add(STEP, &claims);
            return Ok(claims);
        }
        let token = std::str::from_utf8(&answered.body).map_err(|error| Refused::Unreadable {
            step: STEP,
            why: error.to_string(),
        })?;
        let token = self.decrypted(token.trim_end(), STEP)?;
        let verified = self
            .verify(metadata, &token, (STEP, Signed::AtLogin))
            .await?;
        let claims = verified.claims;
        seen.add(STEP, &claims);
        // Section 5.3.2: a signed answer should name both; what it names must be right.
        if claims.contains_key("iss") {
            check_issuer(&claims, &self.provider.issuer).map_err(Refused::Userinfo)?;
        }
        if claims.contains_key("aud") {
            check_audience(&claims, &self.set.client_id, &self.set.trusted_audiences)
                .map_err(Refused::Userinfo)?;
        }
        Ok(claims)
    }
}
