//! The stored form of a signing key. The private key is sealed.

use records::{KeyId, KeyState, SecretBytes, SigningAlgorithm, SigningKey, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    algorithm: String,
    /// PKCS#8 DER, sealed.
    private_key: String,
    state: String,
    created_at: u64,
    state_since: u64,
}

const SECRET: &str = "private_key";

impl Stored for SigningKey {
    const KIND: Kind = Kind::SigningKey;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn to_form(&self, seals: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            algorithm: self.algorithm.name().to_owned(),
            private_key: seals.seal(SECRET, self.private_key.expose())?,
            state: self.state.name().to_owned(),
            created_at: self.created_at.0,
            state_since: self.state_since.0,
        })
    }

    fn from_form(form: Form, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        let mut private_key = seals.open(SECRET, &form.private_key)?;
        Ok(Self {
            id: KeyId::parse(&form.id)?,
            algorithm: SigningAlgorithm::from_name(&form.algorithm)
                .ok_or_else(|| Unreadable::member("algorithm"))?,
            private_key: SecretBytes::new(std::mem::take(&mut *private_key)),
            state: KeyState::from_name(&form.state).ok_or_else(|| Unreadable::member("state"))?,
            created_at: UnixTime(form.created_at),
            state_since: UnixTime(form.state_since),
        })
    }
}
