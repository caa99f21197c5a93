//! Every refusal in both profiles (RFC 6749 §5.2; Auth0).

use std::collections::BTreeSet;

use proptest::prelude::*;
use records::ErrorProfile::{Auth0, Rfc6749};

use super::echo::is_description_character;
use super::*;
use crate::grants::refresh_token::RefreshRefusal;
use crate::grants::still_allowed::Withdrawn;

/// One of each.
fn every_error() -> Vec<TokenError> {
    use ClientRefusal as C;
    use ParamsRefusal as P;
    let echo = || Echo::of("https://api.example.com/");
    let mut errors: Vec<TokenError> = [
        P::UnsupportedMediaType,
        P::Malformed(Some("scope")),
        P::Malformed(None),
        P::Repeated(Some("scope")),
        P::Repeated(Some("resource")),
        P::Repeated(None),
        P::TooMany,
        P::NotJsonObject,
        P::TooDeep,
        P::NotText("audience"),
        P::InQuery("client_secret"),
    ]
    .map(TokenError::from)
    .into();
    errors.extend(
        [
            C::SeveralMethods,
            C::UnsupportedScheme,
            C::MalformedBasic,
            C::AssertionNotBuilt,
            C::MissingClientId,
            C::ClientIdMismatch,
            C::UnknownClient,
            C::MissingSecret,
            C::WrongSecret,
            C::ExpiredSecret,
            C::PublicClientSentSecret,
        ]
        .map(TokenError::from),
    );
    errors.extend([
        TokenError::MissingParameter("grant_type"),
        TokenError::ParameterNotBuilt("organization"),
        TokenError::UnsupportedGrantType(Echo::of("foo")),
        TokenError::GrantTypeNotBuilt("urn:ietf:params:oauth:grant-type:device_code"),
        TokenError::GrantTypeNotAllowed("client_credentials"),
        TokenError::ClientIsPublic("client_credentials"),
        TokenError::MissingAudience,
        TokenError::AudienceAndResourceDiffer,
        TokenError::MalformedResource,
        TokenError::UnknownApi(echo()),
        TokenError::ApiRefusesClients(echo()),
        TokenError::NoClientGrant(echo()),
        TokenError::MalformedScope,
        TokenError::ScopesNotGranted(Echo::of("read, write")),
    ]);
    errors.extend(every_code_refusal().map(TokenError::from));
    errors.extend(every_refresh_refusal().map(TokenError::from));
    errors.extend([
        TokenError::OtherAudience(echo()),
        TokenError::TokenOfAnotherClient,
        TokenError::TokenNotRevocable,
        TokenError::ClientIsThirdParty("password"),
        TokenError::ApiRefusesPeople(echo()),
        TokenError::NoDefaultDirectory,
        TokenError::UnknownConnection,
        TokenError::ConnectionNotEnabled,
        TokenError::WrongPassword,
        TokenError::UserBlocked,
        TokenError::TooManyAttempts { retry_after: Lifetime(60) },
    ]);
    errors
}

fn every_refresh_refusal() -> [RefreshRefusal; 15] {
    use RefreshRefusal as R;
    [
        R::Unknown,
        R::OfAnotherClient,
        R::OfAnotherOrigin,
        R::Expired,
        R::Reused,
        R::FromTheFuture,
        R::NotThePresentOne,
        R::OfflineAccessWithdrawn,
        R::Withdrawn(Withdrawn::UserGone),
        R::Withdrawn(Withdrawn::CredentialsChanged),
        R::Withdrawn(Withdrawn::ApiGone),
        R::Withdrawn(Withdrawn::OfAnEarlierOne),
        R::Withdrawn(Withdrawn::ClientNotAuthorized),
        R::Withdrawn(Withdrawn::ConnectionDisabled),
        R::Withdrawn(Withdrawn::ConsentWithdrawn),
    ]
}

#[test]
fn a_refresh_token_that_gives_nothing_gets_the_answer_that_client_libraries_look_for() {
    for refusal in every_refresh_refusal() {
        let answer = TokenError::from(refusal).answer(ErrorProfile::Auth0);
        assert_eq!((answer.status, answer.error), (403, "invalid_grant"), "{refusal:?}");
        assert_eq!(answer.error_description, "Unknown or invalid refresh token.");
    }
}

fn every_code_refusal() -> [CodeRefusal; 18] {
    use CodeRefusal as C;
    [
        C::Unknown,
        C::OfAnotherClient,
        C::OfAnotherOrigin,
        C::Expired,
        C::Used,
        C::RedirectUriMissing,
        C::RedirectUriDiffers,
        C::NoChallenge,
        C::VerifierMissing,
        C::VerifierWrong,
        C::VerifierUnexpected,
        C::Withdrawn(Withdrawn::UserGone),
        C::Withdrawn(Withdrawn::CredentialsChanged),
        C::Withdrawn(Withdrawn::ApiGone),
        C::Withdrawn(Withdrawn::OfAnEarlierOne),
        C::Withdrawn(Withdrawn::ClientNotAuthorized),
        C::Withdrawn(Withdrawn::ConnectionDisabled),
        C::Withdrawn(Withdrawn::ConsentWithdrawn),
    ]
}

#[test]
fn every_error_has_its_row_and_every_row_its_error() {
    let kinds: BTreeSet<_> = every_error().iter().map(TokenError::kind).collect();
    let rows: BTreeSet<_> = ERRORS.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, rows);
    assert_eq!(rows.len(), ERRORS.len(), "a kind has two rows");
    let names: BTreeSet<_> = ERRORS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), ERRORS.len(), "two rows have one name");
    for error in every_error() {
        assert_eq!(error.kind().row().kind, error.kind());
        assert!(error.answer(Auth0).status < 500 && error.answer(Rfc6749).status < 500, "{error:?}");
    }
}

/// An error, Auth0's status, code and text for it, and the standard's status and code.
type Spelled = (TokenError, (u16, &'static str, &'static str), (u16, &'static str));

/// The statuses and codes that programs read; the texts that Auth0's users search for.
#[test]
fn errors_are_spelled_as_each_profile_wants() {
    let aud = || Echo::of("urn:api");
    #[rustfmt::skip]
    let rows: &[Spelled] = &[
        (TokenError::MissingParameter("grant_type"), (400, "invalid_request", "Missing required parameter: grant_type"), (400, "invalid_request")),
        (TokenError::MissingParameter("code"), (400, "invalid_request", "Missing required parameter: code"), (400, "invalid_request")),
        (ClientRefusal::UnknownClient.into(), (401, "access_denied", "Unauthorized"), (401, "invalid_client")),
        (ClientRefusal::WrongSecret.into(), (401, "access_denied", "Unauthorized"), (401, "invalid_client")),
        (ClientRefusal::MissingSecret.into(), (401, "access_denied", "Unauthorized"), (401, "invalid_client")),
        (ClientRefusal::MissingClientId.into(), (401, "invalid_client", "Missing client_id"), (401, "invalid_client")),
        (ClientRefusal::MalformedBasic.into(), (401, "invalid_client", "The Authorization header is not well-formed"), (401, "invalid_client")),
        (ClientRefusal::SeveralMethods.into(), (400, "invalid_request", "The client must authenticate by one method only"), (400, "invalid_request")),
        (ClientRefusal::ClientIdMismatch.into(), (401, "invalid_client", "client_id differs from the client that authenticates"), (401, "invalid_client")),
        (TokenError::GrantTypeNotAllowed("client_credentials"), (403, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client."), (400, "unauthorized_client")),
        (TokenError::ClientIsPublic("client_credentials"), (403, "unauthorized_client", "Grant type 'client_credentials' not allowed for the client."), (400, "unauthorized_client")),
        (TokenError::UnsupportedGrantType(Echo::of("foo")), (403, "unsupported_grant_type", "Unsupported grant type: foo"), (400, "unsupported_grant_type")),
        (TokenError::GrantTypeNotBuilt("urn:ietf:params:oauth:grant-type:device_code"), (403, "unsupported_grant_type", "Grant type 'urn:ietf:params:oauth:grant-type:device_code' is not supported by this server yet"), (400, "unsupported_grant_type")),
        (TokenError::NoClientGrant(aud()), (403, "access_denied", "Client is not authorized to access \"urn:api\". You need to create a \"client-grant\" associated to this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"), (400, "invalid_target")),
        (TokenError::UnknownApi(aud()), (403, "access_denied", "Service not enabled within domain: urn:api"), (400, "invalid_target")),
        (TokenError::MissingAudience, (403, "access_denied", "Non-global clients are not allowed access to APIv1"), (400, "invalid_target")),
        (TokenError::ScopesNotGranted(Echo::of("s1, s2")), (403, "access_denied", "Client has not been granted scopes: s1, s2"), (400, "invalid_scope")),
        (TokenError::MalformedScope, (400, "invalid_scope", "scope must be at most 1000 words of printable ASCII, without quotation marks and backslashes"), (400, "invalid_scope")),
        (ParamsRefusal::Repeated(Some("scope")).into(), (400, "invalid_request", "Parameter scope appears more than once"), (400, "invalid_request")),
        (ParamsRefusal::Repeated(Some("resource")).into(), (400, "invalid_request", "Parameter resource appears more than once"), (400, "invalid_target")),
        (CodeRefusal::Unknown.into(), (403, "invalid_grant", "Invalid authorization code"), (400, "invalid_grant")),
        (CodeRefusal::VerifierWrong.into(), (403, "invalid_grant", "Failed to verify code verifier"), (400, "invalid_grant")),
        (TokenError::ClientIsThirdParty("password"), (403, "unauthorized_client", "Grant type 'password' not allowed for the client."), (400, "unauthorized_client")),
        (TokenError::NoDefaultDirectory, (400, "invalid_request", "Authorization server not configured with default connection."), (400, "invalid_request")),
        (TokenError::WrongPassword, (403, "invalid_grant", "Wrong email or password."), (400, "invalid_grant")),
        (TokenError::UserBlocked, (403, "unauthorized", "user is blocked"), (400, "invalid_grant")),
        (TokenError::TooManyAttempts { retry_after: Lifetime(60) }, (429, "too_many_attempts", "Your account has been blocked after multiple consecutive login attempts. Try again later."), (429, "invalid_grant")),
        (ParamsRefusal::Malformed(None).into(), (400, "invalid_request", "Parameter of unknown name is not well-formed percent-encoded UTF-8"), (400, "invalid_request")),
    ];
    for (error, auth0, rfc6749) in rows {
        let answer = error.answer(Auth0);
        assert_eq!((answer.status, answer.error, answer.error_description.as_str()), *auth0, "{error:?}");
        let answer = error.answer(Rfc6749);
        assert_eq!((answer.status, answer.error), *rfc6749, "{error:?}");
    }
}

//= RFC 6749 §5.2
//= RFC 8707 §2
//= RFC 7009 §2.2.1
#[test]
fn the_rfc_profile_uses_the_standards_codes_and_statuses_only() {
    let codes = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",
        "unsupported_token_type",
    ];
    for error in every_error() {
        let answer = error.answer(Rfc6749);
        assert!(codes.contains(&answer.error), "{error:?}");
        let status = match (answer.error, &error) {
            ("invalid_client", _) => 401,
            // RFC 6585 §4: the one status of its own, because waiting helps.
            (_, TokenError::TooManyAttempts { .. }) => 429,
            _ => 400,
        };
        assert_eq!(answer.status, status, "{error:?}");
    }
}

//= RFC 9110 §10.2.3
#[test]
fn lc_10_whoever_tried_too_often_is_told_when_to_come_back() {
    for error in every_error() {
        for profile in [Auth0, Rfc6749] {
            let answer = error.answer(profile);
            let expected = (answer.status == 429).then_some(Lifetime(60));
            assert_eq!(answer.retry_after, expected, "{error:?}");
        }
    }
}

#[test]
fn cg_04_what_is_wrong_with_a_code_is_not_told() {
    for profile in [Auth0, Rfc6749] {
        let answers: BTreeSet<_> = every_code_refusal()
            .iter()
            .map(|refusal| TokenError::from(*refusal).answer(profile).to_json())
            .collect();
        assert_eq!(answers.len(), 2, "one for codes, one for verifiers: {answers:?}");
    }
}

//= RFC 6749 §5.2
#[test]
fn tk_11_descriptions_keep_to_the_allowed_characters() {
    let nasty = "a\r\nb\tc\"d\\e\u{7f}\u{e9}\u{1f600}\0<script>";
    let mut errors = every_error();
    errors.extend([
        TokenError::UnsupportedGrantType(Echo::of(nasty)),
        TokenError::UnknownApi(Echo::of(nasty)),
        TokenError::NoClientGrant(Echo::of(nasty)),
        TokenError::ScopesNotGranted(Echo::of(nasty)),
    ]);
    for error in errors {
        for profile in [Auth0, Rfc6749] {
            let mut text = error.answer(profile).error_description;
            if error.kind() == ErrorKind::NoClientGrant && profile == Auth0 {
                // The one text of Auth0's that the standard would not allow, for these four characters.
                assert_eq!(text.matches('"').count(), 4, "{text}");
                text = text.replace('"', "'");
            }
            assert!(text.chars().all(is_description_character), "{profile:?} {text:?}");
            assert!(!text.is_empty() && text.len() < 900, "{text}");
            assert!(!text.contains("{}"), "{text}");
        }
    }
}

#[test]
fn ca_07_whoever_is_not_authenticated_gets_the_same_bytes() {
    for profile in [Auth0, Rfc6749] {
        let unknown = TokenError::from(ClientRefusal::UnknownClient).answer(profile);
        for refusal in [
            ClientRefusal::MissingSecret,
            ClientRefusal::WrongSecret,
            ClientRefusal::ExpiredSecret,
            ClientRefusal::PublicClientSentSecret,
        ] {
            let answer = TokenError::from(refusal).answer(profile);
            assert_eq!(answer, unknown, "{refusal:?}");
            assert_eq!(answer.to_json(), unknown.to_json());
            assert_eq!(answer.www_authenticate(), unknown.www_authenticate());
        }
    }
}

#[test]
fn ca_02_each_401_and_nothing_else_challenges_for_basic() {
    for error in every_error() {
        for profile in [Auth0, Rfc6749] {
            let answer = error.answer(profile);
            let challenge = (answer.status == 401).then_some("Basic realm=\"token endpoint\"");
            assert_eq!(answer.www_authenticate(), challenge, "{error:?}");
        }
    }
}

#[test]
fn the_body_is_json_of_two_members() {
    for error in every_error() {
        for profile in [Auth0, Rfc6749] {
            let answer = error.answer(profile);
            let body: serde_json::Value = serde_json::from_str(&answer.to_json()).unwrap();
            let expected =
                serde_json::json!({ "error": answer.error, "error_description": answer.error_description });
            assert_eq!(body, expected);
        }
    }
    let answer = TokenError::MissingParameter("grant_type").answer(Auth0);
    assert_eq!(
        answer.to_json(),
        r#"{"error":"invalid_request","error_description":"Missing required parameter: grant_type"}"#
    );
}

#[test]
fn an_echo_is_cut_and_cleaned() {
    assert_eq!(Echo::of("api.calendar").as_str(), "api.calendar");
    assert_eq!(Echo::of("a\nb\"c\\d\u{e9}").as_str(), "a?b?c?d?");
    assert_eq!(Echo::of("{}").as_str(), "{}", "a placeholder that was sent is not filled");
    assert_eq!(
        TokenError::UnknownApi(Echo::of("{}{}")).answer(Rfc6749).error_description,
        "Unknown audience: {}{}"
    );
    let longest = "x".repeat(600);
    assert_eq!(Echo::of(&longest).as_str(), longest);
    assert_eq!(Echo::of(&format!("{longest}y")).as_str(), format!("{longest}..."));
}

proptest! {
    #[test]
    fn an_echo_always_fits(text in ".{0,700}") {
        let echo = Echo::of(&text);
        prop_assert!(echo.as_str().len() <= 603);
        prop_assert!(echo.as_str().chars().all(is_description_character));
    }
}
