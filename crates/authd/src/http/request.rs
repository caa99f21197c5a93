//! Requests, read within limits: target, authority, body (RFC 9110 §7; RFC 9112 §3.2).

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use records::{Origin, Scheme};

use super::limits::Limits;
use super::response::{Answer, refusal};

/// The authority that the request is for, from its target or its `Host` field.
///
/// Exactly one `Host`; where the target names an authority too (HTTP/2, absolute form) both must agree.
/// No forwarded header is ever read.
#[expect(
    clippy::result_large_err,
    reason = "the answer to a bad request is an answer: it is sent, not carried around"
)]
pub fn origin_of<B>(request: &Request<B>, scheme: Scheme) -> Result<Origin, Answer> {
    let bad = |why| refusal(StatusCode::BAD_REQUEST, "invalid_request", why);
    // HTTP/2 and the absolute form name a scheme too; it must be the listener's.
    if request.uri().scheme_str().is_some_and(|named| named != scheme.as_str()) {
        return Err(bad("The request's target names another scheme than the connection's."));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(bad("The request has more than one Host field.")),
        (Some(host), None) => {
            Some(host.to_str().map_err(|_| bad("The request's Host field is not a host name."))?)
        }
        (None, None) => None,
    };
    let authority = match (request.uri().authority(), host) {
        (Some(authority), Some(host)) if !authority.as_str().eq_ignore_ascii_case(host) => {
            return Err(bad("The request's target and its Host field name different hosts."));
        }
        (Some(authority), _) => authority.as_str(),
        (None, Some(host)) => host,
        //= RFC 9112 §3.2
        (None, None) => return Err(bad("The request names no host.")),
    };
    Origin::from_authority(scheme, authority).ok_or_else(|| bad("The request's host is not a host name."))
}

/// Reads the whole body, within the limits of size and time.
pub async fn body_of<B>(body: B, headers: &HeaderMap, limits: &Limits) -> Result<Bytes, Answer>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large =
        || refusal(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "The request's body is too large.");
    if headers.contains_key(header::CONTENT_ENCODING) {
        // A compressed body can be a thousand times what it looks like.
        return Err(refusal(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request",
            "A body with a Content-Encoding is not accepted.",
        ));
    }
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return Err(too_large());
    }
    let collected =
        tokio::time::timeout(limits.body_timeout, Limited::new(body, limits.body_bytes).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            Err(refusal(StatusCode::BAD_REQUEST, "invalid_request", "The request's body could not be read."))
        }
        Err(_elapsed) => {
            Err(refusal(StatusCode::REQUEST_TIMEOUT, "invalid_request", "The request's body took too long."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_host_field_or_the_target_names_the_origin() {
        let here = Origin::parse("http://localhost:8080/").unwrap();
        assert_eq!(origin_of(&request("/", &["localhost:8080"]), Scheme::Http).unwrap(), here);
        assert_eq!(origin_of(&request("/", &["LOCALHOST:8080"]), Scheme::Http).unwrap(), here);
        assert_eq!(origin_of(&request("http://localhost:8080/", &[]), Scheme::Http).unwrap(), here);
        assert_eq!(
            origin_of(&request("http://localhost:8080/", &["localhost:8080"]), Scheme::Http).unwrap(),
            here
        );
    }

    #[test]
    fn no_host_two_hosts_and_two_opinions_are_refused() {
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "a"]),
            ("/", &["a", "b"]),
            ("http://a/", &["b"]),
            ("https://a/", &["a"]),
            ("/", &["user@a"]),
            ("/", &["a/b"]),
            ("/", &[""]),
        ] {
            let answer = origin_of(&request(uri, hosts), Scheme::Http).unwrap_err();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{uri} {hosts:?}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_413_also_when_its_length_is_not_announced() {
        let limits = Limits { body_bytes: 8, ..Limits::default() };
        let body = |text: &'static str| Full::new(Bytes::from_static(text.as_bytes()));
        assert!(body_of(body("12345678"), &HeaderMap::new(), &limits).await.is_ok());
        let answer = body_of(body("123456789"), &HeaderMap::new(), &limits).await.unwrap_err();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let unannounced = http_body_util::StreamBody::new(futures_util::stream::iter(
            ["12345", "67890"]
                .map(|part| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(part)))),
        ));
        let answer = body_of(unannounced, &HeaderMap::new(), &limits).await.unwrap_err();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn ht_06_an_encoded_body_is_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
        let answer = body_of(Full::new(Bytes::new()), &headers, &Limits::default()).await.unwrap_err();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
