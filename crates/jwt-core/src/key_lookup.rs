//! From a header to its key: by the exact segment first, by its members otherwise (RFC 7515 §4.1.4, RFC 8725 §3.1).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use crate::algorithm::Algorithm;
use crate::error::Refusal;
use crate::header::{self, COMMON_ORDERS, Header};
use crate::jwks::KeySet;
use crate::token_type::TokenType;
use crate::verifying_key::VerifyingKey;

/// The keys of a verifier and the headers it expects.
pub(crate) struct KeyLookup {
    keys: Vec<VerifyingKey>,
    /// The key of each header segment that this verifier's issuer is likely to write, header checks included.
    exact: HashMap<Box<str>, usize, Folded>,
    by_id: HashMap<Arc<str>, Vec<usize>>,
    /// What `typ` may be; empty if it was waived.
    types: Box<[TokenType]>,
}

impl KeyLookup {
    pub(crate) fn new(set: KeySet, types: &[TokenType]) -> Self {
        let keys = set.into_keys();
        let mut by_id: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
        for (at, key) in keys.iter().enumerate() {
            if let Some(id) = key.key_id() {
                by_id.entry(id.into()).or_default().push(at);
            }
        }
        let mut this =
            Self { keys, exact: HashMap::with_hasher(Folded::seeded()), by_id, types: types.into() };
        this.exact = this.likely_headers();
        this
    }

    /// Writes the likely headers and asks the slow path for the key of each, so that the paths cannot differ.
    fn likely_headers(&self) -> HashMap<Box<str>, usize, Folded> {
        let mut exact = HashMap::with_hasher(Folded::seeded());
        let types: Vec<_> = match &*self.types {
            [] => [TokenType::Jwt, TokenType::AccessToken].map(Some).into_iter().chain([None]).collect(),
            types => types.iter().copied().map(Some).collect(),
        };
        let mut names: Vec<(Algorithm, Option<&str>)> =
            self.keys.iter().map(|key| (key.algorithm(), key.key_id())).collect();
        names.extend(Algorithm::ALL.map(|algorithm| (algorithm, None)));
        for (algorithm, key_id) in names {
            for typ in &types {
                for order in COMMON_ORDERS {
                    if let Ok(at) = self.find(algorithm.name(), key_id) {
                        exact.insert(header::encode(algorithm, *typ, key_id, order).into(), at);
                    }
                }
            }
        }
        exact
    }

    /// Returns the key of a header segment, all checks of the header done.
    #[inline]
    pub(crate) fn key_of(&self, segment: &str, buffer: &mut Vec<u8>) -> Result<&VerifyingKey, Refusal> {
        let at = match self.exact.get(segment) {
            Some(at) => *at,
            None => self.parse(segment, buffer)?,
        };
        self.keys.get(at).ok_or(Refusal::UnknownKey)
    }

    #[cold]
    fn parse(&self, segment: &str, buffer: &mut Vec<u8>) -> Result<usize, Refusal> {
        let header = Header::decode(segment, buffer)?;
        let at = self.find(&header.algorithm, header.key_id.as_deref())?;
        //= RFC 8725 §3.11
        let expected = |typ: &str| self.types.iter().any(|one| one.is_named(typ));
        if !self.types.is_empty() && !header.typ.as_deref().is_some_and(expected) {
            return Err(Refusal::WrongType);
        }
        Ok(at)
    }

    /// Returns the one key that fits; the algorithm only ever narrows what the id has chosen.
    fn find(&self, algorithm: &str, key_id: Option<&str>) -> Result<usize, Refusal> {
        let named = key_id.and_then(|id| self.by_id.get(id));
        let of_algorithm =
            |at: &usize| self.keys.get(*at).is_some_and(|key| key.algorithm().name() == algorithm);
        let all = 0..self.keys.len();
        let candidates: &mut dyn Iterator<Item = usize> = match (named, key_id) {
            (Some(named), _) => &mut named.iter().copied(),
            // A key that was given no id serves any, unless another key has it.
            (None, Some(_)) => {
                &mut all.filter(|at| self.keys.get(*at).is_some_and(|key| key.key_id().is_none()))
            }
            (None, None) => &mut all.clone(),
        };
        let mut candidates = candidates.peekable();
        if candidates.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        //= RFC 8725 §3.1
        let mut fitting = candidates.filter(of_algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(at), None) => Ok(at),
            (None, _) => Err(Refusal::AlgorithmMismatch),
            // Two keys fit and the token does not say which: trying them would make the id meaningless.
            (Some(_), Some(_)) => Err(Refusal::UnknownKey),
        }
    }
}

/// A keyed hash for segments of some dozen bytes: folded 128-bit multiplication, as in wyhash.
///
/// The map holds headers of our own making only, so nobody can fill it with colliding ones; the seed keeps
/// lookups from being aimed at one bucket.
#[derive(Clone, Copy)]
struct Folded(u64, u64);

impl Folded {
    fn seeded() -> Self {
        // The standard library's random keys, the only entropy it gives.
        let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
        Self(random(), random() | 1)
    }
}

impl BuildHasher for Folded {
    type Hasher = FoldedHasher;

    #[inline]
    fn build_hasher(&self) -> FoldedHasher {
        FoldedHasher { state: self.0, key: self.1 }
    }
}

struct FoldedHasher {
    state: u64,
    key: u64,
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    {
        product as u64 ^ (product >> 64) as u64
    }
}

impl Hasher for FoldedHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<16>();
        let mut absorb = |pair: &[u8; 16]| {
            let value = u128::from_le_bytes(*pair);
            #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
            let (low, high) = (value as u64, (value >> 64) as u64);
            self.state = fold(self.state ^ low, self.key ^ high);
        };
        pairs.iter().for_each(&mut absorb);
        let mut last = [0; 16];
        if let Some(to) = last.get_mut(..rest.len()) {
            to.copy_from_slice(rest);
        }
        absorb(&last);
        self.state = fold(self.state ^ bytes.len() as u64, self.key);
    }

    #[inline]
    fn write_u8(&mut self, _: u8) {
        // The end mark of a str; the length is part of the hash already.
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}
