//! `vestibule connections try`, as an operator runs it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, Stdio},
};

use serde_json::Value;

use super::sidecar::{Sidecar, binary};

/// The command, and the address that it printed.
#[derive(Debug)]
pub(crate) struct Trial {
    command: Child,
    errors: BufReader<ChildStderr>,
    pub(crate) url: String,
}

impl Trial {
    pub(crate) fn begin(sidecar: &Sidecar, connection: &str) -> Self {
        let mut command = Command::new(binary())
            .args(["connections", "try", connection, "--json"])
            .current_dir(sidecar.path(""))
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
    pub(crate) fn end(mut self) -> (Value, Option<i32>) {
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

/// What the provider said, and at which step.
pub(crate) fn claims(report: &Value) -> Vec<(&str, &Value)> {
    let all = report["claims"].as_array().unwrap().iter();
    all.map(|said| (said["step"].as_str().unwrap(), &said["claims"]))
        .collect()
}
