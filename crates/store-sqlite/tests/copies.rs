//! Backups of a database that is in use, and what a restore brings back (threats R20; docs/adr/0011).
//!
//! `AUTHD_GRANTS` says how many refresh families the large one has; with it the times are printed.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

#[path = "../../store/tests/single_use/mod.rs"]
mod single_use;
mod version_1;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use records::{TenantId, UnixTime};
use rusqlite::Connection;
use store::{Backend, Becomes, Ended, Expect, IndexEntry, Key, Kind, Operation, Space};
use store_sqlite::copy::{Live, Restored, back_up, restore};
use store_sqlite::{OpenError, Sqlite};
use version_1::Version1;

const NOW: UnixTime = UnixTime(1_800_000_000);
/// The key of each row says what it is, so that the bytes of a file tell what is in it.
const LIVE: &[(Kind, &str)] = &[
    (Kind::Session, "the-session"),
    (Kind::RefreshFamily, "the-refresh-family"),
    (Kind::AuthorizationCode, "the-code"),
];
const STAYS: &[(Kind, &str)] = &[
    (Kind::Client, "the-client"),
    (Kind::User, "the-user"),
    (Kind::UserGrant, "the-user-grant"),
    (Kind::SeenJti, "the-jti"),
    (Kind::ConsumedHandle, "the-handle"),
];

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn put(kind: Kind, name: &str, text: &str, expect: Expect) -> Operation {
    let is_kept = kind.retention() == store::Retention::Kept;
    let is_ring = kind.retention() == store::Retention::Ring;
    let index = if is_ring { Vec::new() } else { vec![IndexEntry::of("user", &["somebody"])] };
    let drop_at = (!is_kept).then_some(UnixTime(NOW.0 + 50));
    let becomes = Becomes::Put { body: format!("{{\"text\":\"{text}\"}}"), index, drop_at };
    Operation { kind, key: Key::of(&[name]), expect, becomes }
}

/// An empty file of this user's alone, as whoever calls makes it.
fn empty(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, b"").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn only(path: &Path) {
    for suffix in ["-wal", "-shm", "-journal"] {
        assert!(!PathBuf::from(format!("{}{suffix}", path.display())).exists(), "{suffix} is left");
    }
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

fn number(path: &Path, sql: &str) -> i64 {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn contains(path: &Path, text: &str) -> bool {
    std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

async fn filled(path: &Path) -> Sqlite {
    let database = Sqlite::open(path).unwrap();
    for (kind, name) in LIVE.iter().chain(STAYS) {
        database.commit(&space(), vec![put(*kind, name, name, Expect::Absent)]).await.unwrap();
    }
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r20_a_backup_under_load_is_the_database_of_one_moment() {
    const TASKS: usize = 4;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = Sqlite::open(&path).unwrap();
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (database, stop, acknowledged) =
                (database.clone(), Arc::clone(&stop), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                for number in 0u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // Two rows of one commit, and one that there is for each commit.
                    let text = number.to_string();
                    let made = put(Kind::UserGrant, &format!("{task}-{number:08}"), &text, Expect::Absent);
                    let left = put(Kind::RefreshFamily, &format!("left{task}"), &text, Expect::Covered);
                    let right = put(Kind::SeenJti, &format!("right{task}"), &text, Expect::Covered);
                    database.commit(&space(), vec![left, made, right]).await.unwrap();
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for round in 0..8u64 {
        // Some work between two backups, however slow the machine.
        while acknowledged.load(Ordering::Relaxed) < round * 50 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.load(Ordering::Relaxed);
        let copy = empty(directory.path(), &format!("copy{round}"));
        let (from, to) = (path.clone(), copy.clone());
        tokio::task::spawn_blocking(move || back_up(&from, &to, NOW)).await.unwrap().unwrap();
        let after = acknowledged.load(Ordering::Relaxed);
        only(&copy);

        let opened = Sqlite::open(&copy).unwrap();
        assert_eq!(opened.disagreements().unwrap(), Vec::<String>::new());
        let mut made = 0;
        for task in 0..TASKS {
            let row = async |kind, name: &str| {
                let row = opened.get(&space(), kind, &Key::of(&[name])).await.unwrap();
                row.map(|row| row.body)
            };
            let left = row(Kind::RefreshFamily, &format!("left{task}")).await;
            assert_eq!(left, row(Kind::SeenJti, &format!("right{task}")).await, "half a commit");
            let Some(left) = left else { continue };
            let last: u64 = left.split('"').nth(3).unwrap().parse().unwrap();
            for number in 0..=last {
                let made = row(Kind::UserGrant, &format!("{task}-{number:08}")).await;
                assert!(made.is_some(), "commit {number} of {last} is missing");
            }
            assert!(row(Kind::UserGrant, &format!("{task}-{:08}", last + 1)).await.is_none());
            made += last + 1;
        }
        assert!(made >= before, "what was acknowledged before the backup began is in it: {made} of {before}");
        assert!(made <= after + TASKS as u64);
        opened.close();
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn r20_a_restore_brings_back_no_session_no_refresh_token_and_no_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = filled(&path).await;
    // A row that was ended stays on a free page of the file, and not in its copies.
    let gone = put(Kind::RefreshFamily, "gone-before", "x", Expect::Absent);
    database.commit(&space(), vec![gone.clone()]).await.unwrap();
    let gone = Operation { expect: Expect::Covered, becomes: Becomes::Delete, ..gone };
    database.commit(&space(), vec![gone]).await.unwrap();
    let backup = empty(directory.path(), "backup");
    back_up(&path, &backup, NOW).unwrap();
    assert!(!contains(&backup, "gone-before"));
    let versions = "SELECT value FROM counter WHERE name = 'next_version'";
    let bytes = std::fs::read(&backup).unwrap();

    let restored = empty(directory.path(), "restored.db");
    let outcome = restore(&backup, &restored, Live::End, UnixTime(NOW.0 + 9)).unwrap();
    let ended = Ended { sessions: 1, refresh_families: 1 };
    assert_eq!(outcome, Restored { backed_up_at: Some(NOW), ended });
    assert_eq!(std::fs::read(&backup).unwrap(), bytes, "the backup is as it was");
    only(&backup);
    only(&restored);
    for (_, name) in LIVE {
        assert!(contains(&backup, name) && !contains(&restored, name), "{name}");
    }
    for (_, name) in STAYS {
        assert!(contains(&restored, name), "{name}");
    }
    assert!(number(&restored, versions) > number(&path, versions) + (1 << 31));
    assert_eq!(number(&restored, "SELECT count(*) FROM entry"), 3, "and its index with it");
    assert_eq!(number(&restored, "PRAGMA auto_vacuum"), 2);

    let opened = Sqlite::open(&restored).unwrap();
    assert_eq!(opened.disagreements().unwrap(), Vec::<String>::new());
    let lineage = opened.lineage(5).unwrap();
    assert_eq!(lineage[0].0, UnixTime(NOW.0 + 9));
    assert!(
        lineage[0].1 == "restored" && lineage[0].2.contains("\"refresh_families_ended\":1"),
        "{lineage:?}"
    );
    for (kind, name) in LIVE {
        assert!(opened.get(&space(), *kind, &Key::of(&[name])).await.unwrap().is_none(), "{name}");
    }
    // It is a database like any other.
    opened.commit(&space(), vec![put(Kind::Session, "new", "x", Expect::Absent)]).await.unwrap();
    assert_eq!(opened.disagreements().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn r20_logins_that_are_kept_are_as_the_backup_has_them_and_codes_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    drop(filled(&path).await);
    let backup = empty(directory.path(), "backup");
    back_up(&path, &backup, NOW).unwrap();
    let restored = empty(directory.path(), "restored.db");
    let outcome = restore(&backup, &restored, Live::Keep, NOW).unwrap();
    assert_eq!(outcome.ended, Ended::default());
    let opened = Sqlite::open(&restored).unwrap();
    assert!(opened.lineage(1).unwrap()[0].2.contains("kept"));
    for (kind, name) in LIVE {
        let row = opened.get(&space(), *kind, &Key::of(&[name])).await.unwrap();
        assert_eq!(row.is_some(), *kind != Kind::AuthorizationCode, "{name}");
    }
    assert_eq!(opened.disagreements().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn r20_a_database_restored_by_other_means_can_be_marked() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = filled(&path).await;
    let versions = "SELECT value FROM counter WHERE name = 'next_version'";
    let before = number(&path, versions);
    database.mark_restored(NOW, "{}").unwrap();
    assert!(number(&path, versions) > before + (1 << 31));
    assert!(
        database.get(&space(), Kind::AuthorizationCode, &Key::of(&["the-code"])).await.unwrap().is_none()
    );
    assert!(database.get(&space(), Kind::SeenJti, &Key::of(&["the-jti"])).await.unwrap().is_some());
    assert_eq!(database.lineage(5).unwrap(), [(NOW, "restored".to_owned(), "{}".to_owned())]);
    database.commit(&space(), vec![put(Kind::Client, "more", "x", Expect::Absent)]).await.unwrap();
}

#[tokio::test]
async fn r09_what_is_no_backup_is_refused_in_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    drop(filled(&path).await);
    let backup = empty(directory.path(), "backup");
    back_up(&path, &backup, NOW).unwrap();
    let target = || empty(directory.path(), "target.db");
    let refused = |from: &Path| restore(from, &target(), Live::End, NOW).unwrap_err();
    let variant = |name: &str, sql: &str| {
        let path = directory.path().join(name);
        std::fs::copy(&backup, &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        path
    };

    let text = directory.path().join("text");
    std::fs::write(&text, b"no database ".repeat(1000)).unwrap();
    assert_eq!(refused(&text), OpenError::NotADatabase { path: text.clone() });
    let nothing = empty(directory.path(), "nothing");
    assert!(refused(&nothing).to_string().contains("not a database of authd"));
    let foreign = variant("foreign", "PRAGMA application_id = 77");
    assert_eq!(refused(&foreign), OpenError::Foreign { path: foreign.clone(), application_id: 77 });
    let newer = variant("newer", "PRAGMA user_version = 77");
    assert!(matches!(refused(&newer), OpenError::Newer { needs: 77, .. }));
    let other = variant("other", "UPDATE migration SET checksum = 'x' WHERE number = 2");
    assert!(matches!(refused(&other), OpenError::OtherMigration { number: 2, .. }));
    let missing = directory.path().join("missing");
    assert!(matches!(refused(&missing), OpenError::Failed { .. }));
    assert!(!missing.exists());

    // An index entry without its row, and a row without its entry: whole for SQLite, and not a database of ours.
    let unindexed = variant("unindexed", "DELETE FROM entry WHERE kind = 'client'");
    assert!(matches!(refused(&unindexed), OpenError::Damaged { .. }), "{:?}", refused(&unindexed));
}

#[tokio::test]
async fn r20_what_a_backup_s_schema_says_beside_its_tables_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    drop(filled(&path).await);
    let backup = empty(directory.path(), "backup");
    back_up(&path, &backup, NOW).unwrap();
    let change = |sql: &str| Connection::open(&backup).unwrap().execute_batch(sql).unwrap();

    // What would keep revoked tokens alive stays behind.
    change(
        "CREATE TRIGGER keeps BEFORE DELETE ON record BEGIN SELECT RAISE(IGNORE); END;
         CREATE VIEW all_of_it AS SELECT * FROM record",
    );
    let restored = empty(directory.path(), "restored.db");
    restore(&backup, &restored, Live::Keep, NOW).unwrap();
    let acting = "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')";
    assert_eq!((number(&backup, acting), number(&restored, acting)), (2, 0));

    // Nor what follows a table's own statement.
    let planted = directory.path().join("planted");
    change(&format!(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = sql || '; COMMIT; ATTACH ''{}'' AS planted; CREATE TABLE planted.t (x); BEGIN'
             WHERE name = 'lineage'",
        planted.display()
    ));
    let refused = restore(&backup, &empty(directory.path(), "other.db"), Live::Keep, NOW).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
    assert!(!planted.exists());
}

#[tokio::test]
async fn r09_a_damaged_backup_is_never_restored_as_something_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let database = filled(&path).await;
    for number in 0..200 {
        let row = put(Kind::UserGrant, &format!("grant{number}"), &"x".repeat(300), Expect::Absent);
        database.commit(&space(), vec![row]).await.unwrap();
    }
    let backup = empty(directory.path(), "backup");
    back_up(&path, &backup, NOW).unwrap();
    let bytes = std::fs::read(&backup).unwrap();
    let damaged = directory.path().join("damaged");
    let mut refused = 0;
    // Each page: its header, then its middle, then the file's end cut off there.
    for page in 0..bytes.len() / 4096 {
        for (offset, cut) in [(0, false), (1, false), (3, false), (8, false), (0, true), (2048, true)] {
            let at = page * 4096 + offset;
            let mut copy = bytes.clone();
            if cut {
                copy.truncate(at);
            } else {
                copy[at] ^= 0xff;
            }
            std::fs::write(&damaged, &copy).unwrap();
            match restore(&damaged, &empty(directory.path(), "target.db"), Live::End, NOW) {
                Err(_) => refused += 1,
                // What nobody reads may be damaged: then everything is there.
                Ok(_) => {
                    let target = directory.path().join("target.db");
                    assert_eq!(number(&target, "SELECT count(*) FROM record WHERE kind = 'user_grant'"), 201);
                    let sound = Sqlite::open(&target).unwrap();
                    assert_eq!(
                        sound.disagreements().unwrap(),
                        Vec::<String>::new(),
                        "page {page} byte {offset}"
                    );
                }
            }
        }
    }
    assert!(refused > bytes.len() / 4096 * 4, "{refused} of {} pages", bytes.len() / 4096);
}

#[test]
fn a_backup_of_the_version_before_is_restored_as_this_version_s() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    Version1::make(&path).fill(20);
    let backup = empty(directory.path(), "backup");
    back_up(&path, &backup, NOW).unwrap();
    let restored = empty(directory.path(), "restored.db");
    let outcome = restore(&backup, &restored, Live::Keep, NOW).unwrap();
    assert_eq!(outcome.backed_up_at, None, "it had nowhere to say so");
    let opened = Sqlite::open(&restored).unwrap();
    assert_eq!(number(&restored, "SELECT count(*) FROM record"), 20);
    assert_eq!(opened.lineage(5).unwrap().len(), 1);
    // The copy itself is still what it was.
    drop(Version1::open(&backup).unwrap());
}

#[test]
fn da_03_a_database_that_others_can_read_is_not_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    drop(Sqlite::open(&path).unwrap());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let copy = empty(directory.path(), "copy");
    assert!(matches!(back_up(&path, &copy, NOW).unwrap_err(), OpenError::OpenToOthers { .. }));
    let missing = back_up(&directory.path().join("none.db"), &copy, NOW).unwrap_err();
    assert!(matches!(missing, OpenError::Failed { .. }));
    assert!(!directory.path().join("none.db").exists());
}

#[tokio::test]
async fn r20_a_restore_of_many_refresh_families_is_quick_and_whole() {
    let count: u32 = std::env::var("AUTHD_GRANTS").map_or(10_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("authd.db");
    let stores = single_use::stores(Sqlite::open(&path).unwrap()).await;
    single_use::issue(&single_use::tenant(&stores), single_use::Credential::RefreshToken, 0).await;
    stores.backend().close();
    // A real row, so many times, each of another family and person.
    let connection = Connection::open(&path).unwrap();
    let made = connection.execute_batch(&format!(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;
         CREATE TEMP TABLE number AS WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {count} - 1)
             SELECT printf('%032d', n) AS id, printf('%024d', n) AS person FROM n;
         INSERT INTO record SELECT space, kind, id, version, replace(replace(body, key, id), '5f7c8ec7c33c6c004bbafe82', person),
             replace(replace(entries, key, id), '5f7c8ec7c33c6c004bbafe82', person), drop_at
             FROM number, record WHERE kind = 'refresh_family' AND key = printf('%032d', 0);
         INSERT INTO entry SELECT space, kind, name, replace(value, '5f7c8ec7c33c6c004bbafe82', person), id
             FROM number, entry WHERE kind = 'refresh_family' AND key = printf('%032d', 0);
         COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
    ));
    made.unwrap();
    drop(connection);
    let size = std::fs::metadata(&path).unwrap().len();
    let timed = |what: &str, work: &mut dyn FnMut()| {
        let (began, processor) = (std::time::Instant::now(), processor_seconds());
        work();
        let processor = processor_seconds() - processor;
        println!("{what}: {:.1} s, of the processor {processor:.1} s", began.elapsed().as_secs_f64());
        processor
    };
    println!("{count} refresh families in {size} bytes");
    let backup = empty(directory.path(), "backup");
    timed("backup", &mut || back_up(&path, &backup, NOW).unwrap());
    for (name, live) in [("kept.db", Live::Keep), ("ended.db", Live::End)] {
        let restored = empty(directory.path(), name);
        let took = timed(name, &mut || {
            let outcome = restore(&backup, &restored, live, NOW).unwrap();
            assert_eq!(outcome.ended.refresh_families, if live == Live::End { u64::from(count) } else { 0 });
        });
        assert!(took < 60.0, "{name} took {took} s of the processor");
        let left = if live == Live::Keep { i64::from(count) } else { 0 };
        assert_eq!(number(&restored, "SELECT count(*) FROM record WHERE kind = 'refresh_family'"), left);
        timed("check", &mut || {
            assert_eq!(Sqlite::open(&restored).unwrap().disagreements().unwrap(), Vec::<String>::new());
        });
    }
    let began = processor_seconds();
    let stores = single_use::stores(Sqlite::open(directory.path().join("kept.db")).unwrap()).await;
    let (mut after, mut read) = (None, 0);
    loop {
        let rows = stores.backend().raw_rows(after.as_ref(), 500).unwrap();
        for row in &rows {
            // Their person was never made.
            let finding = stores.examine(row).await.unwrap();
            assert!(finding.is_none_or(|finding| finding.weight == store::Weight::Leftover));
        }
        read += rows.len();
        after = rows.into_iter().last();
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, count as usize + 1, "and the root secret");
    println!("every row examined: {:.1} s of the processor", processor_seconds() - began);
}

/// How long this process has had a processor: other than a clock it says the same on a busy machine.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |position: usize| fields.get(position).unwrap().parse::<f64>().unwrap();
    // Linux shows hundredths to programs, whatever it counts in.
    (ticks(11) + ticks(12)) / 100.0
}
