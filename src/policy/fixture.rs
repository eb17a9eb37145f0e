//! People for the tests of this floor.

use std::sync::Arc;

use http::Method;
use serde_json::json;

use super::{Facts, Known, KnownConnection};
use crate::{
    clock::Timestamp,
    connection::{SecondFactor, TrustEmail},
    identity::{Authentication, Identity, Profile, UserId},
    protocol::{CanonicalPath, Host, Origin, Scheme},
    session::{Principal, Session},
    store::{IdentityRecord, SessionId, SessionRecord, UserRecord},
};

/// When everything happens.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The origin of `public_url`.
pub(crate) fn public_url() -> Origin {
    Origin::parse("https://login.example.com").unwrap()
}

/// Three connections: `acme` (e-mail trusted when verified), `google` (always), `members` (never);
/// `old` is switched off.
pub(crate) fn known() -> Known {
    let connection = |id: &str, enabled, trust_email| KnownConnection {
        id: id.parse().unwrap(),
        enabled,
        trust_email,
        second_factor: SecondFactor::Off,
    };
    Known::new(
        7,
        vec![
            connection("acme", true, TrustEmail::Verified),
            connection("google", true, TrustEmail::Always),
            connection("members", true, TrustEmail::Never),
            connection("old", false, TrustEmail::Always),
        ],
    )
}

/// Alice, to be changed at will.
#[derive(Clone, Debug)]
pub(crate) struct Someone {
    pub(crate) user: UserRecord,
    pub(crate) identities: Vec<IdentityRecord>,
    pub(crate) authentications: Vec<Authentication>,
}

impl Someone {
    /// Alice, as this connection knows her; signed in a minute ago.
    pub(crate) fn by(connection: &str) -> Self {
        let id = connection.parse().unwrap();
        let subject = "a-1".parse().unwrap();
        let user = UserRecord {
            id: UserId::new(&id, &subject),
            handle: "alice".to_owned(),
            profile: Profile {
                name: Some("Alice Ä. Example".to_owned()),
                given_name: Some("Alice".to_owned()),
                ..Profile::default()
            },
            user_metadata: json!({"theme": "dark"}).as_object().unwrap().clone(),
            app_metadata: json!({"role": "editor", "level": 3})
                .as_object()
                .unwrap()
                .clone(),
            blocked: false,
            owner: false,
            synced_by: id,
            created_at: NOW,
            updated_at: NOW,
            last_login_at: Some(NOW),
            logins: 1,
            version: 1,
        };
        let mut someone = Self {
            user,
            identities: Vec::new(),
            authentications: Vec::new(),
        };
        someone.also_by(connection);
        someone
    }

    /// And as another connection knows her, by a later login.
    pub(crate) fn also_by(&mut self, connection: &str) -> &mut Self {
        let id: crate::identity::ConnectionId = connection.parse().unwrap();
        self.identities.push(IdentityRecord {
            user: self.user.id.clone(),
            identity: Identity {
                connection: id.clone(),
                subject: "a-1".parse().unwrap(),
                profile: Profile {
                    email: Some("Alice@Acme.Example".to_owned()),
                    email_verified: true,
                    ..Profile::default()
                },
                claims: json!({"plan": "pro", "n": 4, "roles": ["a", "b,c"], "address": {"city": "Köln"}})
                    .as_object()
                    .unwrap()
                    .clone(),
                groups: vec!["staff".to_owned(), "admins".to_owned()].into(),
            },
            created_at: NOW,
            refreshed_at: NOW,
        });
        let later = u64::try_from(self.authentications.len()).unwrap();
        self.authentications.push(Authentication {
            connection: id,
            subject: "a-1".parse().unwrap(),
            auth_time: NOW - std::time::Duration::from_secs(60 - later),
            amr: vec!["pwd".to_owned()],
            acr: Some("low".to_owned()),
            proven_at: None,
            second_factor_at: None,
        });
        self
    }

    pub(crate) fn groups(mut self, groups: &[&str]) -> Self {
        for held in &mut self.identities {
            held.identity.groups = groups
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .into();
        }
        self
    }

    pub(crate) fn email(mut self, email: &str, verified: bool) -> Self {
        for held in &mut self.identities {
            held.identity.profile.email = Some(email.to_owned());
            held.identity.profile.email_verified = verified;
        }
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        let value = value.into();
        for held in &mut self.identities {
            held.identity.claims.insert(name.to_owned(), value.clone());
        }
        self
    }

    pub(crate) fn principal(&self) -> Principal<'_> {
        Principal {
            user: &self.user,
            authentication: self.authentications.last().unwrap(),
            identity: self.identities.last().unwrap(),
        }
    }

    pub(crate) fn session(&self) -> Arc<Session> {
        let record = SessionRecord {
            id: SessionId([7; 16]),
            user: self.user.id.clone(),
            authentications: self.authentications.clone(),
            created_at: NOW,
            last_used_at: NOW,
            expires_at: NOW + std::time::Duration::from_hours(1),
            address: None,
            user_agent: String::new(),
            sids: Vec::new(),
            sealed: Vec::new(),
            version: 1,
        };
        Arc::new(Session::for_test(
            record,
            self.user.clone(),
            self.identities.clone(),
        ))
    }
}

/// A request in one line: `at("GET", "/a", |facts| …)`.
pub(crate) fn at<T>(method: &str, path: &str, then: impl FnOnce(&Facts<'_>) -> T) -> T {
    let host = Host::parse("wiki.example.com").unwrap();
    let path = CanonicalPath::parse(path).unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    then(&Facts {
        scheme: Scheme::Https,
        host: &host,
        path: &path,
        method: &method,
        address: Some("192.0.2.7".parse().unwrap()),
        now: NOW,
    })
}

/// A permit for somebody on a route without rules.
pub(crate) fn permit(who: &Someone) -> super::Permit {
    let keys = super::Keys {
        connections: None,
        public: &[],
        allow: None,
        deny: &[],
        require: None,
        second_factor: None,
    };
    let policy = super::Policy::build(keys, 0, &known()).unwrap();
    let decision = at("GET", "/", |facts| {
        policy.decide(facts, Some(who.session()))
    });
    match decision {
        super::Decision::Permit(permit) => permit,
        other => panic!("{other:?}"),
    }
}
