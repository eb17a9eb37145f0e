//! `vestibule connections catalog`: the providers that are known.

use serde_json::{Value, json};

use super::{Ended, Place, output};
use crate::connection::catalog::{self, Credential, Entry};

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
            "the catalogue has no {name:?}; see connections catalog, or use the strategy oidc or oauth2"
        ));
        return Ended::NotAsAsked;
    };
    // The address to register hangs on where people sign in; without a file that is not known yet.
    let pages = place.file().and_then(|_| place.load().ok()).map_or_else(
        || "https://YOUR-PUBLIC-URL/.auth".to_owned(),
        |loaded| {
            let settings = &loaded.settings;
            format!("{}{}", settings.public_url, settings.auth_prefix.as_str())
        },
    );
    let redirect_uri = format!("{pages}/callback/{name}");
    let jwks_uri = entry.needs_keys().then(|| format!("{pages}/jwks/{name}"));
    if json {
        let mut shown = row((name, entry));
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("variables".to_owned(), json!(entry.variables));
            shown.insert("credential".to_owned(), json!(entry.credential()));
            shown.insert("redirect_uri".to_owned(), redirect_uri.into());
            shown.insert("jwks_uri".to_owned(), jwks_uri.into());
        }
        output::json(&shown);
    } else {
        show(name, entry, &redirect_uri, jwks_uri.as_deref());
    }
    Ended::Done
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

fn show(name: &str, entry: &Entry, redirect_uri: &str, jwks_uri: Option<&str>) {
    let about = &entry.about;
    output::line(&format!("{} ({name})", about.name));
    if let Some(why) = &about.retired {
        output::line(&format!("It cannot be used any more: {why}"));
        return;
    }
    output::line(&format!("Register at {}", about.docs));
    output::line(&format!("  redirect URI: {redirect_uri}"));
    if let Some(jwks_uri) = jwks_uri {
        output::line(&format!("  public keys (JWKS URI): {jwks_uri}"));
    }
    output::line("and write");
    output::line(&format!("  [connections.{name}]"));
    output::line(&format!("  strategy = \"{name}\""));
    output::line("  client_id = \"…\"");
    match entry.credential() {
        Credential::ClientSecret => output::line("  client_secret = { env = \"…\" }"),
        Credential::PrivateKey => output::line("  private_key = { file = \"…\" }"),
        Credential::PrivateKeyJwt | Credential::None => {}
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
}
