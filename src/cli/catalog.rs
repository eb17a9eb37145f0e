//! `vestibule connections catalog`: the providers that are known.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Ended, Place, output};
use crate::connection::catalog::{self, Addresses, Entry, Protocol};

/// Lists them, or shows one.
pub(super) fn run(place: &Place, name: Option<&str>, json: bool) -> Ended {
    let Some(name) = name else {
        let mut all: Vec<_> = catalog::all().collect();
        all.sort_by_key(|(name, entry)| (entry.about.family, *name));
        let shown: Vec<Value> = all.into_iter().map(row).collect();
        if json {
            output::json(&shown);
        } else {
            list(&shown);
        }
        return Ended::Done;
    };
    let Some(entry) = catalog::entry(name) else {
        output::complain(&format!(
            "the catalogue has no {name:?}; see connections catalog, or use the strategy oidc, oauth2, saml or wsfed"
        ));
        return Ended::NotAsAsked;
    };
    let register = Register::of(place, name, entry);
    if json {
        let mut shown = row((name, entry));
        if let Some(shown) = shown.as_object_mut() {
            let Value::Object(register) = json!(register) else {
                return Ended::Done;
            };
            shown.extend(register);
            shown.insert("variables".to_owned(), json!(entry.variables));
            shown.insert("needs".to_owned(), json!(entry.needs));
            shown.insert("client_secret".to_owned(), entry.gives_secret().into());
            shown.insert("addresses".to_owned(), json!(entry.addresses()));
            shown.insert("sets".to_owned(), json!(entry.sets()));
        }
        output::json(&shown);
    } else {
        show(name, entry, &register);
    }
    Ended::Done
}

/// What the provider is told about this deployment.
#[derive(Serialize)]
struct Register {
    redirect_uri: Option<String>,
    /// By SAML: the entity ID, where our metadata are, and where responses come to.
    entity_id: Option<String>,
    assertion_consumer_service: Option<String>,
    jwks_uri: Option<String>,
    post_logout_redirect_uri: Option<String>,
    backchannel_logout_uri: Option<String>,
}

impl Register {
    fn of(place: &Place, name: &str, entry: &Entry) -> Self {
        // All of it hangs on where people sign in; without a file that is not known yet.
        let pages = place.file().and_then(|_| place.load().ok()).map_or_else(
            || "https://YOUR-PUBLIC-URL/.auth".to_owned(),
            |loaded| {
                let settings = &loaded.settings;
                format!("{}{}", settings.public_url, settings.auth_prefix.as_str())
            },
        );
        let openid = entry.about.protocol == Protocol::Oidc;
        let saml = entry.about.protocol == Protocol::Saml;
        let page = |page: &str| format!("{pages}/{page}/{name}");
        let of_saml = |page: &str| saml.then(|| format!("{pages}/saml/{name}/{page}"));
        Self {
            redirect_uri: (!saml).then(|| page("callback")),
            entity_id: of_saml("metadata"),
            assertion_consumer_service: of_saml("acs"),
            jwks_uri: entry.needs_keys().then(|| page("jwks")),
            post_logout_redirect_uri: entry.ends_its_session().then(|| format!("{pages}/logout")),
            backchannel_logout_uri: openid.then(|| page("backchannel-logout")),
        }
    }
}

fn row((name, entry): (&str, &Entry)) -> Value {
    let about = &entry.about;
    json!({
        "strategy": name,
        "name": about.name,
        "family": about.family,
        "protocol": about.protocol,
        "evidence": about.evidence,
        "status": if about.retired.is_some() { "retired" } else { "usable" },
        "retired": about.retired,
        "notes": about.notes,
        "docs": about.docs,
    })
}

fn list(all: &[Value]) {
    let fields = [
        "strategy", "name", "family", "protocol", "status", "evidence",
    ];
    let mut rows = vec![fields.map(str::to_uppercase).to_vec()];
    rows.extend(
        all.iter()
            .map(|one| fields.map(|field| output::cell(one, field)).to_vec()),
    );
    output::table(&rows);
}

fn show(name: &str, entry: &Entry, register: &Register) {
    let about = &entry.about;
    output::line(&format!("{} ({name})", about.name));
    if let Some(why) = &about.retired {
        output::line(&format!("It cannot be used any more: {why}"));
        return;
    }
    output::line(&format!("Its documentation: {}", about.docs));
    output::line("Register there");
    for (what, address) in [
        ("redirect URI             ", &register.redirect_uri),
        (
            "our metadata, and by their address the entity ID  ",
            &register.entity_id,
        ),
        (
            "or by hand, where responses come to by POST       ",
            &register.assertion_consumer_service,
        ),
        ("public keys (JWKS)       ", &register.jwks_uri),
        (
            "post-logout redirect URI ",
            &register.post_logout_redirect_uri,
        ),
        (
            "back-channel logout URI, if it asks for one  ",
            &register.backchannel_logout_uri,
        ),
    ] {
        if let Some(address) = address {
            output::line(&format!("  {what}{address}"));
        }
    }
    output::line("and write");
    output::line(&format!("  [connections.{name}]"));
    output::line(&format!("  strategy = \"{name}\""));
    if entry.has_clients() {
        output::line("  client_id = \"…\"");
    }
    if entry.gives_secret() {
        output::line("  client_secret = { env = \"…\" }");
    }
    for (key, about) in &entry.needs {
        output::line(&format!("  {key} = …    # {about}"));
    }
    for (key, variable) in &entry.variables {
        let about = &variable.description;
        match &variable.default {
            None => output::line(&format!("  {key} = \"…\"    # {about}")),
            Some(default) => output::line(&format!("  #{key} = \"{default}\"    # {about}")),
        }
    }
    for note in &about.notes {
        output::line(&format!("Note: {note}"));
    }
    output::line(match entry.addresses() {
        Addresses::IfVerified => "E-mail addresses count if it says that they are verified.",
        Addresses::Never => "No e-mail address of it counts: trust_email is \"never\".",
        Addresses::Unverified => {
            "No e-mail address of it counts: it does not say whether they are verified."
        }
    });
    let sources: Vec<&str> = about
        .evidence
        .iter()
        .map(|one| catalog::source_of(one))
        .collect();
    output::line(&format!(
        "Its endpoints are named by {}.",
        sources.join(", ")
    ));
    output::line("What is set, and what you may write otherwise:");
    let sets = toml::to_string(entry.sets()).unwrap_or_default();
    for line in sets.lines() {
        output::line(&format!("  {line}"));
    }
}
