//! Where a provider's metadata come from.

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Method, StatusCode, header};
use openssl::x509::X509;
use url::Url;

use super::MetadataError;
use crate::{
    connection::cached::Passing,
    egress::http::{Client, HttpError},
    problem::Problem,
    protocol::xml::SigningCertificate,
};

/// Where the metadata come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(Bytes),
    Url(Url),
}

impl Source {
    /// From the keys `metadata_url` and `metadata`, of which there is one.
    pub(crate) fn of(url: Option<&str>, path: Option<&Path>) -> Result<Self, Problem> {
        match (url, path) {
            (Some(url), None) => {
                let parsed = Url::parse(url).ok();
                let parsed = parsed.filter(|url| ["http", "https"].contains(&url.scheme()));
                let problem = Problem::new("metadata_url", "it is no http(s) address").hint(url);
                parsed.map(Self::Url).ok_or(problem)
            }
            (None, Some(path)) => {
                let read = fs::read(path).map(|octets| Self::File(octets.into()));
                read.map_err(|error| {
                    let why = format!("{} cannot be read: {error}", path.display());
                    Problem::new("metadata", why)
                })
            }
            (None, None) => Err(
                Problem::new("metadata_url", "the key metadata_url is missing")
                    .hint("the provider shows it; metadata names a file instead"),
            ),
            (Some(_), Some(_)) => Err(Problem::new(
                "metadata",
                "metadata and metadata_url are both there",
            )
            .hint("one of them is enough")),
        }
    }

    /// The metadata, fetched if they are elsewhere.
    pub(crate) async fn read(&self, http: &Client) -> Result<Bytes, ProviderError> {
        let url = match self {
            Self::File(octets) => return Ok(octets.clone()),
            Self::Url(url) => url,
        };
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(
                header::ACCEPT,
                "application/samlmetadata+xml, application/xml;q=0.9",
            )
            .body(Bytes::new());
        send(http, url, request).await
    }
}

/// Calls a provider; any answer but a good one is an error.
pub(crate) async fn send(
    http: &Client,
    url: &Url,
    request: http::Result<http::Request<Bytes>>,
) -> Result<Bytes, ProviderError> {
    // A URL is a URI.
    let answer = http.send(request.unwrap_or_default()).await;
    let answer = answer.map_err(|error| ProviderError::Http(url.to_string(), Arc::new(error)))?;
    if answer.status() != StatusCode::OK {
        return Err(ProviderError::Status(url.to_string(), answer.status()));
    }
    Ok(answer.into_body())
}

/// Who must have signed the metadata, from `metadata_certificate`.
pub(crate) fn signer(path: &Path) -> Result<SigningCertificate, Problem> {
    let problem = |why: String| Problem::new("metadata_certificate", why);
    let pem = fs::read(path)
        .map_err(|error| problem(format!("{} cannot be read: {error}", path.display())))?;
    let der = X509::from_pem(&pem).and_then(|certificate| certificate.to_der());
    let der = der.map_err(|error| problem(format!("{}: {error}", path.display())))?;
    SigningCertificate::from_der(&der).map_err(|error| problem(error.to_string()))
}

/// Why there are no metadata.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    #[error("{0} was not fetched: {1}")]
    Http(String, Arc<HttpError>),
    #[error("the metadata: {0}")]
    Metadata(#[from] MetadataError),
    #[error("what reads metadata did not end")]
    Reader,
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
}

impl Passing for ProviderError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Http(..) | Self::Reader => true,
            Self::Metadata(_) => false,
            Self::Status(_, status) => status.is_server_error(),
        }
    }
}
