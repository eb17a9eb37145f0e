//! Calls to real sockets.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::http::{Client, HttpError, Written};

/// A server that answers each connection with these octets, in pieces, and says what it was asked.
async fn server(
    pieces: Vec<Vec<u8>>,
    forever: bool,
) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, heard) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match socket.read_u8().await {
                    Ok(octet) => head.push(octet),
                    Err(_) => break,
                }
            }
            let _ = asked.send(String::from_utf8_lossy(&head).into_owned());
            for piece in &pieces {
                if socket.write_all(piece).await.is_err() {
                    break;
                }
            }
            let last = pieces.last().cloned().unwrap_or_default();
            while forever && socket.write_all(&last).await.is_ok() {}
        }
    });
    (port, heard)
}

fn local(host: &str) -> Client {
    Client::new().written(Written {
        hosts: [host.to_owned()].into(),
        danger_plain_http: false,
    })
}

async fn get(client: &Client, url: &str) -> Result<http::Response<Bytes>, HttpError> {
    let request = http::Request::get(url).body(Bytes::new()).unwrap();
    client.send(request).await
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[tokio::test]
async fn a_written_host_on_this_machine_is_called() {
    let (port, mut heard) = server(vec![OK.to_vec()], false).await;
    for host in ["127.0.0.1", "localhost", "idp.localhost"] {
        let url = format!("http://{host}:{port}/a?b=c");
        let answer = get(&local(host), &url).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.body()[..]),
            (200, &b"hi"[..])
        );
        let head = heard.recv().await.unwrap().to_ascii_lowercase();
        assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
        let agent = concat!("user-agent: vestibule/", env!("CARGO_PKG_VERSION"), "\r\n");
        assert!(head.contains(agent), "{head}");
        assert!(
            !head.contains("accept-encoding") && !head.contains("referer"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn nobody_else_may_be_inside() {
    let (port, mut heard) = server(vec![OK.to_vec()], false).await;
    for host in [
        "127.0.0.1",
        "localhost",
        "other.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        for client in [Client::new(), local("idp.localhost")] {
            let plain = get(&client, &format!("http://{host}:{port}/")).await;
            assert!(
                matches!(plain, Err(HttpError::PlainHttp(_))),
                "{host}: {plain:?}"
            );
            let tls = get(&client, &format!("https://{host}:{port}/")).await;
            assert!(matches!(tls, Err(HttpError::Inside(_))), "{host}: {tls:?}");
        }
    }
    for url in [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/",
        "https://[fd00::1]/",
    ] {
        let found = get(&Client::new(), url).await;
        assert!(
            matches!(found, Err(HttpError::Inside(_))),
            "{url}: {found:?}"
        );
    }
    assert!(heard.try_recv().is_err(), "it was called");
}

#[tokio::test]
async fn plain_http_stays_on_this_machine_unless_the_operator_insists() {
    let written = |danger_plain_http| {
        Client::new().written(Written {
            hosts: ["192.0.2.1".to_owned()].into(),
            danger_plain_http,
        })
    };
    let refused = get(&written(false), "http://192.0.2.1:9/").await;
    assert!(
        matches!(refused, Err(HttpError::PlainHttp(_))),
        "{refused:?}"
    );
    let insisting = written(true);
    let tried = tokio::time::timeout(
        Duration::from_millis(300),
        get(&insisting, "http://192.0.2.1:9/"),
    );
    let tried = tried.await;
    assert!(
        !matches!(tried, Ok(Err(HttpError::PlainHttp(_)))),
        "{tried:?}"
    );
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    for url in ["https://me:pass@idp.example/", "ftp://idp.example/"] {
        let found = get(&local("idp.example"), url).await;
        assert!(
            matches!(found, Err(HttpError::NotAUrl(_))),
            "{url}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (inside, mut heard) = server(vec![OK.to_vec()], false).await;
    let to = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://localhost:{inside}/\r\nContent-Length: 0\r\n\r\n"
    );
    let (port, _asked) = server(vec![to.into_bytes()], false).await;
    let answer = get(&local("localhost"), &format!("http://localhost:{port}/")).await;
    assert_eq!(answer.unwrap().status().as_u16(), 302);
    assert!(heard.try_recv().is_err(), "it was followed");
}

#[tokio::test]
async fn an_endless_answer_is_not_stored() {
    let piece = vec![b'x'; 64 << 10];
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
    let plain = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    for pieces in [vec![chunked, chunk], vec![plain, piece]] {
        let (port, _asked) = server(pieces, true).await;
        let answer = get(&local("localhost"), &format!("http://localhost:{port}/")).await;
        assert!(matches!(answer, Err(HttpError::TooLarge)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_error_says_what_failed_and_not_what_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://localhost:{port}/?code=canary");
    let error = get(&local("localhost"), &url).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)), "{error:?}");
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("refused") && !said.contains("canary"),
        "{said}"
    );
    let (port, _asked) = server(vec![b"nonsense\r\n\r\n".to_vec()], false).await;
    let url = format!("http://localhost:{port}/?code=canary");
    let error = get(&local("localhost"), &url).await.unwrap_err();
    assert!(matches!(error, HttpError::Broken(_)), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _request = socket.read(&mut [0; 4096]).await;
        let mut piece = &b"HTTP/1.1 200 OK\r\n\r\n"[..];
        while socket.write_all(piece).await.is_ok() {
            piece = b"x";
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let client = local("localhost");
    let url = format!("http://localhost:{port}/");
    let call = get(&client, &url);
    let answer = tokio::time::timeout(Duration::from_secs(60), call).await;
    assert!(matches!(answer, Ok(Err(HttpError::TimedOut))), "{answer:?}");
}

#[tokio::test]
async fn a_length_that_lies_is_not_believed() {
    // Too short: what follows belongs to no answer. Too long: it broke off.
    for (length, whole) in [("2", true), ("1073741824", false)] {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhi, there");
        let (port, _asked) = server(vec![text.into_bytes()], false).await;
        let answer = get(&local("localhost"), &format!("http://localhost:{port}/")).await;
        match answer {
            Ok(answer) => assert!(whole && &answer.body()[..] == b"hi", "{answer:?}"),
            Err(error) => assert!(!whole && matches!(error, HttpError::Broken(_)), "{error:?}"),
        }
    }
}

#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args([
        "--exact",
        "egress::tests::a_written_host_on_this_machine_is_called",
    ]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        // Nobody listens there.
        again.env(name, "http://127.0.0.1:1");
        again.env(name.to_uppercase(), "http://127.0.0.1:1");
    }
    again.env_remove("no_proxy").env_remove("NO_PROXY");
    let ran = again.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(said.contains("1 passed"), "{said}");
}
