//! The server's own requests to addresses that others give it: one connector, and no way round it (threat LO-10).
//!
//! A name is resolved once, every address that it has must be public, and the connection is made to one of those very
//! addresses: an answer that changes a moment later changes nothing. Redirects are answers like any other. Nothing of an
//! answer is read but its head.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::address::{Loopback, is_public};
use super::{client_config, secure};

/// From the name to the answer's head.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes that an answer's head may have.
const HEAD: usize = 16 * 1024;

/// The connector. It exists only where the operator switched something on that needs it.
#[derive(Debug)]
pub struct Guarded {
    allow_loopback: Vec<Loopback>,
    timeout: Duration,
    tls: OnceLock<Arc<ClientConfig>>,
}

/// Why there was no answer. For the log: nobody who gave the address learns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The address is none that is connected to, whatever it resolves to.
    NotAnAddress,
    /// The name is unknown.
    Unresolved(String),
    /// The name has an address that is not public, or, without TLS, one that is not on the operator's list.
    NotAllowed(SocketAddr),
    /// It took too long.
    TimedOut,
    /// The connection failed.
    Failed(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnAddress => f.write_str("it is no http or https address"),
            Self::Unresolved(why) => write!(f, "its name could not be resolved: {why}"),
            Self::NotAllowed(socket) => write!(
                f,
                "connecting to {socket} is not allowed: it is not public, or has no TLS; [outbound] allow_loopback lists \
                 what is allowed beside"
            ),
            Self::TimedOut => f.write_str("it took too long"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for NoAnswer {}

impl Guarded {
    /// A connector that, beside public addresses, connects to these of this machine.
    pub fn new(allow_loopback: Vec<Loopback>) -> Self {
        Self { allow_loopback, timeout: TIMEOUT, tls: OnceLock::new() }
    }

    /// The same, trusting these certificates instead of the system's, and with another patience.
    #[cfg(test)]
    fn with(self, tls: Option<Arc<ClientConfig>>, timeout: Duration) -> Self {
        let tls = tls.map_or_else(OnceLock::new, OnceLock::from);
        Self { tls, timeout, ..self }
    }

    /// Posts a form. Whatever the answer's status is, it is an answer.
    ///
    /// # Errors
    /// [`NoAnswer`]
    pub async fn post_form(&self, address: &str, form: String) -> Result<StatusCode, NoAnswer> {
        // One patience for all of it: a name server, a handshake or an answer that trickles in ends there too.
        tokio::time::timeout(self.timeout, self.post(address, form)).await.unwrap_or(Err(NoAnswer::TimedOut))
    }

    async fn post(&self, address: &str, form: String) -> Result<StatusCode, NoAnswer> {
        let url = Url::parse(address).map_err(|_| NoAnswer::NotAnAddress)?;
        let is_secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(NoAnswer::NotAnAddress),
        };
        let host = url.host().map(|host| host.to_owned()).ok_or(NoAnswer::NotAnAddress)?;
        let port = url.port_or_known_default().ok_or(NoAnswer::NotAnAddress)?;
        let sockets = resolve(&host, port).await?;
        for socket in &sockets {
            let is_listed = self.allow_loopback.iter().any(|listed| listed.allows(*socket));
            let is_allowed = is_listed || (is_secure && is_public(socket.ip()));
            if !is_allowed {
                return Err(NoAnswer::NotAllowed(*socket));
            }
        }
        let failed = |error: &dyn fmt::Display| NoAnswer::Failed(error.to_string());
        let stream = TcpStream::connect(sockets.as_slice()).await.map_err(|error| failed(&error))?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let request = Request::post(target)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "*/*")
            .header(header::USER_AGENT, "authd")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| failed(&error))?;
        if is_secure {
            let name = host.to_string();
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            let stream = secure(stream, bare, self.tls()?).await.map_err(|error| failed(&error))?;
            head(stream, request).await
        } else {
            head(stream, request).await
        }
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, NoAnswer> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(client_config(None).map_err(NoAnswer::Failed)?);
        Ok(Arc::clone(self.tls.get_or_init(|| config)))
    }
}

/// The addresses of a host, all of them, now.
async fn resolve(host: &Host, port: u16) -> Result<Vec<SocketAddr>, NoAnswer> {
    let sockets = match host {
        Host::Ipv4(address) => vec![SocketAddr::new((*address).into(), port)],
        Host::Ipv6(address) => vec![SocketAddr::new((*address).into(), port)],
        Host::Domain(name) => tokio::net::lookup_host((name.as_str(), port))
            .await
            .map_err(|error| NoAnswer::Unresolved(error.to_string()))?
            .collect(),
    };
    if sockets.is_empty() { Err(NoAnswer::Unresolved("it has no address".to_owned())) } else { Ok(sockets) }
}

/// Sends the request and reads the head of its answer; the rest is left where it is.
async fn head<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, NoAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| NoAnswer::Failed(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Driven here rather than by a task of its own: when this ends, for whatever reason, so does the connection.
    let (mut connection, mut answer) = (pin!(connection), pin!(sender.send_request(request)));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    };
    Ok(answer.map_err(failed)?.status())
}

#[cfg(test)]
mod tests;
