//! Requests of our own, over http or https (RFC 9110).
//!
//! [`fetch`] is the command line's: there the person at the keyboard names the address. What the server sends to addresses
//! that others gave it goes through [`guarded::Guarded`], and nothing else.

pub mod address;
pub mod guarded;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use records::{Origin, Scheme};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http::tls::provider;

const TIMEOUT: Duration = Duration::from_secs(10);
const MOST_BYTES: usize = 1024 * 1024;

/// Fetches `url`. `ca_file`: trust these certificates beside the system's. Redirects are not followed.
pub async fn fetch(url: &str, ca_file: Option<&Path>) -> Result<Bytes, String> {
    tokio::time::timeout(TIMEOUT, fetch_untimed(url, ca_file))
        .await
        .unwrap_or_else(|_| Err(format!("{url} did not answer within {} seconds", TIMEOUT.as_secs())))
}

async fn fetch_untimed(url: &str, ca_file: Option<&Path>) -> Result<Bytes, String> {
    let parsed = url::Url::parse(url).map_err(|error| format!("{url:?} is not a URL: {error}"))?;
    let origin = Origin::parse(&parsed.origin().ascii_serialization())
        .map_err(|_| format!("{url:?} is not an http or https URL"))?;
    let host = parsed.host_str().unwrap_or_default();
    let port = parsed.port_or_known_default().unwrap_or(443);
    let bare_host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((bare_host.as_str(), port))
        .await
        .map_err(|error| format!("cannot connect to {}: {error}", origin.authority()))?;
    let target = match parsed.query() {
        Some(query) => format!("{}?{query}", parsed.path()),
        None => parsed.path().to_owned(),
    };
    let request = Request::get(target)
        .header(header::HOST, origin.authority())
        .header(header::ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    match origin.scheme() {
        Scheme::Http => exchange(stream, request, url).await,
        Scheme::Https => {
            let config = Arc::new(client_config(ca_file)?);
            let stream = secure(stream, &bare_host, config).await.map_err(|error| {
                format!(
                    "no secure connection to {}: {error}; --ca-file names a CA to trust",
                    origin.authority()
                )
            })?;
            exchange(stream, request, url).await
        }
    }
}

/// TLS with whoever proves to be `name`: a host's name, or its address without brackets.
async fn secure(
    stream: TcpStream,
    name: &str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, String> {
    let server = ServerName::try_from(name.to_owned()).map_err(|error| format!("{name:?}: {error}"))?;
    TlsConnector::from(config).connect(server, stream).await.map_err(|error| error.to_string())
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>, url: &str) -> Result<Bytes, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: &dyn std::fmt::Display| format!("{url}: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    if !response.status().is_success() {
        return Err(format!("{url} answered {}", response.status()));
    }
    let body =
        Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(|error| failed(&error))?;
    connection.abort();
    Ok(body.to_bytes())
}

fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Honours SSL_CERT_FILE. A machine without certificates can still reach what --ca-file vouches for.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        roots.add_parsable_certificates(certificates(file)?);
    }
    trusting(roots)
}

/// What verifies servers by the certificates of this file alone, or by the system's where there is none.
pub fn client_config_trusting(file: Option<&Path>) -> Result<ClientConfig, String> {
    let Some(file) = file else { return client_config(None) };
    let mut roots = RootCertStore::empty();
    if roots.add_parsable_certificates(certificates(file)?).0 == 0 {
        return Err(format!("{} holds no certificate to trust", file.display()));
    }
    trusting(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
