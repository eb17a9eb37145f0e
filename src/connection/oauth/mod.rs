//! What the strategies that speak OAuth 2.0 share: the authorization response ([`answer`]), PKCE
//! ([`seed`]), and the client's credentials with what comes back for them ([`client`]).

mod answer;
mod client;
mod seed;

pub(crate) use self::{
    answer::{Answer, AnswerError, Expected, NamedIssuer, ResponseMode},
    client::{basic, check_access_token, is_loopback, printable},
    seed::Seed,
};
