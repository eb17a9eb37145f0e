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
        oauth::{Answer, basic, check_access_token, printable},
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

impl OAuth2 {
    /// Exchanges the code, once: the flow lets no answer in twice.
    pub(super) async fn exchange(
        &self,
        asked: &Asked,
        answer: &Answer,
        known: &mut Known,
    ) -> Result<String, Refused> {
        let exchange = &self.set.exchange;
        let (standard, credentials) = self.token_parameters(asked, &answer.code);
        let request = exchange.ask.request(standard, credentials, &known.values)?;
        let given = exchange.ask.send(&self.set.http, request).await?;
        let object = given.as_object();
        let object = object.ok_or_else(|| exchange.ask.unreadable("it is no object"))?;
        let token = exchange.access_token(object)?;
        known.carry(&exchange.carry, &given);
        let values = &mut known.values;
        if let Some(secret) = &self.set.client_secret {
            values.insert("appsecret_proof".to_owned(), proof(&token, secret));
        }
        values.insert("access_token".to_owned(), token.clone());
        Ok(token)
    }

    /// The parameters under the provider's names, and the credentials that are a header.
    fn token_parameters(&self, asked: &Asked, code: &str) -> (Parameters, Option<String>) {
        let mut all: Parameters = Vec::new();
        let mut add = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
        add("grant_type", "authorization_code");
        add("code", code);
        add("redirect_uri", self.parts.callback(&self.id).as_str());
        if self.set.pkce {
            add("code_verifier", &asked.seed.verifier());
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
    /// The access token of an answer (RFC 6749 section 5.1).
    fn access_token(&self, answer: &Map<String, Value>) -> Result<String, Refused> {
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
        Ok(token.to_owned())
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
            assert_eq!(
                strict.access_token(answer).is_ok(),
                by_strict,
                "{token_type}"
            );
            assert_eq!(loose.access_token(answer).is_ok(), by_loose, "{token_type}");
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
            let refused = exchange
                .access_token(answer.as_object().unwrap())
                .unwrap_err();
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
