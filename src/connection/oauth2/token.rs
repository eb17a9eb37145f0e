//! The token request (RFC 6749 section 4.1.3).

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value};

use super::{
    AuthMethod, OAuth2, TokenType,
    authorization::{Asked, rename},
    profile::Known,
    refused::Refused,
    request::{Ask, Parameters},
};
use crate::{
    connection::{
        Paths,
        oauth::{basic, check_access_token, lifetime, printable},
    },
    crypto,
    secret::Secret,
};

/// The request, read.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) ask: Ask,
    pub(super) auth_method: AuthMethod,
    pub(super) names: BTreeMap<String, String>,
    pub(super) access_token: Paths,
    pub(super) token_type: TokenType,
    pub(super) carry: Vec<(String, Paths)>,
}

/// What a token answer holds for us (RFC 6749 section 5.1).
#[derive(Clone)]
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    /// In seconds.
    pub(super) expires_in: Option<i64>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// What a token is given for.
#[derive(Clone, Copy)]
pub(super) enum Grant<'a> {
    /// The flow lets no answer in twice, so each code is sent once.
    Code { code: &'a str, asked: &'a Asked },
    /// Section 6.
    RefreshToken(&'a str),
}

impl OAuth2 {
    /// Exchanges a code, or a refresh token, for tokens.
    pub(super) async fn exchange(
        &self,
        grant: Grant<'_>,
        known: &mut Known,
    ) -> Result<Tokens, Refused> {
        let exchange = &self.set.exchange;
        let (standard, credentials) = self.token_parameters(grant);
        let request = exchange.ask.request(standard, credentials, &known.values)?;
        let given = exchange.ask.send(&self.set.http, request).await?;
        let object = given.as_object();
        let object = object.ok_or_else(|| exchange.ask.unreadable("it is no object"))?;
        let tokens = exchange.tokens(object)?;
        known.carry(&exchange.carry, &given);
        if !known.claims.is_empty() {
            // The rest of the answer is tokens.
            known.seen.add(exchange.ask.step, &known.claims);
        }
        let values = &mut known.values;
        if let Some(secret) = &self.set.client_secret {
            let proof = proof(&tokens.access_token, secret);
            values.insert("appsecret_proof".to_owned(), proof);
        }
        values.insert("access_token".to_owned(), tokens.access_token.clone());
        Ok(tokens)
    }

    /// The parameters under the provider's names, and the credentials that are a header.
    fn token_parameters(&self, grant: Grant<'_>) -> (Parameters, Option<String>) {
        let mut all: Parameters = Vec::new();
        let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
        match grant {
            Grant::Code { code, asked } => {
                add("grant_type", "authorization_code");
                add("code", code);
                add("redirect_uri", self.parts.callback(&self.id).as_str());
                if self.set.pkce {
                    add("code_verifier", &asked.seed.verifier());
                }
            }
            Grant::RefreshToken(token) => {
                add("grant_type", "refresh_token");
                add("refresh_token", token);
            }
        }
        let mut header = None;
        match (self.set.exchange.auth_method, &self.set.client_secret) {
            (AuthMethod::ClientSecretBasic, Some(secret)) => {
                header = Some(basic(&self.set.client_id, secret));
            }
            (AuthMethod::ClientSecretPost, Some(secret)) => {
                add("client_id", &self.set.client_id);
                add("client_secret", secret.expose());
            }
            (AuthMethod::None, _) | (_, None) => add("client_id", &self.set.client_id),
        }
        (rename(all, &self.set.exchange.names), header)
    }
}

impl Exchange {
    /// The tokens of an answer.
    fn tokens(&self, answer: &Map<String, Value>) -> Result<Tokens, Refused> {
        match (answer.get("token_type"), self.token_type) {
            (None | Some(Value::Null), TokenType::BearerOrNone) => {}
            (Some(Value::String(kind)), _) if kind.eq_ignore_ascii_case("bearer") => {}
            (kind, _) => {
                let kind = kind.and_then(Value::as_str).unwrap_or_default();
                return Err(Refused::OtherTokenType(printable(kind)));
            }
        }
        let token = self.access_token.find(answer).and_then(Value::as_str);
        let token = token.ok_or_else(|| self.ask.unreadable("there is no access token in it"))?;
        check_access_token(token).map_err(|why| self.ask.unreadable(why))?;
        let refresh_token = answer.get("refresh_token").and_then(Value::as_str);
        Ok(Tokens {
            access_token: token.to_owned(),
            refresh_token: refresh_token.map(str::to_owned),
            expires_in: answer.get("expires_in").and_then(lifetime),
        })
    }
}

/// That whoever holds the access token also holds the client secret (Facebook: "Securing Graph API
/// Requests").
fn proof(token: &str, secret: &Secret) -> String {
    let proof = crypto::hmac_sha256(secret.expose().as_bytes(), token.as_bytes());
    proof.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connection::{
        oauth::Endpoint,
        oauth2::{Send, refused::TOKEN},
    };

    fn exchange(token_type: TokenType) -> Exchange {
        Exchange {
            ask: Ask {
                step: TOKEN,
                endpoint: Endpoint::parse("https://a.example/token").unwrap(),
                send: Send::Form,
                params: Vec::new(),
                headers: Vec::new(),
                error: Paths::parse("error").unwrap(),
            },
            auth_method: AuthMethod::ClientSecretBasic,
            names: BTreeMap::new(),
            access_token: Paths::parse("access_token").unwrap(),
            token_type,
            carry: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_of_the_type_that_we_use() {
        let strict = exchange(TokenType::Bearer);
        let loose = exchange(TokenType::BearerOrNone);
        for (token_type, by_strict, by_loose) in [
            (json!("Bearer"), true, true),
            (json!("bEARER"), true, true),
            (json!(null), false, true),
            (json!("mac"), false, false),
            (json!("DPoP"), false, false),
            (json!(""), false, false),
            (json!(1), false, false),
        ] {
            let answer = json!({"access_token": "t", "token_type": token_type});
            let answer = answer.as_object().unwrap();
            assert_eq!(strict.tokens(answer).is_ok(), by_strict, "{token_type}");
            assert_eq!(loose.tokens(answer).is_ok(), by_loose, "{token_type}");
        }
    }

    #[test]
    fn a_token_can_go_into_a_header() {
        let exchange = exchange(TokenType::BearerOrNone);
        for token in [
            json!(""),
            json!("a b"),
            json!("a\r\nb"),
            json!(7),
            json!(null),
        ] {
            let answer = json!({"access_token": token});
            let refused = exchange.tokens(answer.as_object().unwrap()).unwrap_err();
            assert_eq!(refused.step(), TOKEN, "{token}");
        }
    }

    #[test]
    fn the_proof_is_what_facebook_computes() {
        // RFC 4231 section 4.3
        let proof = proof(
            "what do ya want for nothing?",
            &Secret::new("Jefe".to_owned()),
        );
        assert_eq!(
            proof,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
