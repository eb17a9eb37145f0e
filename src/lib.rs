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

mod keys;
mod session;

mod gate;
mod headers;
mod policy;
mod route;

mod flow;
mod page;

mod proxy;

mod app;
mod cli;
mod config;

pub use cli::main;
