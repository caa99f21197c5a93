//! No secret lies in the database, its log, copies of them, or what the server logs (threats R21, DA-02).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod process;
mod scanner;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use authd::moment::SystemMoments;
use authd::open::{self, IfMissing, Place};
use authd::sealing::KeySource;
use process::{Server, authd, connect, done, read};
use records::{KeyState, TenantId};
use scanner::Secrets;
use serde_json::{Value, json};
use store::{Backend, Key, Kind, Space};

const PERSON: &str = "user@example.com";
const PASSWORD: &str = "Correct-Horse-9";
const WRONG_PASSWORD: &str = "Wrong-Horse-of-Somebody-17";
const WRONG_SECRET: &str = "a-wrong-client-secret-that-somebody-mistyped-0123456789";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:9999/cb";
const SECRETS: [(&str, &str); 4] = [
    ("calendar-web", "calendar-web-secret-0123456789abcdef0123456789abcdef"),
    ("partner-planner", "partner-planner-secret-0123456789abcdef0123456789ab"),
    ("geocoding-worker", "geocoding-worker-secret-0123456789abcdef0123456789a"),
    ("password-client", "password-client-secret-0123456789abcdef0123456789"),
];

/// A browser and a client in one, which notes every secret that it is given.
struct Visitor<'s> {
    server: &'s Server,
    secrets: &'s mut Secrets,
    cookies: BTreeMap<String, String>,
}

struct Answer {
    status: u16,
    location: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }

    /// A parameter of the address that the browser is sent to, wherever it stands there.
    fn parameter(&self, name: &str) -> String {
        let found = parameters(&self.location).into_iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name} in {} {}: {}", self.status, self.location, self.body)).1
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn form(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect::<Vec<_>>().join("&")
}

fn parameters(address: &str) -> Vec<(String, String)> {
    let pairs = address.split(['?', '#', '&']).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/"))).collect()
}

/// The values of an attribute in a page.
fn attributes(page: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    let values = page.split(&begin).skip(1).map(|rest| rest.split('"').next().unwrap());
    values.map(|value| value.replace("&#38;", "&").replace("&amp;", "&")).collect()
}

impl Visitor<'_> {
    fn send(&mut self, head: &str, body: &str) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{head}host: {}\r\ncookie: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.server.authority(),
            cookies.join("; "),
            body.len()
        );
        let mut stream = connect(&self.server.authority());
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, location: String::new(), body: body.to_owned() };
        for line in head.lines() {
            match line.split_once(": ") {
                Some(("set-cookie", cookie)) => {
                    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
                    self.secrets.text("cookie", value);
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
                Some(("location", place)) => place.clone_into(&mut answer.location),
                _ => {}
            }
        }
        self.note(&answer);
        answer
    }

    /// Notes what an answer gives away to whoever sees it.
    fn note(&mut self, answer: &Answer) {
        let inputs = attributes(&answer.body, "name").into_iter().zip(attributes(&answer.body, "value"));
        let links = attributes(&answer.body, "action").into_iter().flat_map(|action| parameters(&action));
        let members = serde_json::from_str::<Value>(&answer.body).ok();
        let members = members.iter().filter_map(Value::as_object).flatten();
        let members = members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        for (name, value) in
            parameters(&answer.location).into_iter().chain(inputs).chain(links).chain(members)
        {
            match name.as_str() {
                "access_token" => self.secrets.token("access token", &value),
                "id_token" => self.secrets.token("ID token", &value),
                "refresh_token" => self.secrets.refresh_token(&value),
                "code" => self.secrets.text("code", &value),
                // The application's own `state` is short here.
                "state" | "csrf" | "_csrf" | "csrf_token" => {
                    value.split('.').for_each(|part| self.secrets.text("handle", part));
                }
                _ => {}
            }
        }
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send(&format!("GET {target} HTTP/1.1\r\n"), "")
    }

    fn post(&mut self, target: &str, pairs: &[(&str, &str)]) -> Answer {
        self.post_with(target, "", pairs)
    }

    fn post_with(&mut self, target: &str, fields: &str, pairs: &[(&str, &str)]) -> Answer {
        let origin = self.server.issuer().trim_end_matches('/').to_owned();
        let head = format!(
            "POST {target} HTTP/1.1\r\n{fields}origin: {origin}\r\n\
             content-type: application/x-www-form-urlencoded\r\n"
        );
        self.send(&head, &form(pairs))
    }

    fn token(&mut self, pairs: &[(&str, &str)]) -> Answer {
        self.post("/oauth/token", pairs)
    }

    /// Goes to `/authorize` and through every page to where the application is.
    fn authorize(&mut self, client: &str, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("client_id", client),
            ("redirect_uri", CALLBACK),
            ("audience", "api.calendar"),
            ("state", "short"),
            ("nonce", "a nonce"),
        ];
        let mut answer = self.get(&format!("/authorize?{}", form(&[&usual[..], more].concat())));
        for _ in 0..12 {
            let issuer = self.server.issuer();
            let target =
                answer.location.strip_prefix(issuer.trim_end_matches('/')).unwrap_or(&answer.location);
            answer = if target.starts_with('/') {
                let target = target.to_owned();
                let page = self.get(&target);
                if page.location.is_empty() && page.body.contains("name=\"password\"") {
                    let pressed = [("username", PERSON), ("password", WRONG_PASSWORD), ("action", "default")];
                    let again = self.post(&target, &pressed);
                    assert!(again.body.contains("problem"), "{}", again.body);
                    self.post(&target, &[pressed[0], ("password", PASSWORD), pressed[2]])
                } else if page.location.is_empty() && page.body.contains("value=\"accept\"") {
                    self.post(&target, &[("action", "accept")])
                } else {
                    page
                }
            } else {
                return answer;
            };
            if answer.location.is_empty() {
                return answer;
            }
        }
        panic!("no end: {}", answer.location);
    }

    fn redeem(&mut self, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", "calendar-web"),
            ("client_secret", SECRETS[0].1),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
            ("code", code),
        ])
    }

    fn refresh(&mut self, token: &str) -> Answer {
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", "calendar-web"),
            ("client_secret", SECRETS[0].1),
            ("refresh_token", token),
        ])
    }

    /// Logins, tokens, refreshes and logouts, as they should be.
    fn everything_that_works(&mut self) -> (String, String) {
        let code = [
            ("response_type", "code"),
            ("scope", "openid profile email offline_access read"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let first = self.authorize("calendar-web", &code).parameter("code");
        let answer = self.redeem(&first);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let access_token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let mut refresh_token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        for _ in 0..3 {
            let answer = self.refresh(&refresh_token);
            assert_eq!(answer.status, 200, "{}", answer.body);
            // A lost answer: the successor waits sealed in the database meanwhile.
            assert_eq!(self.refresh(&refresh_token).status, 200);
            refresh_token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        }
        let bearer = format!("GET /userinfo HTTP/1.1\r\nauthorization: Bearer {access_token}\r\n");
        assert_eq!(self.send(&bearer, "").status, 200);

        for (response_type, mode) in [("token id_token", "fragment"), ("token", "form_post")] {
            let kinds = [("response_type", response_type), ("response_mode", mode), ("scope", "openid read")];
            let answer = self.authorize("calendar-spa", &kinds);
            assert!(matches!(answer.status, 200 | 302 | 303), "{}", answer.body);
        }
        let consented =
            self.authorize("partner-planner", &[("response_type", "code"), ("scope", "openid read")]);
        consented.parameter("code");
        assert_eq!(self.get("/u/grants").status, 200);

        let basic = scanner::basic("geocoding-worker", SECRETS[2].1);
        self.secrets.text("client secret", basic.trim_end_matches('='));
        let fields = format!("authorization: Basic {basic}\r\n");
        let asked = [("grant_type", "client_credentials"), ("audience", process::AUDIENCE)];
        assert_eq!(self.post_with("/oauth/token", &fields, &asked).status, 200);
        let answer = self.token(&[
            ("grant_type", "password"),
            ("client_id", "password-client"),
            ("client_secret", SECRETS[3].1),
            ("username", PERSON),
            ("password", PASSWORD),
            ("audience", "api.calendar"),
            ("scope", "openid offline_access read"),
        ]);
        assert_eq!(answer.status, 200, "{}", answer.body);
        (first, refresh_token)
    }

    /// What is refused, and secrets where they do not belong. What is logged of these is what matters.
    fn everything_that_is_refused(&mut self, code: &str, refresh_token: &str) {
        assert_eq!(self.redeem(code).status, 403, "a code twice");
        assert_eq!(self.refresh(refresh_token).status, 403, "its family ended with it");
        for grant in ["client_credentials", "refresh_token", "authorization_code", "password", "nonsense"] {
            let answer = self.token(&[
                ("grant_type", grant),
                ("client_id", "geocoding-worker"),
                ("client_secret", WRONG_SECRET),
                ("audience", PASSWORD),
                ("refresh_token", refresh_token),
                ("code", code),
                ("username", PERSON),
                ("password", WRONG_PASSWORD),
            ]);
            assert!(answer.status >= 400, "{grant}");
        }
        let secrets = form(&[
            ("client_id", "calendar-web"),
            ("client_secret", SECRETS[0].1),
            ("refresh_token", refresh_token),
            ("code", code),
            ("password", WRONG_PASSWORD),
            ("access_token", refresh_token),
            ("id_token_hint", refresh_token),
        ]);
        for path in
            ["/oauth/token", "/authorize", "/userinfo", "/u/login", "/v2/logout", "/oidc/logout", "/nowhere"]
        {
            assert!(self.get(&format!("{path}?{secrets}")).status != 0);
            assert!(self.get(&format!("{path}/{}?{secrets}", escape(SECRETS[0].1))).status != 0);
            let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\n");
            let body = json!({ "client_secret": SECRETS[0].1, "token": refresh_token, "password": PASSWORD });
            assert!(self.send(&head, &body.to_string()).status != 0);
            assert!(self.send(&head, &format!("{body}{body}")).status != 0);
            let head = format!(
                "POST {path} HTTP/1.1\r\nauthorization: Bearer {refresh_token}\r\nx-key: {PASSWORD}\r\n"
            );
            assert!(self.send(&head, &secrets).status != 0);
        }
        let head = format!("{} /oauth/token HTTP/1.1\r\n{}: x\r\n", SECRETS[0].1, SECRETS[1].1);
        assert!(self.send(&head, &secrets).status >= 400);
        let answer = self.post(
            "/oauth/revoke",
            &[("client_id", "calendar-web"), ("client_secret", WRONG_SECRET), ("token", refresh_token)],
        );
        assert!(answer.status >= 400);
        assert!(matches!(self.get("/v2/logout?client_id=calendar-web").status, 200..=303));
        self.cookies.clear();
        let mut stream = connect(&self.server.authority());
        stream.write_all(format!("{PASSWORD} {WRONG_SECRET}\r\n\r\n").as_bytes()).unwrap();
        let _ = read(&mut stream);
    }
}

/// Every file of a directory, looked through.
fn scan(secrets: &Secrets, directory: &Path, when: &str) {
    let mut looked = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        // The key that seals, and the development certificate's, lie beside the database by design.
        if entry.file_type().unwrap().is_file() && name.starts_with("authd.db") {
            let bytes = std::fs::read(entry.path()).unwrap();
            let found = secrets.found_in(&bytes);
            assert!(found.is_empty(), "{when}: {name} holds {found:?}");
            looked += bytes.len();
        }
    }
    assert!(looked > 50_000, "{when}: there was something to look through: {looked} bytes");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Notes what the server keeps and gives to nobody: private keys, the root secret and what is derived from it.
fn note_keys(secrets: &mut Secrets, directory: &Path) {
    let key_file = directory.join(open::SEALING_KEY_FILE);
    for line in std::fs::read_to_string(&key_file).unwrap().lines() {
        secrets.text("key-encryption key", line.split_once(' ').unwrap().1);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let source = KeySource::File(key_file);
        let place = Place::Directory(directory.to_owned());
        let stores = open::stores(&place, &source, IfMissing::Refuse, &SystemMoments).await.unwrap();
        let tenant = TenantId::parse("dev").unwrap();
        for key in stores.tenant(&tenant).signing_keys().await.unwrap().iter() {
            assert!(key.record.state != KeyState::Revoked);
            secrets.private_key(key.record.private_key.expose());
        }
        let (key, space) = (Key::of(&["root"]), Space::Directory);
        let row = stores.backend().get(&space, Kind::RootSecret, &key).await.unwrap().unwrap();
        let body: Value = serde_json::from_str(&row.body).unwrap();
        let place = store::Place { space: &space, kind: Kind::RootSecret, key: &key, field: "secret" };
        let root = source.sealer().unwrap().open(&place, body["secret"].as_str().unwrap()).unwrap();
        secrets.bytes("root secret", &root);
        for label in
            ["handles", "refresh tokens", "refresh successors", "client secret digests", "login attempts"]
        {
            secrets.bytes("derived key", &*stores.derive(&format!("{label}/dev")).unwrap());
        }
    });
}

#[test]
fn no_secret_of_a_whole_run_lies_in_the_database_its_log_their_copies_or_what_is_logged() {
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("data");
    let data = directory.to_str().unwrap().to_owned();
    let mut command = authd();
    command.env("AUTHD_LOG", "trace").args([
        "dev",
        "--http-port",
        "0",
        "--https-port",
        "0",
        "--json",
        "--data",
        &data,
    ]);
    let server = Server::start_with_log(command, Stdio::piped());

    let mut secrets = Secrets::default();
    for (what, text) in SECRETS.map(|(_, secret)| ("client secret", secret)).into_iter().chain([
        ("client secret", WRONG_SECRET),
        ("password", PASSWORD),
        ("password", WRONG_PASSWORD),
        ("verifier", VERIFIER),
    ]) {
        secrets.text(what, text);
    }
    // What commands print, once.
    let app = done(&["apps", "create", "-n", "Worker", "--id-token-alg", "HS256", "--json", "--data", &data]);
    let app: Value = serde_json::from_str(&app).unwrap();
    secrets.text("client secret", app["client_secret"].as_str().unwrap());
    let api =
        ["apis", "create", "-n", "Own", "-i", "urn:own", "--signing-alg", "HS256", "--json", "--data", &data];
    let api: Value = serde_json::from_str(&done(&api)).unwrap();
    secrets.text("API's secret", api["signing_secret"].as_str().unwrap());
    for algorithm in ["ES256", "EdDSA"] {
        let identifier = format!("urn:{algorithm}");
        done(&["apis", "create", "-n", "A", "-i", &identifier, "--signing-alg", algorithm, "--data", &data]);
    }
    let person = done(&["users", "create", "-e", "ada@example.com", "--json", "--data", &data]);
    let person: Value = serde_json::from_str(&person).unwrap();
    secrets.text("password", person["password"].as_str().unwrap());

    let mut visitor = Visitor { server: &server, secrets: &mut secrets, cookies: BTreeMap::new() };
    let (code, refresh_token) = visitor.everything_that_works();
    note_keys(&mut secrets, &directory);
    scan(&secrets, &directory, "while it serves");
    let backup = outer.path().join("copy");
    copy(&directory, &backup);
    let mut visitor = Visitor { server: &server, secrets: &mut secrets, cookies: BTreeMap::new() };
    visitor.everything_that_is_refused(&code, &refresh_token);
    done(&["keys", "rotate", "--force", "--data", &data]);
    done(&["sealing", "rotate", "--data", &data]);
    let mut visitor = Visitor { server: &server, secrets: &mut secrets, cookies: BTreeMap::new() };
    visitor.everything_that_works();
    note_keys(&mut secrets, &directory);

    for what in [
        "access token",
        "ID token",
        "refresh token",
        "code",
        "cookie",
        "handle",
        "client secret",
        "password",
        "API's secret",
        "private key",
        "key-encryption key",
        "root secret",
        "derived key",
        "verifier",
    ] {
        assert!(secrets.count(what) > 0, "no {what} was seen: {:?}", secrets.counts());
    }
    println!("looked for: {:?}", secrets.counts());

    // The other way round: what is known to be there is found, in the database and in the log.
    let planted = "planted-0f9c2d7be1a84356b0c1";
    done(&["apps", "create", "-n", planted, "--data", &data]);
    let mut control = Secrets::default();
    control.text("planted", planted);
    let files =
        ["authd.db", "authd.db-wal"].map(|name| std::fs::read(directory.join(name)).unwrap_or_default());
    assert!(files.iter().any(|bytes| !control.found_in(bytes).is_empty()), "the scan sees what is there");

    let log = server.kill();
    scan(&secrets, &directory, "after it was killed");
    scan(&secrets, &backup, "a copy");
    let found = secrets.found_in(log.as_bytes());
    assert!(found.is_empty(), "the log of {} bytes holds {found:?}", log.len());
    let mut control = Secrets::default();
    control.text("a client's id", "geocoding-worker");
    assert!(!control.found_in(log.as_bytes()).is_empty(), "the log is the log: {log}");

    let server = Server::dev(&directory);
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(secrets.found_in(log.as_bytes()).is_empty());
    scan(&secrets, &directory, "after it was closed");
}

#[test]
fn a_secret_is_found_however_it_is_spelled() {
    let texts = [
        "Correct-Horse-9",
        WRONG_SECRET,
        VERIFIER,
        "pass word/with+signs=&\"ü",
        "0f9c2d7be1a84356b0c10f9c2d7be1a8",
    ];
    for text in texts {
        let mut secrets = Secrets::default();
        secrets.text("secret", text);
        for (spelling, hiding) in scanner::hidden(text.as_bytes()) {
            assert!(!secrets.found_in(&hiding).is_empty(), "{text} as {spelling}");
        }
        let backwards: Vec<u8> = text.bytes().rev().collect();
        for (spelling, other) in scanner::hidden(&backwards) {
            assert!(secrets.found_in(&other).is_empty(), "{text} backwards as {spelling}");
        }
    }
    // What a text decodes to, and a long one that is cut by the end of a page.
    let raw: Vec<u8> = (0..300_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut secrets = Secrets::default();
    secrets.bytes("secret", &raw);
    for (spelling, hiding) in scanner::hidden(&raw) {
        assert!(!secrets.found_in(&hiding).is_empty(), "{spelling}");
        for cut in (0..hiding.len()).step_by(97) {
            let cut = [&hiding[..cut], b"\0\0\0\x07 the next page ", &hiding[cut..]].concat();
            assert!(!secrets.found_in(&cut).is_empty(), "{spelling}");
        }
    }
}

#[test]
fn private_keys_are_known_by_their_private_numbers() {
    // RFC 8032 §7.1, test 1, in the form of RFC 8410 §7.
    let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let seed: Vec<u8> = (0..32).map(|number| number * 7 + 1).collect();
    der.extend(&seed);
    let mut secrets = Secrets::default();
    secrets.private_key(&der);
    assert_eq!(secrets.count("private key"), 1);
    for (spelling, hiding) in scanner::hidden(&seed).into_iter().chain(scanner::hidden(&der)) {
        assert!(!secrets.found_in(&hiding).is_empty(), "{spelling}");
    }
}
