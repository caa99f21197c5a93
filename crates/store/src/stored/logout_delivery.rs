//! The stored form of a logout token on its way.

use records::{ClientId, LogoutDelivery, Origin, SessionId, UnixTime, UserId};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    client: String,
    session: String,
    user: String,
    origin: String,
    attempts: u32,
    next_at: u64,
    created_at: u64,
}

impl Stored for LogoutDelivery {
    const KIND: Kind = Kind::LogoutDelivery;
    type Form<'f> = Form;

    /// What is due first comes first, so that looking for it reads nothing else.
    fn key(&self) -> Key {
        let next_at = format!("{:016x}", self.next_at.0);
        Key::of(&[&next_at, self.session.as_str(), self.client.as_str()])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.given_up_at())
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            client: self.client.to_string(),
            session: self.session.to_string(),
            user: self.user.to_string(),
            origin: self.origin.to_string(),
            attempts: self.attempts,
            next_at: self.next_at.0,
            created_at: self.created_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            client: ClientId::parse(&form.client)?,
            session: SessionId::parse(&form.session)?,
            user: UserId::parse(&form.user)?,
            origin: Origin::parse(&form.origin)?,
            attempts: form.attempts,
            next_at: UnixTime(form.next_at),
            created_at: UnixTime(form.created_at),
        })
    }
}
