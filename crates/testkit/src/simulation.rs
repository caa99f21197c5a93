//! A deterministic simulation: clients, two servers, a disk and a clock, all from one seed (docs/adr/0010; threats R27).
//!
//! The servers are authd's own: requests go through its router, its endpoints, its decisions and its store. What is
//! simulated is the world around them. A *step* is one choice of the dice: somebody asks, a request gets as far as to its
//! next operation of the storage, the clock is turned, a connection breaks, a server is killed. Everything happens in one
//! thread, so that a seed always tells the same story, and [`replay`] tells it in words.

mod asked;
mod client;
mod clock;
mod dice;
mod disk;
mod knowledge;
mod oracle;
mod place;
mod planted;
mod report;
mod run;
mod storage;
mod trace;

pub use oracle::Figures;
pub use planted::Planted;
pub use report::{Explored, explore, first_steps, story};

/// How many seeds `cargo xtask test` runs.
pub const SEEDS: u64 = 50;
/// How many steps of each: a million in all.
pub const STEPS: u64 = 20_000;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What happened, in numbers.
    pub figures: Figures,
    /// A digest of all that happened: the same for the same seed.
    pub digest: u64,
    /// What was broken, if something was. The run ended with it.
    pub broken: Option<Violation>,
    /// What happened, in words; empty unless the run is a replay.
    pub lines: Vec<String>,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// In which step it was seen.
    pub step: u64,
    /// Which.
    pub what: String,
}

/// Runs so many steps of a seed, with or without a mistake that is made on purpose.
pub fn simulate(seed: u64, steps: u64, planted: Option<Planted>) -> Outcome {
    run(seed, steps, planted, false)
}

/// The same run, told in words.
pub fn replay(seed: u64, steps: u64, planted: Option<Planted>) -> Outcome {
    run(seed, steps, planted, true)
}

fn run(seed: u64, steps: u64, planted: Option<Planted>, keeps_lines: bool) -> Outcome {
    run_on(place::beginning().clone(), seed, steps, planted, keeps_lines)
}

fn run_on(disk: disk::Disk, seed: u64, steps: u64, planted: Option<Planted>, keeps_lines: bool) -> Outcome {
    // The handlers ask for a timer, which never runs: nothing here takes time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime starts");
    let _entered = runtime.enter();
    run::Run::new(seed, disk, planted, keeps_lines).steps(steps)
}

#[cfg(test)]
mod tests;
