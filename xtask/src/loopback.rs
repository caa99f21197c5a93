//! A very small HTTP/1.1 client for servers that this program started on loopback (RFC 9112).

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::process::{Failure, failed};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The first header field of this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<serde_json::Value, Failure> {
        match serde_json::from_str(&self.body) {
            Ok(json) => Ok(json),
            Err(error) => failed(format!("the answer {} is not JSON: {error}: {}", self.status, self.body)),
        }
    }
}

/// Sends one request to `http://HOST:PORT/…` and reads the whole answer.
pub(crate) fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Answer, Failure> {
    let Some((authority, path)) =
        url.strip_prefix("http://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return failed(format!("{url} is not an http URL"));
    };
    let mut head = format!("{method} /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let exchange = || -> std::io::Result<Vec<u8>> {
        let mut stream = connect(authority)?;
        stream.write_all(format!("{head}\r\n{}", body.unwrap_or("")).as_bytes())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match exchange() {
        Ok(bytes) => parse(&bytes),
        Err(error) => failed(format!("{method} {url}: {error}")),
    }
}

/// Connects to the first address of the host that listens (`localhost` has two).
fn connect(authority: &str) -> std::io::Result<TcpStream> {
    let patience = Duration::from_secs(30);
    let mut last = std::io::Error::other("the host has no address");
    for address in authority.to_socket_addrs()? {
        if !address.ip().is_loopback() {
            return Err(std::io::Error::other("this client speaks to loopback only"));
        }
        match TcpStream::connect_timeout(&address, patience) {
            Ok(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(bytes: &[u8]) -> Result<Answer, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, rest)) = text.split_once("\r\n\r\n") else {
        return failed(format!("the answer has no end of headers: {text:?}"));
    };
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let Some(status) = status else { return failed(format!("the answer has no status: {head:?}")) };
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let length: Option<usize> =
        headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, n)| n.parse().ok());
    let body = match (chunked, length) {
        (true, _) => dechunked(rest)?,
        (false, Some(length)) if rest.len() != length => {
            return failed(format!("the body has {} bytes, not {length}", rest.len()));
        }
        (false, _) => rest.to_owned(),
    };
    Ok(Answer { status, headers, body })
}

fn dechunked(mut rest: &str) -> Result<String, Failure> {
    let mut body = String::new();
    loop {
        let Some((size, after)) = rest.split_once("\r\n") else { return failed("a chunk has no size") };
        let size = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16);
        let Ok(size) = size else { return failed("a chunk's size is not a number") };
        if size == 0 {
            return Ok(body);
        }
        let (Some(chunk), Some(next)) = (after.get(..size), after.get(size + 2..)) else {
            return failed("a chunk is cut short");
        };
        body.push_str(chunk);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_a_length_and_in_chunks() {
        let answer =
            parse(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 2\r\n\r\n{}");
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(answer.json().unwrap(), serde_json::json!({}));
        let answer =
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        assert_eq!(answer.unwrap().body, "abcde");
    }

    #[test]
    fn a_cut_answer_is_a_failure() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            b"HTTP/1.1 200 OK\r\n",
            b"",
        ] {
            assert!(parse(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
