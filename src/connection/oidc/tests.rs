//! What the modules' tests share.

use super::Metadata;

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
