//! Cases that are counted and named as they end: our own, and those of programs written with other people's libraries.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::{Failure, Running, failed};

/// The cases that ran, each printed as it ends.
pub(crate) struct Suite {
    task: &'static str,
    passed: usize,
    failed: Vec<String>,
    notes: Vec<String>,
}

impl Suite {
    /// The cases of this task.
    pub(crate) fn of(task: &'static str) -> Self {
        Self { task, passed: 0, failed: Vec::new(), notes: Vec::new() }
    }

    /// Runs one case. A failure does not keep the next ones from running.
    pub(crate) fn case(&mut self, name: &str, check: impl FnOnce() -> Result<(), Failure>) {
        let outcome = check();
        self.ended(name, outcome);
    }

    /// Keeps a remark for the end, such as a case that could not run.
    pub(crate) fn note(&mut self, text: String) {
        println!("note: {text}");
        self.notes.push(text);
    }

    fn ended(&mut self, name: &str, outcome: Result<(), Failure>) {
        match outcome {
            Ok(()) => {
                println!("test {}::{name} ... ok", self.task);
                self.passed += 1;
            }
            Err(why) => {
                println!(
                    "test {}::{name} ... FAILED\n    {}",
                    self.task,
                    why.to_string().replace('\n', "\n    ")
                );
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Starts a program that reads one question and prints one line of JSON for each of its cases, at last how many they
    /// were. Their names get this prefix.
    pub(crate) fn program(
        &mut self,
        prefix: &str,
        command: &mut Command,
        question: &Value,
        log: &Path,
        patience: Duration,
    ) {
        let began = Instant::now();
        let told = Running::ask("program", command, log, &question.to_string())
            .and_then(|program| self.listen(prefix, program, patience));
        match told {
            Ok(()) => println!("     {prefix}: {:.1} s", began.elapsed().as_secs_f64()),
            Err(why) => self.ended(&format!("{prefix}_runs_to_its_end"), Err(why)),
        }
    }

    fn listen(&mut self, prefix: &str, mut program: Running, patience: Duration) -> Result<(), Failure> {
        let until = Instant::now() + patience;
        let mut heard = 0;
        loop {
            let text = program.line(until.saturating_duration_since(Instant::now()))?;
            let line: Value = match serde_json::from_str(&text) {
                Ok(line) => line,
                Err(error) => return failed(format!("{error}: {text}")),
            };
            let text_of = |name: &str| line.get(name).and_then(Value::as_str);
            if let Some(note) = text_of("note") {
                println!("note: {prefix}: {note}");
                self.notes.push(format!("{prefix}: {note}"));
            } else if let Some(name) = text_of("name") {
                heard += 1;
                let is_ok = line.get("ok") == Some(&Value::Bool(true));
                let why = || Failure::Failed(text_of("why").unwrap_or("it does not say why").to_owned());
                self.ended(&format!("{prefix}_{name}"), if is_ok { Ok(()) } else { Err(why()) });
            } else if let Some(count) = line.get("done").and_then(Value::as_u64) {
                if count != heard || heard == 0 {
                    return failed(format!("{count} cases ended, and {heard} were heard of"));
                }
                let status = program.ended(Duration::from_secs(20))?;
                return if status.success() { Ok(()) } else { failed(format!("ended with {status}")) };
            } else {
                return failed(format!("a line that nobody understands: {text}"));
            }
        }
    }

    /// The counts; a failure if there was one.
    pub(crate) fn end(self) -> Result<(), Failure> {
        println!("\n{} passed, {} failed", self.passed, self.failed.len());
        for note in &self.notes {
            println!("note: {note}");
        }
        if self.failed.is_empty() {
            Ok(())
        } else {
            failed(format!("{}: {}", self.task, self.failed.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Scratch;

    #[test]
    fn a_failed_case_is_counted_and_named() {
        let mut suite = Suite::of("probe");
        suite.case("good", || Ok(()));
        suite.case("bad", || failed("it broke"));
        assert_eq!((suite.passed, &suite.failed), (1, &vec!["bad".to_owned()]));
        assert!(suite.end().unwrap_err().to_string().contains("probe: bad"));
    }

    fn told(script: &str) -> Suite {
        let scratch = Scratch::new("suite-test").unwrap();
        let mut suite = Suite::of("probe");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        suite.program("it", &mut command, &Value::Bool(true), &scratch.path("log"), Duration::from_secs(20));
        suite
    }

    #[test]
    fn a_program_that_tells_everything_is_heard() {
        let good =
            r#"read q; echo "{\"name\":\"hears_$q\",\"ok\":true}"; echo '{"note":"n"}'; echo '{"done":1}'"#;
        let suite = told(good);
        assert_eq!((suite.passed, suite.failed.len(), suite.notes.len()), (1, 0, 1), "{:?}", suite.failed);
    }

    #[test]
    fn a_program_that_breaks_off_or_lies_about_its_cases_is_a_failure() {
        for script in [
            "exit 0",
            r#"echo '{"done":0}'"#,
            r#"echo '{"name":"a","ok":true}'; exit 1"#,
            r#"echo '{"name":"a","ok":true}'; echo '{"done":2}'"#,
            r#"echo '{"name":"a","ok":true}'; echo '{"done":1}'; exit 3"#,
            "echo hello",
        ] {
            assert_eq!(told(script).failed, ["it_runs_to_its_end"], "{script}");
        }
        assert_eq!(told(r#"echo '{"name":"a","ok":false}'; echo '{"done":1}'"#).failed, ["it_a"]);
    }
}
