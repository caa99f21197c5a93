//! The stored forms of what people and administrators allowed, and of what was shown.

use records::{
    AdministrativeConsent, Audience, ClientId, ConnectionName, ConsentAnswer, ConsentFor, ConsentRecord,
    ConsentRecordId, ConsentRule, ResourceServerId, ScopeSet, ScopeToken, SessionId, ShownScope, UnixTime,
    UserGrant, UserGrantId, UserId,
};
use serde::{Deserialize, Serialize};

use super::session::BY_USER;
use super::text::{Scopes, Text};
use super::{BY_CLIENT, BY_RESOURCE_SERVER, Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{IndexEntry, Key, Kind};

/// The index of user grants by their own id.
pub(crate) const BY_ID: &str = "id";

/// How long a record of what was shown and chosen is kept: three years, in seconds.
const KEPT: u64 = 3 * 366 * 86_400;

/// `"user_info"` or `{"api":"…"}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AudienceForm<'f> {
    UserInfo,
    #[serde(borrow)]
    Api(Text<'f>),
}

impl<'f> AudienceForm<'f> {
    pub(super) fn of(audience: &'f Audience) -> Self {
        match audience {
            Audience::UserInfo => Self::UserInfo,
            Audience::Api(id) => Self::Api(id.as_str().into()),
        }
    }

    pub(super) fn record(&self) -> Result<Audience, Unreadable> {
        Ok(match self {
            Self::UserInfo => Audience::UserInfo,
            Self::Api(id) => Audience::Api(ResourceServerId::parse(id)?),
        })
    }
}

/// The key of what a user grant is unique on.
pub(crate) fn user_grant_key(user: &UserId, client: &ClientId, audience: &Audience) -> Key {
    match audience {
        Audience::UserInfo => Key::of(&[user.as_str(), client.as_str(), "userinfo"]),
        Audience::Api(api) => Key::of(&[user.as_str(), client.as_str(), "api", api.as_str()]),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantForm<'f> {
    v: u32,
    #[serde(borrow)]
    id: Text<'f>,
    user: Text<'f>,
    client: Text<'f>,
    audience: AudienceForm<'f>,
    scopes: Scopes<'f>,
    left_out: Scopes<'f>,
    created_at: u64,
    updated_at: u64,
}

impl Stored for UserGrant {
    const KIND: Kind = Kind::UserGrant;
    type Form<'f> = GrantForm<'f>;

    fn key(&self) -> Key {
        user_grant_key(&self.user, &self.client, &self.audience)
    }

    fn index(&self) -> Vec<IndexEntry> {
        let mut index = vec![
            IndexEntry::of(BY_ID, &[self.id.as_str()]),
            IndexEntry::of(BY_USER, &[self.user.as_str()]),
            IndexEntry::of(BY_CLIENT, &[self.client.as_str()]),
        ];
        if let Audience::Api(api) = &self.audience {
            index.push(IndexEntry::of(BY_RESOURCE_SERVER, &[api.as_str()]));
        }
        index
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<GrantForm<'f>, SealError> {
        Ok(GrantForm {
            v: Self::FORM,
            id: self.id.as_str().into(),
            user: self.user.as_str().into(),
            client: self.client.as_str().into(),
            audience: AudienceForm::of(&self.audience),
            scopes: Scopes::Written(&self.scopes),
            left_out: Scopes::Written(&self.left_out),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }

    fn from_form(form: GrantForm<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: UserGrantId::parse(&form.id)?,
            user: UserId::parse(&form.user)?,
            client: ClientId::parse(&form.client)?,
            audience: form.audience.record()?,
            scopes: form.scopes.record()?,
            left_out: form.left_out.record()?,
            created_at: UnixTime(form.created_at),
            updated_at: UnixTime(form.updated_at),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordForm<'f> {
    v: u32,
    id: String,
    user: String,
    session: String,
    client: String,
    client_name: String,
    #[serde(borrow)]
    audience: AudienceForm<'f>,
    shown: Vec<ShownForm>,
    /// Space-separated; absent: declined.
    accepted: Option<String>,
    decided_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShownForm {
    value: String,
    text: String,
    is_new: bool,
    is_optional: bool,
}

impl Stored for ConsentRecord {
    const KIND: Kind = Kind::ConsentRecord;
    type Form<'f> = RecordForm<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.user.as_str(), self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::of(BY_USER, &[self.user.as_str()])]
    }

    fn drop_at(&self) -> Option<UnixTime> {
        Some(UnixTime(self.decided_at.0.saturating_add(KEPT)))
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<RecordForm<'f>, SealError> {
        let shown = |shown: &ShownScope| ShownForm {
            value: shown.value.to_string(),
            text: shown.text.clone(),
            is_new: shown.is_new,
            is_optional: shown.is_optional,
        };
        Ok(RecordForm {
            v: Self::FORM,
            id: self.id.to_string(),
            user: self.user.to_string(),
            session: self.session.to_string(),
            client: self.client.to_string(),
            client_name: self.client_name.clone(),
            audience: AudienceForm::of(&self.audience),
            shown: self.shown.iter().map(shown).collect(),
            accepted: match &self.answer {
                ConsentAnswer::Accepted(scopes) => Some(scopes.to_string()),
                ConsentAnswer::Declined => None,
            },
            decided_at: self.decided_at.0,
        })
    }

    fn from_form(form: RecordForm<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let shown = |form: ShownForm| -> Result<ShownScope, Unreadable> {
            let value = ScopeToken::parse(&form.value)?;
            Ok(ShownScope { value, text: form.text, is_new: form.is_new, is_optional: form.is_optional })
        };
        Ok(Self {
            id: ConsentRecordId::parse(&form.id)?,
            user: UserId::parse(&form.user)?,
            session: SessionId::parse(&form.session)?,
            client: ClientId::parse(&form.client)?,
            client_name: form.client_name,
            audience: form.audience.record()?,
            shown: form.shown.into_iter().map(shown).collect::<Result<_, _>>()?,
            answer: match form.accepted {
                Some(scopes) => ConsentAnswer::Accepted(ScopeSet::parse(&scopes)?),
                None => ConsentAnswer::Declined,
            },
            decided_at: UnixTime(form.decided_at),
        })
    }
}

/// The key of an administrator's consent.
pub(crate) fn administrative_consent_key(client: &ClientId, api: &ResourceServerId) -> Key {
    Key::of(&[client.as_str(), api.as_str()])
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdministrativeForm {
    v: u32,
    client: String,
    resource_server: String,
    rules: Vec<RuleForm>,
    created_at: u64,
    updated_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    users: ForForm,
    /// Space-separated.
    scopes: String,
}

/// `"everybody"`, `{"connection":"…"}` or `{"users":[…]}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ForForm {
    Everybody,
    Connection(String),
    Users(Vec<String>),
}

impl Stored for AdministrativeConsent {
    const KIND: Kind = Kind::AdministrativeConsent;
    type Form<'f> = AdministrativeForm;

    fn key(&self) -> Key {
        administrative_consent_key(&self.client, &self.resource_server)
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![
            IndexEntry::of(BY_CLIENT, &[self.client.as_str()]),
            IndexEntry::of(BY_RESOURCE_SERVER, &[self.resource_server.as_str()]),
        ]
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<AdministrativeForm, SealError> {
        let rule = |rule: &ConsentRule| RuleForm {
            users: match &rule.users {
                ConsentFor::Everybody => ForForm::Everybody,
                ConsentFor::Connection(name) => ForForm::Connection(name.to_string()),
                ConsentFor::Users(users) => ForForm::Users(users.iter().map(UserId::to_string).collect()),
            },
            scopes: rule.scopes.to_string(),
        };
        Ok(AdministrativeForm {
            v: Self::FORM,
            client: self.client.to_string(),
            resource_server: self.resource_server.to_string(),
            rules: self.rules.iter().map(rule).collect(),
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }

    fn from_form(form: AdministrativeForm, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let rule = |form: RuleForm| -> Result<ConsentRule, Unreadable> {
            let users = match form.users {
                ForForm::Everybody => ConsentFor::Everybody,
                ForForm::Connection(name) => ConsentFor::Connection(ConnectionName::parse(&name)?),
                ForForm::Users(users) => {
                    ConsentFor::Users(users.iter().map(|id| UserId::parse(id)).collect::<Result<_, _>>()?)
                }
            };
            Ok(ConsentRule { users, scopes: ScopeSet::parse(&form.scopes)? })
        };
        Ok(Self {
            client: ClientId::parse(&form.client)?,
            resource_server: ResourceServerId::parse(&form.resource_server)?,
            rules: form.rules.into_iter().map(rule).collect::<Result<_, _>>()?,
            created_at: UnixTime(form.created_at),
            updated_at: UnixTime(form.updated_at),
        })
    }
}
