//! Servers as processes on one PostgreSQL database.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part of this")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::process::{authd, post};
use crate::server as database;

pub(crate) const HOST: &str = "auth.acme.example";
pub(crate) const CALLBACK: &str = "https://app.example/callback";
pub(crate) const PERSON: &str = "person@example.com";
pub(crate) const PASSWORD: &str = "Correct-Horse-9";

pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn serve(directory: &Path) -> Serving {
    let mut command = authd();
    command.current_dir(directory).arg("serve").stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let (mut line, mut said, mut address) = (String::new(), String::new(), String::new());
    while address.is_empty() && log.read_line(&mut line).unwrap_or(0) > 0 {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["message"] == "listening" {
            address = event["address"].as_str().unwrap().to_owned();
        }
        said.push_str(&std::mem::take(&mut line));
    }
    // The log is read to its end, or the server would wait for room in the pipe.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    assert!(!address.is_empty(), "the server ended before it listened: {said}");
    Serving { child, address }
}

pub(crate) fn command(directory: &Path, arguments: &[&str]) -> String {
    let mut command = authd();
    command.current_dir(directory).args(arguments).args(["--config", "authd.toml"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A tenant with an API, an application and a person, by the commands that an operator has.
pub(crate) struct Set {
    pub(crate) database: database::Server,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) client: (String, String),
}

fn settings(address: &str, key_file: &str) -> String {
    format!(
        "[store]\npostgres = \"{address}\"\n[sealing]\nkey_file = \"{key_file}\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n"
    )
}

pub(crate) fn set_up() -> Set {
    let database = database::Server::start();
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(&database.database(), "sealing.key");
    std::fs::write(directory.path().join("authd.toml"), settings).unwrap();
    let path = directory.path();
    let refused = authd().current_dir(path).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && said.contains("no tables of authd's"), "{said}");
    command(path, &["tenants", "create", "acme", "--origin", &format!("https://{HOST}")]);
    command(path, &["apis", "create", "-n", "An API", "-i", "urn:api", "-s", "read", "-o"]);
    let grants = "authorization_code,refresh_token,password,client_credentials";
    let app = ["apps", "create", "-n", "An app", "-y", "regular", "-g", grants, "-c", CALLBACK, "--json"];
    let app: Value = serde_json::from_str(&command(path, &app)).unwrap();
    let client =
        (app["client_id"].as_str().unwrap().to_owned(), app["client_secret"].as_str().unwrap().to_owned());
    // No command sets the leeway yet, and bodies are JSON that people can change.
    let changed = database.sql(
        "authd0",
        "UPDATE authd.record SET body = replace(body, '\"refresh_token_leeway\":0', '\"refresh_token_leeway\":60')
         WHERE kind = 'client' AND body LIKE '%\"refresh_token_leeway\":0%' RETURNING 'changed'",
    );
    assert!(changed.contains("changed"), "there is a client to change");
    command(path, &["users", "create", "-e", PERSON, "--password-stdin"]);
    Set { database, directory, client }
}

impl Set {
    pub(crate) fn serve(&self) -> Serving {
        serve(self.directory.path())
    }

    /// A server that reaches the database by another address.
    pub(crate) fn serve_by(&self, name: &str, address: &str) -> Serving {
        let directory = self.directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("authd.toml"), settings(address, "../sealing.key")).unwrap();
        serve(&directory)
    }

    pub(crate) fn ask(&self, server: &str, mut body: Value) -> (u16, Value) {
        body["client_id"] = json!(self.client.0);
        body["client_secret"] = json!(self.client.1);
        let (status, answer) = post(server, HOST, &body.to_string());
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    pub(crate) fn refresh(&self, server: &str, token: &str) -> (u16, Value) {
        self.ask(server, json!({ "grant_type": "refresh_token", "refresh_token": token }))
    }

    pub(crate) fn log_in(&self, server: &str) -> String {
        let (status, answer) = self.ask(
            server,
            json!({
                "grant_type": "password", "username": PERSON, "password": PASSWORD,
                "audience": "urn:api", "scope": "read offline_access",
            }),
        );
        assert_eq!(status, 200, "{answer}");
        refresh_token(&answer)
    }
}

pub(crate) fn refresh_token(answer: &Value) -> String {
    answer["refresh_token"].as_str().unwrap().to_owned()
}
