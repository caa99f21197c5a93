//! The disk is full, and later it is not (threat R8).

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::check::{Depth, Findings};
use super::dice::{Dice, median_and_most};
use super::faults::{answers_without_writing, wait_for};
use super::kills::stop;
use super::load::{Load, WITHOUT_COMMANDS};
use super::mounts::Mounted;
use super::site::{copy_data, sound};
use super::{Ground, Outcome};
use crate::process::{Failure, failed};

/// How long a full disk may let itself be waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon writing must go on when there is room again.
const RECOVERED: Duration = Duration::from_secs(2);

/// Fills the disk under a busy server, so many times, and makes room again.
pub(super) fn full_disk(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    let directory = ground.scratch.path("disk");
    // More than the log may grow to (32 MiB) before it starts again.
    let mounted = match Mounted::new(&["-t", "tmpfs", "-o", "size=48m", "tmpfs"], &directory.join("small")) {
        Ok(mounted) => mounted,
        Err(why) => {
            return Ok(Outcome::Skipped(format!("a small file system cannot be mounted here: {why}")));
        }
    };
    let data = mounted.at().join("data");
    copy_data(ground.template.data(), &data)?;
    let site = ground.template.site_on(&directory, &data)?;
    let filler = Filler(mounted.at().join("filler"));
    let mut serving = site.start()?;
    let load = Load::on(&site, WITHOUT_COMMANDS, dice)?;
    let (mut found, mut recovered) = (Findings::default(), Vec::new());
    for round in 1..=ground.size.full_disks {
        load.run_for(dice.milliseconds(50, 300));
        let before = load.unavailable();
        filler.fill()?;
        wait_for(PATIENCE, "nobody is answered 503", || {
            // What the log gave back meanwhile is taken, too.
            let _it_may_be_full = filler.fill();
            load.unavailable() >= before + 20
        })?;
        answers_without_writing(&site)?;
        if round % 2 == 0 {
            // A server that is killed on a full disk starts there, too.
            load.pause()?;
            serving.kill()?;
            serving = site.start()?;
            answers_without_writing(&site)?;
            load.resume();
        }
        filler.remove()?;
        let began = Instant::now();
        if !load.run_until(1, PATIENCE) {
            return failed(format!(
                "writing does not go on when there is room {}\n{}",
                sizes(&data),
                serving.log_tail()
            ));
        }
        recovered.push(began.elapsed());
        if !load.run_until(50, PATIENCE) {
            return failed(format!(
                "writing does not go on for long {}\n{}",
                sizes(&data),
                serving.log_tail()
            ));
        }
        load.pause()?;
        let depth = if round == ground.size.full_disks { Depth::Everything } else { Depth::Newest };
        found.absorb(load.check(&site, depth, dice)?);
        if found.is_bad() {
            return failed(format!("round {round}: {found} {}\n{}", sizes(&data), serving.log_tail()));
        }
    }
    let ledger = load.end()?;
    stop(serving)?;
    sound(&data)?;
    let figures = format!(
        "a full disk {} times: {} acknowledged changes, {} answers 503; {found}; writing again after {}",
        ground.size.full_disks,
        ledger.changes,
        ledger.unavailable,
        median_and_most(&recovered)
    );
    if recovered.iter().any(|time| *time > RECOVERED) { failed(figures) } else { Ok(Outcome::Held(figures)) }
}

/// What the files of a data directory take, for a failure's text.
fn sizes(data: &Path) -> String {
    let size = |entry: std::fs::DirEntry| Some((entry.file_name(), entry.metadata().ok()?.len()));
    let files = std::fs::read_dir(data).into_iter().flatten().flatten().filter_map(size);
    format!("{:?}", files.collect::<Vec<_>>())
}

/// A file that takes all the room there is.
struct Filler(PathBuf);

impl Filler {
    fn fill(&self) -> Result<(), Failure> {
        let path: &Path = &self.0;
        let open = File::options().append(true).create(true).open(path);
        let mut file = open.or_else(|error| failed(format!("{}: {error}", path.display())))?;
        for block in [[0; 4096].as_slice(), &[0]] {
            while file.write(block).is_ok_and(|written| written > 0) {}
        }
        Ok(())
    }

    fn remove(&self) -> Result<(), Failure> {
        std::fs::remove_file(&self.0).or_else(|error| failed(format!("{}: {error}", self.0.display())))
    }
}
