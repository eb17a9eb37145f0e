//! The table of our pages.

use http::Method;

use crate::identity::ConnectionId;

/// A page under the prefix. Each one's doc is its methods and path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    /// `GET, POST account`
    Account,
    /// `GET assets/{name}`
    Asset(String),
    /// `POST backchannel-logout/{connection}`
    BackchannelLogout(ConnectionId),
    /// `GET, POST callback/{connection}`
    Callback(ConnectionId),
    /// `GET, POST code`
    Code,
    /// `GET, POST factor`
    Factor,
    /// `GET, POST email`
    Email,
    /// `GET, POST forgot/{connection}`
    Forgot(ConnectionId),
    /// `GET frontchannel-logout/{connection}`
    FrontchannelLogout(ConnectionId),
    /// `GET handover`
    Handover,
    /// `GET jwks.json`
    Jwks,
    /// `GET jwks/{connection}`
    JwksOf(ConnectionId),
    /// `GET, POST login`
    Login,
    /// `GET, POST login/{connection}`
    LoginWith(ConnectionId),
    /// `GET, POST logout`
    Logout,
    /// `GET me`
    Me,
    /// `GET, POST owner/{token}`
    Owner(String),
    /// `GET, POST reset`
    Reset,
    /// `GET, POST saml/{connection}/acs`
    SamlAcs(ConnectionId),
    /// `GET saml/{connection}/metadata`
    SamlMetadata(ConnectionId),
    /// `GET, POST saml/{connection}/slo`
    SamlSlo(ConnectionId),
    /// `GET, POST signup/{connection}`
    SignUp(ConnectionId),
    /// `POST switch`
    Switch,
    /// `GET, POST unblock`
    Unblock,
    /// `GET, POST verify`
    Verify,
}

impl Endpoint {
    /// Reads the part of the path behind the prefix.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path, None),
        };
        match (first, rest) {
            ("account", None) => Some(Self::Account),
            ("assets", Some(name)) => Some(Self::Asset(name.to_owned())),
            ("backchannel-logout", Some(id)) => id.parse().ok().map(Self::BackchannelLogout),
            ("callback", Some(id)) => id.parse().ok().map(Self::Callback),
            ("code", None) => Some(Self::Code),
            ("factor", None) => Some(Self::Factor),
            ("email", None) => Some(Self::Email),
            ("forgot", Some(id)) => id.parse().ok().map(Self::Forgot),
            ("frontchannel-logout", Some(id)) => id.parse().ok().map(Self::FrontchannelLogout),
            ("handover", None) => Some(Self::Handover),
            ("jwks.json", None) => Some(Self::Jwks),
            ("jwks", Some(id)) => id.parse().ok().map(Self::JwksOf),
            ("login", None) => Some(Self::Login),
            ("login", Some(id)) => id.parse().ok().map(Self::LoginWith),
            ("logout", None) => Some(Self::Logout),
            ("me", None) => Some(Self::Me),
            ("owner", Some(token)) => Some(Self::Owner(token.to_owned())),
            ("reset", None) => Some(Self::Reset),
            ("saml", Some(rest)) => {
                let (id, page) = rest.split_once('/')?;
                let id = id.parse().ok()?;
                match page {
                    "acs" => Some(Self::SamlAcs(id)),
                    "metadata" => Some(Self::SamlMetadata(id)),
                    "slo" => Some(Self::SamlSlo(id)),
                    _ => None,
                }
            }
            ("signup", Some(id)) => id.parse().ok().map(Self::SignUp),
            ("switch", None) => Some(Self::Switch),
            ("unblock", None) => Some(Self::Unblock),
            ("verify", None) => Some(Self::Verify),
            _ => None,
        }
    }

    /// What it takes, besides HEAD wherever it takes GET.
    pub(crate) fn methods(&self) -> &'static [Method] {
        match self {
            Self::Asset(_)
            | Self::FrontchannelLogout(_)
            | Self::Handover
            | Self::Jwks
            | Self::JwksOf(_)
            | Self::Me
            | Self::SamlMetadata(_) => &[Method::GET],
            Self::BackchannelLogout(_) | Self::Switch => &[Method::POST],
            Self::Account
            | Self::Callback(_)
            | Self::Code
            | Self::Factor
            | Self::Email
            | Self::Forgot(_)
            | Self::Login
            | Self::LoginWith(_)
            | Self::Logout
            | Self::Owner(_)
            | Self::Reset
            | Self::SamlAcs(_)
            | Self::SamlSlo(_)
            | Self::SignUp(_)
            | Self::Unblock
            | Self::Verify => &[Method::GET, Method::POST],
        }
    }

    /// Whether it lives at the login host alone: every login is begun and ended there, and a
    /// script of an application at another host changes no account.
    pub(crate) fn is_of_login(&self) -> bool {
        match self {
            Self::Account
            | Self::Callback(_)
            | Self::Code
            | Self::Factor
            | Self::Email
            | Self::Forgot(_)
            | Self::Login
            | Self::LoginWith(_)
            | Self::Owner(_)
            | Self::Reset
            | Self::SamlAcs(_)
            | Self::SignUp(_)
            | Self::Switch
            | Self::Unblock
            | Self::Verify => true,
            // A provider follows no redirect to the login host, and what it says is the same at any.
            Self::BackchannelLogout(_)
            | Self::FrontchannelLogout(_)
            | Self::Asset(_)
            | Self::Handover
            | Self::Jwks
            | Self::JwksOf(_)
            | Self::Logout
            | Self::Me
            | Self::SamlMetadata(_)
            | Self::SamlSlo(_) => false,
        }
    }

    /// Whether its answer depends on who asks.
    pub(crate) fn is_personal(&self) -> bool {
        !matches!(
            self,
            Self::Asset(_)
                | Self::BackchannelLogout(_)
                | Self::FrontchannelLogout(_)
                | Self::Jwks
                | Self::JwksOf(_)
                | Self::SamlMetadata(_)
        )
    }

    /// Whether another site may post here: the answers of providers. This is the complete list of
    /// our POSTs without a token.
    pub(crate) fn is_from_elsewhere(&self) -> bool {
        matches!(
            self,
            Self::BackchannelLogout(_) | Self::Callback(_) | Self::SamlAcs(_) | Self::SamlSlo(_)
        )
    }

    /// The largest body it takes, in bytes.
    pub(crate) fn most_body(&self) -> usize {
        match self {
            // A message of 256 KiB, in base64 in a form.
            Self::Callback(_) | Self::SamlAcs(_) | Self::SamlSlo(_) => 512 << 10,
            _ => 16 << 10,
        }
    }

    /// Its name in metrics and logs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Asset(_) => "assets",
            Self::BackchannelLogout(_) => "backchannel-logout",
            Self::Callback(_) => "callback",
            Self::Code => "code",
            Self::Factor => "factor",
            Self::Email => "email",
            Self::Forgot(_) => "forgot",
            Self::FrontchannelLogout(_) => "frontchannel-logout",
            Self::Handover => "handover",
            Self::Jwks => "jwks",
            Self::JwksOf(_) => "jwks-of",
            Self::Login => "login",
            Self::LoginWith(_) => "login-with",
            Self::Logout => "logout",
            Self::Me => "me",
            Self::Owner(_) => "owner",
            Self::Reset => "reset",
            Self::SamlAcs(_) => "saml-acs",
            Self::SamlMetadata(_) => "saml-metadata",
            Self::SamlSlo(_) => "saml-slo",
            Self::SignUp(_) => "signup",
            Self::Switch => "switch",
            Self::Unblock => "unblock",
            Self::Verify => "verify",
        }
    }
}
