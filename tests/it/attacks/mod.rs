//! One test for each attack, named for its row in the catalogue of `src/threats.rs`.
//!
//! Each has an oracle that shows that the attack fails (most often: nothing reached the
//! application, or what reached it says the truth) and a control that shows that the same request
//! without the attack gets through, so that the test cannot pass by never reaching the check.

mod cookies;
mod discovery;
mod forwarded;
mod headers;
mod openid;
mod operations;
mod pages;
mod passkeys;
mod passwords;
mod paths;
mod redirects;
pub(crate) mod saml;
mod transport;

use crate::support::{
    Answer, Raw, Request, Seen, Sidecar, Upstream, Visitor, free_port, route, sidecar::Route,
    tls::Authority,
};

/// A sidecar with HTTP/2 and everything under `/public/` open.
fn h2_site(change: impl FnOnce(Route) -> Route) -> (Upstream, Sidecar, Authority) {
    let upstream = Upstream::start();
    let authority = Authority::new();
    let mut sidecar = Sidecar::new();
    let leaf = authority.leaf(sidecar.dir.path(), &["localhost"]);
    sidecar.port = free_port();
    let mut tls = toml::Table::new();
    tls.insert("cert".into(), leaf.cert_file.display().to_string().into());
    tls.insert("key".into(), leaf.key_file.display().to_string().into());
    let mut listener = toml::Table::new();
    listener.insert(
        "address".into(),
        format!("127.0.0.1:{}", sidecar.port).into(),
    );
    listener.insert("tls".into(), vec![toml::Value::Table(tls)].into());
    let origin = format!("https://localhost:{}", sidecar.port);
    let sidecar = sidecar
        .without("server.listen")
        .set("server.listeners", vec![toml::Value::Table(listener)])
        .set("server.public_url", origin)
        .route(change(route("/").to(&upstream).public(&["/public/**"])))
        .start();
    (upstream, sidecar, authority)
}

/// A sidecar in front of one recording application: `/public/**` and `/health` are open, everything
/// else needs a session.
struct Site {
    upstream: Upstream,
    sidecar: Sidecar,
}

impl Site {
    fn new() -> Self {
        Self::with(|sidecar| sidecar)
    }

    /// One that is configured further.
    fn with(configure: impl FnOnce(Sidecar) -> Sidecar) -> Self {
        let upstream = Upstream::start();
        let open = route("/")
            .to(&upstream)
            .public(&["/public/**", "/health", "GET /only-get"]);
        let sidecar = configure(Sidecar::new().route(open)).start();
        Self { upstream, sidecar }
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.sidecar.port)
    }

    /// Sends octets on a connection of their own; the first answer, if any came.
    fn raw(&self, bytes: impl AsRef<[u8]>) -> Option<Answer> {
        self.sidecar.raw().send(bytes).answer("GET")
    }

    /// A GET of exactly this target with these header lines, each with its CRLF.
    fn get(&self, target: &str, lines: &str) -> Option<Answer> {
        let host = self.host();
        self.raw(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n"
        ))
    }

    /// Shows that an attempt leaves the application alone.
    #[track_caller]
    fn untouched<T>(&self, what: &str, attempt: impl FnOnce() -> T) -> T {
        let before = self.upstream.hits();
        let result = attempt();
        let new = &self.upstream.seen()[before..];
        assert!(new.is_empty(), "{what} reached the application: {new:?}");
        result
    }

    /// Shows that the application is reached, as the control of an attack; what it saw.
    #[track_caller]
    fn reached(&self, what: &str, attempt: impl FnOnce() -> Option<Answer>) -> Seen {
        let before = self.upstream.hits();
        let answer = attempt();
        assert_eq!(
            self.upstream.hits(),
            before + 1,
            "{what} did not arrive once: {answer:?}"
        );
        self.upstream.last()
    }
}

/// The header line with a visitor's session.
fn cookie_line(visitor: &Visitor) -> String {
    format!(
        "Cookie: {}\r\n",
        visitor.session().expect("a session").pair()
    )
}

/// The user id of a visitor, as `/.auth/me` tells it.
fn user_id(visitor: &mut Visitor) -> String {
    let me = visitor.me().expect("a session");
    me["user"]["id"].as_str().expect("a user id").to_owned()
}

/// One answer to a request on a connection of its own.
fn ask(raw: &mut Raw, request: &Request, host: &str) -> Option<Answer> {
    raw.send(request.bytes(host)).answer(&request.method)
}
