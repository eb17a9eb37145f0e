//! Plain OAuth 2.0: a login by authorization code, and a profile from an API of the provider's own
//! (RFC 6749, RFC 7636, RFC 9700). How a provider speaks is data ([`provider`]), not code.

mod provider;
