//! The store that a command works on: a data directory or a settings file, and one tenant of it.

use std::path::{Path, PathBuf};

use clap::Args;
use records::{SecretText, TenantId, TenantSettings};

use super::Failed;
use crate::administration::tenants;
use crate::backend::{AnyStore, AnyStores};
use crate::moment::SystemMoments;
use crate::open::{self, IfMissing, Place, SEALING_KEY_FILE};
use crate::settings::Settings;

/// Where the records are.
#[derive(Clone, Debug, Args)]
pub(crate) struct Local {
    /// The data directory [default: ./authd-data]
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// The settings file that names the data directory or database, and the key-encryption key
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the records are, and whose.
#[derive(Clone, Debug, Args)]
pub(crate) struct LocalTenant {
    #[command(flatten)]
    local: Local,
    /// The tenant [default: the only one there is]
    #[arg(short, long, global = true, value_name = "NAME")]
    tenant: Option<String>,
}

/// One tenant's store, and how the answer is printed: what every command on one tenant takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct OnTenant {
    #[command(flatten)]
    pub(crate) tenant: LocalTenant,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The data directory unless said otherwise.
pub(crate) const DATA: &str = "authd-data";

impl Local {
    /// Opens the stores; a database that does not exist is not made, unless asked for.
    pub(crate) async fn open(&self, if_missing: IfMissing) -> Result<AnyStores, Failed> {
        let (place, key) = self.places()?;
        Ok(open::stores(&place, &key, if_missing, &SystemMoments).await?)
    }

    /// Where the records are, and the key-encryption keys.
    pub(crate) fn places(&self) -> Result<(Place, PathBuf), Failed> {
        match &self.config {
            Some(config) => {
                let settings = Settings::load(config)?;
                Ok((settings.store.place()?, settings.key_file()))
            }
            None => {
                let directory = self.data.clone().unwrap_or_else(|| PathBuf::from(DATA));
                let key = directory.join(SEALING_KEY_FILE);
                Ok((Place::Directory(directory), key))
            }
        }
    }
}

impl LocalTenant {
    /// Opens the stores and chooses the tenant.
    pub(crate) async fn open(&self) -> Result<(AnyStores, TenantId), Failed> {
        let stores = self.local.open(IfMissing::Refuse).await?;
        let id = match &self.tenant {
            Some(name) => {
                let id = TenantId::parse(name)?;
                if stores.directory().tenant(&id).await.map_err(|error| error.to_string())?.is_none() {
                    return Err(Failed::Failed(format!("there is no tenant {id}")));
                }
                id
            }
            None => tenants::only(&stores).await?,
        };
        Ok((stores, id))
    }

    /// Opens the tenant's store.
    pub(crate) async fn open_store(&self) -> Result<AnyStore, Failed> {
        let (stores, id) = self.open().await?;
        Ok(stores.tenant(&id))
    }

    /// Opens the stores, chooses the tenant and reads what holds for the whole of it.
    pub(crate) async fn open_with_settings(&self) -> Result<(AnyStores, TenantId, TenantSettings), Failed> {
        let (stores, id) = self.open().await?;
        let tenant = stores.directory().tenant(&id).await.map_err(|error| error.to_string())?;
        let tenant = tenant.ok_or_else(|| Failed::Failed(format!("there is no tenant {id}")))?;
        let settings = tenant.record.settings.clone();
        Ok((stores, id, settings))
    }
}

/// A secret from a file, without its line end. Not from an argument: those can be seen by every user of the machine.
pub(crate) fn secret_from(file: &Path) -> Result<SecretText, Failed> {
    let bytes = crate::files::read_private(file)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Failed::Failed(format!("{} does not hold text", file.display())))?;
    Ok(SecretText::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}
