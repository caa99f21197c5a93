//! The stored form of an authorization code (RFC 6749 §4.1.2).

use records::{
    AuthorizationCode, AuthorizationCodeId, ClientId, CodeState, Origin, RefreshFamilyId, SessionId,
    UnixTime, UserId,
};
use serde::{Deserialize, Serialize};

use super::consent::AudienceForm;
use super::text::{Digest, Methods, Scopes, Text};
use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

/// How long after its end a code is remembered, in seconds, so that its second use is recognised as one.
const REMEMBERED: u64 = 3600;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form<'f> {
    v: u32,
    #[serde(borrow)]
    id: Text<'f>,
    used_at: Option<u64>,
    family: Option<Text<'f>>,
    client: Text<'f>,
    redirect_uri: Text<'f>,
    redirect_uri_was_sent: bool,
    code_challenge: Option<Digest<'f>>,
    origin: Text<'f>,
    user: Text<'f>,
    session: Text<'f>,
    authenticated_at: u64,
    methods: Methods<'f>,
    audience: AudienceForm<'f>,
    scopes: Scopes<'f>,
    is_as_requested: bool,
    nonce: Option<Text<'f>>,
    names_auth_time: bool,
    claims: Option<Text<'f>>,
    issued_at: u64,
    expires_at: u64,
}

impl Stored for AuthorizationCode {
    const KIND: Kind = Kind::AuthorizationCode;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(UnixTime(self.expires_at.0.saturating_add(REMEMBERED)))
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<Form<'f>, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.as_str().into(),
            used_at: match &self.state {
                CodeState::Unused => None,
                CodeState::Used { at, .. } => Some(at.0),
            },
            family: match &self.state {
                CodeState::Used { family: Some(family), .. } => Some(family.as_str().into()),
                CodeState::Used { family: None, .. } | CodeState::Unused => None,
            },
            client: self.client.as_str().into(),
            redirect_uri: self.redirect_uri.as_str().into(),
            redirect_uri_was_sent: self.redirect_uri_was_sent,
            code_challenge: self.code_challenge.as_ref().map(Digest::Written),
            origin: self.origin.issuer().into(),
            user: self.user.as_str().into(),
            session: self.session.as_str().into(),
            authenticated_at: self.authenticated_at.0,
            methods: Methods::Written(&self.methods),
            audience: AudienceForm::of(&self.audience),
            scopes: Scopes::Written(&self.scopes),
            is_as_requested: self.is_as_requested,
            nonce: self.nonce.as_deref().map(Text::from),
            names_auth_time: self.names_auth_time,
            claims: self.claims.as_deref().map(Text::from),
            issued_at: self.issued_at.0,
            expires_at: self.expires_at.0,
        })
    }

    fn from_form(form: Form<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let challenge =
            |digest: Digest<'_>| digest.bytes().ok_or_else(|| Unreadable::because("has a bad challenge"));
        Ok(Self {
            id: AuthorizationCodeId::parse(&form.id)?,
            state: match form.used_at {
                None => CodeState::Unused,
                Some(at) => CodeState::Used {
                    at: UnixTime(at),
                    family: form.family.as_deref().map(RefreshFamilyId::parse).transpose()?,
                },
            },
            client: ClientId::parse(&form.client)?,
            redirect_uri: form.redirect_uri.into_owned(),
            redirect_uri_was_sent: form.redirect_uri_was_sent,
            code_challenge: form.code_challenge.map(challenge).transpose()?,
            origin: Origin::parse(&form.origin)?,
            user: UserId::parse(&form.user)?,
            session: SessionId::parse(&form.session)?,
            authenticated_at: UnixTime(form.authenticated_at),
            methods: form.methods.record()?,
            audience: form.audience.record()?,
            scopes: form.scopes.record()?,
            is_as_requested: form.is_as_requested,
            nonce: form.nonce.map(Text::into_owned),
            names_auth_time: form.names_auth_time,
            claims: form.claims.map(Text::into_owned),
            issued_at: UnixTime(form.issued_at),
            expires_at: UnixTime(form.expires_at),
        })
    }
}
