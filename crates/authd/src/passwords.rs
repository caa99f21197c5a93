//! Passwords: argon2id in a few threads of its own, with a queue that ends (RFC 9106; NIST SP 800-63B §5.1.1.2).
//!
//! A verification costs 19 MiB and some 20 ms of a core, on purpose. So a fixed number of threads does them, each in
//! memory that it takes once, and only so many may wait: whoever floods the login page takes a bounded share of the
//! machine, and everybody else's tokens are signed meanwhile.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use records::SecretText;
use tokio::sync::oneshot;

/// KiB of memory, passes and lanes of new hashes (OWASP's second choice for argon2id; RFC 9106 §4 on choosing).
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Bytes of a new hash.
const LENGTH: usize = 32;
/// The most that a stored hash may cost: an imported one must not take the server's memory or minutes.
const MOST_COST: (u32, u32, u32) = (65_536, 10, 4);

/// Of the same cost as every new hash, and of no known password: its last part was drawn, not computed. What it says
/// does not count, only the time that it takes (threats LC-09).
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$yUNpojh9055PMUcrfQELcQ$MyBD6zHYGTn9Nbwt3nJ9wwDzPnw6+H/tniCdir37ISM";

/// How many passwords are verified at a time, and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    /// Threads, each with 19 MiB.
    pub threads: usize,
    /// How many may wait for one of them.
    pub waiting: usize,
}

impl Default for PoolSize {
    /// A thread a core, four at most; 64 waiting.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { threads: cores.min(4), waiting: 64 }
    }
}

/// Too many passwords wait already. Nothing was done; try again in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The threads. Clones share them; they end when the last is dropped.
#[derive(Clone)]
pub struct Passwords {
    jobs: SyncSender<Job>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

enum Job {
    Verify { password: SecretText, hash: Option<SecretText>, reply: oneshot::Sender<bool> },
    Hash { password: SecretText, salt: [u8; 16], reply: oneshot::Sender<Option<SecretText>> },
}

impl Passwords {
    /// Starts the threads; each takes its memory at once.
    ///
    /// # Errors
    ///
    /// Where the system gives no thread.
    pub fn start(size: PoolSize) -> Result<Self, String> {
        let (jobs, waiting) = sync_channel(size.waiting);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..size.threads.max(1) {
            let waiting = Arc::clone(&waiting);
            std::thread::Builder::new()
                .name("passwords".to_owned())
                .spawn(move || work(&waiting))
                .map_err(|error| format!("cannot start a thread for passwords: {error}"))?;
        }
        Ok(Self { jobs })
    }

    /// Whether the password is the one of this hash. Without a hash, or with one that cannot be used, the same work is
    /// done and the answer is no: the time does not say whether there is such a person.
    ///
    /// # Errors
    ///
    /// [`Busy`]
    pub async fn verify(&self, password: SecretText, hash: Option<&SecretText>) -> Result<bool, Busy> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job::Verify { password, hash: hash.cloned(), reply }).map_err(|_| Busy)?;
        answer.await.map_err(|_| Busy)
    }

    /// The hash of a new password as a PHC string. `salt` is drawn for this hash alone.
    ///
    /// # Errors
    ///
    /// [`Busy`]
    pub async fn hash(&self, password: SecretText, salt: [u8; 16]) -> Result<SecretText, Busy> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job::Hash { password, salt, reply }).map_err(|_| Busy)?;
        answer.await.ok().flatten().ok_or(Busy)
    }
}

/// One thread's memory.
struct Memory(Vec<Block>);

impl Memory {
    fn new() -> Self {
        let mut memory = Self(Vec::new());
        memory.take(COST.0);
        memory.wipe();
        memory
    }

    /// At least so many KiB.
    fn take(&mut self, kibibytes: u32) {
        let blocks = usize::try_from(kibibytes).unwrap_or(usize::MAX);
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::new());
        }
    }

    /// Writes over everything: the first blocks follow from the password by a fast hash, so that they would be what to
    /// guess against. It also has the system give us the pages before the first password comes.
    fn wipe(&mut self) {
        self.0.fill(Block::new());
        self.0.truncate(usize::try_from(COST.0).unwrap_or(usize::MAX));
        self.0.shrink_to_fit();
    }
}

/// Does one job after the other until nobody can send any more.
fn work(waiting: &Mutex<Receiver<Job>>) {
    let mut memory = Memory::new();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A bug in a hash must not cost a thread for ever: who asked gets no answer, and the next one does.
        let done = catch_unwind(AssertUnwindSafe(|| one(job, &mut memory)));
        if done.is_err() {
            tracing::error!("a bug: a password could not be hashed");
        }
        memory.wipe();
    }
}

fn one(job: Job, memory: &mut Memory) {
    match job {
        // Whoever asked may have gone away while they waited: then nothing is owed.
        Job::Verify { reply, .. } if reply.is_closed() => {}
        Job::Hash { reply, .. } if reply.is_closed() => {}
        Job::Verify { password, hash, reply } => {
            let stored = hash.and_then(|hash| {
                let stored = Stored::parse(hash.expose());
                if stored.is_none() {
                    tracing::warn!(
                        "a stored password hash is not argon2id, or costs too much: it matches nothing"
                    );
                }
                stored
            });
            let is_somebodys = stored.is_some();
            let matches = stored
                .or_else(|| Stored::parse(NOBODYS))
                .is_some_and(|stored| stored.matches(&password, memory));
            let _ = reply.send(matches && is_somebodys);
        }
        Job::Hash { password, salt, reply } => {
            let _ = reply.send(new_hash(&password, &salt, memory));
        }
    }
}

fn new_hash(password: &SecretText, salt: &[u8; 16], memory: &mut Memory) -> Option<SecretText> {
    let (kibibytes, passes, lanes) = COST;
    let params = Params::new(kibibytes, passes, lanes, Some(LENGTH)).ok()?;
    // Made before the parameters are used up: the hash says how it was made.
    let shown = ParamsString::try_from(&params).ok()?;
    let output = argon2id(params, password, salt, LENGTH, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: shown,
        salt: Some(Salt::new(salt).ok()?),
        hash: Some(output),
    };
    Some(SecretText::new(hash.to_string()))
}

fn argon2id(
    params: Params,
    password: &SecretText,
    salt: &[u8],
    length: usize,
    memory: &mut Memory,
) -> Option<Output> {
    memory.take(u32::try_from(params.block_count()).ok()?);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..length)?;
    argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, output, &mut memory.0).ok()?;
    Output::new(output).ok()
}

/// A stored hash that may be computed.
struct Stored {
    params: Params,
    salt: Salt,
    output: Output,
}

impl Stored {
    /// Reads a PHC string; `None` for anything but argon2id of version 1.3 at a cost that we bear.
    fn parse(text: &str) -> Option<Self> {
        let hash = PasswordHash::new(text).ok()?;
        if hash.algorithm != Algorithm::Argon2id.ident() || hash.version != Some(Version::V0x13.into()) {
            return None;
        }
        let cost = |name: &str| hash.params.get_decimal(name);
        let within = |name: &str, most: u32| cost(name).is_some_and(|cost| (1..=most).contains(&cost));
        let (kibibytes, passes, lanes) = MOST_COST;
        // A keyed or tagged hash has further parameters, which we could not honour.
        if hash.params.iter().count() != 3
            || !(within("m", kibibytes) && within("t", passes) && within("p", lanes))
        {
            return None;
        }
        let output = hash.hash.filter(|output| output.len() >= 16)?;
        let (m, t, p) = (cost("m")?, cost("t")?, cost("p")?);
        let params = Params::new(m, t, p, Some(output.len())).ok()?;
        Some(Self { params, salt: hash.salt?, output })
    }

    fn matches(self, password: &SecretText, memory: &mut Memory) -> bool {
        let length = self.output.len();
        let computed = argon2id(self.params, password, &self.salt, length, memory);
        // Compared in constant time: `Output` sees to it.
        computed.is_some_and(|computed| computed == self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretText {
        SecretText::new(text.to_owned())
    }

    fn pool() -> Passwords {
        Passwords::start(PoolSize { threads: 1, waiting: 4 }).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_hash_and_no_other() {
        let pool = pool();
        let hash = pool.hash(secret("Correct-Horse-9"), [7; 16]).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
        assert!(pool.verify(secret("Correct-Horse-9"), Some(&hash)).await.unwrap());
        for wrong in ["correct-Horse-9", "Correct-Horse-9 ", "", &"x".repeat(1024)] {
            assert!(!pool.verify(secret(wrong), Some(&hash)).await.unwrap(), "{wrong:?}");
        }
        let other = pool.hash(secret("Correct-Horse-9"), [8; 16]).await.unwrap();
        assert_ne!(other, hash, "the salt counts");
        assert!(!format!("{pool:?} {hash:?}").contains("Horse"));
    }

    #[tokio::test]
    async fn a_hash_from_the_reference_implementation_verifies() {
        // From its test program: argon2id, 64 MiB, two passes, one lane, "password" and "somesalt".
        let hash =
            secret("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        let pool = pool();
        assert!(pool.verify(secret("password"), Some(&hash)).await.unwrap());
        assert!(!pool.verify(secret("differentpassword"), Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobodys_hash_has_todays_cost_and_matches_nothing() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        assert!(Stored::parse(NOBODYS).is_some(), "or it would take no time");
        assert_eq!(nobodys.params.as_str(), "m=19456,t=2,p=1");
        assert_eq!(nobodys.hash.unwrap().len(), LENGTH);
        assert!(!pool().verify(secret(""), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_stored_hash_that_costs_too_much_or_is_of_another_kind_matches_nothing() {
        let pool = pool();
        let good = pool.hash(secret("x"), [7; 16]).await.unwrap();
        assert!(pool.verify(secret("x"), Some(&good)).await.unwrap());
        for (from, to) in [
            ("m=19456", "m=65537"),
            ("m=19456", "m=4294967295"),
            ("t=2", "t=11"),
            ("p=1", "p=5"),
            ("m=19456,", ""),
            ("p=1$", "p=1,keyid=AAAA$"),
            ("argon2id", "argon2i"),
            ("argon2id", "argon2d"),
            ("argon2id", "scrypt"),
            ("v=19", "v=16"),
            ("$v=19", ""),
        ] {
            let changed = good.expose().replace(from, to);
            assert_ne!(changed, good.expose());
            assert!(Stored::parse(&changed).is_none(), "{changed}");
            assert!(!pool.verify(secret("x"), Some(&secret(&changed))).await.unwrap(), "{changed}");
        }
        for text in
            ["", "$", "x", "$argon2id$v=19$m=19456,t=2,p=1", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ"]
        {
            assert!(Stored::parse(text).is_none(), "{text:?}");
        }
    }

    /// The one thread is held up by the lock on the queue, so that what is sent waits.
    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_turned_away() {
        let (jobs, waiting) = sync_channel(2);
        let pool = Passwords { jobs };
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.verify(secret("a"), None).await }
        });
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.hash(secret("b"), [7; 16]).await }
        });
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(pool.verify(secret("c"), None).await, Err(Busy));
        assert_eq!(pool.hash(secret("c"), [7; 16]).await, Err(Busy));
        // A thread comes: those who waited are served.
        let worker = std::thread::spawn(move || work(&Mutex::new(waiting)));
        assert_eq!(first.await.unwrap(), Ok(false));
        assert!(second.await.unwrap().is_ok());
        drop(pool);
        worker.join().unwrap();
    }

    #[tokio::test]
    async fn what_was_abandoned_while_it_waited_is_not_computed() {
        let (jobs, waiting) = sync_channel(2);
        let pool = Passwords { jobs };
        let asked = tokio::spawn({
            let pool = pool.clone();
            async move { pool.verify(secret("a"), None).await }
        });
        tokio::task::yield_now().await;
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        let job = waiting.recv().unwrap();
        let mut memory = Memory(Vec::new());
        one(job, &mut memory);
        assert!(memory.0.is_empty(), "no hash was begun");
    }

    #[test]
    fn nothing_of_a_password_stays_in_memory() {
        let mut memory = Memory::new();
        new_hash(&secret("Correct-Horse-9"), &[7; 16], &mut memory).unwrap();
        assert!(memory.0.iter().any(|block| block.as_ref() != Block::new().as_ref()));
        memory.wipe();
        assert!(memory.0.iter().all(|block| block.as_ref() == Block::new().as_ref()));
        assert_eq!(memory.0.len(), 19_456);
    }
}
