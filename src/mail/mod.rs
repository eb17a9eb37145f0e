//! Messages by mail: what is said is [`Letter`], how it gets there is decided here.
//!
//! [`Outbox::post_when`] takes a letter and returns at once: nobody waits for a mail server, and nobody
//! can tell by the time of an answer whether a mail was written. Whatever comes after that happens
//! beside the requests. The letter is put into words in the language of whoever asked, and tried
//! until it is taken, refused for good, or too old to be of use. What waits is bounded; beyond that
//! a letter is dropped and counted.
//!
//! A mail server is spoken to over TLS with a certificate that is checked, unless it is on this
//! machine. Nothing that a stranger typed reaches a header: a recipient is an [`EmailAddress`], a
//! subject a [`Subject`], and the rest is the operator's.

mod config;
mod message;
mod outbox;
mod post;
#[cfg(test)]
mod tests;

pub(crate) use self::{
    config::{Config, Settings},
    outbox::{Draft, Outbox},
    post::Post,
};
#[cfg(doc)]
use crate::{mail::message::Subject, protocol::EmailAddress, text::Letter};
