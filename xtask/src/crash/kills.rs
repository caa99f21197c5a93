//! The server's process is killed at random moments under load, and started again (threat R4).

use std::time::{Duration, Instant};

use super::check::{self, Depth, Findings};
use super::dice::{Dice, median_and_most};
use super::load::{EVERYBODY, Load};
use super::site::{Serving, copy_data, sound};
use super::{Ground, Outcome};
use crate::process::{Failure, failed};

/// How soon a killed server must be ready again.
const READY: Duration = Duration::from_secs(1);

/// Kills a server at random moments.
pub(super) fn kills(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    let count = ground.size.kills;
    let site = ground.template.copy_to(&ground.scratch.path("kills"))?;
    let mut serving = site.start()?;
    let load = Load::on(&site, EVERYBODY, dice)?;
    let (mut ready, mut found, began) = (Vec::new(), Findings::default(), Instant::now());
    let mut while_starting = 0;
    for number in 1..=count {
        load.run_for(dice.milliseconds(50, 500));
        serving.kill()?;
        load.pause()?;
        if dice.percent(10) {
            // Again while it starts, when it reads the log that the last one left.
            let starting = site.spawn_under(&[])?;
            std::thread::sleep(dice.milliseconds(1, 60));
            starting.kill()?;
            while_starting += 1;
        }
        serving = site.start()?;
        ready.push(serving.ready);
        let depth = if number == count { Depth::Everything } else { Depth::Newest };
        found.absorb(load.check(&site, depth, dice)?);
        if found.is_bad() {
            return failed(format!("after kill {number}: {found}\n{}", serving.log_tail()));
        }
        if number % 50 == 0 {
            println!("     {number} kills: {found}, ready after {}", median_and_most(&ready));
        }
    }
    let ledger = load.end()?;
    stop(serving)?;
    sound(&site.data())?;
    let late = ready.iter().filter(|time| **time >= READY).count();
    let figures = format!(
        "{count} kills under load and {while_starting} while starting, in {:.0} s: {} acknowledged answers, {} of them \
         changes; {found}; ready again after {}",
        began.elapsed().as_secs_f64(),
        ledger.acknowledged,
        ledger.changes,
        median_and_most(&ready)
    );
    // One start in a hundred may be late: the machine has other things to do.
    if late > count / 100 {
        return failed(format!("{late} starts took longer than {READY:?}; {figures}"));
    }
    Ok(Outcome::Held(figures))
}

/// Stops a server in good order under load.
pub(super) fn stops(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    let count = ground.size.stops;
    let site = ground.template.copy_to(&ground.scratch.path("stops"))?;
    let mut serving = site.start()?;
    let load = Load::on(&site, EVERYBODY, dice)?;
    let (mut times, mut found) = (Vec::new(), Findings::default());
    for number in 1..=count {
        load.run_for(dice.milliseconds(50, 300));
        let began = Instant::now();
        stop(serving)?;
        times.push(began.elapsed());
        load.pause()?;
        serving = site.start()?;
        let depth = if number == count { Depth::Everything } else { Depth::Newest };
        found.absorb(load.check(&site, depth, dice)?);
        found.must_be_clean()?;
    }
    let ledger = load.end()?;
    stop(serving)?;
    sound(&site.data())?;
    Ok(Outcome::Held(format!(
        "{count} stops by SIGTERM under load: {} acknowledged changes; {found}; stopped after {}",
        ledger.changes,
        median_and_most(&times)
    )))
}

/// Ends a server with SIGTERM: it must end well.
pub(crate) fn stop(serving: Serving) -> Result<(), Failure> {
    serving.signal("TERM")?;
    let tail = serving.log_tail();
    let status = serving.ended(Duration::from_secs(20))?;
    if !status.success() {
        return failed(format!("authd ended with {status} after SIGTERM\n{tail}"));
    }
    Ok(())
}

/// What a server that forgets would look like: the same ledger against a copy of its data from before. It must be noticed.
pub(super) fn forgetful(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    let site = ground.template.copy_to(&ground.scratch.path("forgetful"))?;
    let older = ground.scratch.path("forgetful-older");
    let mut serving = site.start()?;
    let load = Load::on(&site, EVERYBODY, dice)?;
    let busy = |load: &Load| match load.run_until(150, Duration::from_secs(60)) {
        true => load.pause(),
        false => failed("the clients get nowhere"),
    };
    busy(&load)?;
    serving.kill()?;
    copy_data(&site.data(), &older)?;
    serving = site.start()?;
    busy(&load)?;
    serving.kill()?;
    let mut ledger = load.ledger();
    load.end()?;
    copy_data(&older, &site.data())?;
    serving = site.start()?;
    let found = check::check(&site, &mut ledger, check::now(), Depth::Everything, dice)?;
    stop(serving)?;
    if found.lost.is_empty() || found.resurrected.is_empty() {
        return failed(format!("a server that forgot was believed: {found}"));
    }
    let (lost, resurrected) = (found.lost.len(), found.resurrected.len());
    Ok(Outcome::Held(format!(
        "a server on older data: {lost} lost and {resurrected} resurrected, as it must be"
    )))
}
