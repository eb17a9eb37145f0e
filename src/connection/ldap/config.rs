//! The keys of a connection with `strategy = "ldap"`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{connection::certificate, secret::Secret, units::Span};

/// What is set besides the common keys.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The directory's servers, in the order in which they are tried: `ldaps://HOST`, or
    /// `ldap://HOST` for StartTLS; a port may follow.
    pub(crate) servers: Vec<String>,
    /// Root certificates (PEM) for the servers, instead of the system's.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) ca: Option<PathBuf>,
    /// The entry that everything is below, like `dc=example,dc=com`.
    pub(crate) base_dn: String,
    /// The account that looks people up: a distinguished name, or `account@domain`. Default: nobody,
    /// for directories that let anybody look.
    pub(crate) bind_dn: Option<String>,
    pub(crate) bind_password: Option<Secret>,
    /// People bind by this name themselves, and nobody looks them up first: `{username}` in it is
    /// what they typed, as in `uid={username},ou=people,dc=example,dc=com`,
    /// `{username}@corp.example.com` or `CORP\{username}`.
    pub(crate) direct_bind: Option<String>,
    /// Names of domains that people may write before a `\` or after an `@`: `{username}` is what they
    /// typed without them. Default: none.
    pub(crate) domain_names: Vec<String>,
    /// Where people are: below `base_dn`, or a whole name that ends in it. Default: `base_dn`.
    pub(crate) user_base_dn: Option<String>,
    /// Who somebody is who typed a name: `{login}` is what they typed, `{username}` the same without
    /// `domain_names`. Default: `(&(objectClass=person)(uid={username}))`.
    pub(crate) user_filter: Option<String>,
    /// The attribute that stays the same as long as a person is there. Default: `entryUUID`.
    pub(crate) user_id_attribute: Option<String>,
    /// The attribute with the name that people sign in with. Default: `uid`.
    pub(crate) username_attribute: Option<String>,
    /// Further attributes that are read; those that `claims` names are read anyway.
    pub(crate) attributes: Vec<String>,
    /// Where groups are: below `base_dn`, or a whole name that ends in it. Default: `base_dn`.
    pub(crate) group_base_dn: Option<String>,
    /// Which groups somebody is in: `{dn}` is their entry's name, `{username}` their
    /// `username_attribute`; for groups of groups `{dn}` is the inner group's name. Default:
    /// `(&(objectClass=groupOfNames)(member={dn}))`; empty: groups are not looked up.
    pub(crate) group_filter: Option<String>,
    /// The attribute that a group is called by. Default: `cn`.
    pub(crate) group_name_attribute: Option<String>,
    /// The attribute of a person that has the names of all their groups, like `memberOf`: then
    /// nothing is looked up.
    pub(crate) group_attribute: Option<String>,
    /// Whether members of a group that is in another count as members of that: `recursive` (default),
    /// `in_filter` if the filter finds them by itself, or `no`.
    pub(crate) nested_groups: NestedGroups,
    /// What holds for a person who must not come in, also when no password is asked for: `{now}` is
    /// the time (GeneralizedTime), `{filetime}` the same as Active Directory counts it.
    pub(crate) disabled_filter: Option<String>,
    /// How people change a password that has expired: `never` (default), `extended_operation`
    /// (RFC 3062) or `active_directory`.
    pub(crate) change_password: ChangePassword,
    /// How often it is looked whether people who are signed in are still there and in their groups.
    /// Default: 15m; 0s: never.
    pub(crate) recheck: Option<Span>,
    /// How long a connection may take to come about. Default: 5s.
    pub(crate) connect_timeout: Option<Span>,
    /// How long an operation may take. Default: 10s.
    pub(crate) timeout: Option<Span>,
    /// How many connections are open at once. Default: 32.
    pub(crate) connections: Option<usize>,
    /// Takes Kerberos tickets of a Windows session (SPNEGO) from browsers in these networks.
    pub(crate) kerberos: Option<KerberosConfig>,
    /// Takes client certificates: whose, and where browsers are asked for them.
    pub(crate) certificate: Option<certificate::Config>,
    /// Who a certificate names: `{subject}` is the part that `certificate.subject` says, `{upn}`,
    /// `{email}`, `{common_name}`, `{serial_number}` and `{subject_dn}` are others. Default, by that
    /// part: `(userPrincipalName={subject})`, `(mail={subject})` or `(USERNAME_ATTRIBUTE={subject})`.
    pub(crate) certificate_user_filter: Option<String>,
    /// Leaves out StartTLS to servers on this machine: whoever is there reads the passwords.
    pub(crate) danger_plain_ldap: bool,
}

/// How tickets are taken.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct KerberosConfig {
    /// The file with the keys of the service `HTTP/HOST`, where HOST is that of `public_url`: AES keys
    /// alone.
    #[schemars(extend("x-vestibule" = "file"))]
    pub(crate) keytab: PathBuf,
    /// Where browsers are asked for a ticket, as CIDRs: what is behind a proxy counts only if that is
    /// one of `trusted_proxies`.
    #[schemars(with = "Vec<String>")]
    pub(crate) networks: Vec<ipnet::IpNet>,
    /// Whose tickets are taken. Default: the realms of the keytab.
    pub(crate) realms: Vec<String>,
    /// Who a principal is: `{username}` is its name, `{principal}` the same with its realm. Default:
    /// `(USERNAME_ATTRIBUTE={username})`.
    pub(crate) user_filter: Option<String>,
    /// Takes tickets also from who is between the browser and here and ends TLS with a certificate
    /// of its own; needed where something of the operator's does that.
    pub(crate) danger_ignore_channel_binding: bool,
}

/// Groups of groups.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NestedGroups {
    InFilter,
    No,
    #[default]
    Recursive,
}

/// How a password is replaced by whoever knows it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChangePassword {
    /// By writing `unicodePwd` ([MS-ADTS] 3.1.1.3.1.5).
    ActiveDirectory,
    /// RFC 3062.
    ExtendedOperation,
    #[default]
    Never,
}
