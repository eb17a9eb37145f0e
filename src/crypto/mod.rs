//! Keys, and what is done with them; nothing here knows what it protects.
//!
//! Everything begins with a root secret. [`derive()`] makes a key of its own for each purpose from it
//! (HKDF), so that a value made for one purpose is worth nothing for another. The keys of the
//! [`KeyRing`] come and go (`next → current → old`); each gives every [`Purpose`] a MAC key and a
//! sealing key. [`seal()`] and [`open`] hide and bind what a browser or a store keeps for us, with
//! the place it belongs to as associated data. A [`Hasher`] spends time on passwords, on threads of
//! its own so that nobody else waits, and a [`SigningKey`] signs what applications may verify.
//!
//! Comparisons of secrets take constant time; keys are wiped when dropped; a failure to open says
//! nothing to the outside but that there is nothing.

mod assertion;
mod credential_key;
mod derived;
mod digest;
pub(crate) mod jose;
mod password;
mod ring;
mod seal;
mod sha1;
mod totp;

pub(crate) use self::{
    assertion::*, credential_key::*, derived::*, digest::*, password::*, ring::*, seal::*, sha1::*,
    totp::*,
};
