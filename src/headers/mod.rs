//! Identity headers.

mod config;

pub(crate) use config::*;
