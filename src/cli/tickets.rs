//! `vestibule open-tickets`: not for people. The running process starts it to have Kerberos tickets
//! opened, and asks on its standard input.

use std::io;

use super::Ended;
use crate::egress::tickets;

/// Answers until the input ends.
pub(super) fn run() -> anyhow::Result<Ended> {
    tickets::serve(io::stdin().lock(), io::stdout().lock())?;
    Ok(Ended::Done)
}
