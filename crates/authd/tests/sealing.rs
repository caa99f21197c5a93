//! Key-encryption keys of the real binary: replaced while it serves, from a file, a variable and a command (threats R21, DA-02).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod process;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use process::{Server, authd, done, eventually, post, run, seed_request};
use serde_json::{Value, json};

const SECRET: &str = "password-client-secret-0123456789abcdef0123456789";

fn field(answer: &str, name: &str) -> String {
    let body: Value = serde_json::from_str(answer).unwrap();
    body[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn log_in() -> String {
    json!({
        "grant_type": "password", "client_id": "password-client", "client_secret": SECRET,
        "username": "user@example.com", "password": "Correct-Horse-9",
        "audience": "api.calendar", "scope": "read offline_access",
    })
    .to_string()
}

fn refresh(token: &str) -> String {
    json!({
        "grant_type": "refresh_token", "client_id": "password-client", "client_secret": SECRET,
        "refresh_token": token,
    })
    .to_string()
}

/// Asks without pause from several sides until told to stop; every answer must be 200.
fn asking(
    server: &Server,
    stop: &Arc<AtomicBool>,
    asked: &Arc<AtomicUsize>,
) -> Vec<std::thread::JoinHandle<String>> {
    let (status, answer) = server.ask(&log_in());
    assert_eq!(status, 200, "{answer}");
    let first = field(&answer, "refresh_token");
    (0..4)
        .map(|task| {
            let (stop, asked, authority) = (Arc::clone(stop), Arc::clone(asked), server.authority());
            let mut token = first.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let body = match task {
                        0 => refresh(&token),
                        1 => log_in(),
                        _ => seed_request(),
                    };
                    let (status, answer) = post(&authority, &authority, &body);
                    assert_eq!(status, 200, "{answer}");
                    if task == 0 {
                        token = field(&answer, "refresh_token");
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                }
                token
            })
        })
        .collect()
}

/// Waits until so many more requests were answered.
fn some_more(asked: &AtomicUsize) {
    let wanted = asked.load(Ordering::SeqCst) + 20;
    assert!(eventually(|| asked.load(Ordering::SeqCst), |count| *count >= wanted) >= wanted);
}

fn status(data: &str) -> Vec<Value> {
    let output = run(&["sealing", "status", "--json", "--data", data]);
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn keys_are_replaced_while_it_serves_and_no_request_fails() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let key_file = directory.path().join("sealing.key");
    let server = Server::dev(directory.path());
    let port = server.http_port();
    let first_file = std::fs::read_to_string(&key_file).unwrap();
    let first = first_file.split(' ').next().unwrap().to_owned();
    let access_token = server.token();

    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let asking = asking(&server, &stop, &asked);
    some_more(&asked);
    // All at once, and step by step as for many servers.
    let said = done(&["sealing", "rotate", "--data", data]);
    assert!(said.contains(&format!("{first} is not needed any more")), "{said}");
    some_more(&asked);
    done(&["sealing", "remove", &first, "--data", data]);
    some_more(&asked);
    let second = status(data)[0]["key"].as_str().unwrap().to_owned();
    done(&["sealing", "add", "--data", data]);
    let third = status(data)[1]["key"].as_str().unwrap().to_owned();
    assert_eq!(status(data)[1]["state"], "opens");
    some_more(&asked);
    done(&["sealing", "use", &third, "--data", data]);
    some_more(&asked);
    // A person's record is written under the new key by the server or this command, and read by the other.
    let early = run(&["sealing", "remove", &second, "--data", data]);
    assert_eq!(early.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&early.stderr).contains("authd sealing reseal"), "{early:?}");
    done(&["sealing", "reseal", "--slice", "2", "--data", data]);
    done(&["sealing", "remove", &second, "--data", data]);
    some_more(&asked);
    stop.store(true, Ordering::SeqCst);
    let tokens: Vec<String> =
        asking.into_iter().map(|thread| thread.join().expect("no request failed")).collect();

    let left = status(data);
    assert_eq!((left.len(), &left[0]["key"]), (1, &json!(third)));
    let digits: Vec<String> =
        [&first_file, &std::fs::read_to_string(&key_file).unwrap()].map(|text| text.trim().to_owned()).into();
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("WARN") && !log.contains("\"warn\""), "{log}");
    for line in digits {
        assert!(!log.contains(line.split(' ').nth(1).unwrap()), "no key is logged");
    }

    // With the new key alone everything opens: people's hashes, signing keys, what is derived from the root secret.
    let server = Server::dev_with(directory.path(), &port, &[]);
    let (status, answer) = server.ask(&refresh(&tokens[0]));
    assert_eq!(status, 200, "{answer}");
    assert_eq!(server.ask(&log_in()).0, 200);
    let verified = run(&[
        "token",
        "verify",
        "--issuer",
        &server.issuer(),
        "--audience",
        process::AUDIENCE,
        &access_token,
    ]);
    assert!(verified.status.success(), "{verified:?}");
    drop(server);

    // The old key alone is refused, and said which one is missing.
    let present = std::fs::read_to_string(&key_file).unwrap();
    std::fs::write(&key_file, &first_file).unwrap();
    let refused = run(&["dev", "--http-port", "0", "--https-port", "0", "--data", data]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("{third:?}")) && said.contains("not at hand"), "{said}");
    std::fs::write(&key_file, present).unwrap();
}

#[test]
fn a_key_that_a_row_is_sealed_under_is_not_removed_whatever_is_noted() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let database = data.join("authd.db");
    let data = data.to_str().unwrap();
    Server::dev(Path::new(data)).kill();
    let first = status(data)[0]["key"].as_str().unwrap().to_owned();
    done(&["sealing", "rotate", "--data", data]);
    let second = status(data)[0]["key"].as_str().unwrap().to_owned();
    // A server that had not seen the new key yet commits after the walk has passed, and then sees it: it notes nothing.
    let row = |sql: &str| {
        let connection = rusqlite::Connection::open(&database).unwrap();
        connection.execute(sql, [&first, &second]).unwrap()
    };
    let changed = row("UPDATE record SET body = replace(body, 's1.' || ?2 || '.', 's1.' || ?1 || '.')
         WHERE kind = 'user' AND key = (SELECT min(key) FROM record WHERE kind = 'user')");
    assert_eq!(changed, 1);
    let left = status(data);
    assert_eq!((&left[1]["key"], &left[1]["rows"]), (&json!(first), &json!(1)), "{left:?}");
    let refused = run(&["sealing", "remove", &first, "--data", data]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("1 rows are sealed under it"), "{}", said(&refused));
    assert!(std::fs::read_to_string(Path::new(data).join("sealing.key")).unwrap().contains(&first));
}

#[test]
fn after_a_key_was_lost_for_good_what_it_sealed_is_made_anew_by_commands() {
    let directory = tempfile::tempdir().unwrap();
    let data_directory = directory.path().join("data");
    let data = data_directory.to_str().unwrap();
    let server = Server::dev(&data_directory);
    let port = server.http_port();
    server.kill();
    let key_file = data_directory.join("sealing.key");
    let lost = status(data)[0]["key"].as_str().unwrap().to_owned();
    done(&["sealing", "add", "--data", data]);
    let left = status(data)[1]["key"].as_str().unwrap().to_owned();
    done(&["sealing", "use", &left, "--data", data]);
    done(&["keys", "list", "--data", data]);
    let lines = std::fs::read_to_string(&key_file).unwrap();
    std::fs::write(&key_file, lines.lines().next().unwrap()).unwrap();

    assert!(said(&run(&["keys", "list", "--data", data])).contains("not at hand"));
    assert!(done(&["sealing", "forget", &lost, "--data", data]).contains("--discard"));
    // Given up, and still in the way of everything but looking people up.
    assert!(done(&["users", "list", "--data", data]).contains("user@example.com"));
    for stuck in [&["keys", "list"][..], &["keys", "rotate", "--force"], &["sealing", "reseal"]] {
        let stuck = run(&[stuck, &["--data", data]].concat());
        assert_eq!(stuck.status.code(), Some(1), "{}", said(&stuck));
    }
    assert!(done(&["sealing", "forget", &lost, "--discard", "--data", data]).contains("is gone"));
    assert_eq!(run(&["sealing", "forget", &lost, "--discard", "--data", data]).status.code(), Some(1));
    done(&["sealing", "reseal", "--data", data]);
    assert!(done(&["keys", "rotate", "--force", "--data", data]).contains("signs RS256 from now on"));
    let mut update = authd();
    update.args(["users", "update", "user@example.com", "--password-stdin", "--data", data]);
    let mut child = update.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"Correct-Horse-9\n").unwrap();
    assert!(child.wait().unwrap().success());
    let server = Server::dev_with(&data_directory, &port, &[]);
    let (status, answer) = server.ask(&log_in());
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn where_several_servers_may_be_on_a_database_a_key_is_replaced_step_by_step() {
    let directory = tempfile::tempdir().unwrap();
    let (config, key) = (directory.path().join("authd.toml"), directory.path().join("sealing.key"));
    let text = format!(
        "[store]\npostgres = \"postgres://authd@127.0.0.1:1/authd?sslmode=disable\"\n[sealing]\nkey_file = {key:?}\n\
         [[listen]]\naddress = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(&key, generated("one")).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let config = config.to_str().unwrap();
    let before = std::fs::read(&key).unwrap();
    // It is refused before anything is asked of the database, which is not there.
    let refused = run(&["sealing", "rotate", "--config", config]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("`authd sealing use NAME` on each"), "{}", said(&refused));
    assert_eq!(std::fs::read(&key).unwrap(), before);
    done(&["sealing", "add", "--config", config]);
    assert!(std::fs::read(&key).unwrap().starts_with(b"one "));
}

/// `authd.toml` with keys from this source, and a tenant.
fn made(directory: &Path, sealing: &str) -> String {
    let config = directory.join("authd.toml");
    let text = format!(
        "[store]\ndirectory = {:?}\n[sealing]\n{sealing}\n[[listen]]\naddress = \"127.0.0.1:0\"\nscheme = \"https\"\n",
        directory.join("data")
    );
    std::fs::write(&config, text).unwrap();
    config.to_str().unwrap().to_owned()
}

fn generated(name: &str) -> String {
    let line = done(&["sealing", "generate"]);
    let (_, digits) = line.trim().split_once(' ').unwrap();
    format!("{name} {digits}")
}

fn with_keys(keys: &str, arguments: &[&str]) -> std::process::Output {
    authd().env("AUTHD_TEST_KEYS", keys).args(arguments).output().unwrap()
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn keys_come_from_the_environment_and_a_missing_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let config = made(directory.path(), "key_env = \"AUTHD_TEST_KEYS\"");
    let (one, two) = (generated("one"), generated("two"));
    let create = ["tenants", "create", "acme", "--origin", "https://auth.acme.example", "--config", &config];
    let unset = run(&create);
    assert!(said(&unset).contains("AUTHD_TEST_KEYS is not set"), "{}", said(&unset));
    let created = with_keys(&one, &create);
    assert!(created.status.success(), "{}", said(&created));
    assert!(!directory.path().join("data/sealing.key").exists());

    let list = ["keys", "list", "-t", "acme", "--config", &config];
    let reseal = ["sealing", "reseal", "--config", &config];
    let both = format!("{two}\n{one}");
    assert!(with_keys(&one, &list).status.success());
    // From the moment that the new key seals, the other one alone is refused, and so is the new one until all is sealed again.
    assert!(with_keys(&both, &list).status.success());
    for (alone, missing) in [(&one, "\"two\""), (&two, "\"one\"")] {
        let refused = with_keys(alone, &["serve", "--config", &config]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(
            said(&refused).contains(missing) && said(&refused).contains("not at hand"),
            "{}",
            said(&refused)
        );
    }
    let sealed = with_keys(&both, &reseal);
    assert!(said(&sealed).contains("one is not needed any more"), "{}", said(&sealed));
    assert!(with_keys(&two, &list).status.success());
    assert_eq!(with_keys(&one, &list).status.code(), Some(1));
    // Another key of the same name is another key.
    let refused = with_keys(&generated("two"), &list);
    assert!(said(&refused).contains("not this database's"), "{}", said(&refused));
    // A key in the environment is not changed by a command, and is told what to do.
    let rotate = with_keys(&two, &["sealing", "rotate", "--config", &config]);
    assert!(said(&rotate).contains("authd sealing generate"), "{}", said(&rotate));
}

#[test]
fn keys_are_what_a_command_prints_and_neither_fails_nor_hangs_unseen() {
    let directory = tempfile::tempdir().unwrap();
    let keys = directory.path().join("keys in a vault");
    std::fs::write(&keys, generated("one")).unwrap();
    let config = made(directory.path(), &format!("key_command = [\"cat\", {keys:?}]"));
    done(&["tenants", "create", "acme", "--origin", "https://auth.acme.example", "--config", &config]);

    let mut serve = authd();
    serve.args(["serve", "--config", &config]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = serve.spawn().unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut log, &mut line).unwrap() > 0, "the server ended");
    }
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());

    std::fs::remove_file(&keys).unwrap();
    let refused = run(&["serve", "--config", &config]);
    assert_eq!(refused.status.code(), Some(1));
    let text = said(&refused);
    assert!(text.contains("key_command") && text.contains("cat") && text.contains("No such file"), "{text}");
}
