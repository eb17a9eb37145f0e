//! What the provider says of the person: from its answers to claims.

use serde_json::{Map, Value};

use super::{Emails, refused::Refused, request::Ask};
use crate::{
    connection::{
        Paths, Seen,
        oauth::{Template, Values, text_of},
    },
    egress::http::Client,
    identity::Subject,
};

/// One question, read.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) ask: Ask,
    /// Whether the access token is in no header and no parameter yet.
    pub(super) bearer: bool,
    pub(super) at: Option<Paths>,
    pub(super) into: Option<String>,
    pub(super) emails: Option<Emails>,
    pub(super) carry: Vec<(String, Paths)>,
}

/// What is known of the person so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) values: Values,
    pub(super) claims: Map<String, Value>,
    pub(super) seen: Seen,
}

impl Known {
    /// Takes values out of an answer, for later calls and as claims.
    pub(super) fn carry(&mut self, carry: &[(String, Paths)], answer: &Value) {
        let Some(answer) = answer.as_object() else {
            return;
        };
        for (name, paths) in carry {
            let Some(value) = paths.find(answer) else {
                continue;
            };
            if let Some(text) = text_of(value) {
                self.values.insert(name.clone(), text);
            } else if !value.is_boolean() {
                continue;
            }
            self.claims.insert(name.clone(), value.clone());
        }
    }

    /// Makes claims of what an earlier token answer said and this one does not.
    pub(super) fn recall(&mut self, carry: &[(String, Paths)]) {
        for (name, _) in carry {
            if let Some(text) = self.values.get(name) {
                let claim = || Value::String(text.clone());
                self.claims.entry(name.clone()).or_insert_with(claim);
            }
        }
    }

    /// Asks one question.
    pub(super) async fn ask(
        &mut self,
        question: &Question,
        access_token: &str,
        http: &Client,
    ) -> Result<(), Refused> {
        let ask = &question.ask;
        let token = question.bearer.then(|| format!("Bearer {access_token}"));
        let request = ask.request(Vec::new(), token, &self.values)?;
        let answer = ask.send(http, request).await?;
        self.seen.add(ask.step, &answer);
        self.learn(question, &answer)
            .map_err(|why| ask.unreadable(why))
    }

    /// Puts an answer among the claims.
    fn learn(&mut self, question: &Question, answer: &Value) -> Result<(), &'static str> {
        let about = match &question.at {
            Some(paths) => answer.as_object().and_then(|object| paths.find(object)),
            None => Some(answer),
        };
        let about = about.ok_or("what it should be about is not in it")?;
        if let Some(emails) = &question.emails {
            let list = about.as_array().ok_or("it is no list of addresses")?;
            self.claims.remove("email_verified");
            if let Some(address) = main_address(list, emails) {
                self.claims.insert("email".to_owned(), address.into());
                self.claims.insert("email_verified".to_owned(), true.into());
            }
        } else if let Some(name) = &question.into {
            self.claims.insert(name.clone(), about.clone());
        } else {
            let members = about.as_object().ok_or("it is no object")?;
            self.claims.extend(members.clone());
        }
        self.carry(&question.carry, answer);
        Ok(())
    }

    /// Makes the claims that are made of others.
    pub(super) fn compose(&mut self, compose: &[(String, Template)]) {
        for (name, text) in compose {
            match text.compose(&self.claims) {
                Some(made) => drop(self.claims.insert(name.clone(), made.into())),
                None => drop(self.claims.remove(name)),
            }
        }
    }

    /// Who it is.
    pub(super) fn subject(&self, at: &Paths) -> Result<Subject, Refused> {
        let found = at.find(&self.claims).and_then(text_of);
        let subject = found.and_then(|text| text.parse().ok());
        subject.ok_or(Refused::NoSubject)
    }
}

/// The address that is the main one and verified.
fn main_address(list: &[Value], emails: &Emails) -> Option<String> {
    let is = |entry: &Value, name: &str| entry.get(name) == Some(&Value::Bool(true));
    let main = |entry: &&Value| is(entry, &emails.primary) && is(entry, &emails.verified);
    let found = list.iter().find(main)?;
    found.get(&emails.address)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::connection::{oauth::Endpoint, oauth2::Send};

    fn question() -> Question {
        Question {
            ask: Ask {
                step: "profile-request",
                endpoint: Endpoint::parse("https://a.example/me").unwrap(),
                send: Send::Get,
                params: Vec::new(),
                headers: Vec::new(),
                error: Paths::parse("error").unwrap(),
            },
            bearer: true,
            at: None,
            into: None,
            emails: None,
            carry: Vec::new(),
        }
    }

    fn path(text: &str) -> Paths {
        Paths::parse(text).unwrap()
    }

    #[test]
    fn answers_become_claims_where_they_are_wanted() {
        let mut known = Known::default();
        known
            .learn(&question(), &json!({"id": 7, "name": "A"}))
            .unwrap();
        let nested = Question {
            at: Some(path("data[0]")),
            carry: vec![("openid".to_owned(), path("data[0].sub"))],
            ..question()
        };
        known
            .learn(&nested, &json!({"data": [{"name": "B", "sub": "s"}]}))
            .unwrap();
        let into = Question {
            into: Some("company".to_owned()),
            ..question()
        };
        known.learn(&into, &json!(["x"])).unwrap();
        assert_eq!(
            Value::Object(known.claims.clone()),
            json!({"id": 7, "name": "B", "sub": "s", "openid": "s", "company": ["x"]})
        );
        assert_eq!(known.values["openid"], "s");
        assert!(known.learn(&question(), &json!([])).is_err());
        assert!(known.learn(&nested, &json!({"data": []})).is_err());
    }

    #[test]
    fn only_an_address_that_is_main_and_verified_counts() {
        let emails = Question {
            emails: Some(Emails::default()),
            ..question()
        };
        let entry = |email: &str, primary: Value, verified: Value| json!({"email": email, "primary": primary, "verified": verified});
        let (yes, no) = (json!(true), json!(false));
        for (list, email, verified) in [
            (
                json!([
                    entry("old@a.example", no.clone(), yes.clone()),
                    entry("a@a.example", yes.clone(), yes.clone())
                ]),
                "a@a.example",
                Some(true),
            ),
            (
                json!([entry("a@a.example", yes.clone(), no.clone())]),
                "public@a.example",
                None,
            ),
            (
                json!([entry("a@a.example", json!("true"), yes.clone())]),
                "public@a.example",
                None,
            ),
            (
                json!([entry("a@a.example", yes.clone(), json!(1))]),
                "public@a.example",
                None,
            ),
            (json!([]), "public@a.example", None),
        ] {
            let mut known = Known::default();
            // what the profile claims about the address is not what the list says
            let profile = json!({"email": "public@a.example", "email_verified": true});
            known.learn(&question(), &profile).unwrap();
            known.learn(&emails, &list).unwrap();
            assert_eq!(known.claims["email"], email, "{list}");
            let found = known.claims.get("email_verified").and_then(Value::as_bool);
            assert_eq!(found, verified, "{list}");
        }
        assert!(
            Known::default()
                .learn(&emails, &json!({"message": "x"}))
                .is_err()
        );
    }

    #[test]
    fn a_subject_is_a_text_or_an_integer() {
        let subject = |value: Value| {
            let mut known = Known::default();
            known.claims.insert("id".to_owned(), value);
            let subject = known.subject(&path("id"));
            subject.ok().map(|subject| subject.as_str().to_owned())
        };
        assert_eq!(subject(json!("x")).as_deref(), Some("x"));
        assert_eq!(subject(json!(7)).as_deref(), Some("7"));
        assert_eq!(
            subject(json!(u64::MAX)).as_deref(),
            Some("18446744073709551615")
        );
        for none in [
            json!(7.5),
            json!(1e30),
            json!(true),
            json!(""),
            json!(null),
            json!({"id": 7}),
            json!(["x"]),
            json!("a\nb"),
            json!("x".repeat(600)),
        ] {
            assert_eq!(subject(none.clone()), None, "{none:.40}");
        }
        assert!(Known::default().subject(&path("id")).is_err());
    }

    #[test]
    fn a_claim_made_of_others_is_never_the_providers_own() {
        let mut known = Known::default();
        known.claims.insert("picture".to_owned(), "x".into());
        let compose = [(
            "picture".to_owned(),
            Template::parse("https://a.example/{avatar}"),
        )];
        known.compose(&compose);
        assert!(!known.claims.contains_key("picture"));
        known.claims.insert("avatar".to_owned(), "y".into());
        known.compose(&compose);
        assert_eq!(known.claims["picture"], "https://a.example/y");
    }

    #[test]
    fn the_token_is_a_header_unless_it_is_elsewhere() {
        let ask = question().ask;
        let request = ask.request(Vec::new(), Some("Bearer t".to_owned()), &Values::new());
        let request = request.unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.headers()["authorization"], "Bearer t");
    }
}
