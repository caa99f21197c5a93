//! Where the key-encryption keys come from: a file, the environment or a command (threats DA-02, DA-03, R21).

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use records::UnixTime;
use store::{KeysNow, Sealer, SealingKeys};
use zeroize::Zeroizing;

use crate::files::{create_private, keep_owner, lock, make_directory, read_private, write_private};
use crate::moment::Moments;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a server runs the command again, to see whether the keys are others now.
const ASKED_EVERY: Duration = Duration::from_secs(60);
/// The most that is read of what a source says: some hundred keys.
const MOST: u64 = 16 * 1024;
/// The most that is shown of what a command said on standard error.
const MOST_SHOWN: u64 = 4 * 1024;
/// How many pipes of earlier runs may still be open where the command is run again: two a run, for some that hang.
const UNREAD: usize = 8;
/// The longest name of a key.
const LONGEST_NAME: usize = 64;

/// Where the key-encryption keys are. All three say the same: a line `NAME KEY` for each key, 32 bytes as 64 hexadecimal
/// digits, the current one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of its owner's alone. A running server sees when it is changed.
    File(PathBuf),
    /// The environment variable of this name; commas stand for line ends too.
    Environment(String),
    /// What this program prints, called with these arguments, by no shell; at start, and every minute from then on.
    Command(Vec<String>),
}

impl KeySource {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Environment(_) | Self::Command(_) => None,
        }
    }

    /// Reads the keys.
    pub fn read(&self) -> Result<SealingKeys, String> {
        self.read_beside(&Arc::default())
    }

    /// Reads the keys, unless what was started before for the same still has too many pipes open.
    fn read_beside(&self, open: &Arc<()>) -> Result<SealingKeys, String> {
        let keys = match self {
            Self::File(path) => KeyFile::read(path)?,
            Self::Environment(name) => {
                let value = std::env::var_os(name).ok_or_else(|| {
                    format!(
                        "the environment variable {name} is not set: it must hold the key-encryption key; \
                         `authd sealing generate` makes one"
                    )
                })?;
                let bytes = Zeroizing::new(OsString::into_encoded_bytes(value));
                KeyFile::parse(&bytes, &format!("the environment variable {name}"))?
            }
            Self::Command(words) => {
                let what = format!("the command {:?}", words.first().map_or("", String::as_str));
                KeyFile::parse(&printed_by(words, PATIENCE, open)?, &format!("what {what} printed"))?
            }
        };
        keys.into_keys()
    }

    /// A sealer with the keys. It follows the file that they are in, or what the command prints. An environment stays
    /// what it was.
    pub fn sealer(&self) -> Result<Sealer, String> {
        let sealer = Sealer::new(self.read()?);
        Ok(match self {
            Self::File(_) => sealer.with_source(following(self.clone())),
            Self::Command(_) => sealer.with_source(asking_every(ASKED_EVERY, self.clone())),
            Self::Environment(_) => sealer,
        })
    }
}

/// What a file says now.
fn following(source: KeySource) -> KeysNow {
    let complaint = Mutex::default();
    Arc::new(move || now(source.read(), &mut complaint.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// What a command said last. It is run by a thread of its own, so that nothing waits for it; the thread ends with the
/// sealer.
fn asking_every(period: Duration, source: KeySource) -> KeysNow {
    let latest: Arc<Mutex<Option<SealingKeys>>> = Arc::default();
    let shown = Arc::downgrade(&latest);
    std::thread::spawn(move || {
        let (mut complaint, open) = (String::new(), Arc::default());
        loop {
            std::thread::sleep(period);
            let Some(shown) = shown.upgrade() else { return };
            let keys = now(source.read_beside(&open), &mut complaint);
            *shown.lock().unwrap_or_else(PoisonError::into_inner) = keys;
        }
    });
    Arc::new(move || latest.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// What a source says now. That it cannot be read is logged once for each reason.
fn now(read: Result<SealingKeys, String>, complaint: &mut String) -> Option<SealingKeys> {
    match read {
        Ok(keys) => {
            complaint.clear();
            Some(keys)
        }
        Err(why) => {
            if *complaint != why {
                tracing::warn!(%why, "the key-encryption keys stay those that were read before");
                *complaint = why;
            }
            None
        }
    }
}

/// A key-encryption key and its name.
struct NamedKey {
    name: String,
    key: Zeroizing<[u8; 32]>,
}

/// The keys of a source, in their order; at least one.
pub struct KeyFile(Vec<NamedKey>);

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl KeyFile {
    /// Reads a file of its owner's alone.
    pub fn read(path: &Path) -> Result<Self, String> {
        Self::parse(&read_private(path)?, &path.display().to_string())
    }

    /// Reads lines `NAME KEY`. The error says what is wrong and nothing of what was read but names.
    fn parse(bytes: &[u8], what: &str) -> Result<Self, String> {
        let malformed = || {
            format!(
                "{what} does not hold keys: each line must be a name and 64 hexadecimal digits, the current key first"
            )
        };
        if bytes.len() as u64 > MOST {
            return Err(format!("{what} is longer than {MOST} bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
        let mut keys: Vec<NamedKey> = Vec::new();
        for line in text.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty()) {
            let (name, digits) = line.split_once([' ', '\t']).ok_or_else(malformed)?;
            let key = decode_hexadecimal(digits.trim()).ok_or_else(malformed)?;
            if name.len() > LONGEST_NAME
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            {
                return Err(format!(
                    "{what} has a key with a bad name: use up to {LONGEST_NAME} of A-Z, a-z, 0-9, ., _ and -"
                ));
            }
            if keys.iter().any(|other| other.name == name) {
                return Err(format!(
                    "{what} has two keys of the name {name}: the name says which key sealed what, so each has its own"
                ));
            }
            keys.push(NamedKey { name: name.to_owned(), key });
        }
        if keys.is_empty() { Err(malformed()) } else { Ok(Self(keys)) }
    }

    fn into_keys(self) -> Result<SealingKeys, String> {
        let mut keys = self.0.into_iter();
        let current = keys.next().ok_or("there is no key")?;
        let first = SealingKeys::new(&current.name, current.key);
        Ok(keys.fold(first, |keys, older| keys.with_older(&older.name, older.key)))
    }

    /// The keys' names, the current one's first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.name.as_str())
    }

    fn text(&self) -> Zeroizing<String> {
        // Room for all of it at once: a string that grows would leave copies of the keys behind.
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * (LONGEST_NAME + 66)));
        self.0.iter().for_each(|key| push_line(&mut text, key));
        text
    }

    /// Adds a new key behind the others: it opens, and seals nothing yet. Returns its name.
    pub fn add(&mut self, moments: &dyn Moments) -> String {
        let key = new_key(moments);
        let name = key.name.clone();
        self.0.push(key);
        name
    }

    /// Makes a key the current one; the others stay in their order.
    pub fn make_current(&mut self, name: &str) -> Result<(), String> {
        let position = self.position(name)?;
        let key = self.0.remove(position);
        self.0.insert(0, key);
        Ok(())
    }

    /// Takes a key out that is not the current one.
    pub fn remove(&mut self, name: &str) -> Result<(), String> {
        let position = self.position(name)?;
        if position == 0 {
            return Err(format!("{name} is the current key: make another one current first"));
        }
        drop(self.0.remove(position));
        Ok(())
    }

    fn position(&self, name: &str) -> Result<usize, String> {
        self.0.iter().position(|key| key.name == name).ok_or_else(|| format!("there is no key {name}"))
    }
}

/// Changes a key file as a whole; of two that do so at once the second is refused. Where its name is a link, what changes is
/// the file that it leads to.
pub fn change<T>(path: &Path, how: impl FnOnce(&mut KeyFile) -> Result<T, String>) -> Result<T, String> {
    let path = &path.canonicalize().map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = lock(Path::new(&beside))?
        .ok_or_else(|| format!("another command is changing {}: try again", path.display()))?;
    keep_owner(&lock, path)?;
    let mut keys = KeyFile::read(path)?;
    let made = how(&mut keys)?;
    write_private(path, keys.text().as_bytes())?;
    drop(lock);
    Ok(made)
}

/// Writes a new file with one new key, unless there is one.
pub fn write_sealing_key(path: &Path, moments: &dyn Moments) -> Result<(), String> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(directory)?;
    }
    // Where another process was first, its key is the one.
    create_private(path, new_line(moments).as_bytes()).map(drop)
}

/// A line with a new key, for a source that is not a file.
pub fn new_line(moments: &dyn Moments) -> Zeroizing<String> {
    KeyFile(vec![new_key(moments)]).text()
}

/// Its name has a part that is drawn, so that no later key has it again: backups need the one that was.
fn new_key(moments: &dyn Moments) -> NamedKey {
    let moment = moments.draw();
    let drawn = u32::from_be_bytes(moment.bytes::<4>("sealing key name"));
    let name = format!("k{}-{drawn:08x}", day_name(moment.now));
    NamedKey { name, key: Zeroizing::new(moment.bytes::<32>("sealing key")) }
}

fn push_line(text: &mut String, key: &NamedKey) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push_str(&key.name);
    text.push(' ');
    for byte in key.key.iter() {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(DIGITS.get(usize::from(nibble)).map(|digit| char::from(*digit)));
        }
    }
    text.push('\n');
}

/// A name for a key that sorts by the day it was made.
fn day_name(now: UnixTime) -> String {
    let seconds = i64::try_from(now.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "0".to_owned(), |time| time.strftime("%Y%m%d").to_string())
}

fn decode_hexadecimal(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (position, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(position * 2..position * 2 + 2)?, 16).ok()?;
    }
    Some(key)
}

/// Runs a command and returns what it printed, which is shown to nobody.
///
/// One that takes too long is ended, and what it started itself may go on: it keeps the pipe open, and a thread that reads.
/// `open` is held by each of those, so that a command which hangs each minute is not started for ever.
fn printed_by(words: &[String], patience: Duration, open: &Arc<()>) -> Result<Zeroizing<Vec<u8>>, String> {
    let (program, arguments) = words.split_first().ok_or("[sealing] `key_command` is empty")?;
    let failed = |why: String| format!("[sealing] `key_command` {program:?} {why}");
    if Arc::strong_count(open) > UNREAD {
        return Err(failed("is not run again: what earlier runs started has not ended".to_owned()));
    }
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(format!("could not be started: {error}")))?;
    let printed = reading(child.stdout.take(), MOST, open);
    let said = reading(child.stderr.take(), MOST_SHOWN, open);
    // Standard output is closed when the program ends, or before. A program that goes on after it said the key is
    // waited for as long again.
    let outcome = printed.recv_timeout(patience).ok().map(|printed| (printed, ended(&mut child, patience)));
    // Where it ended this changes nothing.
    let _ = child.kill();
    let _ = child.wait();
    let said = || {
        let said = said.recv_timeout(Duration::from_millis(200)).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if said.is_empty() { String::new() } else { format!(". It said: {}", said.escape_debug()) }
    };
    match outcome {
        None | Some((_, None)) => {
            Err(failed(format!("did not end in {} seconds{}", patience.as_secs(), said())))
        }
        // Asked first: whoever prints on is ended by the pipe that nobody reads any more.
        Some((printed, Some(_))) if printed.len() as u64 > MOST => {
            Err(failed(format!("printed more than {MOST} bytes")))
        }
        Some((_, Some(status))) if !status.success() => Err(failed(format!("ended with {status}{}", said()))),
        Some((printed, Some(_))) => Ok(printed),
    }
}

/// Reads a pipe to its end, or a byte more than may be, on a thread of its own.
fn reading(
    pipe: Option<impl Read + Send + 'static>,
    most: u64,
    open: &Arc<()>,
) -> Receiver<Zeroizing<Vec<u8>>> {
    let (sender, receiver) = channel();
    let open = Arc::clone(open);
    let read = move || {
        // All at once: a buffer that grows would leave copies of the key behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(most).unwrap_or(0) + 1));
        if let Some(pipe) = pipe {
            // What could be read is what was said; whether the program is content is told by its status.
            let _ = pipe.take(most + 1).read_to_end(&mut bytes);
        }
        drop(open);
        let _ = sender.send(bytes);
    };
    // Where the system has no thread to give, nobody sends: that is seen as no answer.
    let _ = std::thread::Builder::new().spawn(read);
    receiver
}

/// Waits for a program that has closed its output.
fn ended(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    const STEP: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if waited < patience => std::thread::sleep(STEP),
            Ok(None) | Err(_) => return None,
        }
        waited += STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::SystemMoments;

    fn line(name: &str, digit: &str) -> String {
        format!("{name} {}\n", digit.repeat(64))
    }

    fn command(words: &[&str]) -> KeySource {
        KeySource::Command(words.iter().map(ToString::to_string).collect())
    }

    fn names(source: &KeySource) -> Result<Vec<String>, String> {
        source.read().map(|keys| keys.names().map(str::to_owned).collect())
    }

    #[test]
    fn keys_are_read_strictly() {
        let parse = |text: &str| KeyFile::parse(text.as_bytes(), "it").map(|keys| keys.names().count());
        for text in
            ["", "\n", "k1", "k1 zz", &format!("k1 {}", "0".repeat(63)), &format!("k1 {}", "g".repeat(64))]
        {
            assert!(parse(text).unwrap_err().contains("64 hexadecimal digits"), "{text:?}");
        }
        assert!(parse(&format!("k1 +{}", "0".repeat(63))).is_err());
        let twice = format!("{}{}", line("k1", "0"), line("k1", "1"));
        assert!(parse(&twice).unwrap_err().contains("two keys of the name k1"));
        assert!(parse(&line("k\"1", "0")).unwrap_err().contains("bad name"));
        assert!(parse(&line("k1", "0").repeat(1000)).unwrap_err().contains("longer than"));
        assert_eq!(parse(&format!("\n{}\r\n{}", line("k2", "0"), line("k.1", "A"))), Ok(2));
        assert_eq!(parse(&format!("k2 {}, k1 {}", "0".repeat(64), "1".repeat(64))), Ok(2));
    }

    #[test]
    fn a_key_is_added_made_current_and_taken_out_and_the_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_sealing_key(&path, &SystemMoments).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        let old = first.split(' ').next().unwrap().to_owned();
        let new = change(&path, |keys| Ok(keys.add(&SystemMoments))).unwrap();
        assert!(new != old && new[..10] == old[..10], "made on the same day: {old} {new}");
        let source = KeySource::File(path.clone());
        assert_eq!(names(&source).unwrap(), [old.as_str(), new.as_str()]);
        assert!(change(&path, |keys| keys.remove(&old)).unwrap_err().contains("current key"));
        change(&path, |keys| keys.make_current(&new)).unwrap();
        assert_eq!(names(&source).unwrap(), [new.as_str(), old.as_str()]);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with(&first), "the old key is what it was");
        change(&path, |keys| keys.remove(&old)).unwrap();
        assert_eq!(names(&source).unwrap(), [new.as_str()]);
        assert!(change(&path, |keys| keys.make_current("k0")).unwrap_err().contains("no key k0"));
    }

    #[test]
    fn the_keys_are_what_a_command_prints() {
        let keys =
            format!("{}{}", line("k2", "ab"), line("k1", "0")).replace(&"ab".repeat(64), &"ab".repeat(32));
        assert_eq!(names(&command(&["printf", "%s", &keys])).unwrap(), ["k2", "k1"]);
        // Words are words: no shell takes them apart.
        let source = command(&["printf", "%s", "k1 $(echo 0); `echo`"]);
        assert!(names(&source).unwrap_err().contains("64 hexadecimal digits"));
    }

    #[test]
    fn a_command_that_fails_shows_what_it_complained_of_and_never_what_it_printed() {
        let script = |text: &str| command(&["sh", "-c", text]);
        let error = names(&script("echo hush; echo no such key >&2; exit 3")).unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("no such key"), "{error}");
        assert!(!error.contains("hush"), "{error}");
        let error = names(&script("echo hush")).unwrap_err();
        assert!(error.contains("64 hexadecimal digits") && !error.contains("hush"), "{error}");
        let error = names(&script("head -c 100000 /dev/zero")).unwrap_err();
        assert!(error.contains("16384"), "{error}");
        let error = names(&command(&["/there/is/no/such/program"])).unwrap_err();
        assert!(error.contains("could not be started"), "{error}");
        assert!(names(&command(&[])).unwrap_err().contains("empty"));
    }

    #[test]
    fn a_command_that_does_not_end_is_not_waited_for() {
        let patience = Duration::from_millis(50);
        let words = |text: &str| ["sh", "-c", text].map(str::to_owned);
        let error = printed_by(&words("echo why >&2; exec sleep 60"), patience, &Arc::default()).unwrap_err();
        assert!(error.contains("did not end") && error.contains("why"), "{error}");
        let error = printed_by(&words("exec >&-; exec sleep 60"), patience, &Arc::default()).unwrap_err();
        assert!(error.contains("did not end"), "{error}");
    }

    #[test]
    fn a_command_that_leaves_others_behind_each_time_is_not_run_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let (started, gate) = (directory.path().join("started"), directory.path().join("gate"));
        assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
        // What is left behind ends when somebody had the gate open for writing. Opened for both, nobody is waited for.
        let script = format!("echo x >> {}; cat {} & wait", started.display(), gate.display());
        let (words, open) = (["sh", "-c", &script].map(str::to_owned), Arc::default());
        let run = || printed_by(&words, Duration::from_millis(300), &open).unwrap_err();
        let all_end = || {
            (0..2000).any(|_| {
                drop(std::fs::OpenOptions::new().read(true).write(true).open(&gate).unwrap());
                std::thread::sleep(Duration::from_millis(5));
                Arc::strong_count(&open) == 1
            })
        };
        let runs = (0..30).take_while(|_| !run().contains("is not run again")).count();
        assert!((UNREAD / 2..30).contains(&runs), "{runs}");
        let before = std::fs::read_to_string(&started).unwrap();
        assert!(run().contains("is not run again"));
        assert_eq!(std::fs::read_to_string(&started).unwrap(), before);
        assert!(all_end());
        assert!(run().contains("did not end"), "it is run again");
        assert!(all_end());
    }

    #[test]
    fn a_command_is_asked_again_and_a_file_is_looked_into() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_private(&path, line("k1", "0").as_bytes()).unwrap();
        let printed = command(&["cat", path.to_str().unwrap()]);
        let sources =
            [following(KeySource::File(path.clone())), asking_every(Duration::from_millis(5), printed)];
        // The file is looked into at once, the command within its period; who asks meanwhile hears what was.
        let until = |now: &KeysNow, wanted: Option<&str>| {
            for _ in 0..2000 {
                if now().as_ref().map(SealingKeys::current_name) == wanted {
                    return true;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            false
        };
        for now in &sources {
            assert!(until(now, Some("k1")));
        }
        write_private(&path, line("k2", "1").as_bytes()).unwrap();
        for now in &sources {
            assert!(until(now, Some("k2")));
        }
        write_private(&path, b"k3 is cut off").unwrap();
        for now in &sources {
            assert!(until(now, None), "what cannot be read changes nothing");
        }
    }

    #[test]
    fn the_file_that_a_link_leads_to_is_what_changes() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("key"), directory.path().join("link"));
        write_private(&path, line("k1", "0").as_bytes()).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let name = change(&link, |keys| Ok(keys.add(&SystemMoments))).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap().names().collect::<Vec<_>>(), ["k1", &name]);
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = KeySource::Environment("AUTHD_NO_SUCH_KEY".to_owned()).read().unwrap_err();
        assert!(error.contains("AUTHD_NO_SUCH_KEY") && error.contains("generate"), "{error}");
    }
}
