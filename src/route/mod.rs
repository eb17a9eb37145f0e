//! Routes: which upstream a host and path lead to, and on what terms.

mod config;

pub(crate) use config::*;
