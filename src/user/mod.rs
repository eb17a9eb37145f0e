//! People: Vestibule's own record of who was here.
//!
//! A login ends in [`Directory::admit`]: it finds the user of an identity or makes one, refuses
//! whom it must, and lets the profile follow the connection as its
//! [`SyncProfile`](crate::connection::SyncProfile) says. Everything else is what an operator or the
//! person does to the record: [`edit`](Directory::edit), block, link, export.
//!
//! An identity is `(connection, subject)` and belongs to one user; two identities become one
//! user's by [`link`](Directory::link), which somebody asks for who proved both, and never because
//! two e-mail addresses are equal. Writes go over the version that was read: of two that meet, one
//! reads again. So a person who is blocked while they sign in is blocked, and two first logins at
//! once make one user. Logins of one person take [turns](turns::Turns) beside, so that however many
//! come at once all come in.

mod admit;
mod auth0;
mod change;
mod edit;
mod emailed_codes;
mod enrolment;
mod factors;
mod handle;
mod import;
mod link;
mod move_in;
mod passkeys;
mod recovery_code;
mod renamed;
#[cfg(test)]
mod tests;
mod transfer;
mod turns;
mod verified;

use std::{net::IpAddr, sync::Arc};

pub(crate) use self::{
    admit::{Admission, Admitted, NewPerson, Refusal},
    change::ChangeError,
    edit::{EditError, Editor, ProfileEdit},
    enrolment::{Enrolment, EnrolmentRefusal},
    factors::{FactorRefusal, Factors, MOST_FACTORS, RecoveryCodes, SecondProof},
    import::{ImportMode, Imported},
    link::MetadataRule,
    passkeys::NewPasskey,
    transfer::{AccountLine, FactorLine, IdentityLine, PersonLine},
};
use crate::{
    clock::{Clock, Timestamp},
    connection::passkey,
    random::Random,
    store::{Event, EventKind, UserStore},
};

/// All users.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    users: Arc<dyn UserStore>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// What is known of passkeys, which go where their identity goes.
    passkeys: Option<Arc<passkey::Records>>,
    turns: turns::Turns,
}

impl Directory {
    /// The users in `users`.
    pub(crate) fn new(
        users: Arc<dyn UserStore>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            users,
            clock,
            random,
            passkeys: None,
            turns: turns::Turns::default(),
        }
    }

    /// The same, whose people may have passkeys.
    pub(crate) fn with_passkeys(mut self, passkeys: Arc<passkey::Records>) -> Self {
        self.passkeys = Some(passkeys);
        self
    }

    /// The port, for plain look-ups and lists.
    pub(crate) fn store(&self) -> &dyn UserStore {
        self.users.as_ref()
    }
}

/// How often a write is tried over when others write to the same record.
const TRIES: usize = 8;

/// Where a request came from, for the audit trail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The client's address; `None` for the command line.
    pub(crate) address: Option<IpAddr>,
    /// The request's id; `None` for the command line.
    pub(crate) request_id: Option<String>,
}

impl Origin {
    /// An event with this origin.
    fn event(&self, at: Timestamp, kind: EventKind, reason: &str) -> Event {
        Event {
            address: self.address,
            request_id: self.request_id.clone(),
            ..Event::new(at, kind, reason)
        }
    }
}
