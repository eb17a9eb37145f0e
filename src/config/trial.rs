//! A trial without a file.

use std::path::Path;

use super::{Also, Loaded, Report, parse};
use crate::environment::Environment;

/// What a trial is called in messages.
const NAME: &str = "trial";

impl Loaded {
    /// The settings of a trial: loopback, people with passwords or passkeys of their own, and one application,
    /// or the page that shows what arrives. Data is kept in `data` of the working directory, and
    /// `environment` may overlay it all.
    pub(crate) fn trial(
        upstream: Option<&str>,
        environment: &Environment,
        also: Also<'_>,
    ) -> Result<Self, Report> {
        let upstream = toml::Value::from(upstream.unwrap_or("builtin:demo"));
        let text = format!(
            "[connections.members]\n\
             strategy = \"database\"\n\
             signup = true\n\
             \n\
             [connections.passkey]\n\
             strategy = \"passkey\"\n\
             signup = true\n\
             offer_enrolment = false\n\
             \n\
             [[routes]]\n\
             upstream = {upstream}\n"
        );
        parse(&text, NAME, (Path::new(""), environment), also)
    }
}
