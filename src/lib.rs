mod clock;
mod environment;
mod identity;
mod metrics;
mod problem;
mod random;
mod secret;
mod units;

mod crypto;
mod protocol;
mod text;

mod store;

mod connection;
mod user;

mod session;

mod headers;
mod policy;
mod route;

mod config;
