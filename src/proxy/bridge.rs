//! From a pingora request to a page of ours and back.
//!
//! The body is read up to the page's limit before the page sees it, and never without a deadline;
//! what is left unread is drained in bounds, so that no byte of it is taken for a next request.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use pingora::{http::ResponseHeader, proxy::Session as Downstream};
use tokio::time::timeout;

/// For a whole form to arrive.
const BODY: Duration = Duration::from_secs(20);
/// How much of an unwanted body is read and thrown away, and for how long.
const DRAIN_BYTES: usize = 1 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// How long the visitor may take to read a part of an answer of ours.
const WRITE: Duration = Duration::from_secs(30);

/// Why a body was not read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BodyError {
    /// The visitor broke off or broke the framing.
    Broken,
    TooLarge,
    TooSlow,
}

/// Reads a request body of at most `most` bytes.
pub(super) async fn read_body(
    downstream: &mut Downstream,
    most: usize,
) -> Result<Bytes, BodyError> {
    let announced = downstream
        .req_header()
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(BodyError::TooLarge);
    }
    let expects = downstream.req_header().headers.get(header::EXPECT);
    if expects.is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        downstream
            .write_continue_response()
            .await
            .map_err(|_| BodyError::Broken)?;
    }
    let read = async {
        let mut body = BytesMut::new();
        while let Some(part) = downstream
            .read_request_body()
            .await
            .map_err(|_| BodyError::Broken)?
        {
            if body.len() + part.len() > most {
                return Err(BodyError::TooLarge);
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    };
    timeout(BODY, read).await.unwrap_or(Err(BodyError::TooSlow))
}

/// Writes an answer of ours.
pub(super) async fn write(
    downstream: &mut Downstream,
    answer: Response<Bytes>,
) -> pingora::Result<()> {
    let http2 = downstream.is_http2();
    downstream.set_write_timeout(Some(WRITE));
    // Whoever waits for a 100 or wants an upgrade sends nothing more before our answer.
    let waits =
        downstream.is_upgrade_req() || downstream.req_header().headers.contains_key(header::EXPECT);
    let drained = if waits {
        downstream.is_body_done()
    } else {
        drain(downstream).await
    };
    if !drained && !http2 {
        downstream.set_keepalive(None);
    }
    let (parts, body) = answer.into_parts();
    let mut head = ResponseHeader::build(parts.status, Some(parts.headers.len() + 1))?;
    for (name, value) in &parts.headers {
        head.append_header(name.clone(), value.clone())?;
    }
    let empty = parts.status == StatusCode::NO_CONTENT || parts.status == StatusCode::NOT_MODIFIED;
    if !empty {
        head.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    let silent = empty || body.is_empty() || downstream.req_header().method == http::Method::HEAD;
    downstream
        .write_response_header(Box::new(head), silent)
        .await?;
    if !silent {
        downstream.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// Reads what is left of the request's body, in bounds. `false`: there is more, and the connection
/// must not carry another request.
async fn drain(downstream: &mut Downstream) -> bool {
    let read = async {
        let mut drained = 0;
        loop {
            match downstream.read_request_body().await {
                Ok(None) => return true,
                Ok(Some(part)) => drained += part.len(),
                Err(_) => return false,
            }
            if drained > DRAIN_BYTES {
                return false;
            }
        }
    };
    timeout(DRAIN_TIME, read).await.unwrap_or(false)
}
