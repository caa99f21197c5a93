//! Which pages of other origins may read our answers (Fetch, CORS protocol; threats TK-15, UI-10).
//!
//! No answer here depends on cookies, and none is ever allowed with credentials.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use records::TenantId;
use url::Url;

use super::response::{Answer, with_header};
use super::router::Endpoint;
use crate::app::Called;
use crate::backend::AnyStores;
use crate::failure::Failure;

/// Whose pages may read an endpoint's answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Nobody's: it is for people, not for programs.
    Nobody,
    /// Everybody's: it is public.
    Everybody,
    /// Those of the tenant's applications, by the origins of their callbacks and their web origins.
    Applications,
}

/// Whose pages may read the answers of this endpoint.
pub fn readers(endpoint: Endpoint) -> Readers {
    match endpoint {
        Endpoint::Jwks | Endpoint::OpenIdConfiguration | Endpoint::OauthAuthorizationServer => {
            Readers::Everybody
        }
        Endpoint::Token | Endpoint::Revoke | Endpoint::UserInfo => Readers::Applications,
        _ => Readers::Nobody,
    }
}

/// What an application's page may send: what Auth0's libraries do.
const HEADERS: &str = "Authorization, Content-Type, Auth0-Client, X-Request-Language, DPoP";

/// How long a browser may remember that, in seconds.
const REMEMBERED: &str = "600";

/// The most applications whose origins are looked at in one go.
const PAGE: usize = 500;

/// A tenant's origins, as of a version of the configuration.
type Known = (u64, Arc<HashSet<String>>);

/// The origins of each tenant's applications.
#[derive(Debug, Default)]
pub struct Origins {
    known: RwLock<HashMap<TenantId, Known>>,
}

impl Origins {
    /// The tenant's, loaded anew when any configuration changed.
    async fn of(&self, stores: &AnyStores, called: &Called) -> Result<Arc<HashSet<String>>, Failure> {
        let tenant = &called.tenant.record.id;
        let version = stores.configuration_version().await?;
        {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, origins)) = known.get(tenant).filter(|(seen, _)| *seen == version) {
                return Ok(Arc::clone(origins));
            }
        }
        let mut origins = HashSet::new();
        let mut after = None;
        loop {
            let page = called.store.clients(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.id.clone());
            for client in &page {
                let addresses = client.record.callbacks.iter().chain(&client.record.web_origins);
                origins.extend(addresses.filter_map(|address| origin_of(address)));
            }
        }
        let origins = Arc::new(origins);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(tenant.clone(), (version, Arc::clone(&origins)));
        Ok(origins)
    }

    /// The origin of the asking page, if it may read the answer: `*` stands for everybody's.
    pub async fn reader(
        &self,
        stores: &AnyStores,
        called: &Called,
        endpoint: Endpoint,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, Failure> {
        let mut said = headers.get_all(header::ORIGIN).iter();
        let (Some(origin), None) = (said.next(), said.next()) else { return Ok(None) };
        Ok(match readers(endpoint) {
            Readers::Nobody => None,
            Readers::Everybody => Some(HeaderValue::from_static("*")),
            Readers::Applications => {
                let origins = self.of(stores, called).await?;
                origin.to_str().is_ok_and(|text| origins.contains(text)).then(|| origin.clone())
            }
        })
    }
}

/// The origin of an address as browsers spell it. A wildcard's is nobody's.
fn origin_of(address: &str) -> Option<String> {
    let origin = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?.origin();
    let text = origin.ascii_serialization();
    (!text.contains('*')).then_some(text)
}

/// The answer to a browser that asks before it sends (Fetch, CORS-preflight request).
pub fn preflight(methods: &[Method], reader: Option<HeaderValue>) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    if reader.is_some() {
        let names = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        answer = with_header(answer, header::ACCESS_CONTROL_ALLOW_METHODS, &names);
        answer = with_header(answer, header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        answer = with_header(answer, header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    }
    let answer = with_header(answer, header::CACHE_CONTROL, "no-store");
    readable(answer, reader)
}

/// The answer, for this reader to read.
pub fn readable(mut answer: Answer, reader: Option<HeaderValue>) -> Answer {
    let headers = answer.headers_mut();
    // Whoever keeps the answer must not give it to another origin.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(reader) = reader {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, reader);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Retry-After, WWW-Authenticate"),
        );
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_those_that_browsers_say() {
        assert_eq!(origin_of("https://app.example/cb?x").as_deref(), Some("https://app.example"));
        assert_eq!(origin_of("https://APP.example:443/").as_deref(), Some("https://app.example"));
        assert_eq!(origin_of("http://localhost:3000").as_deref(), Some("http://localhost:3000"));
        for none in ["com.example.app:/cb", "https://*.example.com/", "null", "", "*"] {
            assert_eq!(origin_of(none), None, "{none}");
        }
    }

    #[test]
    fn tk_15_nobody_reads_what_people_see() {
        assert_eq!(readers(Endpoint::Authorize), Readers::Nobody);
        assert_eq!(readers(Endpoint::Login), Readers::Nobody);
        let refused = preflight(&[Method::POST], None);
        assert!(refused.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
        assert!(refused.headers().get(header::ACCESS_CONTROL_ALLOW_METHODS).is_none());
    }
}
