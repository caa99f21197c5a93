//! Runs seeds of the simulation, replays one, or measures how soon it finds mistakes: what `cargo xtask simulate` starts.
//!
//! `--seed N [--steps M] [--planted NAME]` tells the end of one run in words; `--seeds N [--from F] [--steps M]` runs many;
//! `--planted [--seeds N]` makes each mistake on purpose.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use testkit::simulation::{Figures, Planted, SEEDS, STEPS, explore, first_steps, story};

/// How many of the last lines of a replay are printed.
const LINES: usize = 400;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match Asked::parse(&words) {
        Ok(asked) => asked.run(),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug)]
struct Asked {
    seed: Option<u64>,
    seeds: Option<u64>,
    from: u64,
    steps: u64,
    planted: Option<Planted>,
    plants_all: bool,
}

impl Asked {
    fn parse(words: &[String]) -> Result<Self, String> {
        let mut named: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut rest = words.iter().map(String::as_str).peekable();
        while let Some(name) = rest.next() {
            if !["--seed", "--seeds", "--from", "--steps", "--planted"].contains(&name) {
                return Err(format!("{name:?} is not known; see the head of this file"));
            }
            named.insert(name, rest.next_if(|word| !word.starts_with("--")));
        }
        let number = |name: &str| match named.get(name) {
            None => Ok(None),
            Some(Some(text)) => text.parse().map(Some).map_err(|_| format!("{name} wants a number")),
            Some(None) => Err(format!("{name} wants a number")),
        };
        let planted = match named.get("--planted") {
            Some(Some(name)) => {
                let known = Planted::ALL.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
                Some(Planted::from_name(name).ok_or_else(|| format!("{name:?} is none of {known}"))?)
            }
            Some(None) | None => None,
        };
        Ok(Self {
            seed: number("--seed")?,
            seeds: number("--seeds")?,
            from: number("--from")?.unwrap_or(0),
            steps: number("--steps")?.unwrap_or(STEPS),
            planted,
            plants_all: named.get("--planted") == Some(&None),
        })
    }

    fn run(&self) -> ExitCode {
        if let Some(seed) = self.seed {
            let (text, is_broken) = story(seed, self.steps, self.planted, LINES);
            println!("{text}");
            return if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
        if self.plants_all || self.planted.is_some() {
            return self.measure();
        }
        let began = Instant::now();
        let explored = explore(self.from, self.seeds.unwrap_or(SEEDS), self.steps);
        let seconds = began.elapsed().as_secs_f64();
        tell(&explored.figures, seconds);
        match explored.broken {
            None => ExitCode::SUCCESS,
            Some(seed) => {
                println!("{}", story(seed, self.steps, None, LINES).0);
                ExitCode::FAILURE
            }
        }
    }

    /// After how many steps each mistake is found, over many seeds.
    fn measure(&self) -> ExitCode {
        let seeds = self.seeds.unwrap_or(20);
        let mut exit = ExitCode::SUCCESS;
        println!("steps until found, over {seeds} seeds of {} steps:", self.steps);
        for (planted, name) in
            Planted::ALL.iter().filter(|(one, _)| self.planted.is_none_or(|only| only == *one))
        {
            let mut found = first_steps(self.from, seeds, self.steps, *planted);
            found.sort_unstable();
            match (found.first(), found.get(found.len() / 2), found.last()) {
                (Some(least), Some(median), Some(most)) => {
                    println!(
                        "{name:<28} {:>3} found; {least} at least, {median} in the middle, {most} at most",
                        found.len()
                    );
                }
                _ => {
                    println!("{name:<28} not found");
                    exit = ExitCode::FAILURE;
                }
            }
        }
        exit
    }
}

fn tell(figures: &Figures, seconds: f64) {
    println!("{figures:#?}");
    println!("{} steps in {seconds:.1} s: {:.0} a second", figures.steps, figures.steps as f64 / seconds);
}
