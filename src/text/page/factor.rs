//! Second factors: asked for, set up, and what stands in for a lost one.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};
use serde::Serialize;

use super::{
    Advised, Href, Post,
    passkey::{PasskeyForm, PasskeyProblem},
};
use crate::text::message::Text;

/// Asks for the second factor. The input is `code`, or `recovery_code` in a form of its own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Factor {
    /// The host of the page that was wanted.
    pub(crate) destination: Option<String>,
    pub(crate) problem: Option<FactorProblem>,
    pub(crate) post: Post,
    /// Whether they have an app that shows codes.
    pub(crate) code: bool,
    /// Asks for one of their passkeys.
    pub(crate) passkey: Option<PasskeyForm>,
    /// Whether the last try was a recovery code.
    pub(crate) recovering: bool,
    /// To sign in as somebody else.
    pub(crate) others: Href,
}

/// Sets up an authenticator app. The inputs are `code` and `name`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Enrol {
    /// Why the person is asked; `None` where they wanted to.
    pub(crate) why: Option<WhyEnrol>,
    pub(crate) problem: Option<FactorProblem>,
    pub(crate) post: Post,
    pub(crate) qr: Qr,
    /// What the QR code says, as a link for the device that holds the app.
    pub(crate) uri: KeyUri,
    /// The secret in groups, to be typed.
    pub(crate) secret: String,
    /// What it is called, as typed.
    pub(crate) name: String,
    /// Sets up a passkey in its place.
    pub(crate) passkey: Option<PasskeyForm>,
    /// What was wrong with that.
    pub(crate) passkey_problem: Option<PasskeyProblem>,
    /// Back without one.
    pub(crate) back: Href,
}

/// Why somebody sets up a second factor who did not ask for it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum WhyEnrol {
    /// Nobody comes in without.
    Required,
}

impl From<WhyEnrol> for Text {
    fn from(why: WhyEnrol) -> Self {
        match why {
            WhyEnrol::Required => Self::new("enrol.required"),
        }
    }
}

/// What was wrong with the last try.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(into = "Text")]
pub(crate) enum FactorProblem {
    Passkey(PasskeyProblem),
    TooManyTries { minutes: u64 },
    WrongCode,
    WrongRecoveryCode,
}

impl From<FactorProblem> for Text {
    fn from(problem: FactorProblem) -> Self {
        match problem {
            FactorProblem::Passkey(problem) => problem.into(),
            FactorProblem::TooManyTries { minutes } => {
                Self::new("problem.too-many-tries").count(minutes)
            }
            FactorProblem::WrongCode => Self::new("factor.wrong-code"),
            FactorProblem::WrongRecoveryCode => Self::new("factor.wrong-recovery-code"),
        }
    }
}

/// Recovery codes that were made just now.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NewRecoveryCodes {
    pub(crate) codes: Vec<String>,
    /// What else the person should know before they go on.
    pub(crate) advice: Option<Advised>,
    pub(crate) go_on: Href,
}

/// A QR code (ISO/IEC 18004) as the path of an SVG: a square of one unit for each dark module.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Qr {
    /// How many units wide and high, with the quiet zone.
    size: i32,
    path: String,
}

/// The width of the quiet zone.
const QUIET: i32 = 4;

impl Qr {
    /// The code of a text; `None` for one that does not fit.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
        let mut path = String::new();
        for y in 0..code.size() {
            let mut x = 0;
            while x < code.size() {
                let begin = x;
                while x < code.size() && code.get_module(x, y) {
                    x += 1;
                }
                let run = x - begin;
                if run > 0 {
                    let (left, top) = (begin + QUIET, y + QUIET);
                    // Writing to a String does not fail.
                    let _ = write!(path, "M{left} {top}h{run}v1h-{run}z");
                } else {
                    x += 1;
                }
            }
        }
        Some(Self {
            size: code.size() + 2 * QUIET,
            path,
        })
    }
}

/// An `otpauth:` address, which only an authenticator app opens.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct KeyUri(String);

impl KeyUri {
    /// Takes an address of that scheme alone.
    pub(crate) fn new(uri: &str) -> Option<Self> {
        let plain = uri
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"');
        (plain && uri.starts_with("otpauth://totp/")).then(|| Self(uri.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws the path again as a picture of text.
    fn modules(qr: &Qr) -> Vec<Vec<bool>> {
        let side = usize::try_from(qr.size).unwrap();
        let mut dark = vec![vec![false; side]; side];
        for square in qr.path.split('M').skip(1) {
            let (place, run) = square.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let run: usize = run.split('v').next().unwrap().parse().unwrap();
            dark[y][x..x + run].fill(true);
        }
        dark
    }

    #[test]
    fn a_path_has_the_modules_of_the_code() {
        let text = "otpauth://totp/Wiki:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Wiki";
        let code = QrCode::encode_text(text, QrCodeEcc::Medium).unwrap();
        let drawn = modules(&Qr::of(text).unwrap());
        assert_eq!(drawn.len(), usize::try_from(code.size() + 8).unwrap());
        for (y, row) in (0..).zip(&drawn) {
            for (x, dark) in (0..).zip(row) {
                assert_eq!(*dark, code.get_module(x - 4, y - 4), "{x} {y}");
            }
        }
        assert!(Qr::of(&"x".repeat(5000)).is_none());
    }

    #[test]
    fn a_key_uri_is_of_no_other_scheme() {
        assert!(KeyUri::new("otpauth://totp/a?secret=B").is_some());
        for bad in [
            "javascript:alert(1)",
            "otpauth://totp/a b",
            "otpauth://totp/\"",
            "https://a.test/",
        ] {
            assert!(KeyUri::new(bad).is_none(), "{bad}");
        }
    }
}
