//! crypt(5): what `/etc/shadow` and `.htpasswd` hold. The oldest kind, DES, is not read.

use sha_crypt::PasswordVerifier;

use super::{
    BadHash, Bcrypt, Digest, MOST_MEMORY, Scheme, StoredHash, encoding, number, same,
    scrypt::Scrypt,
};

/// Reads one of the kinds by its mark.
pub(super) fn read(text: &str) -> Result<StoredHash, BadHash> {
    match text.split('$').nth(1).unwrap_or_default() {
        _ if !text.starts_with('$') => Err(BadHash::Unknown),
        "1" | "apr1" => Md5Crypt::parse(text).map(|md5| Scheme::Md5Crypt(md5).into()),
        "2a" | "2b" | "2x" | "2y" => Bcrypt::parse(text).map(Into::into),
        "5" | "6" => ShaCrypt::parse(text).map(|sha| Scheme::ShaCrypt(sha).into()),
        "7" => Scrypt::crypt(text).map(Into::into),
        "y" => Yescrypt::parse(text).map(|yescrypt| Scheme::Yescrypt(yescrypt).into()),
        _ => Err(BadHash::Unknown),
    }
}

/// crypt(3) takes no longer password (`CRYPT_MAX_PASSPHRASE_SIZE` of libxcrypt), and its cost grows
/// with the length.
const MOST_OCTETS: usize = 512;

/// MD5, a thousand times, as FreeBSD and Apache made it.
pub(super) struct Md5Crypt {
    mark: &'static [u8],
    salt: String,
    hash: String,
}

/// The places of the digest in the order in which they are written, three in four characters.
const MD5_ORDER: [[usize; 3]; 5] = [[12, 6, 0], [13, 7, 1], [14, 8, 2], [15, 9, 3], [5, 10, 4]];

impl Md5Crypt {
    fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("MD5-crypt");
        let fields: Vec<&str> = text.split('$').collect();
        let ["", name, salt, hash] = *fields else {
            return Err(damaged);
        };
        if salt.len() > 8 || hash.len() != 22 || !encoding::is_crypt64(hash) {
            return Err(damaged);
        }
        Ok(Self {
            mark: if name == "1" { b"$1$" } else { b"$apr1$" },
            salt: salt.to_owned(),
            hash: hash.to_owned(),
        })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> bool {
        if octets.len() > MOST_OCTETS {
            return false;
        }
        let digest = self.digest(octets);
        let at = |place: usize| digest.get(place).copied().unwrap_or_default();
        let mut written: String = MD5_ORDER
            .iter()
            .map(|places| encoding::to_crypt64(&places.map(at)))
            .collect();
        written.push_str(&encoding::to_crypt64(&[at(11)]));
        same(written.as_bytes(), self.hash.as_bytes())
    }

    fn digest(&self, octets: &[u8]) -> Vec<u8> {
        let salt = self.salt.as_bytes();
        let inner = Digest::Md5.of(&[octets, salt, octets]);
        let mut first = [octets, self.mark, salt].concat();
        first.extend(inner.iter().cycle().take(octets.len()));
        let mut bits = octets.len();
        while bits > 0 {
            first.push(if bits & 1 == 1 {
                0
            } else {
                octets.first().copied().unwrap_or_default()
            });
            bits >>= 1;
        }
        let nothing: &[u8] = &[];
        (0..1000).fold(Digest::Md5.of(&[&first]), |last, round| {
            let odd = round % 2 == 1;
            Digest::Md5.of(&[
                if odd { octets } else { &last },
                if round % 3 == 0 { nothing } else { salt },
                if round % 7 == 0 { nothing } else { octets },
                if odd { &last } else { octets },
            ])
        })
    }
}

/// SHA-256 and SHA-512 crypt, as it is written.
pub(super) struct ShaCrypt(String);

/// With the longest password about three seconds.
const MOST_ROUNDS: u32 = 1_000_000;

impl ShaCrypt {
    fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("SHA-crypt");
        let fields: Vec<&str> = text.split('$').collect();
        let (name, rounds, salt, hash) = match *fields {
            ["", name, rounds, salt, hash] => (name, Some(rounds), salt, hash),
            ["", name, salt, hash] => (name, None, salt, hash),
            _ => return Err(damaged),
        };
        if let Some(rounds) = rounds {
            let rounds = rounds.strip_prefix("rounds=").and_then(number);
            match rounds.ok_or(damaged)? {
                0..1000 => return Err(damaged),
                1000..=MOST_ROUNDS => (),
                _ => return Err(BadHash::TooCostly("number of rounds")),
            }
        }
        let length = if name == "5" { 43 } else { 86 };
        let is_written = encoding::is_crypt64(salt) && encoding::is_crypt64(hash);
        if salt.len() > 16 || hash.len() != length || !is_written {
            return Err(damaged);
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn matches(&self, octets: &[u8]) -> bool {
        octets.len() <= MOST_OCTETS
            && sha_crypt::ShaCrypt::default()
                .verify_password(octets, self.0.as_str())
                .is_ok()
    }
}

/// yescrypt in the form that crypt(3) makes: one lane, no additional time, no ROM.
pub(super) struct Yescrypt {
    params: yescrypt::Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Yescrypt {
    fn parse(text: &str) -> Result<Self, BadHash> {
        let damaged = BadHash::Damaged("yescrypt");
        let fields: Vec<&str> = text.split('$').collect();
        let ["", _, written, salt, hash] = *fields else {
            return Err(damaged);
        };
        // Three numbers, of which the last may take two digits: anything more is an option.
        if written.len() > 4 {
            return Err(BadHash::TooCostly("yescrypt cost"));
        }
        let params: yescrypt::Params = written.parse().map_err(|_| damaged)?;
        let memory = params.n().saturating_mul(u64::from(params.r())) * 128;
        if params.n() < 4 || params.p() != 1 {
            return Err(damaged);
        }
        if memory > MOST_MEMORY {
            return Err(BadHash::TooCostly("yescrypt cost"));
        }
        let octets = |text| encoding::crypt64(text).ok_or(damaged);
        let (salt, hash) = (octets(salt)?, octets(hash)?);
        if salt.len() > 64 || hash.len() != 32 {
            return Err(damaged);
        }
        Ok(Self { params, salt, hash })
    }

    pub(super) fn matches(&self, octets: &[u8]) -> Result<bool, BadHash> {
        if octets.len() > MOST_OCTETS {
            return Ok(false);
        }
        let mut computed = [0; 32];
        yescrypt::yescrypt(octets, &self.salt, &self.params, &mut computed)
            .map_err(|_| BadHash::Damaged("yescrypt"))?;
        Ok(same(&computed, &self.hash))
    }

    pub(super) fn memory(&self) -> u64 {
        self.params.n() * u64::from(self.params.r()) * 128
    }
}
