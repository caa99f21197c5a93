//! What the server says about itself (RFC 8414 §2; OpenID Connect Discovery 1.0 §3).
//!
//! Only what works is said. Left out on purpose:
//! - `introspection_endpoint`: not built.
//! - `token_endpoint_auth_signing_alg_values_supported`: only for methods that sign, and none is built.
//! - `acr_values_supported`: no authentication context has a name here.

use records::{Origin, TenantSettings};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::client_auth::METHODS_SUPPORTED;
use crate::oidc::claims::{CLAIMS, SCOPES_SUPPORTED};
use crate::oidc::id_token::ALGORITHMS_SUPPORTED;
use crate::pkce;
use crate::request::GRANTS;

/// The authorization endpoint below an origin.
pub const AUTHORIZE_PATH: &str = "authorize";
/// The userinfo endpoint below an origin; also the audience that means this endpoint alone.
pub const USERINFO_PATH: &str = "userinfo";
/// The revocation endpoint below an origin.
pub const REVOCATION_PATH: &str = "oauth/revoke";
/// The logout endpoint below an origin.
pub const LOGOUT_PATH: &str = "oidc/logout";
/// The token endpoint below an origin.
pub const TOKEN_PATH: &str = "oauth/token";
/// The key set below an origin.
pub const JWKS_PATH: &str = ".well-known/jwks.json";
/// OpenID Connect's document below an origin.
pub const OPENID_CONFIGURATION_PATH: &str = ".well-known/openid-configuration";
/// OAuth's document below an origin.
pub const OAUTH_AUTHORIZATION_SERVER_PATH: &str = ".well-known/oauth-authorization-server";

/// What may be asked for at the authorization endpoint. The order of the words means nothing.
pub const RESPONSE_TYPES_SUPPORTED: &[&str] =
    &["code", "token", "id_token", "id_token token", "code token", "code id_token", "code id_token token"];
/// How the authorization endpoint answers.
pub const RESPONSE_MODES_SUPPORTED: &[&str] = &["query", "fragment", "form_post", "web_message"];
/// What an application may demand of the pages that people see (Initiating User Registration via OpenID Connect 1.0 §4.1).
pub const PROMPT_VALUES_SUPPORTED: &[&str] = &["none", "login", "consent", "select_account"];
/// Claims of ID tokens that say something about the token or the login.
const CLAIMS_ABOUT_TOKENS: &[&str] =
    &["iss", "sub", "aud", "iat", "exp", "nonce", "at_hash", "c_hash", "auth_time", "sid", "amr"];

/// What a field holds.
enum Holds {
    Issuer,
    /// The address of a path below the origin.
    Address(&'static str),
    Names(&'static [&'static str]),
    /// The grant types that are built.
    GrantTypes,
    Claims,
    IdTokenAlgorithms,
    Flag(bool),
    /// What the tenant chose.
    Setting(fn(&TenantSettings) -> bool),
    /// What the server's operator switched on.
    Switch(fn(Switches) -> bool),
}

/// What the operator of the server switched on, for all of its tenants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Whether applications are told that a session ended.
    pub backchannel_logout: bool,
}

/// In which documents a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    InBoth,
    InOpenId,
}

struct Field {
    name: &'static str,
    holds: Holds,
    stands: Stands,
}

const fn both(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, stands: Stands::InBoth }
}

const fn openid(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, stands: Stands::InOpenId }
}

#[rustfmt::skip]
const FIELDS: &[Field] = &[
    //= RFC 8414 §2
    both("issuer", Holds::Issuer),
    both("authorization_endpoint", Holds::Address(AUTHORIZE_PATH)),
    both("token_endpoint", Holds::Address(TOKEN_PATH)),
    openid("userinfo_endpoint", Holds::Address(USERINFO_PATH)),
    both("jwks_uri", Holds::Address(JWKS_PATH)),
    both("revocation_endpoint", Holds::Address(REVOCATION_PATH)),
    both("revocation_endpoint_auth_methods_supported", Holds::Names(METHODS_SUPPORTED)),
    both("scopes_supported", Holds::Names(SCOPES_SUPPORTED)),
    both("response_types_supported", Holds::Names(RESPONSE_TYPES_SUPPORTED)),
    both("response_modes_supported", Holds::Names(RESPONSE_MODES_SUPPORTED)),
    // Left out it would mean authorization_code and implicit.
    both("grant_types_supported", Holds::GrantTypes),
    // Left out it would mean Basic alone.
    both("token_endpoint_auth_methods_supported", Holds::Names(METHODS_SUPPORTED)),
    //= RFC 9700 §2.1.1
    both("code_challenge_methods_supported", Holds::Names(pkce::METHODS_SUPPORTED)),
    //= RFC 9207 §3
    both("authorization_response_iss_parameter_supported", Holds::Setting(|settings| {
        settings.authorization_response_iss_parameter_supported
    })),
    //= OpenID Connect Discovery 1.0 §3
    openid("subject_types_supported", Holds::Names(&["public"])),
    // "The algorithm RS256 MUST be included."
    openid("id_token_signing_alg_values_supported", Holds::IdTokenAlgorithms),
    openid("claims_supported", Holds::Claims),
    openid("claims_parameter_supported", Holds::Flag(true)),
    openid("prompt_values_supported", Holds::Names(PROMPT_VALUES_SUPPORTED)),
    //= OpenID Connect RP-Initiated Logout 1.0 §2.1
    openid("end_session_endpoint", Holds::Address(LOGOUT_PATH)),
    //= OpenID Connect Back-Channel Logout 1.0 §2.1
    openid("backchannel_logout_supported", Holds::Switch(|switches| switches.backchannel_logout)),
    openid("backchannel_logout_session_supported", Holds::Switch(|switches| switches.backchannel_logout)),
    openid("frontchannel_logout_supported", Holds::Flag(false)),
    openid("request_parameter_supported", Holds::Flag(false)),
    // Left out it would mean true.
    openid("request_uri_parameter_supported", Holds::Flag(false)),
];

/// The document at [`OPENID_CONFIGURATION_PATH`], in JSON. `issuer` is the origin that was asked.
pub fn openid_configuration(origin: &Origin, settings: &TenantSettings, switches: Switches) -> String {
    to_json(&Document { origin, settings, switches, is_openid: true })
}

/// The document at [`OAUTH_AUTHORIZATION_SERVER_PATH`], in JSON. `issuer` is the origin that was asked.
pub fn oauth_authorization_server(origin: &Origin, settings: &TenantSettings) -> String {
    to_json(&Document { origin, settings, switches: Switches::default(), is_openid: false })
}

fn to_json(document: &Document<'_>) -> String {
    // Names, strings and flags: nothing that could fail to serialize.
    serde_json::to_string(document).unwrap_or_default()
}

struct Document<'o> {
    origin: &'o Origin,
    settings: &'o TenantSettings,
    switches: Switches,
    is_openid: bool,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        for field in FIELDS.iter().filter(|field| self.is_openid || field.stands == Stands::InBoth) {
            match field.holds {
                Holds::Issuer => members.serialize_entry(field.name, self.origin.issuer())?,
                Holds::Address(path) => members.serialize_entry(field.name, &self.origin.url(path))?,
                Holds::Names(names) => members.serialize_entry(field.name, names)?,
                Holds::GrantTypes => {
                    // Implicit is a grant of the authorization endpoint.
                    let built = GRANTS.iter().filter(|row| row.is_built()).map(|row| row.name);
                    let names: Vec<_> = built.chain(["implicit"]).collect();
                    members.serialize_entry(field.name, &names)?;
                }
                Holds::Claims => {
                    let people = CLAIMS.iter().map(|row| row.name);
                    let names: Vec<_> = CLAIMS_ABOUT_TOKENS.iter().copied().chain(people).collect();
                    members.serialize_entry(field.name, &names)?;
                }
                Holds::IdTokenAlgorithms => {
                    let names: Vec<_> =
                        ALGORITHMS_SUPPORTED.iter().map(|algorithm| algorithm.name()).collect();
                    members.serialize_entry(field.name, &names)?;
                }
                Holds::Setting(of) => members.serialize_entry(field.name, &of(self.settings))?,
                Holds::Switch(of) => members.serialize_entry(field.name, &of(self.switches))?,
                Holds::Flag(flag) => members.serialize_entry(field.name, &flag)?,
            }
        }
        members.end()
    }
}

#[cfg(test)]
mod tests;
