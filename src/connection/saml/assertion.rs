//! What an assertion says, and the checks of it (SAML 2.0 core section 2, profiles section 4.1.4).

use chrono::DateTime;
use openssl::pkey::{PKey, Private};
use serde::{Deserialize, Serialize};

use super::response::{Expected, MOST_BYTES, ResponseError as E};
use crate::{
    clock::Timestamp,
    protocol::xml::{self, Ciphers, Document, Element, EncryptionError},
};

/// The namespace of assertions.
pub(crate) const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
const UNSPECIFIED: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
/// How far clocks may be apart, in seconds.
pub(crate) const SKEW: i64 = 60;
/// A message is made when it is asked for: an hour is a clock that nobody sets, more is an old one.
pub(crate) const OLDEST: i64 = 3600;
/// The most attributes, and values of one.
const MOST_ATTRIBUTES: usize = 500;
const MOST_VALUES: usize = 10_000;

/// What a good assertion says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Assertion {
    pub(crate) id: String,
    pub(crate) name_id: NameId,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) authn_instant: Timestamp,
    pub(crate) authn_context: Option<String>,
    pub(crate) session_index: Option<String>,
    /// When the provider wants the session to end.
    pub(crate) session_not_on_or_after: Option<Timestamp>,
    /// Until when it could be shown again.
    pub(crate) not_on_or_after: Timestamp,
}

/// A name identifier (core section 2.2.3).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct NameId {
    pub(crate) value: String,
    pub(crate) format: Option<String>,
    pub(crate) name_qualifier: Option<String>,
    pub(crate) sp_name_qualifier: Option<String>,
}

/// An attribute (core section 2.7.3.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) friendly_name: Option<String>,
    pub(crate) values: Vec<String>,
}

impl Assertion {
    /// Checks an assertion whose signature is good.
    pub(crate) fn check(assertion: &Element, expected: &Expected<'_>) -> Result<Self, E> {
        if assertion.attribute("Version") != Some("2.0") {
            return Err(E::Version);
        }
        let id = assertion.attribute("ID").filter(|id| !id.is_empty());
        let id = id.ok_or(E::Malformed("ID"))?.to_owned();
        check_issued(assertion, expected.now)?;
        let issuer = assertion.only(SAML, "Issuer").ok_or(E::Issuer)?;
        check_issuer(issuer, expected.identity_provider)?;
        let subject = assertion.only(SAML, "Subject").ok_or(E::NoSubject)?;
        let name_id = NameId::of(subject, &expected.names())?;
        let not_on_or_after = check_confirmations(subject, expected)?;
        check_conditions(assertion, expected)?;
        let statement = Statement::check(assertion, expected)?;
        Ok(Self {
            id,
            name_id,
            attributes: attributes(assertion, expected)?,
            authn_instant: statement.authn_instant,
            authn_context: statement.authn_context,
            session_index: statement.session_index,
            session_not_on_or_after: statement.session_not_on_or_after,
            not_on_or_after,
        })
    }
}

/// What a name identifier is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameIdRules<'a> {
    /// The entity ID of this side.
    pub(crate) service_provider: &'a str,
    /// The kind that it must be; any, if none is set.
    pub(crate) format: Option<&'a str>,
    pub(crate) keys: &'a [PKey<Private>],
    pub(crate) ciphers: Ciphers,
}

impl NameId {
    /// The identifier of a subject, also one that is encrypted.
    pub(crate) fn of(subject: &Element, rules: &NameIdRules<'_>) -> Result<Self, E> {
        let plain = subject.all(SAML, "NameID").count();
        let encrypted = subject.all(SAML, "EncryptedID").count();
        let unnamed = subject.all(SAML, "BaseID").count();
        match (plain, encrypted, unnamed) {
            (1, 0, 0) => {
                let name_id = subject.only(SAML, "NameID").ok_or(E::NoSubject)?;
                Self::read(name_id, rules)
            }
            (0, 1, 0) => {
                let around = subject.only(SAML, "EncryptedID").ok_or(E::NoSubject)?;
                let octets = xml::open(around, rules.keys, rules.ciphers)?;
                let document = Document::parse(&octets, MOST_BYTES).map_err(|_| EncryptionError)?;
                if !document.root.is(SAML, "NameID") {
                    return Err(E::NoSubject);
                }
                Self::read(&document.root, rules)
            }
            _ => Err(E::NoSubject),
        }
    }

    /// Reads the identifier of a subject.
    fn read(element: &Element, rules: &NameIdRules<'_>) -> Result<Self, E> {
        let own = |name: &str| element.attribute(name).map(str::to_owned);
        let value = element.text().map(|text| text.trim().to_owned());
        let name_id = Self {
            value: value.filter(|text| !text.is_empty()).ok_or(E::NoSubject)?,
            format: own("Format"),
            name_qualifier: own("NameQualifier"),
            sp_name_qualifier: own("SPNameQualifier"),
        };
        // A name that is somebody else's here.
        let qualifier = name_id.sp_name_qualifier.as_deref();
        if qualifier.is_some_and(|qualifier| qualifier != rules.service_provider) {
            return Err(E::OtherQualifier);
        }
        // The request may have been changed on its way: another kind of name is another person's.
        let wanted = rules.format.filter(|format| *format != UNSPECIFIED);
        if wanted.is_some() && name_id.format.as_deref() != wanted {
            return Err(E::OtherFormat);
        }
        Ok(name_id)
    }
}

/// `Issuer`, exactly.
pub(crate) fn check_issuer(issuer: &Element, identity_provider: &str) -> Result<(), E> {
    let format = issuer.attribute("Format");
    let is_entity = format.is_none_or(|format| format == ENTITY);
    let named = issuer.text();
    let is_named = named.is_some_and(|name| name.trim() == identity_provider);
    (is_entity && is_named).then_some(()).ok_or(E::Issuer)
}

/// `IssueInstant`: there, about now.
pub(crate) fn check_issued(element: &Element, now: Timestamp) -> Result<(), E> {
    let at = time(element, "IssueInstant")?.ok_or(E::Malformed("IssueInstant"))?;
    if at.seconds() > now.seconds() + SKEW {
        return Err(E::IssuedInFuture);
    }
    if at.seconds() < now.seconds() - OLDEST {
        return Err(E::IssuedLongAgo);
    }
    Ok(())
}

/// One of the confirmations must be for us, now, and of this login (profiles section 4.1.4.2);
/// until when the last of them is. What is wrong with the last of others is what is told.
fn check_confirmations(subject: &Element, expected: &Expected<'_>) -> Result<Timestamp, E> {
    let (mut good, mut wrong) = (None, E::NoConfirmation);
    for confirmation in subject.all(SAML, "SubjectConfirmation") {
        match check_confirmation(confirmation, expected) {
            Ok(until) => good = good.max(Some(until)),
            Err(error) => wrong = error,
        }
    }
    good.ok_or(wrong)
}

fn check_confirmation(confirmation: &Element, expected: &Expected<'_>) -> Result<Timestamp, E> {
    if confirmation.attribute("Method") != Some(BEARER) {
        return Err(E::NoConfirmation);
    }
    let data = confirmation.only(SAML, "SubjectConfirmationData");
    let data = data.ok_or(E::NoConfirmation)?;
    if data.attribute("Recipient") != Some(expected.acs) {
        return Err(E::Recipient);
    }
    let until = time(data, "NotOnOrAfter")?.ok_or(E::Malformed("NotOnOrAfter"))?;
    check_window(data, expected.now)?;
    if data.attribute("InResponseTo") != expected.request_id {
        return Err(E::InResponseTo);
    }
    Ok(until)
}

/// `NotBefore` and `NotOnOrAfter`, as far as they are there.
fn check_window(element: &Element, now: Timestamp) -> Result<(), E> {
    let now = now.seconds();
    if time(element, "NotBefore")?.is_some_and(|from| from.seconds() > now + SKEW) {
        return Err(E::NotYet);
    }
    if time(element, "NotOnOrAfter")?.is_some_and(|until| until.seconds() <= now - SKEW) {
        return Err(E::Expired);
    }
    Ok(())
}

/// Core section 2.5.1: all conditions must hold, and one that is not understood holds for nobody.
fn check_conditions(assertion: &Element, expected: &Expected<'_>) -> Result<(), E> {
    let conditions = assertion.only(SAML, "Conditions").ok_or(E::NoConditions)?;
    check_window(conditions, expected.now)?;
    let mut for_us = false;
    for condition in conditions.elements() {
        if condition.is(SAML, "AudienceRestriction") {
            let named = |audience: &Element| {
                let text = audience.text();
                text.is_some_and(|text| text.trim() == expected.service_provider)
            };
            if !condition.all(SAML, "Audience").any(named) {
                return Err(E::Audience);
            }
            for_us = true;
        } else if !condition.is(SAML, "OneTimeUse") && !condition.is(SAML, "ProxyRestriction") {
            return Err(E::UnknownCondition);
        }
    }
    for_us.then_some(()).ok_or(E::Audience)
}

/// How and when the person signed in there (core section 2.7.2).
struct Statement {
    authn_instant: Timestamp,
    authn_context: Option<String>,
    session_index: Option<String>,
    session_not_on_or_after: Option<Timestamp>,
}

impl Statement {
    fn check(assertion: &Element, expected: &Expected<'_>) -> Result<Self, E> {
        let statement = assertion.all(SAML, "AuthnStatement").next();
        let statement = statement.ok_or(E::NoStatement)?;
        let now = expected.now.seconds();
        let at = time(statement, "AuthnInstant")?.ok_or(E::Malformed("AuthnInstant"))?;
        if at.seconds() > now + SKEW {
            return Err(E::AuthenticatedInFuture);
        }
        if let Some(max_age) = expected.max_age {
            let age = now.saturating_sub(at.seconds());
            if age
                > i64::try_from(max_age)
                    .unwrap_or(i64::MAX)
                    .saturating_add(SKEW)
            {
                return Err(E::AuthenticatedLongAgo(age));
            }
        }
        let since = expected.signed_in_since.map(Timestamp::seconds);
        if since.is_some_and(|since| at.seconds() < since - SKEW) {
            return Err(E::NotAgain);
        }
        let until = time(statement, "SessionNotOnOrAfter")?;
        if until.is_some_and(|until| until.seconds() <= now - SKEW) {
            return Err(E::SessionOver);
        }
        let context = statement.only(SAML, "AuthnContext").and_then(|context| {
            let class = context.only(SAML, "AuthnContextClassRef")?;
            Some(class.text()?.trim().to_owned())
        });
        let wanted = expected.authn_contexts;
        let fits = |context: &String| wanted.iter().any(|one| one == context);
        if !wanted.is_empty() && !context.as_ref().is_some_and(fits) {
            return Err(E::AuthnContext(context.unwrap_or_default()));
        }
        Ok(Self {
            authn_instant: at.min(expected.now),
            authn_context: context,
            session_index: statement.attribute("SessionIndex").map(str::to_owned),
            session_not_on_or_after: until,
        })
    }
}

/// The attributes: the values of those with one name together, since many providers write each role
/// as an attribute of its own.
fn attributes(assertion: &Element, expected: &Expected<'_>) -> Result<Vec<Attribute>, E> {
    let mut all: Vec<Attribute> = Vec::new();
    let mut left = MOST_ATTRIBUTES;
    let statements = assertion.all(SAML, "AttributeStatement");
    for element in statements.flat_map(Element::elements) {
        let opened;
        let element = if element.is(SAML, "EncryptedAttribute") {
            let octets = xml::open(element, expected.keys, expected.ciphers)?;
            opened = Document::parse(&octets, MOST_BYTES).map_err(|_| EncryptionError)?;
            &opened.root
        } else {
            element
        };
        if !element.is(SAML, "Attribute") {
            return Err(E::Malformed("AttributeStatement"));
        }
        let name = element.attribute("Name").ok_or(E::Malformed("Name"))?;
        let values = element.all(SAML, "AttributeValue").filter_map(value);
        left = left.checked_sub(1).ok_or(E::TooMuch)?;
        if let Some(known) = all.iter_mut().find(|one| one.name == name) {
            known.values.extend(values);
        } else {
            all.push(Attribute {
                name: name.to_owned(),
                friendly_name: element.attribute("FriendlyName").map(str::to_owned),
                values: values.collect(),
            });
        }
        if all.last().is_some_and(|one| one.values.len() > MOST_VALUES) {
            return Err(E::TooMuch);
        }
    }
    Ok(all)
}

/// A value that is a text, or a name identifier as in `eduPersonTargetedID`. Others mean nothing
/// here, as does an empty one.
fn value(element: &Element) -> Option<String> {
    if let Some(text) = element.text() {
        return Some(text).filter(|text| !text.is_empty());
    }
    let name_id = element.only(SAML, "NameID")?;
    let alone = element.elements().count() == 1;
    name_id.text().filter(|_| alone)
}

/// An xs:dateTime in UTC (core section 1.3.3).
pub(crate) fn time(element: &Element, name: &'static str) -> Result<Option<Timestamp>, E> {
    let Some(text) = element.attribute(name) else {
        return Ok(None);
    };
    let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| E::Malformed(name))?;
    Ok(Some(Timestamp::from_millis(parsed.timestamp_millis())))
}
