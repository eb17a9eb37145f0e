//! `vestibule connections`: the sources of users.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Ended, Place, catalog, execute, find, output, remote, trial};
use crate::{
    config::{ConnectionEntry, Settings},
    connection::registry::Speaks,
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// The connections by family, with their status and the number of their users.
    List,
    /// One connection: what to register at the provider, and what is set.
    Show { name: String },
    /// The providers that are known: by four lines each is a connection. With a name: the keys it
    /// needs, and what to register there.
    Catalog { name: Option<String> },
    /// Where somebody signs in by what they type, and by which rule of `domains`.
    Find(find::Arguments),
    /// Try a connection: prints an address; after a real login there, what the provider said, each
    /// step with what was checked, and the profile that would be stored. Nobody is signed in.
    Try { name: String },
    /// Let a name stand for what the file says now, after it stood for something else.
    Adopt { name: String },
    /// Give a connection another name: its identities, accounts and sessions move along, and no
    /// user's id changes. Rename the table in the file right after.
    Rename {
        #[arg(value_name = "OLD")]
        from: String,
        #[arg(value_name = "NEW")]
        to: String,
    },
}

/// Does it.
pub(super) fn run(place: &Place, command: &Command, json: bool) -> anyhow::Result<Ended> {
    match command {
        Command::List => {
            let settings = place.load()?.settings;
            let counts = execute::have_done(place, &remote::Command::ConnectionsCount)?;
            let mut entries: Vec<_> = settings.connections.iter().collect();
            entries.sort_by_key(|entry| (entry.strategy.family, entry.id.clone()));
            let shown: Vec<_> = entries
                .into_iter()
                .map(|entry| connection(&settings, entry, &counts))
                .collect();
            if json {
                output::json(&shown);
            } else {
                show(&shown);
            }
        }
        Command::Show { name } => {
            let settings = place.load()?.settings;
            let Some(entry) = settings
                .connections
                .iter()
                .find(|one| one.id.as_str() == name)
            else {
                output::complain(&format!(
                    "there is no connection {name:?}; see connections list"
                ));
                return Ok(Ended::NotAsAsked);
            };
            let counts = execute::have_done(place, &remote::Command::ConnectionsCount)?;
            let mut shown = connection(&settings, entry, &counts);
            let ask = remote::Command::ConnectionFacts { name: name.clone() };
            let facts = execute::have_done(place, &ask)?;
            if let (Value::Object(shown), Value::Object(facts)) = (&mut shown, facts) {
                shown.extend(facts);
            }
            if json {
                output::json(&shown);
            } else {
                for (field, value) in shown.as_object().into_iter().flatten() {
                    let name = field.replace('_', " ");
                    match value {
                        Value::Array(all) if all.len() > 1 => {
                            for one in all {
                                let one = one.as_str().unwrap_or_default();
                                output::line(&format!("{name:<24} {}", output::plain(one)));
                            }
                        }
                        _ => output::line(&format!("{name:<24} {}", output::cell(&shown, field))),
                    }
                }
            }
        }
        Command::Catalog { name } => return Ok(catalog::run(place, name.as_deref(), json)),
        Command::Find(arguments) => return find::run(place, arguments, json),
        Command::Try { name } => return trial::run(place, name, json),
        Command::Adopt { name } => {
            let ask = remote::Command::ConnectionAdopt { name: name.clone() };
            output::json(&execute::have_done(place, &ask)?);
        }
        Command::Rename { from, to } => {
            let (from, to) = (from.clone(), to.clone());
            let ask = remote::Command::ConnectionRename { from, to };
            output::json(&execute::have_done(place, &ask)?);
        }
    }
    Ok(Ended::Done)
}

fn connection(settings: &Settings, entry: &ConnectionEntry, counts: &Value) -> Value {
    let users = counts
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one.get("connection").and_then(Value::as_str) == Some(entry.id.as_str()))
        .and_then(|one| one.get("users").cloned());
    let page = |page: &str| {
        format!(
            "{}{}/{page}/{}",
            settings.public_url,
            settings.auth_prefix.as_str(),
            entry.id
        )
    };
    let routes: Vec<_> = settings
        .routes
        .iter()
        .filter(|route| {
            let named = route.connections.as_ref();
            named.map_or(entry.common.enabled, |all| {
                all.iter().any(|one| one == entry.id.as_str())
            })
        })
        .map(|route| format!("{}{}", route.host.as_deref().unwrap_or("*"), route.path))
        .collect();
    let networks = entry.common.networks.iter();
    let networks: Vec<_> = networks.map(ToString::to_string).collect();
    let speaks = entry.strategy.speaks;
    let (federated, saml) = (speaks == Speaks::OpenIdConnect, speaks == Speaks::Saml);
    let saml_page =
        |page: &str| saml.then(|| settings_page(settings, &format!("saml/{}/{page}", entry.id)));
    json!({
        "name": entry.id,
        "family": entry.strategy.family,
        "strategy": entry.strategy.name,
        "status": if entry.common.enabled { "enabled" } else { "disabled" },
        "users": users.unwrap_or_else(|| 0.into()),
        "button": entry.common.is_button(),
        "signup": entry.common.signup,
        "sync_profile": entry.common.sync_profile,
        "trust_email": entry.common.trust_email,
        "domains": entry.common.domains,
        "discovery": entry.common.discovery,
        "networks": networks,
        "login_url": page("login"),
        "redirect_uri": saml_page("acs").unwrap_or_else(|| page("callback")),
        "post_logout_redirect_uri": federated.then(|| settings_page(settings, "logout")),
        "backchannel_logout_uri": federated.then(|| page("backchannel-logout")),
        "frontchannel_logout_uri": federated.then(|| page("frontchannel-logout")),
        "single_logout_service": saml_page("slo"),
        // where a provider finds a document about us
        "metadata": saml_page("metadata").or_else(|| federated.then(|| page("jwks"))),
        "routes": routes,
    })
}

fn settings_page(settings: &Settings, page: &str) -> String {
    let prefix = settings.auth_prefix.as_str();
    format!("{}{prefix}/{page}", settings.public_url)
}

fn show(all: &[Value]) {
    let fields = [
        "name",
        "family",
        "strategy",
        "status",
        "users",
        "redirect_uri",
    ];
    let heading = |field: &str| field.replace('_', " ").to_uppercase();
    let mut rows = vec![fields.map(heading).to_vec()];
    rows.extend(
        all.iter()
            .map(|one| fields.map(|field| output::cell(one, field)).to_vec()),
    );
    output::table(&rows);
}
