//! Bytes that are wiped when dropped (best effort, without unsafe code).

use std::fmt;
use std::hint::black_box;

/// Overwrites the bytes with zeros.
///
/// `black_box` keeps today's compiler from dropping the writes; the language promises nothing here, and
/// copies that were made before are out of reach.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes);
}

/// A byte string that wipes itself and shows nothing of itself.
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
