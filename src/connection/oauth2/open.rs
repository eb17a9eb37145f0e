//! From the keys of the configuration to a connection.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use http::HeaderName;

use super::{
    AuthMethod, Call, Config, OAuth2, Provider, Set,
    authorization::{Authorize, OURS},
    profile::Question,
    refused::{PROFILE, TOKEN},
    request::Ask,
    token::Exchange,
};
use crate::{
    connection::{
        Common, Connection, Mapping, PATH_HINT, Paths,
        oauth::{Endpoint, Template, is_name},
        registry::{OpenConnection, Parts},
    },
    egress::http::{Client, Written},
    identity::ConnectionId,
    problem::Problem,
};

/// Names that a value carried from one call to the next cannot have.
const RESERVED: [&str; 7] = [
    "access_token",
    "appsecret_proof",
    "client_id",
    "client_secret",
    "code",
    "error",
    "id_token",
];

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let read = self.read(common, &Client::new());
        read.err().unwrap_or_default()
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        Ok(Arc::new(OAuth2 {
            id,
            set: self.read(common, &parts.http)?,
            parts: parts.clone(),
        }))
    }

    fn files(&self) -> Vec<&Path> {
        self.ca.iter().map(PathBuf::as_path).collect()
    }
}

impl Config {
    /// Everything that is set, or all that is wrong with it.
    fn read(&self, common: &Common, client: &Client) -> Result<Set, Vec<Problem>> {
        let mut reader = Reader::new(self.danger_plain_http);
        self.check(common, &mut reader);
        let provider = &self.provider;
        let authorize = self.authorize(common, &mut reader);
        let exchange = exchange(provider, &mut reader);
        let questions = self.questions(&mut reader);
        let subject = reader.paths("provider.subject", &provider.subject);
        let mapping = mapping(provider, common).map_err(|found| reader.problems.extend(found));
        let http = self.http(client, &mut reader);
        let problems = reader.problems;
        let (Some(authorize), Some(exchange), Some(questions), Some(http)) =
            (authorize, exchange, questions, http)
        else {
            return Err(problems);
        };
        let (Some(subject), Ok(mapping), true) = (subject, mapping, problems.is_empty()) else {
            return Err(problems);
        };
        Ok(Set {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            pkce: provider.pkce,
            issuer: provider.issuer.clone(),
            authorize,
            exchange,
            questions,
            subject,
            subject_written: provider.subject.clone(),
            compose: templates(&provider.compose),
            mapping,
            http,
        })
    }

    fn check(&self, common: &Common, reader: &mut Reader) {
        let method = self.provider.token.auth_method;
        if self.client_id.is_empty() {
            reader.refuse(
                "client_id",
                "the key client_id is missing",
                "the provider gave it when this client was registered",
            );
        }
        if method != AuthMethod::None && self.client_secret.is_none() {
            reader.refuse(
                "client_secret",
                "the key client_secret is missing",
                "the provider gave it; for a client without one, set provider.token.auth_method = \
                 \"none\"",
            );
        }
        let own = self.provider.authorization.params.keys();
        let own = own.map(|name| (format!("provider.authorization.params.{name}"), name));
        let common = common.upstream_params.keys();
        let common = common.map(|name| (format!("upstream_params.{name}"), name));
        for (key, _) in own
            .chain(common)
            .filter(|(_, name)| OURS.contains(&name.as_str()))
        {
            let hint = "the checks of the answer hang on it";
            reader.refuse(&key, "this parameter is set by us", hint);
        }
    }

    fn authorize(&self, common: &Common, reader: &mut Reader) -> Option<Authorize> {
        let written = &self.provider.authorization;
        let endpoint = reader.endpoint("provider.authorization.endpoint", &written.endpoint)?;
        let authorize = Authorize {
            endpoint,
            params: templates(&written.params),
            upstream_params: common.upstream_params.clone(),
            names: written.names.clone(),
            scope: self
                .scopes
                .as_ref()
                .unwrap_or(&self.provider.scopes)
                .join(&written.scope_separator),
            carry: written.carry.clone(),
        };
        let texts = authorize.params.iter().map(|(_, text)| text);
        let names = texts
            .flat_map(Template::names)
            .chain(authorize.endpoint.names());
        for name in names.filter(|name| *name != "client_id") {
            let why = format!("nothing gives {{{name}}} before the login");
            reader.refuse("provider.authorization", &why, "only {client_id} is known");
        }
        for name in &written.carry {
            reader.carried("provider.authorization.carry", name);
        }
        Some(authorize)
    }

    fn questions(&self, reader: &mut Reader) -> Option<Vec<Question>> {
        reader.names.insert("access_token".to_owned());
        if self.client_secret.is_some() {
            reader.names.insert("appsecret_proof".to_owned());
        }
        let all = self.provider.profile.iter().enumerate();
        let read = all.map(|(at, call)| question(&format!("provider.profile[{at}]"), call, reader));
        read.collect::<Vec<_>>().into_iter().collect()
    }

    /// The way out: only to the hosts that are written here may it lead inside.
    fn http(&self, client: &Client, reader: &mut Reader) -> Option<Client> {
        let written = Written {
            hosts: reader.hosts.clone(),
            danger_plain_http: self.danger_plain_http,
        };
        let client = client.written(written).trusting(self.ca.as_deref());
        client.map_err(|problem| reader.problems.push(problem)).ok()
    }
}

fn exchange(provider: &Provider, reader: &mut Reader) -> Option<Exchange> {
    let written = &provider.token;
    let ask = Ask {
        step: TOKEN,
        endpoint: reader.endpoint("provider.token.endpoint", &written.endpoint)?,
        send: written.send,
        params: templates(&written.params),
        headers: reader.headers("provider.token.headers", &written.headers),
        error: reader.paths("provider.token.error", &written.error)?,
    };
    reader.known("provider.token", &ask);
    Some(Exchange {
        ask,
        auth_method: written.auth_method,
        names: written.names.clone(),
        access_token: reader.paths("provider.token.access_token", &written.access_token)?,
        token_type: written.token_type,
        carry: reader.carry("provider.token.carry", &written.carry)?,
    })
}

fn question(key: &str, call: &Call, reader: &mut Reader) -> Option<Question> {
    let ask = Ask {
        step: PROFILE,
        endpoint: reader.endpoint(&format!("{key}.endpoint"), &call.endpoint)?,
        send: call.send,
        params: templates(&call.params),
        headers: reader.headers(&format!("{key}.headers"), &call.headers),
        error: reader.paths(&format!("{key}.error"), &call.error)?,
    };
    reader.known(key, &ask);
    let at = match &call.at {
        Some(path) => Some(reader.paths(&format!("{key}.at"), path)?),
        None => None,
    };
    let bearer = ask.names().all(|name| name != "access_token");
    Some(Question {
        ask,
        bearer,
        at,
        into: call.into.clone(),
        emails: call.emails.clone(),
        carry: reader.carry(&format!("{key}.carry"), &call.carry)?,
    })
}

/// The provider's mapping, and the operator's over it.
fn mapping(provider: &Provider, common: &Common) -> Result<Mapping, Vec<Problem>> {
    let mapping = Mapping::new(&provider.claims).map_err(|found| {
        let found = found.into_iter();
        let under = found.map(|problem| problem.under("provider"));
        under.collect::<Vec<_>>()
    });
    mapping?.over(&common.claims)
}

fn templates(all: &BTreeMap<String, String>) -> Vec<(String, Template)> {
    let read = |(name, text): (&String, &String)| (name.clone(), Template::parse(text));
    all.iter().map(read).collect()
}

/// Reads texts and keeps what is wrong with them.
#[derive(Debug)]
struct Reader {
    problems: Vec<Problem>,
    danger_plain_http: bool,
    /// What is known so far in a login.
    names: BTreeSet<String>,
    /// Whose endpoints were written.
    hosts: HashSet<String>,
}

impl Reader {
    fn new(danger_plain_http: bool) -> Self {
        Self {
            problems: Vec::new(),
            danger_plain_http,
            names: BTreeSet::from(["client_id".to_owned()]),
            hosts: HashSet::new(),
        }
    }

    fn refuse(&mut self, key: &str, why: &str, hint: &str) {
        self.problems.push(Problem::new(key, why).hint(hint));
    }

    fn endpoint(&mut self, key: &str, text: &str) -> Option<Endpoint> {
        if text.is_empty() {
            self.refuse(key, "the endpoint is missing", "an https URL");
            return None;
        }
        let read = Endpoint::parse(text).and_then(|endpoint| {
            endpoint.check_secure(self.danger_plain_http)?;
            Ok(endpoint)
        });
        let refused = read.map_err(|why| self.refuse(key, why, text));
        let endpoint = refused.ok()?;
        let host = endpoint.sample().host_str().map(str::to_owned);
        self.hosts.extend(host);
        Some(endpoint)
    }

    fn paths(&mut self, key: &str, text: &str) -> Option<Paths> {
        let read = Paths::parse(text);
        let refused = read.map_err(|error| self.refuse(key, &error.to_string(), PATH_HINT));
        refused.ok()
    }

    fn headers(
        &mut self,
        key: &str,
        all: &BTreeMap<String, String>,
    ) -> Vec<(HeaderName, Template)> {
        let mut read = Vec::new();
        for (name, text) in all {
            match HeaderName::try_from(name) {
                Ok(name) => read.push((name, Template::parse(text))),
                Err(_) => self.refuse(&format!("{key}.{name}"), "this is no header's name", name),
            }
        }
        read
    }

    /// Whether everything that a request needs is known when it is made.
    fn known(&mut self, key: &str, ask: &Ask) {
        for name in ask.names() {
            if !self.names.contains(name) {
                let why = format!("nothing gives {{{name}}} before this call");
                self.refuse(key, &why, "an earlier call can carry it");
            }
        }
    }

    fn carry(&mut self, key: &str, all: &BTreeMap<String, String>) -> Option<Vec<(String, Paths)>> {
        let mut read = Vec::new();
        for (name, text) in all {
            let key = format!("{key}.{name}");
            self.carried(&key, name);
            read.push((name.clone(), self.paths(&key, text)?));
        }
        Some(read)
    }

    /// A value is known from here on. No two have one name: the browser's would be taken for the
    /// provider's.
    fn carried(&mut self, key: &str, name: &str) {
        if !is_name(name) || RESERVED.contains(&name) {
            let hint = "letters, digits, _ - and ., and none of our own names";
            self.refuse(key, &format!("{name:?} is no name for a value"), hint);
        } else if !self.names.insert(name.to_owned()) {
            self.refuse(key, &format!("{name:?} is carried twice"), "choose another");
        }
    }
}
