//! System calls of the server that fail, and processes that are killed inside one (threats R4, R7).

use std::time::Duration;

use super::check::{Depth, Findings};
use super::dice::Dice;
use super::kills::stop;
use super::load::{Load, WITHOUT_COMMANDS};
use super::site::{Serving, Site, machine_token, sound};
use super::{Ground, Outcome};
use crate::process::{Failure, exists, failed};

/// How long a fault may let itself be waited for, and the recovery from it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing that changes something is acknowledged until a restart; what needs no change is answered.
    NothingIsWritten,
    /// When it has passed the server goes on without a restart.
    ItPasses,
    /// The process has ended in the middle of the call.
    ItIsDead,
}

/// Which calls fail, from the so-manieth of a thread on.
struct Fault {
    name: &'static str,
    call: &'static str,
    /// What becomes of the call, and of which calls: `{}` is where it begins.
    what: &'static str,
    then: Then,
}

/// A build of SQLite uses one of these two.
pub(super) const SYNC: &str = "fsync,fdatasync";
const WRITE: &str = "pwrite64";

const FAULTS: &[Fault] = &[
    Fault {
        name: "one sync fails, and later ones say that all is well",
        call: SYNC,
        what: "error=EIO:when={}",
        then: Then::NothingIsWritten,
    },
    Fault { name: "killed in a sync", call: SYNC, what: "signal=KILL:when={}", then: Then::ItIsDead },
    Fault {
        name: "no space for 100 writes",
        call: WRITE,
        what: "error=ENOSPC:when={}..+100",
        then: Then::ItPasses,
    },
    Fault {
        name: "every sync fails from one on",
        call: SYNC,
        what: "error=EIO:when={}+",
        then: Then::NothingIsWritten,
    },
    Fault {
        name: "every write fails from one on",
        call: WRITE,
        what: "error=EIO:when={}+",
        then: Then::NothingIsWritten,
    },
    Fault { name: "killed in a write", call: WRITE, what: "signal=KILL:when={}", then: Then::ItIsDead },
];

impl Fault {
    /// The words for `strace`.
    fn wrapper(&self, from: usize) -> Vec<String> {
        let when = match self.what.split_once("..+") {
            Some((before, count)) => {
                let last = from + count.parse().unwrap_or(0);
                format!("{}..{last}", before.replace("{}", &from.to_string()))
            }
            None => self.what.replace("{}", &from.to_string()),
        };
        let call = self.call;
        let mut words = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
        if !self.what.starts_with("signal") {
            // Other calls are not slowed down. Signals do not come that way (strace 6.1).
            words.push("--seccomp-bpf");
        }
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words.push("-e".to_owned());
        words.extend([format!("trace={call}"), "-e".to_owned(), format!("inject={call}:{when}")]);
        words
    }
}

/// The faults in turn, from a call on that chance names.
pub(super) fn faults(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    if let Some(why) = lacks_strace() {
        return Ok(Outcome::Skipped(why));
    }
    let (mut found, mut unavailable, mut changes) = (Findings::default(), 0, 0);
    for number in 0..ground.size.faults {
        let Some(fault) = FAULTS.get(number % FAULTS.len()) else { continue };
        let site = ground.template.copy_to(&ground.scratch.path("fault"))?;
        let from = 10 + dice.below(if fault.call == SYNC { 60 } else { 300 });
        let one = suffer(&site, fault, from, dice).or_else(|why| {
            failed(format!("{} (strace {:?}): {why}", fault.name, fault.wrapper(from).last()))
        })?;
        found.absorb(one.0);
        unavailable += one.1;
        changes += one.2;
        site.remove();
    }
    Ok(Outcome::Held(format!(
        "{} times a call fails, in {} ways: {changes} acknowledged changes, {unavailable} answers 503; {found}",
        ground.size.faults,
        FAULTS.len()
    )))
}

/// Why no call can be made to fail here.
pub(super) fn lacks_strace() -> Option<String> {
    let probe = std::process::Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"])
        .status();
    match probe {
        Ok(status) if status.success() => None,
        _ if exists("strace", "--version") => Some("strace may not trace a process here".to_owned()),
        _ => Some("there is no strace".to_owned()),
    }
}

fn suffer(site: &Site, fault: &Fault, from: usize, dice: &mut Dice) -> Result<(Findings, u64, u64), Failure> {
    // Everybody logs in before, so that the fault meets the load.
    let serving = site.start()?;
    let load = Load::on(site, WITHOUT_COMMANDS, dice)?;
    stop(serving)?;
    let mut serving = site.start_under(&fault.wrapper(from))?;
    load.resume();
    match fault.then {
        Then::ItIsDead => wait_for(PATIENCE, "the fault does not come", || serving.has_ended())?,
        Then::NothingIsWritten | Then::ItPasses => {
            wait_for(PATIENCE, "nobody is answered 503", || load.unavailable() > 0)?;
        }
    }
    match fault.then {
        Then::NothingIsWritten => nothing_is_written(site, &load, &serving)?,
        Then::ItPasses => {
            if !load.run_until(50, PATIENCE) {
                return failed(format!("writing does not go on\n{}", serving.log_tail()));
            }
        }
        Then::ItIsDead => {}
    }
    load.pause()?;
    serving.kill()?;
    let serving = site.start()?;
    let found = load.check(site, Depth::Everything, dice)?;
    found.must_be_clean()?;
    let ledger = load.end()?;
    stop(serving)?;
    sound(&site.data())?;
    Ok((found, ledger.unavailable, ledger.changes))
}

/// After a failed sync: what changes something is refused, and what does not is answered.
fn nothing_is_written(site: &Site, load: &Load, serving: &Serving) -> Result<(), Failure> {
    // Answers to what was committed before may be on their way.
    std::thread::sleep(Duration::from_millis(300));
    let (changes, unavailable) = (load.changes(), load.unavailable());
    wait_for(PATIENCE, "the clients are not answered 503", || load.unavailable() >= unavailable + 20)?;
    let more = load.changes() - changes;
    if more > 0 {
        return failed(format!("{more} changes were acknowledged after a sync had failed"));
    }
    answers_without_writing(site)?;
    if serving.logged("nothing is written until a restart") {
        Ok(())
    } else {
        failed(format!("the log does not say that nothing is written\n{}", serving.log_tail()))
    }
}

/// What needs no write is answered whatever the disk does.
pub(super) fn answers_without_writing(site: &Site) -> Result<(), Failure> {
    let mut wire = site.wire();
    let token = machine_token(&mut wire, &site.cast);
    if token.status() != 200 {
        return failed(format!("a machine's token: {} {}", token.status(), token.body()));
    }
    for path in ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/livez"] {
        let reply = wire.fetch(path);
        if reply.status() != 200 {
            return failed(format!("{path}: {} {}", reply.status(), reply.body()));
        }
    }
    Ok(())
}

/// Waits for something that clients bring about.
pub(super) fn wait_for(
    patience: Duration,
    what: &str,
    mut is_there: impl FnMut() -> bool,
) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    while !is_there() {
        if began.elapsed() > patience {
            return failed(format!("{what} for {patience:?}"));
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_to_strace_in_its_own_words() {
        let last = |fault: usize| FAULTS[fault].wrapper(12).last().unwrap().clone();
        assert_eq!(last(0), "inject=fsync,fdatasync:error=EIO:when=12");
        assert_eq!(last(2), "inject=pwrite64:error=ENOSPC:when=12..112");
    }
}
