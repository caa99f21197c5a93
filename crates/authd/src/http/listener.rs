//! Listeners: accept, TLS, HTTP/1.1 and HTTP/2 under limits, graceful stop (RFC 9112; RFC 9113).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use records::Scheme;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::limits::Limits;
use super::peer::{Peer, Peers};
use crate::app::App;

/// A bound socket and how clients see it.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// The scheme in the URLs of those who reach it: `https` also behind a proxy that terminates TLS.
    pub scheme: Scheme,
    /// TLS settings, where we terminate it ourselves.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whose addresses its connections have.
    pub peers: Peers,
}

/// Binds a socket. The error names the address.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// Serves on all listeners until `stop` turns true, then finishes what is in flight and returns.
///
/// Returns whether everything in flight was answered in time.
pub async fn serve(
    app: Arc<App>,
    listeners: Vec<Listener>,
    limits: Limits,
    stop: watch::Receiver<bool>,
) -> bool {
    let connections = Arc::new(Semaphore::new(limits.connections));
    let graceful = Arc::new(GracefulShutdown::new());
    let mut accepting = tokio::task::JoinSet::new();
    for listener in listeners {
        let app = Arc::clone(&app);
        let connections = Arc::clone(&connections);
        let graceful = Arc::clone(&graceful);
        let stop = stop.clone();
        accepting.spawn(accept(app, listener, limits, connections, graceful, stop));
    }
    while accepting.join_next().await.is_some() {}
    // The accept loops are over, so this is the last owner; watchers count what is still in flight.
    let Some(graceful) = Arc::into_inner(graceful) else { return false };
    tokio::time::timeout(limits.stop_timeout, graceful.shutdown()).await.is_ok()
}

async fn accept(
    app: Arc<App>,
    listener: Listener,
    limits: Limits,
    connections: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
    mut stop: watch::Receiver<bool>,
) {
    let builder = Arc::new(builder(&limits));
    let acceptor = listener.tls.map(TlsAcceptor::from);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => return,
            accepted = async {
                // The permit first: what we cannot serve stays in the kernel's queue.
                let permit = Arc::clone(&connections).acquire_owned().await;
                (permit, listener.socket.accept().await)
            } => accepted,
        };
        let (permit, stream, peer) = match accepted {
            (Ok(permit), Ok((stream, address))) => (permit, stream, listener.peers.at(address.ip())),
            (_, Err(error)) => {
                // Out of file descriptors, most likely: the listener stays, and tries again when some are free.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            (Err(_closed), _) => return,
        };
        let app = Arc::clone(&app);
        let builder = Arc::clone(&builder);
        let acceptor = acceptor.clone();
        let watcher = graceful.watcher();
        let mut stopping = stop.clone();
        let scheme = listener.scheme;
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => connection(app, builder, watcher, stream, (scheme, peer)).await,
                Some(acceptor) => {
                    // A handshake has no request in it that a stop would have to wait for.
                    let shaken = tokio::select! {
                        _ = stopping.wait_for(|stopped| *stopped) => None,
                        shaken = handshake(acceptor, stream, limits.handshake_timeout) => shaken,
                    };
                    if let Some(stream) = shaken {
                        connection(app, builder, watcher, stream, (scheme, peer)).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    timeout: Duration,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match tokio::time::timeout(timeout, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_elapsed) => None,
    }
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits.headers)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// What happens on a connection, for the watch on idle ones.
#[derive(Default)]
struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Activity {
    /// How many requests were begun, unless one is under way.
    fn idle_since(&self) -> Option<u64> {
        let (ended, begun) = (self.ended.load(Ordering::Acquire), self.begun.load(Ordering::Acquire));
        (begun == ended).then_some(begun)
    }
}

/// Serves one connection until it ends, or until nothing was asked on it for a while.
///
/// Without the second, a peer that says nothing keeps its place for ever: HTTP's own timeout runs from a request's first
/// byte, and HTTP/2 has none for a peer that answers pings. It also ends a connection whose peer does not read.
async fn connection<S>(
    app: Arc<App>,
    builder: Arc<Builder<TokioExecutor>>,
    watcher: Watcher,
    stream: S,
    (scheme, peer): (Scheme, Peer),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let idle = app.limits().header_timeout;
    let activity = Arc::new(Activity::default());
    let counted = Arc::clone(&activity);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let (app, counted) = (Arc::clone(&app), Arc::clone(&counted));
        async move {
            counted.begun.fetch_add(1, Ordering::AcqRel);
            let answer = app.respond(request, scheme).await;
            counted.ended.fetch_add(1, Ordering::AcqRel);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), service).into_owned());
    let mut connection = std::pin::pin!(connection);
    let mut seen = Some(0);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = tokio::time::sleep(idle) => {
                let now = activity.idle_since();
                if now.is_some() && now == seen {
                    tracing::debug!("an idle connection is closed");
                    return;
                }
                seen = now;
            }
        }
    }
}
