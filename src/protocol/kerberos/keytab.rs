//! Keytabs: the file format of MIT Kerberos, version 2.

/// The kinds of keys that are strong enough: AES with SHA-1 (RFC 3962) and with SHA-2 (RFC 8009).
const AES: [u16; 4] = [17, 18, 19, 20];

/// Whose keys a file holds. The keys themselves are not kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Keytab {
    /// Like `HTTP/app.example.com`.
    pub(crate) services: Vec<String>,
    pub(crate) realms: Vec<String>,
}

/// Why a file is no keytab for a service.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadKeytab {
    #[error("it has no key of an HTTP service, like HTTP/login.example.com")]
    NoService,
    #[error("it has a key of {0}: tickets for that would let people in here")]
    OtherService(String),
    #[error("it is no keytab")]
    NotOne,
    #[error(
        "it has a key of kind {kind} for {service}, which is too weak: export it with AES keys alone"
    )]
    Weak { kind: u16, service: String },
}

impl Keytab {
    /// Reads a file. One with a key that is not for AES is refused: whatever is opened with such a
    /// key, can be forged by whoever guesses the password behind it.
    pub(crate) fn parse(octets: &[u8]) -> Result<Self, BadKeytab> {
        let mut rest = octets.strip_prefix(&[5, 2]).ok_or(BadKeytab::NotOne)?;
        let mut keytab = Self {
            services: Vec::new(),
            realms: Vec::new(),
        };
        while !rest.is_empty() {
            let length = i32::from_be_bytes(*take(&mut rest)?);
            let size = usize::try_from(length.unsigned_abs()).map_err(|_| BadKeytab::NotOne)?;
            let (entry, after) = rest.split_at_checked(size).ok_or(BadKeytab::NotOne)?;
            rest = after;
            // Where an entry was removed, a hole is left.
            if length > 0 {
                keytab.add(entry)?;
            }
        }
        if keytab.services.is_empty() {
            return Err(BadKeytab::NoService);
        }
        Ok(keytab)
    }

    fn add(&mut self, mut entry: &[u8]) -> Result<(), BadKeytab> {
        let parts = u16::from_be_bytes(*take(&mut entry)?);
        let realm = text(&mut entry)?;
        let mut name = Vec::new();
        for _ in 0..parts {
            name.push(text(&mut entry)?);
        }
        // the kind of the name, when it was made, its version in short
        let _: &[u8; 9] = take(&mut entry)?;
        let kind = u16::from_be_bytes(*take(&mut entry)?);
        let service = name.join("/");
        if !service.starts_with("HTTP/") {
            return Err(BadKeytab::OtherService(service));
        }
        if !AES.contains(&kind) {
            return Err(BadKeytab::Weak { kind, service });
        }
        for (list, value) in [(&mut self.services, service), (&mut self.realms, realm)] {
            if !list.contains(&value) {
                list.push(value);
            }
        }
        Ok(())
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], BadKeytab> {
    let (first, after) = rest.split_first_chunk().ok_or(BadKeytab::NotOne)?;
    *rest = after;
    Ok(first)
}

fn text(rest: &mut &[u8]) -> Result<String, BadKeytab> {
    let length = usize::from(u16::from_be_bytes(*take(rest)?));
    let (text, after) = rest.split_at_checked(length).ok_or(BadKeytab::NotOne)?;
    *rest = after;
    String::from_utf8(text.to_vec()).map_err(|_| BadKeytab::NotOne)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[&str], kind: u16) -> Vec<u8> {
        let counted = |text: &str| {
            let length = u16::try_from(text.len()).unwrap();
            [&length.to_be_bytes()[..], text.as_bytes()].concat()
        };
        let mut entry = u16::try_from(name.len()).unwrap().to_be_bytes().to_vec();
        entry.extend(counted("CORP.TEST"));
        for part in name {
            entry.extend(counted(part));
        }
        entry.extend([0; 9]);
        entry.extend(kind.to_be_bytes());
        entry.extend(counted("a key of some octets"));
        let length = i32::try_from(entry.len()).unwrap();
        [&length.to_be_bytes()[..], &entry].concat()
    }

    fn file(entries: &[Vec<u8>]) -> Vec<u8> {
        [vec![5, 2], entries.concat()].concat()
    }

    #[test]
    fn a_keytab_says_whose_keys_it_holds() {
        let http = ["HTTP", "app.corp.test"];
        let hole = [(-3_i32).to_be_bytes().to_vec(), vec![0; 3]].concat();
        let octets = file(&[
            entry(&http, 18),
            hole,
            entry(&http, 17),
            entry(&["HTTP", "a"], 18),
        ]);
        let keytab = Keytab::parse(&octets).unwrap();
        assert_eq!(keytab.services, ["HTTP/app.corp.test", "HTTP/a"]);
        assert_eq!(keytab.realms, ["CORP.TEST"]);
    }

    #[test]
    fn a_weak_key_is_refused() {
        let octets = file(&[entry(&["HTTP", "a"], 18), entry(&["HTTP", "a"], 23)]);
        let weak = BadKeytab::Weak {
            kind: 23,
            service: "HTTP/a".to_owned(),
        };
        assert_eq!(Keytab::parse(&octets), Err(weak));
    }

    #[test]
    fn what_is_no_keytab_is_refused() {
        let good = file(&[entry(&["HTTP", "a"], 18)]);
        for end in [0, 1, 4, 20, good.len() - 1] {
            assert_eq!(Keytab::parse(&good[..end]), Err(BadKeytab::NotOne), "{end}");
        }
        assert_eq!(Keytab::parse(&file(&[])), Err(BadKeytab::NoService));
        let both = file(&[entry(&["HTTP", "a"], 18), entry(&["host", "a"], 18)]);
        let other = BadKeytab::OtherService("host/a".to_owned());
        assert_eq!(Keytab::parse(&both), Err(other));
    }
}
