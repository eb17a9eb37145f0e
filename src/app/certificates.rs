//! Connections that take client certificates, held against the listeners that ask for them.

use crate::{
    config::{ClientCertificates, Serves, Settings},
    problem::Problem,
    protocol::TrustedProxies,
};

/// What does not fit between the listeners and the connections that take client certificates: where
/// nobody is asked, nobody can sign in.
pub(super) fn misfits(settings: &Settings) -> Vec<Problem> {
    let proxied = settings.trusted_proxies != TrustedProxies::default();
    let mut listeners = settings.listeners.iter();
    let apart = listeners.any(|one| one.serves == Serves::CertificateLogin);
    let mut listeners = settings.listeners.iter();
    let everywhere = listeners.any(|one| {
        let asks = one.client_certificates == ClientCertificates::Ask || one.client_ca.is_some();
        asks && one.serves == Serves::Proxy
    });
    let misfit = |entry: &crate::config::ConnectionEntry| {
        let certificates = entry.own.certificates()?;
        let misfit = certificates.misfits(&settings.public_url).or_else(|| {
            let (asked, key, hint) = if certificates.origin.is_some() {
                let hint = "add a listener with serves = \"certificate_login\"";
                (apart, "origin", hint)
            } else {
                let hint = "add a listener with serves = \"certificate_login\" and name it in origin, or \
                            set client_certificates = \"ask\" on one";
                (everywhere, "", hint)
            };
            let why = "no listener asks for certificates there, so nobody can show one";
            (!asked && !proxied).then(|| Problem::new(key, why).hint(hint))
        })?;
        Some(misfit.under(&format!("connections.{}", entry.id)))
    };
    settings.connections.iter().filter_map(misfit).collect()
}
