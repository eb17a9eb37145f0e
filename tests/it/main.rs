//! The index of the tests that drive the real program from outside.
//!
//! One binary. Each test starts the sidecar it needs on free loopback ports, with a configuration
//! of its own in a temporary folder, and ends it by its pid. Nothing in here knows the program's
//! types: what is tested is what a user agent, an application and an operator can see.
//! `VESTIBULE_BIN` runs the same tests on another build.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::similar_names,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, it waits in real time, and it need not be fast"
)]

// How the tests start, drive and watch things: sidecar, upstream, visitor, browser, applications.
#[macro_use]
mod support;

// The harness itself: each part of it does what the tests take for granted.
mod support_works;

// The identity providers that are not ours: what the tests of federated login take for granted.
mod providers_work;

// Login by SAML 2.0.
mod saml;
mod saml_logout;
mod saml_operator;
mod saml_samlp;

// People in an application's own table or behind its endpoint, and how they move here.
mod legacy;

// People in an own table that the sidecar writes to.
mod own_table;

// Login by client certificate.
mod mtls;

// Login by WS-Federation.
mod wsfed;
mod wsfed_npm;

// Login at a directory.
mod ldap;

// Users and sessions in PostgreSQL and MariaDB.
mod storage;

// Sessions in Redis, and two processes beside each other.
mod redis;

// What a provider that is slow, or somebody who asks for much, costs everybody else.
mod slow_providers;

// Who may import whom: the ordered list of floors, held against the sources.
mod floors;

// One test for each attack, named for its row in the catalogue of src/threats.rs.
mod attacks;

// Where somebody signs in: by their domain, their network, and what their browser remembers.
mod discovery;

// Signing up and in, and what a session is good for.
mod session;

// Signing out, here and on every host.
mod sign_out;

// What the application is told about a visitor.
mod headers;

// Who may pass, and what `explain` says about it.
mod policy;

// Login by a message: a mail, or one to a telephone.
mod passwordless;
mod passwordless_browser;
mod sms;

// The configuration file and its mistakes.
mod config;

// Bodies, streams, TLS, sockets and limits.
mod proxy;

// The built-in accounts and the sync of profiles.
mod database;
mod new_password;

// What is written to people, and what that proves.
mod mail;
mod mail_browser;
mod unblock;

// Users by the thousand, in and out.
mod transfer;

// The login page and its flow: tabs, loops, what comes too late.
mod login;

// People delete their own account.
mod delete_account;

// People give themselves another username.
mod username;

// The whole life of an account in Chromium.
mod whole_life;

// Several ways to sign in for one person.
mod link;

// Passkeys: alone, as a second factor, and on the account page.
mod passkey;

// What is proven besides the first proof, and what becomes of who lost it.
mod second_factor;
mod second_factor_by_email;

// Login by OpenID Connect, at providers that others wrote.
mod oidc;

// The same in Chromium.
mod oidc_browser;

// And the ways out.
mod oidc_sign_out;
// The providers of the catalogue, by the lines that an operator writes.
mod catalog;

// Those of them that speak SAML: what is asked for.
mod saml_catalog;

// Login by plain OAuth 2.0: a real server, and providers in the shapes of their documentation.
mod oauth2;

// Login by OAuth 1.0a, at a server that checks every signature.
mod oauth1;

// The rows that a relying party is held to, each against a provider that breaks one of them.
mod oidc_conformance;

// Several hosts behind one sidecar.
mod hosts;

// The languages of pages and mails.
mod languages;

// Changing the configuration of a running sidecar.
mod reload;

// What the people who run it see.
mod operations;

// A provider's tokens for the application.
mod tokens;

// What an operator sees of connections before and beside the logins.
mod connections;

// Without a configuration: the trial and the owner's link.
mod trial;

// Full disks, locked and broken files, power cuts.
mod faults;

// Radicale, Django, nginx and a WebSocket server behind the sidecar.
mod apps;

// The pages in Chromium.
mod browser;

// What is written for people: the examples are short, the list of threats names real tests.
mod documents;
