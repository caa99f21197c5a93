//! Tenants: who is served at which origins, and what holds for the whole of it.

use crate::{Origin, TenantId, UnixTime};

/// How errors at the token endpoint are spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorProfile {
    /// Auth0's status, code and text: its SDKs key on them.
    #[default]
    Auth0,
    /// RFC 6749 §5.2.
    Rfc6749,
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
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            friendly_name: String::new(),
            default_audience: None,
            error_profile: ErrorProfile::Auth0,
            always_return_scope: true,
            skip_non_verifiable_callback_uri_confirmation_prompt: false,
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
