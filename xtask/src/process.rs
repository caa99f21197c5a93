//! Child processes: commands that must succeed, and servers that are stopped when their owner leaves.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Why a task did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The task was called wrongly.
    Usage(String),
    /// A check failed or a command did not succeed.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// A failure with this text.
pub(crate) fn failed<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Failed(why.into()))
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The folder where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The ignored folder where this program keeps other people's tools.
pub(crate) fn tools_dir() -> PathBuf {
    root().join(".xtask")
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A command's words, for messages.
pub(crate) fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy();
    let arguments = command.get_args().map(|word| word.to_string_lossy());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// Runs a command that must succeed. It sees no input; its output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let words = spelled(command);
    println!("$ {words}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => failed(format!("`{words}` ended with {status}")),
        Err(error) => failed(format!("`{words}` could not start: {error}")),
    }
}

/// Runs a command that must succeed, and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let words = spelled(command);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => failed(format!(
            "`{words}` ended with {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => failed(format!("`{words}` could not start: {error}")),
    }
}

/// Whether a program can be started at all.
pub(crate) fn exists(program: &str, probe: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(probe).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A server that this program started. Dropping it kills it.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

impl Running {
    /// Starts a server. What it writes to standard error goes to the file `log`.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self, Failure> {
        command.stdin(Stdio::null());
        Self::spawn(name, command, log)
    }

    /// Starts a program that reads this text to its end.
    pub(crate) fn ask(
        name: &'static str,
        command: &mut Command,
        log: &Path,
        input: &str,
    ) -> Result<Self, Failure> {
        command.stdin(Stdio::piped());
        let mut running = Self::spawn(name, command, log)?;
        if let Some(mut stdin) = running.child.stdin.take() {
            // A program that does not read what it is asked says so by what it prints.
            let _it_may_have_ended = stdin.write_all(input.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        }
        Ok(running)
    }

    fn spawn(name: &'static str, command: &mut Command, log: &Path) -> Result<Self, Failure> {
        let words = spelled(command);
        let file = match std::fs::OpenOptions::new().create(true).append(true).open(log) {
            Ok(file) => file,
            Err(error) => return failed(format!("{}: {error}", log.display())),
        };
        command.stdout(Stdio::piped()).stderr(file);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return failed(format!("`{words}` could not start: {error}")),
        };
        let (sender, lines) = channel();
        if let Some(out) = child.stdout.take() {
            // Reads to the end, so that the server never waits for a full pipe.
            std::thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let _nobody_listens_any_more = sender.send(line);
                }
            });
        }
        Ok(Self { name, child, lines, log: log.to_path_buf() })
    }

    /// The next line of the server's standard output.
    pub(crate) fn line(&mut self, patience: Duration) -> Result<String, Failure> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => {
                failed(format!("{} printed nothing for {patience:?}\n{}", self.name, self.log_tail()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                failed(format!("{} closed its standard output\n{}", self.name, self.log_tail()))
            }
        }
    }

    /// Asks the server to stop (SIGTERM), and returns how it ended.
    pub(crate) fn stop(self) -> Result<ExitStatus, Failure> {
        // The standard library cannot send SIGTERM.
        output(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        self.ended(Duration::from_secs(20))
    }

    /// Waits for a program that is about to end, and returns how it ended.
    pub(crate) fn ended(mut self, patience: Duration) -> Result<ExitStatus, Failure> {
        self.wait_for_end(patience)
    }

    /// The same, of a program that its owner keeps.
    pub(crate) fn wait_for_end(&mut self, patience: Duration) -> Result<ExitStatus, Failure> {
        let asked = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if asked.elapsed() < patience => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Ok(None) => return failed(format!("{} did not end in {patience:?}", self.name)),
                Err(error) => return failed(format!("{}: {error}", self.name)),
            }
        }
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills the server at once (SIGKILL).
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.kill_now()
    }

    /// The same, of a server that its owner keeps.
    pub(crate) fn kill_now(&mut self) -> Result<(), Failure> {
        match self.child.kill().and_then(|()| self.child.wait()) {
            Ok(_) => Ok(()),
            Err(error) => failed(format!("{}: {error}", self.name)),
        }
    }

    /// The last lines of what the server wrote to standard error.
    pub(crate) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(20);
        lines.iter().skip(from).map(|line| format!("    {} | {line}\n", self.name)).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A folder for one run, removed when its owner leaves.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a folder of this name for this process under the target directory.
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let dir = target_dir().join("xtask").join(format!("{name}-{}", std::process::id()));
        let _left_by_an_older_process = std::fs::remove_dir_all(&dir);
        match std::fs::create_dir_all(&dir) {
            Ok(()) => Ok(Self(dir)),
            Err(error) => failed(format!("{}: {error}", dir.display())),
        }
    }

    /// A path inside the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_a_failure_that_names_it() {
        let failure = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(failure.to_string().contains("`sh -c exit 3` ended with exit status: 3"), "{failure}");
        let failure = run(&mut Command::new("/there/is/no/such/program")).unwrap_err();
        assert!(failure.to_string().contains("could not start"), "{failure}");
    }

    #[test]
    fn a_server_is_heard_and_stopped() {
        let scratch = Scratch::new("process-test").unwrap();
        let log = scratch.path("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo grumble >&2; echo ready; exec tail -f /dev/null"]);
        let mut server = Running::start("sh", &mut command, &log).unwrap();
        assert_eq!(server.line(Duration::from_secs(20)).unwrap(), "ready");
        drop(server);
        assert!(std::fs::read_to_string(&log).unwrap().contains("grumble"));
    }
}
