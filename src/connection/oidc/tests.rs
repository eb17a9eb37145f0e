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
