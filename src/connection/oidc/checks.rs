//! What is done and checked at a login, in order, for the operator who tries it.

use super::{authorization, id_token, token, userinfo};
use crate::connection::Check;

/// The steps that have no module of their own here.
pub(super) const METADATA: &str = "provider-metadata";
pub(super) const ANSWER: &str = "authorization-response";
pub(super) const IDENTITY: &str = "identity";

/// Up to the ID token.
const BEFORE: [Check; 6] = [
    Check::step(METADATA, "the provider's metadata name the issuer"),
    Check::step(
        authorization::STEP,
        "the request was made, and signed if that is set",
    ),
    Check::step(
        authorization::PUSHED,
        "the request was taken, if it was pushed",
    ),
    Check::step(
        ANSWER,
        "the answer has one code, belongs to this browser, and names no other issuer",
    ),
    Check::step(token::STEP, "the code was exchanged by this client"),
    Check::step(
        id_token::STEP,
        "there is an ID token, encrypted if that is set, and it opens",
    ),
];
/// And after the checks of the ID token.
const AFTER: [Check; 2] = [
    Check::step(
        userinfo::STEP,
        "the userinfo answer is about the same person, if it was asked for",
    ),
    Check::step(IDENTITY, "no more is said of the person than is kept"),
];

pub(super) fn all() -> Vec<Check> {
    let of_the_token = id_token::CHECKS.map(|(check, what)| Check {
        step: id_token::STEP,
        check: Some(check),
        what,
    });
    [&BEFORE[..], &of_the_token, &AFTER].concat()
}
