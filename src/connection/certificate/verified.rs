//! Whom a certificate names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::refused::Refused;
use crate::{
    clock::Timestamp,
    identity::Subject,
    protocol::{CertificateNames, EmailAddress, NamesError},
};

/// Which part of a certificate says who somebody is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectFrom {
    /// The one common name in the subject.
    CommonName,
    /// The one e-mail address among the alternative names.
    Email,
    /// The issuer and the serial number: another certificate is another person.
    IssuerAndSerial,
    /// The serial number of the person in the subject (X.520 serialNumber), as on identity cards.
    SerialNumber,
    /// The whole subject.
    #[default]
    Subject,
    /// The one user principal name among the alternative names.
    Upn,
}

impl SubjectFrom {
    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CommonName => "common_name",
            Self::Email => "email",
            Self::IssuerAndSerial => "issuer_and_serial",
            Self::SerialNumber => "serial_number",
            Self::Subject => "subject",
            Self::Upn => "upn",
        }
    }
}

/// Somebody who holds the key of a certificate that is good.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// Who it is.
    pub(crate) subject: Subject,
    /// What it says of them.
    pub(crate) claims: Map<String, Value>,
    /// When it ends.
    pub(crate) not_after: Timestamp,
}

impl Verified {
    /// Reads whom it names. Only [`Authorities`](super::Authorities) know that it is good, and until
    /// when.
    pub(super) fn read(
        leaf: &[u8],
        from: SubjectFrom,
        not_after: Timestamp,
    ) -> Result<Self, Refused> {
        let names = CertificateNames::read(leaf)?;
        let mut claims = claims(&names);
        claims.insert("not_after".to_owned(), json!(not_after.seconds()));
        Ok(Self {
            subject: subject(&names, from)?.parse()?,
            claims,
            not_after,
        })
    }
}

/// Who it is. A name that is there twice is nobody's: two readers would choose differently.
fn subject(names: &CertificateNames, from: SubjectFrom) -> Result<String, Refused> {
    let in_subject = |attribute| names.subject.values(attribute).map(str::to_owned).collect();
    let found: Vec<String> = match from {
        SubjectFrom::CommonName => in_subject("CN"),
        SubjectFrom::Email => {
            let all = names
                .emails
                .iter()
                .map(|text| EmailAddress::parse(text).ok());
            // One that is no address counts as one that is there.
            let all = all.map(|address| address.as_ref().map(canonical).unwrap_or_default());
            all.collect()
        }
        SubjectFrom::IssuerAndSerial => {
            vec![format!("{}#{}", names.issuer.text(), names.serial)]
        }
        SubjectFrom::SerialNumber => in_subject("serialNumber"),
        SubjectFrom::Subject => vec![names.subject.text()],
        SubjectFrom::Upn => {
            // Directories compare them without regard to case.
            names.upns.iter().map(|upn| upn.to_lowercase()).collect()
        }
    };
    match <[String; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(found) => Err(Refused::Subject {
            what: from.name(),
            count: found.len(),
        }),
    }
}

/// Hosts are compared without regard to case, what stands before the @ is not (RFC 5280 section 7.5).
fn canonical(address: &EmailAddress) -> String {
    let text = address.as_str();
    match text.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => text.to_owned(),
    }
}

/// What a certificate says, good or not, for the operator of a trial login.
pub(super) fn claims_of(leaf: &[u8]) -> Result<Map<String, Value>, NamesError> {
    CertificateNames::read(leaf).map(|names| claims(&names))
}

/// What a certificate says.
fn claims(names: &CertificateNames) -> Map<String, Value> {
    const IN_SUBJECT: [(&str, &str); 11] = [
        ("common_name", "CN"),
        ("country", "C"),
        ("given_name", "givenName"),
        ("locality", "L"),
        ("organization", "O"),
        ("organizational_unit", "OU"),
        ("pseudonym", "pseudonym"),
        ("serial_number", "serialNumber"),
        ("state", "ST"),
        ("surname", "SN"),
        ("user_id", "UID"),
    ];
    let mut claims = Map::new();
    let mut add = |name: &str, mut values: Vec<String>| {
        let value = match values.len() {
            0 => return,
            1 => json!(values.remove(0)),
            _ => json!(values),
        };
        claims.insert(name.to_owned(), value);
    };
    add("subject", vec![names.subject.text()]);
    add("issuer", vec![names.issuer.text()]);
    add("certificate_serial", vec![names.serial.clone()]);
    add("email", names.emails.clone());
    add("upn", names.upns.clone());
    for (claim, attribute) in IN_SUBJECT {
        let values = names.subject.values(attribute);
        add(claim, values.map(str::to_owned).collect());
    }
    claims
}
