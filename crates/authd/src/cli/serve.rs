//! `authd serve`: the tenants of a database, on the listeners of the settings file. Seeds nothing.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Failed;
use crate::app::App;
use crate::http::limits::Limits;
use crate::http::listener::{self, Listener};
use crate::http::tls;
use crate::moment::SystemMoments;
use crate::open::{self, IfMissing};
use crate::outbound::guarded::Guarded;
use crate::running::{self, Signals};
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings file
    #[arg(long, value_name = "FILE", default_value = "authd.toml")]
    config: PathBuf,
}

pub(crate) async fn run(serve: Serve) -> Result<(), Failed> {
    let settings = Settings::load(&serve.config)?;
    let _logging = crate::log::start(settings.log.format);
    let key = settings.key_source()?;
    let place = settings.store.place()?;
    let stores = open::stores(&place, &key, IfMissing::Refuse, &SystemMoments).await?;
    if stores.directory().tenants(None, 1).await.map_err(|error| error.to_string())?.is_empty() {
        tracing::warn!("the database has no tenant: `authd tenants create` makes one, no restart is needed");
    }
    let signals = Signals::taken()?;
    let mut listeners = Vec::new();
    for listen in &settings.listen {
        let tls = match (&listen.certificate, &listen.key) {
            (Some(certificate), Some(key)) => Some(tls::server_config_from_files(certificate, key)?),
            _ => None,
        };
        let socket = listener::bind(listen.address).await?;
        let address = socket.local_addr().map_err(|error| error.to_string())?;
        let peers = listen.peers();
        tracing::info!(%address, tls = tls.is_some(), ?peers, "listening");
        listeners.push(Listener { socket, scheme: listen.scheme.into(), tls, peers });
    }
    let app = Arc::new(App::new(stores, Arc::new(SystemMoments), Limits::default()));
    if settings.outbound.backchannel_logout {
        app.backchannel().switch_on(Guarded::new(settings.outbound.allow_loopback));
    }
    running::until_stopped(app, listeners, signals).await?;
    Ok(())
}
