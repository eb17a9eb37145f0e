//! The cookies of ours: their names, and what is sealed in them.
//!
//! Over https every name begins with `__Host-`, so no sibling host can set one. On plain-http
//! localhost, where browsers refuse that prefix, the name ends in a hash of `public_url`, since
//! cookies do not tell ports apart and two trials must not share one.

use std::{fmt, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    crypto::{self, KeyRing, Purpose},
    protocol::{
        Origin, Scheme,
        cookie::{self, Found, Kept, SetCookie},
    },
    random::{Random, hex},
};

/// How the names of our cookies are made.
#[derive(Clone, Debug)]
pub(crate) struct CookieNames {
    prefix: String,
    suffix: String,
    secure: bool,
    session: String,
}

/// A cookie of ours besides the session's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CookieKind {
    /// The connection used last, by name: the login page marks it.
    Last,
    /// Accounts that signed in here before: only lowers throttling.
    Known,
    /// Binds a hand-over to the browser that asked for it.
    Nonce,
    /// Whom a passkey was offered to: not again soon.
    Offered,
    /// Nobody is sent to a provider unasked: they signed out just now, or it failed.
    Stay,
    /// How often the login page passed somebody on without a question.
    Trips,
}

impl CookieKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Last => "last",
            Self::Nonce => "nonce",
            Self::Offered => "offered",
            Self::Stay => "stay",
            Self::Trips => "trips",
        }
    }
}

impl CookieNames {
    /// The names for a deployment at this login origin.
    pub(crate) fn new(login: &Origin) -> Self {
        let secure = login.scheme == Scheme::Https;
        let (prefix, suffix) = if secure {
            ("__Host-vestibule".to_owned(), String::new())
        } else {
            let hash = crypto::sha256(login.to_string().as_bytes());
            let tail = hex(hash.first_chunk::<4>().map_or(&[], |tail| tail));
            ("vestibule".to_owned(), format!("-{tail}"))
        };
        let session = format!("{prefix}{suffix}");
        Self {
            prefix,
            suffix,
            secure,
            session,
        }
    }

    /// The session cookie's name.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// The name of another cookie.
    pub(crate) fn of(&self, kind: CookieKind) -> String {
        format!("{}-{}{}", self.prefix, kind.word(), self.suffix)
    }

    /// The name of a flow's cookie.
    pub(crate) fn flow(&self, id: &str) -> String {
        format!("{}-flow-{id}{}", self.prefix, self.suffix)
    }

    /// The id in the name of a flow's cookie.
    pub(crate) fn flow_id<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name
            .strip_prefix(self.prefix.as_str())?
            .strip_prefix("-flow-")?;
        let id = rest.strip_suffix(self.suffix.as_str())?;
        (id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    }

    /// Whether a cookie is ours, of this or another deployment: such never reach an application.
    pub(crate) fn is_ours(name: &str) -> bool {
        let bare = name.strip_prefix("__Host-").unwrap_or(name);
        bare.strip_prefix("vestibule")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// A cookie that the browser keeps for `time`. `None` for a value that no cookie can hold, and
    /// ours are all base64url or names.
    pub(crate) fn set(&self, name: &str, value: &str, time: Duration) -> Option<SetCookie> {
        SetCookie::new(name, value, self.secure, Kept::For(time)).ok()
    }

    /// The end of a cookie.
    pub(crate) fn clear(&self, name: &str) -> Option<SetCookie> {
        SetCookie::delete(name, self.secure).ok()
    }
}

/// The Cookie lines of a request.
#[derive(Clone, Default)]
pub(crate) struct Jar(Vec<Vec<u8>>);

impl fmt::Debug for Jar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jar({} lines)", self.0.len())
    }
}

impl Jar {
    /// From the raw lines: other cookies in them may hold any octets.
    pub(crate) fn new(lines: Vec<Vec<u8>>) -> Self {
        Self(lines)
    }

    /// The value of a cookie that occurs once. Twice is as good as none: one of them was planted.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        match cookie::find(self.0.iter().map(Vec::as_slice), name) {
            Found::One(value) => Some(value),
            Found::None | Found::Several => None,
        }
    }

    /// Whether the browser sent none at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|line| line.trim_ascii().is_empty())
    }

    /// The names of all cookies that could be ours.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let lines = self.0.iter().map(Vec::as_slice);
        cookie::with_prefix(lines, "").map(|(name, _)| name)
    }
}

/// Where a sealed cookie belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) name: &'a str,
    pub(crate) host: &'a str,
}

/// Seals what a cookie carries: nobody else can read or make it, and it is good for one cookie
/// name on one host only.
pub(crate) fn seal<T: Serialize>(
    ring: &KeyRing,
    at: At<'_>,
    content: &T,
    random: &dyn Random,
) -> Option<String> {
    let text = serde_json::to_vec(content).ok()?;
    let context: [&[u8]; 2] = [at.name.as_bytes(), at.host.as_bytes()];
    let place = crypto::Place {
        purpose: at.purpose,
        context: &context,
    };
    Some(crypto::seal_text(ring, place, &text, random))
}

/// Opens what [`seal`] made.
pub(crate) fn open<T: DeserializeOwned>(ring: &KeyRing, at: At<'_>, value: &str) -> Option<T> {
    let context: [&[u8]; 2] = [at.name.as_bytes(), at.host.as_bytes()];
    let place = crypto::Place {
        purpose: at.purpose,
        context: &context,
    };
    let text = crypto::open_text(ring, place, value).ok()?;
    serde_json::from_slice(&text).ok()
}
