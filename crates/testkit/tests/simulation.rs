//! A million steps of clients, crashes, clock jumps and lost answers on the real handlers (docs/adr/0010; threats R1 to R3, R10, R27).
//!
//! `AUTHD_SIMULATION_SEEDS` says how many seeds are run, 20,000 steps each; by default 50.

use testkit::simulation::{Planted, SEEDS, STEPS, explore, simulate, story};

#[test]
fn r27_a_million_steps_break_no_promise() {
    let seeds = std::env::var("AUTHD_SIMULATION_SEEDS").map_or(SEEDS, |text| text.parse().unwrap());
    let explored = explore(0, seeds, STEPS);
    if let Some(seed) = explored.broken {
        panic!("{}", story(seed, STEPS, None, 60).0);
    }
    let figures = explored.figures;
    println!("{figures:#?}");
    assert_eq!(figures.steps, seeds * STEPS);
    // Of whatever a promise is about there must have been some, in each seed on average.
    for (what, count, least) in [
        ("R1: codes redeemed", figures.redeemed, 20),
        ("R1: codes refused", figures.codes_refused, 20),
        ("R2: tokens rotated", figures.refreshed, 20),
        ("R2: families ended", figures.ended, 20),
        ("R3: answers lost", figures.lost, 20),
        ("R3: successors given again", figures.retried, 1),
        ("R4: servers killed", figures.crashes, 1),
        ("R5: failures of the storage", figures.failures, 1),
        ("conflicts", figures.conflicts, 20),
        ("sessions ended", figures.logouts, 5),
        ("consents given", figures.consents, 20),
        ("consents withdrawn", figures.withdrawals, 5),
    ] {
        assert!(count >= least * seeds, "{what}: {count} in {seeds} seeds");
    }
}

/// The first seed, of so many, in which a mistake is found, and the step.
fn found(planted: Planted) -> Option<(u64, u64)> {
    (0..20).find_map(|seed| Some((seed, simulate(seed, STEPS, Some(planted)).broken?.step)))
}

#[test]
fn r27_each_planted_mistake_is_found_and_its_seed_shows_it_again() {
    for (planted, name) in Planted::ALL {
        let Some((seed, step)) = found(*planted) else { panic!("{name} was not found") };
        println!("{name}: seed {seed}, step {step}");
        let (text, is_broken) = story(seed, step, Some(*planted), 20);
        assert!(is_broken, "{name}: the replay shows nothing");
        assert!(text.contains(&format!("seed {seed}, step {step}: ")), "{text}");
        assert!(text.contains(&format!("cargo xtask simulate --seed {seed} --planted {name}")), "{text}");
        let (_, is_broken) = story(seed, step - 1, Some(*planted), 20);
        assert!(!is_broken, "{name}: it was found a step before");
    }
}
