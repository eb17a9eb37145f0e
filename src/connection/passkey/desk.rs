//! Both ceremonies, as one relying party holds them.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{
    Refused,
    records::{Ceremony, Credential, Records},
};
use crate::{
    clock::Timestamp,
    connection::Once,
    identity::UserId,
    protocol::webauthn::{
        self, Assertion, Attestation, CreationOptions, Descriptor, Expected, Known, Registered,
        RelyingParty, RequestOptions, Verification, Whose,
    },
    store::{Event, EventKind, FactorId, FactorKind, FactorRecord},
};

/// The passkeys of all users, and who asks for them.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    party: Arc<RelyingParty>,
    records: Arc<Records>,
}

/// What a page asks the browser for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Asked {
    /// The options, as JSON.
    pub(crate) options: String,
    /// What the form brings back beside the answer.
    pub(crate) challenge: String,
}

/// What a form brought back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) challenge: &'a str,
    /// The credential, as JSON.
    pub(crate) credential: &'a str,
}

/// Somebody proved just now that they hold a passkey.
#[derive(Debug)]
#[must_use = "it belongs into an authentication"]
pub(crate) struct ProvenPasskey {
    pub(super) factor: FactorRecord,
    pub(super) credential: Credential,
    /// The challenge is answered once.
    pub(crate) once: Once,
}

impl ProvenPasskey {
    /// Whose it is.
    pub(crate) fn user(&self) -> &UserId {
        &self.factor.user
    }

    /// By what it was proven.
    pub(crate) fn methods(&self) -> Vec<&'static str> {
        methods(self.credential.backup_eligible)
    }
}

/// By what a passkey proves its holder (RFC 8176 section 2): possession of a key, and somebody who is
/// there. Without an attestation nobody knows that hardware holds the key, so that is not claimed; one
/// that may be copied is in software.
pub(super) fn methods(backup_eligible: bool) -> Vec<&'static str> {
    let mut methods = vec!["pop"];
    if backup_eligible {
        methods.push("swk");
    }
    methods.push("user");
    methods
}

/// Somebody made a credential just now.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) registered: Registered,
    /// The challenge is answered once.
    pub(crate) once: Once,
}

impl Made {
    /// By what it was proven.
    pub(crate) fn methods(&self) -> Vec<&'static str> {
        methods(self.registered.backup_eligible)
    }
}

impl Desk {
    /// The passkeys of `records`, as `party` asks for them.
    pub(crate) fn new(party: RelyingParty, records: Arc<Records>) -> Self {
        Self {
            party: Arc::new(party),
            records,
        }
    }

    /// What is known of all passkeys.
    pub(crate) fn records(&self) -> &Arc<Records> {
        &self.records
    }

    /// The RP ID.
    pub(crate) fn party(&self) -> &str {
        &self.party.id
    }

    /// Asks whoever it is for a passkey.
    pub(crate) fn ask(&self, ceremony: &Ceremony<'_>, now: Timestamp) -> Asked {
        self.ask_for(ceremony, (Verification::Required, Vec::new()), now)
    }

    /// Asks for one of these passkeys, of somebody whose first proof was another.
    pub(crate) fn ask_second(
        &self,
        ceremony: &Ceremony<'_>,
        theirs: &[(FactorRecord, Credential)],
        now: Timestamp,
    ) -> Asked {
        let allowed = self.descriptors(theirs);
        self.ask_for(ceremony, (Verification::Preferred, allowed), now)
    }

    fn ask_for(
        &self,
        ceremony: &Ceremony<'_>,
        (verification, allowed): (Verification, Vec<Descriptor>),
        now: Timestamp,
    ) -> Asked {
        let challenge = self.records.challenge(ceremony, now);
        let options = RequestOptions::new(&self.party, &challenge, verification, allowed);
        asked(&challenge, &options)
    }

    /// Asks for a new passkey on an authenticator that has none of `theirs`.
    pub(crate) fn ask_new(
        &self,
        ceremony: &Ceremony<'_>,
        whose: Whose<'_>,
        (verification, theirs): (Verification, &[(FactorRecord, Credential)]),
        now: Timestamp,
    ) -> Asked {
        let challenge = self.records.challenge(ceremony, now);
        let excluded = (verification, self.descriptors(theirs));
        let options = CreationOptions::new(&self.party, &challenge, whose, excluded);
        asked(&challenge, &options)
    }

    /// Those that were made for this RP ID.
    fn descriptors(&self, theirs: &[(FactorRecord, Credential)]) -> Vec<Descriptor> {
        let ours = theirs.iter().map(|(_, credential)| credential);
        let ours = ours.filter(|credential| credential.party == self.party.id);
        ours.map(|credential| Descriptor::new(&credential.id, &credential.transports))
            .collect()
    }

    /// Whether there is one among these that this desk can ask for.
    pub(crate) fn can_ask(&self, theirs: &[(FactorRecord, Credential)]) -> bool {
        let mut all = theirs.iter();
        all.any(|(_, credential)| credential.party == self.party.id)
    }

    /// Checks a passkey that was made.
    pub(crate) fn made(
        &self,
        ceremony: &Ceremony<'_>,
        answer: Answer<'_>,
        verification: Verification,
        now: Timestamp,
    ) -> Result<Made, Refused> {
        let (challenge, once) = self.challenge_of(ceremony, answer, now)?;
        let attestation = Attestation::read(answer.credential)?;
        let expected = self.expected(&challenge, verification);
        let registered = webauthn::register(&attestation, &expected)?;
        Ok(Made { registered, once })
    }

    /// Checks a proof, and notes that the passkey was used. `whose`: nobody else's is taken; `None`
    /// is asked whose it is. `event` says where it was used; the user is added to it.
    pub(crate) async fn prove(
        &self,
        ceremony: &Ceremony<'_>,
        answer: Answer<'_>,
        whose: Option<&UserId>,
        event: Event,
    ) -> Result<ProvenPasskey, Refused> {
        let (challenge, once) = self.challenge_of(ceremony, answer, event.at)?;
        let assertion = Assertion::read(answer.credential)?;
        let users = &self.records.users;
        let factor = users
            .find_factor(FactorId(webauthn::name_of(assertion.id())))
            .await?;
        let mut factor = factor.ok_or(Refused::Unknown)?;
        let credential = self.records.open(&factor)?.ok_or(Refused::Unknown)?;
        if credential.id != assertion.id() {
            return Err(Refused::Unknown);
        }
        let verification = match whose {
            Some(user) if factor.user != *user => return Err(Refused::NotTheirs),
            Some(_) => Verification::Preferred,
            None if !assertion.names_somebody() => return Err(Refused::Nameless),
            None => Verification::Required,
        };
        let FactorKind::Passkey { counter, sealed } = &mut factor.kind else {
            return Err(Refused::Unknown);
        };
        let known = Known {
            key: &credential.key,
            handle: &credential.handle,
            counter: u32::try_from(*counter).unwrap_or(u32::MAX),
            backup_eligible: credential.backup_eligible,
        };
        let expected = self.expected(&challenge, verification);
        let event = event.user(&factor.user);
        let verified = match webauthn::verify(&assertion, &known, &expected) {
            Ok(verified) => verified,
            Err(webauthn::Refused::Cloned) => return Err(self.cloned(event).await?),
            Err(refused) => return Err(refused.into()),
        };
        let credential = Credential {
            backed_up: verified.backed_up,
            ..credential
        };
        *counter = u64::from(verified.counter);
        *sealed = self.records.seal(factor.id, &credential);
        let known = (*counter, sealed.as_slice());
        if !users.use_passkey(factor.id, known, event.clone()).await? {
            // Somebody else was faster with the same counter.
            return Err(self.cloned(event).await?);
        }
        event.log();
        Ok(ProvenPasskey {
            factor,
            credential,
            once,
        })
    }

    /// Whoever has the key has more than one authenticator with it: the operator is told.
    async fn cloned(&self, event: Event) -> Result<Refused, Refused> {
        let event = Event {
            kind: EventKind::FactorFailed,
            reason: "cloned".to_owned(),
            ..event
        };
        event.log();
        self.records.users.record(event).await?;
        Ok(Refused::Answer(webauthn::Refused::Cloned))
    }

    fn challenge_of(
        &self,
        ceremony: &Ceremony<'_>,
        answer: Answer<'_>,
        now: Timestamp,
    ) -> Result<(Vec<u8>, Once), Refused> {
        if answer.credential.is_empty() {
            return Err(Refused::Nothing);
        }
        let challenge = URL_SAFE_NO_PAD.decode(answer.challenge);
        let challenge = challenge.map_err(|_| Refused::Challenge)?;
        let once = self.records.check(&challenge, ceremony, now)?;
        Ok((challenge, once))
    }

    fn expected<'a>(&'a self, challenge: &'a [u8], verification: Verification) -> Expected<'a> {
        Expected {
            party: &self.party,
            challenge,
            verification: verification == Verification::Required,
        }
    }
}

fn asked(challenge: &[u8], options: &impl Serialize) -> Asked {
    Asked {
        options: serde_json::to_string(options).unwrap_or_default(),
        challenge: URL_SAFE_NO_PAD.encode(challenge),
    }
}
