//! Questions about people: who it is, whether the password is theirs, in which groups they are.

use std::{fmt::Write as _, sync::Arc};

use rasn_ldap::{AttributeValueAssertion, Filter, ResultCode};

use super::{
    person::{Known, Person, Rules, Typed},
    refused::{self, Refused},
    servers::{Credentials, Servers, Tries, Use},
};
use crate::{
    clock::{Clock, Timestamp},
    egress::ldap::{LdapError, LdapStream, Scope, Search},
    identity::Subject,
    protocol::ldap::{BindDiagnosis, FilterTemplate, NameTemplate, Values, value},
    secret::Secret,
};

/// From 1601 to 1970, in seconds: Active Directory counts from there, in tenths of microseconds.
const FILETIME_EPOCH: i64 = 11_644_473_600;

/// A directory with its rules.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) servers: Servers,
    pub(super) rules: Arc<Rules>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What a bind with somebody's password came to.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    In,
    Not {
        why: BindDiagnosis,
        text: String,
        /// The bind succeeded, but nothing may be done but change the password.
        bound: bool,
    },
}

impl Directory {
    pub(super) fn new(servers: Servers, rules: Arc<Rules>, clock: Arc<dyn Clock>) -> Self {
        Self {
            servers,
            rules,
            clock,
        }
    }

    pub(super) async fn tries(&self, purpose: Use) -> Result<Tries<'_>, Refused> {
        self.servers.tries(purpose, self.clock.as_ref()).await
    }

    /// Whose name it is, if the account that looks people up finds exactly one.
    pub(super) async fn find(&self, typed: &Typed) -> Result<Option<Person>, Refused> {
        let values = |name: &str| typed.value(name);
        self.find_by(&self.rules.user_filter, &values).await
    }

    /// The same by another filter.
    pub(super) async fn find_by(
        &self,
        filter: &FilterTemplate,
        values: Values<'_>,
    ) -> Result<Option<Person>, Refused> {
        let Some(filter) = filter.fill(values) else {
            return Ok(None);
        };
        let everywhere = (self.rules.user_base.as_str(), Scope::Subtree);
        let mut tries = self.tries(Use::Look).await?;
        loop {
            let mut held = tries.next().await?;
            let answer = self
                .search_person(&mut held.stream, filter.clone(), everywhere)
                .await;
            if let Some(answer) = tries.settle(held, answer)? {
                return Ok(answer);
            }
        }
    }

    /// Binds as the entry of this name.
    pub(super) async fn bind(&self, who: &Credentials) -> Result<Bound, Refused> {
        let mut tries = self.tries(Use::Bind).await?;
        loop {
            let mut held = tries.next().await?;
            let answer = bind(&mut held.stream, who).await;
            if let Some(answer) = tries.settle(held, answer)? {
                return Ok(answer);
            }
        }
    }

    /// Somebody binds by a name that is made of what they typed, and looks themselves up.
    pub(super) async fn bind_and_find(
        &self,
        name: &NameTemplate,
        typed: &Typed,
        password: &Secret,
    ) -> Result<(Bound, Option<Known>), Refused> {
        let who = self.named(name, typed, password)?;
        let mut tries = self.tries(Use::Bind).await?;
        loop {
            let mut held = tries.next().await?;
            let answer = self.bound_and_found(&mut held.stream, &who, typed).await;
            if let Some(answer) = tries.settle(held, answer)? {
                return Ok(answer);
            }
        }
    }

    /// The name that somebody binds by.
    pub(super) fn named(
        &self,
        name: &NameTemplate,
        typed: &Typed,
        password: &Secret,
    ) -> Result<Credentials, Refused> {
        let name = name.fill(&|name| typed.value(name));
        Ok(Credentials {
            name: name.ok_or(Refused::NoPerson)?,
            password: password.clone(),
        })
    }

    async fn bound_and_found(
        &self,
        stream: &mut LdapStream,
        who: &Credentials,
        typed: &Typed,
    ) -> Result<(Bound, Option<Known>), Refused> {
        let bound = bind(stream, who).await?;
        if !matches!(bound, Bound::In) {
            return Ok((bound, None));
        }
        // Whoever binds by an entry's name is that entry, and may read no other.
        let by_entry = self
            .rules
            .direct_bind
            .as_ref()
            .is_some_and(NameTemplate::is_dn);
        let place = if by_entry {
            (who.name.as_str(), Scope::Base)
        } else {
            (self.rules.user_base.as_str(), Scope::Subtree)
        };
        let filter = self.rules.user_filter.fill(&|name| typed.value(name));
        let filter = filter.ok_or(Refused::NoPerson)?;
        let person = self.search_person(stream, filter, place).await?;
        let person = person.ok_or(Refused::NoPerson)?;
        // By another name, whoever was bound need not be who was found: the password must be theirs.
        if !by_entry {
            let found = Credentials {
                name: person.entry.dn.clone(),
                password: who.password.clone(),
            };
            if !matches!(bind(stream, &found).await?, Bound::In) {
                return Err(Refused::NoPerson);
            }
        }
        let known = self.complete(stream, person).await?;
        Ok((bound, Some(known)))
    }

    /// The rest about somebody, who must not be disabled.
    pub(super) async fn look_up(&self, person: Person) -> Result<Known, Refused> {
        let mut tries = self.tries(Use::Look).await?;
        loop {
            let mut held = tries.next().await?;
            let answer = self.complete(&mut held.stream, person.clone()).await;
            if let Some(answer) = tries.settle(held, answer)? {
                return Ok(answer);
            }
        }
    }

    /// People by what stays the same about them, as far as they still fit what holds for everybody;
    /// who is not among the answers is gone.
    pub(super) async fn find_again(&self, subjects: &[Subject]) -> Result<Vec<Person>, Refused> {
        let same = |subject: &Subject| {
            let octets = match self.rules.user_id.to_ascii_lowercase().as_str() {
                "objectguid" => value::guid_octets(subject.as_str())?,
                _ => subject.as_str().as_bytes().to_vec(),
            };
            let is =
                AttributeValueAssertion::new(self.rules.user_id.as_str().into(), octets.into());
            Some(Filter::EqualityMatch(is))
        };
        let any: Vec<Filter> = subjects.iter().filter_map(same).collect();
        if any.is_empty() {
            return Ok(Vec::new());
        }
        let mut filter = Filter::Or(any.into());
        let everybody = self.rules.user_filter.without_holes();
        if let Some(everybody) = everybody.and_then(|filter| filter.fill(&|_| None)) {
            filter = Filter::And(vec![everybody, filter].into());
        }
        let search = Search {
            base: &self.rules.user_base,
            scope: Scope::Subtree,
            filter,
            attributes: &self.rules.attributes,
            // An identifier that two entries have is nobody's.
            most: subjects.len() * 2,
        };
        let mut tries = self.tries(Use::Look).await?;
        loop {
            let mut held = tries.next().await?;
            let entries = held.stream.search(&search).await;
            let entries = entries.map_err(|error| Refused::ldap(refused::SEARCH, error));
            if let Some(entries) = tries.settle(held, entries)? {
                // Whoever is odd is not there; the others are asked about all the same.
                let people = entries
                    .into_iter()
                    .filter_map(|one| self.rules.person(one).ok());
                return Ok(people.collect());
            }
        }
    }

    /// Asks whether the places are there that people and groups are looked for in.
    pub(super) async fn reach_places(&self, groups: Option<&str>) -> Result<(), Refused> {
        let places = [Some(self.rules.user_base.as_str()), groups];
        for base in places.into_iter().flatten() {
            let search = Search {
                base,
                scope: Scope::Base,
                filter: Filter::Present("objectClass".into()),
                attributes: &[NO_ATTRIBUTES.to_owned()],
                most: 1,
            };
            let mut tries = self.tries(Use::Look).await?;
            let mut held = tries.next().await?;
            let found = held.stream.search(&search).await;
            let found = found.map_err(|error| Refused::ldap(refused::SEARCH, error))?;
            tries.keep(held);
            if found.is_empty() {
                return Err(Refused::NoPlace(base.to_owned()));
            }
        }
        Ok(())
    }

    async fn search_person(
        &self,
        stream: &mut LdapStream,
        filter: Filter,
        (base, scope): (&str, Scope),
    ) -> Result<Option<Person>, Refused> {
        let search = Search {
            base,
            scope,
            filter,
            attributes: &self.rules.attributes,
            most: 1,
        };
        match stream.search(&search).await {
            Ok(mut entries) => entries.pop().map(|one| self.rules.person(one)).transpose(),
            Err(LdapError::TooMany(_)) => Err(Refused::Ambiguous(2)),
            Err(error) => Err(Refused::ldap(refused::SEARCH, error)),
        }
    }

    async fn complete(&self, stream: &mut LdapStream, person: Person) -> Result<Known, Refused> {
        if self.is_disabled(stream, &person.entry.dn).await? {
            return Err(Refused::Disabled);
        }
        let (rules, username) = (&self.rules.groups, &self.rules.username);
        let groups = rules.of(stream, &person, username).await?;
        Ok(Known { person, groups })
    }

    async fn is_disabled(&self, stream: &mut LdapStream, dn: &str) -> Result<bool, Refused> {
        let Some(disabled) = &self.rules.disabled else {
            return Ok(false);
        };
        let now = self.clock.now();
        let filter = disabled.fill(&|name| match name {
            "filetime" => Some(filetime(now).into_bytes()),
            "now" => Some(generalized_time(now).into_bytes()),
            _ => None,
        });
        let Some(filter) = filter else {
            return Ok(false);
        };
        let search = Search {
            base: dn,
            scope: Scope::Base,
            filter,
            attributes: &[NO_ATTRIBUTES.to_owned()],
            most: 1,
        };
        let found = stream.search(&search).await;
        let found = found.map_err(|error| Refused::ldap(refused::SEARCH, error))?;
        Ok(!found.is_empty())
    }
}

/// RFC 4511 section 4.5.1.8.
const NO_ATTRIBUTES: &str = "1.1";

/// Binds, and reads what the directory says to it.
pub(super) async fn bind(stream: &mut LdapStream, who: &Credentials) -> Result<Bound, Refused> {
    let said = stream.bind(&who.name, &who.password).await;
    let said = said.map_err(|error| Refused::ldap(refused::BIND, error))?;
    match BindDiagnosis::of(said.code, &said.text, &said.policy) {
        None => Ok(Bound::In),
        Some(BindDiagnosis::Unavailable) => {
            let (code, text) = (said.code, said.text);
            let error = LdapError::Refused { code, text };
            Err(Refused::ldap(refused::BIND, error))
        }
        Some(why) => Ok(Bound::Not {
            why,
            text: said.text,
            bound: said.code == ResultCode::Success,
        }),
    }
}

/// As Active Directory counts time.
fn filetime(now: Timestamp) -> String {
    let seconds = now.seconds().saturating_add(FILETIME_EPOCH);
    seconds.saturating_mul(10_000_000).to_string()
}

/// RFC 4517 section 3.3.13, from RFC 3339.
fn generalized_time(now: Timestamp) -> String {
    let mut time = String::new();
    for sign in now.to_string().chars().filter(char::is_ascii_digit) {
        _ = time.write_char(sign);
    }
    time.push('Z');
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_directories_do() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        assert_eq!(generalized_time(now), "20231114221320Z");
        assert_eq!(filetime(now), "133444736000000000");
    }
}
