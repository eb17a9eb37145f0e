//! The way to a directory, and TLS on it.

use std::{pin::Pin, time::Duration};

use openssl::x509::X509VerifyResult;
use rasn_ldap::{ExtendedRequest, ExtendedResponse, LdapMessage, ProtocolOp, ResultCode};
use tokio::{net::TcpStream, time::timeout};
use tokio_openssl::SslStream;

use super::{
    LdapError,
    server::{Server, Tls},
    stream::{MOST_MESSAGE, read_message, timed_out, unexpected, write_message},
};

/// An address that does not answer must leave time for the next.
const LEAST_CONNECT: Duration = Duration::from_millis(500);
/// RFC 4511 section 4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// Connects to the first address that answers.
pub(super) async fn connect(server: &Server, limit: Duration) -> Result<TcpStream, LdapError> {
    let addresses = server.addresses().await?;
    let each = limit / u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let each = each.max(LEAST_CONNECT);
    let mut failed = timed_out(limit);
    for address in addresses {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => failed = LdapError::Connect(error),
            Err(_) => {}
        }
    }
    Err(failed)
}

/// Asks for TLS, and reads the answer and not one octet more: what was sent before the handshake
/// must not count after it.
pub(super) async fn start_tls(mut tcp: TcpStream, limit: Duration) -> Result<TcpStream, LdapError> {
    let asked = timeout(limit, async {
        let request = ProtocolOp::ExtendedReq(ExtendedRequest {
            request_name: START_TLS.as_bytes().to_vec().into(),
            request_value: None,
        });
        write_message(&mut tcp, &LdapMessage::new(1, request)).await?;
        read_message(&mut tcp, 1, MOST_MESSAGE).await
    });
    let (_, (answer, _)) = asked.await.unwrap_or_else(|_| Err(timed_out(limit)))?;
    match answer {
        ProtocolOp::ExtendedResp(ExtendedResponse {
            result_code: ResultCode::Success,
            ..
        }) => Ok(tcp),
        ProtocolOp::ExtendedResp(said) => Err(LdapError::StartTls {
            code: said.result_code,
            text: said.diagnostic_message.0,
        }),
        _ => Err(unexpected()),
    }
}

pub(super) async fn secured(
    tcp: TcpStream,
    server: &Server,
    tls: &Tls,
) -> Result<SslStream<TcpStream>, LdapError> {
    let said = |error: openssl::error::ErrorStack| LdapError::Tls(error.to_string());
    let ssl = tls.0.configure().map_err(said)?;
    let ssl = ssl.into_ssl(&server.host).map_err(said)?;
    let mut stream = SslStream::new(ssl, tcp).map_err(said)?;
    if let Err(error) = Pin::new(&mut stream).connect().await {
        let verified = stream.ssl().verify_result();
        return Err(LdapError::Tls(if verified == X509VerifyResult::OK {
            error.to_string()
        } else {
            format!("the certificate of {server} is not accepted: {verified}")
        }));
    }
    Ok(stream)
}
