//! LDAP version 3 (RFC 4511) as far as a directory is asked about people: what is sent is built of
//! types, so that nothing a person types can become a part of it, and what comes back is read by
//! types too.
//!
//! The messages themselves are [`rasn_ldap`]'s. Here are the things around them: where a message
//! ends ([`frame`]), filters and names with holes for what was typed ([`FilterTemplate`],
//! [`NameTemplate`]), distinguished names ([`Dn`]), the controls and the texts by which directories
//! say why a bind failed ([`controls`], [`BindDiagnosis`]), and values that are no text
//! ([`value`]).

pub(crate) mod controls;
mod diagnosis;
mod dn;
mod filter;
mod frame;
mod name;
mod password_modify;
pub(crate) mod value;

pub(crate) use self::{
    diagnosis::BindDiagnosis,
    dn::Dn,
    filter::{FilterTemplate, attribute},
    frame::{FrameError, Header},
    name::NameTemplate,
    password_modify::password_modify,
};

/// Fills the holes of a template: a hole's name to its value. `None`: there is no such value, so
/// the template cannot be used for this person.
pub(crate) type Values<'a> = &'a (dyn Fn(&str) -> Option<Vec<u8>> + Sync);
