//! `authd serve`: a settings file, tenants made by command and mapped to hosts.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod process;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use process::{authd, eventually, post, run};
use serde_json::Value;

/// A server that says on standard error where it listens.
struct Serving {
    child: Child,
    address: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(directory: &std::path::Path) -> Serving {
    let mut child = authd()
        .current_dir(directory)
        .arg("serve")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    let mut address = String::new();
    while address.is_empty() && log.read_line(&mut line).unwrap_or(0) > 0 {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["message"] == "listening" {
            address = event["address"].as_str().unwrap().to_owned();
        }
        line.clear();
    }
    // The log is read to its end, or the server would wait for room in the pipe.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    assert!(!address.is_empty(), "the server ended before it listened");
    Serving { child, address }
}

fn command(directory: &std::path::Path, arguments: &[&str]) -> String {
    let output =
        authd().current_dir(directory).args(arguments).args(["--config", "authd.toml"]).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn registered(directory: &std::path::Path, tenant: &str) -> (String, String) {
    command(directory, &["apis", "create", "-n", "An API", "-i", "urn:api", "-s", "read", "-t", tenant]);
    let app = command(directory, &["apps", "create", "-n", "Worker", "--json", "-t", tenant]);
    let app: Value = serde_json::from_str(&app).unwrap();
    let id = app["client_id"].as_str().unwrap().to_owned();
    command(
        directory,
        &["grants", "create", "--client-id", &id, "-a", "urn:api", "-s", "read", "-t", tenant],
    );
    (id, app["client_secret"].as_str().unwrap().to_owned())
}

#[test]
fn two_tenants_made_by_command_answer_at_their_hosts_behind_a_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert!(authd().current_dir(path).arg("init").output().unwrap().status.success());
    assert_eq!(
        authd().current_dir(path).arg("init").output().unwrap().status.code(),
        Some(1),
        "nothing is overwritten"
    );
    let settings = std::fs::read_to_string(path.join("authd.toml")).unwrap();
    std::fs::write(path.join("authd.toml"), settings.replace("127.0.0.1:8080", "127.0.0.1:0")).unwrap();

    command(path, &["tenants", "create", "acme", "--origin", "https://auth.acme.example"]);
    let server = serve(path);
    // The second tenant is made while the server runs.
    command(
        path,
        &[
            "tenants",
            "create",
            "umbrella",
            "--origin",
            "https://login.umbrella.example/",
            "--error-profile",
            "rfc6749",
        ],
    );
    let (acme_id, acme_secret) = registered(path, "acme");
    let (umbrella_id, umbrella_secret) = registered(path, "umbrella");
    let body = |id: &str, secret: &str| {
        format!(
            r#"{{"grant_type":"client_credentials","client_id":"{id}","client_secret":"{secret}","audience":"urn:api"}}"#
        )
    };
    let ask = |host: &str, id: &str, secret: &str| post(&server.address, host, &body(id, secret));

    let (status, answer) = eventually(
        || ask("login.umbrella.example", &umbrella_id, &umbrella_secret),
        |(status, _)| *status == 200,
    );
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = ask("auth.acme.example", &acme_id, &acme_secret);
    assert_eq!(status, 200, "{answer}");
    let token: Value = serde_json::from_str(&answer).unwrap();
    let inspected = run(&["token", "inspect", "--json", token["access_token"].as_str().unwrap()]);
    let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(inspected["claims"]["iss"], "https://auth.acme.example/");

    // Neither tenant knows the other's application, and each spells its errors in its own way.
    let (status, answer) = ask("login.umbrella.example", &acme_id, &acme_secret);
    assert!(status == 401 && answer.contains("invalid_client"), "{answer}");
    let (status, answer) = ask("auth.acme.example", &umbrella_id, &umbrella_secret);
    assert!(status == 401 && answer.contains("access_denied"), "{answer}");
    assert_eq!(ask("elsewhere.example", &acme_id, &acme_secret).0, 421);

    // An origin belongs to one tenant; moving it away is seen by the running server.
    let taken = authd()
        .current_dir(path)
        .args([
            "tenants",
            "create",
            "thief",
            "--origin",
            "https://auth.acme.example/",
            "--config",
            "authd.toml",
        ])
        .output()
        .unwrap();
    assert_eq!(taken.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&taken.stderr).contains("belongs to the tenant acme"));
    command(path, &["tenants", "update", "acme", "--origin", "https://new.acme.example/"]);
    let moved = eventually(|| ask("new.acme.example", &acme_id, &acme_secret).0, |status| *status == 200);
    assert_eq!(moved, 200);
    assert_eq!(ask("auth.acme.example", &acme_id, &acme_secret).0, 421);
}

#[test]
fn a_missing_or_wrong_settings_file_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let refused = authd().current_dir(path).arg("serve").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("authd init"));

    std::fs::write(path.join("authd.toml"), "listne = []\n").unwrap();
    let refused = authd().current_dir(path).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("line 1") && said.contains("listne"), "{said}");

    std::fs::write(
        path.join("authd.toml"),
        "[store]\ndirectory = \"x\"\n[[listen]]\naddress = \"127.0.0.1:0\"\n",
    )
    .unwrap();
    let refused = authd().current_dir(path).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("there is no database"), "{said}");
    assert!(!path.join("x").exists(), "a misspelled directory does not become an empty server");
}
