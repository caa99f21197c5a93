//! Unique name rows: who owns an origin, an API's identifier, a client grant's place. Their absence is the claim.

use records::{
    ApiIdentifier, ClientGrant, ClientGrantId, ClientId, Origin, ResourceServer, ResourceServerId,
    SubjectType, Tenant, TenantId,
};
use serde::{Deserialize, Serialize};

use super::resource_server::Identifier;
use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

/// The key of an origin's row.
pub(crate) fn origin_key(origin: &Origin) -> Key {
    Key::of(&[origin.issuer()])
}

/// The key of an API identifier's row.
pub(crate) fn identifier_key(identifier: &ApiIdentifier) -> Key {
    match identifier {
        ApiIdentifier::Management => Key::of(&["management"]),
        ApiIdentifier::Fixed(text) => Key::of(&["fixed", text]),
    }
}

/// The key of what a client grant is unique on.
pub(crate) fn grant_unique_key(client: &ClientId, api: &ResourceServerId, subject_type: SubjectType) -> Key {
    Key::of(&[client.as_str(), api.as_str(), subject_type.name()])
}

/// Which tenant answers at an origin.
pub(crate) struct OriginOwner {
    pub(crate) origin: Origin,
    pub(crate) tenant: TenantId,
}

impl OriginOwner {
    pub(crate) fn new(origin: &Origin, tenant: &Tenant) -> Self {
        Self { origin: origin.clone(), tenant: tenant.id.clone() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OriginForm {
    v: u32,
    origin: String,
    tenant: String,
}

impl Stored for OriginOwner {
    const KIND: Kind = Kind::TenantOrigin;
    type Form<'f> = OriginForm;

    fn key(&self) -> Key {
        origin_key(&self.origin)
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<OriginForm, SealError> {
        Ok(OriginForm { v: Self::FORM, origin: self.origin.to_string(), tenant: self.tenant.to_string() })
    }

    fn from_form(form: OriginForm, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self { origin: Origin::parse(&form.origin)?, tenant: TenantId::parse(&form.tenant)? })
    }
}

/// Which API has an identifier.
pub(crate) struct IdentifierOwner {
    pub(crate) identifier: ApiIdentifier,
    pub(crate) id: ResourceServerId,
}

impl IdentifierOwner {
    pub(crate) fn new(api: &ResourceServer) -> Self {
        Self { identifier: api.identifier.clone(), id: api.id.clone() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierForm {
    v: u32,
    identifier: Identifier,
    id: String,
}

impl Stored for IdentifierOwner {
    const KIND: Kind = Kind::ResourceServerIdentifier;
    type Form<'f> = IdentifierForm;

    fn key(&self) -> Key {
        identifier_key(&self.identifier)
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<IdentifierForm, SealError> {
        let identifier = Identifier::of(&self.identifier);
        Ok(IdentifierForm { v: Self::FORM, identifier, id: self.id.to_string() })
    }

    fn from_form(form: IdentifierForm, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self { identifier: form.identifier.record()?, id: ResourceServerId::parse(&form.id)? })
    }
}

/// Which grant stands for a client, an API and a subject type.
pub(crate) struct GrantOwner {
    pub(crate) client: ClientId,
    pub(crate) resource_server: ResourceServerId,
    pub(crate) subject_type: SubjectType,
    pub(crate) id: ClientGrantId,
}

impl GrantOwner {
    pub(crate) fn new(grant: &ClientGrant) -> Self {
        Self {
            client: grant.client.clone(),
            resource_server: grant.resource_server.clone(),
            subject_type: grant.subject_type,
            id: grant.id.clone(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantForm {
    v: u32,
    client: String,
    resource_server: String,
    subject_type: String,
    id: String,
}

impl Stored for GrantOwner {
    const KIND: Kind = Kind::ClientGrantUnique;
    type Form<'f> = GrantForm;

    fn key(&self) -> Key {
        grant_unique_key(&self.client, &self.resource_server, self.subject_type)
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<GrantForm, SealError> {
        Ok(GrantForm {
            v: Self::FORM,
            client: self.client.to_string(),
            resource_server: self.resource_server.to_string(),
            subject_type: self.subject_type.name().to_owned(),
            id: self.id.to_string(),
        })
    }

    fn from_form(form: GrantForm, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            client: ClientId::parse(&form.client)?,
            resource_server: ResourceServerId::parse(&form.resource_server)?,
            subject_type: SubjectType::from_name(&form.subject_type)
                .ok_or_else(|| Unreadable::member("subject_type"))?,
            id: ClientGrantId::parse(&form.id)?,
        })
    }
}
