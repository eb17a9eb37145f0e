//! Vestibule, the hall between the street door and the house: one program in front of web
//! applications that know nothing about login.
//!
//! A request without a session is answered by the login; a request with one goes to the
//! application with identity headers that it can trust. This page shows how the code is laid out:
//! the way of a request, the way of a login, the values that flow, and the floors. Each folder's
//! `mod.rs` goes on where this page stops. [`threats`] lists what has been tried against systems
//! like this one, and where each attempt ends here.
//!
//! # The words
//!
//! A *connection* is one configured source of users, a *strategy* the code behind it. In one login
//! a connection asserts an *identity*; the *user* is our own record, with one identity or more. A
//! *flow* is a login under way, a *session* a signed-in person, and each host that the browser
//! visits holds its own *token* to it. A *route* leads from host and path to an *upstream*, the
//! application. The *gate* decides about a request; a *permit* is the proof that it may pass.
//! *Downstream* is the side of the visitor.
//!
//! # The way of a request
//!
//! ```text
//!  user agent
//!      │ bytes
//!  ┌───▼───────────┐ ambiguous: 400
//!  │ proxy::head   ├───────────────►      framing, one host, one canonical path, the visitor's
//!  └───┬───────────┘                      address: computed once, used for everything
//!      │
//!      ├── below /.auth ──► page ──► flow ──► our own pages; nothing there is ever proxied
//!      │
//!  ┌───▼───────────┐ the store is away: 503
//!  │ session       ├───────────────►      token → Session; a cache hit waits for nothing
//!  └───┬───────────┘
//!  ┌───▼───────────┐ unknown host: 421 · unknown path: 404
//!  │ gate          │ challenge: 302 to the login, 401 in JSON, or a page to sign in again
//!  │  route        ├───────────────►
//!  │  policy       │ deny: 403 with a coarse reason
//!  └───┬───────────┘
//!      │ Permitted                        upstream_peer has nowhere to go without one
//!  ┌───▼───────────┐
//!  │ proxy::rewrite│                      every owned header out, our cookies out, then one value in
//!  └───┬───────────┘
//!      ▼
//!   upstream ──► answer, without owned headers and our cookies ──► user agent
//! ```
//!
//! What is decided about is what is sent: rule, route and upstream see the same canonical path. The
//! gate is plain, synchronous code that does not know the server. `vestibule explain` asks the same
//! gate about somebody hypothetical. [`proxy`] is the only folder that names pingora, and
//! `proxy/answer.rs` the one table from what was decided to status, headers, page or JSON. A
//! WebSocket or an event stream goes on after its decision, so it is registered with its session
//! and cut when that ends.
//!
//! # The way of a login
//!
//! ```text
//!  GET login ──► flow: sealed into a cookie of this browser, with the return address
//!                  │
//!                  ▼
//!  login/{connection} ──► connection.begin ──► Step ──┐
//!                                                     │ redirect, prompt: carried out,
//!  callback, or the form ──► connection.resume ──► Step   and the browser comes back
//!                                                     │ done
//!                                                     ▼ Authenticated
//!                           user::Directory   admit: known? sign-up open? blocked? sync the profile
//!                                                     │
//!                                                     ▼
//!                           session::Sessions issue: in one transaction with whatever counts once
//!                                                     │
//!                                                     ▼ a new token
//!                           back to the page that was wanted; over handover, if on another host
//! ```
//!
//! A strategy is a small state machine behind one trait, [`connection`]: `database`, `oidc`, `oauth2`,
//! `oauth1`, `saml`, `wsfed`, `ldap`, `sql`, `http`, `mtls`, and the catalogue's providers, which are data over one of
//! these. It sees neither cookies nor pages nor sessions. The flow cookie proves what was true, never how
//! often: whatever is counted
//! or used once is a row of the store, keyed by a purpose and a hash, and consumed in the
//! transaction that issues the session. Anonymous requests write nothing. Whatever fails on the
//! way, a store or a provider, is a denial.
//!
//! # Four values
//!
//! Each can be had only from the one before it, because its constructor is private to its maker:
//!
//! | value | only maker | says |
//! |---|---|---|
//! | [`connection::Authenticated`] | a strategy | a provider or a password proved this |
//! | [`session::Session`] | [`session::Sessions`], from a login or a token | it is remembered, and alive now |
//! | [`policy::Permit`] | the policy of a route | this request may act as this session, or as nobody |
//! | [`gate::Permitted`] | the gate | it may go to this upstream, with these headers |
//!
//! # The floors
//!
//! A module imports only modules to its left; `tests/it/floors.rs` reads the sources and fails
//! otherwise.
//!
//! | floor | modules |
//! |---|---|
//! | words | [`secret`] · [`clock`] · [`random`] · [`metrics`] · [`units`] · [`problem`] · [`identity`] · [`environment`] |
//! | pure | [`crypto`] · [`protocol`] · [`text`]: bytes to types, nothing from outside |
//! | ports | [`store`]: plain records, port traits, one conformance suite for all stores · [`egress`]: everything we call · [`mail`], [`sms`]: what is written to people |
//! | ways in | [`connection`] · [`user`] |
//! | memory | [`keys`] · [`session`] |
//! | decisions | [`policy`] · [`headers`] · [`route`] · [`gate`] |
//! | steps | [`flow`] · [`page`] |
//! | edge | [`proxy`] |
//! | assembly | [`config`] · [`app`] · [`cli`] |
//!
//! Each part owns its `Config`, what the operator writes, and the step from there to what the
//! program uses; [`config`] lists the parts and gives every mistake its line. [`app`] makes every
//! `Arc<dyn …>`, and builds from one set of settings what a reload swaps: [`proxy::Live`]. A request
//! takes one snapshot of it and keeps that to its end. Time and chance come in by [`clock::Clock`]
//! and [`random::Random`]; the lints refuse to ask anybody else.

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

mod egress;
mod mail;
mod sms;
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

mod threats;

pub use cli::main;

/// What `fuzz/` calls; there is nothing of it in the program.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    /// See [`everything`](crate::connection::saml::fuzz::everything).
    pub fn saml(octets: &[u8]) {
        crate::connection::saml::fuzz::everything(octets);
    }

    /// See [`everything`](crate::protocol::webauthn::fuzz::everything).
    pub fn webauthn(octets: &[u8]) {
        crate::protocol::webauthn::fuzz::everything(octets);
    }
}
