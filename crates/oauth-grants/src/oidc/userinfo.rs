//! The userinfo endpoint: who is it, by access token (OpenID Connect Core 1.0 §5.3; RFC 6750).

use std::fmt;

use jwt_core::{Claims, Verified};
use records::{ClientId, ScopeSet, SecretText, TenantSettings, UnixTime, User, UserId};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::claims::{UserClaims, has_scope};
use crate::Params;
use crate::issue::UserInfoToken;

/// Why nobody is told anything. The log keeps what the answer merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserInfoRefusal {
    /// No token was sent, or credentials of another kind.
    MissingToken,
    /// A token in the header and one in the body, or several headers.
    SeveralTokens,
    /// A Bearer header without a token of the allowed characters, or a body that cannot be read.
    MalformedRequest,
    /// Neither a sealed token of ours nor a signed one that verifies for this endpoint.
    UnknownToken,
    /// It was one.
    ExpiredToken,
    /// The person does not exist any more.
    UnknownUser,
    /// An administrator keeps the person out.
    BlockedUser,
    /// `openid` was not granted.
    MissingScope,
}

/// How refusals are answered: RFC 6750 §3.1 knows four ways.
struct Row {
    refusal: UserInfoRefusal,
    name: &'static str,
    status: u16,
    /// `error` and `error_description`; a request without credentials is only told which are wanted.
    error: Option<(&'static str, &'static str)>,
}

const fn row(
    refusal: UserInfoRefusal,
    name: &'static str,
    status: u16,
    error: Option<(&'static str, &'static str)>,
) -> Row {
    Row { refusal, name, status, error }
}

const INVALID: Option<(&str, &str)> = Some(("invalid_token", "The access token is not valid here"));

//= RFC 6750 §3.1
#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(UserInfoRefusal::MissingToken, "missing_token", 401, None),
    row(UserInfoRefusal::SeveralTokens, "several_tokens", 400, Some(("invalid_request", "The request must hold one access token only"))),
    row(UserInfoRefusal::MalformedRequest, "malformed_request", 400, Some(("invalid_request", "The request is not well-formed"))),
    row(UserInfoRefusal::UnknownToken, "unknown_token", 401, INVALID),
    row(UserInfoRefusal::ExpiredToken, "expired_token", 401, Some(("invalid_token", "The access token has expired"))),
    row(UserInfoRefusal::UnknownUser, "unknown_user", 401, INVALID),
    row(UserInfoRefusal::BlockedUser, "blocked_user", 401, INVALID),
    row(UserInfoRefusal::MissingScope, "missing_scope", 403, Some(("insufficient_scope", "The scope openid was not granted"))),
];

/// Stands in for a row that is missing. A test finds a row for each refusal, so it is never answered.
const WITHOUT_ROW: Row = row(UserInfoRefusal::UnknownToken, "without_row", 500, None);

impl UserInfoRefusal {
    fn row(self) -> &'static Row {
        ROWS.iter().find(|row| row.refusal == self).unwrap_or(&WITHOUT_ROW)
    }

    /// What a log calls it.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The HTTP status.
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// The `WWW-Authenticate` header, which goes with every refusal (RFC 6750 §3).
    pub fn www_authenticate(self) -> String {
        //= RFC 6750 §3
        let mut challenge = "Bearer realm=\"userinfo\"".to_owned();
        if let Some((error, description)) = self.row().error {
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{description}\""));
        }
        if self == Self::MissingScope {
            challenge.push_str(", scope=\"openid\"");
        }
        challenge
    }

    /// The body, in JSON; empty where the request held no credentials.
    pub fn to_json(self) -> String {
        match self.row().error {
            Some((error, description)) => {
                serde_json::json!({ "error": error, "error_description": description }).to_string()
            }
            None => "{}".to_owned(),
        }
    }
}

/// A form body of a POST request, which may hold the token (RFC 6750 §2.2).
#[derive(Clone, Copy)]
pub struct FormBody<'r> {
    /// The request's `Content-Type`.
    pub content_type: Option<&'r str>,
    /// Its bytes.
    pub bytes: &'r [u8],
}

/// Finds the token in the `Authorization` headers (all of them) or in a POST request's form; never in the query.
///
/// # Errors
/// [`UserInfoRefusal`]
pub fn presented_token<'h>(
    authorization: impl IntoIterator<Item = &'h [u8]>,
    body: Option<FormBody<'_>>,
) -> Result<SecretText, UserInfoRefusal> {
    let mut headers = authorization.into_iter();
    let header = headers.next().map(bearer).transpose()?.flatten();
    if headers.next().is_some() {
        return Err(UserInfoRefusal::SeveralTokens);
    }
    //= RFC 6750 §2
    match (header, body.map(in_body).transpose()?.flatten()) {
        (Some(_), Some(_)) => Err(UserInfoRefusal::SeveralTokens),
        (Some(token), None) | (None, Some(token)) if is_token(token.expose()) => Ok(token),
        (Some(_), None) | (None, Some(_)) => Err(UserInfoRefusal::MalformedRequest),
        (None, None) => Err(UserInfoRefusal::MissingToken),
    }
}

/// The token of a Bearer header; `None` for another scheme, which is as good as no credentials here.
fn bearer(header: &[u8]) -> Result<Option<SecretText>, UserInfoRefusal> {
    //= RFC 9110 §11.1
    let (scheme, rest) = header.split_at_checked(6).unwrap_or((header, &[]));
    if !scheme.eq_ignore_ascii_case(b"bearer") || rest.first().is_some_and(|byte| *byte != b' ') {
        return Ok(None);
    }
    let token = std::str::from_utf8(rest.trim_ascii()).map_err(|_| UserInfoRefusal::MalformedRequest)?;
    Ok(Some(SecretText::new(token.to_owned())))
}

fn in_body(body: FormBody<'_>) -> Result<Option<SecretText>, UserInfoRefusal> {
    //= RFC 6750 §2.2
    let media_type = body.content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(None);
    }
    let params =
        Params::parse(body.content_type, body.bytes).map_err(|_| UserInfoRefusal::MalformedRequest)?;
    Ok(params.text("access_token").map(|token| SecretText::new(token.to_owned())))
}

/// `b64token` (RFC 6750 §2.1).
fn is_token(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    !bare.is_empty() && bare.bytes().all(allowed)
}

/// The claims of a signed access token that this endpoint reads, apart from the registered ones.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AccessTokenClaims {
    /// `scope`
    #[serde(default)]
    pub scope: String,
    /// `azp`: the client, in Auth0's dialect.
    pub azp: Option<String>,
    /// `client_id`: the client, in RFC 9068's.
    pub client_id: Option<String>,
}

/// What an access token says, once it is known to be ours and for this endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// For whom it speaks.
    pub user: UserId,
    /// To whom it was given.
    pub client: ClientId,
    /// What was granted.
    pub scope: ScopeSet,
    /// Claims that were asked for one by one.
    pub claims: Vec<&'static str>,
    /// From when on it is refused.
    pub expires_at: UnixTime,
}

impl From<UserInfoToken> for Access {
    fn from(token: UserInfoToken) -> Self {
        let expires_at = token.expires_at();
        Self { user: token.user, client: token.client, scope: token.scope, claims: token.claims, expires_at }
    }
}

impl Access {
    /// What a signed token says. It was verified with the tenant's own asymmetric keys, for the issuer and the userinfo
    /// address of the origin that was called. `None` for one that speaks for no person.
    ///
    /// Such a token does not say which claims were asked for one by one: its API would read it too.
    pub fn of_verified(token: &Verified<Claims<'_, AccessTokenClaims>>) -> Option<Self> {
        let client = token.extra.client_id.as_deref().or(token.extra.azp.as_deref())?;
        Some(Self {
            user: UserId::parse(token.subject.as_deref()?).ok()?,
            client: ClientId::parse(client).ok()?,
            scope: ScopeSet::parse(&token.extra.scope).ok()?,
            claims: Vec::new(),
            expires_at: UnixTime(token.expires_at),
        })
    }
}

/// What must be known to decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// What the token says; `None` where it is not one for this endpoint.
    pub access: Option<&'f Access>,
    /// The person it speaks for, as the store has them now.
    pub user: Option<&'f User>,
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// The time.
    pub now: UnixTime,
}

/// Tells about a person, or says why not.
///
/// # Errors
/// [`UserInfoRefusal`]
pub fn decide(facts: Facts<'_>) -> Result<UserInfoResponse<'_>, UserInfoRefusal> {
    let access = facts.access.ok_or(UserInfoRefusal::UnknownToken)?;
    if facts.now >= access.expires_at {
        return Err(UserInfoRefusal::ExpiredToken);
    }
    //= OpenID Connect Core 1.0 §5.3
    if !has_scope(&access.scope, "openid") {
        return Err(UserInfoRefusal::MissingScope);
    }
    // Another person than the token's would be a mistake of the caller; nobody is told about them.
    let user = facts.user.filter(|user| user.id == access.user).ok_or(UserInfoRefusal::UnknownUser)?;
    if user.is_blocked {
        return Err(UserInfoRefusal::BlockedUser);
    }
    let claims = UserClaims::of_user_info(user, &access.scope, &access.claims, facts.settings.updated_at);
    Ok(UserInfoResponse { user: &user.id, claims })
}

/// What is told. Serializes as the body: `sub`, always, and the claims.
#[derive(Clone, PartialEq, Eq)]
pub struct UserInfoResponse<'f> {
    user: &'f UserId,
    claims: UserClaims<'f>,
}

impl UserInfoResponse<'_> {
    /// The body, in JSON.
    pub fn to_json(&self) -> String {
        // Text, flags and numbers: nothing that could fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for UserInfoResponse<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        //= OpenID Connect Core 1.0 §5.3.2
        members.serialize_entry("sub", self.user.as_str())?;
        self.claims.serialize_into(&mut members)?;
        members.end()
    }
}

impl fmt::Debug for UserInfoResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfoResponse").field("user", &self.user).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
