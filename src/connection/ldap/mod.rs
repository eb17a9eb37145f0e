//! People of a directory: LDAP (RFC 4511), Active Directory, FreeIPA, 389 Directory Server.
//!
//! A sign-in asks for a name and a password. With an account that looks people up, that name leads
//! to exactly one entry ([`directory`]), and the password is tried by binding as that entry; without
//! one, people bind by a name that is made of what they typed, and look themselves up. Then groups
//! are asked for. What a person types is a value, never a part of a filter or a name; a password
//! that proves nothing is never sent; the identity is the entry's unique identifier, never a name.
//!
//! Directories have several servers: [`servers`] goes on to the next when one fails. What the
//! directory says about an account goes to the operator; the person hears of it only what a right
//! password entitles them to.

mod certificate;
mod config;
mod directory;
mod groups;
mod kerberos;
mod open;
mod password;
mod person;
mod refused;
mod rules;
mod servers;
mod sign_in;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

pub(crate) use self::config::*;
use self::{
    certificate::Certificates,
    directory::Directory,
    kerberos::Kerberos,
    person::{Known, Person, Typed, by_subject, text_of},
    refused::Refused,
};
use super::{
    AccountKey, Check, Connection, ConnectionData, Facts, Form, InlineForm, LoginName, LoginNames,
    Mapping, PasswordForm, Peer, Recheck, Rechecked, Rejection, Reply, Start, Step, Tended,
    certificate::Desk,
};
use crate::{
    clock::Timestamp,
    identity::{ConnectionId, Identity, Subject},
    store::Pin,
};

/// A directory that people sign in with.
#[derive(Debug)]
pub(crate) struct Ldap {
    id: ConnectionId,
    directory: Directory,
    mapping: Mapping,
    /// How often people who are signed in are looked up again.
    recheck: Option<Duration>,
    kerberos: Option<Kerberos>,
    certificates: Option<Certificates>,
}

/// What is done and checked at a login, in order.
const CHECKS: [Check; 8] = [
    Check::step(refused::CONNECT, "a server of the directory answers (TCP)"),
    Check::step(
        refused::TLS,
        "the connection is secret, and the certificate is the server's",
    ),
    Check::step(
        refused::READER,
        "the account that looks people up can bind, where there is one",
    ),
    Check::step(refused::SEARCH, "exactly one entry fits what was typed"),
    Check::step(refused::BIND, "the password is that entry's"),
    Check::step(refused::ACCOUNT, "the account is not disabled"),
    Check::step(
        refused::GROUPS,
        "the directory says which groups they are in",
    ),
    Check::step(refused::IDENTITY, "the entry says who it is for good"),
];

/// Before those, where tickets are taken.
const TICKET_CHECK: Check = Check::step(
    refused::TICKET,
    "the ticket is accepted, if the browser brought one",
);

/// Nobody is refused sooner: a directory answers about somebody who is not there more quickly than it
/// checks a password.
const REFUSED_AFTER: Duration = Duration::from_millis(400);

#[async_trait]
impl Connection for Ldap {
    fn id(&self) -> &ConnectionId {
        &self.id
    }

    fn pin(&self) -> Pin {
        let rules = &self.directory.rules;
        Pin {
            strategy: "ldap".to_owned(),
            // Another attribute would be another person's, one day.
            issuer: format!(
                "{}#{}",
                rules.base_dn.to_lowercase(),
                rules.user_id.to_lowercase()
            ),
        }
    }

    fn needs_no_word(&self, peer: &Peer) -> bool {
        let shown = |certificates: &Certificates| certificates.was_shown(peer);
        self.asks_for_ticket(peer) || self.certificates.as_ref().is_some_and(shown)
    }

    async fn begin(&self, start: Start<'_>) -> Result<Step, Rejection> {
        let form = Form::Password(self.form());
        let keep = ConnectionData::default();
        // What comes without a word says nothing of when somebody last was there.
        let silently = !start.wants.again;
        if let Some(certificates) = &self.certificates
            && (start.certificate || (silently && certificates.was_shown(start.peer)))
        {
            return self.begin_with_certificate(certificates, &start).await;
        }
        match (&self.kerberos, start.ticket) {
            (Some(kerberos), Some(token)) if silently && kerberos.asks(start.peer.address) => {
                let taken = self.take_ticket(kerberos, token, start.peer).await;
                taken.map_err(|refused| self.reject(refused))
            }
            (Some(kerberos), None) if silently && kerberos.asks(start.peer.address) => {
                Ok(Step::Negotiate { form, keep })
            }
            _ => Ok(Step::Prompt { form, keep }),
        }
    }

    async fn resume(
        &self,
        kept: Option<&ConnectionData>,
        reply: Reply<'_>,
        peer: &Peer,
    ) -> Result<Step, Rejection> {
        if let (Some(certificates), Some(_), Reply::Query(_)) = (&self.certificates, kept, reply) {
            return self
                .resume_with_certificate(certificates, reply, peer)
                .await;
        }
        let not_before = tokio::time::sleep(REFUSED_AFTER);
        let step = self.sign_in(kept, reply, peer).await;
        if step.is_err() {
            not_before.await;
        }
        step.map_err(|refused| self.reject(refused))
    }

    async fn account_key(&self, login: LoginName) -> Result<AccountKey, Rejection> {
        let key = self.key(&login).await;
        key.map_err(|refused| self.reject(refused))
    }

    fn inline(&self) -> Option<InlineForm> {
        Some(InlineForm::Password(self.form()))
    }

    async fn reach(&self) -> Result<(), Rejection> {
        let reached = self.reach_all().await;
        reached.map_err(|refused| self.reject(refused))
    }

    fn checks(&self) -> Vec<Check> {
        let mut checks = CHECKS.to_vec();
        if self.kerberos.is_some() {
            checks.insert(0, TICKET_CHECK);
        }
        checks
    }

    fn certificates(&self) -> Option<&Desk> {
        (self.certificates.as_ref()).map(|certificates| &certificates.desk)
    }

    async fn tend(&self) -> Tended {
        match &self.certificates {
            Some(certificates) => certificates
                .desk
                .authorities()
                .tend(self.directory.clock.now()),
            None => Tended::default(),
        }
    }

    fn recheck(&self) -> Option<&dyn Recheck> {
        self.recheck.is_some().then_some(self)
    }

    async fn facts(&self) -> Facts {
        let each = self.directory.servers.reach_each().await.into_iter();
        let servers: Map<String, Value> = each
            .map(|(server, reached)| {
                let said =
                    reached.map_or_else(|refused| refused.to_string(), |()| "answers".into());
                (server, said.into())
            })
            .collect();
        Facts::from_iter([("servers".to_owned(), servers.into())])
    }
}

#[async_trait]
impl Recheck for Ldap {
    fn every(&self) -> Duration {
        self.recheck.unwrap_or(Duration::MAX)
    }

    async fn recheck(
        &self,
        subjects: &[Subject],
        now: Timestamp,
    ) -> Result<Vec<(Subject, Rechecked)>, Rejection> {
        let looked = self.look_again(subjects, now).await;
        looked.map_err(|refused| self.reject(refused))
    }
}

impl Ldap {
    fn form(&self) -> PasswordForm {
        PasswordForm {
            names: LoginNames::EmailOrUsername,
            signup: false,
            certificate: (self.certificates.as_ref()).is_some_and(Certificates::is_a_choice),
        }
    }

    /// Opens a connection to each server, and sees that the places are there.
    async fn reach_all(&self) -> Result<(), Refused> {
        for (_, reached) in self.directory.servers.reach_each().await {
            reached?;
        }
        let rules = &self.directory.rules;
        if rules.direct_bind.is_some() {
            // Nobody may look before somebody signs in.
            return Ok(());
        }
        self.directory.reach_places(rules.groups.place()).await
    }

    /// Whose budget a try is paid from: all names of one person are one.
    async fn key(&self, login: &LoginName) -> Result<AccountKey, Refused> {
        let rules = &self.directory.rules;
        if rules.direct_bind.is_none()
            && let Some(typed) = rules.typed(login)
        {
            match self.directory.find(&typed).await {
                Ok(Some(person)) => {
                    return Ok(AccountKey::Subject(self.id.clone(), person.subject));
                }
                // A name of several people is nobody's.
                Ok(None) | Err(Refused::Ambiguous(_)) => {}
                Err(refused) => return Err(refused),
            }
        }
        Ok(self.name_key(login))
    }

    fn name_key(&self, login: &LoginName) -> AccountKey {
        let typed = self.directory.rules.typed(login);
        let username = typed.and_then(|Typed { username, .. }| LoginName::parse(&username).ok());
        AccountKey::Name(self.id.clone(), username.unwrap_or_else(|| login.clone()))
    }

    /// What the directory asserts of somebody.
    fn identity(&self, known: &Known) -> Result<Identity, Refused> {
        let entry = &known.person.entry;
        let mut claims = Map::new();
        claims.insert("dn".to_owned(), entry.dn.clone().into());
        for name in &self.directory.rules.attributes {
            let values = entry.values(name).iter();
            let texts: Option<Vec<String>> = values.map(|value| text_of(name, value)).collect();
            // What is no text is left out as a whole: a part of it would be something else.
            match texts.as_deref() {
                None | Some([]) => {}
                Some([one]) => drop(claims.insert(name.clone(), one.clone().into())),
                Some(several) => drop(claims.insert(name.clone(), several.to_vec().into())),
            }
        }
        let mut groups = known.groups.clone();
        groups.sort();
        groups.dedup();
        claims.insert("groups".to_owned(), groups.into());
        let (profile, groups) = self.mapping.apply(&claims)?;
        Ok(Identity {
            connection: self.id.clone(),
            subject: known.person.subject.clone(),
            profile,
            claims,
            groups,
        })
    }

    async fn look_again(
        &self,
        subjects: &[Subject],
        _: Timestamp,
    ) -> Result<Vec<(Subject, Rechecked)>, Refused> {
        let mut there = by_subject(self.directory.find_again(subjects).await?);
        let mut found = Vec::new();
        for subject in subjects {
            let state = match there.remove(subject).flatten() {
                None => Rechecked::Gone,
                Some(person) => match self.look_at(person).await {
                    Ok(identity) => Rechecked::Stands(Box::new(identity)),
                    // They could not sign in, either; the others have nothing to do with that.
                    Err(refused) if refused.is_personal() => {
                        tracing::info!(connection = %self.id, %subject, error = %refused, "somebody who is signed in could not sign in again");
                        Rechecked::Gone
                    }
                    Err(refused) => return Err(refused),
                },
            };
            found.push((subject.clone(), state));
        }
        Ok(found)
    }

    async fn look_at(&self, person: Person) -> Result<Identity, Refused> {
        let known = self.directory.look_up(person).await?;
        self.identity(&known)
    }

    fn reject(&self, refused: Refused) -> Rejection {
        Rejection {
            connection: self.id.clone(),
            fault: refused.fault(),
            step: refused.step(),
            check: None,
            source: Some(Box::new(refused)),
        }
    }
}
