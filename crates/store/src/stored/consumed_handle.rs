//! The stored form of a sealed handle that was used up.

use records::{ConsumedHandle, HandleId, UnixTime};
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
    id: Text<'f>,
    expires_at: u64,
}

impl Stored for ConsumedHandle {
    const KIND: Kind = Kind::ConsumedHandle;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.expires_at)
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<Form<'f>, SealError> {
        Ok(Form { v: Self::FORM, id: self.id.as_str().into(), expires_at: self.expires_at.0 })
    }

    fn from_form(form: Form<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self { id: HandleId::parse(&form.id)?, expires_at: UnixTime(form.expires_at) })
    }
}
