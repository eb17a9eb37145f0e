//! Identity headers: how an application that knows nothing about login learns who is calling.
//!
//! A route names a preset or a table of its own, header = template. The values are rendered once
//! for each version of a session and route and kept with the session ([`IdentityHeaders::edits`]);
//! a request only copies them. Each header has exactly one value or is absent; nothing about a
//! person can choose a header's name, end its value or add another. Values that would be too large
//! refuse the request, for a list that was cut would be another list.
//!
//! All names of all routes and presets are stripped from every request before any is set: the
//! gate holds them ([`OwnedHeaders`](crate::protocol::OwnedHeaders)). The signed assertion says the
//! same to applications that want proof ([`assertion`]).

pub(crate) mod assertion;
mod config;
mod encoding;
mod name;
mod preset;
mod template;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderName, HeaderValue};

use self::template::{Shown, Template};
pub(crate) use self::{
    config::{HeaderEncoding, Headers},
    preset::preset_names,
};
use crate::{
    policy::{EmailTrust, Permit},
    problem::Problem,
    protocol::folded,
    session::Principal,
};

/// The most that names and values of one request may take together, in octets: half of what
/// common application servers read as a head.
const MOST: usize = 16 << 10;

/// The identity headers of a route.
#[derive(Debug)]
pub(crate) struct IdentityHeaders {
    fields: Arc<[(HeaderName, Template)]>,
    encoding: HeaderEncoding,
    trust: EmailTrust,
}

impl IdentityHeaders {
    /// Reads a preset's name or a table. The problems' keys begin with `headers`.
    pub(crate) fn build(
        headers: &Headers,
        encoding: HeaderEncoding,
        trust: EmailTrust,
    ) -> Result<Self, Vec<Problem>> {
        let fields = match headers {
            Headers::Preset(name) => preset::fields(name).map_err(|problem| vec![problem])?,
            Headers::Table(table) => own(table.iter())?,
        };
        Ok(Self {
            fields: fields.into(),
            encoding,
            trust,
        })
    }

    /// The headers that this route writes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields.iter().map(|(name, _)| name)
    }

    /// Whether there are [`edits`](Self::edits).
    pub(crate) fn check(&self, permit: &Permit) -> Result<(), HeadersError> {
        if permit.session().is_none() || permit.keeps(|who| self.values(who).ok()) {
            Ok(())
        } else {
            Err(HeadersError::Refused)
        }
    }

    /// What to set for this permit. Nothing for nobody.
    pub(crate) fn edits(&self, permit: &Permit) -> Result<Edits, HeadersError> {
        if permit.session().is_none() {
            return Ok(Edits::default());
        }
        let kept = permit.kept(|who| self.values(who).ok());
        kept.map(|values| self.with(values))
            .ok_or(HeadersError::Refused)
    }

    /// The headers as they are for a person.
    pub(crate) fn render(&self, who: &Principal<'_>) -> Result<Edits, HeadersError> {
        self.values(who).map(|values| self.with(values.into()))
    }

    fn with(&self, values: Bytes) -> Edits {
        Edits {
            fields: self.fields.clone(),
            values,
        }
    }

    /// The values in one piece, as [`Edits`] reads them: one allocation for each session and route.
    fn values(&self, who: &Principal<'_>) -> Result<Box<[u8]>, HeadersError> {
        let email = self.trust.email(who.identity);
        let shown = Shown {
            who: *who,
            email: email.as_ref(),
        };
        let mut values = Vec::new();
        let mut size = 0;
        for (index, (name, template)) in self.fields.iter().enumerate() {
            let Some(value) = template.render(shown, self.encoding) else {
                continue;
            };
            // ": " and the end of the line
            size += name.as_str().len() + value.len() + 4;
            if size > MOST {
                return Err(HeadersError::TooLarge);
            }
            let (Ok(index), Ok(length), Ok(_)) = (
                u16::try_from(index),
                u16::try_from(value.len()),
                HeaderValue::from_bytes(&value),
            ) else {
                return Err(HeadersError::Unwritable);
            };
            values.put_u16(index);
            values.put_u16(length);
            values.put_slice(&value);
        }
        // A copy takes not one octet more than is needed: there are many sessions.
        Ok(values.as_slice().into())
    }
}

/// Headers to set, after all that are owned were stripped. Cloning it copies no octets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits {
    fields: Arc<[(HeaderName, Template)]>,
    /// For each header: the index of its field (2), the length of its value (2), the value.
    values: Bytes,
}

impl Edits {
    /// Room for so many is room enough.
    pub(crate) fn most(&self) -> usize {
        self.fields.len()
    }

    /// Each header once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, HeaderValue)> {
        let mut left = self.values.clone();
        std::iter::from_fn(move || {
            let index = left.try_get_u16().ok()?;
            let length = usize::from(left.try_get_u16().ok()?);
            let value = (length <= left.len()).then(|| left.split_to(length))?;
            let (name, _) = self.fields.get(usize::from(index))?;
            // It was a value when it was put there.
            Some((name, HeaderValue::from_maybe_shared(value).ok()?))
        })
    }
}

/// Why the headers of a person cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HeadersError {
    #[error("the identity headers of this person were refused before")]
    Refused,
    #[error("the identity headers are larger than {MOST} octets")]
    TooLarge,
    #[error("an identity header has no value that could be written")]
    Unwritable,
}

fn own<'t>(
    table: impl Iterator<Item = (&'t String, &'t String)>,
) -> Result<Vec<(HeaderName, Template)>, Vec<Problem>> {
    let mut fields: Vec<(HeaderName, Template)> = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in table {
        let key = format!("headers.{name}");
        let parsed = match name::parse(name) {
            Ok(parsed) => parsed,
            Err(error) => {
                problems.push(Problem::new(
                    key,
                    format!("cannot carry an identity: {error}"),
                ));
                continue;
            }
        };
        let twin = (fields.iter()).find(|(other, _)| folded(other.as_str()) == folded(name));
        if let Some((twin, _)) = twin {
            problems.push(Problem::new(
                key,
                format!(
                    "an application may read it as {:?}, which is in the table too",
                    twin.as_str()
                ),
            ));
            continue;
        }
        match Template::parse(text) {
            Ok(template) => fields.push((parsed, template)),
            Err(error) => problems.push(Problem::new(key, error.to_string()).hint(
                "placeholders are {user}, {handle}, {email}, {name}, {given_name}, {family_name}, \
                 {nickname}, {picture}, {locale}, {zoneinfo}, {groups}, {connection}, {subject}, \
                 {acr}, {amr}, {auth_time}, {claims.…}, {user_metadata.…} and {app_metadata.…}",
            )),
        }
    }
    if problems.is_empty() {
        Ok(fields)
    } else {
        Err(problems)
    }
}
