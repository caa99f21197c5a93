//! `authd token`: looking into tokens and checking them as an API does.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jwt_core::{Algorithm, JwkSet};
use resource_server::{AccessTokenVerifier, Expectations, ScopeSet};
use serde_json::{Value, json};

use super::local::{DATA, secret_from};
use super::{Failed, output};
use crate::dev::ca::CERTIFICATE_FILE;
use crate::moment::{Moments, SystemMoments};
use crate::outbound;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Print a token's header and claims WITHOUT checking anything
    Inspect(Inspect),
    /// Check a token as an API does: signature, issuer, audience, times; exit 0 valid, 1 refused
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The token, or - to read it from standard input
    #[arg(default_value = "-")]
    token: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Who must have issued it; its keys are fetched from there
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The API's identifier, compared byte for byte
    #[arg(long, value_name = "IDENTIFIER")]
    audience: String,
    /// A scope that the token must have; may be repeated
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Take the keys from this JWKS file instead of the issuer
    #[arg(long, value_name = "FILE", conflicts_with = "secret_file")]
    jwks_file: Option<PathBuf>,
    /// Check an HS256 token with the secret in this file
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Trust this CA beside the system's [default: authd-data/dev-ca.pem where it exists]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The token, or - to read it from standard input
    #[arg(default_value = "-")]
    token: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(verb: Token) -> Result<(), Failed> {
    match verb {
        Token::Inspect(inspect) => {
            let token = read(&inspect.token)?;
            let (header, payload) = jwt_core::dangerous_inspect(&token)
                .map_err(|refusal| Failed::Failed(format!("this is not a JWT: {refusal}")))?;
            let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
            let (header, claims) = (parsed(&header), parsed(&payload));
            if inspect.json {
                output::print(&json!({ "header": header, "claims": claims, "verified": false }).to_string());
            } else {
                output::print(&format!("header  {}", pretty(&header)));
                output::print(&format!("claims  {}", pretty(&claims)));
                output::print(
                    "NOT VERIFIED: anybody can write such a token. `authd token verify` checks it.",
                );
            }
            Ok(())
        }
        Token::Verify(verify) => check(verify).await,
    }
}

/// Checks the token; with `--json` what is wrong is printed as an object too, whatever it is.
async fn check(verify: Verify) -> Result<(), Failed> {
    let json = verify.json;
    let checked = check_once(verify).await;
    if json && let Err(Failed::Failed(reason)) = &checked {
        output::print(&json!({ "valid": false, "reason": reason }).to_string());
    }
    checked
}

async fn check_once(verify: Verify) -> Result<(), Failed> {
    let token = read(&verify.token)?;
    let expected = |algorithms: &[Algorithm]| Expectations::new(&verify.issuer, &verify.audience, algorithms);
    let (verifier, keys) = match (&verify.secret_file, &verify.jwks_file) {
        (Some(file), _) => {
            let secret = secret_from(file)?;
            // As short as the server takes them: an API's owner may have chosen 16 characters.
            let verifier =
                expected(&[Algorithm::Hs256]).dangerous_with_short_secret(secret.expose().as_bytes());
            (
                verifier.map_err(|error| format!("{}: {error}", file.display()))?,
                format!("the secret in {}", file.display()),
            )
        }
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            (
                with_keys(&expected(ASYMMETRIC), &text, &file.display())?,
                format!("a key in {}", file.display()),
            )
        }
        (None, None) => {
            let (text, from) = published_keys(&verify).await?;
            (with_keys(&expected(ASYMMETRIC), &text, &from)?, format!("a key that {from} publishes"))
        }
    };
    let now = SystemMoments.draw().now.0;
    let refused = |reason: String| Failed::Failed(format!("refused: {reason}"));
    let verified = verifier.verify(&token, now).map_err(|refusal| refused(refusal.to_string()))?;
    for scope in &verify.scope {
        let wanted = ScopeSet::parse(scope).map_err(|error| Failed::Usage(error.to_string()))?;
        if !verified.scope.contains_all(&wanted) {
            return Err(refused(format!("scope {scope:?} is missing")));
        }
    }
    if verify.json {
        let (header, payload) =
            jwt_core::dangerous_inspect(&token).map_err(|refusal| refused(refusal.to_string()))?;
        let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
        let object = json!({ "valid": true, "header": parsed(&header), "claims": parsed(&payload) });
        output::print(&object.to_string());
        return Ok(());
    }
    output::print("valid");
    output::print(&format!("  signature  by {keys}"));
    output::print(&format!("  issuer     {}", verify.issuer));
    output::print(&format!("  audience   {}", verify.audience));
    output::print(&format!("  subject    {}", verified.subject));
    output::print(&format!("  scope      {}", verified.scope));
    output::print(&format!("  expires    in {} seconds", verified.expires_at.saturating_sub(now)));
    Ok(())
}

/// The algorithms whose keys are published. An HS256 token needs its secret instead.
const ASYMMETRIC: &[Algorithm] = &[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
];

fn with_keys(
    expected: &Expectations,
    jwks: &str,
    from: &dyn std::fmt::Display,
) -> Result<AccessTokenVerifier, String> {
    JwkSet::parse(jwks).and_then(|keys| expected.with_keys(&keys)).map_err(|error| format!("{from}: {error}"))
}

/// The issuer's keys, by its discovery document. Returns them with where they came from.
async fn published_keys(verify: &Verify) -> Result<(String, String), Failed> {
    let default_ca = PathBuf::from(DATA).join(CERTIFICATE_FILE);
    let ca_file = verify.ca_file.clone().or_else(|| Some(default_ca).filter(|file| file.exists()));
    let base = verify.issuer.strip_suffix('/').unwrap_or(&verify.issuer);
    let discovery = format!("{base}/.well-known/openid-configuration");
    let document = outbound::fetch(&discovery, ca_file.as_deref()).await?;
    let document: Value =
        serde_json::from_slice(&document).map_err(|error| format!("{discovery} is not JSON: {error}"))?;
    //= RFC 8414 §3.3
    let named = |member: &str| document.get(member).and_then(Value::as_str);
    if named("issuer") != Some(&verify.issuer) {
        return Err(Failed::Failed(format!(
            "{discovery} names the issuer {:?}, not {:?}: the trailing slash counts",
            named("issuer").unwrap_or("(none)"),
            verify.issuer
        )));
    }
    let jwks_uri = named("jwks_uri").ok_or_else(|| format!("{discovery} names no jwks_uri"))?;
    if discovery.starts_with("https://") && !jwks_uri.starts_with("https://") {
        return Err(Failed::Failed(format!("{discovery} points to keys without TLS: {jwks_uri}")));
    }
    let jwks = outbound::fetch(jwks_uri, ca_file.as_deref()).await?;
    let text = String::from_utf8(jwks.to_vec()).map_err(|_| format!("{jwks_uri} is not text"))?;
    Ok((text, jwks_uri.to_owned()))
}

fn read(argument: &str) -> Result<String, Failed> {
    if argument != "-" {
        return Ok(argument.trim().to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .take(1024 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the token from standard input: {error}"))?;
    Ok(text.trim().to_owned())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
