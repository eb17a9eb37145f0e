//! People who show that they read what is sent to an address: `strategy = "email"`, or to a telephone
//! number: `strategy = "sms"`.
//!
//! Whoever names an address gets a message with a link and a code; the flow makes, sends and counts
//! them, in the same way for every such connection. What comes back here is the [`ByMessage`] of a
//! message that was used up, and the address in it is the subject: nothing is kept of anybody before
//! they have signed in.

mod config;
mod digits;
mod factor_codes;
mod proofs;
mod sms;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    config::EmailConfig,
    factor_codes::{CodeFor, FACTOR_CODE_LIFETIME, FactorCodes, NoCode, ReadsMail},
    proofs::{Asker, ByMessage, FoundSignIn, NoSignIn, SignInAsked, SignInProofs, SignInSecret},
    sms::SmsConfig,
};
use super::{
    AddressForm, AddressKind, Authenticated, Connection, ConnectionData, Fault, Form, Peer,
    Rejection, Reply, Start, Step, TextCap, discovery::DomainRule,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Groups, Identity, Profile, Subject},
    protocol::{Country, EmailAddress, PhoneNumber},
    sms::Gateway,
    store::Pin,
};

/// A connection whose people are proven by messages.
#[derive(Debug)]
pub(crate) struct Passwordless {
    id: ConnectionId,
    /// How long a message is good.
    lifetime: Duration,
    channel: Channel,
}

/// The way that messages go.
#[derive(Debug)]
enum Channel {
    Email {
        /// Whose people may sign in; empty: everybody.
        allowed: Vec<DomainRule>,
        code_in_subject: bool,
    },
    Phone(Phone),
}

/// What is set about text messages.
#[derive(Debug)]
pub(crate) struct Phone {
    /// Whose numbers are written to.
    countries: Vec<Country>,
    /// Whose numbers are typed without a country code.
    home: Option<Country>,
    pub(crate) gateway: Arc<Gateway>,
    /// Whether a message has a link.
    pub(crate) link: bool,
    /// The host at which a telephone fills the code in by itself.
    pub(crate) fill_in_at: Option<String>,
    pub(crate) cap: TextCap,
}

/// Where a message goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Recipient {
    Email(EmailAddress),
    Phone(PhoneNumber),
}

impl Recipient {
    /// In its one normalised form, under which it is known here.
    pub(crate) fn normalized(&self) -> String {
        match self {
            Self::Email(email) => email.normalized(),
            Self::Phone(number) => number.as_str().to_owned(),
        }
    }

    /// Whose address it is.
    pub(crate) fn subject(&self) -> Option<Subject> {
        self.normalized().parse().ok()
    }
}

/// A message that is on its way.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct SentTo {
    pub(crate) to: String,
    pub(crate) at: Timestamp,
}

impl Passwordless {
    /// How long a message is good.
    pub(crate) fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// What people type as their address.
    pub(crate) fn kind(&self) -> AddressKind {
        match self.channel {
            Channel::Email { .. } => AddressKind::Email,
            Channel::Phone(_) => AddressKind::Phone,
        }
    }

    /// What is set about text messages, where it sends any.
    pub(crate) fn phone(&self) -> Option<&Phone> {
        match &self.channel {
            Channel::Email { .. } => None,
            Channel::Phone(phone) => Some(phone),
        }
    }

    /// Whether the subject of a message has the code.
    pub(crate) fn has_code_in_subject(&self) -> bool {
        match self.channel {
            Channel::Email {
                code_in_subject, ..
            } => code_in_subject,
            Channel::Phone(_) => false,
        }
    }

    /// The address that was typed, if it is one that can be written to.
    pub(crate) fn recipient(&self, typed: &str) -> Option<Recipient> {
        match &self.channel {
            // Written to is whom it proves: no other spelling of the name.
            Channel::Email { .. } => EmailAddress::parse(typed.trim())
                .and_then(|email| EmailAddress::parse(&email.normalized()))
                .ok()
                .map(Recipient::Email),
            Channel::Phone(phone) => PhoneNumber::parse(typed, phone.home)
                .ok()
                .filter(|number| phone.countries.contains(&number.country()))
                .map(Recipient::Phone),
        }
    }

    /// Whether whoever reads what is sent there may sign in.
    pub(crate) fn takes(&self, to: &Recipient) -> bool {
        match (&self.channel, to) {
            (Channel::Email { allowed, .. }, Recipient::Email(email)) => {
                allowed.is_empty() || allowed.iter().any(|rule| rule.holds(email))
            }
            (Channel::Phone(phone), Recipient::Phone(number)) => {
                phone.countries.contains(&number.country())
            }
            (Channel::Email { .. }, Recipient::Phone(_))
            | (Channel::Phone(_), Recipient::Email(_)) => false,
        }
    }

    /// What the flow keeps of a message that is on its way.
    pub(crate) fn keep(sent: &SentTo) -> ConnectionData {
        ConnectionData::of(sent)
    }

    /// The same, read again: where the message went, and when.
    pub(crate) fn kept(&self, kept: &ConnectionData) -> Option<(Recipient, Timestamp)> {
        let sent: SentTo = kept.read()?;
        Some((self.recipient(&sent.to)?, sent.at))
    }

    fn reject(&self, step: &'static str) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: Fault::Denied,
            step,
            check: None,
            source: None,
        }
    }

    /// What a proof asserts of whoever reads what is sent there.
    pub(crate) fn identity(&self, to: &Recipient) -> Option<Identity> {
        let profile = match to {
            Recipient::Email(email) => Profile {
                nickname: email.as_str().split('@').next().map(ToOwned::to_owned),
                email: Some(email.normalized()),
                email_verified: true,
                ..Profile::default()
            },
            Recipient::Phone(number) => Profile {
                phone_number: Some(number.as_str().to_owned()),
                phone_number_verified: true,
                ..Profile::default()
            },
        };
        let claims = match serde_json::to_value(&profile) {
            Ok(serde_json::Value::Object(claims)) => claims,
            _ => serde_json::Map::new(),
        };
        Some(Identity {
            connection: self.id.clone(),
            subject: to.subject()?,
            profile,
            claims,
            groups: Groups::default(),
        })
    }
}

#[async_trait]
impl Connection for Passwordless {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let strategy = match self.channel {
            Channel::Email { .. } => "email",
            Channel::Phone(_) => "sms",
        };
        Pin {
            strategy: strategy.to_owned(),
            // An address is the same person's whatever the connection is called.
            issuer: strategy.to_owned(),
        }
    }

    async fn begin(&self, _: Start<'_>) -> Result<Step, Rejection> {
        Ok(Step::Prompt {
            form: Form::Address(AddressForm { kind: self.kind() }),
            keep: ConnectionData::default(),
        })
    }

    async fn resume(
        &self,
        _: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        let Reply::Message(proof) = reply else {
            return Err(self.reject("read-message"));
        };
        let asked = proof.asked();
        if asked.connection != self.id {
            return Err(self.reject("find-connection"));
        }
        let to = self.recipient(&asked.to);
        let to = to.ok_or_else(|| self.reject("read-address"))?;
        // The list may have become shorter since the message was sent.
        if !self.takes(&to) {
            return Err(self.reject("check-address"));
        }
        let identity = self.identity(&to);
        let identity = identity.ok_or_else(|| self.reject("read-address"))?;
        // RFC 8176 section 2
        let amr: &[&str] = match to {
            Recipient::Email(_) => &["otp"],
            Recipient::Phone(_) => &["otp", "sms"],
        };
        let amr = amr.iter().copied().map(str::to_owned).collect();
        let who = Authenticated::new(identity, peer.now, amr, None);
        Ok(Step::Done { who: Box::new(who) })
    }

    fn passwordless(&self) -> Option<&Passwordless> {
        Some(self)
    }
}
