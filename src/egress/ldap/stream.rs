//! One connection to a directory.

use std::{fmt, io, time::Duration};

use rasn::types::OctetString;
use rasn_ldap::{
    AuthenticationChoice, BindRequest, Control, ExtendedRequest, LdapMessage, LdapResult,
    ModifyRequest, ProtocolOp, ResultCode, SearchRequest, SearchRequestDerefAliases,
    SearchRequestScope, SearchResultEntry,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use zeroize::Zeroizing;

use super::{
    Entry, LdapError, Said, Scope, Search,
    connect::{connect, secured, start_tls},
    server::{Security, Server, Tls},
};
use crate::{
    protocol::ldap::{Header, controls, password_modify},
    secret::Secret,
};

/// The largest message that is read, in bytes.
pub(super) const MOST_MESSAGE: usize = 4 << 20;
/// What all messages of one answer may have, in bytes.
const MOST_ANSWER: usize = 16 << 20;
/// Entries for each page of a search.
const PAGE: u32 = 500;
/// RFC 3062.
const MODIFY_PASSWORD: &str = "1.3.6.1.4.1.4203.1.11.1";

/// How long is waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For a connection, with TLS.
    pub(crate) connect: Duration,
    /// For the answer to an operation, with all its pages.
    pub(crate) operation: Duration,
}

/// A connection to a directory. After an error it is of no use any more: it is to be dropped.
pub(crate) struct LdapStream {
    stream: Box<dyn Stream>,
    last_id: u32,
    operation: Duration,
    /// Bytes that the answer to this operation may still have.
    left: usize,
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

impl fmt::Debug for LdapStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LdapStream").finish_non_exhaustive()
    }
}

/// What a person's password is replaced by.
pub(crate) struct NewPassword<'a> {
    pub(crate) old: &'a Secret,
    pub(crate) new: &'a Secret,
}

impl LdapStream {
    /// Connects, and returns when what follows is secret.
    pub(crate) async fn open(
        server: &Server,
        tls: &Tls,
        limits: Limits,
    ) -> Result<Self, LdapError> {
        let opened = timeout(limits.connect, async {
            let tcp = connect(server, limits.connect).await?;
            let (stream, last_id): (Box<dyn Stream>, u32) = match server.security {
                Security::Plain => (Box::new(tcp), 0),
                Security::Tls => (Box::new(secured(tcp, server, tls).await?), 0),
                Security::StartTls => {
                    let tcp = start_tls(tcp, limits.operation).await?;
                    (Box::new(secured(tcp, server, tls).await?), 1)
                }
            };
            Ok(Self {
                stream,
                last_id,
                operation: limits.operation,
                left: MOST_ANSWER,
            })
        });
        opened
            .await
            .unwrap_or_else(|_| Err(timed_out(limits.connect)))
    }

    /// Binds (RFC 4513 section 5.1.3). The directory's word is given back as it came.
    pub(crate) async fn bind(&mut self, name: &str, password: &Secret) -> Result<Said, LdapError> {
        let password = password.expose().as_bytes().to_vec();
        let request = BindRequest::new(
            3,
            name.into(),
            AuthenticationChoice::Simple(OctetString::from(password)),
        );
        let request = ProtocolOp::BindRequest(request);
        let (answer, controls) = self.ask(request, vec![controls::password_policy()]).await?;
        match answer {
            ProtocolOp::BindResponse(said) => {
                Said::new(said.result_code, said.diagnostic_message.0, controls)
            }
            _ => Err(unexpected()),
        }
    }

    /// Searches, page by page. References to other servers are passed over.
    pub(crate) async fn search(&mut self, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        let limit = self.operation;
        self.left = MOST_ANSWER;
        // One deadline for all pages: a directory may always have one more, with nothing on it.
        let searched = timeout(limit, self.search_all(search));
        searched.await.unwrap_or_else(|_| Err(timed_out(limit)))
    }

    async fn search_all(&mut self, search: &Search<'_>) -> Result<Vec<Entry>, LdapError> {
        let mut entries = Vec::new();
        let mut cookie = Vec::new();
        loop {
            let page = (search.scope != Scope::Base)
                .then(|| controls::page(PAGE, &cookie))
                .flatten();
            let page = page.into_iter().collect();
            let said = self.search_page(search, page, &mut entries).await?;
            match said.code {
                ResultCode::Success => {}
                ResultCode::SizeLimitExceeded => return Err(LdapError::TooMany(entries.len())),
                ResultCode::Referral => return Err(LdapError::Referral),
                code => {
                    let text = said.text;
                    return Err(LdapError::Refused { code, text });
                }
            }
            match controls::next_page(&said.controls) {
                Some(next) => cookie = next,
                None => return Ok(entries),
            }
        }
    }

    async fn search_page(
        &mut self,
        search: &Search<'_>,
        page: Vec<Control>,
        entries: &mut Vec<Entry>,
    ) -> Result<Said, LdapError> {
        let request = SearchRequest::new(
            search.base.into(),
            match search.scope {
                Scope::Base => SearchRequestScope::BaseObject,
                Scope::Subtree => SearchRequestScope::WholeSubtree,
            },
            SearchRequestDerefAliases::NeverDerefAliases,
            0,
            u32::try_from(self.operation.as_secs()).unwrap_or(0),
            false,
            search.filter.clone(),
            search
                .attributes
                .iter()
                .map(|one| one.as_str().into())
                .collect(),
        );
        let id = self.send(ProtocolOp::SearchRequest(request), page).await?;
        loop {
            let (answer, controls) = self.receive(id).await?;
            match answer {
                ProtocolOp::SearchResEntry(entry) if entries.len() < search.most => {
                    entries.push(read_entry(entry));
                }
                ProtocolOp::SearchResEntry(_) => return Err(LdapError::TooMany(search.most)),
                ProtocolOp::SearchResRef(_) | ProtocolOp::IntermediateResponse(_) => {}
                ProtocolOp::SearchResDone(done) => return Said::of(done.0, controls),
                _ => return Err(unexpected()),
            }
        }
    }

    /// Changes an entry (RFC 4511 section 4.6).
    pub(crate) async fn modify(&mut self, request: ModifyRequest) -> Result<Said, LdapError> {
        let request = ProtocolOp::ModifyRequest(request);
        let (answer, controls) = self.ask(request, vec![controls::password_policy()]).await?;
        match answer {
            ProtocolOp::ModifyResponse(said) => Said::of(said.0, controls),
            _ => Err(unexpected()),
        }
    }

    /// Replaces the password of an entry by the extended operation for that (RFC 3062).
    pub(crate) async fn modify_password(
        &mut self,
        dn: &str,
        passwords: NewPassword<'_>,
    ) -> Result<Said, LdapError> {
        let (old, new) = (passwords.old.expose(), passwords.new.expose());
        let value = password_modify(dn, old, new).map(Zeroizing::new);
        let value = value.ok_or_else(unexpected)?;
        let request = ExtendedRequest {
            request_name: MODIFY_PASSWORD.as_bytes().to_vec().into(),
            request_value: Some(value.to_vec().into()),
        };
        let request = ProtocolOp::ExtendedReq(request);
        let (answer, controls) = self.ask(request, vec![controls::password_policy()]).await?;
        match answer {
            ProtocolOp::ExtendedResp(said) => {
                Said::new(said.result_code, said.diagnostic_message.0, controls)
            }
            _ => Err(unexpected()),
        }
    }

    /// One request and its one answer.
    async fn ask(
        &mut self,
        request: ProtocolOp,
        controls: Vec<Control>,
    ) -> Result<(ProtocolOp, Vec<Control>), LdapError> {
        let limit = self.operation;
        self.left = MOST_ANSWER;
        let asked = timeout(limit, async {
            let id = self.send(request, controls).await?;
            self.receive(id).await
        });
        asked.await.unwrap_or_else(|_| Err(timed_out(limit)))
    }

    async fn send(
        &mut self,
        request: ProtocolOp,
        controls: Vec<Control>,
    ) -> Result<u32, LdapError> {
        self.last_id += 1;
        let mut message = LdapMessage::new(self.last_id, request);
        message.controls = (!controls.is_empty()).then_some(controls);
        write_message(&mut self.stream, &message).await?;
        Ok(self.last_id)
    }

    async fn receive(&mut self, id: u32) -> Result<(ProtocolOp, Vec<Control>), LdapError> {
        let most = self.left.min(MOST_MESSAGE);
        let (length, answer) = read_message(&mut self.stream, id, most).await?;
        self.left = self.left.saturating_sub(length);
        Ok(answer)
    }
}

impl Said {
    fn new(code: ResultCode, text: String, controls: Vec<Control>) -> Result<Self, LdapError> {
        let policy = controls::policy_of(&controls).ok_or_else(unexpected)?;
        Ok(Self {
            code,
            text,
            policy,
            controls,
        })
    }

    fn of(result: LdapResult, controls: Vec<Control>) -> Result<Self, LdapError> {
        Self::new(result.result_code, result.diagnostic_message.0, controls)
    }
}

pub(super) async fn write_message(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &LdapMessage,
) -> Result<(), LdapError> {
    let encoded = rasn::ber::encode(message);
    let octets = encoded.map_err(|error| LdapError::Unreadable(error.to_string()))?;
    // A password may be in it.
    let octets = Zeroizing::new(octets);
    stream.write_all(&octets).await.map_err(broken)?;
    stream.flush().await.map_err(broken)
}

/// What a message says.
type Answer = (ProtocolOp, Vec<Control>);

/// The next message, which must be one for `id`, with its length.
pub(super) async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
    id: u32,
    most: usize,
) -> Result<(usize, Answer), LdapError> {
    let mut begins = [0; Header::LEAST];
    stream.read_exact(&mut begins).await.map_err(broken)?;
    let mut header = begins.to_vec();
    header.resize(Header::size(begins)?, 0);
    if let Some(more) = header.get_mut(Header::LEAST..) {
        stream.read_exact(more).await.map_err(broken)?;
    }
    let Header { contents, .. } = Header::read(&header, most)?;
    let mut octets = header;
    // As much memory as has come, and not as much as was announced.
    let read = stream.take(contents as u64).read_to_end(&mut octets).await;
    if read.map_err(broken)? < contents {
        return Err(LdapError::Closed);
    }
    let message: LdapMessage = rasn::ber::decode(&octets)
        .map_err(|error| LdapError::Unreadable(error.kind.to_string()))?;
    // Number 0 is the notice that it is going to close (RFC 4511 section 4.4.1).
    match message.message_id {
        0 => Err(LdapError::Closed),
        other if other == id => {
            let controls = message.controls.unwrap_or_default();
            Ok((octets.len(), (message.protocol_op, controls)))
        }
        _ => Err(unexpected()),
    }
}

fn read_entry(entry: SearchResultEntry) -> Entry {
    let attributes = entry.attributes.into_iter().map(|attribute| {
        let values = attribute.vals.into_vec().into_iter();
        let values = values.map(|value| value.to_vec().into()).collect();
        (attribute.r#type.0, values)
    });
    Entry {
        dn: entry.object_name.0,
        attributes: attributes.collect(),
    }
}

fn broken(error: io::Error) -> LdapError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => LdapError::Closed,
        _ => LdapError::Io(error),
    }
}

pub(super) fn unexpected() -> LdapError {
    LdapError::Unreadable("it is no answer to what was asked".to_owned())
}

pub(super) fn timed_out(limit: Duration) -> LdapError {
    LdapError::TimedOut(limit.as_secs_f32())
}
