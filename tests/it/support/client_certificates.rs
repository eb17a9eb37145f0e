//! An authority that gives people certificates and takes them back.

use std::path::{Path, PathBuf};

use openssl::{
    asn1::{Asn1Object, Asn1OctetString, Asn1Time},
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{
        X509, X509Builder, X509Crl, X509CrlBuilder, X509Extension, X509NameBuilder,
        X509RevokedBuilder,
        extension::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage,
            SubjectAlternativeName, SubjectKeyIdentifier,
        },
    },
};

use super::tls::Leaf;

const DAY: i64 = 24 * 3600;

/// Whoever issues certificates to people.
pub(crate) struct Issuer {
    name: String,
    certificate: X509,
    key: PKey<Private>,
}

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Says {
    /// The subject, from the outside in.
    pub(crate) subject: Vec<(&'static str, String)>,
    pub(crate) emails: Vec<String>,
    pub(crate) upn: Option<String>,
    /// For servers, and not for clients.
    pub(crate) for_servers: bool,
    /// From when until when it is good, in days from now.
    pub(crate) days: (i64, i64),
}

impl Says {
    pub(crate) fn name(name: &str) -> Self {
        Self {
            subject: vec![("O", "Acme".to_owned()), ("CN", name.to_owned())],
            emails: vec![format!("{name}@example.com")],
            upn: None,
            for_servers: false,
            days: (-1, 30),
        }
    }

    pub(crate) fn emails(mut self, emails: &[&str]) -> Self {
        self.emails = emails.iter().map(|&email| email.to_owned()).collect();
        self
    }

    pub(crate) fn days(mut self, from: i64, until: i64) -> Self {
        self.days = (from, until);
        self
    }
}

impl Issuer {
    /// One that nobody is above.
    pub(crate) fn new(name: &str) -> Self {
        Self::made(name, None)
    }

    /// One below this one.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self::made(name, Some(self))
    }

    fn made(name: &str, above: Option<&Self>) -> Self {
        let key = new_key();
        let mut builder = begun(&[("CN", name.to_owned())], &key, (-2, 300));
        let own = builder_name(&[("CN", name.to_owned())]);
        let (issuer, signer) = match above {
            Some(above) => (above.certificate.subject_name(), &above.key),
            None => (own.as_ref(), &key),
        };
        builder.set_issuer_name(issuer).unwrap();
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension2(&constraints).unwrap();
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build();
        builder.append_extension2(&usage.unwrap()).unwrap();
        let id = SubjectKeyIdentifier::new();
        let id = id.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension2(&id).unwrap();
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        Self {
            name: name.to_owned(),
            certificate: builder.build(),
            key,
        }
    }

    pub(crate) fn certificate(&self) -> &X509 {
        &self.certificate
    }

    /// Its own certificate as a PEM file.
    pub(crate) fn file(&self, dir: &Path) -> PathBuf {
        let file = dir.join(format!("{}.pem", self.name.replace(' ', "-")));
        std::fs::write(&file, self.certificate.to_pem().unwrap()).unwrap();
        file
    }

    /// A certificate and its key, in `dir` as `CN.crt` and `CN.key`.
    pub(crate) fn issue(&self, dir: &Path, says: &Says) -> Leaf {
        let key = new_key();
        let mut builder = begun(&says.subject, &key, says.days);
        builder
            .set_issuer_name(self.certificate.subject_name())
            .unwrap();
        let mut usage = ExtendedKeyUsage::new();
        if says.for_servers {
            usage.server_auth();
        } else {
            usage.client_auth();
        }
        builder.append_extension2(&usage.build().unwrap()).unwrap();
        let mut names = SubjectAlternativeName::new();
        for email in &says.emails {
            names.email(email);
        }
        if let Some(upn) = &says.upn {
            let mut octets = vec![0x0c, u8::try_from(upn.len()).unwrap()];
            octets.extend_from_slice(upn.as_bytes());
            let oid = Asn1Object::from_str("1.3.6.1.4.1.311.20.2.3").unwrap();
            names.other_name2(oid, &octets);
        }
        if says.upn.is_some() || !says.emails.is_empty() {
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension2(&names).unwrap();
        }
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build();
        let name = &says.subject.last().unwrap().1;
        let (cert_file, key_file) = (
            dir.join(format!("{name}.crt")),
            dir.join(format!("{name}.key")),
        );
        std::fs::write(&cert_file, certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&key_file, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        Leaf {
            certificate,
            key,
            cert_file,
            key_file,
        }
    }

    /// Its list of those that it took back, good from then until then in days from now.
    pub(crate) fn revokes(&self, all: &[&X509], days: (i64, i64)) -> X509Crl {
        let mut builder = X509CrlBuilder::new().unwrap();
        builder
            .set_issuer_name(self.certificate.subject_name())
            .unwrap();
        builder.set_last_update(&in_days(days.0)).unwrap();
        builder.set_next_update(&in_days(days.1)).unwrap();
        for one in all {
            let mut revoked = X509RevokedBuilder::new().unwrap();
            revoked.set_serial_number(one.serial_number()).unwrap();
            revoked.set_revocation_date(&in_days(-1)).unwrap();
            builder.add_revoked(revoked.build()).unwrap();
        }
        // RFC 5280 section 5.2 wants both.
        let context = X509Builder::new().unwrap();
        let context = context.x509v3_context(Some(&self.certificate), None);
        let own = AuthorityKeyIdentifier::new().keyid(true).build(&context);
        builder.append_extension2(&own.unwrap()).unwrap();
        let oid = Asn1Object::from_str("2.5.29.20").unwrap();
        let number = Asn1OctetString::new_from_bytes(&[0x02, 0x01, 0x01]).unwrap();
        let number = X509Extension::new_from_der(&oid, false, &number).unwrap();
        builder.append_extension2(&number).unwrap();
        builder.sort().unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        builder.build().unwrap()
    }

    /// The same, written whole at once.
    pub(crate) fn publish(&self, file: &Path, all: &[&X509], days: (i64, i64)) {
        let list = self.revokes(all, days).to_pem().unwrap();
        let new = file.with_extension("new");
        std::fs::write(&new, list).unwrap();
        std::fs::rename(new, file).unwrap();
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn in_days(days: i64) -> Asn1Time {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Asn1Time::from_unix(i64::try_from(now).unwrap() + days * DAY).unwrap()
}

fn builder_name(entries: &[(&'static str, String)]) -> openssl::x509::X509Name {
    let mut name = X509NameBuilder::new().unwrap();
    for (kind, value) in entries {
        name.append_entry_by_text(kind, value).unwrap();
    }
    name.build()
}

fn begun(subject: &[(&'static str, String)], key: &PKey<Private>, days: (i64, i64)) -> X509Builder {
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&serial.to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&builder_name(subject)).unwrap();
    builder.set_not_before(&in_days(days.0)).unwrap();
    builder.set_not_after(&in_days(days.1)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}
