//! Answers: JSON, with the headers that every answer of ours carries (RFC 6749 §5.1; RFC 9111 §5.2).

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;

/// The one body type: small, known in whole before the first byte is sent.
pub type Answer = Response<Full<Bytes>>;

/// How long others may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Not at all: it carries credentials or speaks of them (RFC 6749 §5.1).
    NoStore,
    /// Public, for this many seconds.
    Public(u32),
}

/// A JSON answer.
pub fn json(status: StatusCode, body: impl Into<Bytes>, caching: Caching) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    match caching {
        Caching::NoStore => {
            //= RFC 6749 §5.1
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        }
        Caching::Public(seconds) => {
            if let Ok(value) = HeaderValue::try_from(format!("public, max-age={seconds}")) {
                headers.insert(header::CACHE_CONTROL, value);
            }
        }
    }
    answer
}

/// An error outside the OAuth endpoints' own tables, in the same shape: `error` and `error_description`.
pub fn refusal(status: StatusCode, error: &str, description: &str) -> Answer {
    let body = serde_json::json!({ "error": error, "error_description": description }).to_string();
    json(status, body, Caching::NoStore)
}

/// A redirect after a form was answered: the browser gets what is there (RFC 9110 §15.4.4). Local, by its path.
pub fn see_other(path_and_query: &str) -> Answer {
    redirect(StatusCode::SEE_OTHER, path_and_query)
}

/// A redirect to a client (RFC 6749 §4.1.2; RFC 9700 §4.12 forbids 307).
pub fn found(address: &str) -> Answer {
    redirect(StatusCode::FOUND, address)
}

fn redirect(status: StatusCode, to: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    // An address of ours or of a client carries credentials: the next page must not learn it.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    with_header(answer, header::LOCATION, to)
}

/// Adds a header field; a value that cannot stand in a header is left out rather than mangled.
pub fn with_header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    if let Ok(value) = HeaderValue::try_from(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}
