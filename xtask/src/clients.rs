//! Other people's clients: the real authd's tokens, asked for and checked with libraries that are not ours.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::forge;
use crate::install;
use crate::people;
use crate::process::{Failure, Scratch, failed, output, spelled};
use crate::server::{self, Authd};
use crate::suite::Suite;

/// Where their programs are.
const FOLDER: &str = "xtask/clients";

const API: &str = GEOCODING.identifier;
const CLIENT: &str = "geocoding-worker";

/// The two libraries, each behind a small program that answers questions in JSON.
#[derive(Clone, Copy, PartialEq)]
enum Library {
    PyJwt,
    Jose,
}

const BOTH: [Library; 2] = [Library::PyJwt, Library::Jose];

impl Library {
    fn name(self) -> &'static str {
        match self {
            Self::PyJwt => "pyjwt",
            Self::Jose => "jose",
        }
    }

    /// What the library calls a wrong signature and a wrong claim.
    fn refusals(self) -> (&'static str, &'static str) {
        match self {
            Self::PyJwt => ("InvalidSignatureError", "InvalidAudienceError"),
            Self::Jose => ("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "ERR_JWT_CLAIM_VALIDATION_FAILED"),
        }
    }
}

/// The programs, once installed.
struct Asker {
    python: PathBuf,
    folder: PathBuf,
}

impl Asker {
    fn ask(&self, library: Library, question: &Value, ca_file: &str) -> Result<Value, Failure> {
        let mut command = match library {
            Library::PyJwt => {
                let mut command = Command::new(&self.python);
                command.arg(self.folder.join("check.py"));
                command
            }
            Library::Jose => {
                let mut command = Command::new("node");
                command.arg(self.folder.join("check.mjs")).env("NODE_EXTRA_CA_CERTS", ca_file);
                command
            }
        };
        let mut question = question.clone();
        if let Some(fields) = question.as_object_mut() {
            fields.insert("ca_file".to_owned(), json!(ca_file));
        }
        let words = spelled(&command);
        let text = exchange(&mut command, &question.to_string())?;
        match serde_json::from_str(&text) {
            Ok(answer) => Ok(answer),
            Err(error) => failed(format!("{words}: {error}: {text}")),
        }
    }
}

/// Runs a program with this text as its input, and returns its output.
fn exchange(command: &mut Command, input: &str) -> Result<String, Failure> {
    let words = spelled(command);
    let mut run = || -> std::io::Result<std::process::Output> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    match run() {
        Ok(done) if done.status.success() => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        Ok(done) => failed(format!("{words}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr))),
        Err(error) => failed(format!("{words}: {error}")),
    }
}

/// An API made for the suite: an algorithm and a dialect.
struct Api {
    name: &'static str,
    identifier: &'static str,
    algorithm: &'static str,
    dialect: &'static str,
    typ: &'static str,
}

/// The dev tenant's Geocoding API.
const GEOCODING: Api = Api {
    name: "geocoding",
    identifier: "https://api.example.com/geocoding/v1/",
    algorithm: "RS256",
    dialect: "access_token",
    typ: "JWT",
};

/// The APIs that the suite makes.
const APIS: &[Api] = &[
    Api {
        name: "es256",
        identifier: "https://es256.example.com/",
        algorithm: "ES256",
        dialect: "access_token",
        typ: "JWT",
    },
    Api {
        name: "eddsa",
        identifier: "https://eddsa.example.com/",
        algorithm: "EdDSA",
        dialect: "access_token",
        typ: "JWT",
    },
    Api {
        name: "hs256",
        identifier: "https://hs256.example.com/",
        algorithm: "HS256",
        dialect: "access_token",
        typ: "JWT",
    },
    Api {
        name: "rs256_rfc9068",
        identifier: "https://rfc9068.example.com/",
        algorithm: "RS256",
        dialect: "rfc9068_profile",
        typ: "at+jwt",
    },
    Api {
        name: "es256_rfc9068",
        identifier: "https://es256-rfc9068.example.com/",
        algorithm: "ES256",
        dialect: "rfc9068_profile",
        typ: "at+jwt",
    },
];

/// Runs the suite: everything, or with `--smoke` what a contributor must pass.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let smoke = match arguments {
        [] => false,
        [flag] if flag == "--smoke" => true,
        _ => return Err(Failure::Usage("takes nothing or --smoke".to_owned())),
    };
    let asker = Asker { python: install::python_clients()?, folder: install::npm(FOLDER)? };
    install::curl()?;
    let binary = server::build()?;
    let scratch = Scratch::new("clients")?;
    let mut suite = Suite::of("clients");
    let outcome = cases(&mut suite, &asker, &binary, &scratch)
        .and_then(|()| people::cases(&mut suite, &asker.python, &asker.folder, &binary, &scratch, smoke));
    let ended = suite.end();
    outcome.and(ended)
}

/// Every case. The server is stopped, started and killed on the way, always on the same ports and data.
fn cases(suite: &mut Suite, asker: &Asker, binary: &Path, scratch: &Scratch) -> Result<(), Failure> {
    let (data, log) = (scratch.path("data"), scratch.path("authd.log"));
    let authd = Authd::start(binary, &data, &log, (0, 0))?;
    let ports = authd.ports()?;
    let first = token(asker, &authd, Library::PyJwt, "json", authd.http_origin()?, API)?;

    for library in BOTH {
        for (scheme, origin) in [("http", authd.http_origin()?), ("https", authd.https_origin()?)] {
            for encoding in ["json", "form"] {
                let name =
                    format!("{}_accepts_a_token_asked_for_by_{encoding}_over_{scheme}", library.name());
                suite.case(&name, || {
                    let token = token(asker, &authd, library, encoding, origin, API)?;
                    let claims = accepted(asker, &authd, library, origin, API, &token, "RS256", "JWT", None)?;
                    expect(&claims, "sub", &json!(format!("{CLIENT}@clients")))?;
                    expect(&claims, "scope", &json!("geocode"))?;
                    expect(&claims, "gty", &json!("client-credentials"))?;
                    expect(&claims, "azp", &json!(CLIENT))
                });
            }
        }
    }
    suite.case("the_printed_curl_line_gives_a_token_that_both_libraries_accept", || {
        let text = output(Command::new("bash").args(["-c", authd.curl()?]))?;
        let answer: Value =
            serde_json::from_str(&text).map_err(|e| Failure::Failed(format!("{e}: {text}")))?;
        let token = answer.get("access_token").and_then(Value::as_str).unwrap_or("");
        expect(&answer, "token_type", &json!("Bearer"))?;
        expect(&answer, "expires_in", &json!(86400))?;
        let origin = if authd.curl()?.contains("https://localhost") {
            authd.https_origin()?
        } else {
            authd.http_origin()?
        };
        for library in BOTH {
            accepted(asker, &authd, library, origin, API, token, "RS256", "JWT", None)?;
        }
        Ok(())
    });
    refusals(suite, asker, &authd, &first);
    own_verifier(suite, &authd, &first);
    suite.case("the_server_stops_with_success_on_sigterm", || authd.stop());

    let authd = Authd::start(binary, &data, &log, ports)?;
    for library in BOTH {
        let name = format!("{}_accepts_a_token_of_the_first_run_after_a_restart", library.name());
        suite.case(&name, || {
            accepted(asker, &authd, library, authd.http_origin()?, API, &first, "RS256", "JWT", None)
                .map(drop)
        });
    }
    for api in APIS {
        let name = format!("an_api_for_{}_is_created_by_command_while_the_server_runs", api.name);
        let mut secret = None;
        suite.case(&name, || {
            secret = create(&authd, api)?;
            Ok(())
        });
        for library in BOTH {
            let name = format!("{}_accepts_a_token_for_{}", library.name(), api.name);
            suite.case(&name, || {
                let origin = authd.http_origin()?;
                let token = token(asker, &authd, library, "json", origin, api.identifier)?;
                let claims = accepted(
                    asker,
                    &authd,
                    library,
                    origin,
                    api.identifier,
                    &token,
                    api.algorithm,
                    api.typ,
                    secret.as_deref(),
                )?;
                let client = if api.typ == "at+jwt" { "client_id" } else { "azp" };
                expect(&claims, client, &json!(CLIENT))?;
                let (wrong_signature, _) = library.refusals();
                refused(
                    asker,
                    &authd,
                    library,
                    api,
                    &forge::other_subject(&token)?,
                    secret.as_deref(),
                    wrong_signature,
                )
            });
        }
    }
    suite.case("what_was_acknowledged_survives_kill_9", || {
        let rest = &["apis", "create", "--name", "Late", "--identifier", "urn:late", "--scopes", "late"];
        authd.administer(rest)?;
        authd.kill()?;
        let authd = Authd::start(binary, &data, &log, ports)?;
        grant(&authd, "urn:late", "late")?;
        let late = token(asker, &authd, Library::Jose, "form", authd.https_origin()?, "urn:late")?;
        accepted(
            asker,
            &authd,
            Library::Jose,
            authd.https_origin()?,
            "urn:late",
            &late,
            "RS256",
            "JWT",
            None,
        )?;
        accepted(asker, &authd, Library::PyJwt, authd.http_origin()?, API, &first, "RS256", "JWT", None)?;
        authd.stop()
    });
    Ok(())
}

/// Tokens that both libraries must refuse, for the reason that was planted.
fn refusals(suite: &mut Suite, asker: &Asker, authd: &Authd, token: &str) {
    let other = Api { identifier: "api.calendar", ..GEOCODING };
    for library in BOTH {
        let (wrong_signature, wrong_claim) = library.refusals();
        suite.case(&format!("{}_refuses_a_tampered_token", library.name()), || {
            refused(asker, authd, library, &GEOCODING, &forge::other_subject(token)?, None, wrong_signature)
        });
        suite.case(&format!("{}_refuses_a_tampered_signature", library.name()), || {
            refused(asker, authd, library, &GEOCODING, &forge::other_signature(token)?, None, wrong_signature)
        });
        suite.case(&format!("{}_refuses_a_token_of_another_audience", library.name()), || {
            refused(asker, authd, library, &other, token, None, wrong_claim)
        });
        suite.case(&format!("{}_refuses_a_token_of_the_other_origin", library.name()), || {
            let question = question(authd.https_origin()?, API, token, "RS256", "JWT", None);
            let answer = asker.ask(library, &question, authd.ca_file()?)?;
            expect(&answer, "accepted", &json!(false))
        });
    }
    for (name, fields, error) in [
        (
            "a_wrong_secret",
            json!({"client_id": CLIENT, "client_secret": "wrong", "audience": API}),
            "access_denied",
        ),
        (
            "an_unknown_client",
            json!({"client_id": "nobody", "client_secret": "wrong", "audience": API}),
            "access_denied",
        ),
    ] {
        suite.case(&format!("{name}_is_answered_401_unauthorized"), || {
            let mut fields = fields;
            if let Some(fields) = fields.as_object_mut() {
                fields.insert("grant_type".to_owned(), json!("client_credentials"));
            }
            let url = format!("{}oauth/token", authd.http_origin()?);
            let question = json!({"op": "token", "url": url, "encoding": "json", "fields": fields});
            let answer = asker.ask(Library::PyJwt, &question, authd.ca_file()?)?;
            expect(&answer, "status", &json!(401))?;
            let body = answer.get("body").cloned().unwrap_or_default();
            expect(&body, "error", &json!(error))?;
            expect(&body, "error_description", &json!("Unauthorized"))
        });
    }
}

/// `authd token verify` on good and bad tokens.
fn own_verifier(suite: &mut Suite, authd: &Authd, token: &str) {
    let verify = |audience: &str, token: &str| -> Result<(Option<i32>, String), Failure> {
        let mut command = authd.verifier();
        command.args(["token", "verify", "--issuer", authd.http_origin()?, "--audience", audience, token]);
        match command.stdin(Stdio::null()).output() {
            Ok(done) => {
                let said = [done.stdout, done.stderr].concat();
                Ok((done.status.code(), String::from_utf8_lossy(&said).into_owned()))
            }
            Err(error) => failed(format!("authd token verify: {error}")),
        }
    };
    let expect_code = |audience: &str, token: &str, expected: i32| {
        let (code, said) = verify(audience, token)?;
        if code == Some(expected) {
            Ok(())
        } else {
            failed(format!("ended with {code:?}, not {expected}: {said}"))
        }
    };
    suite.case("authd_token_verify_accepts_a_good_token", || expect_code(API, token, 0));
    suite.case("authd_token_verify_refuses_a_tampered_token", || {
        expect_code(API, &forge::other_subject(token)?, 1)
    });
    suite.case("authd_token_verify_refuses_another_audience", || expect_code("api.calendar", token, 1));
}

/// Asks for a token with one library's language; the answer must be as the seed promises.
fn token(
    asker: &Asker,
    authd: &Authd,
    library: Library,
    encoding: &str,
    origin: &str,
    audience: &str,
) -> Result<String, Failure> {
    let question = json!({
        "op": "token",
        "url": format!("{origin}oauth/token"),
        "encoding": encoding,
        "fields": {
            "grant_type": "client_credentials",
            "client_id": CLIENT,
            "client_secret": authd.secret_of(CLIENT)?,
            "audience": audience,
        },
    });
    let answer = asker.ask(library, &question, authd.ca_file()?)?;
    expect(&answer, "status", &json!(200))?;
    let headers = answer.get("headers").cloned().unwrap_or_default();
    expect(&headers, "cache-control", &json!("no-store"))?;
    let body = answer.get("body").cloned().unwrap_or_default();
    expect(&body, "token_type", &json!("Bearer"))?;
    match body.get("access_token").and_then(Value::as_str) {
        Some(token) => Ok(token.to_owned()),
        None => failed(format!("no access_token in {answer}")),
    }
}

fn question(
    issuer: &str,
    audience: &str,
    token: &str,
    algorithm: &str,
    typ: &str,
    secret: Option<&str>,
) -> Value {
    let mut question = json!({
        "op": "verify", "token": token, "issuer": issuer, "audience": audience, "algorithms": [algorithm], "typ": typ,
    });
    if let (Some(secret), Some(fields)) = (secret, question.as_object_mut()) {
        fields.insert("secret".to_owned(), json!(secret));
    }
    question
}

/// The library must accept the token; returns its claims.
#[expect(clippy::too_many_arguments, reason = "the facts of one check, each from a different place")]
fn accepted(
    asker: &Asker,
    authd: &Authd,
    library: Library,
    issuer: &str,
    audience: &str,
    token: &str,
    algorithm: &str,
    typ: &str,
    secret: Option<&str>,
) -> Result<Value, Failure> {
    let question = question(issuer, audience, token, algorithm, typ, secret);
    let answer = asker.ask(library, &question, authd.ca_file()?)?;
    expect(&answer, "accepted", &json!(true))?;
    let header = answer.get("header").cloned().unwrap_or_default();
    expect(&header, "alg", &json!(algorithm))?;
    expect(&header, "typ", &json!(typ))?;
    Ok(answer.get("claims").cloned().unwrap_or_default())
}

/// The library must refuse the token, and call it by this name.
fn refused(
    asker: &Asker,
    authd: &Authd,
    library: Library,
    api: &Api,
    token: &str,
    secret: Option<&str>,
    error: &str,
) -> Result<(), Failure> {
    let question = question(authd.http_origin()?, api.identifier, token, api.algorithm, api.typ, secret);
    let answer = asker.ask(library, &question, authd.ca_file()?)?;
    expect(&answer, "accepted", &json!(false))?;
    expect(&answer, "error", &json!(error))
}

fn expect(answer: &Value, name: &str, expected: &Value) -> Result<(), Failure> {
    match answer.get(name) {
        Some(value) if value == expected => Ok(()),
        other => failed(format!("{name} is {}, not {expected}, in {answer}", other.unwrap_or(&Value::Null))),
    }
}

/// Makes an API and lets the client use it; returns the secret of an HS256 API.
fn create(authd: &Authd, api: &Api) -> Result<Option<String>, Failure> {
    let words = ["apis", "create", "--name", api.name, "--identifier", api.identifier, "--scopes", "read"];
    let settings =
        ["--signing-alg", api.algorithm, "--token-dialect", api.dialect, "--token-lifetime", "600"];
    let made = authd.administer(&[&words[..], &settings[..]].concat())?;
    grant(authd, api.identifier, "read")?;
    match (api.algorithm, made.get("signing_secret").and_then(Value::as_str)) {
        ("HS256", None) => failed(format!("no signing_secret in {made}")),
        ("HS256", Some(secret)) => Ok(Some(secret.to_owned())),
        _ => Ok(None),
    }
}

fn grant(authd: &Authd, audience: &str, scope: &str) -> Result<(), Failure> {
    let words = ["grants", "create", "--client-id", CLIENT, "--audience", audience, "--scopes", scope];
    output(&mut authd.command(&words)).map(drop)
}
