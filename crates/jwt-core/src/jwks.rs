//! Sets of keys: published, read from others, chosen from (RFC 7517 §5).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::algorithm::Algorithm;
use crate::error::KeyError;
use crate::json::{Elements, Members};
use crate::jwk::{Jwk, JwkText};
use crate::verifying_key::VerifyingKey;

/// A JWK set may have this many characters.
const LONGEST: usize = 1024 * 1024;

/// A JWK set: public keys with their ids (RFC 7517 §5).
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: Vec<Jwk>,
    skipped: usize,
}

impl JwkSet {
    /// Reads a JWK set.
    ///
    /// Keys this crate cannot use are skipped and counted: unknown types, curves and algorithms, keys for
    /// encryption, RSA keys that do not say their algorithm, and shared secrets, which have no place in a
    /// published set. The same key twice is taken once.
    ///
    /// # Errors
    /// Any [`KeyError`] of a key that is of a supported kind but malformed, weak or private, since a set with
    /// such a key was not made with care; [`KeyError::DuplicateKeyId`] for two keys with one id and algorithm.
    pub fn parse(json: &str) -> Result<Self, KeyError> {
        Self::read(json, None)
    }

    /// Reads a JWK set like [`JwkSet::parse`], taking RSA keys without `alg` to be for `algorithm`.
    ///
    /// Some issuers leave `alg` out; whoever trusts them knows what they sign with.
    ///
    /// # Errors
    /// Those of [`JwkSet::parse`].
    pub fn parse_assuming(algorithm: Algorithm, json: &str) -> Result<Self, KeyError> {
        Self::read(json, Some(algorithm))
    }

    fn read(json: &str, assumed: Option<Algorithm>) -> Result<Self, KeyError> {
        if json.len() > LONGEST {
            return Err(KeyError::TooLong);
        }
        let mut found = None;
        let mut members = Members::of(json)?;
        while let Some((name, value)) = members.next()? {
            if name.is("keys") {
                found = Some(value.array().ok_or(KeyError::Malformed)?);
            }
        }
        let mut elements = Elements::of(found.ok_or(KeyError::Malformed)?)?;
        let mut set = Self::default();
        let mut distinct = Distinct::default();
        while let Some(element) = elements.next()? {
            let object = element.object().ok_or(KeyError::Malformed)?;
            let text = JwkText::parse(object)?;
            if text.is_symmetric() {
                set.skipped += 1;
                continue;
            }
            match text.verifying_key(assumed) {
                Ok(key) => {
                    if distinct.admits(&key)? {
                        set.keys.push(Jwk::of(key));
                    }
                }
                Err(
                    KeyError::Unsupported
                    | KeyError::NotInBackend
                    | KeyError::ForbiddenUse
                    | KeyError::MissingAlgorithm,
                ) => set.skipped += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(set)
    }

    /// Collects keys to publish. Two keys under one id and algorithm are both published; a verifier cannot
    /// tell them apart, and refuses what either signed.
    pub fn from_keys(keys: impl IntoIterator<Item = Jwk>) -> Self {
        Self { keys: keys.into_iter().collect(), skipped: 0 }
    }

    /// Returns the JSON: `{"keys":[…]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Writing strings into memory has nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Iterates over the keys, with their ids.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.keys.iter().map(Jwk::verifying_key)
    }

    /// Returns the number of keys that can be used.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether there is no key that can be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns how many keys [`JwkSet::parse`] could not use.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

impl Serialize for JwkSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("keys", &self.keys)?;
        map.end()
    }
}

/// The keys seen so far, by id and algorithm.
#[derive(Default)]
struct Distinct(HashMap<(String, Algorithm), VerifyingKey>);

impl Distinct {
    /// Tells whether the key is new; the same key again is not, another under its name is an error.
    fn admits(&mut self, key: &VerifyingKey) -> Result<bool, KeyError> {
        let Some(id) = key.key_id() else { return Ok(true) };
        match self.0.entry((id.to_owned(), key.algorithm())) {
            Entry::Vacant(free) => {
                free.insert(key.clone());
                Ok(true)
            }
            Entry::Occupied(twin) if twin.get().is_same_key(key) => Ok(false),
            Entry::Occupied(_) => Err(KeyError::DuplicateKeyId),
        }
    }
}

/// The keys that a [`Verifier`](crate::Verifier) chooses from.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// Collects keys. A token names one by its `kid`; without `kid`, exactly one key of the set must have the
    /// token's algorithm. A key without an id serves tokens with any `kid` that no other key has.
    ///
    /// # Errors
    /// [`KeyError::DuplicateKeyId`] for two different keys with one id and algorithm.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        let mut set = Self { keys: Vec::new() };
        let mut distinct = Distinct::default();
        for key in keys {
            if distinct.admits(&key)? {
                set.keys.push(key);
            }
        }
        Ok(set)
    }

    /// Iterates over the keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    pub(crate) fn into_keys(self) -> Vec<VerifyingKey> {
        self.keys
    }
}

impl From<VerifyingKey> for KeySet {
    fn from(key: VerifyingKey) -> Self {
        Self { keys: vec![key] }
    }
}

impl From<&VerifyingKey> for KeySet {
    fn from(key: &VerifyingKey) -> Self {
        key.clone().into()
    }
}

impl From<JwkSet> for KeySet {
    fn from(set: JwkSet) -> Self {
        Self { keys: set.keys.into_iter().map(|jwk| jwk.verifying_key().clone()).collect() }
    }
}

impl From<&JwkSet> for KeySet {
    fn from(set: &JwkSet) -> Self {
        Self { keys: set.keys().cloned().collect() }
    }
}
