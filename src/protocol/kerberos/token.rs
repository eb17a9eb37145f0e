//! What a browser sends to `Negotiate` (RFC 4559): an initial token of the GSS-API (RFC 2743 section
//! 3.1), of SPNEGO (RFC 4178) or of Kerberos itself (RFC 4121).

use rasn::prelude::*;
use rasn_kerberos::ApReq;

/// 1.3.6.1.5.5.2
const SPNEGO: &[u8] = &[6, 6, 0x2b, 6, 1, 5, 5, 2];
/// 1.2.840.113554.1.2.2
const KERBEROS: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2];
/// RFC 4121 section 4.1.
const AP_REQ: &[u8] = &[1, 0];

/// Why a token has no ticket.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NoTicket {
    #[error("the browser offers NTLM, which is not taken: it has no ticket for this service")]
    Ntlm,
    #[error("the browser's token has no Kerberos ticket in it")]
    None,
}

/// NegotiationToken (RFC 4178 section 4.2).
#[derive(AsnType, Debug, Decode)]
#[rasn(choice)]
enum NegotiationToken {
    #[rasn(tag(explicit(0)))]
    Init(NegTokenInit),
}

#[derive(AsnType, Debug, Decode)]
struct NegTokenInit {
    #[rasn(tag(explicit(0)))]
    _mech_types: SequenceOf<ObjectIdentifier>,
    #[rasn(tag(explicit(1)))]
    _req_flags: Option<BitString>,
    #[rasn(tag(explicit(2)))]
    mech_token: Option<OctetString>,
    #[rasn(tag(explicit(3)))]
    _mech_list_mic: Option<OctetString>,
}

/// What a token shows to everybody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ticket {
    /// The service that it is for, like `HTTP/login.example.com`. Whoever is between could have
    /// written another.
    pub(crate) service: String,
    /// The authenticator, as it is encrypted: a client makes each only once.
    pub(crate) authenticator: Vec<u8>,
}

impl Ticket {
    /// Looks into a token.
    pub(crate) fn of(token: &[u8]) -> Result<Self, NoTicket> {
        let request = request(token)?;
        let name: Result<Vec<_>, _> = (request.ticket.sname.string.iter())
            .map(|part| String::from_utf8(part.to_vec()))
            .collect();
        Ok(Self {
            service: name.map_err(|_| NoTicket::None)?.join("/"),
            authenticator: request.authenticator.cipher.to_vec(),
        })
    }
}

fn request(token: &[u8]) -> Result<ApReq, NoTicket> {
    if token.starts_with(b"NTLMSSP\0") {
        return Err(NoTicket::Ntlm);
    }
    let mut inner = unframed(token).ok_or(NoTicket::None)?;
    let held;
    if let Some(spnego) = inner.strip_prefix(SPNEGO) {
        let decoded: NegotiationToken = rasn::ber::decode(spnego).map_err(|_| NoTicket::None)?;
        let NegotiationToken::Init(init) = decoded;
        held = init.mech_token.ok_or(NoTicket::None)?;
        if held.starts_with(b"NTLMSSP\0") {
            return Err(NoTicket::Ntlm);
        }
        inner = unframed(&held).ok_or(NoTicket::None)?;
    }
    let request = inner
        .strip_prefix(KERBEROS)
        .and_then(|rest| rest.strip_prefix(AP_REQ))
        .ok_or(NoTicket::None)?;
    rasn::der::decode(request).map_err(|_| NoTicket::None)
}

/// What is in `[APPLICATION 0]`.
fn unframed(token: &[u8]) -> Option<&[u8]> {
    let (&[tag, first], rest) = token.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    (tag == 0x60 && length == rest.len()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_ticket_is_named() {
        assert_eq!(Ticket::of(b"NTLMSSP\0\x01\0\0\0"), Err(NoTicket::Ntlm));
        for token in [
            &b""[..],
            b"\x60",
            b"\x60\x00",
            b"\x60\x82\xff\xff",
            b"\x60\x08\x06\x06\x2b\x06\x01\x05\x05\x02",
            b"alice:secret",
        ] {
            assert_eq!(Ticket::of(token), Err(NoTicket::None), "{token:?}");
        }
        // SPNEGO with NTLM in it
        let ntlm = b"NTLMSSP\0\x01\0\0\0";
        let mut mech_token = vec![0xa2, 14, 4, 12];
        mech_token.extend_from_slice(ntlm);
        let mut body = vec![0x30, 16 + 4, 0xa0, 2, 0x30, 0];
        body.extend(&mech_token);
        let mut token = SPNEGO.to_vec();
        token.extend([0xa0, u8::try_from(body.len()).unwrap()]);
        token.extend(&body);
        let mut framed = vec![0x60, u8::try_from(token.len()).unwrap()];
        framed.extend(token);
        assert_eq!(Ticket::of(&framed), Err(NoTicket::Ntlm));
    }

    /// Strings in strings in strings, as BER allows and DER does not: no stack is as deep.
    #[test]
    fn what_is_nested_without_end_is_no_ticket() {
        for (opens, times) in [(&[0x24, 0x80][..], 30_000), (&[0x30, 0x80], 30_000)] {
            let mut token = SPNEGO.to_vec();
            token.extend([0xa0, 0x80, 0x30, 0x80, 0xa0, 2, 0x30, 0, 0xa2, 0x80]);
            token.extend(opens.repeat(times));
            let length = u16::try_from(token.len()).unwrap().to_be_bytes();
            let framed = [&[0x60, 0x82], &length[..], &token].concat();
            assert_eq!(Ticket::of(&framed), Err(NoTicket::None));
        }
    }
}
