//! The demo: authd and a geocoding API as processes, and what good and bad tokens get (RFC 6750 §3).

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::forge;
use crate::loopback::{Answer, request};
use crate::process::{Failure, Running, Scratch, cargo, failed, output, run as command, target_dir};
use crate::server::{self, Authd};

const CLIENT: &str = "geocoding-worker";
const API: &str = "https://api.example.com/geocoding/v1/";
/// An API whose token can be asked for without the scope.
const WITH_STATUS: &str = "https://api.example.com/geocoding/v2/";
/// An API whose tokens live for one second.
const SHORT: &str = "https://api.example.com/geocoding/short/";

/// Runs the demo.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("takes no arguments".to_owned()));
    }
    let binary = server::build()?;
    let example = build_example()?;
    let scratch = Scratch::new("demo")?;
    let authd = Authd::start(&binary, &scratch.path("data"), &scratch.path("authd.log"), (0, 0))?;
    let told = story(&authd, &example, &scratch);
    if told.is_err() {
        print!("{}", authd.log_tail());
    }
    told?;
    authd.stop()?;
    println!("demo: every answer was as expected");
    Ok(())
}

fn build_example() -> Result<PathBuf, Failure> {
    let words =
        ["build", "--quiet", "-p", "resource-server", "--features", "http", "--example", "geocoding_api"];
    command(cargo().args(words))?;
    Ok(target_dir().join("debug/examples/geocoding_api"))
}

/// The geocoding API as a process.
struct Api {
    _running: Running,
    url: String,
}

impl Api {
    fn start(example: &PathBuf, issuer: &str, audience: &str, scratch: &Scratch) -> Result<Self, Failure> {
        let mut command = Command::new(example);
        command.env("ISSUER", issuer).env("AUDIENCE", audience).env("PORT", "0");
        let mut running = Running::start("geocoding API", &mut command, &scratch.path("api.log"))?;
        let line = running.line(Duration::from_secs(60))?;
        match line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")) {
            Some(url) => Ok(Self { url: url.trim_end_matches('/').to_owned(), _running: running }),
            None => failed(format!("the geocoding API printed no address: {line}")),
        }
    }

    fn call(&self, authorization: &[&str]) -> Result<Answer, Failure> {
        self.call_with(authorization, "/geocode?address=Pariser+Platz,%20Berlin")
    }

    fn call_with(&self, authorization: &[&str], path: &str) -> Result<Answer, Failure> {
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("Authorization", *value)).collect();
        request("GET", &format!("{}{path}", self.url), &headers, None)
    }
}

/// One answer, printed, and compared with what it must be.
fn expect(what: &str, answer: &Answer, status: u16, challenge: Option<&str>) -> Result<(), Failure> {
    let said = answer.header("www-authenticate");
    let good = answer.status == status
        && match challenge {
            None => said.is_none(),
            // Without a token there must be no error code at all.
            Some("") => said.is_some_and(|said| said.starts_with("Bearer") && !said.contains("error")),
            Some(error) => said.is_some_and(|said| said.starts_with("Bearer") && said.contains(error)),
        };
    let shown = said.map_or_else(|| answer.body.clone(), |said| format!("WWW-Authenticate: {said}"));
    println!("demo: {what:<42} {} {shown}", answer.status);
    if good {
        Ok(())
    } else {
        failed(format!("{what}: expected {status} with the challenge {challenge:?}, got {answer:?}"))
    }
}

fn story(authd: &Authd, example: &PathBuf, scratch: &Scratch) -> Result<(), Failure> {
    let issuer = authd.http_origin()?;
    println!("demo: authd answers at {issuer}");
    make_api(authd, "Geocoding v2", WITH_STATUS, "geocode,status", "geocode,status", "600")?;
    make_api(authd, "Geocoding short", SHORT, "geocode", "geocode", "1")?;
    let api = Api::start(example, issuer, API, scratch)?;
    println!("demo: the geocoding API for {API} answers at {}", api.url);

    expect("no token:", &api.call(&[])?, 401, Some(""))?;
    let good = token(authd, API, None)?;
    let bearer = format!("Bearer {good}");
    expect("a good token:", &api.call(&[&bearer])?, 200, None)?;
    let answer = api.call(&[&bearer])?.json()?;
    if answer.get("latitude").and_then(Value::as_f64).is_none() {
        return failed(format!("the answer has no coordinates: {answer}"));
    }
    expect("the scheme in lower case:", &api.call(&[&format!("bearer {good}")])?, 200, None)?;
    let in_query = api.call_with(&[], &format!("/geocode?address=x&access_token={good}"))?;
    expect("the token in the query:", &in_query, 401, Some(""))?;
    expect("two tokens:", &api.call(&[&bearer, &bearer])?, 400, Some("error=\"invalid_request\""))?;
    let other = format!("Bearer {}", token(authd, WITH_STATUS, None)?);
    expect("a token of another audience:", &api.call(&[&other])?, 401, Some("error=\"invalid_token\""))?;
    let tampered = format!("Bearer {}", forge::other_subject(&good)?);
    expect("a tampered token:", &api.call(&[&tampered])?, 401, Some("error=\"invalid_token\""))?;

    let with_status = Api::start(example, issuer, WITH_STATUS, scratch)?;
    expect("the second API, its token with the scope:", &with_status.call(&[&other])?, 200, None)?;
    let narrow = format!("Bearer {}", token(authd, WITH_STATUS, Some("status"))?);
    let refused = with_status.call(&[&narrow])?;
    expect("a token without the scope:", &refused, 403, Some("error=\"insufficient_scope\""))?;
    if !refused.header("www-authenticate").is_some_and(|said| said.contains("scope=\"geocode\"")) {
        return failed("the challenge does not name the scope that is needed");
    }
    expires(authd, &Api::start(example, issuer, SHORT, scratch)?)?;

    // Nothing listens on port 1. Nobody is told that a token is bad when nobody can say so.
    let lonely = Api::start(example, "http://localhost:1/", API, scratch)?;
    let answer = lonely.call(&[&bearer])?;
    expect("a good token while the issuer is away:", &answer, 503, None)?;
    match answer.header("retry-after") {
        Some(_) => Ok(()),
        None => failed("the answer does not say when to try again"),
    }
}

/// A token that is accepted first and refused as soon as its second is over.
fn expires(authd: &Authd, api: &Api) -> Result<(), Failure> {
    let bearer = format!("Bearer {}", token(authd, SHORT, None)?);
    let began = Instant::now();
    let mut answer = api.call(&[&bearer])?;
    while answer.status == 200 && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
        answer = api.call(&[&bearer])?;
    }
    expect("an expired token:", &answer, 401, Some("error=\"invalid_token\""))
}

fn make_api(
    authd: &Authd,
    name: &str,
    identifier: &str,
    scopes: &str,
    granted: &str,
    lifetime: &str,
) -> Result<(), Failure> {
    let words = ["apis", "create", "--name", name, "--identifier", identifier, "--scopes", scopes];
    authd.administer(&[&words[..], &["--token-lifetime", lifetime]].concat())?;
    let words = ["grants", "create", "--client-id", CLIENT, "--audience", identifier, "--scopes", granted];
    output(&mut authd.command(&words)).map(drop)
}

fn token(authd: &Authd, audience: &str, scope: Option<&str>) -> Result<String, Failure> {
    let mut fields = json!({
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": authd.secret_of(CLIENT)?,
        "audience": audience,
    });
    if let (Some(scope), Some(fields)) = (scope, fields.as_object_mut()) {
        fields.insert("scope".to_owned(), json!(scope));
    }
    let url = format!("{}oauth/token", authd.http_origin()?);
    let answer = request("POST", &url, &[("Content-Type", "application/json")], Some(&fields.to_string()))?;
    match answer.json()?.get("access_token").and_then(Value::as_str) {
        Some(token) if answer.status == 200 => Ok(token.to_owned()),
        _ => failed(format!("no token for {audience}: {answer:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, challenge: Option<&str>) -> Answer {
        let headers = challenge.map(|said| ("www-authenticate".to_owned(), said.to_owned()));
        Answer { status, headers: headers.into_iter().collect(), body: String::new() }
    }

    #[test]
    fn an_answer_that_differs_is_a_failure() {
        assert!(expect("x", &answer(401, Some("Bearer realm=\"a\"")), 401, Some("")).is_ok());
        assert!(expect("x", &answer(401, Some("Bearer error=\"invalid_token\"")), 401, Some("")).is_err());
        assert!(expect("x", &answer(401, None), 401, Some("")).is_err());
        assert!(expect("x", &answer(200, None), 200, None).is_ok());
        assert!(expect("x", &answer(200, Some("Bearer")), 200, None).is_err());
        assert!(expect("x", &answer(403, Some("Bearer error=\"b\"")), 403, Some("error=\"a\"")).is_err());
    }
}
