//! An HTTP/1.1 connection that is kept, whose other end may be killed at any byte (RFC 9112 §9.3).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::loopback::Answer;

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The whole answer came.
    Answer(Answer),
    /// It was sent, at least in part, and no whole answer came: whether it was done is unknown.
    Nothing,
    /// Nobody listens: it was not done.
    Unsent,
}

impl Reply {
    /// The status; 0 where no answer came.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Answer(answer) => answer.status,
            Self::Nothing | Self::Unsent => 0,
        }
    }

    /// The body; empty where no answer came.
    pub(crate) fn body(&self) -> &str {
        match self {
            Self::Answer(answer) => &answer.body,
            Self::Nothing | Self::Unsent => "",
        }
    }

    /// A member of the body, where that is JSON and the member a text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_str(self.body()).ok()?;
        Some(body.get(name)?.as_str()?.to_owned())
    }

    /// Where the answer sends a browser.
    pub(crate) fn location(&self) -> Option<&str> {
        match self {
            Self::Answer(answer) => answer.header("location"),
            Self::Nothing | Self::Unsent => None,
        }
    }
}

/// A connection to a server on loopback.
#[derive(Debug)]
pub(crate) struct Wire {
    port: u16,
    host: String,
    patience: Duration,
    stream: Option<TcpStream>,
}

impl Wire {
    /// To this port, for this host.
    pub(crate) fn new(port: u16, host: &str) -> Self {
        Self { port, host: host.to_owned(), patience: Duration::from_secs(20), stream: None }
    }

    /// The same, which waits for an answer this long.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a form.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let form: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.ask("POST", path, &[kind], &form.join("&"))
    }

    /// Asks for a page.
    pub(crate) fn fetch(&mut self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => match self.connect() {
                Ok(stream) => stream,
                Err(_) => return Reply::Unsent,
            },
        };
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let answer = stream.write_all(request.as_bytes()).ok().and_then(|()| read(&mut stream));
        let Some(answer) = answer else { return Reply::Nothing };
        if answer.header("connection") != Some("close") {
            self.stream = Some(stream);
        }
        Reply::Answer(answer)
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&address, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Reads one answer whose length is told.
fn read(stream: &mut TcpStream) -> Option<Answer> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    loop {
        if let Some(answer) = whole(&bytes) {
            return Some(answer);
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(buffer.get(..count)?);
    }
}

/// The answer in these bytes, if it is all there. The server tells every answer's length.
fn whole(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status: u16 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize =
        headers.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, n)| n.parse().ok())?;
    let body = bytes.get(end + 4..end + 4 + length)?;
    Some(Answer { status, headers, body: String::from_utf8_lossy(body).into_owned() })
}

/// A text as it stands in a form or a query (WHATWG URL §5.2).
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that answers each connection with these bytes and closes it.
    fn with_answer(bytes: &'static [u8]) -> Reply {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _asked = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(bytes).unwrap();
        });
        let reply = Wire::new(port, "localhost").post("/x", &[("a", "b c")]);
        server.join().unwrap();
        reply
    }

    #[test]
    fn an_answer_that_was_cut_off_is_none() {
        let whole = with_answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\":\"b\"}");
        assert_eq!((whole.status(), whole.text("a").as_deref()), (200, Some("b")));
        for cut in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\ncontent-le",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\":\"b\"",
        ] {
            assert!(matches!(with_answer(cut), Reply::Nothing), "{}", String::from_utf8_lossy(cut));
        }
    }

    #[test]
    fn a_request_to_nobody_was_not_done() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(matches!(Wire::new(port, "localhost").fetch("/"), Reply::Unsent));
        assert_eq!(escaped("a b+c&d=é"), "a%20b%2Bc%26d%3D%C3%A9");
    }
}
