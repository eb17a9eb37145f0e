//! An application that records, octet for octet, what reaches it.

use std::{
    collections::HashMap,
    io,
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use openssl::ssl::SslAcceptor;

use super::{http::Duplex, websocket};

/// A recording server with a thread for each connection. It answers `200` with a line that names
/// the request, echoes WebSockets, or does what [`Upstream::on`] was told for a path.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    replies: Mutex<HashMap<String, Reply>>,
    connections: AtomicUsize,
    open: AtomicUsize,
}

/// What the application got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The request line.
    pub(crate) line: String,
    /// The header lines in order, octets as Latin-1.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 1.
    pub(crate) connection: usize,
}

/// What the application does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers after a while.
    Answer {
        after: Duration,
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Hangs up before a word, or in the middle of the body it promised.
    CloseEarly { promised: Option<usize> },
    /// Sends the pieces as chunks, one each time this much has passed.
    Drip {
        every: Duration,
        pieces: Vec<String>,
    },
    /// Sends server-sent events, one each time this much has passed, until nobody listens.
    Events { every: Duration },
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer {
            after: Duration::ZERO,
            status,
            headers: vec![("Content-Type".to_owned(), "text/plain".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn html(body: &str) -> Self {
        Self::Answer {
            after: Duration::ZERO,
            status: 200,
            headers: vec![("Content-Type".to_owned(), "text/html".to_owned())],
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    pub(crate) fn late(mut self, by: Duration) -> Self {
        if let Self::Answer { after, .. } = &mut self {
            *after = by;
        }
        self
    }
}

impl Upstream {
    pub(crate) fn start() -> Self {
        Self::accepting(|stream| Some(Box::new(stream) as Box<dyn Duplex>))
    }

    /// Over TLS; a handshake that the acceptor refuses is no hit.
    pub(crate) fn start_tls(acceptor: SslAcceptor) -> Self {
        Self::accepting(move |stream| {
            Some(Box::new(acceptor.accept(stream).ok()?) as Box<dyn Duplex>)
        })
    }

    /// On a Unix socket.
    pub(crate) fn start_unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Arc::new(Shared::default());
        let upstream = Self {
            port: 0,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = shared.clone();
                thread::spawn(move || shared.serve(&mut { stream }));
            }
        });
        upstream
    }

    fn accepting(
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Duplex>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self {
            port: listener.local_addr().unwrap().port(),
            shared: Arc::default(),
        };
        let shared = upstream.shared.clone();
        let wrap = Arc::new(wrap);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, wrap) = (shared.clone(), wrap.clone());
                thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    if let Some(mut stream) = wrap(stream) {
                        shared.serve(stream.as_mut());
                    }
                });
            }
        });
        upstream
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What a route writes as `upstream`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on, requests for exactly this path get this reply.
    pub(crate) fn on(&self, path: &str, reply: Reply) -> &Self {
        self.shared
            .replies
            .lock()
            .unwrap()
            .insert(path.to_owned(), reply);
        self
    }

    /// How many requests arrived.
    pub(crate) fn hits(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Everything that arrived.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The newest request; none fails the test.
    #[track_caller]
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().expect("nothing reached the upstream")
    }

    /// Forgets what arrived.
    pub(crate) fn forget(&self) {
        self.shared.seen.lock().unwrap().clear();
    }
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The value of a header that must occur at most once in any folding: case, `_`, `-` and `.`
    /// are equal, since applications read them as equal.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(
            all.len() < 2,
            "{name} occurs {} times: {:?}",
            all.len(),
            self.headers
        );
        all.first().copied()
    }

    /// Every value of a header, in any folding.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let wanted = fold(name);
        let held = self.headers.iter().filter(|(name, _)| fold(name) == wanted);
        held.map(|(_, value)| value.as_str()).collect()
    }

    /// Line, headers and body in one text, for searches.
    pub(crate) fn everything(&self) -> String {
        let lines: String = self
            .headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\n"))
            .collect();
        format!(
            "{}\n{lines}\n{}",
            self.line,
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// A header name as an application behind CGI, WSGI or PHP may read it.
pub(crate) fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

impl Shared {
    fn serve(&self, stream: &mut dyn Duplex) {
        let connection = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        self.open.fetch_add(1, Ordering::SeqCst);
        let mut unread = Vec::new();
        while let Ok(Some(seen)) = read_request(stream, &mut unread, connection) {
            let path = seen
                .target()
                .split('?')
                .next()
                .unwrap_or_default()
                .to_owned();
            let reply = self.replies.lock().unwrap().get(&path).cloned();
            self.seen.lock().unwrap().push(seen.clone());
            if !matches!(answer(stream, &mut unread, &seen, reply), Ok(true)) {
                break;
            }
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The next request; `None` at the end of the connection.
fn read_request(
    stream: &mut dyn Duplex,
    unread: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Seen>> {
    let head = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break unread.drain(..at + 4).collect::<Vec<_>>();
        }
        if fill(stream, unread)? == 0 {
            return Ok(None);
        }
    };
    let head: String = head.iter().map(|&byte| char::from(byte)).collect();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<_> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        })
        .collect();
    let value = |wanted: &str| {
        let held = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        held.map(|(_, value)| value.clone())
    };
    let body = if value("transfer-encoding").is_some() {
        read_chunks(stream, unread)?
    } else {
        let length = value("content-length").map_or(0, |value| value.parse().unwrap_or(0));
        take(stream, unread, length)?
    };
    Ok(Some(Seen {
        line,
        headers,
        body,
        connection,
    }))
}

fn read_chunks(stream: &mut dyn Duplex, unread: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        while !unread.windows(2).any(|pair| pair == b"\r\n") {
            if fill(stream, unread)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let at = unread
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .unwrap_or_default();
        let line: Vec<u8> = unread.drain(..at + 2).collect();
        let text = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        body.extend(take(stream, unread, size)?);
        take(stream, unread, 2)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn take(stream: &mut dyn Duplex, unread: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while unread.len() < length {
        if fill(stream, unread)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(unread.drain(..length).collect())
}

fn fill(stream: &mut dyn Duplex, unread: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 16 << 10];
    let read = stream.read(&mut piece)?;
    unread.extend_from_slice(&piece[..read]);
    Ok(read)
}

/// Answers; `true` if the connection stays for another request.
fn answer(
    stream: &mut dyn Duplex,
    unread: &mut Vec<u8>,
    seen: &Seen,
    reply: Option<Reply>,
) -> io::Result<bool> {
    let upgrade = seen
        .header("upgrade")
        .is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    match reply {
        None if upgrade => echo_frames(stream, unread, seen).map(|()| false),
        None => {
            let body = format!("upstream got {}\n", seen.line);
            write_answer(stream, seen, 200, &[], body.as_bytes())
        }
        Some(Reply::Answer {
            after,
            status,
            headers,
            body,
        }) => {
            thread::sleep(after);
            write_answer(stream, seen, status, &headers, &body)
        }
        Some(Reply::CloseEarly { promised }) => {
            if let Some(length) = promised {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhalf"
                )?;
                stream.flush()?;
            }
            Ok(false)
        }
        Some(Reply::Drip { every, pieces }) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            for piece in pieces {
                write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
                stream.flush()?;
                thread::sleep(every);
            }
            stream.write_all(b"0\r\n\r\n")?;
            stream.flush().map(|()| true)
        }
        Some(Reply::Events { every }) => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            for number in 0.. {
                let event = format!("data: {number}\n\n");
                write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
                stream.flush()?;
                thread::sleep(every);
            }
            Ok(false)
        }
    }
}

fn write_answer(
    stream: &mut dyn Duplex,
    seen: &Seen,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<bool> {
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Status\r\n{lines}Content-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    if seen.method() != "HEAD" {
        stream.write_all(body)?;
    }
    stream.flush().map(|()| true)
}

/// Accepts a WebSocket and sends every frame back until the other side ends.
fn echo_frames(stream: &mut dyn Duplex, unread: &mut Vec<u8>, seen: &Seen) -> io::Result<()> {
    let accept = websocket::accept(seen.header("sec-websocket-key").unwrap_or_default());
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    stream.flush()?;
    loop {
        let head = take(stream, unread, 2)?;
        let length = usize::from(head[1] & 0x7f);
        let mask = take(stream, unread, 4)?;
        let payload = take(stream, unread, length)?;
        let clear = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key);
        let frame: Vec<u8> = [head[0], head[1] & 0x7f].into_iter().chain(clear).collect();
        stream.write_all(&frame)?;
        stream.flush()?;
    }
}
