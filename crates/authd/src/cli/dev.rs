//! `authd dev`: a ready-made development tenant on localhost, over http and https.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use records::{Origin, Scheme};
use tokio::net::TcpListener;

use super::local::DATA;
use super::{Failed, migrate, output};
use crate::app::App;
use crate::dev::banner::Banner;
use crate::dev::{ca, seed, seed_file};
use crate::files::{lock, make_directory};
use crate::http::limits::Limits;
use crate::http::listener::{self, Listener};
use crate::http::peer::Peers;
use crate::keys::secret_digest_key;
use crate::moment::{Moments, SystemMoments};
use crate::open::{self, IfMissing, Place, SEALING_KEY_FILE};
use crate::outbound::address::Loopback;
use crate::outbound::guarded::Guarded;
use crate::passwords::{Passwords, PoolSize};
use crate::running::{self, Signals};
use crate::sealing::KeySource;

/// Held while the development server runs.
const LOCK_FILE: &str = "dev.lock";

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The port of the plain origin; 0 takes a free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    http_port: u16,
    /// The port of the origin with TLS; 0 takes a free one
    #[arg(long, default_value_t = 8443, value_name = "PORT")]
    https_port: u16,
    /// The data directory [default: ./authd-data]
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep nothing when the process ends
    #[arg(long)]
    memory: bool,
    /// Add to the tenant what this file describes, in the format of Auth0's deploy CLI
    #[arg(long, value_name = "FILE.yaml")]
    seed: Option<PathBuf>,
    /// Print one JSON object on one line instead of the text for people
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(dev: Dev) -> Result<(), Failed> {
    let _logging = crate::log::start(None);
    // Read before anything is made: a mistake in the file must not leave half a server behind.
    let additions = dev.seed.as_deref().map(seed_file::read).transpose()?;

    let moments = Arc::new(SystemMoments);
    let temporary;
    // Two servers would move the tenant's origins back and forth between them.
    let _lock;
    let (stores, ca_directory, data) = if dev.memory {
        // Only for the CA's certificate, which other programs read; removed when the process ends in good order.
        temporary =
            tempfile::Builder::new().prefix("authd-dev-").tempdir().map_err(|error| error.to_string())?;
        (open::stores_in_memory(&*moments).await?, temporary.path().to_owned(), None)
    } else {
        let directory = dev.data.unwrap_or_else(|| PathBuf::from(DATA));
        make_directory(&directory)?;
        let lock_file = directory.join(LOCK_FILE);
        _lock = lock(&lock_file)?.ok_or_else(|| {
            format!("another `authd dev` serves {}; --data names another directory", directory.display())
        })?;
        migrate::expand(&directory)?;
        let key = KeySource::File(directory.join(SEALING_KEY_FILE));
        let stores =
            open::stores(&Place::Directory(directory.clone()), &key, IfMissing::Make, &*moments).await?;
        (stores, directory.clone(), Some(directory))
    };
    let (tls, ca_file) = ca::server_config(&ca_directory, moments.draw().now)?;
    let ca_file = std::path::absolute(&ca_file).unwrap_or(ca_file);

    let (http_port, http_sockets) = loopback(dev.http_port, "--http-port").await?;
    let (https_port, https_sockets) = loopback(dev.https_port, "--https-port").await?;
    let http = Origin::parse(&format!("http://localhost:{http_port}"))?;
    let https = Origin::parse(&format!("https://localhost:{https_port}"))?;

    // For the demo people, one after the other; the server starts threads of its own when somebody logs in.
    let passwords = Passwords::start(PoolSize { threads: 1, waiting: 1 })?;
    let tenant = seed::seed(&stores, vec![http.clone(), https.clone()], &passwords, &*moments).await?;
    if let Some(additions) = &additions {
        let digest_key = secret_digest_key(&stores, &tenant).map_err(crate::administration::Refusal::from)?;
        seed_file::apply(&stores, &tenant, additions, &digest_key, &passwords, &*moments).await?;
    }
    drop(passwords);

    let mut listeners = Vec::new();
    listeners.extend(http_sockets.into_iter().map(|socket| Listener {
        socket,
        scheme: Scheme::Http,
        tls: None,
        peers: Peers::People,
    }));
    listeners.extend(https_sockets.into_iter().map(|socket| Listener {
        socket,
        scheme: Scheme::Https,
        tls: Some(Arc::clone(&tls)),
        peers: Peers::People,
    }));
    let app =
        Arc::new(App::new(stores, moments, Limits { counts_logins_by_address: false, ..Limits::default() }));
    // As `[outbound]` would say for `authd serve`: applications under development are on this machine.
    app.backchannel().switch_on(Guarded::new(Loopback::ALL.to_vec()));
    let signals = Signals::taken()?;
    // The sockets are bound: what connects from now on is answered, at the latest when serving begins.
    let banner = Banner { http: &http, https: &https, ca_file: &ca_file, data: data.as_deref() };
    output::print(&if dev.json { banner.json() } else { banner.text() });
    running::until_stopped(app, listeners, signals).await?;
    Ok(())
}

/// Binds the port on 127.0.0.1 and, where the machine has it, ::1. Nothing but loopback, ever.
async fn loopback(port: u16, flag: &str) -> Result<(u16, Vec<TcpListener>), Failed> {
    let hint = |error: String| Failed::Failed(format!("{error}; {flag} chooses another port"));
    let first = listener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await.map_err(hint)?;
    let port = first.local_addr().map_err(|error| error.to_string())?.port();
    let mut sockets = vec![first];
    match TcpListener::bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)).await {
        Ok(socket) => sockets.push(socket),
        // Another program on ::1 would be reached by those who try IPv6 first: that is a failure, not a detail.
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            return Err(hint(format!("cannot listen on [::1]:{port}: {error}")));
        }
        Err(_no_ipv6) => {}
    }
    Ok((port, sockets))
}
