//! Connections that take client certificates, held against the listeners that ask for them.

use crate::{
    config::{ClientCertificates, Serves, Settings},
    problem::Problem,
    protocol::TrustedProxies,
};

/// What does not fit between the listeners and the connections that take client certificates.
pub(super) fn misfits(settings: &Settings) -> Vec<Problem> {
    let asks = settings.listeners.iter().any(|listener| {
        listener.client_ca.is_some()
            || listener.client_certificates == ClientCertificates::Ask
            || listener.serves == Serves::CertificateLogin
    });
    let nowhere = !asks && settings.trusted_proxies == TrustedProxies::default();
    let takes = settings.connections.iter();
    let takes = takes.filter_map(|entry| Some((entry, entry.own.certificates()?)));
    takes
        .filter_map(|(entry, certificates)| {
            let key = format!("connections.{}", entry.id);
            if let Some(misfit) = certificates.misfits(&settings.public_url) {
                return Some(misfit.under(&key));
            }
            nowhere.then(|| {
                Problem::new(key, "nobody can show a certificate: no listener asks for one").hint(
                    "add a listener with serves = \"certificate_login\" and name it in origin, or set \
                     client_certificates = \"ask\" on one",
                )
            })
        })
        .collect()
}
