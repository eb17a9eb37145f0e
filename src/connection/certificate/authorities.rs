//! Whose certificates count, and which of them do not any more.
//!
//! OpenSSL builds the way up to an authority and judges it: signatures, dates, what each certificate
//! may be used for, lengths of paths, constraints of names, strength. Every certificate of that way
//! but the authority itself must then be on no revocation list (RFC 5280 section 6.3), and each issuer
//! must have one that is current: a list that is missing or too old says nothing, and who is not known
//! to be good is refused.
//!
//! Lists are read from their files whenever somebody comes whose certificate is good otherwise. So a
//! new list counts at the next login, and who has no good certificate makes nobody read anything.

use std::{
    fs,
    path::{Path, PathBuf},
};

use openssl::{
    ssl::SslFiletype,
    stack::{Stack, StackRef},
    x509::{
        X509, X509PurposeId, X509Ref, X509StoreContext, X509StoreContextRef,
        store::{X509Lookup, X509Store, X509StoreBuilder},
        verify::{X509VerifyFlags, X509VerifyParam},
    },
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    lists::{List, Stamp, is_pem, list_file, read_file, read_lists, stamp},
    refused::Refused,
};
use crate::{
    clock::Timestamp,
    connection::{Expiry, Facts, Tended},
    problem::Problem,
    protocol::{CertificateNames, ClientCertificate, timestamp},
};

/// The most certificates between a person's and the authority.
const MOST_BETWEEN: i32 = 8;
/// OpenSSL's security level: 112 bits, so RSA from 2048 bits on, and no SHA-1.
const LEAST_STRENGTH: i32 = 2;

/// What `ca` and `crl` hold.
#[derive(Debug)]
pub(crate) struct Authorities {
    certificates: Vec<Authority>,
    lists: Vec<PathBuf>,
    /// What was found in the lists, as long as the files are those.
    told: Mutex<Option<(Vec<Stamp>, Vec<List>)>>,
}

#[derive(Debug)]
struct Authority {
    certificate: X509,
    name: String,
    not_after: Timestamp,
}

impl Authorities {
    /// Reads the files, or says all that is wrong with them.
    pub(crate) fn read(ca: &[PathBuf], crl: &[PathBuf]) -> Result<Self, Vec<Problem>> {
        let (mut certificates, mut problems) = (Vec::new(), Vec::new());
        if ca.is_empty() {
            let problem = Problem::new("ca", "there is no authority");
            problems.push(problem.hint("name the PEM file with its certificate"));
        }
        for file in ca {
            match read_authorities(file) {
                Ok(found) => certificates.extend(found),
                Err(why) => problems.push(Problem::new("ca", why)),
            }
        }
        for file in crl {
            if let Err(error) = read_lists(file) {
                problems.push(Problem::new("crl", error.to_string()));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            certificates,
            lists: crl.to_vec(),
            told: Mutex::default(),
        })
    }

    /// The authorities' own certificates.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &X509> {
        self.certificates.iter().map(|one| &one.certificate)
    }

    /// That a certificate is good at this time; until when it is. May read files: not for a thread
    /// that others wait for.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`CHECKS`](super::CHECKS).
    pub(crate) fn verify(
        &self,
        shown: &ClientCertificate,
        now: Timestamp,
    ) -> Result<Timestamp, Refused> {
        // These octets and none behind them: what is verified is what is read.
        CertificateNames::read(shown.leaf())?;
        let leaf = X509::from_der(shown.leaf())?;
        let mut between = Stack::new()?;
        for der in shown.chain() {
            between.push(X509::from_der(der)?)?;
        }
        let store = self.store(now, Asks::Purpose)?;
        let chain = judge(&store, &leaf, &between, |context| {
            let chain = context.chain();
            chain.map_or_else(Vec::new, |chain| {
                chain.iter().map(ToOwned::to_owned).collect()
            })
        })?;
        if !self.lists.is_empty() {
            self.none_is_revoked(&chain, now)?;
        }
        Ok(timestamp(leaf.not_after())?)
    }

    /// Each but the authority at the end, by the list of its issuer.
    fn none_is_revoked(&self, chain: &[X509], now: Timestamp) -> Result<(), Refused> {
        let store = self.store(now, Asks::Lists)?;
        let last = chain.len().saturating_sub(1);
        for (depth, certificate) in chain.iter().take(last).enumerate() {
            let mut above = Stack::new()?;
            for one in chain.iter().skip(depth + 1) {
                above.push(one.clone())?;
            }
            let depth = u32::try_from(depth).unwrap_or(u32::MAX);
            judge(&store, certificate, &above, |_| ()).map_err(|refused| match refused {
                Refused::Revoked(_) => Refused::Revoked(depth),
                refused => refused,
            })?;
        }
        Ok(())
    }

    fn store(&self, now: Timestamp, asks: Asks) -> Result<X509Store, Refused> {
        let mut store = X509StoreBuilder::new()?;
        for authority in self.certificates() {
            store.add_cert(authority.clone())?;
        }
        let mut rules = X509VerifyParam::new()?;
        rules.set_time(now.seconds());
        rules.set_depth(MOST_BETWEEN);
        rules.set_auth_level(LEAST_STRENGTH);
        // What `ca` names is trusted itself, also where it has an issuer of its own.
        rules.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        match asks {
            Asks::Purpose => rules.set_purpose(X509PurposeId::SSL_CLIENT)?,
            Asks::Lists => {
                rules.set_flags(X509VerifyFlags::CRL_CHECK)?;
                let lookup = store.add_lookup(X509Lookup::file())?;
                for file in &self.lists {
                    let octets = read_file(file)?;
                    let kind = if is_pem(&octets) {
                        SslFiletype::PEM
                    } else {
                        SslFiletype::ASN1
                    };
                    lookup
                        .load_crl_file(file, kind)
                        .map_err(|error| list_file(file, &error))?;
                }
            }
        }
        store.set_param(&rules)?;
        Ok(store.build())
    }

    /// What ends, for whoever keeps an eye on it.
    pub(crate) fn tend(&self, now: Timestamp) -> Tended {
        let mut tended = Tended::default();
        let ends = self.certificates.iter().map(|one| one.not_after);
        // One that has ended beside others that go on is a leftover.
        let next = ends.clone().filter(|at| *at > now).min().or(ends.max());
        tended.ends.extend(next.map(|at| Expiry {
            what: "authority",
            at,
        }));
        match self.lists() {
            Ok(lists) => {
                let ends = lists.iter().filter_map(|list| list.worth_telling(now));
                tended.ends.extend(ends.min().map(|at| Expiry {
                    what: "revocation-list",
                    at,
                }));
            }
            Err(error) => tended.failed = Some(error.to_string()),
        }
        tended
    }

    /// What there is, for the operator.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = Facts::new();
        let authorities = self.certificates.iter();
        let authorities = authorities.map(|one| format!("{} until {}", one.name, one.not_after));
        facts.insert(
            "authorities".to_owned(),
            json!(authorities.collect::<Vec<_>>()),
        );
        if !self.lists.is_empty() {
            let lists: Value = match self.lists() {
                Ok(lists) => lists.iter().map(List::text).collect::<Vec<_>>().into(),
                Err(error) => error.to_string().into(),
            };
            facts.insert("revocation_lists".to_owned(), lists);
        }
        facts
    }

    /// That there is an authority which is good now, and that the lists are current.
    pub(crate) fn reach(&self, now: Timestamp) -> Result<(), Refused> {
        if self.certificates.iter().all(|one| one.not_after <= now) {
            return Err(Refused::Dates("every authority in ca has ended", 0));
        }
        if self.lists.is_empty() {
            return Ok(());
        }
        let lists = self.lists()?;
        let current = |list: &List| list.next_update.is_none_or(|next| now < next);
        for authority in &self.certificates {
            let mut own = lists.iter().filter(|list| list.issuer == authority.name);
            if !own.clone().any(current) {
                let why = if own.next().is_some() {
                    "it is too old"
                } else {
                    "there is none"
                };
                return Err(Refused::List {
                    issuer: authority.name.clone(),
                    why,
                });
            }
        }
        Ok(())
    }

    /// What the lists say of themselves, read again when a file has changed.
    fn lists(&self) -> Result<Vec<List>, Refused> {
        let stamps: Vec<Stamp> = self.lists.iter().map(|file| stamp(file)).collect();
        let mut told = self.told.lock();
        if let Some((were, lists)) = told.as_ref()
            && *were == stamps
        {
            return Ok(lists.clone());
        }
        let mut all = Vec::new();
        for file in &self.lists {
            all.extend(read_lists(file)?);
        }
        *told = Some((stamps, all.clone()));
        Ok(all)
    }
}

/// What a store is for.
#[derive(Clone, Copy)]
enum Asks {
    /// The way from a person's certificate to an authority.
    Purpose,
    /// Whether one certificate was revoked, a person's or an issuer's.
    Lists,
}

/// Lets OpenSSL judge.
fn judge<T>(
    store: &X509Store,
    certificate: &X509Ref,
    between: &StackRef<X509>,
    good: impl FnOnce(&X509StoreContextRef) -> T,
) -> Result<T, Refused> {
    let judged = X509StoreContext::new()?.init(store, certificate, between, |context| {
        let verified = context.verify_cert()?;
        Ok(if verified {
            Ok(good(context))
        } else {
            Err(refusal(context))
        })
    });
    judged?
}

/// Which check failed, by the number that OpenSSL gives it (x509_vfy.h).
fn refusal(context: &X509StoreContextRef) -> Refused {
    let (why, depth) = (context.error(), context.error_depth());
    let text = why.error_string();
    let list = |why| {
        let issuer = context.current_cert().and_then(|certificate| {
            let names = CertificateNames::read(&certificate.to_der().ok()?).ok()?;
            Some(names.issuer.text())
        });
        Refused::List {
            issuer: issuer.unwrap_or_default(),
            why,
        }
    };
    match why.as_raw() {
        3 | 33 => list("there is none"),
        8 | 35 | 54 => list("it is not signed by that issuer"),
        11 => list("it is from the future"),
        12 => list("it is too old"),
        15 | 16 | 36 | 44 => list(text),
        9 | 10 | 13 | 14 => Refused::Dates(text, depth),
        23 => Refused::Revoked(depth),
        24 | 26..=28 => Refused::Purpose(text, depth),
        66..=68 => Refused::Strength(text, depth),
        _ => Refused::Issuer(text, depth),
    }
}

fn read_authorities(file: &Path) -> Result<Vec<Authority>, String> {
    let octets =
        fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let certificates = X509::stack_from_pem(&octets).unwrap_or_default();
    if certificates.is_empty() {
        return Err(format!("{} holds no PEM certificate", file.display()));
    }
    let authority = |certificate: X509| {
        let der = certificate.to_der().ok()?;
        Some(Authority {
            name: CertificateNames::read(&der).ok()?.subject.text(),
            not_after: timestamp(certificate.not_after()).ok()?,
            certificate,
        })
    };
    let all = certificates.into_iter().map(authority);
    let all: Option<Vec<_>> = all.collect();
    all.ok_or_else(|| format!("a certificate in {} is not readable", file.display()))
}
