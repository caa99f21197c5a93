//! The stored form of counted login attempts.

use records::{AttemptsId, LoginAttempts, UnixTime};
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
    failures: u32,
    last_at: u64,
    forgotten_at: u64,
}

impl Stored for LoginAttempts {
    const KIND: Kind = Kind::LoginAttempts;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.forgotten_at)
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<Form<'f>, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.as_str().into(),
            failures: self.failures,
            last_at: self.last_at.0,
            forgotten_at: self.forgotten_at.0,
        })
    }

    fn from_form(form: Form<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: AttemptsId::parse(&form.id)?,
            failures: form.failures,
            last_at: UnixTime(form.last_at),
            forgotten_at: UnixTime(form.forgotten_at),
        })
    }
}
