//! The stored form of a tenant.

use records::{ErrorProfile, Origin, Tenant, TenantId, TenantSettings, UnixTime};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    origins: Vec<String>,
    settings: Settings,
    created_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    friendly_name: String,
    default_audience: Option<String>,
    error_profile: Profile,
    always_return_scope: bool,
    skip_non_verifiable_callback_uri_confirmation_prompt: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Profile {
    Auth0,
    Rfc6749,
}

impl Stored for Tenant {
    const KIND: Kind = Kind::Tenant;
    type Form = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: super::FORM,
            id: self.id.to_string(),
            origins: self.origins.iter().map(Origin::to_string).collect(),
            settings: Settings {
                friendly_name: self.settings.friendly_name.clone(),
                default_audience: self.settings.default_audience.clone(),
                error_profile: match self.settings.error_profile {
                    ErrorProfile::Auth0 => Profile::Auth0,
                    ErrorProfile::Rfc6749 => Profile::Rfc6749,
                },
                always_return_scope: self.settings.always_return_scope,
                skip_non_verifiable_callback_uri_confirmation_prompt: self
                    .settings
                    .skip_non_verifiable_callback_uri_confirmation_prompt,
            },
            created_at: self.created_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let settings = form.settings;
        Ok(Self {
            id: TenantId::parse(&form.id)?,
            origins: form.origins.iter().map(|origin| Origin::parse(origin)).collect::<Result<_, _>>()?,
            settings: TenantSettings {
                friendly_name: settings.friendly_name,
                default_audience: settings.default_audience,
                error_profile: match settings.error_profile {
                    Profile::Auth0 => ErrorProfile::Auth0,
                    Profile::Rfc6749 => ErrorProfile::Rfc6749,
                },
                always_return_scope: settings.always_return_scope,
                skip_non_verifiable_callback_uri_confirmation_prompt: settings
                    .skip_non_verifiable_callback_uri_confirmation_prompt,
            },
            created_at: UnixTime(form.created_at),
        })
    }
}
