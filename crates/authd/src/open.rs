//! Opening the data directory: the key-encryption key and the database, made if they are missing (threats DA-02).

use std::path::{Path, PathBuf};

use store::{Backend, Kind, MemoryBackend, Sealer, SealingKeys, Space, Stores};
use store_postgres::{IfEmpty, OpenError, Postgres};
use store_sqlite::Sqlite;
use zeroize::Zeroizing;

use crate::backend::{AnyBackend, AnyStores};
use crate::files::make_directory;
use crate::moment::Moments;
use crate::sealing::{KeySource, write_sealing_key};

/// The database's file in the data directory.
pub const DATABASE_FILE: &str = "authd.db";
/// The key-encryption key's default file in the data directory.
pub const SEALING_KEY_FILE: &str = "sealing.key";

/// Whether a missing database may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Make it, with a new key-encryption key where that is missing too.
    Make,
    /// Say so: a misspelled directory must not become an empty server.
    Refuse,
}

/// Where records live.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file of this directory.
    Directory(PathBuf),
    /// In a PostgreSQL database.
    Postgres(Box<store_postgres::Settings>),
}

impl Place {
    /// The file, or the address without its password.
    fn name(&self) -> String {
        match self {
            Self::Directory(directory) => directory.join(DATABASE_FILE).display().to_string(),
            Self::Postgres(settings) => settings.address(),
        }
    }
}

/// Opens the stores.
pub async fn stores(
    place: &Place,
    key: &KeySource,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<AnyStores, String> {
    let (backend, sealer) = opened(place, key, if_missing, moments).await?;
    Stores::open(backend, sealer).await.map_err(|error| match error {
        store::OpenError::MissingSealingKey { .. } => format!(
            "{}: {error} (`authd sealing reseal`). `authd sealing status` counts them, `authd sealing forget` gives a \
             lost key up",
            place.name()
        ),
        error => format!("{}: {error}", place.name()),
    })
}

/// Opens the stores of a database that is there, though rows may be sealed under keys that are not: for commands that
/// look into just that.
pub async fn stores_without_some_keys(
    place: &Place,
    key: &KeySource,
    moments: &dyn Moments,
) -> Result<AnyStores, String> {
    let (backend, sealer) = opened(place, key, IfMissing::Refuse, moments).await?;
    let stores = Stores::open_without_some_keys(backend, sealer).await;
    stores.map_err(|error| format!("{}: {error}", place.name()))
}

async fn opened(
    place: &Place,
    key: &KeySource,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<(AnyBackend, Sealer), String> {
    match place {
        Place::Directory(directory) => in_directory(directory, key, if_missing, moments),
        Place::Postgres(settings) => in_postgres(settings, key, if_missing, moments).await,
    }
}

fn in_directory(
    directory: &Path,
    key: &KeySource,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<(AnyBackend, Sealer), String> {
    let database = directory.join(DATABASE_FILE);
    let exists = database.exists();
    if !exists && if_missing == IfMissing::Refuse {
        return Err(format!(
            "there is no database in {}: `authd init` makes one, `authd dev` a development tenant",
            directory.display()
        ));
    }
    if if_missing == IfMissing::Refuse {
        refuse_empty(&database)?;
    }
    make_directory(directory)?;
    if let Some(key_file) = key.file().filter(|file| !file.exists()) {
        if exists {
            return Err(key_is_missing(key_file, &database.display().to_string()));
        }
        write_sealing_key(key_file, moments)?;
    }
    let sealer = key.sealer()?;
    let backend = Sqlite::open(&database).map_err(|error| error.to_string())?;
    Ok((AnyBackend::Sqlite(backend), sealer))
}

async fn in_postgres(
    settings: &store_postgres::Settings,
    key: &KeySource,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<(AnyBackend, Sealer), String> {
    let if_empty = match if_missing {
        IfMissing::Make => IfEmpty::Make,
        IfMissing::Refuse => IfEmpty::Refuse,
    };
    let backend = Postgres::open(settings, if_empty).await.map_err(|error| match error {
        OpenError::Empty { .. } => format!("{error}: `authd tenants create` makes them"),
        error => error.to_string(),
    })?;
    for warning in backend.warnings() {
        tracing::warn!(database = settings.address(), "{warning}");
    }
    if let Some(key_file) = key.file().filter(|file| !file.exists()) {
        // The server's own secret is the first thing that is written, sealed: whoever finds it needs the key that was.
        let found = backend.page(&Space::Directory, Kind::RootSecret, None, None, 1).await;
        if !found.map_err(|error| error.to_string())?.is_empty() || if_missing == IfMissing::Refuse {
            return Err(key_is_missing(key_file, &settings.address()));
        }
        write_sealing_key(key_file, moments)?;
    }
    let sealer = key.sealer()?;
    Ok((AnyBackend::Postgres(backend), sealer))
}

/// The file of a directory's database, which must be there.
pub fn database_in(directory: &Path) -> Result<PathBuf, String> {
    let database = directory.join(DATABASE_FILE);
    if !database.exists() {
        return Err(format!("there is no database in {}", directory.display()));
    }
    refuse_empty(&database)?;
    Ok(database)
}

/// One that we made has a header from its first moment on; what is here was cut off (threat R9).
fn refuse_empty(database: &Path) -> Result<(), String> {
    if std::fs::metadata(database).is_ok_and(|file| file.len() == 0) {
        return Err(format!(
            "{} is empty: restore it from a backup, or remove it and make another one (`authd tenants create`)",
            database.display()
        ));
    }
    Ok(())
}

/// Opens a database that is there, and nothing in it yet; makes nothing.
pub async fn backend(place: &Place) -> Result<AnyBackend, String> {
    match place {
        Place::Directory(directory) => {
            let database = database_in(directory)?;
            Sqlite::open(&database).map(AnyBackend::Sqlite).map_err(|error| error.to_string())
        }
        Place::Postgres(settings) => {
            let opened = Postgres::open(settings, IfEmpty::Refuse).await;
            opened.map(AnyBackend::Postgres).map_err(|error| error.to_string())
        }
    }
}

/// Opens the stores of a database that was served before; makes nothing. One without its own secret has lost it, and gets
/// no other.
pub async fn stores_on(backend: AnyBackend, key: &KeySource) -> Result<AnyStores, String> {
    if let Some(key_file) = key.file().filter(|file| !file.exists()) {
        return Err(key_is_missing(key_file, "the database"));
    }
    let sealer = key.sealer()?;
    let root = backend.page(&Space::Directory, Kind::RootSecret, None, None, 1).await;
    if root.map_err(|error| error.to_string())?.is_empty() {
        return Err(
            "its root secret is missing, and with it what refresh tokens and client secrets are checked by"
                .to_owned(),
        );
    }
    // Looked at, and not written to: the usual opening notes the current key.
    let stores = Stores::open_without_some_keys(backend, sealer).await.map_err(|error| error.to_string())?;
    let (keys, needed) = (stores.sealing_keys(), stores.needed_sealing_keys().await);
    let mut names = needed.map_err(|error| error.to_string())?;
    names.retain(|name| keys.names().all(|other| other != name));
    if names.is_empty() {
        return Ok(stores);
    }
    Err(store::OpenError::MissingSealingKey { names: names.into_iter().collect() }.to_string())
}

fn key_is_missing(key_file: &Path, database: &str) -> String {
    format!(
        "the key-encryption key {} is missing; {database} cannot be read without it: restore it from its copy",
        key_file.display()
    )
}

/// Stores that are gone when the process ends.
pub async fn stores_in_memory(moments: &dyn Moments) -> Result<AnyStores, String> {
    let key = Zeroizing::new(moments.draw().bytes::<32>("sealing key"));
    let sealer = Sealer::new(SealingKeys::new("memory", key));
    let stores = Stores::open(AnyBackend::Memory(MemoryBackend::default()), sealer).await;
    stores.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::SystemMoments;

    #[tokio::test]
    async fn da_02_another_key_encryption_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join(SEALING_KEY_FILE);
        let place = Place::Directory(directory.path().to_owned());
        let key = KeySource::File(key_file.clone());
        let open = || stores(&place, &key, IfMissing::Make, &SystemMoments);
        drop(open().await.unwrap());
        drop(open().await.unwrap());

        std::fs::remove_file(&key_file).unwrap();
        write_sealing_key(&key_file, &SystemMoments).unwrap();
        let error = open().await.err().unwrap();
        assert!(error.contains("key"), "{error}");

        std::fs::remove_file(&key_file).unwrap();
        let error = open().await.err().unwrap();
        assert!(error.contains("missing"), "{error}");
        assert!(!key_file.exists(), "a lost key is not replaced by a new one");
    }

    #[tokio::test]
    async fn a_missing_database_is_not_made_by_accident() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("no-such");
        let place = Place::Directory(missing.clone());
        let key = KeySource::File(missing.join("key"));
        let error = stores(&place, &key, IfMissing::Refuse, &SystemMoments).await.err().unwrap();
        assert!(error.contains("authd init"), "{error}");
        assert!(!missing.exists());
    }

    #[tokio::test]
    async fn r9_an_empty_file_is_not_taken_for_a_database_that_has_no_tenants_yet() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join(SEALING_KEY_FILE);
        let place = Place::Directory(directory.path().to_owned());
        let key = KeySource::File(key_file);
        drop(stores(&place, &key, IfMissing::Make, &SystemMoments).await.unwrap());
        let database = directory.path().join(DATABASE_FILE);
        std::fs::write(&database, "").unwrap();
        let error = stores(&place, &key, IfMissing::Refuse, &SystemMoments).await.err().unwrap();
        assert!(error.contains("is empty: restore it from a backup"), "{error}");
        assert_eq!(std::fs::metadata(&database).unwrap().len(), 0, "it is left as it is");
        // Who makes one may find what was begun before.
        assert!(stores(&place, &key, IfMissing::Make, &SystemMoments).await.is_ok());
    }
}
