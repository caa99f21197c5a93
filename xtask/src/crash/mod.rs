//! Crashes of every kind against the real server, and a ledger of what it had acknowledged (threats R4, R6 to R9, R12).

mod actors;
mod browser;
mod check;
mod cluster;
mod damage;
mod dice;
mod disk;
mod faults;
mod kills;
mod ledger;
mod load;
mod mounts;
mod outage;
mod power;
mod proxy;
mod site;
mod wire;

use std::time::Instant;

use self::dice::Dice;
use self::site::Template;
use crate::install;
use crate::process::{Failure, Scratch};
use crate::server;
use crate::suite::Suite;

/// How often each thing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    kills: usize,
    stops: usize,
    faults: usize,
    full_disks: usize,
    power_cuts: usize,
    outages: usize,
    damages: usize,
}

impl Size {
    fn all(count: usize) -> Self {
        Self {
            kills: count,
            stops: count,
            faults: count,
            full_disks: count,
            power_cuts: count,
            outages: count,
            damages: count,
        }
    }
}

/// What a contributor must pass: at most 40 seconds.
const SMOKE: Size =
    Size { kills: 12, stops: 1, faults: 3, full_disks: 2, power_cuts: 2, outages: 1, damages: 6 };
/// Everything.
const FULL: Size =
    Size { kills: 1_000, stops: 20, faults: 60, full_disks: 20, power_cuts: 100, outages: 40, damages: 120 };

/// What a scenario works with.
struct Ground<'a> {
    template: &'a Template,
    scratch: &'a Scratch,
    size: Size,
}

/// How a scenario ended that found nothing wrong.
enum Outcome {
    /// Its figures.
    Held(String),
    /// What the machine lacks for it.
    Skipped(String),
}

/// One kind of crash.
struct Scenario {
    name: &'static str,
    run: fn(&Ground<'_>, &mut Dice) -> Result<Outcome, Failure>,
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "forgetful", run: kills::forgetful },
    Scenario { name: "kills", run: kills::kills },
    Scenario { name: "stops", run: kills::stops },
    Scenario { name: "power", run: power::power },
    Scenario { name: "power-without-syncs", run: power::power_without_syncs },
    Scenario { name: "faults", run: faults::faults },
    Scenario { name: "outages", run: outage::outages },
    Scenario { name: "damage", run: damage::damage },
    Scenario { name: "full-disk", run: disk::full_disk },
];

fn names() -> Vec<&'static str> {
    SCENARIOS.iter().map(|scenario| scenario.name).collect()
}

/// How the task was called.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    size: Size,
    seed: u64,
    only: Option<String>,
}

impl Call {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut call = Self { size: FULL, seed: dice::seed_of_now(), only: None };
        let mut count = None;
        let mut words = arguments.iter().map(String::as_str);
        let usage = || Failure::Usage(format!("the scenarios are {}", names().join(", ")));
        while let Some(word) = words.next() {
            match word {
                "--smoke" => call.size = SMOKE,
                "--seed" => call.seed = words.next().and_then(|n| n.parse().ok()).ok_or_else(usage)?,
                "--count" => count = Some(words.next().and_then(|n| n.parse().ok()).ok_or_else(usage)?),
                "--only" => {
                    let known = words.next().filter(|name| names().contains(name));
                    call.only = Some(known.ok_or_else(usage)?.to_owned());
                }
                _ => return Err(usage()),
            }
        }
        match (count, &call.only) {
            (Some(count), Some(_)) => call.size = Size::all(count),
            (Some(_), None) => return Err(usage()),
            (None, _) => {}
        }
        Ok(call)
    }
}

/// Runs the scenarios.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let call = Call::parse(arguments)?;
    install::crash_tools()?;
    mounts::unmount_left(&std::fs::read_to_string("/proc/self/mounts").unwrap_or_default());
    let binary = server::build()?;
    let scratch = Scratch::new("crash")?;
    let mut dice = Dice::new(call.seed);
    println!("crash: --seed {} makes the same choices again", call.seed);
    let template = Template::make(&binary, &scratch)?;
    let ground = Ground { template: &template, scratch: &scratch, size: call.size };
    let mut suite = Suite::of("crash");
    for scenario in SCENARIOS {
        let mut dice = dice.fork(0);
        if call.only.as_deref().is_some_and(|only| only != scenario.name) {
            continue;
        }
        let mut skipped = None;
        let began = Instant::now();
        suite.case(scenario.name, || {
            match (scenario.run)(&ground, &mut dice)? {
                Outcome::Held(figures) => println!("     {figures}"),
                Outcome::Skipped(why) => skipped = Some(why),
            }
            Ok(())
        });
        println!("     {}: {:.1} s", scenario.name, began.elapsed().as_secs_f64());
        if let Some(why) = skipped {
            suite.note(format!("{} was SKIPPED: {why}", scenario.name));
        }
    }
    suite.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Call, Failure> {
        Call::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_call_names_its_size_its_seed_and_one_scenario() {
        assert_eq!(parse("").unwrap().size, FULL);
        assert_eq!(parse("--smoke --seed 7").unwrap(), Call { size: SMOKE, seed: 7, only: None });
        let call = parse("--seed 7 --only kills --count 3").unwrap();
        assert_eq!((call.only.as_deref(), call.size), (Some("kills"), Size::all(3)));
        for wrong in ["--seed", "--seed x", "--only nothing", "--count 3", "kills", "--smoke x"] {
            assert!(matches!(parse(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
