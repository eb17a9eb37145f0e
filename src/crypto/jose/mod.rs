//! Signed and encrypted JSON (RFC 7515, 7516, 7517, 7518, 7519), as far as a relying party needs it
//! and no further (RFC 8725).
//!
//! Compact serialization alone is read. The key decides which algorithms are possible, the caller
//! which are allowed, and the token merely which of those it used; what a token says about keys is
//! not looked at, but for the name of one that is known. No JSON here may have a member twice: two
//! readers could see two different tokens.

mod algorithm;
mod json;
mod jwe;
mod jwk;
mod jws;
mod private_key;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    algorithm::*,
    json::{object, value},
    jwe::*,
    jwk::*,
    jws::*,
    private_key::*,
};
