//! Refusals of the token endpoint and how they are spelled (RFC 6749 §5.2; Auth0; docs/adr/0006).

mod echo;
mod table;

use records::{ErrorProfile, Lifetime};
use serde::Serialize;

use crate::grants::authorization_code::CodeRefusal;
use crate::grants::refresh_token::RefreshRefusal;
use crate::grants::still_allowed::Withdrawn;
use crate::{ClientRefusal, ParamsRefusal};

pub use echo::Echo;
pub use table::{Answer, ERRORS, ErrorKind, Row};

/// Why a token request is refused: what happened, not how it is spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The parameters could not be read.
    Params(ParamsRefusal),
    /// A required parameter is absent.
    MissingParameter(&'static str),
    /// A parameter that would change the token, and that this server does not understand yet.
    ParameterNotBuilt(&'static str),
    /// No such grant type.
    UnsupportedGrantType(Echo),
    /// A grant type that is known and not built yet.
    GrantTypeNotBuilt(&'static str),
    /// The client is not authenticated.
    Client(ClientRefusal),
    /// The client may not use the grant type.
    GrantTypeNotAllowed(&'static str),
    /// A public client asked for a grant type that needs proof of who it is.
    ClientIsPublic(&'static str),
    /// The request names no API and the tenant has no default.
    MissingAudience,
    /// `audience` and `resource` name different APIs.
    AudienceAndResourceDiffer,
    /// `resource` is not an absolute URI without fragment.
    MalformedResource,
    /// No API has this identifier.
    UnknownApi(Echo),
    /// The API gives no client tokens of its own.
    ApiRefusesClients(Echo),
    /// The API's owner did not grant the client anything.
    NoClientGrant(Echo),
    /// `scope` is not words of the allowed characters, or too many.
    MalformedScope,
    /// These scopes were not granted.
    ScopesNotGranted(Echo),
    /// The authorization code gives nothing.
    Code(CodeRefusal),
    /// The refresh token gives nothing.
    Refresh(RefreshRefusal),
    /// The token that is to be revoked is another client's.
    TokenOfAnotherClient,
    /// The token that is to be revoked is of a kind that cannot be taken back.
    TokenNotRevocable,
    /// A refresh token is for another API than the one that is named.
    OtherAudience(Echo),
    /// A third party's client asked for a grant that shows the person no dialog.
    ClientIsThirdParty(&'static str),
    /// The API gives nobody tokens of people.
    ApiRefusesPeople(Echo),
    /// The tenant has no connection for password requests that name none.
    NoDefaultDirectory,
    /// No connection has the name of the realm.
    UnknownConnection,
    /// The connection's people may not log in through this client.
    ConnectionNotEnabled,
    /// Nobody has this name and this password.
    WrongPassword,
    /// An administrator keeps the person out. Said only to who proved to be the person.
    UserBlocked,
    /// Too many passwords were tried; the next one must wait.
    TooManyAttempts {
        /// For how long.
        retry_after: Lifetime,
    },
}

impl From<ParamsRefusal> for TokenError {
    fn from(refusal: ParamsRefusal) -> Self {
        Self::Params(refusal)
    }
}

impl From<ClientRefusal> for TokenError {
    fn from(refusal: ClientRefusal) -> Self {
        Self::Client(refusal)
    }
}

impl From<RefreshRefusal> for TokenError {
    fn from(refusal: RefreshRefusal) -> Self {
        Self::Refresh(refusal)
    }
}

impl From<CodeRefusal> for TokenError {
    fn from(refusal: CodeRefusal) -> Self {
        Self::Code(refusal)
    }
}

impl TokenError {
    /// What happened, without its details: the row of [`ERRORS`], and what a log calls it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Params(ParamsRefusal::UnsupportedMediaType) => ErrorKind::UnsupportedMediaType,
            Self::Params(ParamsRefusal::Malformed(_)) => ErrorKind::MalformedParameter,
            Self::Params(ParamsRefusal::Repeated(Some("resource"))) => ErrorKind::SeveralResources,
            Self::Params(ParamsRefusal::Repeated(_)) => ErrorKind::RepeatedParameter,
            Self::Params(ParamsRefusal::TooMany) => ErrorKind::TooManyParameters,
            Self::Params(ParamsRefusal::NotJsonObject) => ErrorKind::NotJsonObject,
            Self::Params(ParamsRefusal::TooDeep) => ErrorKind::TooDeep,
            Self::Params(ParamsRefusal::NotText(_)) => ErrorKind::NotText,
            Self::Params(ParamsRefusal::InQuery(_)) => ErrorKind::ParameterInQuery,
            Self::MissingParameter(_) => ErrorKind::MissingParameter,
            Self::ParameterNotBuilt(_) => ErrorKind::ParameterNotBuilt,
            Self::UnsupportedGrantType(_) => ErrorKind::UnsupportedGrantType,
            Self::GrantTypeNotBuilt(_) => ErrorKind::GrantTypeNotBuilt,
            Self::Client(ClientRefusal::SeveralMethods) => ErrorKind::SeveralAuthenticationMethods,
            Self::Client(ClientRefusal::UnsupportedScheme) => ErrorKind::UnsupportedScheme,
            Self::Client(ClientRefusal::MalformedBasic) => ErrorKind::MalformedBasic,
            Self::Client(ClientRefusal::AssertionNotBuilt) => ErrorKind::AssertionNotBuilt,
            Self::Client(ClientRefusal::MissingClientId) => ErrorKind::MissingClientId,
            Self::Client(ClientRefusal::ClientIdMismatch) => ErrorKind::ClientIdMismatch,
            Self::Client(ClientRefusal::UnknownClient) => ErrorKind::UnknownClient,
            Self::Client(ClientRefusal::MissingSecret) => ErrorKind::MissingSecret,
            Self::Client(ClientRefusal::WrongSecret) => ErrorKind::WrongSecret,
            Self::Client(ClientRefusal::ExpiredSecret) => ErrorKind::ExpiredSecret,
            Self::Client(ClientRefusal::PublicClientSentSecret) => ErrorKind::PublicClientSentSecret,
            Self::GrantTypeNotAllowed(_) => ErrorKind::GrantTypeNotAllowed,
            Self::ClientIsPublic(_) => ErrorKind::ClientIsPublic,
            Self::MissingAudience => ErrorKind::MissingAudience,
            Self::AudienceAndResourceDiffer => ErrorKind::AudienceAndResourceDiffer,
            Self::MalformedResource => ErrorKind::MalformedResource,
            Self::UnknownApi(_) => ErrorKind::UnknownApi,
            Self::ApiRefusesClients(_) => ErrorKind::ApiRefusesClients,
            Self::NoClientGrant(_) => ErrorKind::NoClientGrant,
            Self::MalformedScope => ErrorKind::MalformedScope,
            Self::ScopesNotGranted(_) => ErrorKind::ScopesNotGranted,
            Self::Refresh(RefreshRefusal::Unknown) => ErrorKind::UnknownRefreshToken,
            Self::Refresh(RefreshRefusal::OfAnotherClient) => ErrorKind::RefreshTokenOfAnotherClient,
            Self::Refresh(RefreshRefusal::OfAnotherOrigin) => ErrorKind::RefreshTokenOfAnotherOrigin,
            Self::Refresh(RefreshRefusal::Expired) => ErrorKind::ExpiredRefreshToken,
            Self::Refresh(RefreshRefusal::Reused) => ErrorKind::ReusedRefreshToken,
            Self::Refresh(RefreshRefusal::FromTheFuture) => ErrorKind::RefreshTokenFromTheFuture,
            Self::Refresh(RefreshRefusal::NotThePresentOne) => ErrorKind::NotThePresentRefreshToken,
            Self::Code(CodeRefusal::Withdrawn(withdrawn)) => match withdrawn {
                Withdrawn::UserGone => ErrorKind::UserOfCodeGone,
                Withdrawn::UserBlocked => ErrorKind::UserBlocked,
                Withdrawn::CredentialsChanged => ErrorKind::CredentialsOfCodeChanged,
                Withdrawn::ApiGone => ErrorKind::ApiOfCodeGone,
                Withdrawn::OfAnEarlierOne => ErrorKind::CodeOfAnEarlierOne,
                Withdrawn::ClientNotAuthorized => ErrorKind::ClientOfCodeNotAuthorized,
                Withdrawn::ConnectionDisabled => ErrorKind::ConnectionOfCodeDisabled,
                Withdrawn::ConsentWithdrawn => ErrorKind::ConsentWithdrawn,
            },
            Self::Refresh(RefreshRefusal::Withdrawn(withdrawn)) => match withdrawn {
                Withdrawn::UserGone => ErrorKind::UserOfRefreshTokenGone,
                Withdrawn::UserBlocked => ErrorKind::UserBlocked,
                Withdrawn::CredentialsChanged => ErrorKind::CredentialsOfRefreshTokenChanged,
                Withdrawn::ApiGone => ErrorKind::ApiOfRefreshTokenGone,
                Withdrawn::OfAnEarlierOne => ErrorKind::RefreshTokenOfAnEarlierOne,
                Withdrawn::ClientNotAuthorized => ErrorKind::ClientOfRefreshTokenNotAuthorized,
                Withdrawn::ConnectionDisabled => ErrorKind::ConnectionOfRefreshTokenDisabled,
                Withdrawn::ConsentWithdrawn => ErrorKind::ConsentOfRefreshTokenWithdrawn,
            },
            Self::Refresh(RefreshRefusal::OfflineAccessWithdrawn) => ErrorKind::OfflineAccessWithdrawn,
            Self::TokenOfAnotherClient => ErrorKind::TokenOfAnotherClient,
            Self::TokenNotRevocable => ErrorKind::TokenNotRevocable,
            Self::OtherAudience(_) => ErrorKind::OtherAudience,
            Self::Code(CodeRefusal::Unknown) => ErrorKind::UnknownCode,
            Self::Code(CodeRefusal::OfAnotherClient) => ErrorKind::CodeOfAnotherClient,
            Self::Code(CodeRefusal::OfAnotherOrigin) => ErrorKind::CodeOfAnotherOrigin,
            Self::Code(CodeRefusal::Expired) => ErrorKind::ExpiredCode,
            Self::Code(CodeRefusal::Used) => ErrorKind::UsedCode,
            Self::Code(CodeRefusal::RedirectUriMissing) => ErrorKind::RedirectUriMissing,
            Self::Code(CodeRefusal::RedirectUriDiffers) => ErrorKind::RedirectUriDiffers,
            Self::Code(CodeRefusal::NoChallenge) => ErrorKind::CodeWithoutChallenge,
            Self::Code(CodeRefusal::VerifierMissing) => ErrorKind::VerifierMissing,
            Self::Code(CodeRefusal::VerifierWrong) => ErrorKind::VerifierWrong,
            Self::Code(CodeRefusal::VerifierUnexpected) => ErrorKind::VerifierUnexpected,
            Self::ClientIsThirdParty(_) => ErrorKind::ClientIsThirdParty,
            Self::ApiRefusesPeople(_) => ErrorKind::ApiRefusesPeople,
            Self::NoDefaultDirectory => ErrorKind::NoDefaultDirectory,
            Self::UnknownConnection => ErrorKind::UnknownConnection,
            Self::ConnectionNotEnabled => ErrorKind::ConnectionNotEnabled,
            Self::WrongPassword => ErrorKind::WrongPassword,
            Self::UserBlocked => ErrorKind::UserBlocked,
            Self::TooManyAttempts { .. } => ErrorKind::TooManyAttempts,
        }
    }

    /// What stands for `{}` in the row's text.
    fn detail(&self) -> &str {
        match self {
            Self::Params(ParamsRefusal::Malformed(name) | ParamsRefusal::Repeated(name)) => {
                name.unwrap_or("of unknown name")
            }
            Self::Params(ParamsRefusal::NotText(name) | ParamsRefusal::InQuery(name))
            | Self::MissingParameter(name)
            | Self::ParameterNotBuilt(name)
            | Self::GrantTypeNotBuilt(name)
            | Self::GrantTypeNotAllowed(name)
            | Self::ClientIsPublic(name)
            | Self::ClientIsThirdParty(name) => name,
            Self::UnsupportedGrantType(echo)
            | Self::OtherAudience(echo)
            | Self::UnknownApi(echo)
            | Self::ApiRefusesClients(echo)
            | Self::NoClientGrant(echo)
            | Self::ApiRefusesPeople(echo)
            | Self::ScopesNotGranted(echo) => echo.as_str(),
            Self::Params(
                ParamsRefusal::UnsupportedMediaType
                | ParamsRefusal::TooMany
                | ParamsRefusal::NotJsonObject
                | ParamsRefusal::TooDeep,
            )
            | Self::Client(_)
            | Self::MissingAudience
            | Self::AudienceAndResourceDiffer
            | Self::MalformedResource
            | Self::MalformedScope
            | Self::Code(_)
            | Self::Refresh(_)
            | Self::TokenOfAnotherClient
            | Self::TokenNotRevocable
            | Self::NoDefaultDirectory
            | Self::UnknownConnection
            | Self::ConnectionNotEnabled
            | Self::WrongPassword
            | Self::UserBlocked
            | Self::TooManyAttempts { .. } => "",
        }
    }

    /// The answer in this profile.
    pub fn answer(&self, profile: ErrorProfile) -> ErrorAnswer {
        let answer = self.kind().row().answer(profile);
        ErrorAnswer {
            status: answer.status,
            error: answer.code,
            error_description: answer.text.replacen("{}", self.detail(), 1),
            retry_after: match self {
                Self::TooManyAttempts { retry_after } => Some(*retry_after),
                _ => None,
            },
        }
    }
}

/// An error as it goes out. Serializes as the body that RFC 6749 §5.2 wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorAnswer {
    /// The HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// The code that programs read.
    pub error: &'static str,
    /// The text that people read.
    pub error_description: String,
    /// The `Retry-After` header, where waiting helps (RFC 9110 §10.2.3).
    #[serde(skip)]
    pub retry_after: Option<Lifetime>,
}

impl ErrorAnswer {
    /// The body, in JSON.
    pub fn to_json(&self) -> String {
        // Two strings: nothing that could fail to serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The `WWW-Authenticate` header, which goes with each 401 (RFC 9110 §15.5.2), Basic having been used or not.
    pub fn www_authenticate(&self) -> Option<&'static str> {
        //= RFC 6749 §5.2
        (self.status == 401).then_some("Basic realm=\"token endpoint\"")
    }
}

#[cfg(test)]
mod tests;
