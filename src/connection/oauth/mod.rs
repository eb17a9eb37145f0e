//! What the strategies that speak OAuth 2.0 share: the authorization response ([`answer`]), PKCE
//! ([`seed`]), the client's credentials with what comes back for them ([`client`]), and what is filled
//! in during a login ([`template`]).

mod answer;
mod client;
mod seed;
mod template;

pub(crate) use self::{
    answer::{Answer, AnswerError, Expected, NamedIssuer, ResponseMode},
    client::{basic, check_access_token, lifetime, printable},
    seed::Seed,
    template::{Endpoint, Template, Values, is_name, text_of},
};
