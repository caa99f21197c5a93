//! Tenants: who is served at which origins, and what holds for the whole of it.

use crate::{ConnectionName, Lifetime, Origin, TenantId, UnixTime};

/// How errors at the token endpoint are spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorProfile {
    /// Auth0's status, code and text: its SDKs key on them.
    #[default]
    Auth0,
    /// RFC 6749 §5.2.
    Rfc6749,
}

/// Whether a first-party application's callback shows whose it is, so that an API may skip consent for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerifiableCallbacks {
    /// As Auth0 until 2018: not where the callback is on localhost or 127.0.0.1, nor where any registered one is on
    /// localhost, nor with a custom scheme.
    Era,
    /// As Auth0 today: the API's setting alone decides; a confirmation of its own covers callbacks that show nothing.
    #[default]
    Later,
}

/// What a new application gets where its maker says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientDefaults {
    /// As at Auth0: browsers' applications may use the implicit grant; a callback may have `*` for one label of its host.
    #[default]
    Auth0,
    /// As RFC 9700 wants: no implicit grant unless asked for, no wildcards at all.
    Strict,
}

/// How `updated_at` stands in ID tokens and userinfo answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdatedAt {
    /// Seconds (OpenID Connect Core 1.0 §5.1).
    #[default]
    Numeric,
    /// ISO 8601, as Auth0 answers.
    Iso8601,
}

/// What an administrator chose for the whole tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// Shown to people.
    pub friendly_name: String,
    /// The audience of token requests that name none. `None`: they are refused.
    pub default_audience: Option<String>,
    /// How errors are spelled.
    pub error_profile: ErrorProfile,
    /// Whether a token response names its scope even when it is the one that was asked for (RFC 6749 §5.1 allows both).
    pub always_return_scope: bool,
    /// Skips the extra confirmation for callbacks whose owner cannot be verified (custom schemes, loopback).
    pub skip_non_verifiable_callback_uri_confirmation_prompt: bool,
    /// The connection that `password` grants and login pages without a `connection` use.
    pub default_directory: Option<ConnectionName>,
    /// How long a session lives at most.
    pub session_lifetime: Lifetime,
    /// How long a session lives unused.
    pub idle_session_lifetime: Lifetime,
    /// Whether consent dialogs show the scopes' descriptions instead of their names.
    pub use_scope_descriptions_for_consent: bool,
    /// Which callbacks show whose they are.
    pub verifiable_callbacks: VerifiableCallbacks,
    /// Whether authorization responses name the issuer (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
    /// What new applications get.
    pub client_defaults: ClientDefaults,
    /// How `updated_at` is spelled.
    pub updated_at: UpdatedAt,
    /// Where logout may return to when no application is named.
    pub allowed_logout_urls: Vec<String>,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            friendly_name: String::new(),
            default_audience: None,
            error_profile: ErrorProfile::Auth0,
            always_return_scope: true,
            skip_non_verifiable_callback_uri_confirmation_prompt: false,
            default_directory: None,
            session_lifetime: Lifetime(168 * 3600),
            idle_session_lifetime: Lifetime(72 * 3600),
            use_scope_descriptions_for_consent: false,
            verifiable_callbacks: VerifiableCallbacks::Later,
            authorization_response_iss_parameter_supported: true,
            client_defaults: ClientDefaults::Auth0,
            updated_at: UpdatedAt::Numeric,
            allowed_logout_urls: Vec::new(),
        }
    }
}

/// One tenant and the origins it answers at. An origin belongs to one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its name, also in every stored row.
    pub id: TenantId,
    /// Where it is reached, the canonical one first. Never empty for a tenant that answers requests.
    pub origins: Vec<Origin>,
    /// What holds for the whole of it.
    pub settings: TenantSettings,
    /// When it was made.
    pub created_at: UnixTime,
}
