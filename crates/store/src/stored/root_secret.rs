//! The stored form of the server's root secret: sealed, so that it opens under the right key-encryption key alone.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

/// 32 random bytes, made with the database and never changed: what derived keys are derived from.
///
/// It outlives every key-encryption key; otherwise replacing one would void each digest and MAC made before.
#[derive(Clone)]
pub(crate) struct RootSecret(pub(crate) Zeroizing<[u8; 32]>);

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
}

const SECRET: &str = "secret";

impl Stored for RootSecret {
    const KIND: Kind = Kind::RootSecret;
    type Form = Form;

    fn key(&self) -> Key {
        Self::row_key()
    }

    fn to_form(&self, seals: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form { v: Self::FORM, secret: seals.seal(SECRET, &*self.0)? })
    }

    fn from_form(form: Form, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        let secret = seals.open(SECRET, &form.secret)?;
        let secret = secret.as_slice().try_into().map_err(|_| Unreadable::because("is not 32 bytes"))?;
        Ok(Self(Zeroizing::new(secret)))
    }
}
