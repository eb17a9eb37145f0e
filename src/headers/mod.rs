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

use std::sync::{Arc, LazyLock};

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
    fields: Vec<(HeaderName, Template)>,
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
            fields,
            encoding,
            trust,
        })
    }

    /// The headers that this route writes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields.iter().map(|(name, _)| name)
    }

    /// What to set for this permit. Nothing for nobody.
    pub(crate) fn edits(&self, permit: &Permit) -> Result<Arc<Edits>, HeadersError> {
        static NOTHING: LazyLock<Arc<Edits>> = LazyLock::new(Arc::default);
        if permit.session().is_none() {
            return Ok(NOTHING.clone());
        }
        let kept = permit.kept(|who| self.render(who).map(Arc::new));
        kept.map_or(Err(HeadersError::Unwritable), |kept| (*kept).clone())
    }

    /// The headers as they are for a person.
    pub(crate) fn render(&self, who: &Principal<'_>) -> Result<Edits, HeadersError> {
        let email = self.trust.email(who.identity);
        let shown = Shown {
            who: *who,
            email: email.as_ref(),
        };
        let mut set = Vec::with_capacity(self.fields.len());
        let mut size = 0;
        for (name, template) in &self.fields {
            let Some(value) = template.render(shown, self.encoding) else {
                continue;
            };
            // ": " and the end of the line
            size += name.as_str().len() + value.len() + 4;
            if size > MOST {
                return Err(HeadersError::TooLarge);
            }
            let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(value))
                .map_err(|_| HeadersError::Unwritable)?;
            set.push((name.clone(), value));
        }
        Ok(Edits { set: set.into() })
    }
}

/// Headers to set, after all that are owned were stripped. Cloning a value copies no octets.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Edits {
    set: Box<[(HeaderName, HeaderValue)]>,
}

impl Edits {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }

    /// Each header once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.set.iter().map(|(name, value)| (name, value))
    }
}

/// Why the headers of a person cannot be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum HeadersError {
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
