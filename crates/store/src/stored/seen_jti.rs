//! The stored form of an assertion that was seen (RFC 7523 §3).

use records::{ClientId, SeenJti, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    client: String,
    jti: String,
    expires_at: u64,
}

impl Stored for SeenJti {
    const KIND: Kind = Kind::SeenJti;
    type Form = Form;

    fn key(&self) -> Key {
        Key::of(&[self.client.as_str(), &self.jti])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.expires_at)
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            client: self.client.to_string(),
            jti: self.jti.clone(),
            expires_at: self.expires_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            client: ClientId::parse(&form.client)?,
            jti: form.jti,
            expires_at: UnixTime(form.expires_at),
        })
    }
}
