//! `server.listen` and `[[server.listeners]]`: where we listen, and what fits together there.

use std::{collections::HashSet, path::PathBuf};

use super::{
    build::{Checks, socket_address},
    file::{ClientCertificates, ListenerConfig, ServerConfig, Serves, ServesConfig},
    settings::{Address, Listener},
};
use crate::{
    problem::Problem,
    protocol::{Origin, Scheme},
};

impl Checks {
    pub(super) fn listeners(
        &mut self,
        server: &ServerConfig,
        public_url: Option<&Origin>,
    ) -> Vec<Listener> {
        let mut listeners = Vec::new();
        let nowhere = server.listen.is_empty() && server.listeners.is_empty();
        let default = nowhere.then(|| "127.0.0.1:8080".to_owned());
        for (index, address) in server.listen.iter().chain(&default).enumerate() {
            let plain = ListenerConfig {
                address: address.clone(),
                tls: Vec::new(),
                client_ca: None,
                client_certificates: ClientCertificates::default(),
                serves: ServesConfig::default(),
                mode: None,
            };
            listeners.extend(self.listener(&plain, format!("server.listen[{index}]")));
        }
        for (index, listener) in server.listeners.iter().enumerate() {
            listeners.extend(self.listener(listener, format!("server.listeners[{index}].address")));
        }
        let mut seen = HashSet::new();
        for listener in &listeners {
            if !seen.insert(match &listener.address {
                Address::Tcp(address) => address.to_string(),
                Address::Unix(path, _) => path.display().to_string(),
            }) {
                self.add(Problem::new(
                    &listener.key,
                    "the address is listened on twice",
                ));
            }
        }
        let encrypted_in_front = !server.trusted_proxies.is_empty()
            && public_url.is_none_or(|origin| origin.scheme == Scheme::Https);
        if !encrypted_in_front && !server.danger_plain_http {
            for listener in &listeners {
                self.plain_listener(listener);
            }
        }
        listeners
    }

    /// Refuses what others than this machine could read on its way.
    fn plain_listener(&mut self, listener: &Listener) {
        let Address::Tcp(address) = listener.address else {
            return;
        };
        let plain = listener.certificates.is_empty() && listener.serves == Serves::Proxy;
        if plain && !address.ip().to_canonical().is_loopback() {
            self.add(
                Problem::new(
                    &listener.key,
                    "others than this machine could come in by plain http",
                )
                .hint(
                    "add tls, or set server.public_url to https and server.trusted_proxies to \
                         the proxy in front, or set server.danger_plain_http = true",
                ),
            );
        }
    }

    fn listener(&mut self, config: &ListenerConfig, key: String) -> Option<Listener> {
        let before = self.found();
        let address = self.address(config, &key);
        let inside = |name: &str| key.replace(".address", &format!(".{name}"));
        if config.client_ca.is_some() && config.tls.is_empty() {
            self.add(
                Problem::new(inside("client_ca"), "client certificates need TLS")
                    .hint("add tls = [{ cert = \"…\", key = \"…\" }]"),
            );
        }
        if matches!(address, Some(Address::Unix(..))) && !config.tls.is_empty() {
            self.add(Problem::new(inside("tls"), "a Unix socket has no TLS"));
        }
        let asks = config.client_certificates == ClientCertificates::Ask;
        if asks && config.tls.is_empty() {
            self.add(
                Problem::new(
                    inside("client_certificates"),
                    "client certificates need TLS",
                )
                .hint("add tls = [{ cert = \"…\", key = \"…\" }]"),
            );
        }
        if asks && config.client_ca.is_some() {
            self.add(
                Problem::new(
                    inside("client_certificates"),
                    "client_ca demands them already",
                )
                .hint("one of the two"),
            );
        }
        let serves = match &config.serves {
            ServesConfig::One(one) => Some(*one),
            ServesConfig::Many(many) => match many.as_slice() {
                [one] => Some(*one),
                _ => None,
            },
        };
        if serves.is_none() {
            self.add(
                Problem::new(inside("serves"), "a listener serves one thing")
                    .hint("use \"proxy\", \"redirect\" or \"certificate_login\""),
            );
        }
        if serves == Some(Serves::CertificateLogin) && config.tls.is_empty() {
            self.add(
                Problem::new(inside("serves"), "client certificates need TLS")
                    .hint("add tls = [{ cert = \"…\", key = \"…\" }]"),
            );
        }
        let listener = Listener {
            address: address?,
            certificates: config.tls.clone(),
            client_ca: config.client_ca.clone(),
            client_certificates: config.client_certificates,
            serves: serves?,
            key,
        };
        (self.found() == before).then_some(listener)
    }

    fn address(&mut self, config: &ListenerConfig, key: &str) -> Option<Address> {
        let mode_key = key.replace(".address", ".mode");
        if let Some(path) = config.address.strip_prefix("unix:") {
            let mode = config.mode.as_deref().unwrap_or("0660");
            let octal = (3..=4).contains(&mode.len()) && mode.bytes().all(|b| b.is_ascii_digit());
            let mode = u32::from_str_radix(mode, 8)
                .ok()
                .filter(|mode| octal && *mode <= 0o777);
            if mode.is_none() {
                self.add(
                    Problem::new(mode_key, "the mode is not three octal digits")
                        .hint("like \"0660\""),
                );
            }
            if path.is_empty() {
                self.add(Problem::new(key, "the path of the socket is missing"));
                return None;
            }
            return Some(Address::Unix(PathBuf::from(path), mode?));
        }
        if config.mode.is_some() {
            self.add(Problem::new(mode_key, "only a Unix socket has a mode"));
        }
        self.keep(socket_address(&config.address, key))
            .map(Address::Tcp)
    }
}
