//! Opening the data directory: the key-encryption key and the database, made if they are missing (threats DA-02).

use std::path::{Path, PathBuf};

use records::UnixTime;
use store::{Backend, Kind, MemoryBackend, Sealer, SealingKeys, Space, Stores};
use store_postgres::{IfEmpty, OpenError, Postgres};
use store_sqlite::Sqlite;
use zeroize::Zeroizing;

use crate::backend::{AnyBackend, AnyStores};
use crate::files::{create_private, make_directory, read_private};
use crate::moment::Moments;

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

/// Opens the stores.
pub async fn stores(
    place: &Place,
    key_file: &Path,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<AnyStores, String> {
    match place {
        Place::Directory(directory) => in_directory(directory, key_file, if_missing, moments).await,
        Place::Postgres(settings) => in_postgres(settings, key_file, if_missing, moments).await,
    }
}

async fn in_directory(
    directory: &Path,
    key_file: &Path,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<AnyStores, String> {
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
    if !key_file.exists() {
        if exists {
            return Err(key_is_missing(key_file, &database.display().to_string()));
        }
        write_sealing_key(key_file, moments)?;
    }
    let keys = read_sealing_keys(key_file)?;
    let backend = Sqlite::open(&database).map_err(|error| error.to_string())?;
    open(AnyBackend::Sqlite(backend), keys).await.map_err(|error| format!("{}: {error}", database.display()))
}

async fn in_postgres(
    settings: &store_postgres::Settings,
    key_file: &Path,
    if_missing: IfMissing,
    moments: &dyn Moments,
) -> Result<AnyStores, String> {
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
    let address = settings.address();
    if !key_file.exists() {
        // The server's own secret is the first thing that is written, sealed: whoever finds it needs the key that was.
        let found = backend.page(&Space::Directory, Kind::RootSecret, None, None, 1).await;
        if !found.map_err(|error| error.to_string())?.is_empty() || if_missing == IfMissing::Refuse {
            return Err(key_is_missing(key_file, &address));
        }
        write_sealing_key(key_file, moments)?;
    }
    let keys = read_sealing_keys(key_file)?;
    open(AnyBackend::Postgres(backend), keys).await.map_err(|error| format!("{address}: {error}"))
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

/// Opens the stores of a database that was served before; makes nothing.
pub async fn stores_on(backend: AnyBackend, key_file: &Path) -> Result<AnyStores, String> {
    if !key_file.exists() {
        return Err(key_is_missing(key_file, "the database"));
    }
    open_existing(backend, read_sealing_keys(key_file)?).await
}

/// Opens stores that must have been opened before: one without its own secret has lost it, and gets no other.
async fn open_existing(backend: AnyBackend, keys: SealingKeys) -> Result<AnyStores, String> {
    let root = backend.page(&Space::Directory, Kind::RootSecret, None, None, 1).await;
    if root.map_err(|error| error.to_string())?.is_empty() {
        return Err(
            "its root secret is missing, and with it what refresh tokens and client secrets are checked by"
                .to_owned(),
        );
    }
    open(backend, keys).await
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
    open(AnyBackend::Memory(MemoryBackend::default()), SealingKeys::new("memory", key)).await
}

async fn open(backend: AnyBackend, keys: SealingKeys) -> Result<AnyStores, String> {
    let sealer = Sealer::new(keys);
    Stores::open(backend, sealer).await.map_err(|error| error.to_string())
}

/// Writes a new key-encryption key: `NAME KEY` on a line, 32 bytes as 64 hexadecimal digits.
pub fn write_sealing_key(path: &Path, moments: &dyn Moments) -> Result<(), String> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(directory)?;
    }
    let moment = moments.draw();
    let key = Zeroizing::new(moment.bytes::<32>("sealing key"));
    let mut text = Zeroizing::new(format!("k{} ", day_name(moment.now)));
    for byte in key.iter() {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    // Where another process was first, its key is the one.
    create_private(path, text.as_bytes()).map(drop)
}

/// A name for a key that sorts by the day it was made.
fn day_name(now: UnixTime) -> String {
    let seconds = i64::try_from(now.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "0".to_owned(), |time| time.strftime("%Y%m%d").to_string())
}

/// Reads the key-encryption keys: the first line seals, all of them open.
fn read_sealing_keys(path: &Path) -> Result<SealingKeys, String> {
    let bytes = read_private(path)?;
    let malformed = || {
        format!(
            "{} is not a key file: each line must be a name and 64 hexadecimal digits, the current key first",
            path.display()
        )
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    let mut keys: Option<SealingKeys> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, digits) = line.trim().split_once(' ').ok_or_else(malformed)?;
        let key = decode_hexadecimal(digits.trim()).ok_or_else(malformed)?;
        keys = Some(match keys {
            None => SealingKeys::new(name, key),
            Some(keys) => keys.with_older(name, key),
        });
    }
    keys.ok_or_else(malformed)
}

fn decode_hexadecimal(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (position, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(position * 2..position * 2 + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_private;
    use crate::moment::SystemMoments;

    #[tokio::test]
    async fn da_02_another_key_encryption_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join(SEALING_KEY_FILE);
        let place = Place::Directory(directory.path().to_owned());
        let open = || stores(&place, &key_file, IfMissing::Make, &SystemMoments);
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
        let error =
            stores(&place, &missing.join("key"), IfMissing::Refuse, &SystemMoments).await.err().unwrap();
        assert!(error.contains("authd init"), "{error}");
        assert!(!missing.exists());
    }

    #[tokio::test]
    async fn r9_an_empty_file_is_not_taken_for_a_database_that_has_no_tenants_yet() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join(SEALING_KEY_FILE);
        let place = Place::Directory(directory.path().to_owned());
        drop(stores(&place, &key_file, IfMissing::Make, &SystemMoments).await.unwrap());
        let database = directory.path().join(DATABASE_FILE);
        std::fs::write(&database, "").unwrap();
        let error = stores(&place, &key_file, IfMissing::Refuse, &SystemMoments).await.err().unwrap();
        assert!(error.contains("is empty: restore it from a backup"), "{error}");
        assert_eq!(std::fs::metadata(&database).unwrap().len(), 0, "it is left as it is");
        // Who makes one may find what was begun before.
        assert!(stores(&place, &key_file, IfMissing::Make, &SystemMoments).await.is_ok());
    }

    #[test]
    fn key_files_are_read_strictly() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for text in
            ["", "\n", "k1", "k1 zz", &format!("k1 {}", "0".repeat(63)), &format!("k1 {}", "g".repeat(64))]
        {
            write_private(&path, text.as_bytes()).unwrap();
            assert!(read_sealing_keys(&path).is_err(), "{text:?}");
        }
        write_private(&path, format!("k2 {}\nk1 {}\n", "0".repeat(64), "1".repeat(64)).as_bytes()).unwrap();
        assert!(read_sealing_keys(&path).is_ok());
    }
}
