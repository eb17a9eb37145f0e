//! `users import` and `users export`: many users, in bounded memory.
//!
//! An import reads record after record from its file ([`records`]) and hands them over in batches
//! of [`BATCH`]; an export asks for page after page and writes each out, through [`sealed`] if it is
//! to be encrypted. Neither ever holds all users, nor does the process that is asked. The work on
//! the users themselves is in [`operator`], which runs where the storage is.

mod csv;
mod export;
mod import;
mod operator;
mod records;
mod sealed;

pub(super) use self::{
    export::{Export, export},
    import::{Import, import},
    operator::{export_page, import_batch},
};

/// Users in one message, and in one transaction.
const BATCH: usize = 200;
