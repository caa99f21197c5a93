//! Access tokens that speak for a person: for an API, or for the userinfo endpoint alone (OpenID Connect Core 1.0 §5.3).

use policy::lifetime::Channel;
use records::{
    Client, ClientId, Lifetime, Origin, ResourceServer, ScopeSet, SessionId, SigningAlgorithm, UnixTime,
    UserId,
};
use serde::{Deserialize, Serialize};

use super::{AccessToken, Subject, TokenAudience};
use crate::Moment;
use crate::generate::TokenId;
use crate::metadata::USERINFO_PATH;
use crate::oidc::claims::{has_scope, known};
use crate::seal::{HandleKey, HandleKind, SealFailure};

/// A userinfo token of the token endpoint lives a day, one that went through the browser's address bar two hours (Auth0).
const USER_INFO_LIFETIME: Lifetime = Lifetime::DAY;
const USER_INFO_LIFETIME_FOR_WEB: Lifetime = Lifetime(7200);

/// What a person's access token is made of.
#[derive(Clone, Debug)]
pub struct UserTokenFacts<'f> {
    /// To whom it is given.
    pub client: &'f Client,
    /// For whom it speaks.
    pub user: &'f UserId,
    /// The API it is for; `None`: the userinfo endpoint alone.
    pub api: Option<&'f ResourceServer>,
    /// What is granted, `openid` and its kin included.
    pub scope: ScopeSet,
    /// How it reaches the client.
    pub channel: Channel,
    /// Auth0's `gty`: `password`, or `None` for a code and for the front channel.
    pub grant_type: Option<&'static str>,
    /// The session in which it was granted, if there was one.
    pub session: Option<&'f SessionId>,
    /// Claims that were asked for one by one, for the userinfo endpoint ([`ClaimsRequest::of_user_info`]).
    ///
    /// [`ClaimsRequest::of_user_info`]: crate::oidc::claims::ClaimsRequest::of_user_info
    pub claims: Vec<&'static str>,
    /// The origin that the request came in on; the issuer.
    pub origin: &'f Origin,
}

/// A person's access token before it is signed or sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserToken<'f> {
    /// For an API: to be signed by [`super::access_token`].
    Api(AccessToken<'f>),
    /// For the userinfo endpoint: to be sealed by [`seal_user_info_token`].
    UserInfo(UserInfoToken),
}

impl UserToken<'_> {
    /// How long it lives, `expires_in`.
    pub fn lifetime(&self) -> Lifetime {
        match self {
            Self::Api(token) => token.lifetime,
            Self::UserInfo(token) => token.lifetime,
        }
    }

    /// What is granted.
    pub fn scope(&self) -> &ScopeSet {
        match self {
            Self::Api(token) => &token.scope,
            Self::UserInfo(token) => &token.scope,
        }
    }
}

/// An access token that only the userinfo endpoint takes. Sealed: nobody else can read it, and no row is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfoToken {
    /// For whom it speaks.
    pub user: UserId,
    /// To whom it was given.
    pub client: ClientId,
    /// What is granted.
    pub scope: ScopeSet,
    /// Standard claims that were asked for one by one (OpenID Connect Core 1.0 §5.5).
    pub claims: Vec<&'static str>,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// The session in which it was granted, if there was one.
    pub session: Option<SessionId>,
}

impl UserInfoToken {
    /// From when on it is refused.
    pub fn expires_at(&self) -> UnixTime {
        self.issued_at.after(self.lifetime)
    }
}

/// The access token that a person's grant gives.
///
/// With `openid` granted, an API's token is for the userinfo endpoint too. Not so an HS256 token: its key is the API's
/// own, which could then make tokens that tell about people (Auth0: such a token has one audience).
pub fn user_access_token<'f>(facts: UserTokenFacts<'f>, moment: &Moment) -> UserToken<'f> {
    let Some(api) = facts.api else {
        return UserToken::UserInfo(UserInfoToken {
            user: facts.user.clone(),
            client: facts.client.id.clone(),
            scope: facts.scope,
            claims: facts.claims,
            issued_at: moment.now,
            lifetime: match facts.channel {
                Channel::TokenEndpoint => USER_INFO_LIFETIME,
                Channel::FrontChannel => USER_INFO_LIFETIME_FOR_WEB,
            },
            session: facts.session.cloned(),
        });
    };
    let identifier = api.identifier.render(facts.origin);
    let audience = if has_scope(&facts.scope, "openid") && api.signing_algorithm != SigningAlgorithm::Hs256 {
        TokenAudience::ApiAndUserInfo([identifier, facts.origin.url(USERINFO_PATH)])
    } else {
        TokenAudience::Api(identifier)
    };
    UserToken::Api(AccessToken {
        dialect: api.token_dialect,
        issuer: facts.origin.issuer(),
        subject: Subject::User(facts.user),
        audience,
        client: &facts.client.id,
        grant_type: facts.grant_type,
        issued_at: moment.now,
        lifetime: policy::lifetime::access_token(api, facts.channel),
        scope: facts.scope,
        id: TokenId::of_access_token(moment),
        signing_algorithm: api.signing_algorithm,
    })
}

/// The token as it is sealed. Tokens outlive releases: a member may be added, none may change its meaning.
#[derive(Serialize, Deserialize)]
struct Sealed {
    sub: String,
    client_id: String,
    scope: String,
    iat: u64,
    life: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    claims: Vec<String>,
}

/// Seals a userinfo token into the text that the client gets.
///
/// # Errors
/// [`SealFailure::TooLong`] where it names so many scopes that no header would hold it.
pub fn seal_user_info_token(
    token: &UserInfoToken,
    key: &HandleKey,
    origin: &Origin,
    moment: &Moment,
) -> Result<String, SealFailure> {
    let sealed = serde_json::to_vec(&Sealed {
        sub: token.user.to_string(),
        client_id: token.client.to_string(),
        scope: token.scope.to_string(),
        iat: token.issued_at.0,
        life: token.lifetime.0,
        sid: token.session.as_ref().map(SessionId::to_string),
        claims: token.claims.iter().map(|name| (*name).to_owned()).collect(),
    });
    // Strings and numbers: nothing that could fail to serialize.
    key.seal(HandleKind::UserInfo, origin, moment, "userinfo token", &sealed.unwrap_or_default())
}

/// Opens a userinfo token that was made at this origin; `None` for any other text. Its age is for others to judge.
pub fn open_user_info_token(text: &str, key: &HandleKey, origin: &Origin) -> Option<UserInfoToken> {
    let opened = key.open(HandleKind::UserInfo, origin, text)?;
    let sealed: Sealed = serde_json::from_slice(opened.expose()).ok()?;
    Some(UserInfoToken {
        user: UserId::parse(&sealed.sub).ok()?,
        client: ClientId::parse(&sealed.client_id).ok()?,
        scope: ScopeSet::parse(&sealed.scope).ok()?,
        claims: sealed.claims.iter().filter_map(|name| known(name)).collect(),
        issued_at: UnixTime(sealed.iat),
        lifetime: Lifetime(sealed.life),
        session: sealed.sid.as_deref().map(SessionId::parse).transpose().ok()?,
    })
}

#[cfg(test)]
mod tests;
