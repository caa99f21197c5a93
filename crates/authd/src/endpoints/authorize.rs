//! `/authorize` and `/authorize/resume` (RFC 6749 §3.1; OpenID Connect Core 1.0 §3.1.2).
//!
//! Read, validate, load facts, decide; then a page, or sign, commit and answer.

pub(crate) mod answer;
pub mod confirm;
pub mod consent;
pub(crate) mod facts;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};
use hyper::body::Body;
use oauth_grants::Moment;
use oauth_grants::authorize::consent::fingerprint;
use oauth_grants::authorize::{
    AuthorizeDecision, AuthorizeError, AuthorizeParams, Destination, Flow, Rejected, Step, ValidRequest,
    decide, validate,
};
use records::SessionId;
use store::CommitError;

use crate::administration::ATTEMPTS;
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::flow;
use crate::http::cookies;
use crate::http::request::body_of;
use crate::http::response::{Answer, see_other, with_header};
use crate::keys::TenantKeys;
use facts::Loaded;

pub(crate) use answer::page_error;

/// Where the browser goes on after a page was answered.
pub const RESUME_PATH: &str = "/authorize/resume";
/// The login page.
pub const LOGIN_PATH: &str = "/u/login";
/// The consent dialog.
pub const CONSENT_PATH: &str = "/u/consent";
/// The confirmation of a callback that shows nothing of its owner.
pub const CONFIRM_PATH: &str = "/u/confirm";

/// Answers an authorization request.
pub async fn respond<B>(
    app: &App,
    called: &Called,
    parts: &Parts,
    body: B,
    trace: &mut Trace,
) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    //= OpenID Connect Core 1.0 §3.1.2.1
    // "Authorization Servers MUST support the use of the HTTP GET and POST methods."
    let form = if parts.method == Method::POST {
        match body_of(body, &parts.headers, &app.limits()).await {
            Ok(body) => body,
            Err(answer) => return Ok(answer),
        }
    } else {
        Bytes::copy_from_slice(parts.uri.query().unwrap_or_default().as_bytes())
    };
    match AuthorizeParams::parse(&form) {
        Ok(params) => run(app, called, parts, &params, None, trace).await,
        Err(error) => Ok(page_error(app, called, &error, trace)),
    }
}

/// Takes a request up again after a page was answered.
pub async fn resume(app: &App, called: &Called, parts: &Parts, trace: &mut Trace) -> Result<Answer, Failure> {
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let moment = app.moments().draw();
    let flow = match flow_of(app, called, parts, &keys, &moment, trace) {
        Ok(flow) => flow,
        Err(answer) => return Ok(answer),
    };
    if !flow.may_resume(moment.now) {
        return Ok(answer::expired(app, called, trace));
    }
    let params = flow.params.clone();
    run(app, called, parts, &params, Some(&flow), trace).await
}

/// The flow of an authorization request that the request's `state` carries, in the browser in which it began.
#[expect(
    clippy::result_large_err,
    reason = "the answer to a bad request is an answer: it is sent, not carried around"
)]
pub(crate) fn flow_of(
    app: &App,
    called: &Called,
    parts: &Parts,
    keys: &TenantKeys,
    moment: &Moment,
    trace: &mut Trace,
) -> Result<Flow, Answer> {
    match any_flow_of(app, called, parts, keys, moment, trace)? {
        flow if flow.destination == Destination::Authorization => Ok(flow),
        _ => Err(answer::expired(app, called, trace)),
    }
}

/// The flow that the request's `state` carries, wherever it leads, in the browser in which it began.
#[expect(
    clippy::result_large_err,
    reason = "the answer to a bad request is an answer: it is sent, not carried around"
)]
pub(crate) fn any_flow_of(
    app: &App,
    called: &Called,
    parts: &Parts,
    keys: &TenantKeys,
    moment: &Moment,
    trace: &mut Trace,
) -> Result<Flow, Answer> {
    let handle = parts.uri.query().and_then(|query| query.strip_prefix("state="));
    let flow = handle.and_then(|handle| flow::open(keys, called, handle, moment.now));
    let Some(flow) = flow else { return Err(answer::expired(app, called, trace)) };
    // Another browser's flow: a link that somebody was sent, or a form that another site posts.
    let browser = cookies::browser_digest(&parts.headers, called.origin.scheme());
    if browser.as_deref() != Some(flow.browser.as_str()) {
        return Err(answer::of_another_browser(app, called, trace));
    }
    Ok(flow)
}

/// One request, from its parameters to its answer. `flow` is where it comes back from, if it comes back.
async fn run(
    app: &App,
    called: &Called,
    parts: &Parts,
    params: &AuthorizeParams,
    flow: Option<&Flow>,
    trace: &mut Trace,
) -> Result<Answer, Failure> {
    let (store, settings) = (&called.store, &called.tenant.record.settings);
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    for _ in 0..ATTEMPTS {
        let moment = app.moments().draw();
        let client = facts::client(store, params).await?;
        let client = client.as_ref().map(|client| &client.record);
        trace.client_id = client.map(|client| client.id.clone());
        let request = match validate(params, client, settings, &called.origin) {
            Ok(request) => request,
            Err(Rejected::Page(error)) => return Ok(page_error(app, called, &error, trace)),
            Err(Rejected::Redirect(target, error)) => {
                trace.refused = Some(error.name().to_owned());
                return Ok(answer::deliver(app, &target, error.fields(settings.error_profile)));
            }
        };
        let loaded = Loaded::load(called, parts, &keys, &request, &moment).await?;
        let AuthorizeDecision { writes, step } = decide(&request, loaded.facts(called, flow), &moment);
        // Signing before committing: a signature that fails consumes nothing.
        let answered = match step {
            Step::Respond(issue) => {
                let fields = answer::sign(app, called, &keys, &request, &loaded, &issue, &moment).await?;
                answer::deliver(app, &request.target, fields)
            }
            Step::Refuse(error) => refuse(app, called, &request, error, trace),
            Step::Login(_) => {
                let about = About { path: LOGIN_PATH, session: None, shown: None };
                ask(app, called, parts, params, flow, about, &moment).await?
            }
            Step::Consent(asked) => {
                let shown = loaded.dialog(called, &request).map(|facts| fingerprint(&asked, &facts));
                let about = About { path: CONSENT_PATH, session: loaded.session_id(), shown };
                ask(app, called, parts, params, flow, about, &moment).await?
            }
            Step::ConfirmCallback => {
                let about = About { path: CONFIRM_PATH, session: loaded.session_id(), shown: None };
                ask(app, called, parts, params, flow, about, &moment).await?
            }
        };
        if writes.is_empty() {
            return Ok(answered);
        }
        match store.commit(writes).await {
            Ok(()) => return Ok(answered),
            Err(CommitError::Conflict) => {
                // Somebody answered this very flow before: a second tab, a second click.
                if let Some(flow) = flow
                    && store.is_consumed(&flow.id).await?
                {
                    return Ok(answer::already_answered(app, called, trace));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

fn refuse(
    app: &App,
    called: &Called,
    request: &ValidRequest<'_>,
    error: AuthorizeError,
    trace: &mut Trace,
) -> Answer {
    match Rejected::of(request.target.clone(), error) {
        Rejected::Page(error) => page_error(app, called, &error, trace),
        Rejected::Redirect(target, error) => {
            trace.refused = Some(error.name().to_owned());
            answer::deliver(app, &target, error.fields(called.tenant.record.settings.error_profile))
        }
    }
}

/// What a page is about.
struct About {
    path: &'static str,
    session: Option<SessionId>,
    shown: Option<String>,
}

/// Sends the browser to a page. Nothing is stored: it carries the request along, sealed.
async fn ask(
    app: &App,
    called: &Called,
    parts: &Parts,
    params: &AuthorizeParams,
    flow: Option<&Flow>,
    about: About,
    moment: &Moment,
) -> Result<Answer, Failure> {
    let About { path, session, shown } = about;
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let scheme = called.origin.scheme();
    let mut set_cookie = None;
    let flow = match flow {
        Some(flow) => flow.asking(session, shown),
        None => {
            let (browser, cookie) = cookies::browser(&parts.headers, moment, scheme);
            set_cookie = cookie;
            let begun = Flow::begin(params.clone(), browser, moment);
            begun.map_err(|invalid| Failure::Unsigned(invalid.to_string()))?.asking(session, shown)
        }
    };
    let handle = flow::seal(&keys, called, &flow, moment)?;
    let answer = see_other(&format!("{path}?state={handle}"));
    Ok(match set_cookie {
        Some(cookie) => with_header(answer, header::SET_COOKIE, &cookie),
        None => answer,
    })
}
