//! The same for types of the `http` crate: a request's headers in, an answer out (RFC 6750 §3).

use ::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::challenge::{Denial, Realm};
use crate::guard::Presented;
use crate::scope::ScopeSet;
use crate::verifier::{AccessToken, AccessTokenVerifier};

/// Finds the token in a request's headers.
///
/// # Errors
/// [`Denial::NoToken`] or [`Denial::Malformed`].
pub fn presented(headers: &HeaderMap) -> Result<Presented<'_>, Denial> {
    Presented::parse(headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes))
}

/// Lets a request in, or says why not; [`respond`] makes the answer of the latter.
///
/// # Errors
/// Any [`Denial`] but [`Denial::Unavailable`].
pub fn authorize(
    headers: &HeaderMap,
    verifier: &AccessTokenVerifier,
    required: &ScopeSet,
    now_unix_seconds: u64,
) -> Result<AccessToken, Denial> {
    presented(headers)?.verify(verifier, required, now_unix_seconds)
}

/// Answers a denied request: status, `WWW-Authenticate`, and the error again as JSON for people who look at
/// bodies.
#[must_use]
pub fn respond(denial: &Denial, realm: &Realm) -> Response<String> {
    let body = match (denial.error_code(), denial.description()) {
        (Some(code), Some(text)) => serde_json::json!({"error": code, "error_description": text}).to_string(),
        _ => String::new(),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let has_body = !response.body().is_empty();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    //= RFC 6750 §3
    if let Some(challenge) = denial.challenge(realm).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Denial::Unavailable(seconds) = denial {
        headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bearer::MalformedCredentials;

    #[test]
    fn several_authorization_headers_reach_the_parser_as_several() {
        let mut headers = HeaderMap::new();
        assert_eq!(presented(&headers).err(), Some(Denial::NoToken));
        headers.append(AUTHORIZATION, HeaderValue::from_static("bearer a"));
        assert!(presented(&headers).is_ok());
        headers.append(AUTHORIZATION, HeaderValue::from_static("bearer a"));
        assert_eq!(presented(&headers).err(), Some(Denial::Malformed(MalformedCredentials::SeveralHeaders)));
    }

    //= RFC 6750 §3.1
    #[test]
    fn each_denial_has_its_status_and_challenge_and_is_not_cached() {
        let realm = Realm::parse("api").unwrap();
        let scope = ScopeSet::parse("geocode").unwrap();
        for (denial, status, code) in [
            (Denial::NoToken, 401, None),
            (Denial::Malformed(MalformedCredentials::NoToken), 400, Some("invalid_request")),
            (Denial::InvalidToken(jwt_core::Refusal::Expired.into()), 401, Some("invalid_token")),
            (Denial::InsufficientScope(scope), 403, Some("insufficient_scope")),
        ] {
            let response = respond(&denial, &realm);
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            match code {
                None => assert!(!challenge.contains("error") && response.body().is_empty(), "{challenge}"),
                Some(code) => {
                    assert!(challenge.contains(&format!("error=\"{code}\"")), "{challenge}");
                    let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
                    assert_eq!(body["error"], code);
                }
            }
        }
    }

    #[test]
    fn keys_that_cannot_be_had_are_503_with_the_time_to_wait() {
        let response = respond(&Denial::Unavailable(5), &Realm::parse("api").unwrap());
        assert_eq!(
            (response.status(), &response.headers()[RETRY_AFTER]),
            (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from(5))
        );
        assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
    }
}
