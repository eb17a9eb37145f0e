//! Assertions of SAML 1.1 (core section 2) as tokens.

use super::token::{Claims, Expected, TRANSIENT, Token, TokenError as E, text_in, time};
use crate::protocol::xml::Element;

/// The namespace of assertions; SAML 1.1 kept that of 1.0.
pub(crate) const SAML_1: &str = "urn:oasis:names:tc:SAML:1.0:assertion";
const BEARER: &str = "urn:oasis:names:tc:SAML:1.0:cm:bearer";

/// Checks an assertion whose signature is good.
pub(super) fn check(assertion: &Element, expected: &Expected<'_>) -> Result<Token, E> {
    let version = ["MajorVersion", "MinorVersion"].map(|name| assertion.attribute(name));
    if version != [Some("1"), Some("1")] {
        return Err(E::Version);
    }
    let id = assertion.attribute("AssertionID");
    let id = id.filter(|id| !id.is_empty());
    let id = id.ok_or(E::Malformed("AssertionID"))?;
    let issued = time(assertion, "IssueInstant")?.ok_or(E::Malformed("IssueInstant"))?;
    expected.check_issued(issued)?;
    if assertion.attribute("Issuer") != Some(expected.provider) {
        return Err(E::Issuer);
    }
    let conditions = assertion.only(SAML_1, "Conditions");
    let conditions = conditions.ok_or(E::NoConditions)?;
    let from = time(conditions, "NotBefore")?.ok_or(E::NoConditions)?;
    let until = time(conditions, "NotOnOrAfter")?.ok_or(E::NoConditions)?;
    expected.check_window(Some(from), Some(until))?;
    check_conditions(conditions, expected)?;
    let name = subject(assertion)?;
    let mut statements = assertion.all(SAML_1, "AuthenticationStatement");
    let statement = statements.next().ok_or(E::NoStatement)?;
    if statements.next().is_some() {
        return Err(E::NoStatement);
    }
    let at = time(statement, "AuthenticationInstant")?;
    let at = at.ok_or(E::Malformed("AuthenticationInstant"))?;
    let authenticated = expected.check_authenticated(Some(at))?;
    let method = statement.attribute("AuthenticationMethod");
    let method = expected.check_method(method.map(str::to_owned).into_iter().collect())?;
    Ok(Token {
        id: id.as_bytes().to_vec(),
        name,
        claims: claims(assertion)?.finish(),
        issued,
        authenticated,
        method,
        session_ends: None,
        not_on_or_after: until,
    })
}

/// Section 2.3.2.1: all conditions must hold, and one that is not understood holds for nobody.
fn check_conditions(conditions: &Element, expected: &Expected<'_>) -> Result<(), E> {
    let mut for_us = false;
    for condition in conditions.elements() {
        if condition.is(SAML_1, "AudienceRestrictionCondition") {
            let is_us = |audience: &Element| {
                let text = audience.text();
                text.is_some_and(|text| text.trim() == expected.wtrealm)
            };
            if !condition.all(SAML_1, "Audience").any(is_us) {
                return Err(E::Audience);
            }
            for_us = true;
        } else if !condition.is(SAML_1, "DoNotCacheCondition") {
            return Err(E::UnknownCondition);
        }
    }
    for_us.then_some(()).ok_or(E::Audience)
}

/// The name of whom all statements are about. Each has a subject of its own: it must be the same.
fn subject(assertion: &Element) -> Result<Option<String>, E> {
    let mut subjects = Vec::new();
    for child in assertion.elements() {
        if child.is(SAML_1, "AttributeStatement") || child.is(SAML_1, "AuthenticationStatement") {
            subjects.push(child.only(SAML_1, "Subject").ok_or(E::NotOneSubject)?);
        } else if !child.is(SAML_1, "Conditions") && !child.is(SAML_1, "Advice") {
            return Err(E::Malformed("Assertion"));
        }
    }
    let named = subjects.iter().map(|subject| named(subject));
    let mut named = named.collect::<Result<Vec<_>, E>>()?.into_iter();
    let first = named.next().ok_or(E::NotOneSubject)?;
    if named.any(|other| other != first) {
        return Err(E::NotOneSubject);
    }
    for subject in subjects {
        check_confirmation(subject)?;
    }
    let lasting = first.filter(|name| name.format.as_deref() != Some(TRANSIENT));
    Ok(lasting.map(|name| name.value))
}

/// A NameIdentifier (section 2.4.2.2).
#[derive(Eq, PartialEq)]
struct NameIdentifier {
    value: String,
    format: Option<String>,
    qualifier: Option<String>,
}

fn named(subject: &Element) -> Result<Option<NameIdentifier>, E> {
    let mut all = subject.all(SAML_1, "NameIdentifier");
    let Some(name) = all.next() else {
        return Ok(None);
    };
    let own = |attribute: &str| name.attribute(attribute).map(str::to_owned);
    let value = text_in(subject, SAML_1, "NameIdentifier");
    Ok(Some(NameIdentifier {
        value: value.ok_or(E::NotOneSubject)?,
        format: own("Format"),
        qualifier: own("NameQualifier"),
    }))
}

/// Section 2.4.2.3. Without a confirmation, whoever brings it is meant.
fn check_confirmation(subject: &Element) -> Result<(), E> {
    for confirmation in subject.all(SAML_1, "SubjectConfirmation") {
        let is_bearer = |method: &Element| {
            let text = method.text();
            text.is_some_and(|text| text.trim() == BEARER)
        };
        if !confirmation
            .all(SAML_1, "ConfirmationMethod")
            .any(is_bearer)
        {
            return Err(E::NoConfirmation);
        }
    }
    Ok(())
}

/// Section 2.4.4: the name of a claim is in two parts.
fn claims(assertion: &Element) -> Result<Claims, E> {
    let mut claims = Claims::default();
    let statements = assertion.all(SAML_1, "AttributeStatement");
    for attribute in statements.flat_map(|statement| statement.all(SAML_1, "Attribute")) {
        let name = attribute.attribute("AttributeName");
        let name = name.ok_or(E::Malformed("AttributeName"))?;
        let namespace = attribute.attribute("AttributeNamespace");
        let name = match namespace.map(|namespace| namespace.trim_end_matches('/')) {
            None | Some("") => name.to_owned(),
            Some(namespace) => format!("{namespace}/{name}"),
        };
        claims.add(name, attribute.all(SAML_1, "AttributeValue"))?;
    }
    Ok(claims)
}
