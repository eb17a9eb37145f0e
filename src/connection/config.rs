//! The keys that every `[connections.NAME]` table may have, whatever its strategy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::discovery::DomainRule;
use crate::{identity::Authentication, protocol::Network};

/// The common keys of a connection. The loader takes [`KEYS`](Common::KEYS) and `strategy` out of
/// the table; what is left is for the strategy's own `Config`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Common {
    /// What people read on the button. Default: the strategy's or the connection's name.
    pub(crate) display_name: Option<String>,
    /// The name of a built-in icon, or the path of a picture file (svg, png, jpg, webp; at most
    /// 512 KiB).
    #[schemars(extend("x-vestibule" = "icon"))]
    pub(crate) icon: Option<String>,
    /// Whether the connection may be used at all. Default: yes.
    pub(crate) enabled: bool,
    /// Whether the login page shows it; if not, it is found by `domains`, `networks` or by a link.
    /// Default: yes, but never where `discovery` is `private`.
    pub(crate) button: Option<bool>,
    /// E-mail domains whose people are sent here (home realm discovery): `acme.example`, or
    /// `*.acme.example` for all below it. Unicode or A-labels.
    #[schemars(with = "Vec<String>")]
    pub(crate) domains: Vec<DomainRule>,
    /// Whether outsiders may learn by typing addresses which domains these are. Default: `public`.
    pub(crate) discovery: Discovery,
    /// Networks like `10.0.0.0/8` whose visitors begin with this connection without being asked.
    /// They may come in no more than others.
    #[schemars(with = "Vec<String>")]
    pub(crate) networks: Vec<Network>,
    /// Whether people who were never here may come in. Default: yes; for connections whose
    /// passwords are kept here, where it means that strangers can make an account: no.
    pub(crate) signup: Option<bool>,
    /// Whether its people may delete their own account on the account page. Default: where strangers
    /// may come in.
    pub(crate) delete_account: Option<bool>,
    /// When the profile follows the provider's. Default: `each_login`.
    pub(crate) sync_profile: SyncProfile,
    /// Where the fields of the normalised profile come from: field = the provider's name or path.
    pub(crate) claims: BTreeMap<Field, String>,
    /// Whether its people prove a second factor. Default: `optional` where they type a password into
    /// a page of ours, and `off` where a provider asks them.
    pub(crate) second_factor: Option<SecondFactor>,
    /// Whether people who have set up no second factor, where one is required, are sent a code to their
    /// verified address in place of setting one up. Default: no.
    pub(crate) second_factor_by_email: bool,
    /// When an e-mail address counts in rules and reaches applications. Default: `verified`.
    pub(crate) trust_email: TrustEmail,
    /// More parameters for the provider's authorization request: a text, or `{ from = "NAME" }` for
    /// what the query of the login has under that name.
    pub(crate) upstream_params: BTreeMap<String, UpstreamParam>,
}

impl Common {
    /// The keys, in the order of the fields.
    pub(crate) const KEYS: [&str; 15] = [
        "display_name",
        "icon",
        "enabled",
        "button",
        "domains",
        "discovery",
        "networks",
        "signup",
        "delete_account",
        "sync_profile",
        "claims",
        "second_factor",
        "second_factor_by_email",
        "trust_email",
        "upstream_params",
    ];

    /// Whether the login page shows it to everybody.
    pub(crate) fn is_button(&self) -> bool {
        !self.is_private() && self.button.unwrap_or(true)
    }

    /// Whether outsiders are not to learn whose people sign in with it.
    pub(crate) fn is_private(&self) -> bool {
        self.discovery == Discovery::Private
    }
}

/// What an outsider who types addresses may learn.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Discovery {
    /// The login page shows where an address leads.
    #[default]
    Public,
    /// An address of its domains is answered as one that nobody knows.
    Private,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            display_name: None,
            icon: None,
            enabled: true,
            button: None,
            domains: Vec::new(),
            discovery: Discovery::default(),
            networks: Vec::new(),
            signup: None,
            delete_account: None,
            sync_profile: SyncProfile::default(),
            claims: BTreeMap::new(),
            second_factor: None,
            second_factor_by_email: false,
            trust_email: TrustEmail::default(),
            upstream_params: BTreeMap::new(),
        }
    }
}

/// A parameter of the provider's authorization request.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(untagged, expecting = "a text, or { from = \"NAME\" }")]
pub(crate) enum UpstreamParam {
    /// Always this.
    Text(String),
    /// What the query of the login page has under this name; left out if it has nothing.
    Passed(PassedParam),
}

/// A parameter that is passed on.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct PassedParam {
    /// The name in the query of the login page.
    pub(crate) from: String,
}

/// What the query of a login had for its provider.
pub(crate) type Passed = BTreeMap<String, String>;

impl UpstreamParam {
    /// What it is at this login.
    pub(crate) fn value<'a>(&'a self, passed: &'a Passed) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Passed(PassedParam { from }) => passed.get(from).map(String::as_str),
        }
    }

    /// The name in the query of the login page, if it comes from there.
    pub(crate) fn from(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Passed(PassedParam { from }) => Some(from),
        }
    }
}

/// When a user's profile follows what the connection says.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SyncProfile {
    /// Every login overwrites the profile, so nobody edits it here.
    #[default]
    EachLogin,
    /// The first login sets it once; name, nickname, given and family name and picture are
    /// edited here from then on.
    FirstLogin,
    /// Only users who exist already come in, and a login changes nothing in their profile.
    Never,
}

/// Whether the people of a connection prove a second factor.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SecondFactor {
    /// Never: the provider sees to it.
    Off,
    /// Whoever has set one up is asked for it, unless the provider says that it has asked (`mfa`,
    /// RFC 8176).
    Optional,
    /// Everybody, here or at the provider. Who has none sets one up to come in.
    Required,
    /// Everybody, and here, whatever the provider says.
    RequiredHere,
}

impl SecondFactor {
    /// What nobody comes in without.
    pub(crate) const fn demand(self) -> Option<Demand> {
        match self {
            Self::Off | Self::Optional => None,
            Self::Required => Some(Demand::Required),
            Self::RequiredHere => Some(Demand::RequiredHere),
        }
    }
}

/// A second factor that must have been proven.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Demand {
    /// Here or at the provider.
    Required,
    /// Here, whatever the provider says.
    RequiredHere,
}

impl Demand {
    /// Whether it was.
    pub(crate) fn is_met_by(self, held: &Authentication) -> bool {
        let here = held.second_factor_at.is_some();
        match self {
            Self::Required => here || has_many_factors(held),
            Self::RequiredHere => here,
        }
    }
}

/// Whether the provider says that there was more than one factor (RFC 8176 section 2).
pub(crate) fn has_many_factors(held: &Authentication) -> bool {
    held.amr.iter().any(|method| method == "mfa")
}

/// When a connection's word about an e-mail address is believed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrustEmail {
    /// Any address it gives, verified or not: for a provider that hands them out itself.
    Always,
    /// No address of this connection counts.
    Never,
    /// An address that it says it has verified.
    #[default]
    Verified,
}

/// A field that `claims` can set: the normalised profile's and the groups.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Field {
    Birthdate,
    Email,
    EmailVerified,
    FamilyName,
    Gender,
    GivenName,
    Groups,
    Locale,
    MiddleName,
    Name,
    Nickname,
    PhoneNumber,
    PhoneNumberVerified,
    Picture,
    PreferredUsername,
    Profile,
    Website,
    Zoneinfo,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_list_is_the_struct() {
        let schema = schemars::schema_for!(Common);
        let mut fields: Vec<&str> = schema.as_value()["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut keys = Common::KEYS;
        fields.sort_unstable();
        keys.sort_unstable();
        assert_eq!(fields, keys);
    }

    #[test]
    fn every_profile_field_can_be_mapped() {
        let all: Vec<Field> = serde_json::from_value(serde_json::json!([
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "email",
            "email_verified",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "phone_number",
            "phone_number_verified",
            "groups"
        ]))
        .unwrap();
        assert_eq!(all.len(), 18);
    }

    #[test]
    fn the_keys_are_read_and_others_refused() {
        let common: Common = toml::from_str(
            "signup = true\nsync_profile = \"first_login\"\ntrust_email = \"never\"\n\
             [claims]\nname = \"displayName\"",
        )
        .unwrap();
        assert_eq!(common.signup, Some(true));
        assert_eq!(common.sync_profile, SyncProfile::FirstLogin);
        assert_eq!(common.trust_email, TrustEmail::Never);
        assert_eq!(common.claims[&Field::Name], "displayName");
        assert!(common.enabled && common.is_button());
        let private: Common = toml::from_str("discovery = \"private\"").unwrap();
        assert!(private.is_private() && !private.is_button());
        for bad in [
            "sing_up = true",
            "sync_profile = \"often\"",
            "discovery = \"secret\"",
            "networks = [\"10.1.2.3/8\"]",
            "claims = { id = \"x\" }",
        ] {
            assert!(toml::from_str::<Common>(bad).is_err(), "{bad}");
        }
    }
}
