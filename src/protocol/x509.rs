//! What a certificate says of its holder: names, read from DER (RFC 5280 section 4.1).
//!
//! OpenSSL verifies; its bindings do not tell the parts of a name that has several values, nor a
//! name of Microsoft's kind, and cut none of the traps: a NUL inside a name, a text in an encoding
//! that means something else elsewhere. So names are read here, strictly, and whatever is not as it
//! must be refuses the whole certificate.

use std::fmt::Write as _;

use openssl::{
    asn1::{Asn1Time, Asn1TimeRef},
    error::ErrorStack,
};

use crate::clock::Timestamp;

/// The names in one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CertificateNames {
    /// The serial number, in hexadecimal digits as people compare them.
    pub(crate) serial: String,
    pub(crate) issuer: DistinguishedName,
    pub(crate) subject: DistinguishedName,
    /// The e-mail addresses among the alternative names.
    pub(crate) emails: Vec<String>,
    /// The user principal names among them (Microsoft's otherName 1.3.6.1.4.1.311.20.2.3).
    pub(crate) upns: Vec<String>,
}

/// A distinguished name (RFC 5280 section 4.1.2.4).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DistinguishedName(Vec<Vec<Attribute>>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Attribute {
    kind: String,
    value: Value,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Value {
    Text(String),
    /// Its encoding, where it is no text.
    Octets(Vec<u8>),
}

/// Why a certificate's names are not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NamesError {
    #[error("an e-mail address in it is not plain ASCII text")]
    Email,
    #[error("it is not encoded as a certificate")]
    Malformed,
    #[error("a name in it has a control character")]
    Control,
    #[error("a user principal name in it is no UTF-8 text")]
    Upn,
}

/// The tags that are met (X.690 section 8).
mod tag {
    pub(super) const OID: u8 = 0x06;
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const OCTETS: u8 = 0x04;
    pub(super) const UTF8: u8 = 0x0c;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    pub(super) const VERSION: u8 = 0xa0;
    pub(super) const EXTENSIONS: u8 = 0xa3;
    pub(super) const OTHER_NAME: u8 = 0xa0;
    pub(super) const RFC822_NAME: u8 = 0x81;
}

/// subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// 1.3.6.1.4.1.311.20.2.3.
const UPN: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];

/// Attributes by what RFC 4514 section 3 and everybody else calls them.
const ATTRIBUTES: [(&str, &str); 17] = [
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.43", "initials"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.97", "organizationIdentifier"),
];

impl CertificateNames {
    /// Reads a certificate in DER, and nothing behind it.
    pub(crate) fn read(der: &[u8]) -> Result<Self, NamesError> {
        let mut whole = Reader(der);
        let mut certificate = Reader(whole.expect(tag::SEQUENCE)?);
        whole.end()?;
        let mut tbs = Reader(certificate.expect(tag::SEQUENCE)?);
        tbs.optional(tag::VERSION)?;
        let serial = hex(tbs.expect(tag::INTEGER)?);
        tbs.expect(tag::SEQUENCE)?;
        let issuer = DistinguishedName::read(tbs.expect(tag::SEQUENCE)?)?;
        tbs.expect(tag::SEQUENCE)?;
        let subject = DistinguishedName::read(tbs.expect(tag::SEQUENCE)?)?;
        let mut names = Self {
            serial,
            issuer,
            subject,
            emails: Vec::new(),
            upns: Vec::new(),
        };
        let mut extensions = None;
        while !tbs.is_empty() {
            let (found, value) = tbs.any()?;
            if found == tag::EXTENSIONS {
                extensions = Some(value);
            }
        }
        if let Some(extensions) = extensions {
            names.read_extensions(extensions)?;
        }
        Ok(names)
    }

    fn read_extensions(&mut self, extensions: &[u8]) -> Result<(), NamesError> {
        let mut extensions = Reader(Reader(extensions).expect(tag::SEQUENCE)?);
        let mut seen = false;
        while !extensions.is_empty() {
            let mut extension = Reader(extensions.expect(tag::SEQUENCE)?);
            if extension.expect(tag::OID)? != SUBJECT_ALT_NAME {
                continue;
            }
            // No more than one of a kind (RFC 5280 section 4.2).
            if std::mem::replace(&mut seen, true) {
                return Err(NamesError::Malformed);
            }
            let mut value = None;
            while !extension.is_empty() {
                // What may stand between is whether it is critical.
                let (found, octets) = extension.any()?;
                value = (found == tag::OCTETS).then_some(octets);
            }
            let value = value.ok_or(NamesError::Malformed)?;
            self.read_alternatives(Reader(value).expect(tag::SEQUENCE)?)?;
        }
        Ok(())
    }

    /// RFC 5280 section 4.2.1.6.
    fn read_alternatives(&mut self, names: &[u8]) -> Result<(), NamesError> {
        let mut names = Reader(names);
        while !names.is_empty() {
            match names.any()? {
                (tag::RFC822_NAME, octets) => {
                    let plain = octets.iter().all(u8::is_ascii_graphic);
                    let text = std::str::from_utf8(octets).ok().filter(|_| plain);
                    self.emails.push(text.ok_or(NamesError::Email)?.to_owned());
                }
                (tag::OTHER_NAME, other) => {
                    let mut other = Reader(other);
                    if other.expect(tag::OID)? != UPN {
                        continue;
                    }
                    let (_, value) = other.any()?;
                    let octets = Reader(value).expect(tag::UTF8)?;
                    let text = std::str::from_utf8(octets).map_err(|_| NamesError::Upn)?;
                    self.upns.push(printable(text.to_owned())?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl DistinguishedName {
    /// Reads a Name in DER, and nothing behind it.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, NamesError> {
        let mut whole = Reader(der);
        let name = whole.expect(tag::SEQUENCE)?;
        whole.end()?;
        Self::read(name)
    }

    fn read(name: &[u8]) -> Result<Self, NamesError> {
        let mut name = Reader(name);
        let mut all = Vec::new();
        while !name.is_empty() {
            let mut set = Reader(name.expect(tag::SET)?);
            let mut attributes = Vec::new();
            while !set.is_empty() {
                let mut pair = Reader(set.expect(tag::SEQUENCE)?);
                let kind = dotted(pair.expect(tag::OID)?).ok_or(NamesError::Malformed)?;
                let encoded = pair.0;
                let (kind_of_text, octets) = pair.any()?;
                pair.end()?;
                let value = match decoded(kind_of_text, octets) {
                    Some(text) => Value::Text(printable(text)?),
                    None => Value::Octets(encoded.to_vec()),
                };
                attributes.push(Attribute { kind, value });
            }
            all.push(attributes);
        }
        Ok(Self(all))
    }

    /// All values of an attribute, named as RFC 4514 writes it, in the order in which they stand.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let all = self.0.iter().flatten();
        all.filter_map(move |attribute| match &attribute.value {
            Value::Text(text) if short(&attribute.kind) == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// The text of RFC 4514 section 2: one for each name, whatever it is encoded in.
    pub(crate) fn text(&self) -> String {
        let one = |attribute: &Attribute| {
            let value = match &attribute.value {
                Value::Text(text) => escaped(text),
                Value::Octets(octets) => format!("#{}", hex(octets)),
            };
            format!("{}={value}", short(&attribute.kind))
        };
        let sets = self.0.iter().rev();
        let sets = sets.map(|set| set.iter().map(one).collect::<Vec<_>>().join("+"));
        sets.collect::<Vec<_>>().join(",")
    }
}

/// When an ASN.1 time is.
pub(crate) fn timestamp(time: &Asn1TimeRef) -> Result<Timestamp, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(Timestamp::from_millis(seconds * 1000))
}

fn short(kind: &str) -> &str {
    let known = ATTRIBUTES.iter().find(|(oid, _)| *oid == kind);
    known.map_or(kind, |(_, name)| name)
}

/// The text in a string of ASN.1; `None`: it is none, or in an encoding that nobody agrees on.
fn decoded(kind: u8, octets: &[u8]) -> Option<String> {
    match kind {
        tag::UTF8 => String::from_utf8(octets.to_vec()).ok(),
        // NumericString, PrintableString, IA5String, VisibleString
        0x12 | 0x13 | 0x16 | 0x1a if octets.is_ascii() => String::from_utf8(octets.to_vec()).ok(),
        // BMPString
        0x1e => {
            let (pairs, rest) = octets.as_chunks::<2>();
            let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
            String::from_utf16(&units).ok().filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

fn printable(text: String) -> Result<String, NamesError> {
    if text.chars().any(char::is_control) {
        return Err(NamesError::Control);
    }
    Ok(text)
}

/// RFC 4514 section 2.4.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (at, letter) in text.chars().enumerate() {
        let special = matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\');
        let first = at == 0 && matches!(letter, '#' | ' ');
        if special || first || (at == last && letter == ' ') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// An object identifier as numbers (X.690 section 8.19).
fn dotted(octets: &[u8]) -> Option<String> {
    let mut out = String::new();
    let mut arc: u64 = 0;
    for octet in octets {
        arc = arc.checked_mul(128)? + u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if out.is_empty() {
            let first = (arc / 40).min(2);
            let _ = write!(out, "{first}.{}", arc - first * 40);
        } else {
            let _ = write!(out, ".{arc}");
        }
        arc = 0;
    }
    let ends = octets.last().is_some_and(|octet| octet & 0x80 == 0);
    ends.then_some(out)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut out, octet| {
        let _ = write!(out, "{octet:02X}");
        out
    })
}

/// Values of DER, one behind the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn end(&self) -> Result<(), NamesError> {
        self.is_empty().then_some(()).ok_or(NamesError::Malformed)
    }

    /// The next value, with its tag. Lengths are definite and as short as can be (X.690 section
    /// 10.1); no tag here has more than one octet.
    fn any(&mut self) -> Result<(u8, &'a [u8]), NamesError> {
        let found = self.take(1)?.first().copied().unwrap_or_default();
        if found & 0x1f == 0x1f {
            return Err(NamesError::Malformed);
        }
        let first = usize::from(self.take(1)?.first().copied().unwrap_or_default());
        let length = if first < 0x80 {
            first
        } else {
            let octets = self.take(first & 0x7f)?;
            let well = (1..=3).contains(&octets.len()) && octets.first() != Some(&0);
            let length = octets
                .iter()
                .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            if !well || length < 0x80 {
                return Err(NamesError::Malformed);
            }
            length
        };
        Ok((found, self.take(length)?))
    }

    fn expect(&mut self, wanted: u8) -> Result<&'a [u8], NamesError> {
        match self.any()? {
            (found, value) if found == wanted => Ok(value),
            _ => Err(NamesError::Malformed),
        }
    }

    fn optional(&mut self, wanted: u8) -> Result<(), NamesError> {
        if self.0.first() == Some(&wanted) {
            self.any()?;
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], NamesError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(NamesError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use openssl::{
        asn1::Asn1Object,
        bn::BigNum,
        hash::MessageDigest,
        nid::Nid,
        pkey::PKey,
        x509::{X509, X509Name, X509NameBuilder, extension::SubjectAlternativeName},
    };

    use super::*;

    fn certificate(subject: &X509Name, names: Option<&SubjectAlternativeName>) -> Vec<u8> {
        let group = openssl::ec::EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(0x1234).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(subject).unwrap();
        builder.set_issuer_name(subject).unwrap();
        builder.set_pubkey(&key).unwrap();
        if let Some(names) = names {
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension2(&names).unwrap();
        }
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        builder.build().to_der().unwrap()
    }

    fn name(entries: &[(&str, &str)]) -> X509Name {
        let mut name = X509NameBuilder::new().unwrap();
        for (kind, value) in entries {
            name.append_entry_by_text(kind, value).unwrap();
        }
        name.build()
    }

    fn upn(text: &str) -> Vec<u8> {
        let mut octets = vec![tag::UTF8, u8::try_from(text.len()).unwrap()];
        octets.extend_from_slice(text.as_bytes());
        octets
    }

    fn upn_oid() -> Asn1Object {
        Asn1Object::from_str("1.3.6.1.4.1.311.20.2.3").unwrap()
    }

    #[test]
    fn names_are_told_as_they_stand() {
        let subject = name(&[
            ("C", "DE"),
            ("O", "Acme, Inc."),
            ("OU", "One"),
            ("OU", "Two"),
            ("CN", " Ada #1 <Zo\u{eb}> "),
            ("serialNumber", "PNOEE-1"),
        ]);
        let mut alternatives = SubjectAlternativeName::new();
        alternatives.email("ada@example.com").dns("example.com");
        alternatives.other_name2(upn_oid(), &upn("ada@corp.example"));
        let other = Asn1Object::from_str("1.2.3.4").unwrap();
        alternatives.other_name2(other, &upn("nobody"));
        let read = CertificateNames::read(&certificate(&subject, Some(&alternatives))).unwrap();
        assert_eq!(
            read.subject.text(),
            "serialNumber=PNOEE-1,CN=\\ Ada #1 \\<Zo\u{eb}\\>\\ ,OU=Two,OU=One,O=Acme\\, Inc.,C=DE"
        );
        assert_eq!(read.issuer, read.subject);
        assert_eq!(
            read.subject.values("OU").collect::<Vec<_>>(),
            ["One", "Two"]
        );
        assert_eq!(read.serial, "1234");
        assert_eq!(read.emails, ["ada@example.com"]);
        assert_eq!(read.upns, ["ada@corp.example"]);
    }

    #[test]
    fn a_name_with_a_trap_in_it_refuses_the_certificate() {
        let plain = name(&[("CN", "ada")]);
        let read = |alternatives: &SubjectAlternativeName| {
            CertificateNames::read(&certificate(&plain, Some(alternatives))).unwrap_err()
        };
        for email in [
            "ada@example.com\0.evil.example",
            "\u{e4}da@example.com",
            "a b@c.d",
        ] {
            let mut alternatives = SubjectAlternativeName::new();
            alternatives.email(email);
            assert_eq!(read(&alternatives), NamesError::Email, "{email:?}");
        }
        for (value, why) in [
            (upn("ada@corp\0.evil"), NamesError::Control),
            (vec![tag::UTF8, 1, 0xff], NamesError::Upn),
            (vec![0x16, 1, b'a'], NamesError::Malformed),
        ] {
            let mut alternatives = SubjectAlternativeName::new();
            alternatives.other_name2(upn_oid(), &value);
            assert_eq!(read(&alternatives), why);
        }
        for bad in ["ada\0admin", "ada\nadmin"] {
            let read = CertificateNames::read(&certificate(&name(&[("CN", bad)]), None));
            assert_eq!(read, Err(NamesError::Control), "{bad:?}");
        }
    }

    #[test]
    fn no_octets_make_it_go_wrong() {
        let mut alternatives = SubjectAlternativeName::new();
        alternatives.email("ada@example.com");
        alternatives.other_name2(upn_oid(), &upn("ada@corp.example"));
        let good = certificate(&name(&[("CN", "ada")]), Some(&alternatives));
        for end in 0..good.len() {
            assert!(CertificateNames::read(&good[..end]).is_err(), "{end}");
        }
        let mut more = good.clone();
        more.push(0);
        assert_eq!(CertificateNames::read(&more), Err(NamesError::Malformed));
        // whatever comes out, it comes out
        for at in 0..good.len() {
            for change in [0x00, 0x1f, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = good.clone();
                changed[at] = change;
                let _ = CertificateNames::read(&changed);
            }
        }
    }

    #[test]
    fn identifiers_are_written_as_numbers() {
        assert_eq!(dotted(UPN).unwrap(), "1.3.6.1.4.1.311.20.2.3");
        assert_eq!(dotted(&[0x88, 0x37, 0x03]).unwrap(), "2.999.3");
        assert_eq!(dotted(&[0x55, 0x04, 0x83]), None);
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0xff; 20]), None);
    }
}
