//! A letter as it travels: headers (RFC 5322) and both its forms (RFC 2046 section 5.1.4).

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::Settings;
use crate::{clock::Timestamp, protocol::EmailAddress, random::hex, text::Written};

/// One line of text without anything that could end it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Subject(String);

impl Subject {
    /// The text with its control characters made blanks.
    pub(super) fn new(text: &str) -> Self {
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        Self(text.chars().map(plain).collect())
    }
}

/// What makes one message another than all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) id: [u8; 16],
    pub(super) at: Timestamp,
}

/// Puts a message together. It fails only for an address that lettre reads more strictly than we do.
pub(super) fn message(
    settings: &Settings,
    to: &EmailAddress,
    written: Written,
    stamp: Stamp,
) -> Result<Message, Unwritable> {
    let to = to.as_str().parse().map_err(Unwritable::Address)?;
    let domain = settings.from.email.domain();
    let millis = u64::try_from(stamp.at.millis()).unwrap_or(0);
    let mut message = Message::builder()
        .from(settings.from.clone())
        .to(Mailbox::new(None, to))
        .subject(Subject::new(&written.subject).0)
        .date(UNIX_EPOCH + Duration::from_millis(millis))
        .message_id(Some(format!("<{}@{domain}>", hex(&stamp.id))));
    if let Some(reply_to) = &settings.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    for (name, value) in [
        // Nobody's holiday notice answers it (RFC 3834 section 5).
        (
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated",
        ),
        (
            HeaderName::new_from_ascii_str("X-Auto-Response-Suppress"),
            "All",
        ),
        // RFC 3282 section 2.
        (
            HeaderName::new_from_ascii_str("Content-Language"),
            written.locale.0.tag,
        ),
    ] {
        message = message.raw_header(HeaderValue::new(name, value.to_owned()));
    }
    let both = MultiPart::alternative_plain_html(written.text, written.html);
    message.multipart(both).map_err(Unwritable::Message)
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    #[error("the address cannot be written to: {0}")]
    Address(lettre::address::AddressError),
    #[error("the message cannot be put together: {0}")]
    Message(lettre::error::Error),
}
