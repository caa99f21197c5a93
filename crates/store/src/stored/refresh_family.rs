//! The stored form of a refresh family (docs/adr/0004).

use records::{
    ClientId, Origin, PreviousToken, RefreshFamily, RefreshFamilyId, SecretDigest, SessionId, UnixTime,
    UserId,
};
use serde::{Deserialize, Serialize};

use super::consent::AudienceForm;
use super::session::BY_USER;
use super::text::{Digest, Methods, Scopes, Text};
use super::{BY_CLIENT, BY_RESOURCE_SERVER, Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{IndexEntry, Key, Kind};

/// The index of families by person and client together: in the order in which they were made.
pub(crate) const BY_USER_AND_CLIENT: &str = "user_client";

/// A row without an absolute end is renewed in steps of this many seconds: a week.
const STEP: u64 = 7 * 86_400;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form<'f> {
    v: u32,
    #[serde(borrow)]
    id: Text<'f>,
    user: Text<'f>,
    client: Text<'f>,
    audience: AudienceForm<'f>,
    scopes: Scopes<'f>,
    redirect_uri: Option<Text<'f>>,
    origin: Text<'f>,
    session: Option<Text<'f>>,
    authenticated_at: u64,
    methods: Methods<'f>,
    names_auth_time: bool,
    claims: Option<Text<'f>>,
    generation: u64,
    current: Digest<'f>,
    previous: Option<PreviousForm<'f>>,
    created_at: u64,
    last_used_at: u64,
    expires_at: Option<u64>,
    idle_expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreviousForm<'f> {
    #[serde(borrow)]
    digest: Digest<'f>,
    rotated_at: u64,
    successor: Text<'f>,
}

impl Stored for RefreshFamily {
    const KIND: Kind = Kind::RefreshFamily;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        let mut index = vec![
            IndexEntry::of(BY_USER, &[self.user.as_str()]),
            IndexEntry::of(BY_CLIENT, &[self.client.as_str()]),
            IndexEntry::of(BY_USER_AND_CLIENT, &[self.user.as_str(), self.client.as_str()]),
        ];
        if let records::Audience::Api(api) = &self.audience {
            index.push(IndexEntry::of(BY_RESOURCE_SERVER, &[api.as_str()]));
        }
        index
    }

    /// The absolute end, which a rotation does not move: the row's place in the order of ends is not written each time.
    fn drop_at(&self) -> Option<UnixTime> {
        let by_idleness =
            |end: UnixTime| UnixTime(end.0.div_ceil(STEP).saturating_add(1).saturating_mul(STEP));
        self.expires_at.or_else(|| self.idle_expires_at.map(by_idleness))
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<Form<'f>, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.as_str().into(),
            user: self.user.as_str().into(),
            client: self.client.as_str().into(),
            audience: AudienceForm::of(&self.audience),
            scopes: Scopes::Written(&self.scopes),
            redirect_uri: self.redirect_uri.as_deref().map(Text::from),
            origin: self.origin.issuer().into(),
            session: self.session.as_ref().map(|id| id.as_str().into()),
            authenticated_at: self.authenticated_at.0,
            methods: Methods::Written(&self.methods),
            names_auth_time: self.names_auth_time,
            claims: self.claims.as_deref().map(Text::from),
            generation: self.generation,
            current: Digest::Written(&self.current.0),
            previous: self.previous.as_ref().map(|previous| PreviousForm {
                digest: Digest::Written(&previous.digest.0),
                rotated_at: previous.rotated_at.0,
                successor: previous.successor.as_str().into(),
            }),
            created_at: self.created_at.0,
            last_used_at: self.last_used_at.0,
            expires_at: self.expires_at.map(|time| time.0),
            idle_expires_at: self.idle_expires_at.map(|time| time.0),
        })
    }

    fn from_form(form: Form<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let digest = |digest: Digest<'_>| {
            digest.bytes().map(SecretDigest).ok_or_else(|| Unreadable::because("has a bad digest"))
        };
        let previous = |form: PreviousForm<'_>| -> Result<PreviousToken, Unreadable> {
            Ok(PreviousToken {
                digest: digest(form.digest)?,
                rotated_at: UnixTime(form.rotated_at),
                successor: form.successor.into_owned(),
            })
        };
        Ok(Self {
            id: RefreshFamilyId::parse(&form.id)?,
            user: UserId::parse(&form.user)?,
            client: ClientId::parse(&form.client)?,
            audience: form.audience.record()?,
            scopes: form.scopes.record()?,
            redirect_uri: form.redirect_uri.map(Text::into_owned),
            origin: Origin::parse(&form.origin)?,
            session: form.session.as_deref().map(SessionId::parse).transpose()?,
            authenticated_at: UnixTime(form.authenticated_at),
            methods: form.methods.record()?,
            names_auth_time: form.names_auth_time,
            claims: form.claims.map(Text::into_owned),
            generation: form.generation,
            current: digest(form.current)?,
            previous: form.previous.map(previous).transpose()?,
            created_at: UnixTime(form.created_at),
            last_used_at: UnixTime(form.last_used_at),
            expires_at: form.expires_at.map(UnixTime),
            idle_expires_at: form.idle_expires_at.map(UnixTime),
        })
    }
}
