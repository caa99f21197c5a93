//! One request: host → tenant → route → endpoint → answer, and one log line (RFC 9110).

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use hyper::body::Body;
use records::{ClientId, Origin, Scheme, Tenant, TenantId, UnixTime, Versioned};

use crate::backchannel::{Backchannel, Look};
use crate::backend::{AnyBackend, AnyStore, AnyStores};
use crate::endpoints;
use crate::failure::Failure;
use crate::http::cors::{self, Origins, Readers};
use crate::http::limits::Limits;
use crate::http::request::origin_of;
use crate::http::response::{Answer, refusal, with_header};
use crate::http::router::{self, Endpoint, Route};
use crate::keys::Keys;
use crate::logins::Turns;
use crate::moment::{Moments, Stopwatch};
use crate::passwords::{Passwords, PoolSize};

/// How far the clocks of several servers on one database may be apart, in seconds. What has ended by this one's is kept
/// for as long: where another's is behind, an assertion is still good, and its use must not be forgotten.
pub const CLOCKS_APART: u64 = 300;

/// The server, without its sockets.
pub struct App {
    stores: AnyStores,
    moments: Arc<dyn Moments>,
    keys: Keys,
    origins: Origins,
    backchannel: Backchannel,
    limits: Limits,
    passwords: OnceLock<Passwords>,
    turns: Turns,
    starting: Mutex<()>,
    stopping: AtomicBool,
}

/// A request's tenant, and where it called it.
pub struct Called {
    /// The tenant's record.
    pub tenant: Arc<Versioned<Tenant>>,
    /// The origin that the request came in on: the issuer of what it gets.
    pub origin: Origin,
    /// The tenant's store.
    pub store: AnyStore,
}

/// What the log keeps of a request, filled in as it becomes known. No secret, no text from the request that was not
/// checked to be harmless.
#[derive(Debug, Default)]
pub struct Trace {
    /// The tenant.
    pub tenant: Option<TenantId>,
    /// The client, once it is one that exists.
    pub client_id: Option<ClientId>,
    /// The grant type, once it is one that exists.
    pub grant_type: Option<&'static str>,
    /// Why the request was refused: finer than what the answer says.
    pub refused: Option<String>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// A server on these stores.
    pub fn new(stores: AnyStores, moments: Arc<dyn Moments>, limits: Limits) -> Self {
        Self {
            stores,
            moments,
            keys: Keys::default(),
            origins: Origins::default(),
            backchannel: Backchannel::default(),
            limits,
            passwords: OnceLock::new(),
            turns: Turns::default(),
            starting: Mutex::new(()),
            stopping: AtomicBool::new(false),
        }
    }

    /// The stores.
    pub fn stores(&self) -> &AnyStores {
        &self.stores
    }

    /// Where moments come from.
    pub fn moments(&self) -> &dyn Moments {
        &*self.moments
    }

    /// The tenants' parsed keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// What tells applications that a session ended. Off until it is switched on.
    pub fn backchannel(&self) -> &Backchannel {
        &self.backchannel
    }

    /// Tells applications that are to be told that a session ended. For a timer.
    pub async fn deliver_logouts(&self, look: Look) -> Result<(), Failure> {
        self.backchannel.deliver_due(self, look).await
    }

    /// How much a request may ask of us.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The threads that verify passwords. They start, and take their memory, with the first password: a server that
    /// machines alone use has none.
    pub fn passwords(&self) -> Result<&Passwords, Failure> {
        if let Some(passwords) = self.passwords.get() {
            return Ok(passwords);
        }
        // One at a time: two first logins at the same moment must not take the memory twice.
        let _starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passwords) = self.passwords.get() {
            return Ok(passwords);
        }
        let started = Passwords::start(PoolSize::default()).map_err(Failure::Unavailable)?;
        Ok(self.passwords.get_or_init(|| started))
    }

    /// Where those who log in take turns.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// From now on the server says that it is not ready.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether `stop` was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Sees what other processes changed in the configuration. For a timer, and for when [`App::refresh_hint`] comes.
    pub async fn refresh(&self) -> Result<(), Failure> {
        self.stores.refresh().await?;
        Ok(())
    }

    /// Waits until the storage says that there may be something to see, which it may never do.
    pub async fn refresh_hint(&self) {
        self.stores.refresh_hint().await;
    }

    /// Removes a bounded number of records that have expired. For a timer.
    pub async fn sweep(&self, at_most: usize) -> Result<(), Failure> {
        // A few times: what piled up while the server stood still is gone soon, and requests get a turn in between.
        for _ in 0..8 {
            let now = UnixTime(self.moments.draw().now.0.saturating_sub(CLOCKS_APART));
            if self.stores.sweep(now, at_most).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Closes the storage in good order: what was acknowledged is in the database's own file afterwards.
    pub fn close(&self) {
        match self.stores.backend() {
            AnyBackend::Sqlite(sqlite) => sqlite.close(),
            AnyBackend::Postgres(postgres) => postgres.close(),
            AnyBackend::Memory(_) | AnyBackend::Other(_) => {}
        }
    }

    /// Answers a request that came in on a listener of this scheme.
    pub async fn respond<B>(&self, request: Request<B>, scheme: Scheme) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let watch = Stopwatch::start();
        let mut trace = Trace::default();
        // Only a path and a method that we know are logged: any other is somebody else's text.
        let method = router::method_name(request.method());
        let route = router::route(request.uri().path());
        let path = route.map_or("-", |route| route.path);
        let answered =
            AssertUnwindSafe(self.dispatch(request, route, scheme, &mut trace)).catch_unwind().await;
        let answer = match answered {
            Ok(answer) => answer,
            Err(_panic) => {
                trace.refused = Some("a bug: the handler panicked".to_owned());
                refusal(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "server_error",
                    "The server met a condition that it did not expect. It has been logged.",
                )
            }
        };
        let status = answer.status().as_u16();
        let (tenant, client_id) =
            (trace.tenant.as_ref().map(TenantId::as_str), trace.client_id.as_ref().map(ClientId::as_str));
        let microseconds = watch.microseconds();
        let (grant_type, refused) = (trace.grant_type, trace.refused.as_deref());
        if status >= 500 {
            tracing::error!(
                method,
                path,
                status,
                microseconds,
                tenant,
                client_id,
                grant_type,
                refused,
                "request"
            );
        } else {
            tracing::info!(
                method,
                path,
                status,
                microseconds,
                tenant,
                client_id,
                grant_type,
                refused,
                "request"
            );
        }
        answer
    }

    async fn dispatch<B>(
        &self,
        request: Request<B>,
        route: Option<&Route>,
        scheme: Scheme,
        trace: &mut Trace,
    ) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        if target > self.limits.target_bytes {
            return refusal(StatusCode::URI_TOO_LONG, "invalid_request", "The request's target is too long.");
        }
        let Some(route) = route else {
            return refusal(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path.");
        };
        let is_preflight =
            request.method() == Method::OPTIONS && cors::readers(route.endpoint) != Readers::Nobody;
        if !is_preflight && !route.methods.contains(request.method()) {
            let answer = refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request",
                "This path does not take the request's method.",
            );
            return with_header(answer, header::ALLOW, &route.allow());
        }
        if !route.of_a_tenant {
            return match route.endpoint {
                Endpoint::Ready => endpoints::health::ready(self, trace).await,
                _ => endpoints::health::live(),
            };
        }
        let called = match self.called(&request, scheme).await {
            Ok(called) => called,
            Err(answer) => return answer,
        };
        trace.tenant = Some(called.tenant.record.id.clone());
        let (parts, body): (Parts, B) = request.into_parts();
        let reader = self.origins.reader(&self.stores, &called, route.endpoint, &parts.headers).await;
        let reader = match reader {
            Ok(reader) => reader,
            Err(failure) => return unavailable(&failure, trace),
        };
        if is_preflight {
            return cors::preflight(route.methods, reader);
        }
        // Boxed but for what is asked for most: the future of every connection is as large as its largest part.
        let answered = match route.endpoint {
            Endpoint::Authorize => {
                Box::pin(endpoints::authorize::respond(self, &called, &parts, body, trace)).await
            }
            Endpoint::Resume => Box::pin(endpoints::authorize::resume(self, &called, &parts, trace)).await,
            Endpoint::Login => Box::pin(endpoints::login::respond(self, &called, &parts, body, trace)).await,
            Endpoint::Consent => {
                Box::pin(endpoints::authorize::consent::respond(self, &called, &parts, body, trace)).await
            }
            Endpoint::Confirm => {
                Box::pin(endpoints::authorize::confirm::respond(self, &called, &parts, body, trace)).await
            }
            Endpoint::UserInfo => {
                Box::pin(endpoints::userinfo::respond(self, &called, &parts, body, trace)).await
            }
            Endpoint::Auth0Logout => Box::pin(endpoints::logout::auth0(self, &called, &parts, trace)).await,
            Endpoint::OidcLogout => {
                Box::pin(endpoints::logout::rp_initiated(self, &called, &parts, body, trace)).await
            }
            Endpoint::AskLogout => {
                Box::pin(endpoints::logout::asked(self, &called, &parts, body, trace)).await
            }
            Endpoint::Grants => {
                Box::pin(endpoints::grants::respond(self, &called, &parts, body, trace)).await
            }
            Endpoint::Revoke => {
                Box::pin(endpoints::token::revoke::respond(self, &called, &parts, body, trace)).await
            }
            Endpoint::Token => endpoints::token::respond(self, &called, parts, body, trace).await,
            Endpoint::Jwks => endpoints::jwks::respond(self, &called).await,
            Endpoint::OpenIdConfiguration => Ok(endpoints::discovery::openid(self, &called)),
            Endpoint::OauthAuthorizationServer => Ok(endpoints::discovery::oauth(&called)),
            Endpoint::Live | Endpoint::Ready => Ok(endpoints::health::live()),
        };
        let answer = answered.unwrap_or_else(|failure| unavailable(&failure, trace));
        if cors::readers(route.endpoint) == Readers::Nobody { answer } else { cors::readable(answer, reader) }
    }

    /// The tenant that the request's host belongs to.
    async fn called<B>(&self, request: &Request<B>, scheme: Scheme) -> Result<Called, Answer> {
        let origin = origin_of(request, scheme)?;
        match self.stores.directory().tenant_at(&origin).await {
            Ok(Some(tenant)) => {
                let store = self.stores.tenant(&tenant.record.id);
                Ok(Called { tenant, origin, store })
            }
            //= RFC 9110 §15.5.20
            Ok(None) => Err(refusal(
                StatusCode::MISDIRECTED_REQUEST,
                "invalid_request",
                "No tenant is served at this host. Call the server by a host name that was mapped to a tenant.",
            )),
            Err(error) => Err(unavailable(&error.into(), &mut Trace::default())),
        }
    }
}

/// The answer to a failure: the reason is for the log alone.
fn unavailable(failure: &Failure, trace: &mut Trace) -> Answer {
    tracing::error!(%failure, "a request could not be decided");
    trace.refused = Some("failure".to_owned());
    let answer = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        "The server cannot answer now. Try again in a moment.",
    );
    with_header(answer, header::RETRY_AFTER, "1")
}
