//! `vestibule explain`: what would become of a request. The gate itself is asked.

use std::net::IpAddr;

use anyhow::{Context, anyhow};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Ended, Place, Unusable, execute::find_user, output};
use crate::{
    app::App,
    clock::{Clock, SystemClock},
    gate::{Judged, RequestFacts},
    headers::assertion::ASSERTION,
    policy::Facts,
    protocol::{CanonicalPath, Host, Scheme},
    proxy::Live,
    session::Principal,
    store::{IdentityRecord, UserRecord},
    units::Span,
};

/// What `explain` takes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// The page, like `https://wiki.example.com/private`.
    #[arg(long)]
    url: String,
    /// Somebody signed in: an id, a handle or a name to sign in with. Without it: nobody.
    #[arg(long)]
    user: Option<String>,
    /// The connection they came by. Default: that of their first identity.
    #[arg(long, requires = "user")]
    connection: Option<String>,
    /// How they signed in (RFC 8176). May be repeated.
    #[arg(long, requires = "user", default_value = "pwd")]
    amr: Vec<String>,
    /// They have proven a second factor here.
    #[arg(long, requires = "user")]
    second_factor: bool,
    /// How long ago they did, like `2h`.
    #[arg(long, requires = "user", default_value = "0s")]
    auth_age: Span,
    /// Where the request comes from.
    #[arg(long)]
    address: Option<IpAddr>,
    /// The request's method.
    #[arg(short = 'X', long = "request", default_value = "GET")]
    method: String,
    /// A header of the request, like `Sec-Fetch-Mode: navigate`. May be repeated.
    #[arg(short = 'H', long = "header")]
    headers: Vec<String>,
}

/// Explains.
pub(super) fn run(place: &Place, arguments: &Arguments, json: bool) -> anyhow::Result<Ended> {
    let asked = Asked::parse(arguments)?;
    let loaded = place.load()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let explained = runtime.block_on(async {
        let app = App::open(&loaded.settings, false).await?;
        let live = app
            .build(&loaded.settings)
            .map_err(|problems| loaded.report(problems))?;
        let person = match &arguments.user {
            Some(user) => Some(person((&app, &live), user, arguments).await?),
            None => None,
        };
        let facts = Facts {
            scheme: asked.scheme,
            host: &asked.host,
            path: &asked.path,
            method: &asked.method,
            address: arguments.address,
            now: SystemClock.now(),
        };
        let request = RequestFacts {
            facts,
            headers: &asked.headers,
        };
        let who = person.as_ref().map(Person::principal);
        let judged = live.gate.judge(&request, who);
        let assertions = live.site.assertions.load();
        let claims = live.gate.claims(&judged, &request, who, &assertions);
        anyhow::Ok(explain(&judged, claims, arguments))
    })?;
    if json {
        output::json(&explained);
    } else {
        show(&explained);
    }
    Ok(Ended::Done)
}

struct Asked {
    scheme: Scheme,
    host: Host,
    path: CanonicalPath<'static>,
    method: Method,
    headers: HeaderMap,
}

impl Asked {
    fn parse(arguments: &Arguments) -> anyhow::Result<Self> {
        let unusable = |why: String| anyhow!(Unusable(why));
        let url =
            Url::parse(&arguments.url).map_err(|error| unusable(format!("--url: {error}")))?;
        let scheme = Scheme::parse(url.scheme())
            .ok_or_else(|| unusable("--url begins with http:// or https://".to_owned()))?;
        let host = Host::parse(url.host_str().unwrap_or_default())
            .map_err(|error| unusable(format!("--url: {error}")))?;
        let path = CanonicalPath::parse(url.path())
            .map_err(|error| unusable(format!("--url: {error}")))?
            .into_owned();
        let method = Method::from_bytes(arguments.method.as_bytes())
            .map_err(|_| unusable(format!("{:?} is no method", arguments.method)))?;
        let mut headers = HeaderMap::new();
        for line in &arguments.headers {
            let pair = line.split_once(':').and_then(|(name, value)| {
                let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
                Some((name, HeaderValue::from_str(value.trim()).ok()?))
            });
            let (name, value) =
                pair.ok_or_else(|| unusable(format!("{line:?} is not of the form Name: value")))?;
            headers.append(name, value);
        }
        if arguments.headers.is_empty() {
            headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        }
        Ok(Self {
            scheme,
            host,
            path,
            method,
            headers,
        })
    }
}

struct Person {
    user: UserRecord,
    identity: IdentityRecord,
    authentication: crate::identity::Authentication,
}

impl Person {
    fn principal(&self) -> Principal<'_> {
        Principal {
            user: &self.user,
            authentication: &self.authentication,
            identity: &self.identity,
        }
    }
}

async fn person(
    (app, live): (&App, &Live),
    name: &str,
    arguments: &Arguments,
) -> anyhow::Result<Person> {
    let user = find_user(app, live, name).await?;
    let identities = app.directory.store().identities(&user.id).await?;
    let connection = arguments.connection.as_ref();
    let identity = identities
        .into_iter()
        .find(|known| connection.is_none_or(|one| known.identity.connection.as_str() == one))
        .with_context(|| format!("{} has no identity of that connection", user.id))?;
    let now = app.clock.now();
    let mut amr = arguments.amr.clone();
    if arguments.second_factor {
        amr.extend(["otp", "mfa"].map(str::to_owned));
    }
    let authentication = crate::identity::Authentication {
        connection: identity.identity.connection.clone(),
        subject: identity.identity.subject.clone(),
        auth_time: now - arguments.auth_age.0,
        amr,
        acr: None,
        proven_at: None,
        second_factor_at: arguments.second_factor.then_some(now),
    };
    Ok(Person {
        user,
        identity,
        authentication,
    })
}

fn explain(judged: &Judged, claims: Option<Map<String, Value>>, arguments: &Arguments) -> Value {
    let header = |(name, value): &(HeaderName, HeaderValue)| json!({ "name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) });
    json!({
        "request": format!("{} {}", arguments.method, arguments.url),
        "as": arguments.user,
        "route": judged.route.as_ref().map(|route| json!({
            "number": route.index,
            "matches": route.to_string(),
            "connections": route.policy.offered(),
            "second_factor": route.policy.demand(),
        })),
        "rule": judged.rule.as_ref().map(ToString::to_string),
        "rules": judged.answers.iter().map(|(rule, answer)| json!({
            "rule": rule.to_string(),
            "answer": format!("{answer:?}"),
        })).collect::<Vec<_>>(),
        "verdict": judged.verdict.to_string(),
        "missing": judged.verdict.missing(),
        "headers": judged.headers.iter().map(header).collect::<Vec<_>>(),
        "assertion": claims.map(|claims| json!({
            "name": ASSERTION.as_str(),
            "claims": claims,
        })),
    })
}

fn show(explained: &Value) {
    output::line(&output::cell(explained, "request"));
    let route = explained.get("route").filter(|route| !route.is_null());
    let route = route.map_or_else(
        || "none".to_owned(),
        |route| {
            format!(
                "{} (number {})",
                output::cell(route, "matches"),
                output::cell(route, "number")
            )
        },
    );
    output::line(&format!(
        "  as       {}",
        match output::cell(explained, "as").as_str() {
            "-" => "nobody",
            user => user,
        }
    ));
    output::line(&format!("  route    {route}"));
    output::line(&format!("  rule     {}", output::cell(explained, "rule")));
    output::line(&format!(
        "  verdict  {}",
        output::cell(explained, "verdict")
    ));
    if explained.get("missing").is_some_and(Value::is_string) {
        output::line(&format!(
            "  missing  {}",
            output::cell(explained, "missing")
        ));
    }
    for rule in explained
        .get("rules")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        output::line(&format!(
            "    {}: {}",
            output::cell(rule, "rule"),
            output::cell(rule, "answer")
        ));
    }
    output::line("  headers");
    for header in explained
        .get("headers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        output::line(&format!(
            "    {}: {}",
            output::cell(header, "name"),
            output::cell(header, "value")
        ));
    }
    if let Some(assertion) = explained.get("assertion").filter(|one| !one.is_null()) {
        output::line(&format!("    {}: signed", output::cell(assertion, "name")));
        let claims = assertion.get("claims").and_then(Value::as_object);
        for (claim, value) in claims.into_iter().flatten() {
            let value = output::plain(&value.to_string());
            output::line(&format!("      {claim}: {value}"));
        }
    }
}
