//! People on the command line and in seed files: the real binary, a running server, real passwords.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod process;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use process::{Server, authd, done, run};
use serde_json::{Value, json};

/// What the development tenant's client for passwords asks.
fn log_in(server: &Server, username: &str, password: &str) -> (u16, Value) {
    let request = json!({
        "grant_type": "password",
        "client_id": "password-client",
        "client_secret": "password-client-secret-0123456789abcdef0123456789",
        "username": username,
        "password": password,
        "audience": "api.calendar",
        "scope": "openid read",
    });
    let (status, body) = server.ask(&request.to_string());
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// Runs a command on the data directory that must succeed; returns what it printed, as JSON.
fn command(data: &Path, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["--json", "--data", data.to_str().unwrap()]);
    let printed = done(&all);
    serde_json::from_str(&printed).unwrap_or(Value::Null)
}

/// Runs a command that must fail; returns the exit code and what it said.
fn refused(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = arguments.to_vec();
    all.extend(["--data", data.to_str().unwrap()]);
    let output = run(&all);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn with_input(data: &Path, arguments: &[&str], input: &str) -> std::process::Output {
    let mut child = authd()
        .args(arguments)
        .args(["--json", "--data", data.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_demo_people_of_the_banner_can_log_in_and_are_there_after_a_second_start() {
    let data = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let server = Server::dev(data.path());
        let people = server.banner["users"].as_array().unwrap().clone();
        assert_eq!(people.len(), 2);
        for person in people {
            let (email, password) = (person["email"].as_str().unwrap(), person["password"].as_str().unwrap());
            let (status, body) = log_in(&server, email, password);
            assert_eq!(status, 200, "{body}");
            assert!(body["access_token"].is_string() && body["id_token"].is_string());
            assert_eq!(log_in(&server, email, "correct-Horse-9").0, 403);
        }
    }
    let listed = command(data.path(), &["users", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2, "a second start makes nobody twice");
}

#[test]
fn a_person_is_made_blocked_renamed_given_a_password_and_removed_by_command() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path();
    let server = Server::dev(path);
    let made = command(path, &["users", "create", "-e", "Ada@example.com", "-n", "Ada Lovelace"]);
    let password = made["password"].as_str().unwrap();
    assert_eq!(made["email"], "ada@example.com");
    assert_eq!(log_in(&server, "ada@example.com", password).0, 200);

    let shown = command(path, &["users", "show", "ada@example.com"]);
    assert!(shown.get("password").is_none() && shown["has_password"] == true);
    assert!(!shown.to_string().contains("argon2"), "not even the hash");

    command(path, &["users", "update", "ada@example.com", "--blocked", "true"]);
    assert_ne!(log_in(&server, "ada@example.com", password).0, 200);
    command(path, &["users", "update", "ada@example.com", "--blocked", "false", "--username", "ada"]);
    assert_eq!(log_in(&server, "ada", password).0, 200);

    let changed = with_input(path, &["users", "update", "ada", "--password-stdin"], "New-Horse-10\nrest\n");
    assert!(changed.status.success(), "{}", String::from_utf8_lossy(&changed.stderr));
    assert_eq!(log_in(&server, "ada", password).0, 403);
    assert_eq!(log_in(&server, "ada", "New-Horse-10").0, 200);

    let weak = with_input(path, &["users", "update", "ada", "--password-stdin"], "weak\n");
    assert_eq!(weak.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&weak.stderr).contains("at least 8"));
    let (code, said) = refused(path, &["users", "create", "-e", "ADA@example.com"]);
    assert!(code == Some(1) && said.contains("somebody's name"), "{said}");
    let (code, said) = refused(path, &["users", "create", "-e", "nonsense"]);
    assert!(code == Some(2) && said.contains("email"), "{said}");

    let id = made["user_id"].as_str().unwrap();
    command(path, &["users", "delete", id]);
    assert_eq!(log_in(&server, "ada", "New-Horse-10").0, 403);
    assert_eq!(refused(path, &["users", "show", id]).0, Some(1));

    server.signal("TERM");
    let (_, log) = server.wait();
    for secret in [password, "New-Horse-10", "argon2id$"] {
        assert!(!log.contains(secret), "the log holds a secret");
        for entry in std::fs::read_dir(path).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} lies in the data directory in the clear");
        }
    }
}

#[test]
fn connections_and_consents_are_kept_by_command() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path();
    let _server = Server::dev(path);
    command(path, &["connections", "create", "Staff", "--clients", "calendar-web,calendar-spa"]);
    let listed = command(path, &["connections", "list"]);
    assert_eq!(listed[0]["name"], "Staff");
    assert_eq!(listed[0]["enabled_clients"], json!(["calendar-web", "calendar-spa"]));
    let (code, said) = refused(path, &["connections", "delete", "Username-Password-Authentication"]);
    assert!(code == Some(2) && said.contains("default directory"), "{said}");

    let to = ["--client", "partner-planner", "--api", "api.calendar"];
    let with = |verb: &str, more: &[&str]| -> Vec<String> {
        ["consents", verb].iter().chain(&to).chain(more).map(|text| (*text).to_owned()).collect()
    };
    let as_text = |arguments: &[String]| -> Vec<String> { arguments.to_vec() };
    let run_with = |verb: &str, more: &[&str]| {
        let arguments = as_text(&with(verb, more));
        command(path, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run_with("create", &["-s", "read", "--everybody"]);
    let both = run_with("create", &["-s", "write,openid", "--connection", "Staff"]);
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!(both[1]["scopes"], "openid write");
    let arguments = with("create", &["-s", "read"]);
    let (code, said) = refused(path, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(code == Some(2) && said.contains("--everybody"), "{said}");

    command(path, &["connections", "delete", "Staff"]);
    let left = command(path, &["consents", "list"]);
    assert_eq!(left.as_array().unwrap().len(), 1);
    run_with("delete", &[]);
    assert_eq!(command(path, &["consents", "list"]), json!([]));
}

#[test]
fn settings_of_tenants_and_applications_are_changed_and_shown() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path();
    let _server = Server::dev(path);
    let update = ["tenants", "update", "dev"];
    let changed = command(
        path,
        &[
            &update[..],
            &["--session-lifetime", "3600", "--idle-session-lifetime", "600"],
            &["--scope-descriptions", "true", "--verifiable-callbacks", "era", "--iss-parameter", "false"],
            &["--logout-urls", "https://portal.example/,https://portal.example/b"],
            &["--client-defaults", "strict", "--updated-at", "iso8601", "--skip-confirmation", "false"],
        ]
        .concat(),
    );
    for (member, value) in [
        ("session_lifetime", json!(3600)),
        ("idle_session_lifetime", json!(600)),
        ("scope_descriptions", json!(true)),
        ("verifiable_callbacks", json!("era")),
        ("iss_parameter", json!(false)),
        ("client_defaults", json!("strict")),
        ("updated_at", json!("iso8601")),
        ("skip_confirmation", json!(false)),
        ("allowed_logout_urls", json!(["https://portal.example/", "https://portal.example/b"])),
        ("default_directory", json!("Username-Password-Authentication")),
    ] {
        assert_eq!(changed[member], value, "{member}");
    }
    let (code, said) = refused(path, &["tenants", "update", "dev", "--default-directory", "Nowhere"]);
    assert!(code == Some(1) && said.contains("Nowhere"), "{said}");
    let (code, said) =
        refused(path, &["tenants", "update", "dev", "--logout-urls", "https://*.portal.example/"]);
    assert!(code == Some(2) && said.contains("logout URL"), "{said}");
    let none = command(path, &["tenants", "update", "dev", "--logout-urls", ""]);
    assert_eq!(none["allowed_logout_urls"], json!([]));
    let (code, said) = refused(path, &["tenants", "update", "dev", "--session-lifetime", "1"]);
    assert!(code == Some(2) && said.contains("session lifetime"), "{said}");

    let app = command(
        path,
        &[
            &["apps", "create", "-n", "App", "-y", "regular", "--id-token-alg", "HS256"][..],
            &["--logo", "https://app.example/logo.png", "--skip-confirmation", "true"],
            &["-c", "https://app.example/cb", "--backchannel-logout-uri", "https://app.example/logout"],
        ]
        .concat(),
    );
    assert_eq!(app["backchannel_logout_uri"], "https://app.example/logout");
    assert_eq!(app["id_token_alg"], "HS256");
    assert_eq!(app["logo_uri"], "https://app.example/logo.png");
    let id = app["client_id"].as_str().unwrap();
    let app = command(path, &["apps", "update", id, "--logo", "", "--skip-confirmation", "tenant"]);
    assert_eq!(app["logo_uri"], Value::Null);
    assert_eq!(app["skip_non_verifiable_callback_uri_confirmation_prompt"], Value::Null);
    for bad in [
        "http://app.example/logout",
        "https://app.example/#x",
        "ftp://localhost/",
        "https://a:b@app.example/",
    ] {
        let (code, said) = refused(path, &["apps", "update", id, "--backchannel-logout-uri", bad]);
        assert!(code == Some(2) && said.contains("back-channel logout URI"), "{bad}: {said}");
    }
    for (given, kept) in [("http://127.0.0.1:9/out", json!("http://127.0.0.1:9/out")), ("", Value::Null)] {
        let app = command(path, &["apps", "update", id, "--backchannel-logout-uri", given]);
        assert_eq!(app["backchannel_logout_uri"], kept);
    }
    let (code, said) = refused(path, &["apps", "update", id, "-c", "https://*.app.example/cb"]);
    assert!(code == Some(2) && said.contains("may not use"), "{said}");
}

#[test]
fn a_seed_file_brings_databases_and_people() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("seed.yaml");
    let inside = data.path().join("data");
    std::fs::write(
        &file,
        "tenant:\n  allowed_logout_urls: [https://portal.example/]\n  session_lifetime: 2\n  idle_session_lifetime: 1\n  default_directory: staff\n  flags:\n    \
         use_scope_descriptions_for_consent: true\ndatabases:\n  - name: staff\n    strategy: auth0\n    \
         enabled_clients: [Password Client]\n    options: {passwordPolicy: good, brute_force_protection: true}\n\
         clients:\n  - name: Told\n    client_id: told\n    oidc_logout:\n      backchannel_logout_urls: \
         [https://told.example/logout]\nusers:\n  - email: grace@example.com\n    password: Correct-Horse-10\n    email_verified: true\n",
    )
    .unwrap();
    for _ in 0..2 {
        let server = Server::dev_with(&inside, "0", &["--seed", file.to_str().unwrap()]);
        let (status, body) = log_in(&server, "grace@example.com", "Correct-Horse-10");
        assert_eq!(status, 200, "{body}");
    }
    let told = command(&inside, &["apps", "show", "told"]);
    assert_eq!(told["backchannel_logout_uri"], "https://told.example/logout");
    let tenant = command(&inside, &["tenants", "show", "dev"]);
    assert_eq!(tenant["allowed_logout_urls"], json!(["https://portal.example/"]));
    assert_eq!(tenant["session_lifetime"], 7200);
    assert_eq!(tenant["idle_session_lifetime"], 3600);
    assert_eq!(tenant["default_directory"], "staff");
    assert_eq!(tenant["scope_descriptions"], true);
    assert_eq!(command(&inside, &["users", "list", "--connection", "staff"]).as_array().unwrap().len(), 1);
}
