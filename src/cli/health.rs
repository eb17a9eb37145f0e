//! `vestibule health`: whether the running process answers and is ready.
//!
//! For a container's health check, where no other HTTP client is at hand: it asks `/readyz` at
//! `admin.listen` and exits with 0 or 1.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use super::{Ended, Place, output};

/// How long each step may take: a health check that hangs tells nobody anything.
const PATIENCE: Duration = Duration::from_secs(3);

/// More than the status line, which is all that counts.
const MOST_ANSWER: u64 = 1 << 10;

/// Asks.
pub(super) fn run(place: &Place, json: bool) -> anyhow::Result<Ended> {
    let address = reachable(place.load()?.settings.admin.listen);
    Ok(match ask(address) {
        Ok(Answer::Ready) => {
            if json {
                output::json(&serde_json::json!({ "ready": true }));
            } else {
                output::line("ready");
            }
            Ended::Done
        }
        Ok(Answer::NotReady) => {
            output::complain("it runs and is not ready: see its log");
            Ended::NotAsAsked
        }
        Err(error) => {
            output::complain(&format!(
                "nothing answers at {address} ({error}): see that it runs, and admin.listen"
            ));
            Ended::NotAsAsked
        }
    })
}

/// What the process says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    NotReady,
    Ready,
}

/// Where to ask: "any address" is one to listen on, not one to go to.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST_ANSWER).read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(if answer.starts_with(b"HTTP/1.1 200 ") {
        Answer::Ready
    } else {
        Answer::NotReady
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What `ask` makes of a server that reads the request and says `answer`.
    fn told(answer: &'static [u8]) -> io::Result<Answer> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let answer = ask(address);
        let request = server.join().unwrap();
        assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");
        answer
    }

    #[test]
    fn only_200_is_ready() {
        let ready = told(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n");
        assert_eq!(ready.unwrap(), Answer::Ready);
        let not = told(b"HTTP/1.1 503 Service Unavailable\r\n\r\n");
        assert_eq!(not.unwrap(), Answer::NotReady);
        let other = told(b"SSH-2.0-OpenSSH_9.2\r\n");
        assert_eq!(other.unwrap(), Answer::NotReady);
        assert!(told(b"").is_err());
    }

    #[test]
    fn nobody_there_is_an_error() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        assert!(ask(address).is_err());
    }

    #[test]
    fn any_address_is_asked_on_the_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:9091"), "127.0.0.1:9091");
        assert_eq!(at("[::]:9091"), "[::1]:9091");
        assert_eq!(at("10.0.0.7:9091"), "10.0.0.7:9091");
    }
}
