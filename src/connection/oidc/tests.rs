//! What the modules' tests share.

use super::Metadata;
use crate::connection::oauth::NamedIssuer;

/// Metadata of a provider, which says of itself that its answers name it, or not.
pub(super) fn metadata(names_itself: bool) -> Metadata {
    serde_json::from_value(serde_json::json!({
        "issuer": "https://idp.example",
        "authorization_endpoint": "https://idp.example/authorize",
        "token_endpoint": "https://idp.example/token",
        "jwks_uri": "https://idp.example/keys",
        "authorization_response_iss_parameter_supported": names_itself,
    }))
    .unwrap()
}

#[test]
fn a_provider_that_says_it_names_itself_must() {
    let (strict, other) = (metadata(true), metadata(false));
    let name = "https://idp.example";
    assert!(matches!(strict.named_issuer(), NamedIssuer::Always(named) if named == name));
    assert!(matches!(other.named_issuer(), NamedIssuer::IfThere(named) if named == name));
}

mod settings {
    use super::super::Config;
    use crate::connection::{Common, registry::OpenConnection as _};

    const FOUR: &str = "issuer = 'https://idp.example'\nclient_id = 'app'\nclient_secret = 's'\n";

    fn keys(own: &str, common: &str) -> Vec<String> {
        let config: Config = toml::from_str(own).unwrap();
        let common: Common = toml::from_str(common).unwrap();
        let problems = config.problems(&common).into_iter();
        problems.map(|problem| problem.key).collect()
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_named_by_its_key() {
        assert!(keys(FOUR, "").is_empty());
        assert_eq!(keys("", ""), ["issuer", "client_id"]);
        for (more, key) in [
            ("scopes = ['profile']", "scopes"),
            ("id_token_algs = ['HS256']", "client_secret"),
            (
                "token_endpoint_auth_method = 'tls_client_auth'",
                "token_endpoint_auth_method",
            ),
            ("client_certificate = 'a.pem'", "client_certificate"),
            ("private_key = 'no key'", "private_key"),
            ("decryption_keys = ['no key']", "decryption_keys[0]"),
            ("ca = '/nonexistent.pem'", "ca"),
            (
                "endpoints = { jwks_uri = 'http://idp.example/keys' }",
                "endpoints",
            ),
        ] {
            assert_eq!(keys(&format!("{FOUR}{more}"), ""), [key], "{more}");
        }
        let nobody = "issuer = 'https://idp.example'\nclient_id = 'app'\n";
        for method in [
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
        ] {
            let own = format!("{nobody}token_endpoint_auth_method = '{method}'");
            assert_eq!(keys(&own, ""), ["token_endpoint_auth_method"], "{method}");
        }
        assert_eq!(
            keys(&format!("{nobody}id_token_algs = ['HS256']"), ""),
            ["id_token_algs"]
        );
        assert_eq!(
            keys("issuer = 'http://idp.example'\nclient_id = 'app'", ""),
            ["issuer"]
        );
        for name in ["nonce", "request", "request_uri", "scope", "id_token_hint"] {
            let params = format!("upstream_params = {{ {name} = 'x' }}");
            assert_eq!(keys(FOUR, &params), [format!("upstream_params.{name}")]);
        }
        assert_eq!(keys(FOUR, "claims = { name = 'a..b' }"), ["claims.name"]);
    }

    #[test]
    fn no_algorithm_is_named_that_proves_nothing() {
        for name in ["none", "HS1", "RS1", "rs256"] {
            let text = format!("{FOUR}id_token_algs = ['{name}']");
            assert!(toml::from_str::<Config>(&text).is_err(), "{name}");
        }
    }
}
