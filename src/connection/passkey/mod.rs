//! Passkeys (WebAuthn level 3) as a way to sign in, and as a second factor of whoever came another
//! way.
//!
//! A passkey is bound to the origin of the login pages, so nobody is talked out of one; and it needs no
//! name, since the authenticator says whose it is. Who signs in with nothing else must have been
//! verified by the authenticator, and that is two factors in one.
//!
//! The passkeys of a user are all one identity of this connection, whose subject is the random handle
//! that the authenticator keeps. Who sets one up is signed in, so the identity is theirs without
//! another question: the strategy says whose it is ([`Authenticated::of_user`]).

mod config;
mod desk;
mod records;
mod refused;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use self::refused::STEP;
pub(crate) use self::{
    config::{Config, relying_party},
    desk::{Answer, Asked, Desk, Made, ProvenPasskey},
    records::{Ceremony, Credential, Records},
    refused::Refused,
};
use super::{
    Authenticated, Check, Connection, ConnectionData, Facts, Form, PasskeyForm, Peer, Rejection,
    Reply, Start, Step,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Groups, Identity, Profile, Subject},
    store::{Event, EventKind, Pin},
};

/// The inputs of a form that a passkey answers.
pub(crate) const CHALLENGE_FIELD: &str = "challenge";
/// The answer itself.
pub(crate) const ANSWER_FIELD: &str = "passkey";

/// What is checked, in order.
const CHECKS: [Check; 5] = [
    check(
        "challenge",
        "it answers a challenge of this login that is not older than five minutes",
    ),
    check("known", "somebody here has this passkey"),
    check("user", "the authenticator says that it is theirs"),
    check(
        "answer",
        "it is signed, for this origin, and the authenticator has verified who holds it",
    ),
    check("counter", "the authenticator was not copied"),
];

const fn check(check: &'static str, what: &'static str) -> Check {
    Check {
        step: STEP,
        check: Some(check),
        what,
    }
}

/// People with passkeys.
#[derive(Debug)]
pub(crate) struct Passkey {
    id: ConnectionId,
    desk: Desk,
    /// Whether strangers may make an account.
    signup: bool,
    /// Whether people who came another way are offered to set one up.
    offers: bool,
}

/// What passkeys of a connection are for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passkeys<'a> {
    pub(crate) desk: &'a Desk,
    /// Whether strangers may make an account.
    pub(crate) signup: bool,
    /// Whether people who came another way are offered to set one up.
    pub(crate) offers: bool,
    passkey: &'a Passkey,
}

impl Passkeys<'_> {
    /// What the login page asks for before a connection is chosen, in a flow of this state.
    pub(crate) fn ask(&self, state: &str, now: Timestamp) -> Asked {
        self.passkey.ask(state, now)
    }

    /// What the strategy would have kept.
    pub(crate) fn kept(&self, state: &str) -> ConnectionData {
        ConnectionData::of(&Waiting {
            state: state.to_owned(),
        })
    }

    /// The proof of whoever made an account with a passkey, which was verified.
    pub(crate) fn new_person(
        &self,
        handle: &[u8],
        profile: Profile,
        made: &Made,
        now: Timestamp,
    ) -> Result<Authenticated, Rejection> {
        let id = &self.passkey.id;
        let subject = subject(handle).map_err(|refused| refused.rejection(id))?;
        Ok(self.passkey.proven(subject, profile, made.methods(), now))
    }
}

/// What stays in the flow.
#[derive(Deserialize, Serialize)]
struct Waiting {
    #[serde(rename = "s")]
    state: String,
}

#[async_trait]
impl Connection for Passkey {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Passkeys are made for an RP ID, and are of no use for another.
    fn pin(&self) -> Pin {
        Pin {
            strategy: "passkey".to_owned(),
            issuer: self.desk.party().to_owned(),
        }
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let asked = self.ask(start.state, start.peer.now);
        let form = PasskeyForm {
            asked,
            signup: self.signup,
        };
        Ok(Step::Prompt {
            form: Form::Passkey(form),
            keep: ConnectionData::of(&Waiting {
                state: start.state.to_owned(),
            }),
        })
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let proven = self.prove(kept, reply, peer).await;
        let who = match proven {
            Ok(proven) => self.identify(proven, peer.now).await,
            Err(refused) => Err(refused),
        };
        let who = who.map_err(|refused| refused.rejection(&self.id))?;
        Ok(Step::Done { who: Box::new(who) })
    }

    fn checks(&self) -> Vec<Check> {
        CHECKS.to_vec()
    }

    fn passkeys(&self) -> Option<Passkeys<'_>> {
        Some(Passkeys {
            desk: &self.desk,
            signup: self.signup,
            offers: self.offers,
            passkey: self,
        })
    }

    async fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        facts.insert("rp_id".to_owned(), self.desk.party().into());
        facts
    }
}

impl Passkey {
    fn ask(&self, state: &str, now: Timestamp) -> Asked {
        let ceremony = Ceremony::SignIn {
            connection: self.id.as_str(),
            flow: state,
        };
        self.desk.ask(&ceremony, now)
    }

    async fn prove(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<ProvenPasskey, Refused> {
        let kept = kept.and_then(ConnectionData::read::<Waiting>);
        let (Some(Waiting { state }), Reply::Form(body)) = (kept, reply) else {
            return Err(Refused::Unasked);
        };
        let mut answer = [String::new(), String::new()];
        for (name, value) in form_urlencoded::parse(body) {
            match name.as_ref() {
                CHALLENGE_FIELD => answer[0] = value.into_owned(),
                ANSWER_FIELD => answer[1] = value.into_owned(),
                _ => {}
            }
        }
        let [challenge, credential] = &answer;
        let answer = Answer {
            challenge,
            credential,
        };
        let ceremony = Ceremony::SignIn {
            connection: self.id.as_str(),
            flow: &state,
        };
        let event = Event {
            address: peer.address,
            ..Event::new(peer.now, EventKind::FactorUsed, "passkey")
        };
        let event = event.connection(&self.id);
        self.desk.prove(&ceremony, answer, None, event).await
    }

    /// Whoever holds the passkey, as they are known here: it says nothing of them itself, and
    /// least of all that an e-mail address is theirs.
    async fn identify(
        &self,
        proven: ProvenPasskey,
        now: Timestamp,
    ) -> Result<Authenticated, Refused> {
        let subject = subject(&proven.credential.handle)?;
        let user = self.desk.records().users.find(proven.user()).await?;
        let profile = user.ok_or(Refused::Unknown)?.profile;
        let who = self.proven(subject, profile, proven.methods(), now);
        Ok(who.once(proven.once).of_user(proven.factor.user))
    }

    fn proven(
        &self,
        subject: Subject,
        profile: Profile,
        mut methods: Vec<&'static str>,
        now: Timestamp,
    ) -> Authenticated {
        // The key, and what the authenticator verified: a finger, a face, a PIN.
        methods.push("mfa");
        let identity = Identity {
            connection: self.id.clone(),
            subject,
            profile: Profile {
                email_verified: false,
                phone_number_verified: false,
                ..profile
            },
            claims: serde_json::Map::new(),
            groups: Groups::default(),
        };
        let methods = methods.into_iter().map(str::to_owned).collect();
        let who = Authenticated::new(identity, now, methods, None);
        who.with_second_factor(now)
    }
}

/// The user handle as a subject.
fn subject(handle: &[u8]) -> Result<Subject, Refused> {
    let text = URL_SAFE_NO_PAD.encode(handle);
    text.parse().map_err(|_| Refused::Unknown)
}

/// The user handle that a subject of a passkey connection is.
pub(crate) fn handle_of(subject: &Subject) -> Option<Vec<u8>> {
    let handle = URL_SAFE_NO_PAD.decode(subject.as_str()).ok()?;
    (handle.len() == 32).then_some(handle)
}
