//! `/u/confirm`: which application is about to be opened, where its address does not say (Auth0's confirmation prompt).

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use hyper::body::Body;
use oauth_grants::authorize::{Answers, Step, decide, validate};

use super::facts::{self, Loaded};
use super::{CONFIRM_PATH, RESUME_PATH, answer, flow_of};
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::flow;
use crate::http::response::{Answer, see_other};
use crate::http::{csrf, form};
use crate::pages;

/// Shows the confirmation, or takes its answer.
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
    let flow = match flow_of(app, called, parts, &keys, &moment, trace) {
        Ok(flow) => flow,
        Err(answer) => return Ok(answer),
    };
    let resume = |answers: Answers| -> Result<Answer, Failure> {
        let back = flow.answered(answers, moment.now);
        Ok(see_other(&format!("{RESUME_PATH}?state={}", flow::seal(&keys, called, &back, &moment)?)))
    };
    let client = facts::client(&called.store, &flow.params).await?;
    let client = client.as_ref().map(|client| &client.record);
    trace.client_id = client.map(|client| client.id.clone());
    let settings = &called.tenant.record.settings;
    // What cannot be answered any more is refused by the authorization endpoint.
    let Ok(request) = validate(&flow.params, client, settings, &called.origin) else {
        return resume(flow.answers.clone());
    };
    let loaded = Loaded::load(called, parts, &keys, &request, &moment).await?;
    let decision = decide(&request, loaded.facts(called, Some(&flow)), &moment);
    // Only whoever is asked can answer: others are sent where they are asked something else.
    let is_asked = matches!(decision.step, Step::ConfirmCallback) && flow.asked == loaded.session_id();
    if !is_asked {
        return resume(flow.answers.clone());
    }
    let confirmed = match form.one("action").filter(|_| is_answer) {
        Some("accept") => Some(true),
        Some("deny") => Some(false),
        _ => None,
    };
    if confirmed.is_some() {
        return resume(Answers { confirmed, ..flow.answers.clone() });
    }
    let page = pages::ConfirmPage {
        tenant: &settings.friendly_name,
        client_name: &request.client.name,
        redirect_uri: request.redirect_uri(),
        action_url: &format!("{CONFIRM_PATH}?{}", parts.uri.query().unwrap_or_default()),
    };
    Ok(pages::confirm(&page, &app.moments().draw()))
}
