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

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that is about to end may still be in it.
        let _best_effort = output(Command::new("umount").arg("-l").arg(&self.at));
    }
}
