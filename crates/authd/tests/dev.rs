//! `authd dev` as its user meets it: the real binary, real sockets, real files.

mod process;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use process::{AUDIENCE, SECRET, Server, done, eventually, run, seed_request};

#[test]
fn the_first_request_gets_a_token_and_a_second_start_keeps_the_keys() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::dev(data.path());
    let (token, issuer, port) = (first.token(), first.issuer(), first.http_port());
    first.kill();

    let second = Server::dev_with(data.path(), &port, &[]);
    assert_eq!(second.issuer(), issuer);
    let printed = done(&["token", "verify", "--issuer", &issuer, "--audience", AUDIENCE, &token]);
    assert!(printed.starts_with("valid"), "{printed}");
    assert!(printed.contains("geocoding-worker@clients"), "{printed}");
}

#[test]
fn the_https_origin_is_an_issuer_of_its_own_with_a_ca_of_our_own() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::dev(data.path());
    let https = server.banner["https_origin"].as_str().unwrap().to_owned();
    let ca_file = server.banner["ca_file"].as_str().unwrap().to_owned();
    assert!(https.starts_with("https://localhost:") && https.ends_with('/'), "{https}");

    // A token of the plain origin is not one of the other: the issuer differs. The keys come over TLS.
    let token = server.token();
    let arguments = |issuer: &str| {
        ["token", "verify", "--issuer", issuer, "--audience", AUDIENCE, "--ca-file", &ca_file, &token]
            .map(str::to_owned)
            .to_vec()
    };
    let over_tls = process::authd().args(arguments(&https)).output().unwrap();
    assert_eq!(over_tls.status.code(), Some(1));
    let said = String::from_utf8_lossy(&over_tls.stderr).into_owned();
    assert!(said.contains("issuer"), "{said}");
    assert!(process::authd().args(arguments(&server.issuer())).output().unwrap().status.success());

    // Without the CA there is no connection.
    let untrusted = run(&[
        "token",
        "verify",
        "--issuer",
        &https,
        "--audience",
        AUDIENCE,
        "--ca-file",
        "/dev/null",
        &token,
    ]);
    assert_eq!(untrusted.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&untrusted.stderr).contains("no secure connection"));
}

#[test]
fn token_verify_says_what_is_wrong_with_a_token() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::dev(data.path());
    let (token, issuer) = (server.token(), server.issuer());
    let check = |issuer: &str, audience: &str, token: &str, more: &[&str]| {
        let mut arguments = vec!["token", "verify", "--issuer", issuer, "--audience", audience];
        arguments.extend(more);
        arguments.push(token);
        let output = run(&arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check(&issuer, AUDIENCE, &token, &[]).0, Some(0));
    assert_eq!(check(&issuer, AUDIENCE, &token, &["--scope", "geocode"]).0, Some(0));
    let (code, said) = check(&issuer, AUDIENCE, &token, &["--scope", "admin"]);
    assert!(code == Some(1) && said.contains("admin"), "{said}");
    let (code, said) = check(&issuer, AUDIENCE.trim_end_matches('/'), &token, &[]);
    assert!(code == Some(1) && said.contains("audience"), "{said}");
    let (code, said) = check(issuer.trim_end_matches('/'), AUDIENCE, &token, &[]);
    assert!(code == Some(1) && said.contains("trailing slash"), "{said}");
    let tampered = format!("{}A{}", &token[..token.len() - 10], &token[token.len() - 9..]);
    let (code, said) = check(&issuer, AUDIENCE, &tampered, &[]);
    assert!(code == Some(1) && said.contains("signature"), "{said}");
    assert_eq!(check(&issuer, AUDIENCE, "nonsense", &[]).0, Some(1));
    assert_eq!(run(&["token", "verify"]).status.code(), Some(2), "wrong usage");

    let inspected = done(&["token", "inspect", &token]);
    assert!(
        inspected.contains("geocoding-worker@clients") && inspected.contains("NOT VERIFIED"),
        "{inspected}"
    );
}

#[test]
fn what_the_command_line_changes_the_running_server_sees_and_a_crash_does_not_lose() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let server = Server::dev(data.path());
    let port = server.http_port();
    let request = seed_request().replace(AUDIENCE, "urn:new");
    assert_eq!(server.ask(&request).0, 403);

    done(&[
        "apis",
        "create",
        "-n",
        "New",
        "-i",
        "urn:new",
        "-s",
        "read,write=Change",
        "--signing-alg",
        "ES256",
        "--data",
        directory,
    ]);
    done(&[
        "grants",
        "create",
        "--client-id",
        "geocoding-worker",
        "-a",
        "urn:new",
        "-s",
        "read",
        "--data",
        directory,
    ]);
    // Seen or not yet seen, but never half: a new API whose key is not known here would be 503.
    let mut statuses = Vec::new();
    eventually(
        || {
            statuses.push(server.ask(&request).0);
            statuses.last() == Some(&200)
        },
        |granted| *granted,
    );
    assert!(statuses.iter().all(|status| [200, 403].contains(status)), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&200));
    server.kill();

    let server = Server::dev_with(data.path(), &port, &[]);
    assert_eq!(server.ask(&request).0, 200, "what was acknowledged before the crash is there");

    done(&["apis", "update", "urn:new", "--token-lifetime", "60", "--data", directory]);
    let body = eventually(|| server.ask(&request).1, |body| body.contains("\"expires_in\":60"));
    assert!(body.contains("\"expires_in\":60"), "{body}");
    done(&["apps", "update", "geocoding-worker", "--grants", "refresh_token", "--data", directory]);
    assert_eq!(eventually(|| server.ask(&request).0, |status| *status == 403), 403);
    done(&["apps", "update", "geocoding-worker", "--grants", "client_credentials", "--data", directory]);
    assert_eq!(eventually(|| server.ask(&request).0, |status| *status == 200), 200);

    // And back again: what is removed counts in the running server too.
    done(&["apis", "delete", "urn:new", "--data", directory]);
    assert_eq!(eventually(|| server.ask(&request).0, |status| *status == 403), 403);
    let listed = done(&["grants", "list", "--data", directory]);
    assert!(!listed.contains("urn:new") && listed.contains("geocoding-worker"), "{listed}");
}

#[test]
fn sigterm_finishes_the_request_in_flight_and_exits_in_good_order() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::dev(data.path());
    let body = seed_request();
    let authority = server.authority();
    let mut stream = server.connect();
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (early, late) = body.split_at(20);
    stream.write_all(early.as_bytes()).unwrap();
    // Another request shows that the first one has been taken up: the server reads its connections in turn.
    assert_eq!(server.get("/livez").0, 200);
    server.signal("TERM");
    eventually(|| std::net::TcpStream::connect(&authority).is_err(), |refused| *refused);
    stream.write_all(late.as_bytes()).unwrap();
    let (status, answer) = process::read(&mut stream);
    assert_eq!(status, 200, "{answer}");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn da_01_da_04_no_secret_is_in_the_log_or_the_database_and_files_are_private() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let server = Server::dev(data.path());
    let token = server.token();
    let created: serde_json::Value =
        serde_json::from_str(&done(&["apps", "create", "-n", "App", "--json", "--data", directory])).unwrap();
    let generated = created["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(generated.len(), 64);
    let api: serde_json::Value = serde_json::from_str(&done(&[
        "apis",
        "create",
        "-n",
        "Shared",
        "-i",
        "urn:hs",
        "--signing-alg",
        "HS256",
        "--json",
        "--data",
        directory,
    ]))
    .unwrap();
    let signing_secret = api["signing_secret"].as_str().unwrap().to_owned();
    let wrong = "a-wrong-secret-that-somebody-typed";
    server.ask(&seed_request().replace(SECRET, wrong));
    server.ask(&format!("client_secret={wrong}"));
    server.get(&format!("/oauth/token?client_secret={wrong}"));
    server.get(&format!("/{wrong}"));
    server.ask(&format!(
        r#"{{"grant_type":"{wrong}","client_id":"{wrong}","audience":"{wrong}","scope":"{wrong}"}}"#
    ));
    process::exchange(
        &server.authority(),
        format!("{wrong} /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes(),
    );
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("/oauth/token") && log.contains("unsupported_grant_type"), "{log}");

    let key = std::fs::read_to_string(data.path().join("sealing.key")).unwrap();
    let key = key.split_whitespace().last().unwrap().to_owned();
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let secrets = [SECRET, &generated, &signing_secret, wrong, &token, &signature, &key];
    for secret in secrets {
        assert!(!log.contains(secret), "the log holds a secret");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("authd.db") {
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{name} holds a secret in the clear");
            }
        }
    }
    assert!(files >= 1);
}

#[test]
fn a_seed_file_adds_to_the_tenant_and_its_mistakes_are_named() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("seed.yaml");
    std::fs::write(&file, "resourceServers:\n  - name: A\n    identifier: urn:a\n    colour: red\n").unwrap();
    let inside = data.path().join("data");
    let refused = run(&[
        "dev",
        "--http-port",
        "0",
        "--https-port",
        "0",
        "--seed",
        file.to_str().unwrap(),
        "--data",
        inside.to_str().unwrap(),
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&refused.stderr)
            .contains("line 4: an API \"A\": `colour` is not a known key")
    );
    assert!(!inside.exists(), "a mistake leaves nothing behind");

    std::fs::write(
        &file,
        "tenant:\n  oauth_error_status: rfc6749\nresourceServers:\n  - name: A\n    identifier: urn:a\n    \
         scopes: [{value: read}]\nclientGrants:\n  - client_id: Geocoding Worker\n    audience: urn:a\n    \
         scope: [read]\n",
    )
    .unwrap();
    for _ in 0..2 {
        let server = Server::dev_with(&inside, "0", &["--seed", file.to_str().unwrap()]);
        let (status, body) = server.ask(&seed_request().replace(AUDIENCE, "urn:a"));
        assert_eq!(status, 200, "{body}");
        let (status, body) = server.ask(&seed_request().replace(SECRET, "wrong"));
        assert_eq!(status, 401);
        assert!(body.contains("invalid_client"), "{body}");
    }
}

#[test]
fn in_memory_nothing_is_left_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = process::authd();
    command.current_dir(directory.path()).args([
        "dev",
        "--memory",
        "--json",
        "--http-port",
        "0",
        "--https-port",
        "0",
    ]);
    let server = Server::start(command, |line| serde_json::from_str(line).ok());
    server.token();
    let ca_file = std::path::PathBuf::from(server.banner["ca_file"].as_str().expect("there is a CA file"));
    assert!(ca_file.exists());
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert!(!ca_file.exists());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_log_that_cannot_be_written_costs_no_request() {
    let data = tempfile::tempdir().unwrap();
    let mut command = process::authd();
    command.args(["dev", "--http-port", "0", "--https-port", "0", "--json", "--data"]).arg(data.path());
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Server::start_with_log(command, full.into());
    for _ in 0..3 {
        server.token();
        assert_eq!(server.get("/livez").0, 200);
    }
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    let complaint = process::authd()
        .args(["apis", "list", "--data", "/nonexistent"])
        .stderr(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
        .status()
        .unwrap();
    assert_eq!(complaint.code(), Some(1));
}

#[test]
fn a_log_that_nobody_reads_stops_no_request() {
    let data = tempfile::tempdir().unwrap();
    let mut command = process::authd();
    command.args(["dev", "--http-port", "0", "--https-port", "0", "--json", "--data"]).arg(data.path());
    // Both ends are held here, and none is read.
    let (_reader, writer) = std::io::pipe().unwrap();
    let server = Server::start_with_log(command, writer.into());
    let authority = server.authority();
    for _ in 0..10 {
        // About 200 bytes of log each: a pipe holds 64 KiB.
        let mut stream = server.connect();
        for _ in 0..100 {
            stream.write_all(format!("GET /livez HTTP/1.1\r\nhost: {authority}\r\n\r\n").as_bytes()).unwrap();
        }
        stream
            .write_all(
                format!("GET /livez HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n").as_bytes(),
            )
            .unwrap();
        assert_eq!(process::read(&mut stream).0, 200);
    }
    assert_eq!(server.get("/livez").0, 200);
}

#[test]
fn many_first_starts_at_once_make_one_key_and_one_ca_and_only_one_serves() {
    let data = tempfile::tempdir().unwrap();
    let starts: Vec<_> = (0..4)
        .map(|_| {
            process::authd()
                .args(["dev", "--http-port", "0", "--https-port", "0", "--json", "--data"])
                .arg(data.path())
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut refused = 0;
    let mut serving = Vec::new();
    for mut start in starts {
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(start.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        if line.is_empty() {
            let output = start.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("another `authd dev` serves"), "{said}");
            refused += 1;
        } else {
            serving.push(start);
        }
    }
    assert_eq!((refused, serving.len()), (3, 1));
    for mut start in serving {
        start.kill().unwrap();
        start.wait().unwrap();
    }
    // What they left behind works: the key opens the database, the CA vouches for the server.
    let server = Server::dev(data.path());
    let https = server.banner["https_origin"].as_str().unwrap().to_owned();
    let ca_file = server.banner["ca_file"].as_str().unwrap().to_owned();
    let token = server.token();
    let output =
        run(&["token", "verify", "--issuer", &https, "--audience", AUDIENCE, "--ca-file", &ca_file, &token]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("issuer") && !said.contains("secure connection"), "{said}");
}

#[test]
fn da_10_the_development_tenant_does_not_stand_beside_others() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    done(&["tenants", "create", "acme", "--origin", "https://auth.acme.example/", "--data", directory]);
    let refused = run(&["dev", "--http-port", "0", "--https-port", "0", "--data", directory]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("holds the tenant acme"));
}
