//! Named steps with their times, and the summary at the end of a long task.

use std::time::Instant;

use crate::process::{Failure, failed};

/// The steps of one task: each is printed with its time, the first failure ends the task.
pub(crate) struct Steps {
    task: &'static str,
    began: Instant,
    done: Vec<(String, f64)>,
    notes: Vec<String>,
}

impl Steps {
    /// The steps of this task.
    pub(crate) fn of(task: &'static str) -> Self {
        Self { task, began: Instant::now(), done: Vec::new(), notes: Vec::new() }
    }

    /// Runs one step.
    pub(crate) fn step(
        &mut self,
        name: &str,
        run: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        println!("\n=== {}: {name}", self.task);
        let began = Instant::now();
        let outcome = run();
        let seconds = began.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                println!("=== {}: {name}: ok in {seconds:.1} s", self.task);
                self.done.push((name.to_owned(), seconds));
                Ok(())
            }
            Err(why) => {
                println!("=== {}: {name}: FAILED after {seconds:.1} s", self.task);
                println!("{}", self.summary());
                failed(format!("step \"{name}\": {why}"))
            }
        }
    }

    /// Keeps a remark for the summary, such as a check that could not run.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("note: {text}");
        self.notes.push(text);
    }

    /// What was done, and how long each step took.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("\n--- {}: steps that passed\n", self.task);
        for (name, seconds) in &self.done {
            text.push_str(&format!("{seconds:>8.1} s  {name}\n"));
        }
        text.push_str(&format!("{:>8.1} s  in all", self.began.elapsed().as_secs_f64()));
        for note in &self.notes {
            text.push_str(&format!("\nnote: {note}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_the_task_and_is_named() {
        let mut steps = Steps::of("probe");
        steps.step("first", || Ok(())).unwrap();
        let failure = steps.step("second", || failed("it broke")).unwrap_err();
        assert_eq!(failure.to_string(), "step \"second\": it broke");
        assert!(steps.summary().contains("first") && !steps.summary().contains("second"));
    }
}
