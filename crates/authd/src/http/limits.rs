//! How much of everything a peer may ask of us (RFC 6585 §5; RFC 9110 §15.5.14).

use std::time::Duration;

/// The limits of the public listeners.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of all header fields and the request line together; more is 431.
    pub header_bytes: usize,
    /// Number of header fields; more is 431.
    pub headers: usize,
    /// Bytes of path and query; more is 414.
    pub target_bytes: usize,
    /// Bytes of a body; more is 413.
    pub body_bytes: usize,
    /// From the start of a request to the end of its header, and the longest idle time between requests.
    pub header_timeout: Duration,
    /// From the end of the header to the end of the body; longer is 408.
    pub body_timeout: Duration,
    /// For a TLS handshake.
    pub handshake_timeout: Duration,
    /// Connections at one time over all listeners; further ones wait to be accepted.
    pub connections: usize,
    /// Streams at one time on one HTTP/2 connection.
    pub streams: u32,
    /// Whether attempts to log in are also counted by address alone, whoever's name they try.
    pub counts_logins_by_address: bool,
    /// From the signal to stop until requests in flight are abandoned.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 16 * 1024,
            headers: 100,
            target_bytes: 8 * 1024,
            body_bytes: 64 * 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            connections: 8192,
            streams: 128,
            counts_logins_by_address: true,
            stop_timeout: Duration::from_secs(10),
        }
    }
}
