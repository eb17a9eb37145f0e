//! HTTP/1.1 by hand: requests byte for byte, answers as they came.

use std::{
    fmt,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use openssl::ssl::SslStream;

/// Both ways of a connection, whatever it runs over.
pub(crate) trait Duplex: Read + Write + Send {
    /// How long a read may wait.
    fn patience(&self, most: Duration);
}

impl Duplex for TcpStream {
    fn patience(&self, most: Duration) {
        self.set_read_timeout(Some(most)).unwrap();
    }
}

impl Duplex for UnixStream {
    fn patience(&self, most: Duration) {
        self.set_read_timeout(Some(most)).unwrap();
    }
}

impl Duplex for SslStream<TcpStream> {
    fn patience(&self, most: Duration) {
        self.get_ref().set_read_timeout(Some(most)).unwrap();
    }
}

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);

/// A request that is written exactly as told.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// What a browser sends when somebody opens a page.
    pub(crate) fn navigation(target: &str) -> Self {
        Self::get(target)
            .header("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document")
            .header("Sec-Fetch-Site", "none")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A body with its length and type.
    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", media_type)
            .header("Content-Length", &length)
    }

    /// The octets, with `Host` in front unless it was set.
    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            text += &format!("Host: {host}\r\n");
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        [text.as_bytes(), &self.body].concat()
    }
}

/// An answer as it came.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header that occurs once; `None` without it. Twice fails the test.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} twice: {all:?}");
        all.first().copied()
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = |held: &&(String, String)| held.0.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no Location: {self:?}"))
    }

    /// Fails the test unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Status, header lines and body in one text, for searches.
    pub(crate) fn everything(&self) -> String {
        let lines: String = self
            .headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        format!("{}\r\n{lines}\r\n{}", self.status, self.text())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.everything();
        f.write_str(text.get(..1500).unwrap_or(&text))
    }
}

/// One connection that sends what it is told and reads what comes.
pub(crate) struct Raw {
    stream: Box<dyn Duplex>,
    unread: Vec<u8>,
}

impl Raw {
    pub(crate) fn connect(port: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, ANSWER).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(Box::new(stream))
    }

    /// From another loopback address, for what depends on the peer.
    pub(crate) fn over(stream: Box<dyn Duplex>) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// Sends octets. A peer that has already hung up is fine: what it answered is what counts.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        let _ = self.stream.flush();
        self
    }

    /// The next answer to a request of that method, interim ones passed over; `None` when the
    /// connection ends before one is complete or nothing comes in time.
    pub(crate) fn answer(&mut self, method: &str) -> Option<Answer> {
        self.answer_within(method, ANSWER)
    }

    pub(crate) fn answer_within(&mut self, method: &str, most: Duration) -> Option<Answer> {
        let end = Instant::now() + most;
        loop {
            let answer = self.one_answer(method, end)?;
            if answer.status >= 200 || answer.status == 101 {
                return Some(answer);
            }
        }
    }

    fn one_answer(&mut self, method: &str, end: Instant) -> Option<Answer> {
        let (length, status, headers) = loop {
            if let Some(head) = parse_head(&self.unread) {
                break head;
            }
            self.fill(end)?;
        };
        self.unread.drain(..length);
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Some(answer);
        }
        answer.body = if let Some(length) = answer.header("content-length") {
            let length = length.parse().unwrap();
            while self.unread.len() < length {
                self.fill(end)?;
            }
            self.unread.drain(..length).collect()
        } else if answer.header("transfer-encoding").is_some() {
            self.chunked(end)?
        } else {
            while self.fill(end).is_some() {}
            std::mem::take(&mut self.unread)
        };
        Some(answer)
    }

    fn chunked(&mut self, end: Instant) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(end)?;
            let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
            while self.unread.len() < size + 2 {
                self.fill(end)?;
            }
            body.extend(self.unread.drain(..size));
            self.unread.drain(..2);
            if size == 0 {
                return Some(body);
            }
        }
    }

    fn line(&mut self, end: Instant) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.unread.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).ok();
            }
            self.fill(end)?;
        }
    }

    /// Reads once; `None` at the end of the connection or of the patience.
    fn fill(&mut self, end: Instant) -> Option<()> {
        let mut piece = [0; 16 << 10];
        let left = end.checked_duration_since(Instant::now())?;
        self.stream.patience(left.max(Duration::from_millis(1)));
        match self.stream.read(&mut piece) {
            Ok(0) | Err(_) => None,
            Ok(read) => {
                self.unread.extend_from_slice(&piece[..read]);
                Some(())
            }
        }
    }

    /// Everything that comes until the connection ends or `most` has passed.
    pub(crate) fn rest(&mut self, most: Duration) -> Vec<u8> {
        let end = Instant::now() + most;
        while self.fill(end).is_some() {}
        std::mem::take(&mut self.unread)
    }

    /// Exactly this many octets; `None` when the connection ends before.
    pub(crate) fn exactly(&mut self, length: usize, most: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + most;
        while self.unread.len() < length {
            self.fill(end)?;
        }
        Some(self.unread.drain(..length).collect())
    }

    /// Whether the peer ends the connection within `most`.
    pub(crate) fn ends_within(&mut self, most: Duration) -> bool {
        let end = Instant::now() + most;
        let mut piece = [0; 4096];
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.stream.patience(left.max(Duration::from_millis(1)));
            match self.stream.read(&mut piece) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        }
        false
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("unread", &self.unread.len())
            .finish_non_exhaustive()
    }
}

/// Sends one request on a connection of its own; what was answered.
pub(crate) fn exchange(port: u16, host: &str, request: &Request) -> Answer {
    let request = request.clone().header("Connection", "close");
    Raw::connect(port)
        .send(request.bytes(host))
        .answer(&request.method)
        .unwrap_or_else(|| panic!("no answer to {} {}", request.method, request.target))
}

/// Header lines in order.
type Headers = Vec<(String, String)>;

/// A complete head at the front of `bytes`: its length, status and headers.
fn parse_head(bytes: &[u8]) -> Option<(usize, u16, Headers)> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut answer = httparse::Response::new(&mut headers);
    match answer.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            let lines = answer.headers.iter().map(|line| {
                (
                    line.name.to_owned(),
                    String::from_utf8_lossy(line.value).into_owned(),
                )
            });
            Some((length, answer.code.unwrap(), lines.collect()))
        }
        Ok(httparse::Status::Partial) => None,
        Err(error) => panic!(
            "not an answer: {error}: {:?}",
            String::from_utf8_lossy(bytes)
        ),
    }
}
