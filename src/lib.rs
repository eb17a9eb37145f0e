mod clock;
mod identity;
mod metrics;
mod problem;
mod random;
mod secret;
mod units;

mod crypto;
mod protocol;

mod connection;
mod gate;
mod headers;
mod policy;
mod route;
mod session;
mod store;
