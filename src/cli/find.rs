//! `vestibule connections find`: where somebody signs in by what they type. The login's own code is
//! asked, without a running process and without a network.

use std::net::IpAddr;

use anyhow::anyhow;
use serde_json::{Value, json};
use url::Url;

use super::{Ended, Place, Unusable, output};
use crate::{
    app::App,
    config::Settings,
    connection::realm_of,
    flow::Engine,
    identity::ConnectionId,
    protocol::{CanonicalPath, Host},
};

/// What `connections find` takes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// What somebody types: an e-mail address, a user principal name, a username.
    name: String,
    /// The page they want, like `https://wiki.example.com/`. Default: `public_url`.
    #[arg(long)]
    url: Option<String>,
    /// Where they come from: their network may preselect a connection, and show a private one.
    #[arg(long)]
    address: Option<IpAddr>,
}

/// Finds.
pub(super) fn run(place: &Place, arguments: &Arguments, json: bool) -> anyhow::Result<Ended> {
    let loaded = place.load()?;
    let settings = &loaded.settings;
    let page = Page::of(arguments.url.as_deref(), settings)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let found = runtime.block_on(async {
        let app = App::open(settings, false).await?;
        let live = app
            .build(settings)
            .map_err(|problems| loaded.report(problems))?;
        anyhow::Ok(find(&live.site.engine, settings, &page, arguments))
    })?;
    if json {
        output::json(&found);
    } else {
        show(&found);
    }
    Ok(Ended::Done)
}

struct Page {
    host: Host,
    path: CanonicalPath<'static>,
}

impl Page {
    fn of(url: Option<&str>, settings: &Settings) -> anyhow::Result<Self> {
        let Some(url) = url else {
            return Ok(Self {
                host: settings.public_url.host.clone(),
                path: CanonicalPath::root(),
            });
        };
        let unusable = |why: &dyn std::fmt::Display| anyhow!(Unusable(format!("--url: {why}")));
        let url = Url::parse(url).map_err(|error| unusable(&error))?;
        let host = Host::parse(url.host_str().unwrap_or_default());
        let path = CanonicalPath::parse(url.path()).map_err(|error| unusable(&error))?;
        Ok(Self {
            host: host.map_err(|error| unusable(&error))?,
            path: path.into_owned(),
        })
    }
}

fn find(engine: &Engine, settings: &Settings, page: &Page, arguments: &Arguments) -> Value {
    let typed = arguments.name.as_str();
    let offer = engine.offer_at(&page.host, &page.path);
    let connections = &engine.connections;
    let preselected = engine.preselected(arguments.address, offer);
    let known = engine.known_by(arguments.address, None, offer);
    let everything: Vec<_> = (settings.connections.iter())
        .map(|entry| entry.id.clone())
        .collect();
    let by_rule = connections.by_domain(typed, offer, &everything);
    let shown = connections.by_domain(typed, offer, &known);
    let leads_to = shown.map(|found| found.connections).unwrap_or_default();
    let form = offer.form.as_ref();
    let read_by = form.map(|form| connections.behind_form(offer, form, typed));
    let named = |id: &ConnectionId| {
        let entry = settings.connections.iter().find(|entry| entry.id == *id);
        json!({
            "name": id,
            "strategy": entry.map(|entry| entry.strategy.name),
            "discovery": entry.map(|entry| entry.common.discovery),
        })
    };
    json!({
        "typed": typed,
        "domain": realm_of(typed).map(|domain| domain.to_string()),
        "rule": by_rule.as_ref().map(|found| found.rule.to_string()),
        "connections": by_rule.iter().flat_map(|found| &found.connections).map(named).collect::<Vec<_>>(),
        "preselected": preselected,
        "leads_to": leads_to,
        // What is shown to whoever is led nowhere.
        "form": form.map(|form| &form.id),
        "password_checked_by": read_by,
    })
}

fn show(found: &Value) {
    let cell = |field: &str| output::cell(found, field);
    let list = |field: &str| {
        let all = found.get(field).and_then(Value::as_array);
        all.map_or(0, Vec::len)
    };
    output::line(&cell("typed"));
    output::line(&format!("  domain       {}", cell("domain")));
    output::line(&format!("  rule         {}", cell("rule")));
    for one in found
        .get("connections")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        output::line(&format!(
            "               of {} ({}, {})",
            output::cell(one, "name"),
            output::cell(one, "strategy"),
            output::cell(one, "discovery"),
        ));
    }
    if list("preselected") > 0 {
        let before = cell("preselected");
        output::line(&format!(
            "  preselected  {before}, before anything is typed"
        ));
    }
    let form = cell("form");
    let leads_to = match (list("leads_to"), form.as_str()) {
        (1, _) => cell("leads_to"),
        (0, "-") => {
            "nowhere: the page says that nobody knows where this person signs in".to_owned()
        }
        (0, form) => {
            let reads = cell("password_checked_by");
            if reads == form {
                format!("the password form of {form}")
            } else {
                format!("the password form of {form}; the password is checked by {reads}")
            }
        }
        _ => format!("a choice of {}", cell("leads_to")),
    };
    output::line(&format!("  leads to     {leads_to}"));
}
