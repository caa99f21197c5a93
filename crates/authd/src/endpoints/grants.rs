//! `/u/grants`: a person's own page, with what they allowed applications, to be withdrawn (threats LC-21, LC-01).

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};
use hyper::body::Body;
use oauth_grants::Moment;
use oauth_grants::authorize::Flow;
use records::{Audience, Session, User, UserGrant, UserGrantId, Versioned};
use store::UserGrantsOf;

use super::authorize::{LOGIN_PATH, answer};
use crate::administration::{Refusal, revocations};
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::flow::{self, OwnPageForm};
use crate::http::response::{Answer, see_other, with_header};
use crate::http::{cookies, csrf, form};
use crate::pages;

/// A person's own page.
pub const GRANTS_PATH: &str = "/u/grants";
/// How many rows are read at a time.
const SLICE: usize = 100;
/// How many grants the page shows at most.
const MOST: usize = 1000;

/// Shows the page, or takes what was withdrawn on it.
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
    let is_answer = parts.method == Method::POST;
    if is_answer && !csrf::same_origin(&parts.headers, &called.origin) {
        return Ok(answer::cross_site(app, called, trace));
    }
    let form = match form::read(body, &parts.headers, &app.limits()).await {
        Ok(form) => form,
        Err(answer) => return Ok(answer),
    };
    let moment = app.moments().draw();
    let Some((session, user)) = logged_in(called, parts, &moment).await? else {
        return log_in(app, called, parts, &moment).await;
    };
    if !is_answer {
        return page(app, called, parts, &session, &user, &moment).await;
    }
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    match OwnPageForm::open(&keys, called, parts, moment.now) {
        Ok(own) if own.is_of(&session.id) => {}
        // Somebody else logged in since the page was seen.
        Ok(_) => return Ok(see_other(GRANTS_PATH)),
        Err(why) => return Ok(answer::not_taken(app, called, why, trace)),
    }
    let Some(Ok(id)) = form.one("withdraw").map(UserGrantId::parse) else {
        return Ok(see_other(GRANTS_PATH));
    };
    let present = called.store.user_grant_by_id(&id).await?;
    // Somebody else's is as unknown as one that never was. One that is gone is withdrawn already.
    if let Some(present) = present {
        if present.record.user != user.id {
            trace.refused = Some("grant_of_somebody_else".to_owned());
            let text = "There is no such permission of yours.";
            return Ok(answer::page(app, called, StatusCode::NOT_FOUND, "not_found", text));
        }
        match revocations::user_grant(&called.store, &id).await {
            Ok(_) | Err(Refusal::Missing(_)) => {}
            Err(Refusal::Failed(failure)) => return Err(failure),
            Err(refusal) => return Err(Failure::Unavailable(refusal.to_string())),
        }
    }
    Ok(see_other(GRANTS_PATH))
}

/// Who is logged in in this browser, if they may be.
async fn logged_in(
    called: &Called,
    parts: &Parts,
    moment: &Moment,
) -> Result<Option<(Session, User)>, Failure> {
    let Some(id) = cookies::session_id(&parts.headers, called.origin.scheme()) else { return Ok(None) };
    let session = called.store.session(&id).await?.filter(|session| session.record.is_live(moment.now));
    let Some(session) = session else { return Ok(None) };
    let Some(user) = called.store.user(&session.record.user).await? else { return Ok(None) };
    let (session, user) = (session.record, user.record);
    let may_be = !user.is_blocked && session.authenticated_at >= user.credentials_changed_at;
    Ok(may_be.then_some((session, user)))
}

/// Sends the browser to the login page, and from there back here.
async fn log_in(app: &App, called: &Called, parts: &Parts, moment: &Moment) -> Result<Answer, Failure> {
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let (browser, cookie) = cookies::browser(&parts.headers, moment, called.origin.scheme());
    let begun = Flow::begin_to_own_page(browser, moment);
    let begun = begun.map_err(|invalid| Failure::Unsigned(invalid.to_string()))?;
    let handle = flow::seal(&keys, called, &begun, moment)?;
    Ok(with_cookie(see_other(&format!("{LOGIN_PATH}?state={handle}")), cookie))
}

fn with_cookie(answer: Answer, cookie: Option<String>) -> Answer {
    match cookie {
        Some(cookie) => with_header(answer, header::SET_COOKIE, &cookie),
        None => answer,
    }
}

/// A grant with the names that it is shown with.
struct Named {
    grant: UserGrant,
    client_name: String,
    api_name: Option<String>,
}

async fn page(
    app: &App,
    called: &Called,
    parts: &Parts,
    session: &Session,
    user: &User,
    moment: &Moment,
) -> Result<Answer, Failure> {
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let (browser, cookie) = cookies::browser(&parts.headers, moment, called.origin.scheme());
    let handle = OwnPageForm::new(browser, &session.id, moment.now).seal(&keys, called, moment)?;
    let mut named = Vec::new();
    for grant in all(called, user).await? {
        let client = called.store.client(&grant.client).await?;
        let client_name =
            client.map_or_else(|| grant.client.to_string(), |client| client.record.name.clone());
        let api_name = match &grant.audience {
            Audience::UserInfo => None,
            Audience::Api(id) => {
                let api = called.store.resource_server(id).await?;
                Some(api.map_or_else(|| id.to_string(), |api| api.record.name.clone()))
            }
        };
        named.push(Named { grant, client_name, api_name });
    }
    let sessions = called.store.sessions(&user.id, None, SLICE).await?;
    let is_full = sessions.len() >= SLICE;
    let live = sessions.iter().filter(|session| session.record.is_live(moment.now)).count();
    let page = pages::GrantsPage {
        tenant: &called.tenant.record.settings.friendly_name,
        person: user.shown_name(),
        grants: named.iter().map(line).collect(),
        sessions: match (live, is_full) {
            (1, _) => "1 browser".to_owned(),
            (more, false) => format!("{more} browsers"),
            (more, true) => format!("{more} browsers or more"),
        },
        action_url: &format!("{GRANTS_PATH}?state={handle}"),
    };
    Ok(with_cookie(pages::grants(&page, moment), cookie))
}

fn line(named: &Named) -> pages::GrantLine<'_> {
    pages::GrantLine {
        id: named.grant.id.as_str(),
        client_name: &named.client_name,
        api_name: named.api_name.as_deref(),
        scopes: named.grant.scopes.iter().map(|scope| scope.to_string()).collect(),
        since: day(named.grant.created_at.0),
    }
}

/// The day of a time, as `2026-01-01`, in UTC.
fn day(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map(|time| time.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}

/// What the person allowed, in a fixed order.
async fn all(called: &Called, user: &User) -> Result<Vec<UserGrant>, Failure> {
    let mut found: Vec<UserGrant> = Vec::new();
    while found.len() < MOST {
        let of = UserGrantsOf::User(&user.id);
        let page: Vec<Versioned<UserGrant>> = called.store.user_grants(of, found.last(), SLICE).await?;
        let is_last = page.len() < SLICE;
        found.extend(page.into_iter().map(|grant| grant.record));
        if is_last {
            break;
        }
    }
    Ok(found)
}
