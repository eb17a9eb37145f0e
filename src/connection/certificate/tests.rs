use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{
        X509, X509Extension, X509NameBuilder,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
    },
};

use super::*;
use crate::clock::Timestamp;

/// When everything here is good.
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// A certificate with its key.
struct Made {
    certificate: X509,
    key: PKey<Private>,
}

/// Whether a certificate may issue others.
enum Issues {
    Any,
    /// With as many issuers between at most.
    Below(u32),
    Nothing,
}

/// Says what a key is for; `false`: nothing is said.
type Usage = fn(&mut ExtendedKeyUsage) -> bool;

/// What one is made of.
struct Recipe {
    name: &'static str,
    key: PKey<Private>,
    hash: MessageDigest,
    days: (i64, i64),
    issues: Issues,
    usage: Usage,
    emails: Vec<&'static str>,
    constraints: Option<&'static str>,
}

fn curve() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn rsa(bits: u32) -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
}

fn person() -> Recipe {
    Recipe {
        name: "Ada",
        key: curve(),
        hash: MessageDigest::sha256(),
        days: (-1, 30),
        issues: Issues::Nothing,
        usage: |usage| {
            usage.client_auth();
            true
        },
        emails: vec!["ada@example.com"],
        constraints: None,
    }
}

fn issuer(name: &'static str) -> Recipe {
    Recipe {
        name,
        issues: Issues::Any,
        usage: |_| false,
        emails: Vec::new(),
        ..person()
    }
}

impl Recipe {
    fn by(self, above: Option<&Made>) -> Made {
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", self.name).unwrap();
        let name = name.build();
        builder.set_subject_name(&name).unwrap();
        let by = above.map_or(name.as_ref(), |above| above.certificate.subject_name());
        builder.set_issuer_name(by).unwrap();
        let at = |days: i64| Asn1Time::from_unix(NOW + days * DAY).unwrap();
        builder.set_not_before(&at(self.days.0)).unwrap();
        builder.set_not_after(&at(self.days.1)).unwrap();
        builder.set_pubkey(&self.key).unwrap();
        if !matches!(self.issues, Issues::Nothing) {
            let mut constraints = BasicConstraints::new();
            constraints.critical().ca();
            if let Issues::Below(most) = self.issues {
                constraints.pathlen(most);
            }
            builder
                .append_extension2(&constraints.build().unwrap())
                .unwrap();
            let usage = KeyUsage::new().key_cert_sign().crl_sign().build();
            builder.append_extension2(&usage.unwrap()).unwrap();
        }
        let mut usage = ExtendedKeyUsage::new();
        if (self.usage)(&mut usage) {
            builder.append_extension2(&usage.build().unwrap()).unwrap();
        }
        if !self.emails.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for email in self.emails {
                names.email(email);
            }
            let names = names.build(&builder.x509v3_context(None, None)).unwrap();
            builder.append_extension2(&names).unwrap();
        }
        if let Some(constraints) = self.constraints {
            #[expect(deprecated, reason = "there is no other way to this extension")]
            let constraints = {
                let context = builder.x509v3_context(None, None);
                X509Extension::new_nid(None, Some(&context), Nid::NAME_CONSTRAINTS, constraints)
            };
            builder.append_extension2(&constraints.unwrap()).unwrap();
        }
        let signer = above.map_or(&self.key, |above| &above.key);
        builder.sign(signer, self.hash).unwrap();
        Made {
            certificate: builder.build(),
            key: self.key,
        }
    }
}

fn shown(leaf: &Made, chain: &[&Made]) -> ClientCertificate {
    let der = |made: &Made| made.certificate.to_der().unwrap();
    let chain = chain.iter().map(|made| der(made)).collect();
    ClientCertificate::new(der(leaf), chain).unwrap()
}

fn authorities(of: &[&Made]) -> Authorities {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let pem = of.iter().map(|made| made.certificate.to_pem().unwrap());
    std::fs::write(&file, pem.collect::<Vec<_>>().concat()).unwrap();
    Authorities::read(&[file], &[]).unwrap()
}

fn at(days: i64) -> Timestamp {
    Timestamp::from_millis((NOW + days * DAY) * 1000)
}

/// The check that fails.
fn fails(authorities: &Authorities, shown: &ClientCertificate, days: i64) -> &'static str {
    match authorities.verify(shown, at(days)) {
        Ok(_) => "none",
        Err(refused) => refused.check().unwrap(),
    }
}

#[test]
fn the_time_is_that_of_our_clock() {
    let root = issuer("Root").by(None);
    let (authorities, ada) = (authorities(&[&root]), person().by(Some(&root)));
    let ada = shown(&ada, &[]);
    assert_eq!(authorities.verify(&ada, at(0)).unwrap(), at(30));
    for (days, check) in [(-2, "dates"), (0, "none"), (29, "none"), (31, "dates")] {
        assert_eq!(fails(&authorities, &ada, days), check, "{days}");
    }
}

#[test]
fn what_a_certificate_may_be_used_for_is_kept_to() {
    let root = issuer("Root").by(None);
    let authorities = authorities(&[&root]);
    let usages: [(Usage, &str); 5] = [
        (
            |usage| usage.client_auth().server_auth().build().is_ok(),
            "none",
        ),
        // RFC 5280 section 4.2.1.12: without the extension it is good for everything
        (|_| false, "none"),
        (|usage| usage.server_auth().build().is_ok(), "purpose"),
        (
            |usage| usage.other("2.5.29.37.0").build().is_ok(),
            "purpose",
        ),
        (|usage| usage.email_protection().build().is_ok(), "purpose"),
    ];
    for (index, (usage, check)) in usages.into_iter().enumerate() {
        let ada = Recipe { usage, ..person() }.by(Some(&root));
        assert_eq!(fails(&authorities, &shown(&ada, &[]), 0), check, "{index}");
    }
    // an issuer that is for servers makes no clients
    let web = Recipe {
        usage: |usage| usage.server_auth().build().is_ok(),
        ..issuer("Web")
    };
    let web = web.by(Some(&root));
    let ada = person().by(Some(&web));
    assert_eq!(fails(&authorities, &shown(&ada, &[&web]), 0), "purpose");
}

#[test]
fn nobody_issues_who_may_not() {
    let root = issuer("Root").by(None);
    let authorities = authorities(&[&root]);
    let good = issuer("Below").by(Some(&root));
    let ada = person().by(Some(&good));
    assert_eq!(fails(&authorities, &shown(&ada, &[&good]), 0), "none");
    assert_eq!(fails(&authorities, &shown(&ada, &[]), 0), "issuer");
    // a person signs for another
    let mallory = person().by(Some(&root));
    let ada = person().by(Some(&mallory));
    assert_ne!(fails(&authorities, &shown(&ada, &[&mallory]), 0), "none");
    // an issuer that may have none below has one
    let narrow = Recipe {
        issues: Issues::Below(0),
        ..issuer("Narrow")
    };
    let narrow = narrow.by(Some(&root));
    let below = issuer("Further").by(Some(&narrow));
    let ada = person().by(Some(&below));
    assert_eq!(
        fails(&authorities, &shown(&ada, &[&below, &narrow]), 0),
        "issuer"
    );
    // one that may name people of one domain names others
    let bound = Recipe {
        constraints: Some("permitted;email:example.com"),
        ..issuer("Bound")
    };
    let bound = bound.by(Some(&root));
    for (email, check) in [("ada@example.com", "none"), ("ada@other.example", "issuer")] {
        let ada = Recipe {
            emails: vec![email],
            ..person()
        };
        let ada = ada.by(Some(&bound));
        assert_eq!(
            fails(&authorities, &shown(&ada, &[&bound]), 0),
            check,
            "{email}"
        );
    }
    // a root of the same name that nobody trusts comes along
    let other = issuer("Root").by(None);
    let ada = person().by(Some(&other));
    assert_eq!(fails(&authorities, &shown(&ada, &[&other]), 0), "issuer");
}

#[test]
fn weak_keys_and_hashes_are_refused() {
    let root = issuer("Root").by(None);
    let authorities_of_root = authorities(&[&root]);
    let ada = |key, hash| {
        let ada = Recipe {
            key,
            hash,
            ..person()
        };
        shown(&ada.by(Some(&root)), &[])
    };
    let sha256 = MessageDigest::sha256;
    for (shown, check) in [
        (ada(rsa(2048), sha256()), "none"),
        (ada(rsa(1024), sha256()), "strength"),
        (ada(curve(), MessageDigest::sha1()), "strength"),
    ] {
        assert_eq!(fails(&authorities_of_root, &shown, 0), check);
    }
    let weak = Recipe {
        key: rsa(1024),
        ..issuer("Weak")
    };
    let weak = weak.by(Some(&root));
    let below = shown(&person().by(Some(&weak)), &[&weak]);
    assert_eq!(fails(&authorities_of_root, &below, 0), "strength");
}

#[test]
fn the_issuer_that_is_named_is_trusted_and_its_sisters_are_not() {
    let root = issuer("Root").by(None);
    let (one, other) = (
        issuer("One").by(Some(&root)),
        issuer("Other").by(Some(&root)),
    );
    let authorities = authorities(&[&one]);
    let (ada, bob) = (person().by(Some(&one)), person().by(Some(&other)));
    assert_eq!(fails(&authorities, &shown(&ada, &[]), 0), "none");
    assert_eq!(fails(&authorities, &shown(&ada, &[&one, &root]), 0), "none");
    assert_eq!(
        fails(&authorities, &shown(&bob, &[&other, &root]), 0),
        "issuer"
    );
}

#[test]
fn octets_that_are_no_certificate_are_refused() {
    let root = issuer("Root").by(None);
    let authorities = authorities(&[&root]);
    let der = person().by(Some(&root)).certificate.to_der().unwrap();
    let behind = [der.as_slice(), b"more"].concat();
    for octets in [b"nothing".to_vec(), der[..100].to_vec(), behind] {
        let shown = ClientCertificate::new(octets, Vec::new()).unwrap();
        assert_eq!(fails(&authorities, &shown, 0), "readable");
    }
}

#[test]
fn who_it_is_stands_there_once() {
    let root = issuer("Root").by(None);
    let read = |emails: Vec<&'static str>, from| {
        let ada = Recipe { emails, ..person() }.by(Some(&root));
        let der = ada.certificate.to_der().unwrap();
        Verified::read(&der, from, at(1)).map(|verified| verified.subject.to_string())
    };
    let one = || vec!["ada@Example.COM"];
    assert_eq!(read(one(), SubjectFrom::Email).unwrap(), "ada@example.com");
    assert_eq!(read(one(), SubjectFrom::Subject).unwrap(), "CN=Ada");
    assert_eq!(read(one(), SubjectFrom::CommonName).unwrap(), "Ada");
    assert_eq!(
        read(one(), SubjectFrom::IssuerAndSerial).unwrap(),
        "CN=Root#07"
    );
    for (emails, from) in [
        (one(), SubjectFrom::Upn),
        (one(), SubjectFrom::SerialNumber),
        (vec!["a@b.example", "c@d.example"], SubjectFrom::Email),
        (vec!["no-address"], SubjectFrom::Email),
        (vec!["no-address", "a@b.example"], SubjectFrom::Email),
    ] {
        let refused = read(emails.clone(), from).unwrap_err();
        assert_eq!(refused.check(), Some("subject"), "{emails:?}");
    }
}

#[test]
fn what_ends_is_told_in_time() {
    let (old, new) = (
        Recipe {
            days: (-400, 3),
            ..issuer("Old")
        },
        issuer("New"),
    );
    let all = authorities(&[&old.by(None), &new.by(None)]);
    let told = |days| {
        let ends = all.tend(at(days)).ends;
        ends.iter()
            .map(|one| (one.what, one.at))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(0), [("authority", at(3))]);
    // what is over beside one that goes on is no news
    assert_eq!(told(4), [("authority", at(30))]);
    assert_eq!(told(40), [("authority", at(30))]);
    assert!(all.reach(at(4)).is_ok());
    assert_eq!(all.reach(at(40)).unwrap_err().check(), Some("dates"));
}
