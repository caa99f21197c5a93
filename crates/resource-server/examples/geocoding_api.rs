//! A small geocoding API that lets in who has an access token with the scope `geocode` (RFC 6750 §2.1).
//!
//! ```text
//! ISSUER=http://localhost:8080/ AUDIENCE=https://api.example.com/geocoding/v1/ PORT=0 geocoding_api
//! curl -H "Authorization: Bearer $TOKEN" 'http://127.0.0.1:PORT/geocode?address=Pariser+Platz,+Berlin'
//! ```
//!
//! It listens on 127.0.0.1 only and prints its address. It knows the world's geography by the dozen; the rest
//! is as a real API would do it: the issuer's keys come from discovery, are kept, and are fetched again when
//! needed.

use std::convert::Infallible;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use resource_server::jwt_core::Algorithm;
use resource_server::{
    AccessToken, Denial, Expectations, JwksCache, Lookup, Realm, ScopeSet, Ticket, Timing, http,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

type Failure = Box<dyn Error + Send + Sync>;

/// The places it knows, with latitude and longitude in degrees.
const PLACES: &[(&str, f64, f64)] = &[
    ("amsterdam", 52.3676, 4.9041),
    ("berlin", 52.5200, 13.4050),
    ("buenos aires", -34.6037, -58.3816),
    ("cairo", 30.0444, 31.2357),
    ("london", 51.5074, -0.1278),
    ("madrid", 40.4168, -3.7038),
    ("nairobi", -1.2921, 36.8219),
    ("new york", 40.7128, -74.0060),
    ("paris", 48.8566, 2.3522),
    ("seattle", 47.6062, -122.3321),
    ("sydney", -33.8688, 151.2093),
    ("tokyo", 35.6762, 139.6503),
];

/// An answer of the issuer may have this many bytes.
const LARGEST_ANSWER: usize = 256 * 1024;
/// The issuer must answer within this time; it is less than the cache's patience.
const PATIENCE: Duration = Duration::from_secs(5);

struct Api {
    issuer: String,
    realm: Realm,
    required: ScopeSet,
    keys: Mutex<JwksCache>,
    /// Wakes those who wait for somebody else's fetch.
    fetched: Notify,
    client: Client<HttpConnector, Full<Bytes>>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let issuer = setting("ISSUER", "http://localhost:8080/");
    let audience = setting("AUDIENCE", "https://api.example.com/geocoding/v1/");
    let port: u16 = setting("PORT", "0").parse()?;
    let algorithm = Algorithm::from_name(&setting("ALGORITHM", "RS256")).ok_or("ALGORITHM is not known")?;
    let expectations = Expectations::new(&issuer, &audience, &[algorithm]);
    let api = Arc::new(Api {
        issuer,
        realm: Realm::parse("geocoding")?,
        required: ScopeSet::parse("geocode")?,
        keys: Mutex::new(JwksCache::new(expectations, Timing::default())),
        fetched: Notify::new(),
        client: Client::builder(TokioExecutor::new()).build_http(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("the geocoding API answers at http://{}/", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let api = api.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| {
                let api = api.clone();
                async move { Ok::<_, Infallible>(api.answer(&request).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended early: {error}");
            }
        });
    }
}

impl Api {
    async fn answer<B>(self: &Arc<Self>, request: &Request<B>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/geocode" {
            return as_json(StatusCode::NOT_FOUND, &json!({"error": "not_found"}));
        }
        if request.method() != Method::GET {
            return as_json(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "method_not_allowed"}));
        }
        match self.authorize(request).await {
            Ok(token) => geocode(request.uri(), &token),
            Err(denial) => {
                eprintln!("denied: {denial}");
                http::respond(&denial, &self.realm).map(|body| Full::new(Bytes::from(body)))
            }
        }
    }

    async fn authorize<B>(self: &Arc<Self>, request: &Request<B>) -> Result<AccessToken, Denial> {
        let presented = http::presented(request.headers())?;
        let key_id = presented.key_id()?;
        // Once without keys, once after a fetch, and once more for who waited for a fetch that failed.
        for _ in 0..3 {
            // Listening begins before looking, so that no end of a fetch is missed.
            let ended = self.fetched.notified();
            let lookup =
                self.keys.lock().unwrap_or_else(PoisonError::into_inner).lookup(key_id.as_deref(), now());
            match lookup {
                Lookup::Key(verifier) => return presented.verify(&verifier, &self.required, now()),
                Lookup::Fetch(ticket) => {
                    // A task of its own: it goes on when whoever caused it hangs up.
                    let api = self.clone();
                    let _it_may_have_panicked = tokio::spawn(async move { api.fetch(ticket).await }).await;
                }
                Lookup::Wait => {
                    let _or_look_again_anyway = tokio::time::timeout(PATIENCE, ended).await;
                }
                Lookup::Miss => return Err(presented.unknown_key()),
                Lookup::Unavailable(seconds) => return Err(Denial::Unavailable(seconds)),
            }
        }
        Err(Denial::Unavailable(1))
    }

    async fn fetch(&self, ticket: Ticket) {
        let fetched = tokio::time::timeout(PATIENCE, self.published_keys()).await;
        {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            match fetched {
                Ok(Ok(jwks)) => {
                    if let Err(error) = keys.fetched(ticket, &jwks, now()) {
                        eprintln!("the issuer's keys cannot be used: {error}");
                    }
                }
                Ok(Err(error)) => {
                    eprintln!("the issuer's keys could not be fetched: {error}");
                    keys.failed(ticket);
                }
                Err(_) => {
                    eprintln!("the issuer did not answer in time");
                    keys.failed(ticket);
                }
            }
        }
        self.fetched.notify_waiters();
    }

    /// Finds and fetches the issuer's keys (OpenID Connect Discovery 1.0 §4).
    async fn published_keys(&self) -> Result<String, Failure> {
        let separator = if self.issuer.ends_with('/') { "" } else { "/" };
        let url = format!("{}{separator}.well-known/openid-configuration", self.issuer);
        let metadata: Value = serde_json::from_str(&self.get(&url).await?)?;
        let member = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
        if member("issuer") != self.issuer {
            return Err(format!("{url} speaks for another issuer: {:?}", member("issuer")).into());
        }
        self.get(member("jwks_uri")).await
    }

    async fn get(&self, url: &str) -> Result<String, Failure> {
        let response = self.client.get(url.parse::<Uri>()?).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("{url} answered {}", response.status()).into());
        }
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await?;
        Ok(String::from_utf8(body.to_bytes().to_vec())?)
    }
}

fn geocode(uri: &Uri, token: &AccessToken) -> Response<Full<Bytes>> {
    let Some(address) = parameter(uri.query().unwrap_or_default(), "address") else {
        return as_json(StatusCode::BAD_REQUEST, &json!({"error": "address_missing"}));
    };
    let wanted = address.to_lowercase();
    match PLACES.iter().find(|(name, ..)| wanted.contains(name)) {
        Some((name, latitude, longitude)) => {
            let answer = json!({
                "address": address, "place": name, "latitude": latitude, "longitude": longitude,
                "asked_by": token.client_id.as_deref().unwrap_or(&token.subject),
            });
            as_json(StatusCode::OK, &answer)
        }
        None => as_json(StatusCode::NOT_FOUND, &json!({"error": "address_unknown"})),
    }
}

/// A parameter of a query in the form encoding; `None` if it is missing or not readable.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn as_json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
