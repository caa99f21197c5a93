//! Secrets at rest: sealed under a key-encryption key that the database never sees (NIST SP 800-38D; RFC 5869).

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::{self, Failed};
use crate::{Key, Kind, Space};

/// Separates this use of the key-encryption key from any other.
const SALT: &[u8] = b"authd sealing key";
/// The form of sealed texts: `s1.NAME.BASE64URL`.
const FORM: &str = "s1";

/// The key-encryption keys: the current one seals, every one of them opens.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKeys {
    current: SealingKey,
    older: Vec<SealingKey>,
}

#[derive(Clone, PartialEq, Eq)]
struct SealingKey {
    name: String,
    key: Zeroizing<[u8; 32]>,
}

impl SealingKeys {
    /// One key, under the name that will stand in what it seals.
    pub fn new(name: &str, key: Zeroizing<[u8; 32]>) -> Self {
        Self { current: SealingKey { name: name.to_owned(), key }, older: Vec::new() }
    }

    /// Adds a key that sealed before and now only opens.
    #[must_use]
    pub fn with_older(mut self, name: &str, key: Zeroizing<[u8; 32]>) -> Self {
        self.older.push(SealingKey { name: name.to_owned(), key });
        self
    }

    /// The name of the key that seals.
    pub fn current_name(&self) -> &str {
        &self.current.name
    }

    /// The names of the keys, the current one's first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|key| key.name.as_str())
    }

    fn all(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

/// Where the keys come from, asked again and again: what it says now. `None` where it cannot be read, which its owner
/// reports.
pub type KeysNow = Arc<dyn Fn() -> Option<SealingKeys> + Send + Sync>;

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().map(|key| &key.name)).finish()
    }
}

/// Where a sealed secret stands. A sealed text that was moved elsewhere does not open.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The row's space.
    pub space: &'a Space,
    /// The row's kind.
    pub kind: Kind,
    /// The row's key.
    pub key: &'a Key,
    /// The field in the row's body.
    pub field: &'static str,
}

impl Place<'_> {
    /// Everything a sealed text is bound to, each part with its length so that parts cannot run into each other.
    fn associated(&self, name: &str) -> Vec<u8> {
        parts(&[FORM, name, self.space.as_str(), self.kind.name(), self.key.as_str(), self.field])
    }
}

fn parts(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

/// Why a sealed text did not open. Carries nothing of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealError {
    /// No key of this name is at hand.
    UnknownKey(String),
    /// The key is another one of the same name, or the text was changed or moved.
    NotAuthentic,
    /// The text is not a sealed one.
    Malformed,
    /// The cryptographic backend failed.
    Failed,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(name) => {
                write!(f, "is sealed under the key-encryption key {name:?}, which is not at hand")
            }
            Self::NotAuthentic => f.write_str(
                "does not open: it was changed or moved, or the key-encryption key is another one",
            ),
            Self::Malformed => f.write_str("is not a sealed text"),
            Self::Failed => f.write_str("could not be sealed"),
        }
    }
}

impl std::error::Error for SealError {}

impl From<Failed> for SealError {
    fn from(_: Failed) -> Self {
        Self::Failed
    }
}

/// Seals secrets on their way into the database and opens them on their way out.
///
/// Each tenant and kind has its own key, derived from the key-encryption key; each sealed text has its own random
/// nonce and is bound to its place. The key's name stands in the text, so that the key can be replaced: what is
/// written is sealed under the current key, what older keys sealed still opens.
///
/// Clones share their keys, so that a server takes new ones while it runs: see [`crate::Stores::refresh`].
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<RwLock<Arc<SealingKeys>>>,
    now: Option<KeysNow>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with these keys, for as long as it lives.
    pub fn new(keys: SealingKeys) -> Self {
        Self { keys: Arc::new(RwLock::new(Arc::new(keys))), now: None }
    }

    /// A sealer with these keys, and with others when their source says so. A text under a key that is not at hand makes
    /// it ask at once, so that what another process seals under a new key can be read from the first moment.
    #[must_use]
    pub fn with_source(mut self, now: KeysNow) -> Self {
        self.now = Some(now);
        self
    }

    /// The keys in use.
    pub fn keys(&self) -> Arc<SealingKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the source says now, where that is not what is in use.
    pub(crate) fn offered(&self) -> Option<SealingKeys> {
        let offered = (self.now.as_ref()?)()?;
        (offered != *self.keys()).then_some(offered)
    }

    /// Uses these keys from now on.
    pub(crate) fn adopt(&self, keys: Arc<SealingKeys>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Seals a secret for its place: `s1.NAME.BASE64URL`, the name being the current key's.
    ///
    /// # Errors
    ///
    /// [`SealError::Failed`] where the operating system gives no randomness.
    pub fn seal(&self, place: &Place<'_>, secret: &[u8]) -> Result<String, SealError> {
        let keys = self.keys();
        let current = &keys.current;
        let sealed = crypto::seal(&*place_key(current, place)?, &place.associated(&current.name), secret)?;
        Ok(format!("{FORM}.{}.{}", current.name, URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Opens what [`Sealer::seal`] sealed for the same place.
    ///
    /// # Errors
    ///
    /// Each way in which the text or the key is not the right one.
    pub fn open(&self, place: &Place<'_>, text: &str) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (name, sealed) = split(text)?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| SealError::Malformed)?;
        match open_with(&self.keys(), place, name, &sealed) {
            Err(SealError::UnknownKey(name)) => match self.offered() {
                Some(offered) => open_with(&offered, place, &name, &sealed),
                None => Err(SealError::UnknownKey(name)),
            },
            opened => opened,
        }
    }

    /// Whether the text was sealed under an older key, so that writing its row again would renew it.
    pub fn is_outdated(&self, text: &str) -> bool {
        split(text).is_ok_and(|(name, _)| name != self.keys().current.name)
    }
}

fn open_with(
    keys: &SealingKeys,
    place: &Place<'_>,
    name: &str,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut refused = SealError::UnknownKey(name.to_owned());
    for key in keys.all().filter(|key| key.name == name) {
        match crypto::open(&*place_key(key, place)?, &place.associated(name), sealed) {
            Ok(secret) => return Ok(secret),
            Err(Failed) => refused = SealError::NotAuthentic,
        }
    }
    Err(refused)
}

/// The name of the key that a text was sealed under; `None` where it is not a sealed text.
pub(crate) fn key_name(text: &str) -> Option<&str> {
    split(text).ok().map(|(name, _)| name)
}

/// The key's name and the sealed bytes' text. A name may have dots of its own, base64url has none.
fn split(text: &str) -> Result<(&str, &str), SealError> {
    text.strip_prefix(FORM)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.rsplit_once('.'))
        .ok_or(SealError::Malformed)
}

fn place_key(key: &SealingKey, place: &Place<'_>) -> Result<Zeroizing<[u8; 32]>, Failed> {
    crypto::expand(SALT, &*key.key, &parts(&["seal", place.space.as_str(), place.kind.name()]))
}

/// A key for a labelled use of its own, from the server's root secret.
pub(crate) fn derive(root: &[u8; 32], label: &str) -> Result<Zeroizing<[u8; 32]>, Failed> {
    crypto::expand(b"authd root secret", root, &parts(&["derive", label]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use records::TenantId;

    fn keys(name: &str, byte: u8) -> SealingKeys {
        SealingKeys::new(name, Zeroizing::new([byte; 32]))
    }

    fn tenant(name: &str) -> Space {
        Space::Tenant(TenantId::parse(name).unwrap())
    }

    #[test]
    fn a_sealed_secret_opens_in_its_place_and_nowhere_else() {
        let sealer = Sealer::new(keys("k1", 1));
        let (acme, other) = (tenant("acme"), tenant("other"));
        let (key, other_key) = (Key::of(&["a"]), Key::of(&["b"]));
        let place = Place { space: &acme, kind: Kind::SigningKey, key: &key, field: "private_key" };
        let text = sealer.seal(&place, b"secret").unwrap();
        assert!(text.starts_with("s1.k1."), "{text}");
        assert_eq!(sealer.open(&place, &text).unwrap().as_slice(), b"secret");
        for moved in [
            Place { space: &other, ..place },
            Place { space: &Space::Directory, ..place },
            Place { kind: Kind::ResourceServer, ..place },
            Place { key: &other_key, ..place },
            Place { field: "signing_secret", ..place },
        ] {
            assert_eq!(sealer.open(&moved, &text), Err(SealError::NotAuthentic), "{moved:?}");
        }
    }

    #[test]
    fn the_same_secret_never_seals_to_the_same_text() {
        let (sealer, space, key) = (Sealer::new(keys("k1", 1)), tenant("acme"), Key::of(&["a"]));
        let place = Place { space: &space, kind: Kind::SigningKey, key: &key, field: "private_key" };
        assert_ne!(sealer.seal(&place, b"secret"), sealer.seal(&place, b"secret"));
    }

    #[test]
    fn a_tampered_text_is_refused_at_every_position() {
        let (sealer, space, key) = (Sealer::new(keys("k.1", 1)), tenant("acme"), Key::of(&["a"]));
        let place = Place { space: &space, kind: Kind::SigningKey, key: &key, field: "private_key" };
        let text = sealer.seal(&place, b"secret").unwrap();
        for position in 0..text.len() {
            let mut tampered = text.clone().into_bytes();
            tampered[position] = if tampered[position] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert!(sealer.open(&place, &tampered).is_err(), "{tampered}");
        }
        for text in
            ["", "s1", "s1.", "s1.k.1", "s1.k.1.", "s2.k.1.AAAA", "s1.k.1.AAAA", &text[..text.len() - 4]]
        {
            assert!(sealer.open(&place, text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_older_key_opens_and_the_current_one_seals() {
        let (space, key) = (tenant("acme"), Key::of(&["a"]));
        let place = Place { space: &space, kind: Kind::SigningKey, key: &key, field: "private_key" };
        let old = Sealer::new(keys("k1", 1)).seal(&place, b"secret").unwrap();
        let sealer = Sealer::new(keys("k2", 2).with_older("k1", Zeroizing::new([1; 32])));
        assert_eq!(sealer.open(&place, &old).unwrap().as_slice(), b"secret");
        assert!(sealer.is_outdated(&old));
        let new = sealer.seal(&place, b"secret").unwrap();
        assert!(new.starts_with("s1.k2.") && !sealer.is_outdated(&new));
        assert_eq!(Sealer::new(keys("k2", 2)).open(&place, &old), Err(SealError::UnknownKey("k1".into())));
        assert_eq!(Sealer::new(keys("k1", 3)).open(&place, &old), Err(SealError::NotAuthentic));
    }

    #[test]
    fn two_keys_of_one_name_are_both_tried() {
        let (space, key) = (tenant("acme"), Key::of(&["a"]));
        let place = Place { space: &space, kind: Kind::SigningKey, key: &key, field: "private_key" };
        let old = Sealer::new(keys("k1", 1)).seal(&place, b"secret").unwrap();
        let sealer = Sealer::new(keys("k1", 2).with_older("k1", Zeroizing::new([1; 32])));
        assert_eq!(sealer.open(&place, &old).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn keys_do_not_print() {
        let text = format!("{:?}", Sealer::new(keys("k1", 77)));
        assert!(text.contains("k1") && !text.contains("77"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_to_the_same_bytes(secret in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (sealer, space, key) = (Sealer::new(keys("k1", 1)), tenant("acme"), Key::of(&["a"]));
            let place = Place { space: &space, kind: Kind::SigningKey, key: &key, field: "private_key" };
            let text = sealer.seal(&place, &secret).unwrap();
            let opened = sealer.open(&place, &text).unwrap();
            prop_assert_eq!(opened.as_slice(), secret.as_slice());
        }
    }
}
