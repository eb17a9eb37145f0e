//! What a connection asks of its people besides the first proof.

use crate::{config::ConnectionEntry, connection::SecondFactor, problem::Problem};

/// As set, or as usual: who types a password here may have a second factor here, and who comes from
/// a provider has it there.
pub(super) fn second_factor(entry: &ConnectionEntry) -> SecondFactor {
    let asks_here = entry.strategy.asks_for_passwords() || entry.strategy.sends_messages();
    let usual = if asks_here {
        SecondFactor::Optional
    } else {
        SecondFactor::Off
    };
    entry.common.second_factor.unwrap_or(usual)
}

/// Where codes by e-mail cannot be the second factor.
pub(super) fn misfits(entry: &ConnectionEntry, has_mail: bool) -> Option<Problem> {
    if !entry.common.second_factor_by_email {
        return None;
    }
    let problem = |message: &str| Problem::new("second_factor_by_email", message);
    if entry.strategy.name == "email" {
        let message = "the first proof is that somebody reads this mailbox, so it is no second one";
        Some(problem(message).hint("take it out: people set up an app or a passkey"))
    } else if !has_mail {
        let message = "it needs mail, and there is none";
        Some(problem(message).hint("set [mail] url and from"))
    } else if second_factor(entry) == SecondFactor::Off {
        let message = "nobody is asked for a second factor here";
        Some(
            problem(message)
                .hint("set second_factor = \"required\", or \"optional\" for its routes"),
        )
    } else {
        None
    }
}
