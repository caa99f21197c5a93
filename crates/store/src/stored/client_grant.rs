//! The stored form of a client grant.

use records::{ClientGrant, ClientGrantId, ClientId, ResourceServerId, ScopeSet, SubjectType, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{IndexEntry, Key, Kind};

/// The index by client.
pub(crate) const BY_CLIENT: &str = "client";
/// The index by API.
pub(crate) const BY_RESOURCE_SERVER: &str = "resource_server";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    client: String,
    resource_server: String,
    /// Space-separated.
    scopes: String,
    allow_all_scopes: bool,
    subject_type: String,
    created_at: u64,
}

impl Stored for ClientGrant {
    const KIND: Kind = Kind::ClientGrant;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![
            IndexEntry::of(BY_CLIENT, &[self.client.as_str()]),
            IndexEntry::of(BY_RESOURCE_SERVER, &[self.resource_server.as_str()]),
        ]
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            client: self.client.to_string(),
            resource_server: self.resource_server.to_string(),
            scopes: self.scopes.to_string(),
            allow_all_scopes: self.allow_all_scopes,
            subject_type: self.subject_type.name().to_owned(),
            created_at: self.created_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: ClientGrantId::parse(&form.id)?,
            client: ClientId::parse(&form.client)?,
            resource_server: ResourceServerId::parse(&form.resource_server)?,
            scopes: ScopeSet::parse(&form.scopes)?,
            allow_all_scopes: form.allow_all_scopes,
            subject_type: SubjectType::from_name(&form.subject_type)
                .ok_or_else(|| Unreadable::member("subject_type"))?,
            created_at: UnixTime(form.created_at),
        })
    }
}
