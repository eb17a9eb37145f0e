//! From the keys of the configuration to a connection.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use url::Url;

use super::{
    AuthMethod, Beginnings, ClientKeys, Config, Issuer, Mapping, Oidc, Provider, Set,
    authorization, issuer,
};
use crate::{
    connection::{
        Common, Connection,
        registry::{OpenConnection, Parts},
    },
    crypto::jose::{Algorithm, PrivateKey},
    egress::http::{Client, ClientTls, Written},
    identity::ConnectionId,
    problem::Problem,
    secret::Secret,
};

/// What is accepted unless something else is set: no algorithm with a shared secret, and none with
/// SHA-1 or without a signature, which do not even have a name here.
const ALGORITHMS: [Algorithm; 11] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::EdDSA,
    Algorithm::Ed25519,
];

impl OpenConnection for Config {
    fn problems(&self, common: &Common) -> Vec<Problem> {
        let mut problems = self.misfits(common);
        let mapping = Mapping::new(&common.claims).map(drop);
        let keys = self.read_keys().map(drop);
        let tls = self.http(&Client::new()).map(drop);
        let parts = [mapping, keys, tls];
        problems.extend(parts.into_iter().filter_map(Result::err).flatten());
        problems
    }

    fn open(
        &self,
        id: ConnectionId,
        common: &Common,
        parts: &Parts,
    ) -> Result<Arc<dyn Connection>, Vec<Problem>> {
        let problems = self.problems(common);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (own, decryption) = self.read_keys()?;
        let keys = ClientKeys {
            connection: id.clone(),
            ring: parts.ring.clone(),
            own,
            algorithm: self.signing_alg.filter(|one| !one.is_symmetric()),
            decryption,
        };
        let issuer = match &self.quirks.tenant_issuer {
            Some(around) => Issuer::OfTenant {
                authority: self.issuer.clone(),
                before: around.before.clone(),
                after: around.after.clone(),
            },
            None => Issuer::Is(self.issuer.clone()),
        };
        let http = self.http(&parts.http)?;
        Ok(Arc::new(Oidc {
            id,
            set: self.set(common),
            provider: Provider::new(issuer, self.endpoints.clone(), http, parts.clock.clone()),
            keys,
            mapping: Mapping::new(&common.claims)?,
            beginnings: Beginnings::default(),
            parts: parts.clone(),
        }))
    }

    fn files(&self) -> Vec<&Path> {
        let files = [&self.ca, &self.client_certificate];
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

impl Config {
    /// What does not fit, with keys that begin in this table.
    fn misfits(&self, common: &Common) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |key: &str, why: &str, hint: &str| {
            problems.push(Problem::new(key, why).hint(hint));
        };
        if self.issuer.is_empty() {
            refuse(
                "issuer",
                "the key issuer is missing",
                "the provider's issuer identifier, an https URL",
            );
        } else if let Err(why) = issuer::check(&self.issuer, self.danger_plain_http) {
            refuse(
                "issuer",
                why,
                "it is what its tokens have as iss, and its metadata as issuer",
            );
        }
        if self.client_id.is_empty() {
            refuse(
                "client_id",
                "the key client_id is missing",
                "the provider gave it when this client was registered",
            );
        }
        if self
            .scopes
            .as_ref()
            .is_some_and(|scopes| !scopes.iter().any(|one| one == "openid"))
        {
            refuse(
                "scopes",
                "without the scope openid there is no ID token",
                "add \"openid\"",
            );
        }
        self.check_method(&mut refuse);
        if self.id_token_algs.iter().any(|one| one.is_symmetric()) && self.client_secret.is_none() {
            refuse(
                "id_token_algs",
                "HS256 and its like need a client_secret",
                "set it, or leave them out",
            );
        }
        let weak = |secret: &Secret| secret.expose().len() < 32;
        let symmetric = self.id_token_algs.iter().any(|one| one.is_symmetric());
        if symmetric && self.client_secret.as_ref().is_some_and(weak) {
            refuse(
                "client_secret",
                "a secret that verifies ID tokens has at least 32 bytes",
                "leave HS256 and its like out of id_token_algs",
            );
        }
        for name in common.upstream_params.keys() {
            if authorization::OURS.contains(&name.as_str()) {
                let hint = "the checks of the answer hang on it; most have a key of their own";
                refuse(
                    &format!("upstream_params.{name}"),
                    "this parameter is set by us",
                    hint,
                );
            }
        }
        if self.client_certificate.is_some() != self.client_certificate_key.is_some() {
            refuse(
                "client_certificate",
                "a client certificate and its key come together",
                "set client_certificate and client_certificate_key",
            );
        }
        for url in self.endpoints.urls() {
            if let Err(why) = check_endpoint(url, self.danger_plain_http) {
                refuse("endpoints", why, url.as_str());
            }
        }
        problems
    }

    fn check_method(&self, refuse: &mut impl FnMut(&str, &str, &str)) {
        const KEY: &str = "token_endpoint_auth_method";
        let secret = self.client_secret.is_some();
        match self.token_endpoint_auth_method {
            Some(
                AuthMethod::ClientSecretBasic
                | AuthMethod::ClientSecretPost
                | AuthMethod::ClientSecretJwt,
            ) if !secret => refuse(
                KEY,
                "this method needs a client_secret",
                "set it, or another method",
            ),
            Some(AuthMethod::TlsClientAuth) if self.client_certificate.is_none() => {
                refuse(
                    KEY,
                    "this method needs a client certificate",
                    "set client_certificate and client_certificate_key",
                );
            }
            _ => {}
        }
    }

    /// The operator's keys: the one that signs, and those that something is encrypted for.
    fn read_keys(&self) -> Result<(Option<PrivateKey>, Vec<PrivateKey>), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut read = |key: String, secret: &Secret| {
            let read = PrivateKey::parse(secret);
            read.map_err(|error| problems.push(Problem::new(key, error.to_string())))
                .ok()
        };
        let own = self.private_key.as_ref();
        let own = own.and_then(|secret| read("private_key".to_owned(), secret));
        let decryption = self.decryption_keys.iter().enumerate();
        let decryption =
            decryption.filter_map(|(at, secret)| read(format!("decryption_keys[{at}]"), secret));
        let decryption = decryption.collect();
        if problems.is_empty() {
            Ok((own, decryption))
        } else {
            Err(problems)
        }
    }

    /// The way out to this provider: only to the hosts that are written here may it lead inside.
    fn http(&self, client: &Client) -> Result<Client, Vec<Problem>> {
        let issuer = Url::parse(&self.issuer).ok();
        let graph = self.quirks.graph_endpoint.iter();
        let urls = issuer.iter().chain(self.endpoints.urls()).chain(graph);
        let written = Written {
            hosts: urls
                .filter_map(|url| url.host_str().map(str::to_owned))
                .collect(),
            danger_plain_http: self.danger_plain_http,
        };
        let client = client.written(written);
        if self.ca.is_none() && self.client_certificate.is_none() {
            return Ok(client);
        }
        let file = |key: &str, path: &Path| {
            let why = |error| format!("{} cannot be read: {error}", path.display());
            fs::read(path).map_err(|error| vec![Problem::new(key, why(error))])
        };
        let ca = self.ca.as_deref().map(|path| file("ca", path));
        let identity = match (&self.client_certificate, &self.client_certificate_key) {
            (Some(path), Some(key)) => Some((file("client_certificate", path)?, key.clone())),
            _ => None,
        };
        let tls = ClientTls {
            ca: ca.transpose()?,
            identity,
        };
        client.with_tls(&tls).map_err(|error| {
            let key = if self.ca.is_some() {
                "ca"
            } else {
                "client_certificate"
            };
            vec![Problem::new(key, error.to_string())]
        })
    }

    fn set(&self, common: &Common) -> Set {
        let scopes = || ["openid", "profile", "email"].map(str::to_owned).into();
        let algorithms = &self.id_token_algs;
        Set {
            client_id: self.client_id.clone(),
            client_secret: self.client_secret.clone(),
            auth_method: self.token_endpoint_auth_method,
            has_certificate: self.client_certificate.is_some(),
            has_own_key: self.private_key.is_some(),
            scopes: self.scopes.clone().unwrap_or_else(scopes),
            response_mode: self.response_mode,
            prompt: self.prompt.clone(),
            max_age: self.max_age.map(|span| span.0.as_secs()),
            acr_values: self.acr_values.clone(),
            accepted_acr_values: self
                .accepted_acr_values
                .clone()
                .unwrap_or_else(|| self.acr_values.clone()),
            ui_locales: self.ui_locales.clone(),
            request_claims: self
                .request_claims
                .as_ref()
                .and_then(|table| serde_json::to_string(table).ok()),
            pushed: self.pushed_authorization,
            signed_request: self.signed_request,
            signing_alg: self.signing_alg,
            assertion_audience: self.client_assertion_audience,
            id_token_algs: if algorithms.is_empty() {
                ALGORITHMS.into()
            } else {
                algorithms.clone()
            },
            encrypted_id_token: self.encrypted_id_token,
            trusted_audiences: self.trusted_audiences.clone(),
            userinfo: self.userinfo.unwrap_or(true),
            dpop: self.dpop,
            logout: self.logout,
            upstream_params: common.upstream_params.clone(),
            quirks: self.quirks.clone(),
        }
    }
}

fn check_endpoint(url: &Url, danger_plain_http: bool) -> Result<(), &'static str> {
    let mut bare = url.clone();
    bare.set_query(None);
    issuer::check(bare.as_str(), danger_plain_http).map(drop)
}
