//! `/v2/logout`, `/oidc/logout` and `/u/logout` (Auth0; OpenID Connect RP-Initiated Logout 1.0; threats LO, LC-06).

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};
use hyper::body::Body;
use oauth_grants::Moment;
use oauth_grants::oidc::logout::{
    self, Facts, LogoutError, LogoutHint, LogoutParams, LogoutStep, ReturnTo, return_of_auth0,
};
use records::{Client, ClientId, Session, Versioned, Write};
use store::CommitError;

use super::authorize::answer;
use super::hint;
use crate::administration::ATTEMPTS;
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::flow::LogoutQuestion;
use crate::http::request::body_of;
use crate::http::response::{Answer, found, see_other, with_header};
use crate::http::{cookies, csrf, form};
use crate::pages;

/// Auth0's logout.
pub const AUTH0_PATH: &str = "/v2/logout";
/// OpenID Connect's logout.
pub const OIDC_PATH: &str = "/oidc/logout";
/// The question.
pub const ASK_PATH: &str = "/u/logout";
/// A request in a body that is longer than this is not turned into one in an address.
const LONGEST_QUERY: usize = 7 * 1024;

/// Auth0's logout: the session ends whatever else the request says, unless it is none that a person made by going there.
pub async fn auth0(app: &App, called: &Called, parts: &Parts, trace: &mut Trace) -> Result<Answer, Failure> {
    let query = parts.uri.query().unwrap_or_default();
    let params = match LogoutParams::parse(query.as_bytes()) {
        Ok(params) => params,
        Err(error) => return Ok(refused(app, called, &error, trace)),
    };
    let client = named(called, &params).await?;
    let client = client.as_ref().map(|client| &client.record);
    trace.client_id = client.map(|client| client.id.clone());
    let after = return_of_auth0(&params, client, &called.tenant.record.settings);
    // A page of another site can make a browser fetch this address in a picture or a frame, though not go there unseen.
    if !csrf::is_page_visit(&parts.headers) {
        return ask(app, called, parts, after.ok().flatten().as_ref()).await;
    }
    end(app, called, parts).await?;
    let answer = match after {
        Ok(after) => go_on(app, called, after.as_ref(), client),
        Err(error) => refused(app, called, &error, trace),
    };
    Ok(without_cookie(called, answer))
}

/// OpenID Connect's logout.
pub async fn rp_initiated<B>(
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
    //= OpenID Connect RP-Initiated Logout 1.0 §2
    // "OpenID Providers MUST support the use of the HTTP GET and POST methods."
    let form = if parts.method == Method::POST {
        match body_of(body, &parts.headers, &app.limits()).await {
            Ok(body) => body,
            Err(answer) => return Ok(answer),
        }
    } else {
        Bytes::copy_from_slice(parts.uri.query().unwrap_or_default().as_bytes())
    };
    let params = match LogoutParams::parse(&form) {
        Ok(params) => params,
        Err(error) => return Ok(refused(app, called, &error, trace)),
    };
    // Another site's form comes without our Lax cookies: it is asked again as a visit, which has them.
    let scheme = called.origin.scheme();
    let has_cookies = cookies::browser_digest(&parts.headers, scheme).is_some()
        && cookies::session_id(&parts.headers, scheme).is_some();
    if parts.method == Method::POST
        && !has_cookies
        && form.len() <= LONGEST_QUERY
        && let Ok(query) = std::str::from_utf8(&form)
        && query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return Ok(see_other(&format!("{OIDC_PATH}?{query}")));
    }
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let moment = app.moments().draw();
    let client = match (params.text("client_id"), params.text("id_token_hint")) {
        (Some(_), _) => named(called, &params).await?,
        (None, Some(token)) => match hint::claimed_client(token) {
            Some(id) => called.store.client(&id).await?,
            None => None,
        },
        (None, None) => None,
    };
    let mut client = client.as_ref().map(|client| &client.record);
    let hinted = match params.text("id_token_hint") {
        None => LogoutHint::Absent,
        Some(token) => {
            // The client that the hint was issued to, which `client_id` may contradict.
            let issued_to = match hint::claimed_client(token) {
                Some(id) => called.store.client(&id).await?,
                None => None,
            };
            let hinted = issued_to.and_then(|client| {
                let hinted = hint::verify(called, &keys, &client.record, token, &moment)?;
                Some((client.record.id.clone(), hinted))
            });
            hinted.map_or(LogoutHint::Refused, |(client, hinted)| LogoutHint::Of {
                client,
                user: hinted.user,
                session: hinted.session,
            })
        }
    };
    if hinted == LogoutHint::Refused && params.text("client_id").is_none() {
        // Whom a token names that proves nothing does not matter.
        client = None;
    }
    trace.client_id = client.map(|client| client.id.clone());
    let session = session(called, parts).await?;
    let live = session.as_ref().filter(|session| session.record.is_live(moment.now));
    let facts = Facts {
        client,
        hint: hinted,
        session: live.map(|session| &session.record),
        settings: &called.tenant.record.settings,
    };
    match logout::decide(&params, &facts) {
        LogoutStep::Refuse(error) => Ok(refused(app, called, &error, trace)),
        LogoutStep::Ask(after) => ask(app, called, parts, after.as_ref()).await,
        LogoutStep::End(after) => {
            end(app, called, parts).await?;
            Ok(without_cookie(called, go_on(app, called, after.as_ref(), client)))
        }
    }
}

/// Shows the question, or takes its answer.
pub async fn asked<B>(
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
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let is_answer = parts.method == Method::POST;
    if is_answer && !csrf::same_origin(&parts.headers, &called.origin) {
        return Ok(answer::cross_site(app, called, trace));
    }
    let form = match form::read(body, &parts.headers, &app.limits()).await {
        Ok(form) => form,
        Err(answer) => return Ok(answer),
    };
    let moment = app.moments().draw();
    let question = match LogoutQuestion::open(&keys, called, parts, moment.now) {
        Ok(question) => question,
        Err(why) => return Ok(answer::not_taken(app, called, why, trace)),
    };
    if !is_answer || form.one("action") != Some("accept") {
        let session = session(called, parts).await?.filter(|session| session.record.is_live(moment.now));
        let user = match &session {
            Some(session) => called.store.user(&session.record.user).await?,
            None => None,
        };
        let person = user.as_ref().map(|user| user.record.shown_name());
        let page = pages::LogoutPage {
            tenant: &called.tenant.record.settings.friendly_name,
            person,
            action_url: &format!("{ASK_PATH}?{}", parts.uri.query().unwrap_or_default()),
        };
        return Ok(pages::logout(&page, &moment));
    }
    end(app, called, parts).await?;
    let after = question.after();
    let client = match after.as_ref().and_then(|to| to.client.as_ref()) {
        Some(id) => called.store.client(id).await?,
        None => None,
    };
    let client = client.as_ref().map(|client| &client.record);
    trace.client_id = client.map(|client| client.id.clone());
    Ok(without_cookie(called, go_on(app, called, after.as_ref(), client)))
}

/// The client that `client_id` names.
async fn named(called: &Called, params: &LogoutParams) -> Result<Option<Arc<Versioned<Client>>>, Failure> {
    match params.text("client_id").map(ClientId::parse) {
        Some(Ok(id)) => Ok(called.store.client(&id).await?),
        Some(Err(_)) | None => Ok(None),
    }
}

/// The session that the browser's cookie names.
async fn session(called: &Called, parts: &Parts) -> Result<Option<Versioned<Session>>, Failure> {
    match cookies::session_id(&parts.headers, called.origin.scheme()) {
        Some(id) => Ok(called.store.session(&id).await?),
        None => Ok(None),
    }
}

/// Ends the browser's session. In the same commit stands which applications are to be told.
async fn end(app: &App, called: &Called, parts: &Parts) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        let Some(session) = session(called, parts).await? else { return Ok(()) };
        let moment = app.moments().draw();
        let mut writes = Vec::new();
        // One that was over before does not end now.
        if session.record.is_live(moment.now) {
            writes = app.backchannel().writes(called, &session.record, &moment).await?;
        }
        let tells = !writes.is_empty();
        writes.push(Write::DeleteSession(session));
        match called.store.commit(writes).await {
            Ok(()) => {
                if tells {
                    app.backchannel().due_now(&called.tenant.record.id, moment.now);
                }
                return Ok(());
            }
            Err(CommitError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

/// Sends the browser to the question. Nothing is stored: it carries along where it leads.
async fn ask(app: &App, called: &Called, parts: &Parts, after: Option<&ReturnTo>) -> Result<Answer, Failure> {
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let moment: Moment = app.moments().draw();
    let (browser, cookie) = cookies::browser(&parts.headers, &moment, called.origin.scheme());
    let question = LogoutQuestion::new(browser, after, moment.now).seal(&keys, called, &moment)?;
    let answer = see_other(&format!("{ASK_PATH}?state={question}"));
    Ok(match cookie {
        Some(cookie) => with_header(answer, header::SET_COOKIE, &cookie),
        None => answer,
    })
}

/// Where the browser goes once it is logged out, if that is still allowed; else a page that says so.
fn go_on(app: &App, called: &Called, after: Option<&ReturnTo>, client: Option<&Client>) -> Answer {
    let settings = &called.tenant.record.settings;
    match after.and_then(|to| to.address(client.filter(|_| to.client.is_some()), settings)) {
        Some(address) => found(&address),
        None => pages::logged_out(&settings.friendly_name, &app.moments().draw()),
    }
}

fn without_cookie(called: &Called, answer: Answer) -> Answer {
    with_header(answer, header::SET_COOKIE, &cookies::end_session(called.origin.scheme()))
}

/// The page that says what is wrong. The browser is sent nowhere.
fn refused(app: &App, called: &Called, error: &LogoutError, trace: &mut Trace) -> Answer {
    trace.refused = Some(error.name().to_owned());
    answer::page(app, called, StatusCode::BAD_REQUEST, error.code(), &error.to_string())
}
