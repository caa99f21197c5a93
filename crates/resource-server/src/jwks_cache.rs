//! An issuer's published keys, kept fresh without doing I/O (RFC 7517 §5, OpenID Connect Core 1.0 §10.1.1).

use std::sync::Arc;

use jwt_core::{JwkSet, KeyError};

use crate::verifier::{AccessTokenVerifier, Expectations};

/// How often keys are fetched, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Keys older than this are fetched again at the next request. Default: 600.
    pub max_age: u64,
    /// Keys that could not be refreshed serve until they are this old. Default: 86400.
    pub max_stale: u64,
    /// The least time between two fetches while there are keys, whatever unknown keys tokens name. Default:
    /// 60.
    pub min_interval: u64,
    /// The least time between two fetches while there are no keys at all. Default: 5.
    pub retry_interval: u64,
    /// A fetch that has not ended after this time is given up. Default: 10.
    pub fetch_timeout: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { max_age: 600, max_stale: 86_400, min_interval: 60, retry_interval: 5, fetch_timeout: 10 }
    }
}

/// What to do with a token that names a key.
#[derive(Clone, Debug)]
#[must_use]
pub enum Lookup {
    /// Verify it with these keys.
    Key(Arc<AccessTokenVerifier>),
    /// Fetch the keys, tell the cache how it went, and look up again. One caller at a time is told so.
    Fetch(Ticket),
    /// Another caller is fetching: look up again when it has ended.
    Wait,
    /// The issuer has no such key: the token is not valid.
    Miss,
    /// There are no keys, and it is too early to fetch again: answer 503, to be tried again after this many
    /// seconds.
    Unavailable(u64),
}

/// The right, and the duty, to fetch the keys once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket(u64);

/// The keys of one issuer for one API. It does no I/O and reads no clock: a caller fetches when it is told
/// to.
///
/// However many tokens name keys that do not exist, the issuer sees one request per [`Timing::min_interval`].
#[derive(Debug)]
pub struct JwksCache {
    expectations: Expectations,
    timing: Timing,
    current: Option<Current>,
    /// When the last fetch began, and whether it has ended.
    last: Option<Attempt>,
    tickets: u64,
}

#[derive(Debug)]
struct Current {
    verifier: Arc<AccessTokenVerifier>,
    fetched_at: u64,
    ticket: u64,
}

#[derive(Debug)]
struct Attempt {
    began_at: u64,
    ticket: u64,
    ended: bool,
}

impl JwksCache {
    /// Makes an empty cache for an API with these expectations.
    #[must_use]
    pub fn new(expectations: Expectations, timing: Timing) -> Self {
        Self { expectations, timing, current: None, last: None, tickets: 0 }
    }

    /// Says what to do with a token that names this key (or none) at the time `now`, in seconds since 1970.
    pub fn lookup(&mut self, key_id: Option<&str>, now: u64) -> Lookup {
        let age = self.current.as_ref().map(|current| elapsed(current.fetched_at, now));
        let usable = self.current.as_ref().filter(|_| age.is_some_and(|age| age < self.timing.max_stale));
        let known = usable.filter(|current| current.verifier.knows(key_id));
        let fresh = age.is_some_and(|age| age < self.timing.max_age);
        if let (Some(known), true) = (known, fresh) {
            return Lookup::Key(known.verifier.clone());
        }
        let (has_keys, known) = (usable.is_some(), known.map(|known| known.verifier.clone()));
        let fetching = self.is_fetching(now);
        let wait = self.wait(has_keys, now);
        match known {
            _ if !fetching && wait == 0 => Lookup::Fetch(self.begin(now)),
            // Stale keys serve while they are fetched again, and while their issuer cannot be reached.
            Some(verifier) => Lookup::Key(verifier),
            None if fetching => Lookup::Wait,
            None if has_keys => Lookup::Miss,
            None => Lookup::Unavailable(wait.max(1)),
        }
    }

    /// Takes the set that was fetched.
    ///
    /// # Errors
    /// The [`KeyError`] of a set that cannot be used: the fetch counts as failed, and the keys at hand stay.
    pub fn fetched(&mut self, ticket: Ticket, jwks: &str, now: u64) -> Result<(), KeyError> {
        self.end(ticket);
        let verifier = Arc::new(self.expectations.with_keys(&JwkSet::parse(jwks)?)?);
        // A fetch that was given up may end after its successor: what it brings is older.
        if self.current.as_ref().is_none_or(|current| current.ticket < ticket.0) {
            self.current = Some(Current { verifier, fetched_at: now, ticket: ticket.0 });
        }
        Ok(())
    }

    /// Takes note that the keys could not be fetched.
    pub fn failed(&mut self, ticket: Ticket) {
        self.end(ticket);
    }

    fn begin(&mut self, now: u64) -> Ticket {
        self.tickets += 1;
        self.last = Some(Attempt { began_at: now, ticket: self.tickets, ended: false });
        Ticket(self.tickets)
    }

    fn end(&mut self, ticket: Ticket) {
        if let Some(last) = self.last.as_mut().filter(|last| last.ticket == ticket.0) {
            last.ended = true;
        }
    }

    fn is_fetching(&self, now: u64) -> bool {
        let timeout = self.timing.fetch_timeout;
        self.last.as_ref().is_some_and(|last| !last.ended && elapsed(last.began_at, now) < timeout)
    }

    /// How long no fetch may begin, in seconds.
    fn wait(&self, has_keys: bool, now: u64) -> u64 {
        let interval = if has_keys { self.timing.min_interval } else { self.timing.retry_interval };
        self.last.as_ref().map_or(0, |last| interval.saturating_sub(elapsed(last.began_at, now)))
    }
}

/// The seconds since an event. A clock that was set back counts as a long time: better one fetch too many
/// than none.
fn elapsed(since: u64, now: u64) -> u64 {
    now.checked_sub(since).unwrap_or(u64::MAX)
}
