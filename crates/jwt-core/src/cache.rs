//! Tokens that were verified before, so that their signatures need not be again (RFC 7519 §7.2).

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use crate::claims::Claims;
use crate::error::Refusal;
use crate::jwks::KeySet;
use crate::keyed_hash::Folded;
use crate::verifier::{Scratch, Verified, Verifier};

/// Each part has a lock of its own.
const PARTS: usize = 8;

/// A [`Verifier`] that remembers which tokens it has accepted.
///
/// For asymmetric algorithms a remembered token costs a hundredth of a verification; for HMAC it saves next to
/// nothing. What keeps this safe:
///
/// - the key is the whole token, compared in full, never a claim or a part of it;
/// - only accepted tokens are remembered, so nobody can fill it without a key;
/// - `exp`, `nbf` and `iat` are checked again at each hit;
/// - it belongs to one verifier, and forgets everything when that changes its keys;
/// - it holds at most as many tokens as it was made for, the least recently used go first.
///
/// Whether a token was revoked is not its business, just as it is not the verifier's: check that at each
/// request, outside.
pub struct VerifiedCache<X = ()> {
    verifier: Verifier,
    hash: Folded,
    parts: [Mutex<Part<X>>; PARTS],
    capacity: usize,
}

/// A clock: the hand passes over what was used since its last turn.
struct Part<X> {
    slots: Vec<Slot<X>>,
    by_token: HashMap<Arc<str>, usize, Folded>,
    hand: usize,
}

struct Slot<X> {
    token: Arc<str>,
    claims: Arc<Verified<Claims<'static, X>>>,
    used: bool,
}

impl<X: DeserializeOwned> VerifiedCache<X> {
    /// Returns an empty cache over `verifier` for about `capacity` tokens, rounded up to a multiple of eight.
    #[must_use]
    pub fn new(verifier: Verifier, capacity: usize) -> Self {
        let part = || Mutex::new(Part::new());
        Self {
            verifier,
            hash: Folded::seeded(),
            parts: std::array::from_fn(|_| part()),
            capacity: capacity.div_ceil(PARTS).max(1),
        }
    }

    /// Verifies a token at the time `now`, in seconds since 1970, or finds it verified before.
    ///
    /// # Errors
    /// Those of [`Verifier::verify`].
    pub fn verify(
        &self,
        token: &str,
        now_unix_seconds: u64,
        scratch: &mut Scratch,
    ) -> Result<Arc<Verified<Claims<'static, X>>>, Refusal> {
        let part = self.part(token);
        if let Some(claims) = part.as_ref().and_then(|part| part.lock().find(token)) {
            self.verifier.check_times(&claims, now_unix_seconds)?;
            return Ok(claims);
        }
        // Not under the lock: two threads may verify the same token, and neither waits for the other.
        let claims = self.verifier.verify::<X>(token, now_unix_seconds, scratch)?;
        let claims = Arc::new(claims.into_owned());
        if let Some(part) = part {
            part.lock().insert(token, &claims, self.capacity, |other| {
                self.verifier.check_times(other, now_unix_seconds).is_err()
            });
        }
        Ok(claims)
    }

    /// Replaces the keys and forgets every token: one whose key is gone is not valid any more.
    pub fn replace_keys(&mut self, keys: impl Into<KeySet>) {
        self.verifier = self.verifier.with_keys(keys);
        self.clear();
    }

    /// Forgets every token.
    pub fn clear(&self) {
        for part in &self.parts {
            *Locked(part).lock() = Part::new();
        }
    }

    /// Returns how many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| Locked(part).lock().slots.len()).sum()
    }

    /// Tells whether no token is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn part(&self, token: &str) -> Option<Locked<'_, X>> {
        // The low bits choose the part; each part's map has a seed of its own.
        let at = usize::try_from(self.hash.hash_one(token) % PARTS as u64).ok()?;
        self.parts.get(at).map(Locked)
    }
}

/// A part that another thread can have panicked in, though nothing in here panics.
struct Locked<'c, X>(&'c Mutex<Part<X>>);

impl<'c, X> Locked<'c, X> {
    fn lock(&self) -> MutexGuard<'c, Part<X>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<X> Part<X> {
    fn new() -> Self {
        Self { slots: Vec::new(), by_token: HashMap::with_hasher(Folded::seeded()), hand: 0 }
    }

    fn find(&mut self, token: &str) -> Option<Arc<Verified<Claims<'static, X>>>> {
        let slot = self.slots.get_mut(*self.by_token.get(token)?)?;
        slot.used = true;
        Some(Arc::clone(&slot.claims))
    }

    fn insert(
        &mut self,
        token: &str,
        claims: &Arc<Verified<Claims<'static, X>>>,
        capacity: usize,
        is_over: impl Fn(&Verified<Claims<'static, X>>) -> bool,
    ) {
        if self.by_token.contains_key(token) {
            return;
        }
        let token: Arc<str> = token.into();
        let new = Slot { token: Arc::clone(&token), claims: Arc::clone(claims), used: false };
        if self.slots.len() < capacity {
            self.by_token.insert(token, self.slots.len());
            self.slots.push(new);
            return;
        }
        // At most one turn to clear the marks and one more to find a cleared one.
        for _ in 0..=2 * self.slots.len() {
            let at = self.hand;
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = self.slots.get_mut(at) else { return };
            if !slot.used || is_over(&slot.claims) {
                self.by_token.remove(&slot.token);
                *slot = new;
                self.by_token.insert(token, at);
                return;
            }
            slot.used = false;
        }
    }
}

impl<X> fmt::Debug for VerifiedCache<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedCache").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
