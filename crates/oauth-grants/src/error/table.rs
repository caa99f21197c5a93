//! One row per refusal: status, code and text in both profiles (RFC 6749 §5.2; RFC 8707 §2; Auth0).

use records::ErrorProfile;

/// What happened, without details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    missing_docs,
    reason = "each is described where its details are: TokenError, ParamsRefusal, ClientRefusal, CodeRefusal"
)]
pub enum ErrorKind {
    UnsupportedMediaType,
    MalformedParameter,
    RepeatedParameter,
    SeveralResources,
    TooManyParameters,
    NotJsonObject,
    TooDeep,
    NotText,
    ParameterInQuery,
    MissingParameter,
    ParameterNotBuilt,
    UnsupportedGrantType,
    GrantTypeNotBuilt,
    SeveralAuthenticationMethods,
    UnsupportedScheme,
    MalformedBasic,
    AssertionNotBuilt,
    MissingClientId,
    ClientIdMismatch,
    UnknownClient,
    MissingSecret,
    WrongSecret,
    ExpiredSecret,
    PublicClientSentSecret,
    GrantTypeNotAllowed,
    ClientIsPublic,
    MissingAudience,
    AudienceAndResourceDiffer,
    MalformedResource,
    UnknownApi,
    ApiRefusesClients,
    NoClientGrant,
    MalformedScope,
    ScopesNotGranted,
    UnknownCode,
    CodeOfAnotherClient,
    CodeOfAnotherOrigin,
    ExpiredCode,
    UsedCode,
    RedirectUriMissing,
    RedirectUriDiffers,
    CodeWithoutChallenge,
    VerifierMissing,
    VerifierWrong,
    VerifierUnexpected,
    UserOfCodeGone,
    ApiOfCodeGone,
    ConsentWithdrawn,
    ClientIsThirdParty,
    ApiRefusesPeople,
    NoDefaultDirectory,
    UnknownConnection,
    ConnectionNotEnabled,
    WrongPassword,
    UserBlocked,
    TooManyAttempts,
    UnknownRefreshToken,
    RefreshTokenOfAnotherClient,
    RefreshTokenOfAnotherOrigin,
    ExpiredRefreshToken,
    ReusedRefreshToken,
    RefreshTokenFromTheFuture,
    NotThePresentRefreshToken,
    UserOfRefreshTokenGone,
    ApiOfRefreshTokenGone,
    OfflineAccessWithdrawn,
    ConsentOfRefreshTokenWithdrawn,
    OtherAudience,
    TokenOfAnotherClient,
    TokenNotRevocable,
    CredentialsOfCodeChanged,
    CredentialsOfRefreshTokenChanged,
    CodeOfAnEarlierOne,
    RefreshTokenOfAnEarlierOne,
    ClientOfCodeNotAuthorized,
    ClientOfRefreshTokenNotAuthorized,
    ConnectionOfCodeDisabled,
    ConnectionOfRefreshTokenDisabled,
}

impl ErrorKind {
    /// Its row.
    pub fn row(self) -> &'static Row {
        ERRORS.iter().find(|row| row.kind == self).unwrap_or(&WITHOUT_ROW)
    }

    /// What a log calls it.
    pub fn name(self) -> &'static str {
        self.row().name
    }
}

/// How a refusal is spelled in one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `error`
    pub code: &'static str,
    /// `error_description`; `{}` stands for the parameter or the echoed text.
    pub text: &'static str,
}

/// A refusal and its two spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What happened.
    pub kind: ErrorKind,
    /// What a log calls it.
    pub name: &'static str,
    /// As Auth0 spells it, where its spelling is known.
    pub auth0: Answer,
    /// As RFC 6749 and RFC 8707 want it.
    pub rfc6749: Answer,
}

impl Row {
    /// The answer in this profile.
    pub fn answer(&self, profile: ErrorProfile) -> Answer {
        match profile {
            ErrorProfile::Auth0 => self.auth0,
            ErrorProfile::Rfc6749 => self.rfc6749,
        }
    }
}

const fn answer(status: u16, code: &'static str, text: &'static str) -> Answer {
    Answer { status, code, text }
}

/// Spelled alike in both profiles.
const fn alike(kind: ErrorKind, name: &'static str, answer: Answer) -> Row {
    Row { kind, name, auth0: answer, rfc6749: answer }
}

const fn row(kind: ErrorKind, name: &'static str, auth0: Answer, rfc6749: Answer) -> Row {
    Row { kind, name, auth0, rfc6749 }
}

/// One answer for whoever is not who they say: nobody learns which clients exist, or which part was wrong.
const fn not_authenticated(kind: ErrorKind, name: &'static str) -> Row {
    row(
        kind,
        name,
        answer(401, "access_denied", "Unauthorized"),
        answer(401, "invalid_client", "Client authentication failed"),
    )
}

/// One answer for a code that gives nothing: whoever holds somebody else's learns nothing about it.
const fn code(kind: ErrorKind, name: &'static str) -> Row {
    row(
        kind,
        name,
        answer(403, "invalid_grant", "Invalid authorization code"),
        answer(400, "invalid_grant", "Invalid authorization code"),
    )
}

/// One answer for whoever cannot show the verifier (RFC 7636 §4.6).
const fn verifier(kind: ErrorKind, name: &'static str) -> Row {
    row(
        kind,
        name,
        answer(403, "invalid_grant", "Failed to verify code verifier"),
        answer(400, "invalid_grant", "Failed to verify code verifier"),
    )
}

/// One answer for every refresh token that gives nothing.
const fn unusable_refresh_token(kind: ErrorKind, name: &'static str) -> Row {
    row(
        kind,
        name,
        answer(403, "invalid_grant", "Unknown or invalid refresh token."),
        answer(400, "invalid_grant", "Unknown or invalid refresh token."),
    )
}

/// Stands in for a row that is missing. A test finds a row for each kind, so it is never answered.
const WITHOUT_ROW: Row = alike(
    ErrorKind::UnsupportedMediaType,
    "without_row",
    answer(500, "server_error", "The request was refused for a reason that has no text"),
);

/// Each refusal of the token endpoint. Documentation and tests iterate over it.
#[rustfmt::skip]
pub const ERRORS: &[Row] = &[
    alike(ErrorKind::UnsupportedMediaType, "unsupported_media_type",
        answer(400, "invalid_request", "Content-Type must be application/x-www-form-urlencoded or application/json, in UTF-8")),
    alike(ErrorKind::MalformedParameter, "malformed_parameter",
        answer(400, "invalid_request", "Parameter {} is not well-formed percent-encoded UTF-8")),
    alike(ErrorKind::RepeatedParameter, "repeated_parameter",
        answer(400, "invalid_request", "Parameter {} appears more than once")),
    row(ErrorKind::SeveralResources, "several_resources",
        answer(400, "invalid_request", "Parameter resource appears more than once"),
        answer(400, "invalid_target", "A token for more than one resource is not issued")),
    alike(ErrorKind::TooManyParameters, "too_many_parameters",
        answer(400, "invalid_request", "The request has more than 64 parameters")),
    alike(ErrorKind::NotJsonObject, "not_json_object",
        answer(400, "invalid_request", "The body is not one JSON object")),
    alike(ErrorKind::TooDeep, "too_deep",
        answer(400, "invalid_request", "The body is nested deeper than 16 levels")),
    alike(ErrorKind::NotText, "not_text",
        answer(400, "invalid_request", "Parameter {} must be a string")),
    alike(ErrorKind::ParameterInQuery, "parameter_in_query",
        answer(400, "invalid_request", "Parameter {} must be sent in the body, not in the URL")),
    alike(ErrorKind::MissingParameter, "missing_parameter",
        answer(400, "invalid_request", "Missing required parameter: {}")),
    alike(ErrorKind::ParameterNotBuilt, "parameter_not_built",
        answer(400, "invalid_request", "Parameter {} is not supported by this server yet")),
    row(ErrorKind::UnsupportedGrantType, "unsupported_grant_type",
        answer(403, "unsupported_grant_type", "Unsupported grant type: {}"),
        answer(400, "unsupported_grant_type", "Unsupported grant type: {}")),
    row(ErrorKind::GrantTypeNotBuilt, "grant_type_not_built",
        answer(403, "unsupported_grant_type", "Grant type '{}' is not supported by this server yet"),
        answer(400, "unsupported_grant_type", "Grant type '{}' is not supported by this server yet")),
    alike(ErrorKind::SeveralAuthenticationMethods, "several_authentication_methods",
        answer(400, "invalid_request", "The client must authenticate by one method only")),
    alike(ErrorKind::UnsupportedScheme, "unsupported_scheme",
        answer(401, "invalid_client", "The Authorization header must use the Basic scheme")),
    alike(ErrorKind::MalformedBasic, "malformed_basic",
        answer(401, "invalid_client", "The Authorization header is not well-formed")),
    alike(ErrorKind::AssertionNotBuilt, "assertion_not_built",
        answer(401, "invalid_client", "Client assertions (private_key_jwt) are not supported by this server yet")),
    alike(ErrorKind::MissingClientId, "missing_client_id",
        answer(401, "invalid_client", "Missing client_id")),
    alike(ErrorKind::ClientIdMismatch, "client_id_mismatch",
        answer(401, "invalid_client", "client_id differs from the client that authenticates")),
    not_authenticated(ErrorKind::UnknownClient, "unknown_client"),
    not_authenticated(ErrorKind::MissingSecret, "missing_secret"),
    not_authenticated(ErrorKind::WrongSecret, "wrong_secret"),
    not_authenticated(ErrorKind::ExpiredSecret, "expired_secret"),
    not_authenticated(ErrorKind::PublicClientSentSecret, "public_client_sent_secret"),
    row(ErrorKind::GrantTypeNotAllowed, "grant_type_not_allowed",
        answer(403, "unauthorized_client", "Grant type '{}' not allowed for the client."),
        answer(400, "unauthorized_client", "Grant type '{}' not allowed for the client.")),
    row(ErrorKind::ClientIsPublic, "client_is_public",
        answer(403, "unauthorized_client", "Grant type '{}' not allowed for the client."),
        answer(400, "unauthorized_client", "Grant type '{}' is for confidential clients only")),
    // Auth0's words: whoever searches for them finds that an audience is missing.
    row(ErrorKind::MissingAudience, "missing_audience",
        answer(403, "access_denied", "Non-global clients are not allowed access to APIv1"),
        answer(400, "invalid_target", "Missing audience: the request names no API and there is no default")),
    alike(ErrorKind::AudienceAndResourceDiffer, "audience_and_resource_differ",
        answer(400, "invalid_request", "audience and resource name different APIs")),
    alike(ErrorKind::MalformedResource, "malformed_resource",
        answer(400, "invalid_target", "resource must be an absolute URI without fragment")),
    row(ErrorKind::UnknownApi, "unknown_api",
        answer(403, "access_denied", "Service not enabled within domain: {}"),
        answer(400, "invalid_target", "Unknown audience: {}")),
    row(ErrorKind::ApiRefusesClients, "api_refuses_clients",
        answer(403, "access_denied", "Audience {} gives no tokens to clients of their own."),
        answer(400, "invalid_target", "Audience {} gives no tokens to clients of their own")),
    // Auth0's words, kept to the letter, quotation marks and address included: people search for them. The quotation
    // marks are outside what RFC 6749 §5.2 allows, which is why the other profile does without.
    row(ErrorKind::NoClientGrant, "no_client_grant",
        answer(403, "access_denied", "Client is not authorized to access \"{}\". You need to create a \"client-grant\" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"),
        answer(400, "invalid_target", "The client has no client grant for audience {}")),
    alike(ErrorKind::MalformedScope, "malformed_scope",
        answer(400, "invalid_scope", "scope must be at most 1000 words of printable ASCII, without quotation marks and backslashes")),
    row(ErrorKind::ScopesNotGranted, "scopes_not_granted",
        answer(403, "access_denied", "Client has not been granted scopes: {}"),
        answer(400, "invalid_scope", "The client was not granted these scopes: {}")),
    code(ErrorKind::UnknownCode, "unknown_code"),
    code(ErrorKind::CodeOfAnotherClient, "code_of_another_client"),
    code(ErrorKind::CodeOfAnotherOrigin, "code_of_another_origin"),
    code(ErrorKind::ExpiredCode, "expired_code"),
    code(ErrorKind::UsedCode, "used_code"),
    code(ErrorKind::RedirectUriMissing, "redirect_uri_missing"),
    code(ErrorKind::RedirectUriDiffers, "redirect_uri_differs"),
    code(ErrorKind::UserOfCodeGone, "user_of_code_gone"),
    code(ErrorKind::ApiOfCodeGone, "api_of_code_gone"),
    code(ErrorKind::ConsentWithdrawn, "consent_withdrawn"),
    code(ErrorKind::ConnectionOfCodeDisabled, "connection_of_code_disabled"),
    code(ErrorKind::CredentialsOfCodeChanged, "credentials_of_code_changed"),
    code(ErrorKind::CodeOfAnEarlierOne, "code_of_an_earlier_one"),
    code(ErrorKind::ClientOfCodeNotAuthorized, "client_of_code_not_authorized"),
    unusable_refresh_token(ErrorKind::CredentialsOfRefreshTokenChanged, "credentials_of_refresh_token_changed"),
    unusable_refresh_token(ErrorKind::RefreshTokenOfAnEarlierOne, "refresh_token_of_an_earlier_one"),
    unusable_refresh_token(ErrorKind::ClientOfRefreshTokenNotAuthorized, "client_of_refresh_token_not_authorized"),
    unusable_refresh_token(ErrorKind::ConnectionOfRefreshTokenDisabled, "connection_of_refresh_token_disabled"),
    verifier(ErrorKind::CodeWithoutChallenge, "code_without_challenge"),
    verifier(ErrorKind::VerifierMissing, "verifier_missing"),
    verifier(ErrorKind::VerifierWrong, "verifier_wrong"),
    verifier(ErrorKind::VerifierUnexpected, "verifier_unexpected"),
    row(ErrorKind::ClientIsThirdParty, "client_is_third_party",
        answer(403, "unauthorized_client", "Grant type '{}' not allowed for the client."),
        answer(400, "unauthorized_client", "Grant type '{}' is for first-party clients only")),
    row(ErrorKind::ApiRefusesPeople, "api_refuses_people",
        answer(403, "access_denied", "Audience {} gives no tokens to people."),
        answer(400, "invalid_target", "Audience {} gives no tokens to people")),
    alike(ErrorKind::NoDefaultDirectory, "no_default_directory",
        answer(400, "invalid_request", "Authorization server not configured with default connection.")),
    alike(ErrorKind::UnknownConnection, "unknown_connection",
        answer(400, "invalid_request", "the connection was not found")),
    alike(ErrorKind::ConnectionNotEnabled, "connection_not_enabled",
        answer(400, "invalid_request", "the connection is not enabled for this client")),
    row(ErrorKind::WrongPassword, "wrong_password",
        answer(403, "invalid_grant", "Wrong email or password."),
        answer(400, "invalid_grant", "Wrong email or password.")),
    row(ErrorKind::UserBlocked, "user_blocked",
        answer(403, "unauthorized", "user is blocked"),
        answer(400, "invalid_grant", "user is blocked")),
    row(ErrorKind::TooManyAttempts, "too_many_attempts",
        answer(429, "too_many_attempts", "Your account has been blocked after multiple consecutive login attempts. Try again later."),
        answer(429, "invalid_grant", "Too many consecutive login attempts. Try again later.")),
    // One text for all of it, which Auth0's client libraries look for.
    unusable_refresh_token(ErrorKind::UnknownRefreshToken, "unknown_refresh_token"),
    unusable_refresh_token(ErrorKind::RefreshTokenOfAnotherClient, "refresh_token_of_another_client"),
    unusable_refresh_token(ErrorKind::RefreshTokenOfAnotherOrigin, "refresh_token_of_another_origin"),
    unusable_refresh_token(ErrorKind::ExpiredRefreshToken, "expired_refresh_token"),
    unusable_refresh_token(ErrorKind::ReusedRefreshToken, "reused_refresh_token"),
    unusable_refresh_token(ErrorKind::RefreshTokenFromTheFuture, "refresh_token_from_the_future"),
    unusable_refresh_token(ErrorKind::NotThePresentRefreshToken, "not_the_present_refresh_token"),
    unusable_refresh_token(ErrorKind::UserOfRefreshTokenGone, "user_of_refresh_token_gone"),
    unusable_refresh_token(ErrorKind::ApiOfRefreshTokenGone, "api_of_refresh_token_gone"),
    unusable_refresh_token(ErrorKind::OfflineAccessWithdrawn, "offline_access_withdrawn"),
    unusable_refresh_token(ErrorKind::ConsentOfRefreshTokenWithdrawn, "consent_of_refresh_token_withdrawn"),
    row(ErrorKind::OtherAudience, "other_audience",
        answer(403, "access_denied", "The refresh token is not for audience {}"),
        answer(400, "invalid_target", "The refresh token is not for audience {}")),
    alike(ErrorKind::TokenOfAnotherClient, "token_of_another_client",
        answer(400, "invalid_grant", "The token was issued to another client")),
    alike(ErrorKind::TokenNotRevocable, "token_not_revocable",
        answer(400, "unsupported_token_type", "Access tokens and ID tokens cannot be revoked: they are good until they expire")),
];
