//! `vestibule connections try`: a real login that ends in a report and in no session.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::support::{
    Visitor,
    federated::Site,
    sidecar::{binary, list},
};

/// The command, and the address that it printed.
struct Trial {
    command: Child,
    errors: BufReader<std::process::ChildStderr>,
    url: String,
}

impl Trial {
    fn begin(site: &Site) -> Self {
        let mut command = Command::new(binary())
            .args(["connections", "try", "op", "--json"])
            .current_dir(site.sidecar.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(command.stderr.take().unwrap());
        let mut line = String::new();
        errors.read_line(&mut line).unwrap();
        let url = line.split_whitespace().last().unwrap().to_owned();
        assert!(url.starts_with("http"), "{line}");
        Self {
            command,
            errors,
            url,
        }
    }

    /// The report, and the exit code.
    fn end(mut self) -> (serde_json::Value, Option<i32>) {
        let mut text = String::new();
        let mut out = self.command.stdout.take().unwrap();
        out.read_to_string(&mut text).unwrap();
        let code = self.command.wait().unwrap().code();
        let mut more = String::new();
        self.errors.read_to_string(&mut more).unwrap();
        let report = serde_json::from_str(&text);
        (report.unwrap_or_else(|_| panic!("{text}\n{more}")), code)
    }
}

fn outcomes(report: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap();
    let steps = steps.iter();
    steps
        .map(|step| (text(&step["step"]), text(&step["outcome"])))
        .collect()
}

#[test]
fn a_trial_shows_what_the_provider_says_and_signs_nobody_in() {
    let site = Site::new();
    let trial = Trial::begin(&site);
    let mut alice = site.visitor();
    let page = alice.go(&trial.url);
    let page = site.provider.sign_in(&mut alice, &page, "alice");
    assert!(page.text().contains("It works"), "{page:?}");
    assert!(alice.session().is_none() && alice.flows().is_empty());
    let link = trial.url.clone();
    let (report, code) = trial.end();
    assert_eq!(code, Some(0));
    assert_eq!(report["said"]["subject"], "alice");
    assert_eq!(report["said"]["profile"]["email"], "alice@example.org");
    assert_eq!(report["said"]["claims"]["family_name"], "alice");
    assert!(
        outcomes(&report)
            .iter()
            .all(|(_, outcome)| outcome == "passed")
    );
    let users = site.sidecar.cli_json(&["users", "list", "--json"]);
    assert_eq!(users, json!([]), "somebody was stored");
    // The link was good for one login.
    assert_eq!(site.visitor().go(&link).answer.status, 404);
}

#[test]
fn a_trial_that_fails_says_at_which_check() {
    let keys = [("acr_values", list(&["high"]))];
    let site = Site::with(&json!({}), &json!({"acr": ["low", "high"]}), &keys);
    let trial = Trial::begin(&site);
    let mut alice = site.visitor();
    let page = alice.go(&trial.url);
    let fields = [("login", "alice"), ("acr", "low")];
    let page = site.provider.sign_in_with(&mut alice, &page, &fields);
    assert!(page.text().contains("does not work yet"), "{page:?}");
    let (report, code) = trial.end();
    assert_eq!(code, Some(1), "not as asked");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("acr is \"low\""), "{error}");
    for (step, outcome) in outcomes(&report) {
        let expected = match step.as_str() {
            "verify-id-token" => "failed",
            "userinfo-request" | "sign" => "not_reached",
            _ => "passed",
        };
        assert_eq!(outcome, expected, "{step}");
    }
}

#[test]
fn nobody_begins_a_trial_but_the_operator() {
    let site = Site::new();
    let mut mallory: Visitor = site.visitor();
    for token in ["", "x", &"A".repeat(43)] {
        let page = mallory.go(&format!("/.auth/login/op?trial={token}"));
        assert_eq!(page.answer.status, 404, "{token}");
    }
    assert!(site.provider.calls("/auth").is_empty());
}
