//! From a header to its key: by the exact segment first, by its members otherwise (RFC 7515 §4.1.4, RFC 8725 §3.1).

use std::collections::HashMap;
use std::sync::Arc;

use crate::algorithm::Algorithm;
use crate::error::Refusal;
use crate::header::{self, COMMON_ORDERS, Header};
use crate::jwks::KeySet;
use crate::keyed_hash::Folded;
use crate::token_type::TokenType;
use crate::verifying_key::VerifyingKey;

/// So many lengths of likely headers are tried.
const MOST_LENGTHS: usize = 8;

/// The keys of a verifier and the headers it expects.
pub(crate) struct KeyLookup {
    keys: Vec<VerifyingKey>,
    /// The key of each header segment that this verifier's issuer is likely to write, header checks included.
    exact: HashMap<Box<str>, usize, Folded>,
    /// The different lengths of those segments: a dot in such a place most likely ends one.
    lengths: Vec<usize>,
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
        let mut this = Self {
            keys,
            exact: HashMap::with_hasher(Folded::seeded()),
            lengths: Vec::new(),
            by_id,
            types: types.into(),
        };
        this.exact = this.likely_headers();
        this.lengths = this.exact.keys().map(|segment| segment.len()).collect();
        this.lengths.sort_unstable();
        this.lengths.dedup();
        // Where ids differ much in length, finding the dot is cheaper than trying each.
        this.lengths.truncate(MOST_LENGTHS);
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

    /// Splits off the header segment of a token and returns its key, all checks of the header done, and what
    /// follows the first dot.
    #[inline]
    pub(crate) fn split<'t>(
        &self,
        token: &'t str,
        buffer: &mut Vec<u8>,
    ) -> Result<(&VerifyingKey, &'t [u8]), Refusal> {
        for length in &self.lengths {
            if token.as_bytes().get(*length) == Some(&b'.')
                && let Some((segment, rest)) = token.split_at_checked(*length)
                && let Some(at) = self.exact.get(segment)
            {
                let key = self.keys.get(*at).ok_or(Refusal::UnknownKey)?;
                return Ok((key, rest.as_bytes().get(1..).unwrap_or_default()));
            }
        }
        self.split_slowly(token, buffer)
    }

    #[cold]
    fn split_slowly<'t>(
        &self,
        token: &'t str,
        buffer: &mut Vec<u8>,
    ) -> Result<(&VerifyingKey, &'t [u8]), Refusal> {
        let (segment, rest) = token.split_once('.').ok_or(Refusal::Malformed)?;
        let at = match self.exact.get(segment) {
            Some(at) => *at,
            None => self.parse(segment, buffer)?,
        };
        Ok((self.keys.get(at).ok_or(Refusal::UnknownKey)?, rest.as_bytes()))
    }

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
