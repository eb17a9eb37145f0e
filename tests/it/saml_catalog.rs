//! The providers of the catalogue that speak SAML, each by the lines that an operator writes: what
//! they are asked for, and what our metadata say to them. Only where their own metadata are, the
//! environment says.

use std::{fs, io::Read as _};

use flate2::read::DeflateDecoder;
use openssl::base64::decode_block;
use serde_json::json;
use toml::{Table, Value as Toml};
use url::Url;

use crate::support::{
    Sidecar, Visitor,
    federated::{app, assertion_consumer_service, visitor},
    key_pair::KeyPair,
    route,
    sidecar::list,
    simplesamlphp::SimpleSamlPhp,
};

/// A provider, the lines besides the strategy, and what a request holds.
type Preset = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

const PRESETS: [Preset; 14] = [
    (
        "adfs-saml",
        &[("host", "adfs.example.com")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "entra-saml",
        &[("tenant", "72f988bf"), ("application", "44444444")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "okta-saml",
        &[("domain", "acme.okta.com"), ("application", "exk1")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "google-workspace-saml",
        &[("metadata", "FILE")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "pingfederate-saml",
        &[("metadata_url", "https://ping.example.com/")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "onelogin-saml",
        &[("application", "1234")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "jumpcloud-saml",
        &[("metadata", "FILE")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "keycloak-saml",
        &[
            ("host", "sso.example.com"),
            ("realm", "main"),
            ("signing_key", "KEY"),
        ],
        &["nameid-format:persistent", "SIGNED"],
    ),
    (
        "shibboleth",
        &[("host", "idp.example.edu"), ("decryption_keys", "KEYS")],
        &["<samlp:NameIDPolicy"],
    ),
    (
        "spid",
        &[("idp_entity_id", "ID"), ("signing_key", "KEY")],
        &[
            "nameid-format:transient",
            "Comparison=\"minimum\"",
            ">https://www.spid.gov.it/SpidL2<",
            "ForceAuthn=\"true\"",
            "AttributeConsumingServiceIndex=\"0\"",
            "SIGNED",
        ],
    ),
    (
        "cie",
        &[("signing_key", "KEY")],
        &[
            "nameid-format:transient",
            "Comparison=\"minimum\"",
            ">https://www.spid.gov.it/SpidL2<",
            "AttributeConsumingServiceIndex=\"0\"",
            "SIGNED",
        ],
    ),
    (
        "eidas",
        &[
            ("metadata_url", "https://node.example/"),
            ("signing_key", "KEY"),
            ("decryption_keys", "KEYS"),
        ],
        &[
            "nameid-format:persistent",
            "Comparison=\"minimum\"",
            ">http://eidas.europa.eu/LoA/substantial<",
            "ForceAuthn=\"true\"",
            "SIGNED",
        ],
    ),
    (
        "bundid",
        &[("signing_key", "KEY"), ("decryption_keys", "KEYS")],
        &["Comparison=\"minimum\"", ">STORK-QAA-Level-1<", "SIGNED"],
    ),
    (
        "digid",
        &[
            ("signing_key", "KEY"),
            ("client_certificate", "CERTIFICATE"),
            ("client_certificate_key", "KEY"),
        ],
        &[
            "bindings:HTTP-Artifact",
            "Comparison=\"minimum\"",
            ">urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard<",
            "SIGNED",
        ],
    ),
];

#[test]
fn each_is_asked_as_it_wants_to_be() {
    let mut sidecar = app();
    let mut known = json!({});
    for (name, ..) in PRESETS {
        let acs = assertion_consumer_service(&sidecar, name);
        known[acs.replace("/acs", "/metadata")] = json!({
            "AssertionConsumerService": [{
                "Binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST",
                "Location": acs,
            }],
            "metadata-set": "saml20-sp-remote",
        });
    }
    let provider = SimpleSamlPhp::with(&known, &[]);
    provider.change(&json!({ "saml20.sendartifact": true }));
    let KeyPair { key, certificate } = KeyPair::rsa();
    let [metadata, certificate_file] =
        ["metadata.xml", "sp.pem"].map(|name| sidecar.path(name).display().to_string());
    fs::write(&certificate_file, certificate).unwrap();
    let text = Visitor::new(&provider.origin())
        .open(&provider.entity_id())
        .text();
    fs::write(&metadata, text).unwrap();
    for (name, lines, _) in PRESETS {
        let at = |key: &str| format!("connections.{name}.{key}");
        let mut table = Table::new();
        table.insert("strategy".into(), name.into());
        sidecar.change(&format!("connections.{name}"), Toml::Table(table));
        for (line, value) in lines {
            match *value {
                "KEY" => sidecar.change(&at(line), key.as_str()),
                "KEYS" => sidecar.change(&at(line), list(&[&key])),
                "CERTIFICATE" => sidecar.change(&at(line), certificate_file.as_str()),
                "FILE" => sidecar.change(&at(line), metadata.as_str()),
                "ID" => sidecar.change(&at(line), provider.entity_id()),
                value => sidecar.change(&at(line), value),
            }
        }
        if !lines.iter().any(|(_, value)| *value == "FILE") {
            let name = name.to_uppercase().replace('-', "_");
            let variable = format!("VESTIBULE__CONNECTIONS__{name}__METADATA_URL");
            sidecar = sidecar.env(&variable, &provider.entity_id());
        }
    }
    let sidecar = sidecar
        .route(route("/").set("upstream", "builtin:demo"))
        .start();
    for (name, _, wanted) in PRESETS {
        let asked = asked(&sidecar, name);
        for part in wanted {
            assert!(asked.contains(part), "{name}: no {part} in {asked}");
        }
    }
    let spid = visitor(&sidecar).open("/.auth/saml/spid/metadata").text();
    for part in [
        "AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\"",
        "<ds:Signature",
        "Name=\"fiscalNumber\"",
    ] {
        assert!(spid.contains(part), "{part}: {spid}");
    }
}

/// The request that a login begins with, and whether it is signed.
fn asked(sidecar: &Sidecar, name: &str) -> String {
    let page = visitor(sidecar).open(&format!("/.auth/login/{name}?rd=/"));
    assert_eq!(
        page.answer.status,
        303,
        "{name}: {page:?} {}",
        sidecar.log_about(name)
    );
    let to: Url = page.answer.location().parse().unwrap();
    let value = |wanted: &str| {
        let mut pairs = to.query_pairs();
        let found = pairs.find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned())
    };
    let octets = decode_block(&value("SAMLRequest").unwrap()).unwrap();
    let mut text = String::new();
    DeflateDecoder::new(&octets[..])
        .read_to_string(&mut text)
        .unwrap();
    match value("Signature") {
        Some(_) => text + " SIGNED",
        None => text,
    }
}
