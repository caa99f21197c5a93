//! `/u/consent`: the dialog and its answer. The decision is made again; the form is believed in nothing but its button.

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use hyper::body::Body;
use oauth_grants::authorize::consent::{Facts, answer as answered, fingerprint, record_id, shown};
use oauth_grants::authorize::{Answers, Asked, ConsentGiven, Step, decide, validate};
use records::{ConsentAnswer, ScopeSet, ScopeToken};
use store::CommitError;

use super::facts::{self, Loaded};
use super::{CONSENT_PATH, RESUME_PATH, answer, flow_of};
use crate::administration::ATTEMPTS;
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::flow;
use crate::http::response::{Answer, see_other};
use crate::http::{csrf, form};
use crate::pages;

/// Shows the dialog, or takes its answer.
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
    let settings = &called.tenant.record.settings;
    for _ in 0..ATTEMPTS {
        let moment = app.moments().draw();
        let flow = match flow_of(app, called, parts, &keys, &moment, trace) {
            Ok(flow) => flow,
            Err(answer) => return Ok(answer),
        };
        // Whoever goes back to the dialog of a flow that is over, and presses the other button, allows nothing.
        if called.store.is_consumed(&flow.id).await? {
            return Ok(answer::already_answered(app, called, trace));
        }
        let client = facts::client(&called.store, &flow.params).await?;
        let client = client.as_ref().map(|client| &client.record);
        trace.client_id = client.map(|client| client.id.clone());
        // Whatever happened meanwhile, the authorization endpoint knows what to do about it.
        let resume = |answers: Answers| -> Result<Answer, Failure> {
            let back = flow.answered(answers, moment.now);
            let handle = flow::seal(&keys, called, &back, &moment)?;
            Ok(see_other(&format!("{RESUME_PATH}?state={handle}")))
        };
        let Ok(request) = validate(&flow.params, client, settings, &called.origin) else {
            return resume(flow.answers.clone());
        };
        let loaded = Loaded::load(called, parts, &keys, &request, &moment).await?;
        let decision = decide(&request, loaded.facts(called, Some(&flow)), &moment);
        let (Step::Consent(asked), Some(facts)) = (decision.step, loaded.dialog(called, &request)) else {
            return resume(flow.answers.clone());
        };
        // Somebody else logged in since the question was put, or it would say something else by now.
        let is_about = flow.asked.as_ref() == Some(&facts.session.record.id);
        if !is_about || flow.shown != Some(fingerprint(&asked, &facts)) {
            return resume(flow.answers.clone());
        }
        let handle = parts.uri.query().unwrap_or_default();
        if !is_answer {
            return Ok(dialog(app, called, &asked, &facts, &format!("{CONSENT_PATH}?{handle}")));
        }
        let chosen = match form.one("action") {
            Some("accept") => Some(ticked(form.all("scope"))),
            Some("deny") => None,
            _ => return Ok(dialog(app, called, &asked, &facts, &format!("{CONSENT_PATH}?{handle}"))),
        };
        let (writes, given) = answered(&asked, &facts, chosen.as_ref(), &flow, &moment)
            .map_err(|invalid| Failure::Unsigned(invalid.to_string()))?;
        match called.store.commit(writes).await {
            Ok(()) => return resume(Answers { consent: Some(given), ..flow.answers.clone() }),
            Err(CommitError::Conflict) => {
                // A second click, or a second tab: the first answer is the answer.
                let user = &facts.user.record.id;
                let id = record_id(&flow).map_err(|invalid| Failure::Unsigned(invalid.to_string()))?;
                if let Some(record) = called.store.consent_record(user, &id).await? {
                    let accepted = matches!(record.record.answer, ConsentAnswer::Accepted(_));
                    let given = ConsentGiven { session: record.record.session, accepted };
                    return resume(Answers { consent: Some(given), ..flow.answers.clone() });
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended)
}

/// The scopes that were ticked; text that is no scope ticks nothing.
fn ticked<'f>(values: impl Iterator<Item = &'f str>) -> ScopeSet {
    values.filter_map(|value| ScopeToken::parse(value).ok()).collect()
}

fn dialog(app: &App, called: &Called, asked: &Asked, facts: &Facts<'_>, action: &str) -> Answer {
    let user = &facts.user.record;
    let page = pages::ConsentPage {
        tenant: &called.tenant.record.settings.friendly_name,
        client_name: &facts.client.name,
        logo: facts.client.logo_uri.as_deref(),
        is_third_party: !facts.client.is_first_party,
        user_name: user.profile.name.as_deref(),
        email: user.email.as_ref().map(|email| email.as_str()),
        api_name: facts.api.map(|api| api.name.as_str()),
        lines: shown(asked, facts),
        action_url: action,
    };
    pages::consent(&page, &app.moments().draw())
}
