//! A PostgreSQL database that was restored by PostgreSQL's means (threat R20; docs/adr/0011).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

#[path = "../../store-postgres/tests/server/mod.rs"]
mod database;
mod process;

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use process::{Server, authd, post};
use serde_json::{Value, json};

const HOST: &str = "auth.acme.example";

fn command(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = authd();
    command.current_dir(directory).args(arguments).args(["--config", "authd.toml"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(b"Correct-Horse-9\n");
    child.wait_with_output().unwrap()
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A server that is killed when it is dropped, and where it listens.
fn serve(directory: &Path) -> (Server, String) {
    let mut serve = authd();
    // Its log is what says where it listens.
    serve.current_dir(directory).args(["serve"]);
    let mut shell = std::process::Command::new("sh");
    let program = serve.get_program().to_owned();
    shell.current_dir(directory).args(["-c", "exec \"$0\" serve 2>&1"]).arg(program).stdin(Stdio::null());
    let server = Server::start(shell, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["message"] == "listening").then_some(event)
    });
    let address = server.banner["address"].as_str().unwrap().to_owned();
    (server, address)
}

#[test]
fn r20_after_a_restore_by_other_means_a_mark_ends_every_login() {
    let postgres = database::Server::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let settings = format!(
        "[store]\npostgres = \"{}\"\n[sealing]\nkey_file = \"sealing.key\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n",
        postgres.database()
    );
    std::fs::write(path.join("authd.toml"), settings).unwrap();
    done(path, &["tenants", "create", "acme", "--origin", &format!("https://{HOST}")]);
    done(path, &["apis", "create", "-n", "An API", "-i", "urn:api", "-s", "read", "-o"]);
    let app = ["apps", "create", "-n", "An app", "-y", "regular", "-g", "refresh_token,password", "--json"];
    let app: Value = serde_json::from_str(&done(path, &app)).unwrap();
    done(path, &["users", "create", "-e", "person@example.com", "--password-stdin"]);
    let ask = |address: &str, body: Value| {
        let mut body = body;
        body["client_id"] = app["client_id"].clone();
        body["client_secret"] = app["client_secret"].clone();
        let (status, answer) = post(address, HOST, &body.to_string());
        (status, serde_json::from_str::<Value>(&answer).unwrap_or_default())
    };
    let log_in = |address: &str| {
        let body = json!({
            "grant_type": "password", "username": "person@example.com", "password": "Correct-Horse-9",
            "audience": "urn:api", "scope": "read offline_access",
        });
        let (status, answer) = ask(address, body);
        assert_eq!(status, 200, "{answer}");
        answer["refresh_token"].as_str().unwrap().to_owned()
    };
    let refresh = |address: &str, token: &str| {
        ask(address, json!({ "grant_type": "refresh_token", "refresh_token": token })).0
    };
    let well = done(path, &["doctor"]);
    assert!(well.contains("PostgreSQL") && well.contains("its references hold"), "{well}");
    assert!(refused(path, &["backup", "x"]).contains("pg_dump"));
    assert!(refused(path, &["restore", "x"]).contains("authd restore --mark"));
    assert!(done(path, &["migrate", "--plan"]).contains("nothing to do"));

    let (server, address) = serve(path);
    let token = log_in(&address);
    server.kill();
    // PostgreSQL's own copy, which wants nobody connected; what a backup and its restore come to.
    postgres.sql("postgres", "CREATE DATABASE backup TEMPLATE authd0");
    let (server, address) = serve(path);
    let (status, answer) = ask(&address, json!({ "grant_type": "refresh_token", "refresh_token": token }));
    assert_eq!(status, 200, "{answer}");
    server.kill();
    postgres.sql("postgres", "DROP DATABASE authd0 WITH (FORCE)");
    postgres.sql("postgres", "CREATE DATABASE authd0 TEMPLATE backup");

    let told = done(path, &["restore", "--mark", "--json"]);
    let object: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(object["logins"]["refresh_families_ended"], 1, "{told}");
    let (server, address) = serve(path);
    assert_eq!(refresh(&address, &token), 403, "the backup had it as good");
    let token = log_in(&address);
    assert_eq!(refresh(&address, &token), 200);
    server.kill();
    let well = done(path, &["doctor"]);
    assert!(well.contains("restored at") && !well.contains("FAILED"), "{well}");
    // A row that was changed by hand is found here too.
    postgres.sql("authd0", "DELETE FROM authd.record WHERE kind = 'user_login'");
    let sick = command(path, &["doctor"]);
    assert_eq!(sick.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&sick.stdout).contains("has no user_login"));
}
