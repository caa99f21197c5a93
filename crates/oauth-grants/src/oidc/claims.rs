//! Which scope tells an application what about a person (OpenID Connect Core 1.0 §5.1, §5.4).

use records::{ScopeSet, UnixTime, UpdatedAt, User};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::claims_request::Target;
pub use super::claims_request::{ClaimsRefusal, ClaimsRequest};
use super::iso8601;

/// The scopes that OpenID Connect defines and that somebody may ask for here (`scopes_supported`).
///
/// Left out: `offline_access`, which asks for refresh tokens, and they are not built.
pub const SCOPES_SUPPORTED: &[&str] = &["openid", "profile", "email", "address", "phone", "offline_access"];

/// The claims of ID tokens that say something about the token or the login rather than about the person.
///
/// No claim about a person has one of these names, so none can take their place.
pub const PROTECTED: &[&str] = &[
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "s_hash",
    "scope",
    "sid",
    "sub",
];

/// What a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimValue<'u> {
    /// Text.
    Text(&'u str),
    /// Yes or no.
    Flag(bool),
    /// A point in time, spelled as the tenant wants it.
    Time(UnixTime),
    /// An address, of which only `formatted` is known (§5.1.1).
    Address(&'u str),
}

/// One claim, the scope that releases it, and where it comes from.
pub struct ClaimRow {
    /// Its name.
    pub name: &'static str,
    /// The scope that releases it.
    pub scope: &'static str,
    value: for<'u> fn(&'u User) -> Option<ClaimValue<'u>>,
}

const fn row(
    name: &'static str,
    scope: &'static str,
    value: for<'u> fn(&'u User) -> Option<ClaimValue<'u>>,
) -> ClaimRow {
    ClaimRow { name, scope, value }
}

fn text(text: &Option<String>) -> Option<ClaimValue<'_>> {
    text.as_deref().map(ClaimValue::Text)
}

/// Every claim about people. ID tokens, userinfo answers, metadata and documentation read it.
///
/// A claim without a value is left out, never null (§5.3.2).
#[rustfmt::skip]
pub const CLAIMS: &[ClaimRow] = &[
    //= OpenID Connect Core 1.0 §5.4
    row("name", "profile", |user| text(&user.profile.name)),
    row("given_name", "profile", |user| text(&user.profile.given_name)),
    row("family_name", "profile", |user| text(&user.profile.family_name)),
    row("middle_name", "profile", |user| text(&user.profile.middle_name)),
    row("nickname", "profile", |user| text(&user.profile.nickname)),
    row("preferred_username", "profile", |user| text(&user.profile.preferred_username)),
    row("profile", "profile", |user| text(&user.profile.profile)),
    row("picture", "profile", |user| text(&user.profile.picture)),
    row("website", "profile", |user| text(&user.profile.website)),
    row("gender", "profile", |user| text(&user.profile.gender)),
    row("birthdate", "profile", |user| text(&user.profile.birthdate)),
    row("zoneinfo", "profile", |user| text(&user.profile.zoneinfo)),
    row("locale", "profile", |user| text(&user.profile.locale)),
    row("updated_at", "profile", |user| Some(ClaimValue::Time(user.updated_at))),
    row("email", "email", |user| user.email.as_ref().map(|email| ClaimValue::Text(email.as_str()))),
    row("email_verified", "email", |user| user.email.as_ref().map(|_| ClaimValue::Flag(user.email_verified))),
    row("address", "address", |user| user.profile.address.as_deref().map(ClaimValue::Address)),
    row("phone_number", "phone", |user| text(&user.profile.phone_number)),
    row("phone_number_verified", "phone", |user| {
        user.profile.phone_number.as_ref().map(|_| ClaimValue::Flag(user.profile.phone_number_verified))
    }),
];

/// What an application is told about a person. Serializes as a JSON object of the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserClaims<'f> {
    user: &'f User,
    /// Names of [`CLAIMS`], in its order.
    names: Vec<&'static str>,
    updated_at: UpdatedAt,
}

impl<'f> UserClaims<'f> {
    /// What the scopes release in an ID token, with what the `claims` parameter asks for there. (As at Auth0, ID tokens
    /// carry the scopes' claims even where an access token could fetch them.)
    pub fn of_id_token(
        user: &'f User,
        scope: &ScopeSet,
        claims: Option<&ClaimsRequest>,
        updated_at: UpdatedAt,
    ) -> Self {
        Self::released(user, scope, updated_at, |name| {
            claims.is_some_and(|claims| claims.asks(Target::IdToken, name))
        })
    }

    /// What the scopes release at the userinfo endpoint, with the claims that were asked for one by one.
    pub fn of_user_info(
        user: &'f User,
        scope: &ScopeSet,
        asked: &[&'static str],
        updated_at: UpdatedAt,
    ) -> Self {
        Self::released(user, scope, updated_at, |name| asked.contains(&name))
    }

    fn released(
        user: &'f User,
        scope: &ScopeSet,
        updated_at: UpdatedAt,
        is_asked: impl Fn(&str) -> bool,
    ) -> Self {
        let is_released = |row: &&ClaimRow| has_scope(scope, row.scope) || is_asked(row.name);
        Self { user, names: CLAIMS.iter().filter(is_released).map(|row| row.name).collect(), updated_at }
    }

    /// The claims that have a value, in the order of [`CLAIMS`].
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, ClaimValue<'f>)> {
        CLAIMS
            .iter()
            .filter(|row| self.names.contains(&row.name))
            .filter_map(|row| Some((row.name, (row.value)(self.user)?)))
    }

    /// Writes the claims among others.
    pub(super) fn serialize_into<M: SerializeMap>(&self, members: &mut M) -> Result<(), M::Error> {
        for (name, value) in self.iter() {
            match value {
                ClaimValue::Text(text) => members.serialize_entry(name, text)?,
                ClaimValue::Flag(flag) => members.serialize_entry(name, &flag)?,
                ClaimValue::Time(time) => match self.updated_at {
                    UpdatedAt::Numeric => members.serialize_entry(name, &time.0)?,
                    UpdatedAt::Iso8601 => members.serialize_entry(name, &iso8601::text(time))?,
                },
                ClaimValue::Address(formatted) => members.serialize_entry(name, &Address { formatted })?,
            }
        }
        Ok(())
    }
}

impl Serialize for UserClaims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        self.serialize_into(&mut members)?;
        members.end()
    }
}

#[derive(Serialize)]
struct Address<'u> {
    formatted: &'u str,
}

/// The name of the claim about people that is spelled like this, if there is one.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    CLAIMS.iter().map(|row| row.name).find(|known| *known == name)
}

/// Whether a scope of this name is in the set.
pub(crate) fn has_scope(scope: &ScopeSet, name: &str) -> bool {
    scope.has(name)
}

#[cfg(test)]
mod tests;
