//! The file: whose it is, what is refused, what comes back, and what stands in it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails stops")]

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Waker};

use records::{
    ApiIdentifier, ClientPolicy, KeyId, KeyState, Lifetime, ResourceServer, ResourceServerId, SecretBytes,
    SecretText, SigningAlgorithm, SigningKey, TenantId, TokenDialect, UnixTime, UserPolicy, Write,
};
use rusqlite::Connection;
use store::{
    Backend, Becomes, CommitError, Expect, Key, Kind, Operation, Sealer, SealingKeys, Space, Stores,
    Unavailable,
};
use store_sqlite::{OpenError, Sqlite};
use zeroize::Zeroizing;

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn put(kind: Kind, name: &str, end: Option<u64>) -> Operation {
    let becomes = Becomes::Put {
        body: format!("{{\"name\":\"{name}\"}}"),
        index: Vec::new(),
        drop_at: end.map(UnixTime),
    };
    Operation { kind, key: Key::of(&[name]), expect: Expect::Absent, becomes }
}

async fn has(database: &Sqlite, kind: Kind, name: &str) -> bool {
    database.get(&space(), kind, &Key::of(&[name])).await.unwrap().is_some()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.display()).into()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    for (kind, end) in [(Kind::Client, None), (Kind::RefreshFamily, Some(9)), (Kind::SeenJti, Some(9))] {
        database.commit(&space(), vec![put(kind, "a", end)]).await.unwrap();
    }
    let version = database.configuration_version().await.unwrap();
    let row = database.get(&space(), Kind::Client, &Key::of(&["a"])).await.unwrap().unwrap();
    database.close();
    assert!(!beside(&path, "-wal").exists(), "closing writes the log back");
    let database = Sqlite::open(&path).unwrap();
    for kind in [Kind::Client, Kind::RefreshFamily, Kind::SeenJti] {
        assert!(has(&database, kind, "a").await, "{}", kind.name());
    }
    assert_eq!(database.configuration_version().await.unwrap(), version);
    assert_eq!(database.get(&space(), Kind::Client, &Key::of(&["a"])).await.unwrap().unwrap(), row);

    let delete = Operation { becomes: Becomes::Delete, ..put(Kind::Client, "a", None) };
    database.commit(&space(), vec![Operation { expect: Expect::Covered, ..delete }]).await.unwrap();
    drop(database);
    let database = Sqlite::open(&path).unwrap();
    database.commit(&space(), vec![put(Kind::Client, "a", None)]).await.unwrap();
    let again = database.get(&space(), Kind::Client, &Key::of(&["a"])).await.unwrap().unwrap();
    assert_ne!(again.version, row.version, "versions do not begin again with a start");
}

#[tokio::test]
async fn after_closing_nothing_is_answered_and_nothing_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let database = Sqlite::open(directory.path().join("authd.db")).unwrap();
    database.close();
    database.close();
    let closed = Unavailable::Backend("the database is closed".to_owned());
    assert_eq!(
        database.commit(&space(), vec![put(Kind::Client, "a", None)]).await,
        Err(CommitError::Unavailable(closed.clone()))
    );
    assert_eq!(database.get(&space(), Kind::Client, &Key::of(&["a"])).await, Err(closed.clone()));
    assert_eq!(database.sweep(UnixTime(1), 1).await, Err(closed));
}

#[tokio::test]
async fn da_03_the_files_are_their_owners_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    database.commit(&space(), vec![put(Kind::Client, "a", None)]).await.unwrap();
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&path, suffix)), 0o600, "{suffix}");
    }
    for suffix in ["-wal", "-shm", ""] {
        for open in [0o640, 0o604, 0o660, 0o644] {
            chmod(&beside(&path, suffix), open);
            let refused = Sqlite::open(&path).unwrap_err();
            assert_eq!(refused, OpenError::OpenToOthers { path: beside(&path, suffix), mode: open });
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
            chmod(&beside(&path, suffix), 0o600);
        }
    }
    Sqlite::open(&path).unwrap();
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("text", b"[server]\nport = 8080\n".to_vec()),
        ("long", b"no database ".repeat(1000)),
        ("zeros", vec![0; 8192]),
        ("header", [b"SQLite format 3\0".to_vec(), vec![0xff; 5000]].concat()),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        chmod(&path, 0o600);
        let refused = Sqlite::open(&path).unwrap_err();
        assert_eq!(refused, OpenError::NotADatabase { path: path.clone() }, "{name}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name}");
    }
    for (name, sql, id) in [
        ("tables", "CREATE TABLE t (a)", 0),
        ("marked", "PRAGMA application_id = 77; CREATE TABLE t (a)", 77),
        ("empty", "PRAGMA application_id = 77", 77),
    ] {
        let path = directory.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        chmod(&path, 0o600);
        let bytes = std::fs::read(&path).unwrap();
        let refused = Sqlite::open(&path).unwrap_err();
        assert_eq!(refused, OpenError::Foreign { path: path.clone(), application_id: id }, "{name}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_database_of_a_newer_version_or_of_a_changed_build_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    drop(Sqlite::open(&path).unwrap());
    let change = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    // A newer version added something: this one works on.
    change("INSERT INTO migration (number, name, checksum) VALUES (77, 'wider', 'x')");
    drop(Sqlite::open(&path).unwrap());
    // It took something away: this one would not know what it does.
    change("PRAGMA user_version = 77");
    let refused = Sqlite::open(&path).unwrap_err();
    let known = u32::try_from(store_sqlite::migrate::MIGRATIONS.len()).unwrap();
    assert_eq!(refused, OpenError::Newer { path: path.clone(), needs: 77, known });
    assert!(refused.to_string().contains("newer version of authd"), "{refused}");
    change("PRAGMA user_version = 1; UPDATE migration SET checksum = 'x' WHERE number = 1");
    assert_eq!(Sqlite::open(&path).unwrap_err(), OpenError::OtherMigration { path: path.clone(), number: 1 });
    change("DELETE FROM migration");
    let refused = Sqlite::open(&path).unwrap_err();
    assert!(matches!(&refused, OpenError::Damaged { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_truncated_file_gives_errors_and_no_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    for number in 0..500 {
        database
            .commit(&space(), vec![put(Kind::Client, &format!("client-{number:03}"), None)])
            .await
            .unwrap();
    }
    drop(database);
    let whole = std::fs::read(&path).unwrap();
    for part in [1, 2, 3] {
        std::fs::write(&path, &whole[..whole.len() / 4 / 4096 * 4096 * part]).unwrap();
        match Sqlite::open(&path) {
            Err(refused) => assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}"),
            Ok(database) => {
                let mut failures = 0;
                for number in 0..500 {
                    let key = Key::of(&[&format!("client-{number:03}")]);
                    match database.get(&space(), Kind::Client, &key).await {
                        Ok(row) => assert!(row.is_some(), "a row that is lost is an error, not an absence"),
                        Err(error) => {
                            assert!(error.to_string().contains("malformed"), "{error}");
                            failures += 1;
                        }
                    }
                }
                assert!(failures > 0);
            }
        }
    }
}

#[test]
fn an_empty_file_becomes_a_database_whoever_is_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    std::fs::write(&path, "").unwrap();
    chmod(&path, 0o600);
    let opened: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Sqlite::open(&path).map(drop))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(opened.iter().all(Result::is_ok), "{opened:?}");
}

#[tokio::test]
async fn two_handles_on_one_file_see_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let (one, two) = (Sqlite::open(&path).unwrap(), Sqlite::open(&path).unwrap());
    let mut version = two.configuration_version().await.unwrap();
    for number in 0..50 {
        let name = format!("c{number}");
        let (writer, reader) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        writer.commit(&space(), vec![put(Kind::Client, &name, None)]).await.unwrap();
        assert!(has(reader, Kind::Client, &name).await);
        let now = reader.configuration_version().await.unwrap();
        assert_ne!(std::mem::replace(&mut version, now), now, "the other handle hears of it");
        let again = reader.commit(&space(), vec![put(Kind::Client, &name, None)]).await;
        assert_eq!(again, Err(CommitError::Conflict));
        let jti = vec![put(Kind::SeenJti, &name, Some(9))];
        writer.commit(&space(), jti.clone()).await.unwrap();
        assert_eq!(reader.commit(&space(), jti).await, Err(CommitError::Conflict));
    }
}

/// Commits that all wait before the first of them is written: another connection holds the write lock meanwhile.
async fn together(
    path: &Path,
    database: &Sqlite,
    commits: Vec<Vec<Operation>>,
) -> Vec<Result<(), CommitError>> {
    let blocker = Connection::open(path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let space = space();
    let mut waiting: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    for operations in commits {
        let mut commit: Pin<Box<dyn Future<Output = _>>> = Box::pin(database.commit(&space, operations));
        let state = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(state.is_pending());
        waiting.push(commit);
    }
    blocker.execute_batch("ROLLBACK").unwrap();
    let mut outcomes = Vec::new();
    for commit in waiting {
        outcomes.push(commit.await);
    }
    outcomes
}

#[tokio::test]
async fn commits_that_wait_become_one_transaction_and_a_conflict_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    let before = database.statistics();
    let commits: Vec<_> = (0..128)
        .map(|number| {
            let own = put(Kind::RefreshFamily, &format!("row{number}"), None);
            // Every tenth also wants what the first of them gets.
            let shared = (number % 10 == 3).then(|| put(Kind::RefreshFamily, "shared", None));
            [own].into_iter().chain(shared).collect()
        })
        .collect();
    let outcomes = together(&path, &database, commits).await;
    let after = database.statistics();
    for (number, outcome) in outcomes.iter().enumerate() {
        let loses = number % 10 == 3 && number != 3;
        assert_eq!(*outcome, if loses { Err(CommitError::Conflict) } else { Ok(()) }, "commit {number}");
        assert_eq!(
            has(&database, Kind::RefreshFamily, &format!("row{number}")).await,
            !loses,
            "commit {number}"
        );
    }
    let transactions = after.transactions - before.transactions;
    assert!((1..=3).contains(&transactions), "{transactions} transactions for 128 commits");
    assert_eq!(after.commits - before.commits, 116);
}

#[tokio::test]
async fn a_commit_that_breaks_its_statement_fails_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    // What no commit can do by itself: a row that the engine refuses for a reason that no expectation names.
    let trap = "CREATE TRIGGER trap BEFORE INSERT ON record WHEN new.key = 'bad'
                BEGIN SELECT RAISE(ABORT, 'trap'); END";
    Connection::open(&path).unwrap().execute_batch(trap).unwrap();
    let names = ["a", "b", "bad", "c", "d"];
    let commits = names
        .map(|name| {
            vec![
                put(Kind::RefreshFamily, &format!("with-{name}"), None),
                put(Kind::RefreshFamily, name, None),
            ]
        })
        .to_vec();
    let outcomes = together(&path, &database, commits).await;
    for (name, outcome) in names.iter().zip(outcomes) {
        let is_bad = *name == "bad";
        assert_eq!(matches!(outcome, Err(CommitError::Unavailable(_))), is_bad, "{name}: {outcome:?}");
        assert_eq!(has(&database, Kind::RefreshFamily, name).await, !is_bad);
        assert_eq!(
            has(&database, Kind::RefreshFamily, &format!("with-{name}")).await,
            !is_bad,
            "{name}: all or nothing"
        );
    }
}

#[tokio::test]
async fn da_01_r21_secrets_stand_in_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let key_encryption_key = *b"the key-encryption key, 32 bytes";
    let sealer = Sealer::new(SealingKeys::new("k1", Zeroizing::new(key_encryption_key)));
    let database = Sqlite::open(&path).unwrap();
    let stores = Stores::open(database.clone(), sealer).await.unwrap();
    let store = stores.tenant(&TenantId::parse("acme").unwrap());
    let (private_key, signing_secret) =
        (b"a private key in PKCS#8 DER".to_vec(), "an HS256 secret of an API");
    let key = SigningKey {
        id: KeyId::parse("kid-in-the-clear").unwrap(),
        algorithm: SigningAlgorithm::Es256,
        private_key: SecretBytes::new(private_key.clone()),
        state: KeyState::Current,
        created_at: UnixTime(1),
        state_since: UnixTime(1),
    };
    let api = ResourceServer {
        id: ResourceServerId::parse("rs1").unwrap(),
        identifier: ApiIdentifier::parse("https://api.example.com/").unwrap(),
        name: "API".into(),
        scopes: Vec::new(),
        signing_algorithm: SigningAlgorithm::Hs256,
        signing_secret: Some(SecretText::new(signing_secret.into())),
        token_lifetime: Lifetime::DAY,
        token_lifetime_for_web: Lifetime::DAY,
        token_dialect: TokenDialect::Auth0,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        enforce_policies: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        is_system: false,
        created_at: UnixTime(1),
    };
    store.commit(vec![Write::CreateSigningKey(key), Write::CreateResourceServer(api)]).await.unwrap();
    let derived = stores.derive("client secrets").unwrap();
    let scan = || {
        let mut found = Vec::new();
        for suffix in ["", "-wal", "-shm"] {
            let Ok(bytes) = std::fs::read(beside(&path, suffix)) else { continue };
            for (name, secret) in [
                ("private key", private_key.as_slice()),
                ("signing secret", signing_secret.as_bytes()),
                ("key-encryption key", key_encryption_key.as_slice()),
                ("derived key", derived.as_slice()),
                ("control", b"kid-in-the-clear"),
            ] {
                for spelled in spellings(secret) {
                    if bytes.windows(spelled.len()).any(|window| window == spelled) {
                        found.push(name);
                    }
                }
            }
        }
        found.dedup();
        found
    };
    assert_eq!(scan(), ["control"], "in the log");
    database.close();
    assert_eq!(scan(), ["control"], "in the file");
}

/// The bytes, and as hexadecimal digits, and the middle of them as base64 at each of the three offsets.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut all =
        vec![secret.to_vec(), secret.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()];
    for offset in 0..3 {
        let whole = &secret[offset..];
        let text: Vec<u8> = whole
            .chunks_exact(3)
            .flat_map(|c| [c[0] >> 2, (c[0] & 3) << 4 | c[1] >> 4, (c[1] & 15) << 2 | c[2] >> 6, c[2] & 63])
            .map(|six| ALPHABET[usize::from(six)])
            .collect();
        all.push(text);
    }
    all
}

#[tokio::test]
async fn a_file_that_grew_by_what_expires_shrinks_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let pages = || {
        let connection = Connection::open(&path).unwrap();
        connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let database = Sqlite::open(&path).unwrap();
    let empty = pages();
    for (kind, end) in [(Kind::SeenJti, 1_800_000_000), (Kind::RefreshFamily, 1_800_000_000)] {
        for start in 0..40 {
            let rows = (0..500).map(|row| put(kind, &format!("{start}-{row}"), Some(end))).collect();
            database.commit(&space(), rows).await.unwrap();
        }
    }
    database.commit(&space(), vec![put(Kind::Client, "stays", None)]).await.unwrap();
    assert!(pages() > empty + 500, "{} pages", pages());
    assert_eq!(database.sweep(UnixTime(1_799_999_999), 1_000).await, Ok(0));
    let mut left = 0;
    loop {
        match database.sweep(UnixTime(1_800_003_600), 1_000).await.unwrap() {
            0 => break,
            some => left += some,
        }
    }
    assert_eq!(left, 40_000);
    assert!(pages() <= empty + 300, "{} pages after {empty}", pages());
    assert!(has(&database, Kind::Client, "stays").await);
}

#[tokio::test]
async fn a_reader_that_stands_still_delays_no_commit_and_the_log_begins_again_when_it_is_gone() {
    const BATCH: usize = 128;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    let log = || std::fs::metadata(beside(&path, "-wal")).unwrap().len();
    // Some 16 MiB at a time, all of it waiting at once.
    let write = async |batch: usize| {
        let operations = (0..BATCH).map(|number| {
            let row = put(Kind::RefreshFamily, &format!("{number}"), None);
            // Other text each time: a page that stays as it is is not written.
            let body = format!("{{\"x\":\"{}\"}}", ["x", "y"][batch % 2].repeat(128 * 1024));
            let becomes = Becomes::Put { body, index: Vec::new(), drop_at: None };
            Operation { becomes, expect: Expect::Covered, ..row }
        });
        let space = space();
        let mut waiting: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
        for operation in operations {
            let mut commit: Pin<Box<dyn Future<Output = _>>> =
                Box::pin(database.commit(&space, vec![operation]));
            let _ = commit.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            waiting.push(commit);
        }
        for commit in waiting {
            commit.await.unwrap();
        }
    };
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM record").unwrap();
    for batch in 0..4 {
        write(batch).await;
    }
    let grown = log();
    assert!(grown > 50 << 20, "nothing of it can be written back past the reader: {grown}");
    drop(reader);
    for batch in 4..12 {
        write(batch).await;
    }
    let statistics = database.statistics();
    assert!(statistics.checkpoints > 0, "{statistics:?}");
    assert!(log() < grown + (64 << 20), "the log began again: {} after {grown}", log());
    database.close();
    assert!(!beside(&path, "-wal").exists());
}
