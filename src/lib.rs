mod clock;
mod identity;
mod metrics;
mod random;
mod secret;

mod store;
