//! What the server says about itself (RFC 8414 §2; OpenID Connect Discovery 1.0 §3).
//!
//! Only what works is said. Left out on purpose:
//! - `authorization_endpoint`: there is none yet. RFC 8414 §2 wants it only where a grant type uses it; OpenID Connect
//!   Discovery §3 wants it always, but an address that answers 404 would be worse than its absence.
//! - `response_modes_supported`, `code_challenge_methods_supported`: they describe that endpoint.
//! - `scopes_supported`: §3 of OpenID Connect Discovery wants `openid` in it, which nobody can ask for yet.
//! - `token_endpoint_auth_signing_alg_values_supported`: only for methods that sign, and none is built.

use records::Origin;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::client_auth::METHODS_SUPPORTED;
use crate::request::GRANTS;

/// The token endpoint below an origin.
pub const TOKEN_PATH: &str = "oauth/token";
/// The key set below an origin.
pub const JWKS_PATH: &str = ".well-known/jwks.json";
/// OpenID Connect's document below an origin.
pub const OPENID_CONFIGURATION_PATH: &str = ".well-known/openid-configuration";
/// OAuth's document below an origin.
pub const OAUTH_AUTHORIZATION_SERVER_PATH: &str = ".well-known/oauth-authorization-server";

/// What a field holds.
enum Holds {
    Issuer,
    /// The address of a path below the origin.
    Address(&'static str),
    Names(&'static [&'static str]),
    /// The grant types that are built.
    GrantTypes,
    Flag(bool),
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
    both("token_endpoint", Holds::Address(TOKEN_PATH)),
    both("jwks_uri", Holds::Address(JWKS_PATH)),
    // Left out it would mean authorization_code and implicit.
    both("grant_types_supported", Holds::GrantTypes),
    // Left out it would mean Basic alone.
    both("token_endpoint_auth_methods_supported", Holds::Names(METHODS_SUPPORTED)),
    // Required by both standards, and truly empty while there is no authorization endpoint. Both also want members
    // without elements left out (RFC 8414 §3.2): the two rules meet only here, and strict parsers refuse a document
    // that lacks a required member, while an empty array hurts nobody and says what is so.
    both("response_types_supported", Holds::Names(&[])),
    //= OpenID Connect Discovery 1.0 §3
    openid("subject_types_supported", Holds::Names(&["public"])),
    // "The algorithm RS256 MUST be included."
    openid("id_token_signing_alg_values_supported", Holds::Names(&["RS256"])),
    openid("claims_parameter_supported", Holds::Flag(false)),
    openid("request_parameter_supported", Holds::Flag(false)),
    // Left out it would mean true.
    openid("request_uri_parameter_supported", Holds::Flag(false)),
];

/// The document at [`OPENID_CONFIGURATION_PATH`], in JSON. `issuer` is the origin that was asked.
pub fn openid_configuration(origin: &Origin) -> String {
    to_json(&Document { origin, is_openid: true })
}

/// The document at [`OAUTH_AUTHORIZATION_SERVER_PATH`], in JSON. `issuer` is the origin that was asked.
pub fn oauth_authorization_server(origin: &Origin) -> String {
    to_json(&Document { origin, is_openid: false })
}

fn to_json(document: &Document<'_>) -> String {
    // Names, strings and flags: nothing that could fail to serialize.
    serde_json::to_string(document).unwrap_or_default()
}

struct Document<'o> {
    origin: &'o Origin,
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
                    let names: Vec<_> =
                        GRANTS.iter().filter(|row| row.is_built()).map(|row| row.name).collect();
                    members.serialize_entry(field.name, &names)?;
                }
                Holds::Flag(flag) => members.serialize_entry(field.name, &flag)?,
            }
        }
        members.end()
    }
}

#[cfg(test)]
mod tests;
