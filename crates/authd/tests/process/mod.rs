//! The real binary as a process, and a client that speaks HTTP/1.1 byte by byte.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its own part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

/// The seed's machine.
pub(crate) const SECRET: &str = "geocoding-worker-secret-0123456789abcdef0123456789a";
pub(crate) const AUDIENCE: &str = "https://api.example.com/geocoding/v1/";

/// A running `authd`; killed with SIGKILL when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) banner: Value,
    log: std::thread::JoinHandle<String>,
}

pub(crate) fn authd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authd"));
    command.env_remove("AUTHD_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    authd().args(arguments).output().expect("the binary starts")
}

/// Runs a command that must succeed, and returns what it printed.
pub(crate) fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

impl Server {
    /// `authd dev` on free ports.
    pub(crate) fn dev(data: &Path) -> Self {
        Self::dev_with(data, "0", &[])
    }

    /// `authd dev` on this http port.
    pub(crate) fn dev_with(data: &Path, http_port: &str, more: &[&str]) -> Self {
        let mut command = authd();
        command
            .args(["dev", "--http-port", http_port, "--https-port", "0", "--json", "--data"])
            .arg(data)
            .args(more);
        Self::start(command, |line| serde_json::from_str(line).ok())
    }

    /// Starts a server and waits for the line of standard output that `ready` understands.
    pub(crate) fn start(command: Command, ready: impl Fn(&str) -> Option<Value>) -> Self {
        Self::start_logging_to(command, Stdio::piped(), ready)
    }

    /// Starts `authd dev` with this as its standard error.
    pub(crate) fn start_with_log(command: Command, log: Stdio) -> Self {
        Self::start_logging_to(command, log, |line| serde_json::from_str(line).ok())
    }

    fn start_logging_to(mut command: Command, log: Stdio, ready: impl Fn(&str) -> Option<Value>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = child.stderr.take();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            if let Some(mut stderr) = stderr {
                let _ = stderr.read_to_string(&mut text);
            }
            text
        });
        let mut line = String::new();
        while stdout.read_line(&mut line).unwrap_or(0) > 0 {
            if let Some(banner) = ready(&line) {
                return Self { child, banner, log };
            }
            line.clear();
        }
        let _ = child.wait();
        panic!("the server ended before it was ready: {}", log.join().unwrap_or_default());
    }

    /// Host and port of the plain origin.
    pub(crate) fn authority(&self) -> String {
        let origin = self.banner["http_origin"].as_str().unwrap();
        origin.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    pub(crate) fn issuer(&self) -> String {
        self.banner["http_origin"].as_str().unwrap().to_owned()
    }

    pub(crate) fn http_port(&self) -> String {
        self.authority().rsplit(':').next().unwrap().to_owned()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(&self.authority())
    }

    /// A token for the seed's machine.
    pub(crate) fn token(&self) -> String {
        let (status, body) = self.ask(&seed_request());
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends a token request; returns status and body.
    pub(crate) fn ask(&self, body: &str) -> (u16, String) {
        post(&self.authority(), &self.authority(), body)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let authority = self.authority();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
        exchange(&authority, request.as_bytes())
    }

    /// Ends the process at once, as a crash would.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.log()
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the process to end; returns its exit code and its log.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (status.code(), self.log())
    }

    fn log(&mut self) -> String {
        let log = std::mem::replace(&mut self.log, std::thread::spawn(String::new));
        log.join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn seed_request() -> String {
    format!(
        r#"{{"grant_type":"client_credentials","client_id":"geocoding-worker","client_secret":"{SECRET}","audience":"{AUDIENCE}"}}"#
    )
}

pub(crate) fn connect(authority: &str) -> TcpStream {
    let stream = TcpStream::connect(authority).unwrap();
    // Only so that a server that hangs fails the test: nothing is measured by it.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

pub(crate) fn post(address: &str, host: &str, body: &str) -> (u16, String) {
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    exchange(address, request.as_bytes())
}

/// Sends bytes, reads until the server closes; returns status and body.
pub(crate) fn exchange(address: &str, request: &[u8]) -> (u16, String) {
    let mut stream = connect(address);
    // The server may answer and close before it has read all.
    let _ = stream.write_all(request);
    read(&mut stream)
}

/// Reads a whole answer; the status is 0 where the server closed without one.
pub(crate) fn read(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    (status, body)
}

/// Asks again until the answer is as wanted, for changes that another process made; gives up after ten seconds.
pub(crate) fn eventually<T>(mut ask: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    for _ in 0..200 {
        let answer = ask();
        if wanted(&answer) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    ask()
}
