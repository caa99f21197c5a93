//! Many runs at once, and what is said about one that broke something.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Figures, Planted, replay, simulate};

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// The figures of all of them.
    pub figures: Figures,
    /// The lowest seed that broke something.
    pub broken: Option<u64>,
}

/// Runs `seeds` seeds from `from` on, as many at a time as there are cores. Every one is run, whatever the others do.
pub fn explore(from: u64, seeds: u64, steps: u64) -> Explored {
    let explored = Mutex::new(Explored::default());
    each(from, seeds, |seed| {
        let outcome = simulate(seed, steps, None);
        let mut explored = explored.lock().expect("no run panics");
        explored.figures.add(&outcome.figures);
        if outcome.broken.is_some() {
            explored.broken = Some(explored.broken.map_or(seed, |lowest| lowest.min(seed)));
        }
    });
    explored.into_inner().expect("no run panics")
}

/// In which step each seed finds a planted mistake; what does not find it is left out.
pub fn first_steps(from: u64, seeds: u64, steps: u64, planted: Planted) -> Vec<u64> {
    let found = Mutex::new(Vec::new());
    each(from, seeds, |seed| {
        if let Some(broken) = simulate(seed, steps, Some(planted)).broken {
            found.lock().expect("no run panics").push(broken.step);
        }
    });
    found.into_inner().expect("no run panics")
}

fn each(from: u64, seeds: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::SeqCst);
                    if place >= seeds {
                        return;
                    }
                    run(from + place);
                }
            });
        }
    });
}

/// The last lines of a run, how it ended and how to see it again; and whether something was broken.
pub fn story(seed: u64, steps: u64, planted: Option<Planted>, lines: usize) -> (String, bool) {
    let outcome = replay(seed, steps, planted);
    let from = outcome.lines.len().saturating_sub(lines);
    let mut text = outcome.lines[from..].join("\n");
    let planted = planted.map(|planted| format!(" --planted {}", planted.name())).unwrap_or_default();
    match &outcome.broken {
        Some(broken) => text.push_str(&format!(
            "\n\nseed {seed}, step {}: {}\nsee it again: cargo xtask simulate --seed {seed}{planted}",
            broken.step, broken.what
        )),
        None => text.push_str(&format!(
            "\n\nseed {seed}: {} steps, and nothing was broken; trace {:016x}",
            outcome.figures.steps, outcome.digest
        )),
    }
    (text, outcome.broken.is_some())
}
