//! The stored form of an assertion that was seen (RFC 7523 §3).

use records::{ClientId, SeenJti, UnixTime};
use serde::{Deserialize, Serialize};

use super::text::Text;
use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form<'f> {
    v: u32,
    #[serde(borrow)]
    client: Text<'f>,
    jti: Text<'f>,
    expires_at: u64,
}

impl Stored for SeenJti {
    const KIND: Kind = Kind::SeenJti;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.client.as_str(), &self.jti])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.expires_at)
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<Form<'f>, SealError> {
        Ok(Form {
            v: Self::FORM,
            client: self.client.as_str().into(),
            jti: self.jti.as_str().into(),
            expires_at: self.expires_at.0,
        })
    }

    fn from_form(form: Form<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            client: ClientId::parse(&form.client)?,
            jti: form.jti.into_owned(),
            expires_at: UnixTime(form.expires_at),
        })
    }
}
