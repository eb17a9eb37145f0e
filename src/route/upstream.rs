//! Where an application is.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{UpstreamTls, Upstreams};
use crate::{
    problem::Problem,
    protocol::{Host, Origin, Scheme},
};

/// One place where an application answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Upstream {
    /// The page that shows what arrives.
    BuiltinDemo,
    Http {
        host: Host,
        port: u16,
    },
    Https {
        host: Host,
        port: u16,
        tls: Arc<UpstreamTls>,
    },
    Unix {
        path: PathBuf,
    },
}

/// The upstreams of a route. They take turns.
#[derive(Debug)]
pub(crate) struct UpstreamList {
    all: Vec<Upstream>,
    turn: AtomicUsize,
}

impl UpstreamList {
    /// Reads what the operator wrote. The problems' keys are the route's.
    pub(in crate::route) fn build(
        upstreams: &Upstreams,
        tls: Option<&UpstreamTls>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let shared = Arc::new(tls.cloned().unwrap_or_default());
        let (texts, several) = match upstreams {
            Upstreams::Many(texts) => (texts.as_slice(), true),
            Upstreams::One(text) => (std::slice::from_ref(text), false),
        };
        let mut all = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let key = if several {
                format!("upstream[{at}]")
            } else {
                "upstream".to_owned()
            };
            match Upstream::parse(text, &shared) {
                Ok(upstream) => all.push(upstream),
                Err(problem) => problems.push(Problem { key, ..problem }),
            }
        }
        if texts.is_empty() {
            problems.push(Problem::new("upstream", "the list is empty"));
        }
        if all.len() > 1 && all.contains(&Upstream::BuiltinDemo) {
            problems.push(Problem::new(
                "upstream",
                "the demo page cannot take turns with others",
            ));
        }
        if let Some(tls) = tls {
            check_tls(tls, &all, &mut problems);
        }
        if problems.is_empty() {
            Ok(Self {
                all,
                turn: AtomicUsize::new(0),
            })
        } else {
            Err(problems)
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Upstream] {
        &self.all
    }

    /// What the first of them calls itself in a Host header; `None` where it has no name.
    pub(crate) fn authority(&self) -> Option<String> {
        let (host, port, usual) = match self.all.first()? {
            Upstream::Http { host, port } => (host, *port, 80),
            Upstream::Https { host, port, .. } => (host, *port, 443),
            Upstream::BuiltinDemo | Upstream::Unix { .. } => return None,
        };
        Some(if port == usual {
            host.as_str().to_owned()
        } else {
            format!("{}:{port}", host.as_str())
        })
    }

    /// The place of the one whose turn it is.
    pub(crate) fn turn(&self) -> usize {
        match self.all.len() {
            0 | 1 => 0,
            length => self.turn.fetch_add(1, Ordering::Relaxed) % length,
        }
    }
}

impl Upstream {
    fn parse(text: &str, tls: &Arc<UpstreamTls>) -> Result<Self, Problem> {
        if text == "builtin:demo" {
            return Ok(Self::BuiltinDemo);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix { path })
            } else {
                Err(Problem::new(
                    "",
                    format!("{text:?}: the socket's path is not absolute"),
                ))
            };
        }
        let origin = Origin::parse(text).map_err(|error| {
            Problem::new("", format!("{text:?}: {error}")).hint(
                "an upstream is http://host:port, https://host, unix:/path/of.sock or builtin:demo",
            )
        })?;
        let port = origin.port();
        Ok(match origin.scheme {
            Scheme::Http => Self::Http {
                host: origin.host,
                port,
            },
            Scheme::Https => Self::Https {
                host: origin.host,
                port,
                tls: tls.clone(),
            },
        })
    }
}

fn check_tls(tls: &UpstreamTls, all: &[Upstream], problems: &mut Vec<Problem>) {
    if !all
        .iter()
        .any(|upstream| matches!(upstream, Upstream::Https { .. }))
    {
        problems.push(
            Problem::new("upstream_tls", "no upstream of the route speaks TLS")
                .hint("write https:// in front of the upstream, or leave the table out"),
        );
    }
    match (&tls.cert, &tls.key) {
        (Some(_), None) => problems.push(Problem::new("upstream_tls.cert", "its key is missing")),
        (None, Some(_)) => {
            problems.push(Problem::new(
                "upstream_tls.key",
                "its certificate is missing",
            ));
        }
        _ => {}
    }
    for (key, file) in [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)] {
        if let Some(Err(error)) = file.as_deref().map(readable) {
            problems.push(Problem::new(format!("upstream_tls.{key}"), error));
        }
    }
}

fn readable(file: &Path) -> Result<(), String> {
    std::fs::File::open(file)
        .map(drop)
        .map_err(|error| format!("{}: {error}", file.display()))
}
