//! The stored form of an authorization code (RFC 6749 §4.1.2).

use records::{
    AuthorizationCode, AuthorizationCodeId, ClientId, CodeState, Origin, RefreshFamilyId, ScopeSet,
    SessionId, UnixTime, UserId,
};
use serde::{Deserialize, Serialize};

use super::consent::AudienceForm;
use super::session::{method_names, methods};
use super::{Seals, Stored, Unreadable, decode_digest, encode_digest};
use crate::seal::SealError;
use crate::{Key, Kind};

/// How long after its end a code is remembered, in seconds, so that its second use is recognised as one.
const REMEMBERED: u64 = 3600;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    used_at: Option<u64>,
    family: Option<String>,
    client: String,
    redirect_uri: String,
    redirect_uri_was_sent: bool,
    code_challenge: Option<String>,
    origin: String,
    user: String,
    session: String,
    authenticated_at: u64,
    methods: Vec<String>,
    audience: AudienceForm,
    /// Space-separated.
    scopes: String,
    is_as_requested: bool,
    nonce: Option<String>,
    names_auth_time: bool,
    claims: Option<String>,
    issued_at: u64,
    expires_at: u64,
}

impl Stored for AuthorizationCode {
    const KIND: Kind = Kind::AuthorizationCode;
    type Form = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(UnixTime(self.expires_at.0.saturating_add(REMEMBERED)))
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            used_at: match &self.state {
                CodeState::Unused => None,
                CodeState::Used { at, .. } => Some(at.0),
            },
            family: match &self.state {
                CodeState::Used { family: Some(family), .. } => Some(family.to_string()),
                CodeState::Used { family: None, .. } | CodeState::Unused => None,
            },
            client: self.client.to_string(),
            redirect_uri: self.redirect_uri.clone(),
            redirect_uri_was_sent: self.redirect_uri_was_sent,
            code_challenge: self.code_challenge.as_ref().map(encode_digest),
            origin: self.origin.to_string(),
            user: self.user.to_string(),
            session: self.session.to_string(),
            authenticated_at: self.authenticated_at.0,
            methods: method_names(&self.methods),
            audience: AudienceForm::of(&self.audience),
            scopes: self.scopes.to_string(),
            is_as_requested: self.is_as_requested,
            nonce: self.nonce.clone(),
            names_auth_time: self.names_auth_time,
            claims: self.claims.clone(),
            issued_at: self.issued_at.0,
            expires_at: self.expires_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let challenge = |text: String| decode_digest(&text).ok_or(Unreadable::because("has a bad challenge"));
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
            redirect_uri: form.redirect_uri,
            redirect_uri_was_sent: form.redirect_uri_was_sent,
            code_challenge: form.code_challenge.map(challenge).transpose()?,
            origin: Origin::parse(&form.origin)?,
            user: UserId::parse(&form.user)?,
            session: SessionId::parse(&form.session)?,
            authenticated_at: UnixTime(form.authenticated_at),
            methods: methods(&form.methods)?,
            audience: form.audience.record()?,
            scopes: ScopeSet::parse(&form.scopes)?,
            is_as_requested: form.is_as_requested,
            nonce: form.nonce,
            names_auth_time: form.names_auth_time,
            claims: form.claims,
            issued_at: UnixTime(form.issued_at),
            expires_at: UnixTime(form.expires_at),
        })
    }
}
