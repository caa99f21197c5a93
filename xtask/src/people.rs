//! People who log in to applications made with other people's libraries (OpenID Connect Core 1.0 §3.1; RFC 7636).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::process::{Failure, Scratch, cargo, root, run, target_dir};
use crate::server::Authd;
use crate::suite::Suite;

/// The confidential application.
const WEB: &str = "calendar-web";

/// How long one program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// In which language an application is written.
#[derive(Clone, Copy, PartialEq)]
enum Language {
    Node,
    Python,
    Rust,
}

/// A library with which an application was made.
struct Library {
    name: &'static str,
    language: Language,
    /// Whether every contributor's tests run it; the others are the full suite's.
    in_smoke: bool,
}

const LIBRARIES: &[Library] = &[
    Library { name: "oauth4webapi", language: Language::Node, in_smoke: true },
    Library { name: "openid-client", language: Language::Node, in_smoke: false },
    Library { name: "Authlib", language: Language::Python, in_smoke: true },
    Library { name: "openidconnect", language: Language::Rust, in_smoke: false },
];

/// Every case: each library over https with authd's own authority, and in the full suite over plain http too.
pub(crate) fn cases(
    suite: &mut Suite,
    python: &Path,
    folder: &Path,
    binary: &Path,
    scratch: &Scratch,
    smoke: bool,
) -> Result<(), Failure> {
    let libraries = || LIBRARIES.iter().filter(|library| library.in_smoke || !smoke);
    let rust = match libraries().any(|library| library.language == Language::Rust) {
        true => Some(build(folder)?),
        false => None,
    };
    let authd = Authd::start(binary, &scratch.path("people"), &scratch.path("people.log"), (0, 0))?;
    let (http, https) = (("http", authd.http_origin()?), ("https", authd.https_origin()?));
    let origins = if smoke { vec![https] } else { vec![https, http] };
    for library in libraries() {
        for (scheme, issuer) in &origins {
            let mut command = match (library.language, &rust) {
                (Language::Rust, Some(built)) => Command::new(built),
                (Language::Python, _) => {
                    let mut command = Command::new(python);
                    command.arg(folder.join("people.py"));
                    command
                }
                _ => {
                    let mut command = Command::new("node");
                    command.arg(folder.join("people.mjs"));
                    command
                }
            };
            for name in ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
                command.env(name, authd.ca_file()?);
            }
            let question = json!({
                "library": library.name,
                "issuer": issuer,
                "ca_file": authd.ca_file()?,
                "secret": authd.secret_of(WEB)?,
                "person": { "username": "user@example.com", "password": "Correct-Horse-9" },
            });
            let prefix = format!("{}_over_{scheme}", library.name.to_lowercase().replace('-', "_"));
            suite.program(&prefix, &mut command, &question, &scratch.path("program.log"), PATIENCE);
        }
    }
    authd.stop()
}

/// Builds the application that is a Rust program, a workspace of its own.
fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let target = target_dir().join("xtask/rust-clients");
    let manifest = folder.join("rust/Cargo.toml");
    let mut command = cargo();
    command.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(&manifest);
    command.arg("--target-dir").arg(&target).current_dir(root());
    run(&mut command)?;
    Ok(target.join("debug/clients"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smoke_version_has_a_node_and_a_python_application() {
        let smoke: Vec<_> = LIBRARIES.iter().filter(|library| library.in_smoke).collect();
        assert_eq!(smoke.len(), 2);
        assert!(smoke.iter().any(|library| library.language == Language::Node));
        assert!(smoke.iter().any(|library| library.language == Language::Python));
    }
}
