//! The stored form of an API. Its HS256 secret is sealed.

use records::{
    ApiIdentifier, ApiScope, ClientPolicy, Lifetime, ResourceServer, ResourceServerId, ScopeToken,
    SecretText, SigningAlgorithm, TokenDialect, UnixTime, UserPolicy,
};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    identifier: Identifier,
    name: String,
    scopes: Vec<Scope>,
    signing_algorithm: String,
    /// Sealed.
    signing_secret: Option<String>,
    token_lifetime: u32,
    token_lifetime_for_web: u32,
    token_dialect: String,
    allow_offline_access: bool,
    skip_consent_for_verifiable_first_party_clients: bool,
    enforce_policies: bool,
    client_policy: Policy,
    user_policy: Policy,
    is_system: bool,
    created_at: u64,
}

/// `"management"` or `{"fixed":"…"}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Identifier {
    Management,
    Fixed(String),
}

impl Identifier {
    pub(crate) fn of(identifier: &ApiIdentifier) -> Self {
        match identifier {
            ApiIdentifier::Management => Self::Management,
            ApiIdentifier::Fixed(text) => Self::Fixed(text.to_string()),
        }
    }

    pub(crate) fn record(&self) -> Result<ApiIdentifier, Unreadable> {
        match self {
            Self::Management => Ok(ApiIdentifier::Management),
            Self::Fixed(text) => Ok(ApiIdentifier::parse(text)?),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scope {
    value: String,
    description: String,
    /// Since form 2.
    #[serde(default)]
    is_optional: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    AllowAll,
    DenyAll,
    RequireClientGrant,
}

const SECRET: &str = "signing_secret";

impl Stored for ResourceServer {
    const KIND: Kind = Kind::ResourceServer;
    const FORM: u32 = 2;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn to_form(&self, seals: &Seals<'_>) -> Result<Form, SealError> {
        let seal = |secret: &SecretText| seals.seal(SECRET, secret.expose().as_bytes());
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            identifier: Identifier::of(&self.identifier),
            name: self.name.clone(),
            scopes: self.scopes.iter().map(scope_form).collect(),
            signing_algorithm: self.signing_algorithm.name().to_owned(),
            signing_secret: self.signing_secret.as_ref().map(seal).transpose()?,
            token_lifetime: self.token_lifetime.0,
            token_lifetime_for_web: self.token_lifetime_for_web.0,
            token_dialect: self.token_dialect.name().to_owned(),
            allow_offline_access: self.allow_offline_access,
            skip_consent_for_verifiable_first_party_clients: self
                .skip_consent_for_verifiable_first_party_clients,
            enforce_policies: self.enforce_policies,
            client_policy: match self.client_policy {
                ClientPolicy::DenyAll => Policy::DenyAll,
                ClientPolicy::RequireClientGrant => Policy::RequireClientGrant,
            },
            user_policy: match self.user_policy {
                UserPolicy::AllowAll => Policy::AllowAll,
                UserPolicy::DenyAll => Policy::DenyAll,
                UserPolicy::RequireClientGrant => Policy::RequireClientGrant,
            },
            is_system: self.is_system,
            created_at: self.created_at.0,
        })
    }

    fn from_form(form: Form, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        let unknown = Unreadable::member;
        Ok(Self {
            id: ResourceServerId::parse(&form.id)?,
            identifier: form.identifier.record()?,
            name: form.name,
            scopes: form.scopes.into_iter().map(scope_record).collect::<Result<_, _>>()?,
            signing_algorithm: SigningAlgorithm::from_name(&form.signing_algorithm)
                .ok_or_else(|| unknown("signing_algorithm"))?,
            signing_secret: form.signing_secret.map(|text| open_secret(seals, &text)).transpose()?,
            token_lifetime: Lifetime(form.token_lifetime),
            token_lifetime_for_web: Lifetime(form.token_lifetime_for_web),
            token_dialect: TokenDialect::from_name(&form.token_dialect)
                .ok_or_else(|| unknown("token_dialect"))?,
            allow_offline_access: form.allow_offline_access,
            skip_consent_for_verifiable_first_party_clients: form
                .skip_consent_for_verifiable_first_party_clients,
            enforce_policies: form.enforce_policies,
            client_policy: match form.client_policy {
                Policy::DenyAll => ClientPolicy::DenyAll,
                Policy::RequireClientGrant => ClientPolicy::RequireClientGrant,
                Policy::AllowAll => return Err(unknown("client_policy")),
            },
            user_policy: match form.user_policy {
                Policy::AllowAll => UserPolicy::AllowAll,
                Policy::DenyAll => UserPolicy::DenyAll,
                Policy::RequireClientGrant => UserPolicy::RequireClientGrant,
            },
            is_system: form.is_system,
            created_at: UnixTime(form.created_at),
        })
    }
}

fn open_secret(seals: &Seals<'_>, text: &str) -> Result<SecretText, Unreadable> {
    let secret = seals.open(SECRET, text)?;
    let secret =
        std::str::from_utf8(&secret).map_err(|_| Unreadable::because("has a secret that is no text"))?;
    Ok(SecretText::new(secret.to_owned()))
}

fn scope_form(scope: &ApiScope) -> Scope {
    Scope {
        value: scope.value.to_string(),
        description: scope.description.clone(),
        is_optional: scope.is_optional,
    }
}

fn scope_record(form: Scope) -> Result<ApiScope, Unreadable> {
    let value = ScopeToken::parse(&form.value)?;
    Ok(ApiScope { value, description: form.description, is_optional: form.is_optional })
}
