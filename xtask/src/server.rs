//! The real authd as a process, on free ports, with a data folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::process::{Failure, Running, cargo, failed, output, run, target_dir};

/// Builds the server unless `AUTHD_BINARY` names one, and returns its path.
pub(crate) fn build() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("AUTHD_BINARY") {
        return Ok(PathBuf::from(path));
    }
    run(cargo().args(["build", "--quiet", "-p", "authd"]))?;
    Ok(target_dir().join("debug/authd"))
}

/// A running `authd dev` and what it said about itself.
pub(crate) struct Authd {
    running: Running,
    binary: PathBuf,
    data: PathBuf,
    said: Value,
}

impl Authd {
    /// Starts `authd dev` on these ports (0: any free one) and waits for its line.
    pub(crate) fn start(binary: &Path, data: &Path, log: &Path, ports: (u16, u16)) -> Result<Self, Failure> {
        let mut command = Command::new(binary);
        command.args(["dev", "--json", "--data"]).arg(data);
        command.args(["--http-port", &ports.0.to_string(), "--https-port", &ports.1.to_string()]);
        Self::from_command(binary, data, command, log)
    }

    /// Runs this command of `authd dev`, which works on that data folder, and waits for its line.
    pub(crate) fn from_command(
        binary: &Path,
        data: &Path,
        mut command: Command,
        log: &Path,
    ) -> Result<Self, Failure> {
        let mut running = Running::start("authd", &mut command, log)?;
        let line = running.line(Duration::from_secs(120))?;
        let said = match serde_json::from_str(&line) {
            Ok(said) => said,
            Err(error) => return failed(format!("authd's line is not JSON: {error}: {line}")),
        };
        Ok(Self { running, binary: binary.to_path_buf(), data: data.to_path_buf(), said })
    }

    fn text(&self, name: &str) -> Result<&str, Failure> {
        match self.said.get(name).and_then(Value::as_str) {
            Some(text) => Ok(text),
            None => failed(format!("authd's line has no {name}: {}", self.said)),
        }
    }

    /// The plain origin, which is also the issuer of tokens asked for there: `http://localhost:PORT/`.
    pub(crate) fn http_origin(&self) -> Result<&str, Failure> {
        self.text("http_origin")
    }

    /// The TLS origin: `https://localhost:PORT/`.
    pub(crate) fn https_origin(&self) -> Result<&str, Failure> {
        self.text("https_origin")
    }

    /// The file with the certificate of authd's own authority.
    pub(crate) fn ca_file(&self) -> Result<&str, Failure> {
        self.text("ca_file")
    }

    /// The ready-to-paste `curl` line.
    pub(crate) fn curl(&self) -> Result<&str, Failure> {
        self.text("curl")
    }

    /// The ports of the two origins.
    pub(crate) fn ports(&self) -> Result<(u16, u16), Failure> {
        let port =
            |origin: &str| origin.trim_end_matches('/').rsplit(':').next().and_then(|p| p.parse().ok());
        match (port(self.http_origin()?), port(self.https_origin()?)) {
            (Some(http), Some(https)) => Ok((http, https)),
            _ => failed(format!("the origins have no ports: {}", self.said)),
        }
    }

    /// The secret of one of the applications that the server printed.
    pub(crate) fn secret_of(&self, client_id: &str) -> Result<&str, Failure> {
        let applications = self.said.get("applications").and_then(Value::as_array);
        let application = applications
            .into_iter()
            .flatten()
            .find(|application| application.get("client_id").and_then(Value::as_str) == Some(client_id));
        match application.and_then(|found| found.get("client_secret")).and_then(Value::as_str) {
            Some(secret) => Ok(secret),
            None => {
                failed(format!("authd's line has no application {client_id} with a secret: {}", self.said))
            }
        }
    }

    /// A command of authd that needs no data folder.
    pub(crate) fn verifier(&self) -> Command {
        Command::new(&self.binary)
    }

    /// A command of authd on this server's data folder.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words).arg("--data").arg(&self.data);
        command
    }

    /// Runs a command of authd on this server's data folder and returns what it printed as JSON.
    pub(crate) fn administer(&self, words: &[&str]) -> Result<Value, Failure> {
        let mut command = self.command(words);
        command.arg("--json");
        let text = output(&mut command)?;
        match serde_json::from_str(&text) {
            Ok(json) => Ok(json),
            Err(error) => failed(format!("authd {} printed no JSON: {error}: {text}", words.join(" "))),
        }
    }

    /// Stops the server as an administrator would (SIGTERM); it must end with success.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        let tail = self.running.log_tail();
        let status = self.running.stop()?;
        if status.success() {
            Ok(())
        } else {
            failed(format!("authd ended with {status} after SIGTERM\n{tail}"))
        }
    }

    /// Kills the server at once.
    pub(crate) fn kill(self) -> Result<(), Failure> {
        self.running.kill()
    }

    /// The last lines of the server's log.
    pub(crate) fn log_tail(&self) -> String {
        self.running.log_tail()
    }
}
