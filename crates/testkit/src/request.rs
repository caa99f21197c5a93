//! Requests as a client would send them, and replies as it would read them.

use authd::http::peer::Peer;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use crate::World;

/// A request under construction.
#[derive(Debug)]
pub struct Send<'w> {
    pub(crate) world: &'w World,
    pub(crate) origin: String,
    pub(crate) request: http::request::Builder,
    pub(crate) body: Bytes,
    pub(crate) peer: Peer,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Send<'_> {
    /// Adds a header field.
    pub fn header(mut self, name: header::HeaderName, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Authenticates by HTTP Basic; id and secret are sent as they are.
    pub fn basic(self, id: &str, secret: &str) -> Self {
        let credentials = base64(format!("{id}:{secret}").as_bytes());
        self.header(header::AUTHORIZATION, &format!("Basic {credentials}"))
    }

    /// From another address than the usual one.
    pub fn from(mut self, address: &str) -> Self {
        self.peer = Peer::Person(address.parse().expect("the test's address is one"));
        self
    }

    /// Through a proxy in front of the server.
    pub fn through_a_proxy(mut self) -> Self {
        self.peer = Peer::Proxy;
        self
    }

    /// A JSON body.
    pub fn json(mut self, body: &Value) -> Self {
        self.body = Bytes::from(body.to_string());
        self.header(header::CONTENT_TYPE, "application/json")
    }

    /// A form body.
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        self.form_text(&query(pairs))
    }

    /// A form body as it stands.
    pub fn form_text(mut self, form: &str) -> Self {
        self.body = Bytes::copy_from_slice(form.as_bytes());
        self.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
    }

    /// A body of these bytes, without a content type.
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the answer.
    pub async fn send(self) -> Reply {
        let origin = records::Origin::parse(&self.origin).expect("the test's origin is one");
        let mut request: Request<Full<Bytes>> =
            self.request.body(Full::new(self.body)).expect("the test's request is well-formed");
        request.extensions_mut().insert(self.peer);
        let answer = self.world.app().respond(request, origin.scheme()).await;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.expect("a body in memory does not fail").to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }
}

impl<'w> Send<'w> {
    pub(crate) fn new(world: &'w World, method: Method, origin: &str, path: &str) -> Self {
        let authority =
            records::Origin::parse(origin).expect("the test's origin is one").authority().to_owned();
        let request = Request::builder().method(method).uri(path).header(header::HOST, authority);
        // RFC 5737 §3: an address of nobody's.
        let peer = Peer::Person([192, 0, 2, 1].into());
        Self { world, origin: origin.to_owned(), request, body: Bytes::new(), peer }
    }
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("the body is not JSON ({error}): {}", String::from_utf8_lossy(&self.body))
        })
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header field's value, or nothing.
    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The access token of a successful answer.
    pub fn access_token(&self) -> String {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        self.json()["access_token"].as_str().expect("there is an access token").to_owned()
    }

    /// The `error` and `error_description` of a refusal.
    pub fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let member = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), member("error"), member("error_description"))
    }
}

/// Names and values as a query or a form.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", percent_encoded(name), percent_encoded(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
