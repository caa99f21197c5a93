//! Backups, restores, the full check and schema changes, by the commands that an operator has (threats R9, R18, R20).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod process;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use process::{Server, post, run};
use rusqlite::Connection;
use serde_json::{Value, json};

const SECRET: &str = "password-client-secret-0123456789abcdef0123456789";

fn ask(address: &str, path: &str, mut body: Value) -> (u16, Value) {
    body["client_id"] = json!("password-client");
    body["client_secret"] = json!(SECRET);
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let (status, answer) = process::exchange(address, request.as_bytes());
    (status, serde_json::from_str(&answer).unwrap_or_default())
}

fn log_in(address: &str) -> String {
    let (status, answer) = ask(
        address,
        "/oauth/token",
        json!({
            "grant_type": "password", "username": "user@example.com", "password": "Correct-Horse-9",
            "audience": "api.calendar", "scope": "read offline_access",
        }),
    );
    assert_eq!(status, 200, "{answer}");
    answer["refresh_token"].as_str().unwrap().to_owned()
}

fn refresh(address: &str, token: &str) -> (u16, Value) {
    ask(address, "/oauth/token", json!({ "grant_type": "refresh_token", "refresh_token": token }))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// What a command says that must fail with this exit code.
fn refused(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A directory with a key and no database.
fn with_key_of(data: &Path, directory: PathBuf) -> PathBuf {
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(data.join("sealing.key"), directory.join("sealing.key")).unwrap();
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn r20_what_was_revoked_after_the_backup_stays_dead_after_the_restore() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backup) = (directory.path().join("data"), directory.path().join("backup"));
    let server = Server::dev(&data);
    let (port, address) = (server.http_port(), server.authority());
    let (revoked, rotated) = (log_in(&address), log_in(&address));

    // Others go on meanwhile.
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..3)
        .map(|_| {
            let (stop, answered, address) = (Arc::clone(&stop), Arc::clone(&answered), address.clone());
            std::thread::spawn(move || {
                let mut token = log_in(&address);
                while !stop.load(Ordering::Relaxed) {
                    let (status, answer) = refresh(&address, &token);
                    assert_eq!(status, 200, "{answer}");
                    token = answer["refresh_token"].as_str().unwrap().to_owned();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    while answered.load(Ordering::Relaxed) < 10 {
        std::thread::yield_now();
    }
    assert!(done(&["backup", text(&backup), "--data", text(&data)]).contains("checked whole"));
    let before = answered.load(Ordering::Relaxed);
    let bytes = std::fs::read(&backup).unwrap();
    assert!(refused(&["backup", text(&backup), "--data", text(&data)], 1).contains("left as it is"));
    assert_eq!(std::fs::read(&backup).unwrap(), bytes);
    assert!(done(&["doctor", "--data", text(&data)]).contains("integrity"), "also while it serves");
    while answered.load(Ordering::Relaxed) < before + 10 {
        std::thread::yield_now();
    }
    stop.store(true, Ordering::Relaxed);
    for load in load {
        load.join().unwrap();
    }

    // After the backup: one token is revoked, one is used, both of which the backup does not know.
    assert_eq!(ask(&address, "/oauth/revoke", json!({ "token": revoked })).0, 200);
    assert_eq!(refresh(&address, &revoked).0, 403);
    let (_, answer) = refresh(&address, &rotated);
    let successor = answer["refresh_token"].as_str().unwrap().to_owned();
    // Never over the database that is there, whoever serves it.
    let over = refused(&["restore", text(&backup), "--data", text(&data)], 1);
    assert!(over.contains("a restore makes a new database") && over.contains("Stop every server"), "{over}");
    server.kill();
    std::fs::remove_file(data.join("authd.db")).unwrap();
    let log = refused(&["restore", text(&backup), "--data", text(&data)], 1);
    assert!(log.contains("authd.db-wal"), "the log of another database would be read into it: {log}");

    // Without the key, and with another one, nothing is made.
    let keyless = directory.path().join("keyless");
    assert!(refused(&["restore", text(&backup), "--data", text(&keyless)], 1).contains("key-encryption key"));
    std::fs::write(keyless.join("sealing.key"), format!("k1 {}\n", "ab".repeat(32))).unwrap();
    std::fs::set_permissions(
        keyless.join("sealing.key"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    let other = refused(&["restore", text(&backup), "--data", text(&keyless)], 1);
    assert!(other.contains("not this database's"), "{other}");
    assert_eq!(names(&keyless), ["sealing.key"]);

    let restored = with_key_of(&data, directory.path().join("restored"));
    let told = done(&["restore", text(&backup), "--data", text(&restored)]);
    assert!(told.contains("5 refresh tokens; everybody logs in again"), "{told}");
    assert!(told.contains("the backup is young"), "{told}");
    assert_eq!(names(&restored), ["authd.db", "sealing.key"]);
    let well = done(&["doctor", "--data", text(&restored)]);
    assert!(well.contains("restored at") && !well.contains("FAILED"), "{well}");
    let server = Server::dev_with(&restored, &port, &[]);
    for token in [&revoked, &rotated, &successor] {
        assert_eq!(refresh(&address, token).0, 403);
    }
    let token = log_in(&address);
    assert_eq!(refresh(&address, &token).0, 200, "who logs in again goes on");
    server.kill();

    // Kept, as one must ask for: it is said, and this is what it means.
    let kept = with_key_of(&data, directory.path().join("kept"));
    let told = done(&["restore", text(&backup), "--keep-logins", "--data", text(&kept)]);
    assert!(told.contains("warning: sessions and refresh tokens"), "{told}");
    let server = Server::dev_with(&kept, &port, &[]);
    assert_eq!(refresh(&address, &revoked).0, 200, "the backup does not know that it was revoked");
    assert_eq!(refresh(&address, &rotated).0, 200);
    server.kill();

    // The same database again, restored by other means than ours: marked where it is.
    let told = done(&["restore", "--mark", "--data", text(&kept), "--json"]);
    let object: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(object["logins"]["refresh_families_ended"], 5, "{told}");
    let server = Server::dev_with(&kept, &port, &[]);
    assert_eq!(refresh(&address, &rotated).0, 403);
    drop(server);
}

#[test]
fn r20_a_restore_takes_no_file_that_is_not_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    Server::dev(&data).kill();
    let backup = directory.path().join("backup");
    done(&["backup", text(&backup), "--data", text(&data)]);
    let target = with_key_of(&data, directory.path().join("target"));
    let variant = |name: &str, change: &dyn Fn(&Path)| {
        let path = directory.path().join(name);
        std::fs::copy(&backup, &path).unwrap();
        change(&path);
        let why = refused(&["restore", text(&path), "--data", text(&target)], 1);
        assert_eq!(names(&target), ["sealing.key"], "{name}: {why}");
        why
    };
    let sql =
        |sql: &'static str| move |path: &Path| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    assert!(variant("foreign", &sql("PRAGMA application_id = 77")).contains("another program"));
    assert!(variant("newer", &sql("PRAGMA user_version = 77")).contains("newer version of authd"));
    let none = variant("rootless", &sql("DELETE FROM record WHERE kind = 'root_secret'"));
    assert!(none.contains("root secret is missing"), "{none}");
    let cut = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    assert!(variant("cut", &cut).contains("damaged"));
    assert!(
        variant("text", &|path| std::fs::write(path, "hello").unwrap()).contains("not a database of authd")
    );
    assert!(variant("gone", &|path| std::fs::remove_file(path).unwrap()).contains("cannot be opened"));
    assert!(refused(&["restore", "--data", text(&target)], 2).contains("FILE"));
    done(&["restore", text(&backup), "--data", text(&target)]);
}

#[test]
fn r09_the_doctor_finds_what_a_start_does_not_look_for() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    Server::dev(&data).kill();
    let good = directory.path().join("good");
    done(&["backup", text(&good), "--data", text(&data)]);
    let doctor = |name: &str, change: &dyn Fn(&Path)| {
        let patient = with_key_of(&data, directory.path().join(name));
        let path = patient.join("authd.db");
        std::fs::copy(&good, &path).unwrap();
        change(&path);
        let output = run(&["doctor", "--data", text(&patient)]);
        (output.status.code(), said(&output))
    };
    let (code, told) = doctor("well", &|_| ());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("each parses, its secrets open, its references hold"), "{told}");
    assert!(told.contains("2 user") && told.contains("signing_key"), "{told}");

    let cases: &[(&str, &str, &str)] = &[
        (
            "body",
            "UPDATE record SET body = '{}' WHERE kind = 'client' AND key = 'calendar-web'",
            "client calendar-web of",
        ),
        (
            "form",
            "UPDATE record SET body = replace(body, '\"v\":', '\"v\":9') WHERE kind = 'user'",
            "newer version",
        ),
        (
            "seal",
            "UPDATE record SET body = replace(body, 's1.', 's1.AAAA') WHERE kind = 'signing_key'",
            "signing_key",
        ),
        ("entry", "DELETE FROM entry WHERE name = 'client'", "index entries are missing"),
        ("name", "DELETE FROM record WHERE kind = 'user_login'", "has no user_login"),
        (
            "api",
            "DELETE FROM record WHERE kind = 'resource_server' AND body LIKE '%geocoding%'",
            "which is gone",
        ),
        ("version", "UPDATE counter SET value = 1 WHERE name = 'next_version'", "not handed out yet"),
        (
            "kind",
            "UPDATE record SET kind = 'clinet' WHERE kind = 'client'",
            "no kind that this version knows",
        ),
        ("space", "UPDATE record SET space = 'elsewhere' WHERE kind = 'signing_key'", "signing_key"),
    ];
    for (name, sql, expected) in cases {
        let (code, told) = doctor(name, &|path| {
            let changed = Connection::open(path).unwrap().execute(sql, []).unwrap();
            assert!(changed > 0, "{name} changes something");
        });
        assert_eq!(code, Some(1), "{name}: {told}");
        assert!(told.contains("FAILED") && told.contains(expected), "{name}: {told}");
        assert!(!told.contains("s1."), "{name}: nothing that is sealed is shown: {told}");
    }

    // A page in the midst of the file, which a start does not read.
    let (code, told) = doctor("page", &|path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 8192 * 4096;
        bytes[middle..middle + 64].fill(0xff);
        std::fs::write(path, bytes).unwrap();
    });
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("FAILED"), "{told}");
    let (code, told) = doctor("missing", &|path| std::fs::remove_file(path).unwrap());
    assert!(code == Some(1) && told.contains("there is no database"), "{told}");
    let (code, told) = doctor("empty", &|path| std::fs::write(path, "").unwrap());
    assert!(code == Some(1) && told.contains("is empty: restore it from a backup"), "{told}");
    assert_eq!(std::fs::metadata(directory.path().join("empty/authd.db")).unwrap().len(), 0, "left as it is");
    let (code, told) = doctor("open", &|path| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    });
    assert!(code == Some(1) && told.contains("chmod 600"), "{told}");
    let (code, told) = doctor("other-key", &|path| {
        std::fs::write(path.with_file_name("sealing.key"), format!("k1 {}\n", "ab".repeat(32))).unwrap();
    });
    assert!(code == Some(1) && told.contains("FAILED  key"), "{told}");

    // Expired rows are told of, and are nothing wrong.
    let (code, told) = doctor("expired", &|path| {
        let sql =
            "INSERT INTO ring_0 (space, kind, key, version, body, drop_at) VALUES ('dev', 'consumed_handle',
                   'AAAAAAAAAAAAAAAAAAAAAA', 1, '{\"v\":1,\"expires_at\":50}', 50)";
        Connection::open(path).unwrap().execute(sql, []).unwrap();
    });
    assert!(told.contains("note    expired    1 consumed_handle"), "{code:?} {told}");

    let output = run(&["doctor", "--json", "--data", text(&data)]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["is_well"], true, "{report}");
    assert!(report["checks"].as_array().unwrap().iter().any(|check| check["check"] == "key"));
}

#[test]
fn r18_an_older_database_is_named_and_migrated_by_command_and_by_a_development_server() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    Server::dev(&data).kill();
    // As version 1 left it.
    let downgrade = || {
        Connection::open(data.join("authd.db"))
            .unwrap()
            .execute_batch(
                "DROP TABLE lineage; DELETE FROM migration WHERE number > 1;
                 ALTER TABLE migration DROP COLUMN needs; ALTER TABLE migration DROP COLUMN steps;
                 CREATE TABLE former (
                     space TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
                     body TEXT NOT NULL, entries TEXT NOT NULL, drop_at INTEGER, PRIMARY KEY (space, kind, key)
                 ) STRICT, WITHOUT ROWID;
                 INSERT INTO former SELECT * FROM record;
                 DROP TABLE record; ALTER TABLE former RENAME TO record;
                 CREATE INDEX record_drop_at ON record (drop_at) WHERE drop_at IS NOT NULL",
            )
            .unwrap();
    };
    downgrade();
    for verb in ["users", "apis"] {
        let why = refused(&[verb, "list", "--data", text(&data)], 1);
        assert!(why.contains("run `authd migrate`"), "{why}");
    }
    let sick = refused(&["doctor", "--data", text(&data)], 1);
    assert!(sick.contains("run `authd migrate`"), "{sick}");
    let settings = directory.path().join("authd.toml");
    let listen = "[[listen]]\naddress = \"127.0.0.1:0\"\n";
    std::fs::write(&settings, format!("[store]\ndirectory = \"{}\"\n{listen}", text(&data))).unwrap();
    assert!(refused(&["serve", "--config", text(&settings)], 1).contains("run `authd migrate`"));

    for _ in 0..2 {
        let plan = done(&["migrate", "--plan", "--config", text(&settings)]);
        assert!(plan.contains("would do: schema 2 (lineage), 1 step"), "{plan}");
    }
    let migrated = done(&["migrate", "--config", text(&settings)]);
    assert!(migrated.contains("done: schema 3 (record_rowid), 1 step"), "{migrated}");
    let again = done(&["migrate", "--json", "--contract", "--data", text(&data)]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again, json!({ "done": [], "waiting": [] }));
    assert!(done(&["users", "list", "--data", text(&data)]).contains("user@example.com"));

    downgrade();
    let server = Server::dev(&data);
    let (status, _) = post(&server.authority(), &server.authority(), &process::seed_request());
    assert_eq!(status, 200);
    server.kill();
    assert!(done(&["migrate", "--plan", "--data", text(&data)]).contains("nothing to do"));

    // A newer version took something away: nobody of this one touches it.
    let newer = "PRAGMA user_version = 77";
    Connection::open(data.join("authd.db")).unwrap().execute_batch(newer).unwrap();
    let backup = directory.path().join("backup");
    for arguments in [
        vec!["users", "list"],
        vec!["migrate"],
        vec!["doctor"],
        vec!["backup", text(&backup)],
        vec!["dev", "--http-port", "0", "--https-port", "0"],
    ] {
        let arguments = [arguments, vec!["--data", text(&data)]].concat();
        assert!(refused(&arguments, 1).contains("newer version of authd"), "{arguments:?}");
    }
    assert!(!backup.exists());
    let missing = refused(&["migrate", "--data", text(&directory.path().join("none"))], 1);
    assert!(missing.contains("there is no database"), "{missing}");
}
