//! Files with revocation lists (RFC 5280 section 5), and what they say of themselves.

use std::{fs, path::Path, time::SystemTime};

use openssl::{error::ErrorStack, x509::X509Crl};

use super::refused::Refused;
use crate::{
    clock::Timestamp,
    protocol::{DistinguishedName, timestamp},
};

/// What tells that a file has changed.
pub(super) type Stamp = Option<(SystemTime, u64)>;

/// What is known of a revocation list before it is needed.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) issuer: String,
    last_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
}

impl List {
    /// When it is replaced at the latest, if that should have happened by now: lists are good for
    /// hours or for months, and their issuers bring the next one in time.
    pub(super) fn worth_telling(&self, now: Timestamp) -> Option<Timestamp> {
        let next = self.next_update?;
        let all = next.since(self.last_update);
        (next.since(now) < all / 4).then_some(next)
    }

    pub(super) fn text(&self) -> String {
        match self.next_update {
            Some(next) => format!("{} until {next}", self.issuer),
            None => format!("{}, for as long as it is there", self.issuer),
        }
    }
}

/// The lists in a file.
pub(super) fn read_lists(file: &Path) -> Result<Vec<List>, Refused> {
    const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";
    let octets = read_file(file)?;
    let lists = if is_pem(&octets) {
        let places = memchr::memmem::find_iter(&octets, BEGIN);
        let pieces = places.filter_map(|at| octets.get(at..));
        pieces.map(X509Crl::from_pem).collect()
    } else {
        X509Crl::from_der(&octets).map(|list| vec![list])
    };
    let lists = lists.map_err(|error| list_file(file, &error))?;
    if lists.is_empty() {
        return Err(Refused::ListFile {
            file: file.display().to_string(),
            why: "there is no revocation list in it".to_owned(),
        });
    }
    let read = |list: &X509Crl| {
        let name = DistinguishedName::from_der(&list.issuer_name().to_der()?);
        Ok(List {
            issuer: name.map(|name| name.text()).unwrap_or_default(),
            last_update: timestamp(list.last_update())?,
            next_update: list.next_update().map(timestamp).transpose()?,
        })
    };
    lists.iter().map(read).collect()
}

pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, Refused> {
    fs::read(file).map_err(|error| Refused::ListFile {
        file: file.display().to_string(),
        why: error.to_string(),
    })
}

pub(super) fn list_file(file: &Path, error: &ErrorStack) -> Refused {
    Refused::ListFile {
        file: file.display().to_string(),
        why: error.to_string(),
    }
}

pub(super) fn is_pem(octets: &[u8]) -> bool {
    memchr::memmem::find(octets, b"-----BEGIN").is_some()
}

pub(super) fn stamp(file: &Path) -> Stamp {
    let about = fs::metadata(file).ok()?;
    Some((about.modified().ok()?, about.len()))
}
