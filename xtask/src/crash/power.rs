//! The power fails at random moments: what the disk has then is copied, and a server is started on the copy (threat R6).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::check::{self, Depth, Findings};
use super::dice::{Dice, stamp};
use super::faults::{SYNC, lacks_strace};
use super::kills::stop;
use super::ledger::{Cut, Ledger};
use super::load::{EVERYBODY, Load, WITHOUT_COMMANDS};
use super::mounts::Mounted;
use super::site::{Site, copy_data, make_directory, sound};
use super::{Ground, Outcome};
use crate::process::{Failure, failed, output};

/// How often the server without syncs may be lucky.
const LUCKY: usize = 6;

/// A disk whose content can be copied at a moment: a file with ext4 in it, on a btrfs that copies files without copying
/// their blocks. What a file system on it has not sent to the disk is not in the copy.
struct Disk {
    // In this order: what is inside is unmounted first.
    inner: Mounted,
    outer: Mounted,
    directory: PathBuf,
}

impl Disk {
    fn new(directory: &Path) -> Result<Self, Failure> {
        make_directory(directory)?;
        let image = directory.join("outer.img");
        blank(&image, 1 << 30)?;
        output(Command::new("mkfs.btrfs").args(["-q", "-f"]).arg(&image))?;
        let outer = Mounted::image(&image, &directory.join("outer"))?;
        let image = outer.at().join("disk.img");
        blank(&image, 128 << 20)?;
        output(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        let inner = Mounted::image(&image, &directory.join("inner"))?;
        Ok(Self { inner, outer, directory: directory.to_path_buf() })
    }

    fn data(&self) -> PathBuf {
        self.inner.at().join("data")
    }

    /// What the disk has now, mounted as after the power came back; and between which moments now was.
    fn cut_power(&self) -> Result<(Snapshot, Cut), Failure> {
        let (image, copy) = (self.outer.at().join("disk.img"), self.outer.at().join("copy.img"));
        let from = stamp();
        output(Command::new("cp").arg("--reflink=always").arg(&image).arg(&copy))?;
        let to = stamp();
        let mounted = Mounted::image(&copy, &self.directory.join("copy"))?;
        Ok((Snapshot { mounted: Some(mounted), copy }, Cut { from, to }))
    }
}

/// A copy of the disk.
struct Snapshot {
    mounted: Option<Mounted>,
    copy: PathBuf,
}

impl Snapshot {
    fn data(&self) -> PathBuf {
        self.mounted.as_ref().map(|mounted| mounted.at().join("data")).unwrap_or_default()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        drop(self.mounted.take());
        let _best_effort = std::fs::remove_file(&self.copy);
    }
}

fn blank(path: &Path, length: u64) -> Result<(), Failure> {
    std::fs::File::create(path)
        .and_then(|file| file.set_len(length))
        .or_else(|error| failed(format!("{}: {error}", path.display())))
}

fn disk(ground: &Ground<'_>, name: &str) -> Result<Disk, Outcome> {
    Disk::new(&ground.scratch.path(name))
        .map_err(|why| Outcome::Skipped(format!("no disk of a file's own can be made here: {why}")))
}

/// Cuts the power at random moments under load.
pub(super) fn power(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    let disk = match disk(ground, "power") {
        Ok(disk) => disk,
        Err(skipped) => return Ok(skipped),
    };
    let site = site_on(ground, &disk)?;
    let serving = site.start()?;
    let load = Load::on(&site, EVERYBODY, dice)?;
    let (mut found, began) = (Findings::default(), Instant::now());
    let count = ground.size.power_cuts;
    for number in 1..=count {
        load.run_for(dice.milliseconds(50, 1000));
        let (snapshot, cut) = disk.cut_power()?;
        load.pause()?;
        found.absorb(recover(ground, &disk, &snapshot, &mut load.ledger(), cut, dice)?);
        if found.is_bad() {
            return failed(format!("after power cut {number}: {found}"));
        }
        if number % 20 == 0 {
            println!("     {number} power cuts: {found}");
        }
    }
    let ledger = load.end()?;
    stop(serving)?;
    Ok(Outcome::Held(format!(
        "{count} power cuts under load in {:.0} s: {} acknowledged changes; {found}",
        began.elapsed().as_secs_f64(),
        ledger.changes
    )))
}

/// The same with a server whose syncs do nothing. Losses must be found, or the scenario above could find none either.
pub(super) fn power_without_syncs(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    if let Some(why) = lacks_strace() {
        return Ok(Outcome::Skipped(why));
    }
    let disk = match disk(ground, "power-unsynced") {
        Ok(disk) => disk,
        Err(skipped) => return Ok(skipped),
    };
    let site = site_on(ground, &disk)?;
    let words = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e"];
    let mut wrapper: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    wrapper.extend([format!("trace={SYNC}"), "-e".to_owned(), format!("inject={SYNC}:retval=0")]);
    let serving = site.start_under(&wrapper)?;
    // Commands are processes of their own, and would sync what the server wrote.
    let load = Load::on(&site, WITHOUT_COMMANDS, dice)?;
    for number in 1..=LUCKY {
        if !load.run_until(100, Duration::from_secs(60)) {
            return failed("the clients get nowhere");
        }
        let (snapshot, cut) = disk.cut_power()?;
        load.pause()?;
        let found = recover(ground, &disk, &snapshot, &mut load.ledger(), cut, dice)?;
        if !found.lost.is_empty() {
            let changes = load.changes();
            load.end()?;
            serving.kill()?;
            let (lost, resurrected) = (found.lost.len(), found.resurrected.len());
            return Ok(Outcome::Held(format!(
                "without syncs power cut {number} lost {lost} of {changes} acknowledged changes and resurrected \
                 {resurrected}: it is noticed"
            )));
        }
    }
    failed(format!("a server without syncs lost nothing in {LUCKY} power cuts: the scenario finds nothing"))
}

fn site_on(ground: &Ground<'_>, disk: &Disk) -> Result<Site, Failure> {
    copy_data(ground.template.data(), &disk.data())?;
    output(Command::new("sync").arg("-f").arg(disk.data()))?;
    ground.template.site_on(&disk.directory.join("site"), &disk.data())
}

/// Starts a server on what the disk had, and holds the ledger against it.
fn recover(
    ground: &Ground<'_>,
    disk: &Disk,
    snapshot: &Snapshot,
    ledger: &mut Ledger,
    cut: Cut,
    dice: &mut Dice,
) -> Result<Findings, Failure> {
    let site = ground.template.site_on(&disk.directory.join("copy-site"), &snapshot.data())?;
    let serving = match site.start() {
        Ok(serving) => serving,
        Err(why) => {
            let lost = vec![format!("everything: the server does not start: {why}")];
            return Ok(Findings { lost, ..Findings::default() });
        }
    };
    let mut found = check::check(&site, ledger, cut, Depth::Everything, dice)?;
    found.odd.append(&mut ledger.wrong);
    stop(serving)?;
    if let Err(why) = sound(&snapshot.data()) {
        found.lost.push(why.to_string());
    }
    Ok(found)
}
