//! Files that hold secrets: made for their owner alone, refused when others can read them (threats DA-03).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Makes a directory that only this user can enter, with its parents; one that exists is left as it is.
pub fn make_directory(path: &Path) -> Result<(), String> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| format!("cannot make the directory {}: {error}", path.display()))
}

/// Writes a file that only its owner can read, durably, whole or not at all. One that exists is replaced, and keeps its owner.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let file = written(path, bytes)?;
    keep_owner(file.as_file(), path)?;
    file.persist(path).map_err(|error| cannot_write(path, &error))?;
    sync_directory(path)
}

/// Gives a file to whom the one at `path` belongs, if there is one. Root may change a server's files without taking them away
/// from it; anybody else has no business with a file that is another user's.
pub fn keep_owner(file: &File, path: &Path) -> Result<(), String> {
    let Ok(there) = std::fs::metadata(path) else { return Ok(()) };
    let ours = file.metadata().map_err(|error| cannot_write(path, &error))?.uid();
    if ours == there.uid() {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(there.uid()), Some(there.gid())).map_err(|error| {
        format!("{} belongs to another user: run this as that user ({error})", path.display())
    })
}

/// As [`write_private`], but one that exists is left as it is, also when another process makes it at this very moment. Returns
/// whether this call made the file.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<bool, String> {
    let file = written(path, bytes)?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_directory(path).map(|()| true),
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(cannot_write(path, &refused)),
    }
}

/// A file of another name in the same directory, synced. Temporary files are made for their owner alone.
fn written(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, String> {
    let mut file = NamedTempFile::new_in(directory_of(path)).map_err(|error| cannot_write(path, &error))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| cannot_write(path, &error))?;
    Ok(file)
}

/// An empty file of this user's alone beside the one that it is to become, so that taking its name is one step.
pub fn beside(path: &Path) -> Result<NamedTempFile, String> {
    tempfile::Builder::new()
        .prefix(".authd-")
        .tempfile_in(directory_of(path))
        .map_err(|error| cannot_write(path, &error))
}

/// Gives a file that was written and synced its name; one that has the name already is left as it is.
pub fn name(file: NamedTempFile, path: &Path) -> Result<(), String> {
    match file.persist_noclobber(path) {
        Ok(_) => sync_directory(path),
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(format!("{} exists: it is left as it is", path.display()))
        }
        Err(refused) => Err(cannot_write(path, &refused)),
    }
}

fn sync_directory(path: &Path) -> Result<(), String> {
    File::open(directory_of(path))
        .and_then(|directory| directory.sync_all())
        .map_err(|error| cannot_write(path, &error))
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn cannot_write(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// Takes a file's lock, for as long as what is returned is kept; `None` where another process has it.
pub fn lock(path: &Path) -> Result<Option<File>, String> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| cannot_write(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(cannot_write(path, &error)),
    }
}

/// Reads a secret file; refuses one that group or others can read.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let say = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut file = File::open(path).map_err(say)?;
    let mode = file.metadata().map_err(say)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!(
            "{} can be read by others (mode {:03o}): run `chmod 600 {}` first",
            path.display(),
            mode & 0o777,
            path.display()
        ));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes).map_err(say)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_that_create_a_file_at_once_one_does_and_all_read_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16_u8)
                .map(|number| {
                    let path = &path;
                    scope.spawn(move || usize::from(create_private(path, &[number; 32]).unwrap()))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(made, 1);
        assert_eq!(read_private(&path).unwrap().len(), 32);
    }

    #[test]
    fn a_lock_is_held_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(held.is_some());
        assert!(lock(&path).unwrap().is_none());
        drop(held);
        assert!(lock(&path).unwrap().is_some());
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, b"one").unwrap();
        // Only root can give a file away; for anybody else there is one owner.
        let _ = std::os::unix::fs::chown(&path, Some(4321), Some(4322));
        let owner =
            || std::fs::metadata(&path).map(|file| (file.uid(), file.gid(), file.mode() & 0o777)).unwrap();
        let before = owner();
        write_private(&path, b"two").unwrap();
        assert_eq!(owner(), before);
        assert_eq!(before.2, 0o600);
    }

    #[test]
    fn da_03_secret_files_are_for_their_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(&**read_private(&path).unwrap(), b"two");
        assert!(!create_private(&path, b"three").unwrap(), "what exists is left as it is");
        assert_eq!(&**read_private(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_private(&path).unwrap_err().contains("chmod 600"));
    }
}
