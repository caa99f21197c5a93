//! The stored form of a tenant.

use records::{
    ClientDefaults, ConnectionName, ErrorProfile, Lifetime, Origin, Tenant, TenantId, TenantSettings,
    UnixTime, UpdatedAt, VerifiableCallbacks,
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
    // Since form 2:
    #[serde(default)]
    default_directory: Option<String>,
    #[serde(default = "session_lifetime")]
    session_lifetime: u32,
    #[serde(default = "idle_session_lifetime")]
    idle_session_lifetime: u32,
    #[serde(default)]
    use_scope_descriptions_for_consent: bool,
    #[serde(default)]
    verifiable_callbacks: Verifiable,
    #[serde(default = "yes")]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    client_defaults: Defaults,
    #[serde(default)]
    updated_at: Updated,
    #[serde(default)]
    allowed_logout_urls: Vec<String>,
}

fn session_lifetime() -> u32 {
    TenantSettings::default().session_lifetime.0
}

fn idle_session_lifetime() -> u32 {
    TenantSettings::default().idle_session_lifetime.0
}

fn yes() -> bool {
    true
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verifiable {
    Era,
    #[default]
    Later,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Defaults {
    #[default]
    Auth0,
    Strict,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Updated {
    #[default]
    Numeric,
    Iso8601,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Profile {
    Auth0,
    Rfc6749,
}

impl Stored for Tenant {
    const KIND: Kind = Kind::Tenant;
    const FORM: u32 = 2;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            origins: self.origins.iter().map(Origin::to_string).collect(),
            settings: settings_form(&self.settings),
            created_at: self.created_at.0,
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: TenantId::parse(&form.id)?,
            origins: form.origins.iter().map(|origin| Origin::parse(origin)).collect::<Result<_, _>>()?,
            settings: settings_record(form.settings)?,
            created_at: UnixTime(form.created_at),
        })
    }
}

fn settings_form(settings: &TenantSettings) -> Settings {
    Settings {
        friendly_name: settings.friendly_name.clone(),
        default_audience: settings.default_audience.clone(),
        error_profile: match settings.error_profile {
            ErrorProfile::Auth0 => Profile::Auth0,
            ErrorProfile::Rfc6749 => Profile::Rfc6749,
        },
        always_return_scope: settings.always_return_scope,
        skip_non_verifiable_callback_uri_confirmation_prompt: settings
            .skip_non_verifiable_callback_uri_confirmation_prompt,
        default_directory: settings.default_directory.as_ref().map(ConnectionName::to_string),
        session_lifetime: settings.session_lifetime.0,
        idle_session_lifetime: settings.idle_session_lifetime.0,
        use_scope_descriptions_for_consent: settings.use_scope_descriptions_for_consent,
        verifiable_callbacks: match settings.verifiable_callbacks {
            VerifiableCallbacks::Era => Verifiable::Era,
            VerifiableCallbacks::Later => Verifiable::Later,
        },
        authorization_response_iss_parameter_supported: settings
            .authorization_response_iss_parameter_supported,
        client_defaults: match settings.client_defaults {
            ClientDefaults::Auth0 => Defaults::Auth0,
            ClientDefaults::Strict => Defaults::Strict,
        },
        updated_at: match settings.updated_at {
            UpdatedAt::Numeric => Updated::Numeric,
            UpdatedAt::Iso8601 => Updated::Iso8601,
        },
        allowed_logout_urls: settings.allowed_logout_urls.clone(),
    }
}

fn settings_record(form: Settings) -> Result<TenantSettings, Unreadable> {
    Ok(TenantSettings {
        friendly_name: form.friendly_name,
        default_audience: form.default_audience,
        error_profile: match form.error_profile {
            Profile::Auth0 => ErrorProfile::Auth0,
            Profile::Rfc6749 => ErrorProfile::Rfc6749,
        },
        always_return_scope: form.always_return_scope,
        skip_non_verifiable_callback_uri_confirmation_prompt: form
            .skip_non_verifiable_callback_uri_confirmation_prompt,
        default_directory: form.default_directory.as_deref().map(ConnectionName::parse).transpose()?,
        session_lifetime: Lifetime(form.session_lifetime),
        idle_session_lifetime: Lifetime(form.idle_session_lifetime),
        use_scope_descriptions_for_consent: form.use_scope_descriptions_for_consent,
        verifiable_callbacks: match form.verifiable_callbacks {
            Verifiable::Era => VerifiableCallbacks::Era,
            Verifiable::Later => VerifiableCallbacks::Later,
        },
        authorization_response_iss_parameter_supported: form.authorization_response_iss_parameter_supported,
        client_defaults: match form.client_defaults {
            Defaults::Auth0 => ClientDefaults::Auth0,
            Defaults::Strict => ClientDefaults::Strict,
        },
        updated_at: match form.updated_at {
            Updated::Numeric => UpdatedAt::Numeric,
            Updated::Iso8601 => UpdatedAt::Iso8601,
        },
        allowed_logout_urls: form.allowed_logout_urls,
    })
}
