//! Refusals of the authorization endpoint: shown to the person, or sent to the client (RFC 6749 §4.1.2.1; Auth0).

use std::fmt;

use records::ErrorProfile;

use super::Fields;
use crate::error::Echo;

/// Why a request is answered by a page of ours and never redirected: who asks, or where to answer, is not certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    /// Not percent-encoded UTF-8.
    Malformed,
    /// More than 64 parameters.
    TooManyParameters,
    /// `client_id` or `redirect_uri` appears more than once.
    Repeated(&'static str),
    /// No `client_id`.
    MissingClientId,
    /// No client has this id.
    UnknownClient(Echo),
    /// No `redirect_uri`, and the client has not exactly one.
    MissingRedirectUri,
    /// The client has not registered this `redirect_uri`.
    RedirectUriMismatch,
    /// `response_mode=web_message`, and the origin of the `redirect_uri` is not among the client's web origins.
    WebOriginNotAllowed,
    /// The client's errors are shown, not sent.
    Shown(AuthorizeError),
}

impl PageError {
    /// What a log calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooManyParameters => "too_many_parameters",
            Self::Repeated(_) => "repeated_parameter",
            Self::MissingClientId => "missing_client_id",
            Self::UnknownClient(_) => "unknown_client",
            Self::MissingRedirectUri => "missing_redirect_uri",
            Self::RedirectUriMismatch => "redirect_uri_mismatch",
            Self::WebOriginNotAllowed => "web_origin_not_allowed",
            Self::Shown(error) => error.name(),
        }
    }

    /// The code and the words that the page shows.
    pub fn answer(&self, profile: ErrorProfile) -> (&'static str, String) {
        let text = match self {
            Self::Malformed => "The request is not well-formed percent-encoded UTF-8.".to_owned(),
            Self::TooManyParameters => "The request has more than 64 parameters.".to_owned(),
            Self::Repeated(name) => format!("Parameter {name} appears more than once."),
            Self::MissingClientId => "Missing required parameter: client_id".to_owned(),
            Self::UnknownClient(id) => format!("Unknown client: {id}"),
            Self::MissingRedirectUri => "Missing required parameter: redirect_uri".to_owned(),
            Self::RedirectUriMismatch => {
                "Callback URL mismatch. The provided redirect_uri is not in the list of allowed callback URLs."
                    .to_owned()
            }
            Self::WebOriginNotAllowed => {
                "The origin of the redirect_uri is not in the list of allowed web origins.".to_owned()
            }
            Self::Shown(error) => return error.answer(profile),
        };
        ("invalid_request", text)
    }
}

/// Why a request is refused once it is certain where to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizeError {
    /// A parameter appears more than once.
    RepeatedParameter(&'static str),
    /// More than can be carried through a login.
    TooLarge,
    /// No `response_type`.
    MissingResponseType,
    /// A `response_type` that is none.
    UnsupportedResponseType(Echo),
    /// The client may not use the grant type that the `response_type` needs.
    GrantTypeNotAllowed(&'static str),
    /// A `response_mode` that is none.
    UnknownResponseMode,
    /// `response_mode=query` with a token in the answer.
    TokensInQuery,
    /// `scope` is not words of the allowed characters, or too many.
    MalformedScope,
    /// An ID token without the scope `openid`.
    MissingOpenId,
    /// An ID token through the browser without a `nonce`.
    MissingNonce,
    /// `prompt` has an unknown word, or `none` beside another.
    UnknownPrompt,
    /// `max_age` is no number of seconds.
    MalformedMaxAge,
    /// A public client without PKCE.
    MissingChallenge,
    /// A challenge method other than S256, or none, which means `plain`.
    ChallengeMethod,
    /// A challenge that SHA-256 never gives.
    MalformedChallenge,
    /// A parameter that would change the token, and that this server does not understand yet.
    ParameterNotBuilt(&'static str),
    /// `request`
    RequestNotSupported,
    /// `request_uri`
    RequestUriNotSupported,
    /// `registration`
    RegistrationNotSupported,
    /// `claims` cannot be read.
    MalformedClaims,
    /// `audience` and `resource` name different APIs.
    AudienceAndResourceDiffer,
    /// More than one `resource`.
    SeveralResources,
    /// `resource` is not an absolute URI without fragment.
    MalformedResource,
    /// No API has this identifier.
    UnknownApi(Echo),
    /// The API gives nobody tokens of people.
    ApiRefusesPeople(Echo),
    /// The API's owner granted the client nothing on people's behalf.
    NoClientGrant(Echo),
    /// No connection of this name, or no default one.
    UnknownConnection,
    /// The connection is not for this client.
    ConnectionNotEnabled,
    /// `id_token_hint` was not issued by this server to this client.
    MalformedHint,
    /// An essential `acr` that cannot be reached.
    EssentialAcr,
    /// `prompt=none`, and nobody is logged in.
    LoginRequired,
    /// `prompt=none`, and consent is missing.
    ConsentRequired,
    /// `prompt=none`, and the callback wants confirmation.
    InteractionRequired,
    /// The person declined.
    Declined,
    /// The person did not confirm the callback.
    NotConfirmed,
    /// The person was blocked.
    UserBlocked,
    /// A failure of ours.
    ServerError,
}

/// What happened, without details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described where its details are: AuthorizeError")]
pub enum AuthorizeErrorKind {
    RepeatedParameter,
    TooLarge,
    MissingResponseType,
    UnsupportedResponseType,
    GrantTypeNotAllowed,
    UnknownResponseMode,
    TokensInQuery,
    MalformedScope,
    MissingOpenId,
    MissingNonce,
    UnknownPrompt,
    MalformedMaxAge,
    MissingChallenge,
    ChallengeMethod,
    MalformedChallenge,
    ParameterNotBuilt,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    MalformedClaims,
    AudienceAndResourceDiffer,
    SeveralResources,
    MalformedResource,
    UnknownApi,
    ApiRefusesPeople,
    NoClientGrant,
    UnknownConnection,
    ConnectionNotEnabled,
    MalformedHint,
    EssentialAcr,
    LoginRequired,
    ConsentRequired,
    InteractionRequired,
    Declined,
    NotConfirmed,
    UserBlocked,
    ServerError,
}

/// A refusal and how it is spelled.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizeErrorRow {
    /// What happened.
    pub kind: AuthorizeErrorKind,
    /// What a log calls it.
    pub name: &'static str,
    /// `error`
    pub code: &'static str,
    /// `error_description`; `{}` stands for the detail.
    pub text: &'static str,
}

const fn row(
    kind: AuthorizeErrorKind,
    name: &'static str,
    code: &'static str,
    text: &'static str,
) -> AuthorizeErrorRow {
    AuthorizeErrorRow { kind, name, code, text }
}

/// Each refusal that is sent to clients, in the order of [`AuthorizeErrorKind`].
#[rustfmt::skip]
pub const AUTHORIZE_ERRORS: &[AuthorizeErrorRow] = &[
    row(AuthorizeErrorKind::RepeatedParameter, "repeated_parameter", "invalid_request", "Parameter {} appears more than once"),
    row(AuthorizeErrorKind::TooLarge, "too_large", "invalid_request", "The request is longer than 5120 bytes"),
    row(AuthorizeErrorKind::MissingResponseType, "missing_response_type", "invalid_request", "Missing required parameter: response_type"),
    row(AuthorizeErrorKind::UnsupportedResponseType, "unsupported_response_type", "unsupported_response_type", "Unsupported response type: {}"),
    row(AuthorizeErrorKind::GrantTypeNotAllowed, "grant_type_not_allowed", "unauthorized_client", "Grant type '{}' not allowed for the client."),
    row(AuthorizeErrorKind::UnknownResponseMode, "unknown_response_mode", "invalid_request", "Unknown response_mode: use query, fragment, form_post or web_message"),
    row(AuthorizeErrorKind::TokensInQuery, "tokens_in_query", "invalid_request", "Tokens are never sent in a query: use response_mode fragment, form_post or web_message"),
    row(AuthorizeErrorKind::MalformedScope, "malformed_scope", "invalid_scope", "scope must be at most 1000 words of printable ASCII, without quotation marks and backslashes"),
    row(AuthorizeErrorKind::MissingOpenId, "missing_openid", "invalid_request", "An ID token wants the scope openid"),
    row(AuthorizeErrorKind::MissingNonce, "missing_nonce", "invalid_request", "Missing required parameter: nonce"),
    row(AuthorizeErrorKind::UnknownPrompt, "unknown_prompt", "invalid_request", "prompt must be none, or words of login, consent and select_account"),
    row(AuthorizeErrorKind::MalformedMaxAge, "malformed_max_age", "invalid_request", "max_age must be a number of seconds"),
    row(AuthorizeErrorKind::MissingChallenge, "missing_challenge", "invalid_request", "code challenge required: send code_challenge with code_challenge_method S256"),
    row(AuthorizeErrorKind::ChallengeMethod, "challenge_method", "invalid_request", "code_challenge_method must be S256"),
    row(AuthorizeErrorKind::MalformedChallenge, "malformed_challenge", "invalid_request", "code_challenge must be 43 characters of base64url"),
    row(AuthorizeErrorKind::ParameterNotBuilt, "parameter_not_built", "invalid_request", "Parameter {} is not supported by this server yet"),
    row(AuthorizeErrorKind::RequestNotSupported, "request_not_supported", "request_not_supported", "Request objects are not supported by this server yet"),
    row(AuthorizeErrorKind::RequestUriNotSupported, "request_uri_not_supported", "request_uri_not_supported", "request_uri is not supported by this server yet"),
    row(AuthorizeErrorKind::RegistrationNotSupported, "registration_not_supported", "registration_not_supported", "The registration parameter is not supported"),
    row(AuthorizeErrorKind::MalformedClaims, "malformed_claims", "invalid_request", "claims must be one JSON object of at most 4096 bytes"),
    row(AuthorizeErrorKind::AudienceAndResourceDiffer, "audience_and_resource_differ", "invalid_request", "audience and resource name different APIs"),
    row(AuthorizeErrorKind::SeveralResources, "several_resources", "invalid_target", "A token for more than one resource is not issued"),
    row(AuthorizeErrorKind::MalformedResource, "malformed_resource", "invalid_target", "resource must be an absolute URI without fragment"),
    row(AuthorizeErrorKind::UnknownApi, "unknown_api", "access_denied", "Service not found: {}"),
    row(AuthorizeErrorKind::ApiRefusesPeople, "api_refuses_people", "access_denied", "Audience {} gives no tokens on behalf of people"),
    row(AuthorizeErrorKind::NoClientGrant, "no_client_grant", "access_denied", "The client is not authorized to access audience {} on behalf of people"),
    row(AuthorizeErrorKind::UnknownConnection, "unknown_connection", "invalid_request", "the connection was not found"),
    row(AuthorizeErrorKind::ConnectionNotEnabled, "connection_not_enabled", "invalid_request", "the connection is not enabled"),
    row(AuthorizeErrorKind::MalformedHint, "malformed_hint", "invalid_request", "id_token_hint is not an ID token of this server for this client"),
    row(AuthorizeErrorKind::EssentialAcr, "essential_acr", "access_denied", "The authentication context that was demanded cannot be reached"),
    row(AuthorizeErrorKind::LoginRequired, "login_required", "login_required", "Login required"),
    row(AuthorizeErrorKind::ConsentRequired, "consent_required", "consent_required", "Consent required"),
    row(AuthorizeErrorKind::InteractionRequired, "interaction_required", "interaction_required", "The callback must be confirmed by the person"),
    row(AuthorizeErrorKind::Declined, "declined", "access_denied", "User did not authorize the request"),
    row(AuthorizeErrorKind::NotConfirmed, "not_confirmed", "access_denied", "User did not confirm the callback"),
    row(AuthorizeErrorKind::UserBlocked, "user_blocked", "unauthorized", "user is blocked"),
    row(AuthorizeErrorKind::ServerError, "server_error", "server_error", "The server met a condition that it did not expect"),
];

impl AuthorizeError {
    /// What happened, without its details.
    pub fn kind(&self) -> AuthorizeErrorKind {
        match self {
            Self::RepeatedParameter(_) => AuthorizeErrorKind::RepeatedParameter,
            Self::TooLarge => AuthorizeErrorKind::TooLarge,
            Self::MissingResponseType => AuthorizeErrorKind::MissingResponseType,
            Self::UnsupportedResponseType(_) => AuthorizeErrorKind::UnsupportedResponseType,
            Self::GrantTypeNotAllowed(_) => AuthorizeErrorKind::GrantTypeNotAllowed,
            Self::UnknownResponseMode => AuthorizeErrorKind::UnknownResponseMode,
            Self::TokensInQuery => AuthorizeErrorKind::TokensInQuery,
            Self::MalformedScope => AuthorizeErrorKind::MalformedScope,
            Self::MissingOpenId => AuthorizeErrorKind::MissingOpenId,
            Self::MissingNonce => AuthorizeErrorKind::MissingNonce,
            Self::UnknownPrompt => AuthorizeErrorKind::UnknownPrompt,
            Self::MalformedMaxAge => AuthorizeErrorKind::MalformedMaxAge,
            Self::MissingChallenge => AuthorizeErrorKind::MissingChallenge,
            Self::ChallengeMethod => AuthorizeErrorKind::ChallengeMethod,
            Self::MalformedChallenge => AuthorizeErrorKind::MalformedChallenge,
            Self::ParameterNotBuilt(_) => AuthorizeErrorKind::ParameterNotBuilt,
            Self::RequestNotSupported => AuthorizeErrorKind::RequestNotSupported,
            Self::RequestUriNotSupported => AuthorizeErrorKind::RequestUriNotSupported,
            Self::RegistrationNotSupported => AuthorizeErrorKind::RegistrationNotSupported,
            Self::MalformedClaims => AuthorizeErrorKind::MalformedClaims,
            Self::AudienceAndResourceDiffer => AuthorizeErrorKind::AudienceAndResourceDiffer,
            Self::SeveralResources => AuthorizeErrorKind::SeveralResources,
            Self::MalformedResource => AuthorizeErrorKind::MalformedResource,
            Self::UnknownApi(_) => AuthorizeErrorKind::UnknownApi,
            Self::ApiRefusesPeople(_) => AuthorizeErrorKind::ApiRefusesPeople,
            Self::NoClientGrant(_) => AuthorizeErrorKind::NoClientGrant,
            Self::UnknownConnection => AuthorizeErrorKind::UnknownConnection,
            Self::ConnectionNotEnabled => AuthorizeErrorKind::ConnectionNotEnabled,
            Self::MalformedHint => AuthorizeErrorKind::MalformedHint,
            Self::EssentialAcr => AuthorizeErrorKind::EssentialAcr,
            Self::LoginRequired => AuthorizeErrorKind::LoginRequired,
            Self::ConsentRequired => AuthorizeErrorKind::ConsentRequired,
            Self::InteractionRequired => AuthorizeErrorKind::InteractionRequired,
            Self::Declined => AuthorizeErrorKind::Declined,
            Self::NotConfirmed => AuthorizeErrorKind::NotConfirmed,
            Self::UserBlocked => AuthorizeErrorKind::UserBlocked,
            Self::ServerError => AuthorizeErrorKind::ServerError,
        }
    }

    fn row(&self) -> Option<&'static AuthorizeErrorRow> {
        AUTHORIZE_ERRORS.get(self.kind() as usize)
    }

    /// What a log calls it.
    pub fn name(&self) -> &'static str {
        self.row().map_or("without_row", |row| row.name)
    }

    fn detail(&self) -> &str {
        match self {
            Self::UnsupportedResponseType(echo) => echo.as_str(),
            Self::UnknownApi(echo) => echo.as_str(),
            Self::ApiRefusesPeople(echo) => echo.as_str(),
            Self::NoClientGrant(echo) => echo.as_str(),
            Self::RepeatedParameter(name)
            | Self::GrantTypeNotAllowed(name)
            | Self::ParameterNotBuilt(name) => name,
            _ => "",
        }
    }

    /// The code and the words, in this profile.
    pub fn answer(&self, profile: ErrorProfile) -> (&'static str, String) {
        let (code, text) = self.row().map_or(("server_error", ""), |row| (row.code, row.text));
        let code = match (profile, self) {
            //= RFC 8707 §2
            (ErrorProfile::Rfc6749, Self::UnknownApi(_) | Self::ApiRefusesPeople(_)) => "invalid_target",
            // Auth0's word; RFC 6749 has none of this name.
            (ErrorProfile::Rfc6749, Self::UserBlocked) => "access_denied",
            (ErrorProfile::Rfc6749, Self::EssentialAcr) => "unmet_authentication_requirements",
            _ => code,
        };
        (code, text.replacen("{}", self.detail(), 1))
    }

    /// What is sent to the client.
    pub fn fields(&self, profile: ErrorProfile) -> Fields {
        let (code, text) = self.answer(profile);
        vec![("error", code.to_owned()), ("error_description", text)]
    }
}

impl fmt::Display for AuthorizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row_in_order() {
        for (position, row) in AUTHORIZE_ERRORS.iter().enumerate() {
            assert_eq!(row.kind as usize, position, "{}", row.name);
            assert!(AUTHORIZE_ERRORS.iter().filter(|other| other.name == row.name).count() == 1);
            // TK-11: the characters that error_description may have.
            assert!(
                row.text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{}",
                row.text
            );
        }
        assert_eq!(AUTHORIZE_ERRORS.len(), AuthorizeErrorKind::ServerError as usize + 1);
    }

    #[test]
    fn the_profiles_differ_where_auth0_has_words_of_its_own() {
        let unknown = AuthorizeError::UnknownApi(Echo::of("x"));
        assert_eq!(unknown.answer(ErrorProfile::Auth0), ("access_denied", "Service not found: x".to_owned()));
        assert_eq!(unknown.answer(ErrorProfile::Rfc6749).0, "invalid_target");
        assert_eq!(AuthorizeError::UserBlocked.answer(ErrorProfile::Auth0).0, "unauthorized");
    }
}
