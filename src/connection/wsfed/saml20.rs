//! Assertions of SAML 2.0 (core section 2) as tokens.
//!
//! They answer no request of SAML's, so there is none to be named: one that names a request or an
//! address was made for somebody who speaks SAML, and is not taken for a token.

use super::token::{Claims, Expected, TRANSIENT, Token, TokenError as E, text_in, time};
use crate::protocol::xml::Element;

/// The namespace of assertions.
pub(crate) const SAML_2: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";

/// Checks an assertion whose signature is good.
pub(super) fn check(assertion: &Element, expected: &Expected<'_>) -> Result<Token, E> {
    if assertion.attribute("Version") != Some("2.0") {
        return Err(E::Version);
    }
    let id = assertion.attribute("ID").filter(|id| !id.is_empty());
    let id = id.ok_or(E::Malformed("ID"))?;
    let issued = time(assertion, "IssueInstant")?.ok_or(E::Malformed("IssueInstant"))?;
    expected.check_issued(issued)?;
    let issuer = assertion.only(SAML_2, "Issuer").ok_or(E::Issuer)?;
    let is_entity = issuer.attribute("Format").is_none_or(|kind| kind == ENTITY);
    let is_named = text_in(assertion, SAML_2, "Issuer").as_deref() == Some(expected.provider);
    if !is_entity || !is_named {
        return Err(E::Issuer);
    }
    let conditions = assertion.only(SAML_2, "Conditions");
    let conditions = conditions.ok_or(E::NoConditions)?;
    let from = time(conditions, "NotBefore")?.ok_or(E::NoConditions)?;
    let until = time(conditions, "NotOnOrAfter")?.ok_or(E::NoConditions)?;
    expected.check_window(Some(from), Some(until))?;
    check_conditions(conditions, expected)?;
    let known = ["Issuer", "Subject", "Conditions", "Advice"];
    let known = |child: &Element| {
        let mut known = known
            .iter()
            .chain(&["AuthnStatement", "AttributeStatement"]);
        known.any(|name| child.is(SAML_2, name))
    };
    if !assertion.elements().all(known) {
        return Err(E::Malformed("Assertion"));
    }
    let subject = assertion.only(SAML_2, "Subject").ok_or(E::NotOneSubject)?;
    let name = named(subject)?;
    check_confirmation(subject, expected)?;
    let statement = assertion.only(SAML_2, "AuthnStatement");
    let statement = statement.ok_or(E::NoStatement)?;
    let at = time(statement, "AuthnInstant")?.ok_or(E::Malformed("AuthnInstant"))?;
    let authenticated = expected.check_authenticated(Some(at))?;
    let context = statement.only(SAML_2, "AuthnContext");
    let class = context.and_then(|context| text_in(context, SAML_2, "AuthnContextClassRef"));
    let method = expected.check_method(class.into_iter().collect())?;
    let session_ends = time(statement, "SessionNotOnOrAfter")?;
    if expected.check_window(None, session_ends).is_err() {
        return Err(E::SessionOver);
    }
    Ok(Token {
        id: id.as_bytes().to_vec(),
        name,
        claims: claims(assertion)?.finish(),
        issued,
        authenticated,
        method,
        session_ends,
        not_on_or_after: until,
    })
}

/// Section 2.5.1: all conditions must hold, and one that is not understood holds for nobody.
fn check_conditions(conditions: &Element, expected: &Expected<'_>) -> Result<(), E> {
    let mut for_us = false;
    for condition in conditions.elements() {
        if condition.is(SAML_2, "AudienceRestriction") {
            let is_us = |audience: &Element| {
                let text = audience.text();
                text.is_some_and(|text| text.trim() == expected.wtrealm)
            };
            if !condition.all(SAML_2, "Audience").any(is_us) {
                return Err(E::Audience);
            }
            for_us = true;
        } else if !condition.is(SAML_2, "OneTimeUse") && !condition.is(SAML_2, "ProxyRestriction") {
            return Err(E::UnknownCondition);
        }
    }
    for_us.then_some(()).ok_or(E::Audience)
}

/// The name of the subject, unless it is one of this login only.
fn named(subject: &Element) -> Result<Option<String>, E> {
    let hidden = ["BaseID", "EncryptedID"];
    if hidden
        .iter()
        .any(|name| subject.all(SAML_2, name).count() > 0)
    {
        return Err(E::NotOneSubject);
    }
    let Some(name) = subject.all(SAML_2, "NameID").next() else {
        return Ok(None);
    };
    let value = text_in(subject, SAML_2, "NameID").ok_or(E::NotOneSubject)?;
    let is_lasting = name.attribute("Format") != Some(TRANSIENT);
    Ok(Some(value).filter(|_| is_lasting))
}

/// One confirmation must be for the bearer, now, and for nobody else than us.
fn check_confirmation(subject: &Element, expected: &Expected<'_>) -> Result<(), E> {
    let mut wrong = E::NoConfirmation;
    for confirmation in subject.all(SAML_2, "SubjectConfirmation") {
        if confirmation.attribute("Method") != Some(BEARER) {
            continue;
        }
        let mut all = confirmation.all(SAML_2, "SubjectConfirmationData");
        let (data, more) = (all.next(), all.next());
        let checked = match (data, more) {
            (None, _) => Ok(()),
            (Some(data), None) => check_confirmation_data(data, expected),
            (Some(_), Some(_)) => Err(E::NoConfirmation),
        };
        match checked {
            Ok(()) => return Ok(()),
            Err(error) => wrong = error,
        }
    }
    Err(wrong)
}

fn check_confirmation_data(data: &Element, expected: &Expected<'_>) -> Result<(), E> {
    let recipient = data.attribute("Recipient");
    let is_us = recipient.is_none_or(|recipient| recipient == expected.wreply);
    if !is_us || data.attribute("InResponseTo").is_some() {
        return Err(E::OtherRecipient);
    }
    expected.check_window(time(data, "NotBefore")?, time(data, "NotOnOrAfter")?)
}

fn claims(assertion: &Element) -> Result<Claims, E> {
    let mut claims = Claims::default();
    let statements = assertion.all(SAML_2, "AttributeStatement");
    for attribute in statements.flat_map(Element::elements) {
        if !attribute.is(SAML_2, "Attribute") {
            return Err(E::Malformed("AttributeStatement"));
        }
        let name = attribute.attribute("Name").ok_or(E::Malformed("Name"))?;
        claims.add(name.to_owned(), attribute.all(SAML_2, "AttributeValue"))?;
    }
    Ok(claims)
}
