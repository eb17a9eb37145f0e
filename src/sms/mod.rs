//! Text messages: what is said is [`TextMessage`], how it gets to a telephone is decided here.
//!
//! A [`Gateway`] is somebody's HTTP interface that hands messages to the telephone network: Twilio's,
//! or one that the operator describes. [`Outbox::post_when`] takes a message and returns at once:
//! nobody waits for a gateway, and nobody can tell by the time of an answer whether anything was sent.
//! It is tried until it is taken, refused for good, or of no use any more. A try whose answer does not
//! come may have been a message; so there are a few and no more.
//!
//! What goes into a request of the operator's is put there as a value, never as text of the format around
//! it: a [`template`] is read as JSON, as a form or as a query first, and filled in after that.

mod config;
mod gateway;
mod jwt;
mod outbox;
pub(crate) mod template;
#[cfg(test)]
mod tests;
mod ways;

pub(crate) use self::{
    config::Config,
    gateway::{Client, Gateway},
    outbox::{Draft, Outbox},
};
#[cfg(doc)]
use crate::text::TextMessage;
