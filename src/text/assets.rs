//! The files that pages refer to, under addresses that change with their content, and the
//! policies that keep everything else out.

use std::path::Path;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::page::{Page, Script};
use crate::problem::Problem;

/// The most bytes of a picture.
const MOST_PICTURE: usize = 512 << 10;

/// A file that never changes under its path: it may be cached for ever.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    /// The whole path, with the authentication prefix.
    pub(crate) path: String,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Bytes,
}

impl Asset {
    /// Names a file by its content.
    pub(crate) fn new(
        prefix: &str,
        (stem, extension): (&str, &str),
        media_type: &'static str,
        bytes: impl Into<Bytes>,
    ) -> Self {
        let bytes = bytes.into();
        let hash = u64::from_be_bytes(*Sha256::digest(&bytes).first_chunk().unwrap_or(&[0; 8]));
        Self {
            path: format!("{prefix}/assets/{stem}-{hash:016x}.{extension}"),
            media_type,
            bytes,
        }
    }

    /// A picture of the operator's, which the setting `key` names.
    pub(crate) fn picture(
        prefix: &str,
        stem: &str,
        (key, file): (&str, &Path),
    ) -> Result<Self, Problem> {
        let problem = |message: String| Problem::new(key, message);
        let extension = file
            .extension()
            .and_then(|e| e.to_str())
            .map(str::to_ascii_lowercase);
        let (extension, media_type) = match extension.as_deref() {
            Some("svg") => ("svg", "image/svg+xml"),
            Some("png") => ("png", "image/png"),
            Some("jpg" | "jpeg") => ("jpg", "image/jpeg"),
            Some("webp") => ("webp", "image/webp"),
            _ => {
                return Err(problem(format!("{} is no picture", file.display()))
                    .hint("use a svg, png, jpg or webp file"));
            }
        };
        let bytes = std::fs::read(file)
            .map_err(|error| problem(format!("cannot read {}: {error}", file.display())))?;
        if bytes.len() > MOST_PICTURE {
            return Err(problem(format!(
                "{} is larger than 512 KiB",
                file.display()
            )));
        }
        Ok(Self::new(prefix, (stem, extension), media_type, bytes))
    }
}

/// The Content-Security-Policy to send with an asset: a picture opened by itself runs nothing.
pub(crate) const ASSET_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox";

/// The policies of the pages (CSP level 3): which scripts they may run, and where forms may lead.
#[derive(Debug)]
pub(crate) struct Policies {
    /// For each script, its hash as a source expression.
    hashes: Vec<(Script, String)>,
}

impl Policies {
    /// Works out the hashes.
    pub(crate) fn new() -> Self {
        let hash = |script: Script| {
            let hash = BASE64_STANDARD.encode(Sha256::digest(script.source()));
            (script, format!("'sha256-{hash}'"))
        };
        Self {
            hashes: Script::ALL.into_iter().map(hash).collect(),
        }
    }

    /// The policy of a page.
    pub(crate) fn of(&self, page: &Page) -> String {
        // Chrome asks for the redirects after a submit as well: nobody knows where those lead.
        let form = if page.leaves() {
            "http: https:"
        } else {
            "'self'"
        };
        let mut policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action {form}; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        let scripts = page.scripts();
        if !scripts.is_empty() {
            policy.push_str("; script-src");
        }
        for (_, hash) in self
            .hashes
            .iter()
            .filter(|(script, _)| scripts.contains(script))
        {
            policy.push(' ');
            policy.push_str(hash);
        }
        policy
    }
}
