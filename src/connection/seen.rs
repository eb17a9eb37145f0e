//! What the operator sees of a trial login: what was checked, and what the provider said.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stands in the place of a token.
const LEFT_OUT: &str = "(left out)";
/// The members that hold one: of a token response (RFC 6749 section 5.1), and of claims that are
/// elsewhere (OpenID Connect Core 1.0 section 5.6.2).
const TOKENS: [&str; 6] = [
    "access_token",
    "id_token",
    "JWT",
    "oauth_token",
    "oauth_token_secret",
    "refresh_token",
];

/// One thing that is done or checked on the way of a login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Check {
    /// The step, as a [`Rejection`](super::Rejection) names it.
    pub(crate) step: &'static str,
    /// The one check of several at this step, as a rejection names it.
    pub(crate) check: Option<&'static str>,
    /// What is done there, or must be.
    pub(crate) what: &'static str,
}

impl Check {
    /// A step as a whole.
    pub(in crate::connection) const fn step(step: &'static str, what: &'static str) -> Self {
        Self {
            step,
            check: None,
            what,
        }
    }
}

/// Where a strategy puts what the provider says, as it came, so that it can be shown also when a
/// login fails. It is off but for trial logins, and then costs nothing. A person's claims are in it,
/// which belong in no error and in no log.
#[derive(Clone, Default)]
pub(crate) struct Seen(Option<Arc<Mutex<Vec<Said>>>>);

/// One answer of the provider.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Said {
    /// At which step.
    pub(crate) step: String,
    pub(crate) claims: Value,
}

impl Seen {
    /// For a trial login.
    pub(crate) fn on() -> Self {
        Self(Some(Arc::default()))
    }

    /// Keeps what the provider said, without the tokens in it.
    pub(in crate::connection) fn add(&self, step: &str, said: &(impl Clone + Into<Value>)) {
        let Some(all) = &self.0 else { return };
        let mut claims = said.clone().into();
        leave_tokens_out(&mut claims);
        all.lock().push(Said {
            step: step.to_owned(),
            claims,
        });
    }

    /// What was seen so far.
    pub(crate) fn said(&self) -> Vec<Said> {
        let all = self.0.as_ref();
        all.map(|all| all.lock().clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

fn leave_tokens_out(said: &mut Value) {
    match said {
        Value::Array(all) => all.iter_mut().for_each(leave_tokens_out),
        Value::Object(members) => {
            for (name, value) in members {
                if TOKENS.contains(&name.as_str()) {
                    *value = LEFT_OUT.into();
                } else {
                    leave_tokens_out(value);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_seen_is_kept_for_a_trial_alone_and_without_tokens() {
        let claims = json!({
            "sub": "alice",
            "_claim_sources": {
                "a": { "JWT": "e30.e30." },
                "b": { "endpoint": "https://a.example", "access_token": "secret" },
            },
            "pages": [{ "id": 1, "access_token": "secret" }],
        });
        let (off, on) = (Seen::default(), Seen::on());
        for seen in [&off, &on] {
            seen.add("userinfo-request", &claims);
        }
        assert!(off.said().is_empty());
        let said = on.clone().said();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].step, "userinfo-request");
        assert_eq!(
            said[0].claims,
            json!({
                "sub": "alice",
                "_claim_sources": {
                    "a": { "JWT": LEFT_OUT },
                    "b": { "endpoint": "https://a.example", "access_token": LEFT_OUT },
                },
                "pages": [{ "id": 1, "access_token": LEFT_OUT }],
            })
        );
        assert!(!format!("{on:?}").contains("alice"));
    }
}
