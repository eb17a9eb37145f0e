//! How the tests start, drive and watch things.
//!
//! A test reads as a story: an [`Upstream`] that records what reaches it (or a real application of
//! [`apps`]), a [`Sidecar`] in front of it, and somebody who visits: a [`Visitor`] (a browser
//! without JavaScript), a [`Browser`] (Chromium) or a [`Raw`] socket that sends what no browser
//! would. Everything listens on loopback, writes into a temporary folder, and ends with its value.
//! What is missing on this machine fails the test: nothing is skipped.

/// Asserts what becomes true soon, within [`PATIENCE`] or the seconds given first.
macro_rules! assert_eventually {
    (within $seconds:expr, $condition:expr $(, $($message:tt)+)?) => {
        assert!(
            $crate::support::eventually(std::time::Duration::from_secs($seconds), || $condition),
            "not within {} s: {}", $seconds,
            [stringify!($condition).to_owned() $(, format!($($message)+))?].join(": "),
        )
    };
    ($condition:expr $(, $($message:tt)+)?) => {
        assert_eventually!(within $crate::support::PATIENCE.as_secs(), $condition $(, $($message)+)?)
    };
}

pub(crate) mod active_directory;
pub(crate) mod apps;
pub(crate) mod authenticator;
pub(crate) mod browser;
pub(crate) mod client_certificates;
pub(crate) mod codes;
pub(crate) mod corpus;
pub(crate) mod database_servers;
pub(crate) mod django_provider;
pub(crate) mod federated;
pub(crate) mod forms;
pub(crate) mod h2;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod kannel;
pub(crate) mod kerberos;
pub(crate) mod key_pair;
pub(crate) mod lying_provider;
pub(crate) mod mail_server;
pub(crate) mod oauth1_provider;
pub(crate) mod openid_provider;
pub(crate) mod passkey;
pub(crate) mod presets;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod saml;
pub(crate) mod samlp_wsfed;
pub(crate) mod servers;
pub(crate) mod shapes;
pub(crate) mod sidecar;
pub(crate) mod simplesamlphp;
pub(crate) mod slapd;
pub(crate) mod tls;
pub(crate) mod trial;
pub(crate) mod twilio;
pub(crate) mod upstream;
pub(crate) mod visitor;
pub(crate) mod websocket;
pub(crate) mod wsfed;

pub(crate) use self::{
    browser::Browser,
    django_provider::DjangoProvider,
    http::{Answer, Raw, Request},
    lying_provider::LyingProvider,
    openid_provider::OpenIdProvider,
    process::free_port,
    sidecar::{Route, Sidecar, route},
    slapd::Slapd,
    upstream::{Reply, Seen, Upstream},
    visitor::{Page, Visitor},
};

/// How long something that must happen may take before a test gives up: generous, since a busy
/// machine is no failure.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Asks every 20 ms until `ready` says yes; `false` when it never did within `patience`.
pub(crate) fn eventually(patience: std::time::Duration, mut ready: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + patience;
    loop {
        if ready() {
            return true;
        }
        if std::time::Instant::now() > end {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
