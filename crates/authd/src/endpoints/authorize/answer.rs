//! How the authorization endpoint answers: tokens on their way, and pages that say what was wrong.

use http::StatusCode;
use oauth_grants::Moment;
use oauth_grants::authorize::{Delivery, Fields, Issue, PageError, ResponseTarget, ValidRequest};

use super::facts::Loaded;
use crate::app::{App, Called, Trace};
use crate::endpoints::token::sign_user_token;
use crate::failure::Failure;
use crate::flow::NotTaken;
use crate::http::response::{Answer, found};
use crate::keys::TenantKeys;
use crate::pages;

/// Signs what is issued, and gives the fields of the answer.
pub(crate) async fn sign(
    app: &App,
    called: &Called,
    keys: &TenantKeys,
    request: &ValidRequest<'_>,
    loaded: &Loaded,
    issue: &Issue<'_>,
    moment: &Moment,
) -> Result<Fields, Failure> {
    let api = loaded.api.as_ref().map(|api| &api.record);
    let access_token = match &issue.access_token {
        Some(token) => Some(sign_user_token(app, called, keys, token, api, moment).await?),
        None => None,
    };
    let id_token = issue.id_token(access_token.as_deref());
    let id_token = id_token.as_ref().map(|token| keys.sign_id_token(token, request.client)).transpose()?;
    Ok(issue.fields(access_token, id_token))
}

/// Sends fields where and how the request wants them.
pub(crate) fn deliver(app: &App, target: &ResponseTarget<'_>, fields: Fields) -> Answer {
    match target.deliver(fields) {
        Delivery::Redirect(address) => found(&address),
        Delivery::FormPost { action, fields } => pages::form_post(&action, &fields, &app.moments().draw()),
        Delivery::WebMessage { target_origin, fields } => {
            pages::web_message(&target_origin, &fields, &app.moments().draw())
        }
    }
}

/// The page that says what is wrong with a request of which nobody knows where to send its errors.
pub(crate) fn page_error(app: &App, called: &Called, error: &PageError, trace: &mut Trace) -> Answer {
    trace.refused = Some(error.name().to_owned());
    let (code, text) = error.answer(called.tenant.record.settings.error_profile);
    page(app, called, StatusCode::BAD_REQUEST, code, &text)
}

/// The page for a flow that took too long, or whose address was altered.
pub(crate) fn expired(app: &App, called: &Called, trace: &mut Trace) -> Answer {
    trace.refused = Some("flow_expired".to_owned());
    let text =
        "This sign-in has expired, or its address is incomplete. Go back to the application and start again.";
    page(app, called, StatusCode::BAD_REQUEST, "invalid_request", text)
}

/// The page for a flow that began in another browser.
pub(crate) fn of_another_browser(app: &App, called: &Called, trace: &mut Trace) -> Answer {
    trace.refused = Some("flow_of_another_browser".to_owned());
    let text = "This sign-in was started in another browser, or your browser sends no cookies. \
                Go back to the application and start again.";
    page(app, called, StatusCode::FORBIDDEN, "access_denied", text)
}

/// The page for a flow that was answered before.
pub(crate) fn already_answered(app: &App, called: &Called, trace: &mut Trace) -> Answer {
    trace.refused = Some("flow_already_answered".to_owned());
    let text = "This sign-in was already completed. Go back to the application.";
    page(app, called, StatusCode::BAD_REQUEST, "invalid_request", text)
}

/// A form that was posted from another site.
pub(crate) fn cross_site(app: &App, called: &Called, trace: &mut Trace) -> Answer {
    trace.refused = Some("cross_site_form".to_owned());
    page(app, called, StatusCode::FORBIDDEN, "access_denied", "The form was not sent from this site.")
}

/// A form of a page that was seen too long ago, or in another browser.
pub(crate) fn not_taken(app: &App, called: &Called, why: NotTaken, trace: &mut Trace) -> Answer {
    match why {
        NotTaken::Expired => {
            trace.refused = Some("form_expired".to_owned());
            let text = "This page has expired, or its address is incomplete. Open it again.";
            page(app, called, StatusCode::BAD_REQUEST, "invalid_request", text)
        }
        NotTaken::OfAnotherBrowser => {
            trace.refused = Some("form_of_another_browser".to_owned());
            let text =
                "This page was opened in another browser, or your browser sends no cookies. Open it again.";
            page(app, called, StatusCode::FORBIDDEN, "access_denied", text)
        }
    }
}

pub(crate) fn page(app: &App, called: &Called, status: StatusCode, code: &str, text: &str) -> Answer {
    let tenant = &called.tenant.record.settings.friendly_name;
    pages::error(status, &pages::ErrorPage { tenant, code, description: text }, &app.moments().draw())
}
