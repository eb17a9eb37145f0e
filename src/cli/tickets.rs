//! `vestibule open-tickets`: not for people. The running process starts it to have Kerberos tickets
//! opened, and asks on its standard input.

use std::{io, path::Path};

use super::Ended;
use crate::egress::tickets;

/// Answers until the input ends.
pub(super) fn run(keytab: &Path) -> anyhow::Result<Ended> {
    tickets::serve(keytab, io::stdin().lock(), io::stdout().lock())?;
    Ok(Ended::Done)
}
