//! Time-based one-time passwords (RFC 6238) over HOTP (RFC 4226): HMAC-SHA-1, six digits, steps of
//! 30 seconds, which is what every authenticator app knows.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::hmac_sha1;
use crate::{clock::Timestamp, random::Random};

/// The length of a step (RFC 6238 section 4.1).
const STEP_SECONDS: i64 = 30;
/// How many steps a clock may be off, each way (RFC 6238 section 5.2).
const MOST_STEPS_OFF: u64 = 1;
const DIGITS: usize = 6;
/// The least and the most octets of a secret. RFC 4226 section 4 demands 128 bits, and ours have
/// 160; but many who come from elsewhere have 80, which their app cannot change.
const SECRET_OCTETS: std::ops::RangeInclusive<usize> = 10..=128;

/// A secret that an authenticator app shares with us.
#[derive(Clone)]
pub(crate) struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// 160 unpredictable bits (RFC 4226 section 4, R6).
    pub(crate) fn draw(random: &dyn Random) -> Self {
        let drawn: [u8; 20] = random.bytes();
        Self(Zeroizing::new(drawn.to_vec()))
    }

    /// Takes the octets of a secret that is strong enough.
    pub(crate) fn from_octets(octets: &[u8]) -> Result<Self, BadTotpSecret> {
        if SECRET_OCTETS.contains(&octets.len()) {
            Ok(Self(Zeroizing::new(octets.to_vec())))
        } else {
            Err(BadTotpSecret::Length(octets.len()))
        }
    }

    /// Reads base32 (RFC 4648 section 6), in either case, with or without padding, and with the
    /// blanks that people put between groups.
    pub(crate) fn from_base32(text: &str) -> Result<Self, BadTotpSecret> {
        let plain: Zeroizing<String> = Zeroizing::new(
            text.chars()
                .filter(|c| !c.is_ascii_whitespace() && !matches!(c, '-' | '='))
                .map(|c| c.to_ascii_uppercase())
                .collect(),
        );
        let octets = BASE32_NOPAD.decode(plain.as_bytes());
        Self::from_octets(&Zeroizing::new(
            octets.map_err(|_| BadTotpSecret::NotBase32)?,
        ))
    }

    /// The octets, to be sealed.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The text that an app takes.
    pub(crate) fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE32_NOPAD.encode(&self.0))
    }

    /// The one-time password of a step (RFC 4226 section 5.3), as its six digits.
    fn password(&self, step: u64) -> Option<[u8; DIGITS]> {
        let mac = hmac_sha1(&self.0, &step.to_be_bytes()).ok()?;
        let offset = usize::from(mac.last()? & 0xf);
        let chosen: [u8; 4] = mac.get(offset..offset + 4)?.try_into().ok()?;
        let number = (u32::from_be_bytes(chosen) & 0x7fff_ffff) % 1_000_000;
        format!("{number:06}").as_bytes().try_into().ok()
    }

    /// The step whose password was typed, among those that a clock which is a little off may show.
    /// All of them are compared, in constant time; of several the latest counts.
    pub(crate) fn step_of(&self, typed: &str, now: Timestamp) -> Option<u64> {
        let digits: Vec<u8> = typed.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let current = u64::try_from(now.seconds().div_euclid(STEP_SECONDS)).ok()?;
        let mut found = 0_u64;
        let mut any = Choice::from(0);
        for step in current.saturating_sub(MOST_STEPS_OFF)..=current + MOST_STEPS_OFF {
            let same = self.password(step)?.ct_eq(digits.as_slice());
            found.conditional_assign(&step, same);
            any |= same;
        }
        bool::from(any).then_some(found)
    }

    /// The key URI that apps read from a QR code:
    /// <https://github.com/google/google-authenticator/wiki/Key-Uri-Format>.
    pub(crate) fn key_uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let encode = |text: &str| {
            // A colon ends the issuer in the label.
            let text = text.replace(':', " ");
            percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let (issuer, account) = (encode(issuer), encode(account));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
            *self.base32()
        ))
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why a text is no secret. It does not repeat the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadTotpSecret {
    #[error("the secret has {0} octets; there must be 10 to 128")]
    Length(usize),
    #[error("the secret is not base32 (RFC 4648 section 6)")]
    NotBase32,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::random::OsRandom;

    fn rfc() -> TotpSecret {
        TotpSecret::from_octets(b"12345678901234567890").unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_passwords_of_rfc_4226() {
        // appendix D
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, password) in (0..).zip(expected) {
            assert_eq!(rfc().password(step).unwrap(), password.as_bytes());
        }
    }

    #[test]
    fn the_passwords_of_rfc_6238() {
        // appendix B, the last six of eight digits
        for (seconds, password, step) in [
            (59, "287082", 1),
            (1_111_111_109, "081804", 0x0235_23EC),
            (1_111_111_111, "050471", 0x0235_23ED),
            (1_234_567_890, "005924", 0x0273_EF07),
            (2_000_000_000, "279037", 0x03F9_40AA),
            (20_000_000_000, "353130", 0x27BC_86AA),
        ] {
            assert_eq!(rfc().step_of(password, at(seconds)), Some(step));
        }
    }

    #[test]
    fn a_clock_may_be_off_by_one_step() {
        let secret = rfc();
        let now = at(1_800_000_015);
        let shown_at = |steps: i64| {
            let step = u64::try_from(now.seconds() / 30 + steps).unwrap();
            let password = secret.password(step).unwrap();
            let password = String::from_utf8(password.to_vec()).unwrap();
            secret.step_of(&password, now).map(|found| found == step)
        };
        for (steps, good) in [
            (-3, None),
            (-2, None),
            (-1, Some(true)),
            (0, Some(true)),
            (1, Some(true)),
            (2, None),
            (3, None),
        ] {
            assert_eq!(shown_at(steps), good, "{steps}");
        }
        // the window moves at the very second
        let last = secret.password(59_999_999).unwrap();
        let last = String::from_utf8(last.to_vec()).unwrap();
        let begins = at(60_000_001 * 30);
        assert_eq!(secret.step_of(&last, begins), None);
        assert!(
            secret
                .step_of(&last, begins - Duration::from_millis(1))
                .is_some()
        );
    }

    #[test]
    fn only_the_six_digits_count() {
        let now = at(59);
        assert_eq!(rfc().step_of(" 287 082\t", now), Some(1));
        for wrong in [
            "",
            "28708",
            "2870820",
            "0287082",
            "287083",
            "２８７０８２",
            "94287082",
        ] {
            assert_eq!(rfc().step_of(wrong, now), None, "{wrong}");
        }
        assert_eq!(rfc().step_of("287082", at(-31)), None);
    }

    #[test]
    fn a_secret_has_160_bits_and_a_text() {
        let drawn = TotpSecret::draw(&OsRandom);
        assert_eq!(drawn.octets().len(), 20);
        assert_ne!(drawn.octets(), TotpSecret::draw(&OsRandom).octets());
        let text = rfc().base32();
        assert_eq!(*text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for same in [
            text.as_str(),
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZDGNBVGY3TQOJQ-GEZDGNBVGY3TQOJQ====",
        ] {
            let read = TotpSecret::from_base32(same).unwrap();
            assert_eq!(read.octets(), rfc().octets());
        }
        for (bad, why) in [
            ("", BadTotpSecret::Length(0)),
            ("GEZDGNBVGY3TQ", BadTotpSecret::Length(8)),
            ("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", BadTotpSecret::NotBase32),
        ] {
            assert_eq!(TotpSecret::from_base32(bad).unwrap_err(), why);
        }
        assert_eq!(format!("{:?}", rfc()), "[secret]");
    }

    #[test]
    fn a_key_uri_names_who_and_where() {
        let uri = rfc().key_uri("Ex & Co: Wiki", "ada@example.com");
        assert_eq!(
            *uri,
            "otpauth://totp/Ex%20%26%20Co%20%20Wiki:ada%40example%2Ecom\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Ex%20%26%20Co%20%20Wiki\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
