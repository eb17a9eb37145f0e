//! `vestibule connections try`: a real login that ends in a report.

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::{Ended, Place, execute, output, remote};
use crate::{
    flow::{TrialIdentity, TrialOutcome, TrialReport, TrialStep},
    identity::Groups,
};

/// How often is asked whether somebody has signed in, and how often at most.
const POLL: Duration = Duration::from_secs(1);
const MOST_POLLS: u32 = 15 * 60;

/// Prints the address, waits for the login, and prints what came of it.
pub(super) fn run(place: &Place, name: &str, json: bool) -> anyhow::Result<Ended> {
    let ask = remote::Command::ConnectionTry {
        name: name.to_owned(),
    };
    let begun = execute::have_done(place, &ask)?;
    let text = |field: &str| begun.get(field).and_then(Value::as_str).map(str::to_owned);
    let url = text("url").context("the running process gave no address")?;
    let token = text("token").context("the running process gave no token")?;
    if json {
        output::complain(&format!("sign in at {url}"));
    } else {
        output::line(&format!("Sign in at {url}"));
        output::line("Waiting for that; Ctrl-C gives up.");
    }
    let runtime = tokio::runtime::Runtime::new().context("no threads")?;
    for _ in 0..MOST_POLLS {
        runtime.block_on(async { tokio::time::sleep(POLL).await });
        let ask = remote::Command::ConnectionTried {
            token: token.clone(),
        };
        let answer = execute::have_done(place, &ask)?;
        let report = serde_json::from_value(answer.clone())
            .context("the running process gave no readable report")?;
        let TrialReport::Ended {
            worked,
            steps,
            error,
            said,
            claims,
            ..
        } = report
        else {
            continue;
        };
        if json {
            output::json(&answer);
        } else {
            show_steps(&steps, error.as_deref());
            if let Some(said) = said {
                show_identity(&said);
            }
            for said in claims {
                output::line("");
                output::line(&format!("What the provider said at {}:", said.step));
                show_json(&said.claims);
            }
        }
        return Ok(if worked {
            Ended::Done
        } else {
            Ended::NotAsAsked
        });
    }
    output::complain("nobody signed in within a quarter of an hour: try again");
    Ok(Ended::NotAsAsked)
}

fn show_steps(steps: &[TrialStep], error: Option<&str>) {
    output::line("");
    for step in steps {
        let mark = match step.outcome {
            TrialOutcome::Passed => "ok",
            TrialOutcome::Failed => "FAILED",
            TrialOutcome::NotReached => "-",
        };
        let name = match &step.check {
            Some(check) => format!("  {check}"),
            None => step.step.clone(),
        };
        output::line(&format!("{mark:<7} {name:<23} {}", step.what));
    }
    if let Some(error) = error {
        output::line("");
        output::line(&format!("It stopped: {error}"));
    }
}

fn show_identity(said: &TrialIdentity) {
    output::line("");
    output::line(&format!("subject   {}", said.subject));
    if said.groups == Groups::Unknown {
        output::line("groups    not known: a rule about groups refuses");
    } else if !said.groups.names().is_empty() {
        output::line(&format!("groups    {}", said.groups.names().join(", ")));
    }
    let methods = said.amr.join(" ");
    for (field, value) in [
        ("amr", (!methods.is_empty()).then_some(methods)),
        ("acr", said.acr.clone()),
        ("auth_time", said.auth_time.map(|at| at.to_string())),
    ] {
        if let Some(value) = value {
            output::line(&output::plain(&format!("{field:<9} {value}")));
        }
    }
    output::line("");
    output::line("The profile that a login would store:");
    show_json(&said.profile);
}

/// For a person: JSON leaves some of what moves a cursor as it is.
fn show_json(data: &impl Serialize) {
    let text = serde_json::to_string_pretty(data).unwrap_or_default();
    for line in text.lines() {
        output::line(&output::plain(line));
    }
}
