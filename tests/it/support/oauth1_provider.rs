//! The provider of OAuth 1.0a in `tests/servers/oauth1_provider`: oauthlib's server side.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    openid_provider::{CLIENT, SECRET},
    process::free_port,
    servers::{Server, folder, installed},
};

/// A running one, with the people `alice` and `bob`.
#[derive(Debug)]
pub(crate) struct OAuth1Provider {
    server: Server,
}

impl OAuth1Provider {
    /// One with these settings besides its client.
    pub(crate) fn with(mut settings: Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        settings["client_id"] = json!(CLIENT);
        settings["client_secret"] = json!(SECRET);
        let mut command = Command::new(installed("venv/bin/gunicorn"));
        command
            .args(["-k", "gthread", "--threads", "8", "--chdir"])
            .arg(folder().join("oauth1_provider"))
            .args(["-b", &format!("127.0.0.1:{port}"), "provider:application"])
            .env("OAUTH1_PROVIDER", settings.to_string())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(dir.path());
        Self {
            server: Server::spawn("oauth1-provider", &mut command, port, dir),
        }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://oauth1.localhost:{}", self.server.port)
    }

    pub(crate) fn output(&self) -> String {
        self.server.output()
    }
}
