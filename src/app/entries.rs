//! What is read off the entry of a connection in the configuration: how it is known, listed and
//! opened.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::second_factor::second_factor;
use crate::{
    config::{ConnectionEntry, Settings},
    connection::{
        Common, ConnectionSettings, MailRules, SyncProfile, VerifyEmail,
        registry::{self, Family},
    },
    identity::ConnectionId,
    policy::KnownConnection,
};

pub(super) fn known(entry: &ConnectionEntry) -> KnownConnection {
    KnownConnection {
        id: entry.id.clone(),
        enabled: entry.common.enabled,
        trust_email: entry.common.trust_email,
        second_factor: second_factor(entry),
    }
}

pub(super) fn connection_settings(
    entry: &ConnectionEntry,
    settings: &Settings,
) -> ConnectionSettings {
    // Whoever keeps passwords here lets strangers in only when told to.
    let open = entry.strategy.family != Family::Database && entry.strategy.name != "passkey";
    ConnectionSettings {
        strategy: entry.strategy.name,
        display_name: display_name(entry),
        signup: entry.common.signup.unwrap_or(open),
        mail: mail_rules(entry, settings),
        fingerprint: entry.fingerprint,
        second_factor: second_factor(entry),
        common: Common {
            // A passkey says nothing of a profile that could be followed.
            sync_profile: match entry.common.sync_profile {
                SyncProfile::EachLogin if entry.strategy.name == "passkey" => {
                    SyncProfile::FirstLogin
                }
                set => set,
            },
            ..entry.common.clone()
        },
    }
}

/// What is done by mail: what is set, and otherwise whatever can be.
fn mail_rules(entry: &ConnectionEntry, settings: &Settings) -> MailRules {
    match (entry.own.accounts(), &settings.mail) {
        (Some(accounts), Some(_)) => MailRules {
            reset: accounts.reset.unwrap_or(true),
            welcome: accounts.welcome,
            verify: match entry.strategy.name {
                "database" => accounts.verify_email.unwrap_or(VerifyEmail::Optional),
                _ => VerifyEmail::Off,
            },
        },
        _ => MailRules::default(),
    }
}

/// What people read: as set, or the connection's name as a title.
fn display_name(entry: &ConnectionEntry) -> String {
    entry.common.display_name.clone().unwrap_or_else(|| {
        let words = entry.id.as_str().split('-').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        });
        words.collect::<Vec<_>>().join(" ")
    })
}

/// Whether a route that this connection opens wants its provider's tokens.
pub(super) fn forwards_tokens(settings: &Settings, id: &ConnectionId) -> bool {
    settings.routes.iter().any(|route| {
        let offered = route.connections.as_ref();
        let offered = offered.is_none_or(|names| names.iter().any(|name| name == id.as_str()));
        offered && !route.tokens.is_empty()
    })
}

/// A number that is another one when a connection would be opened differently.
pub(super) fn identity_of(entry: &ConnectionEntry, parts: &registry::Parts) -> u64 {
    let mut hasher = DefaultHasher::new();
    (entry.fingerprint, parts.pages.as_str(), parts.keep_tokens).hash(&mut hasher);
    for file in entry.own.files() {
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}
