//! Damaged files: a server refuses to start on them, or refuses requests, and believes nothing that had ended (threat R9).

use std::path::Path;
use std::time::Duration;

use super::check;
use super::dice::{Dice, stamp};
use super::kills::stop;
use super::ledger::{Cut, Ledger};
use super::load::{Load, WITHOUT_COMMANDS};
use super::site::{Site, copy_data};
use super::{Ground, Outcome};
use crate::process::{Failure, failed};

/// SQLite's page size, as authd's databases have it.
const PAGE: usize = 4096;

/// How long a server on damaged files is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// On which of the files, and in which state of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    /// The database of a server that was stopped: everything is in it.
    Database,
    /// The log of a server that was killed: what came last is in it. Without it the database is what it was before.
    Log,
    /// The index of that log, which the first to open it makes again.
    Index,
}

impl File {
    fn name(self) -> &'static str {
        match self {
            Self::Database => "authd.db",
            Self::Log => "authd.db-wal",
            Self::Index => "authd.db-shm",
        }
    }
}

struct Damage {
    name: &'static str,
    file: File,
    /// The file is whole, and not ours: SQLite cannot tell.
    is_strange: bool,
    /// Changes the file's bytes; the second are those of another database's file of this kind.
    make: fn(&mut Vec<u8>, &[u8], &mut Dice),
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "bytes of the database are flipped",
        file: File::Database,
        is_strange: false,
        make: |file, _, dice| flip(file, dice),
    },
    Damage {
        name: "bytes of the log are flipped",
        file: File::Log,
        is_strange: false,
        make: |file, _, dice| flip(file, dice),
    },
    Damage {
        name: "the database is cut short",
        file: File::Database,
        is_strange: false,
        make: |file, _, dice| cut_short(file, dice),
    },
    Damage {
        name: "the log is another database's",
        file: File::Log,
        is_strange: true,
        make: |file, other, _| *file = other.to_vec(),
    },
    Damage {
        name: "a page of the database is zero",
        file: File::Database,
        is_strange: false,
        make: |file, _, dice| zero(file, dice),
    },
    Damage {
        name: "the log is cut short",
        file: File::Log,
        is_strange: false,
        make: |file, _, dice| cut_short(file, dice),
    },
    Damage {
        name: "a page of the database is where another belongs",
        file: File::Database,
        is_strange: false,
        make: |file, _, dice| misdirect(file, dice),
    },
    Damage { name: "the log is gone", file: File::Log, is_strange: false, make: |file, _, _| file.clear() },
    Damage {
        name: "the database's header is noise",
        file: File::Database,
        is_strange: false,
        make: |file, _, dice| noise_at_the_front(file, dice),
    },
    Damage {
        name: "the log's header is noise",
        file: File::Log,
        is_strange: false,
        make: |file, _, dice| noise_at_the_front(file, dice),
    },
    Damage {
        name: "the index of the log is noise",
        file: File::Index,
        is_strange: false,
        make: |file, _, dice| noise_at_the_front(file, dice),
    },
    Damage {
        name: "the database is empty",
        file: File::Database,
        is_strange: false,
        make: |file, _, _| file.clear(),
    },
];

fn flip(file: &mut [u8], dice: &mut Dice) {
    for _ in 0..=dice.below(30) {
        let at = dice.below(file.len());
        if let Some(byte) = file.get_mut(at) {
            *byte ^= 1 << dice.below(8);
        }
    }
}

fn cut_short(file: &mut Vec<u8>, dice: &mut Dice) {
    file.truncate(1 + dice.below(file.len()));
}

fn page(file: &[u8], dice: &mut Dice) -> usize {
    // Not the first, whose header tells everything else.
    PAGE * (1 + dice.below((file.len() / PAGE).saturating_sub(1)))
}

fn zero(file: &mut [u8], dice: &mut Dice) {
    let at = page(file, dice);
    if let Some(page) = file.get_mut(at..at + PAGE) {
        page.fill(0);
    }
}

fn misdirect(file: &mut [u8], dice: &mut Dice) {
    let (from, to) = (page(file, dice), page(file, dice));
    if from + PAGE <= file.len() && to + PAGE <= file.len() {
        file.copy_within(from..from + PAGE, to);
    }
}

fn noise_at_the_front(file: &mut [u8], dice: &mut Dice) {
    for byte in file.iter_mut().take(200) {
        *byte = dice.next().to_le_bytes()[3];
    }
}

/// A data directory, what was acknowledged of it, and as of when that must hold.
struct Base {
    ledger: Ledger,
    from: u64,
}

/// Each damage in turn, so many in all.
pub(super) fn damage(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    let path = |name: &str| ground.scratch.path(name);
    let (stopped, killed) = bases(ground, &path("damage"), dice)?;
    bases(ground, &path("damage-other"), dice)?;
    let (mut refused, mut served, mut checked, mut refusals, mut lost) = (0, 0, 0, 0, 0);
    for number in 0..ground.size.damages {
        let Some(damage) = DAMAGES.get(number % DAMAGES.len()) else { continue };
        let (base, name) =
            if damage.file == File::Database { (&stopped, "stopped") } else { (&killed, "killed") };
        let directory = path("damaged");
        copy_data(&path("damage").join(name), &directory.join("data"))?;
        let other = read(&path("damage-other").join(name).join(damage.file.name()))?;
        let file = directory.join("data").join(damage.file.name());
        let mut bytes = read(&file)?;
        (damage.make)(&mut bytes, &other, dice);
        std::fs::write(&file, bytes).or_else(|error| failed(format!("{}: {error}", file.display())))?;
        let site = ground.template.site_in(&directory)?;
        let seen = try_it(&site, damage, base, dice)
            .or_else(|why| failed(format!("damage {number}, {}: {why}", damage.name)))?;
        match seen {
            Seen::Refused => refused += 1,
            Seen::Served { checked: count, refused: more, lost: gone } => {
                served += 1;
                checked += count;
                refusals += more;
                lost += gone;
            }
        }
        site.remove();
    }
    Ok(Outcome::Held(format!(
        "{} damaged files of {} kinds: {refused} starts refused, {served} served with {checked} answers as they should be, \
         {lost} credentials unknown and {refusals} requests refused otherwise; 0 resurrected",
        ground.size.damages,
        DAMAGES.len()
    )))
}

/// What a server made of damaged files.
enum Seen {
    Refused,
    Served { checked: u64, refused: usize, lost: usize },
}

fn try_it(site: &Site, damage: &Damage, base: &Base, dice: &mut Dice) -> Result<Seen, Failure> {
    let mut serving = match site.start_within(PATIENCE) {
        Ok(serving) => serving,
        Err(Failure::Failed(why)) => {
            // It says which file, and in words of ours; or it runs, says that it is not ready, and why.
            let is_named = why.contains("authd: ") && why.contains("authd.db");
            let is_unready = why.contains("the storage is unavailable: SQLite");
            let is_said = (is_named || is_unready) && !why.contains("panicked");
            return if is_said { Ok(Seen::Refused) } else { failed(format!("it is not said why: {why}")) };
        }
        Err(why) => return Err(why),
    };
    let mut ledger = base.ledger.clone();
    let cut = Cut { from: base.from, to: stamp() };
    let found = check::check_impatiently(site, &mut ledger, cut, dice)?;
    if serving.has_ended() {
        return failed(format!("the server ended\n{}", serving.log_tail()));
    }
    let log = std::fs::read_to_string(site.log()).unwrap_or_default();
    if log.contains("panicked") {
        return failed(format!("the server panicked\n{}", serving.log_tail()));
    }
    if !found.resurrected.is_empty() {
        return failed(found.to_string());
    }
    // What is not found is refused, with whatever words; an error that nobody thought of is not an answer.
    let is_wrong = |found: &&String| found.contains(": 500 ") || found.contains("the public keys are");
    if let Some(wrong) = found.odd.iter().chain(&found.lost).find(is_wrong) {
        return failed(format!("an answer that is none: {wrong}"));
    }
    // A log that is not whole ends where it is not: what was before it is whole, and nothing of that may be missing.
    if damage.file != File::Database && !damage.is_strange && !found.lost.is_empty() {
        return failed(found.to_string());
    }
    // It may not be able to write its log back.
    if damage.file == File::Database {
        serving.kill()?
    } else {
        stop(serving)?
    }
    Ok(Seen::Served { checked: found.checked, refused: found.odd.len(), lost: found.lost.len() })
}

/// Makes two data directories under `directory`: of a server that was stopped, and of one that was killed later.
fn bases(ground: &Ground<'_>, directory: &Path, dice: &mut Dice) -> Result<(Base, Base), Failure> {
    let site = ground.template.copy_to(directory)?;
    let serving = site.start()?;
    let load = Load::on(&site, WITHOUT_COMMANDS, dice)?;
    let busy = |load: &Load| match load.run_until(150, Duration::from_secs(60)) {
        true => load.pause(),
        false => failed("the clients get nowhere"),
    };
    busy(&load)?;
    stop(serving)?;
    copy_data(&site.data(), &directory.join("stopped"))?;
    let from = stamp();
    let stopped = Base { ledger: load.ledger(), from };
    let serving = site.start()?;
    busy(&load)?;
    serving.kill()?;
    copy_data(&site.data(), &directory.join("killed"))?;
    let killed = Base { ledger: load.end()?, from };
    Ok((stopped, killed))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).or_else(|error| failed(format!("{}: {error}", path.display())))
}
