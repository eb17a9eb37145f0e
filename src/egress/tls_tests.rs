//! Calls over real TLS: who is believed, and who is not.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
};

use bytes::Bytes;
use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslAcceptor, SslMethod, SslVerifyMode},
    x509::{
        X509, X509NameBuilder,
        extension::{BasicConstraints, KeyUsage, SubjectAlternativeName},
    },
};

use super::http::{Client, ClientTls, HttpError, Written};
use crate::secret::Secret;

/// A certificate and its key.
struct Certified {
    certificate: X509,
    key: PKey<Private>,
}

impl Certified {
    fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    fn identity(&self) -> (Vec<u8>, Secret) {
        let key = self.key.private_key_to_pem_pkcs8().unwrap();
        (self.pem(), Secret::new(String::from_utf8(key).unwrap()))
    }
}

/// When a certificate ends.
#[derive(Clone, Copy)]
enum End {
    Past,
    Tomorrow,
}

/// A certificate of `issuer` for `hosts`; an authority, signed by itself, if there is none.
fn certify(issuer: Option<&Certified>, hosts: &[&str], end: End) -> Certified {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    let common = hosts.first().unwrap_or(&"test authority");
    name.append_entry_by_text("CN", common).unwrap();
    let name = name.build();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let serial = serial.to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&name).unwrap();
    let issuer_name = issuer.map_or(&*name, |issuer| issuer.certificate.subject_name());
    builder.set_issuer_name(issuer_name).unwrap();
    builder.set_pubkey(&key).unwrap();
    let end = match end {
        End::Past => Asn1Time::from_str("20010101000000Z").unwrap(),
        End::Tomorrow => Asn1Time::days_from_now(1).unwrap(),
    };
    let start = Asn1Time::from_str("20000101000000Z").unwrap();
    builder.set_not_before(&start).unwrap();
    builder.set_not_after(&end).unwrap();
    if issuer.is_none() {
        let constraints = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(constraints).unwrap();
        let usage = KeyUsage::new().critical().key_cert_sign().build().unwrap();
        builder.append_extension(usage).unwrap();
    } else {
        let mut names = SubjectAlternativeName::new();
        for host in hosts {
            match host.parse::<std::net::IpAddr>() {
                Ok(_) => names.ip(host),
                Err(_) => names.dns(host),
            };
        }
        let context = builder.x509v3_context(None, None);
        let names = names.build(&context).unwrap();
        builder.append_extension(names).unwrap();
    }
    let signer = issuer.map_or(&key, |issuer| &issuer.key);
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    Certified {
        certificate: builder.build(),
        key,
    }
}

/// A server that says what it was asked, after the handshake.
fn server(own: &Certified, demands: Option<&Certified>) -> (u16, Receiver<Vec<u8>>) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&own.key).unwrap();
    acceptor.set_certificate(&own.certificate).unwrap();
    if let Some(authority) = demands {
        let store = acceptor.cert_store_mut();
        store.add_cert(authority.certificate.clone()).unwrap();
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heard) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let Ok(mut stream) = acceptor.accept(socket.unwrap()) else {
                continue;
            };
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            head.truncate(length);
            if length > 0 && asked.send(head).is_err() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    (port, heard)
}

fn written() -> Client {
    Client::new().written(Written {
        hosts: ["localhost".to_owned(), "127.0.0.1".to_owned()].into(),
        danger_plain_http: false,
    })
}

fn trusting(authority: &Certified) -> Client {
    let tls = ClientTls {
        ca: Some(authority.pem()),
        identity: None,
    };
    written().with_tls(&tls).unwrap()
}

async fn get(client: &Client, host: &str, port: u16) -> Result<u16, HttpError> {
    let request = http::Request::get(format!("https://{host}:{port}/?code=canary"));
    let answer = client.send(request.body(Bytes::new()).unwrap()).await;
    answer.map(|answer| answer.status().as_u16())
}

#[tokio::test]
async fn a_certificate_of_the_given_authority_for_that_host_is_believed() {
    let authority = certify(None, &[], End::Tomorrow);
    let own = certify(Some(&authority), &["localhost", "127.0.0.1"], End::Tomorrow);
    let (port, _heard) = server(&own, None);
    let client = trusting(&authority);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(get(&client, host, port).await.unwrap(), 200, "{host}");
    }
}

#[tokio::test]
async fn no_other_certificate_is_believed_and_nothing_is_sent() {
    let authority = certify(None, &[], End::Tomorrow);
    let other = certify(None, &[], End::Tomorrow);
    let good = certify(Some(&authority), &["localhost"], End::Tomorrow);
    let expired = certify(Some(&authority), &["localhost"], End::Past);
    let wrong = certify(Some(&authority), &["other.localhost"], End::Tomorrow);
    let selfmade = certify(None, &["localhost"], End::Tomorrow);
    let trusting = trusting(&authority);
    for (what, own, client, host) in [
        ("an expired one", &expired, &trusting, "localhost"),
        ("of another host", &wrong, &trusting, "localhost"),
        ("of a name, for an address", &good, &trusting, "127.0.0.1"),
        ("signed by itself", &selfmade, &trusting, "localhost"),
        (
            "of an authority unknown here",
            &certify(Some(&other), &["localhost"], End::Tomorrow),
            &trusting,
            "localhost",
        ),
        // The trust of one part is not that of the others.
        ("of another part's", &good, &written(), "localhost"),
    ] {
        let (port, heard) = server(own, None);
        let error = get(client, host, port).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, HttpError::Connect(_)), "{what}: {error:?}");
        assert!(said.contains("certificate verify failed"), "{what}: {said}");
        assert!(!said.contains("canary"), "{said}");
        assert!(heard.try_recv().is_err(), "{what}: it was sent");
    }
}

#[tokio::test]
async fn a_trust_of_its_own_leaves_the_addresses_alone() {
    let authority = certify(None, &[], End::Tomorrow);
    let own = certify(Some(&authority), &["localhost"], End::Tomorrow);
    let (port, _heard) = server(&own, None);
    let tls = ClientTls {
        ca: Some(authority.pem()),
        identity: None,
    };
    let client = Client::new().with_tls(&tls).unwrap();
    let error = get(&client, "localhost", port).await.unwrap_err();
    assert!(matches!(error, HttpError::Inside(_)), "{error:?}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_given() {
    let authority = certify(None, &[], End::Tomorrow);
    let own = certify(Some(&authority), &["localhost"], End::Tomorrow);
    let me = certify(Some(&authority), &["vestibule.test"], End::Tomorrow);
    let (port, heard) = server(&own, Some(&authority));
    assert!(get(&trusting(&authority), "localhost", port).await.is_err());
    assert!(heard.try_recv().is_err(), "nobody was let in");
    let tls = ClientTls {
        ca: Some(authority.pem()),
        identity: Some(me.identity()),
    };
    let client = written().with_tls(&tls).unwrap();
    assert_eq!(get(&client, "localhost", port).await.unwrap(), 200);
}

#[test]
fn what_is_no_certificate_or_key_is_refused() {
    let one = certify(None, &[], End::Tomorrow);
    let other = certify(None, &[], End::Tomorrow);
    let (certificate, _) = one.identity();
    let (_, key) = other.identity();
    for tls in [
        ClientTls {
            ca: Some(b"nonsense".to_vec()),
            identity: None,
        },
        ClientTls {
            ca: None,
            identity: Some((certificate, Secret::new("nonsense".to_owned()))),
        },
        ClientTls {
            ca: None,
            identity: Some((b"nonsense".to_vec(), key)),
        },
    ] {
        assert!(Client::new().with_tls(&tls).is_err());
    }
}
