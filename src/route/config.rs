//! `[[routes]]` as the operator writes it.

use std::path::PathBuf;

use http::HeaderName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    connection::Demand,
    headers::{HeaderEncoding, Headers},
    policy::Require,
    units::{Size, Span},
};

/// One `[[routes]]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The host name this route is for, exact or `*.example.com`. Without it: the host of
    /// `public_url` and every host that another route names.
    pub(crate) host: Option<String>,
    /// The path prefix, matched by whole segments. Default: `/`.
    #[serde(default = "root")]
    pub(crate) path: String,
    /// Where the application is: `http://127.0.0.1:3000`, `https://app.internal`,
    /// `unix:/run/app.sock`, or `builtin:demo`. Several take turns.
    #[schemars(extend("x-vestibule" = "unix"))]
    pub(crate) upstream: Upstreams,
    /// For `https` upstreams: whom to trust and how to show who is calling.
    pub(crate) upstream_tls: Option<UpstreamTls>,
    /// The Host header the application sees: `preserve` (the visitor's, default) or `upstream`.
    #[serde(default)]
    pub(crate) upstream_host: UpstreamHost,
    /// Whether the visitor's own `Authorization` reaches the application: `drop` (default), or
    /// `forward` for one that knows who is who by itself.
    #[serde(default)]
    pub(crate) authorization: Authorization,
    /// Names of the connections that open this route. Default: every enabled one.
    pub(crate) connections: Option<Vec<String>>,
    /// Paths that need no login: `/healthz`, `GET /static/**`.
    #[serde(default)]
    pub(crate) public: Vec<String>,
    /// Who may pass; any one of them is enough. Default: any signed-in user.
    pub(crate) allow: Option<Vec<String>>,
    /// Who may not pass, whatever `allow` says.
    #[serde(default)]
    pub(crate) deny: Vec<String>,
    /// What the login must have been like.
    pub(crate) require: Option<Require>,
    /// A second factor for everybody who comes here, whatever their connection asks: `required`
    /// (here or at the provider) or `required_here`. Default: as the connection has it.
    pub(crate) second_factor: Option<Demand>,
    /// How the application learns who is calling. Default: the preset `x-forwarded`.
    #[serde(default)]
    pub(crate) headers: Headers,
    /// How values outside printable ASCII are written into headers. Default: `percent`.
    #[serde(default)]
    pub(crate) header_encoding: HeaderEncoding,
    /// Also send the signed assertion, `X-Vestibule-Assertion`.
    #[serde(default)]
    pub(crate) assertion: bool,
    /// Tokens of the provider that the application gets, fresh ones: `access_token` as
    /// `X-Forwarded-Access-Token`, `id_token` as `X-Forwarded-Id-Token`. Default: none.
    #[serde(default)]
    pub(crate) tokens: Vec<ForwardedToken>,
    /// Origins besides the route's own that may open a WebSocket.
    #[serde(default)]
    pub(crate) websocket_origins: Vec<String>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default)]
    pub(crate) timeouts: Timeouts,
}

fn root() -> String {
    "/".to_owned()
}

/// One upstream or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Upstreams {
    Many(Vec<String>),
    One(String),
}

/// TLS towards the application.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamTls {
    /// A PEM file with the authorities to trust instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// A PEM file with the certificate shown to the application.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) cert: Option<PathBuf>,
    /// The key of `cert`.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) key: Option<PathBuf>,
    /// The name the application's certificate must carry. Default: the upstream's host.
    pub(crate) server_name: Option<String>,
}

/// Which Host header goes to the application.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UpstreamHost {
    #[default]
    Preserve,
    Upstream,
}

/// What becomes of a visitor's own `Authorization` header (RFC 9110 section 11.6.2).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Authorization {
    /// One request speaks for one person.
    #[default]
    Drop,
    Forward,
}

/// A provider's token that an application gets.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ForwardedToken {
    AccessToken,
    IdToken,
}

impl ForwardedToken {
    /// The header that carries it.
    pub(crate) const fn header(self) -> HeaderName {
        match self {
            Self::AccessToken => HeaderName::from_static("x-forwarded-access-token"),
            Self::IdToken => HeaderName::from_static("x-forwarded-id-token"),
        }
    }
}

/// What is too much.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    /// The largest request body; `None`: no limit.
    pub(crate) body: Option<Size>,
    /// The largest request head. Default: 32 KiB.
    pub(crate) head: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: None,
            head: Size(32 << 10),
        }
    }
}

/// How long to wait for the application and for the visitor.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// To connect to the application. Default: 5 s.
    pub(crate) connect: Span,
    /// For each wait on the application; streams that were upgraded have none. Default: 60 s.
    pub(crate) read: Span,
    /// For each write to the application. Default: 60 s.
    pub(crate) write: Span,
    /// For each read from and write to the visitor. Default: 60 s.
    pub(crate) client: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Span(std::time::Duration::from_mins(1));
        Self {
            connect: Span(std::time::Duration::from_secs(5)),
            read: minute,
            write: minute,
            client: minute,
        }
    }
}
