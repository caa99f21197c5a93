//! File systems of a scenario's own, unmounted when their owner leaves.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::site::make_directory;
use crate::process::{Failure, output};

/// A mounted file system.
#[derive(Debug)]
pub(crate) struct Mounted {
    at: PathBuf,
}

impl Mounted {
    /// Runs `mount` with these words and, last, the place. An error says what the machine does not allow.
    pub(crate) fn new(words: &[&str], at: &Path) -> Result<Self, Failure> {
        make_directory(at)?;
        output(Command::new("mount").args(words).arg(at))?;
        Ok(Self { at: at.to_path_buf() })
    }

    /// Of a file that holds a file system.
    pub(crate) fn image(image: &Path, at: &Path) -> Result<Self, Failure> {
        Self::new(&["-o", "loop,noatime", &image.display().to_string()], at)
    }

    /// Where it is.
    pub(crate) fn at(&self) -> &Path {
        &self.at
    }
}

/// Unmounts what a run left that was killed: its process is the number in the folder's name.
pub(crate) fn unmount_left(mounts: &str) {
    // The last first: they may be in one another.
    for at in left(mounts, |id| Path::new(&format!("/proc/{id}")).exists()).iter().rev() {
        let _best_effort = output(Command::new("umount").arg("-l").arg(at));
    }
}

fn left(mounts: &str, runs: impl Fn(u32) -> bool) -> Vec<&str> {
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let owner = |place: &str| {
        let (_, rest) = place.split_once("/xtask/crash-")?;
        rest.split('/').next()?.parse::<u32>().ok()
    };
    places.filter(|place| owner(place).is_some_and(|id| !runs(id))).collect()
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still be in it.
        let _best_effort = output(Command::new("umount").arg("-l").arg(&self.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_run_mounted_is_left_over() {
        let mounts = "proc /proc proc rw 0 0\n/dev/loop0 /t/xtask/crash-7/power/outer btrfs rw 0 0\n\
                      /dev/loop1 /t/xtask/crash-8/power/outer btrfs rw 0 0\n/dev/loop2 /t/xtask/crash-x/y ext4 rw 0 0\n";
        assert_eq!(left(mounts, |id| id == 8), ["/t/xtask/crash-7/power/outer"]);
    }
}
