//! Flows as the browser carries them: sealed here, opened here, believed nowhere else (docs/adr/0007).

use http::request::Parts;
use oauth_grants::authorize::{FLOW_LIFETIME, Flow};
use oauth_grants::oidc::logout::ReturnTo;
use oauth_grants::{HandleKind, Moment};
use records::{ClientId, SessionId, UnixTime};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::Called;
use crate::failure::Failure;
use crate::http::cookies;
use crate::keys::TenantKeys;

/// Seals a flow for the origin that was called.
pub fn seal(keys: &TenantKeys, called: &Called, flow: &Flow, moment: &Moment) -> Result<String, Failure> {
    let bytes = flow.to_bytes();
    keys.handle_key()
        .seal(HandleKind::Flow, &called.origin, moment, "flow", bytes.expose())
        .map_err(|failure| Failure::Unsigned(failure.to_string()))
}

/// Opens a flow that was sealed at the origin that was called and is not over; `None` for anything else.
pub fn open(keys: &TenantKeys, called: &Called, text: &str, now: UnixTime) -> Option<Flow> {
    let opened = keys.handle_key().open(HandleKind::Flow, &called.origin, text)?;
    Flow::from_bytes(opened.expose()).filter(|flow| !flow.is_over(now))
}

/// Seals what a page of ours carries that belongs to no authorization request.
fn seal_form<T: Serialize>(
    keys: &TenantKeys,
    called: &Called,
    kind: HandleKind,
    form: &T,
    moment: &Moment,
) -> Result<String, Failure> {
    let bytes = serde_json::to_vec(form).map_err(|error| Failure::Unsigned(error.to_string()))?;
    keys.handle_key()
        .seal(kind, &called.origin, moment, kind.name(), &bytes)
        .map_err(|failure| Failure::Unsigned(failure.to_string()))
}

/// Opens what the request's `state` carries.
fn open_form<T: DeserializeOwned>(
    keys: &TenantKeys,
    called: &Called,
    kind: HandleKind,
    parts: &Parts,
) -> Option<T> {
    let handle = parts.uri.query()?.strip_prefix("state=")?;
    let opened = keys.handle_key().open(kind, &called.origin, handle)?;
    serde_json::from_slice(opened.expose()).ok()
}

/// Why a page's form is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is too old, or was altered.
    Expired,
    /// It was made for another browser.
    OfAnotherBrowser,
}

fn check(browser: &str, exp: u64, called: &Called, parts: &Parts, now: UnixTime) -> Result<(), NotTaken> {
    if now.0 >= exp {
        return Err(NotTaken::Expired);
    }
    match cookies::browser_digest(&parts.headers, called.origin.scheme()) {
        Some(digest) if digest == browser => Ok(()),
        _ => Err(NotTaken::OfAnotherBrowser),
    }
}

/// A logout that a person is asked about, as the page carries it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoutQuestion {
    browser: String,
    exp: u64,
    client: Option<String>,
    to: Option<String>,
    state: Option<String>,
}

impl LogoutQuestion {
    /// The question, in the browser whose cookie has this digest.
    pub fn new(browser: String, after: Option<&ReturnTo>, now: UnixTime) -> Self {
        Self {
            browser,
            exp: now.0.saturating_add(FLOW_LIFETIME),
            client: after.and_then(|to| to.client.as_ref()).map(ClientId::to_string),
            to: after.map(|to| to.uri.clone()),
            state: after.and_then(|to| to.state.clone()),
        }
    }

    /// The question as it is carried.
    pub fn seal(&self, keys: &TenantKeys, called: &Called, moment: &Moment) -> Result<String, Failure> {
        seal_form(keys, called, HandleKind::Logout, self, moment)
    }

    /// The question that the request carries, in the browser in which it was put.
    pub fn open(keys: &TenantKeys, called: &Called, parts: &Parts, now: UnixTime) -> Result<Self, NotTaken> {
        let question: Self = open_form(keys, called, HandleKind::Logout, parts).ok_or(NotTaken::Expired)?;
        check(&question.browser, question.exp, called, parts, now)?;
        Ok(question)
    }

    /// Where it leads afterwards, to be checked again.
    pub fn after(&self) -> Option<ReturnTo> {
        let client = self.client.as_deref().map(ClientId::parse).transpose().ok()?;
        Some(ReturnTo { client, uri: self.to.clone()?, state: self.state.clone() })
    }
}

/// What ties the forms of a person's own page to browser and session.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPageForm {
    browser: String,
    exp: u64,
    session: String,
}

impl OwnPageForm {
    /// The forms of a page that this session sees, in the browser whose cookie has this digest.
    pub fn new(browser: String, session: &SessionId, now: UnixTime) -> Self {
        Self { browser, exp: now.0.saturating_add(FLOW_LIFETIME), session: session.to_string() }
    }

    /// As the page carries it.
    pub fn seal(&self, keys: &TenantKeys, called: &Called, moment: &Moment) -> Result<String, Failure> {
        seal_form(keys, called, HandleKind::OwnPage, self, moment)
    }

    /// What the request carries, in the browser in which the page was seen.
    pub fn open(keys: &TenantKeys, called: &Called, parts: &Parts, now: UnixTime) -> Result<Self, NotTaken> {
        let form: Self = open_form(keys, called, HandleKind::OwnPage, parts).ok_or(NotTaken::Expired)?;
        check(&form.browser, form.exp, called, parts, now)?;
        Ok(form)
    }

    /// Whether this session saw the page.
    pub fn is_of(&self, session: &SessionId) -> bool {
        self.session == session.as_str()
    }
}
