//! The stored form of a session.

use records::{ClientId, Session, SessionId, UnixTime, UserId};
use serde::{Deserialize, Serialize};

use super::text::{Methods, Text};
use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{IndexEntry, Key, Kind};

/// The index of sessions, grants and consent records by person.
pub(crate) const BY_USER: &str = "user";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form<'f> {
    v: u32,
    #[serde(borrow)]
    id: Text<'f>,
    user: Text<'f>,
    authenticated_at: u64,
    methods: Methods<'f>,
    created_at: u64,
    expires_at: u64,
    idle_expires_at: u64,
    clients: Vec<Text<'f>>,
}

impl Stored for Session {
    const KIND: Kind = Kind::Session;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::of(BY_USER, &[self.user.as_str()])]
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.ends_at())
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<Form<'f>, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.as_str().into(),
            user: self.user.as_str().into(),
            authenticated_at: self.authenticated_at.0,
            methods: Methods::Written(&self.methods),
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
            idle_expires_at: self.idle_expires_at.0,
            clients: self.clients.iter().map(|id| id.as_str().into()).collect(),
        })
    }

    fn from_form(form: Form<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: SessionId::parse(&form.id)?,
            user: UserId::parse(&form.user)?,
            authenticated_at: UnixTime(form.authenticated_at),
            methods: form.methods.record()?,
            created_at: UnixTime(form.created_at),
            expires_at: UnixTime(form.expires_at),
            idle_expires_at: UnixTime(form.idle_expires_at),
            clients: form.clients.iter().map(|id| ClientId::parse(id)).collect::<Result<_, _>>()?,
        })
    }
}
