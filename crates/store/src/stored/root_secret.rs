//! The stored form of the server's root secret: sealed, so that it opens under the right key-encryption key alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Seals, Stored, Unreadable};
use crate::seal::{SealError, key_name};
use crate::{Key, Kind};

/// 32 random bytes, made with the database and never changed: what derived keys are derived from.
///
/// It outlives every key-encryption key; otherwise replacing one would void each digest and MAC made before.
#[derive(Clone)]
pub(crate) struct RootSecret {
    /// The bytes.
    pub(crate) secret: Zeroizing<[u8; 32]>,
    /// The names of the key-encryption keys that a row may be sealed under. Written before the first such row, shortened
    /// when none is left.
    pub(crate) needed: BTreeSet<String>,
}

impl RootSecret {
    /// The one row's key.
    pub(crate) fn row_key() -> Key {
        Key::of(&["root"])
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    /// Sealed.
    secret: String,
    /// Since form 2; before, the key of `secret` alone.
    #[serde(default)]
    needed: BTreeSet<String>,
}

const SECRET: &str = "secret";

impl Stored for RootSecret {
    const KIND: Kind = Kind::RootSecret;
    const FORM: u32 = 2;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Self::row_key()
    }

    fn to_form(&self, seals: &Seals<'_>) -> Result<Form, SealError> {
        let secret = seals.seal(SECRET, &*self.secret)?;
        let mut needed = self.needed.clone();
        needed.extend(key_name(&secret).map(str::to_owned));
        Ok(Form { v: Self::FORM, secret, needed })
    }

    fn from_form(form: Form, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        let secret = seals.open(SECRET, &form.secret)?;
        let secret = secret.as_slice().try_into().map_err(|_| Unreadable::because("is not 32 bytes"))?;
        let mut needed = form.needed;
        needed.extend(key_name(&form.secret).map(str::to_owned));
        Ok(Self { secret: Zeroizing::new(secret), needed })
    }
}
