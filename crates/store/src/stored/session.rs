//! The stored form of a session.

use records::{AuthenticationMethod, ClientId, Session, SessionId, UnixTime, UserId};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{IndexEntry, Key, Kind};

/// The index of sessions, grants and consent records by person.
pub(crate) const BY_USER: &str = "user";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    user: String,
    authenticated_at: u64,
    methods: Vec<String>,
    created_at: u64,
    expires_at: u64,
    idle_expires_at: u64,
    clients: Vec<String>,
}

impl Stored for Session {
    const KIND: Kind = Kind::Session;
    type Form = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::of(BY_USER, &[self.user.as_str()])]
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(self.ends_at())
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            user: self.user.to_string(),
            authenticated_at: self.authenticated_at.0,
            methods: method_names(&self.methods),
            created_at: self.created_at.0,
            expires_at: self.expires_at.0,
            idle_expires_at: self.idle_expires_at.0,
            clients: self.clients.iter().map(ClientId::to_string).collect(),
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: SessionId::parse(&form.id)?,
            user: UserId::parse(&form.user)?,
            authenticated_at: UnixTime(form.authenticated_at),
            methods: methods(&form.methods)?,
            created_at: UnixTime(form.created_at),
            expires_at: UnixTime(form.expires_at),
            idle_expires_at: UnixTime(form.idle_expires_at),
            clients: form.clients.iter().map(|id| ClientId::parse(id)).collect::<Result<_, _>>()?,
        })
    }
}

pub(super) fn method_names(methods: &[AuthenticationMethod]) -> Vec<String> {
    methods.iter().map(|method| method.name().to_owned()).collect()
}

pub(super) fn methods(names: &[String]) -> Result<Vec<AuthenticationMethod>, Unreadable> {
    let method = |name: &String| AuthenticationMethod::from_name(name).ok_or(Unreadable::member("method"));
    names.iter().map(method).collect()
}
