//! Policies.

mod config;

pub(crate) use config::*;
