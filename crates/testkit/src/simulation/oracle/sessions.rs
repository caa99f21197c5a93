//! Sessions and the authorization endpoint: who is logged in gets a code, who is not does not.

use http::{StatusCode, header};
use oauth_grants::authorize::RESUME_WITHIN;

use super::{Begun, Broken, KEPT, Oracle, forget, unexpected};
use crate::Reply;
use crate::simulation::clock::Span;
use crate::simulation::knowledge::{Effect, Once, Uses};
use crate::simulation::oracle::codes::Code;
use crate::simulation::place::SESSION;

/// A session is renewed in steps of so many seconds.
const RENEWED_EVERY: u64 = 60;

/// How many browsers the oracle keeps in mind.
const BROWSERS: usize = 5;

/// A browser in which somebody logged in.
#[derive(Debug)]
pub(in super::super) struct Browser {
    pub(in super::super) cookie: String,
    pub(in super::super) person: usize,
    begun: Begun,
    /// The earliest and the latest time at which it can have begun.
    made: Span,
    pub(super) ended: Once,
    /// When it was used with success.
    uses: Uses,
    /// The latest time at which it can have been used.
    used_by: u64,
    /// Uses under way.
    open: u32,
}

impl Browser {
    pub(super) fn edges(&self) -> [u64; 2] {
        [self.made.high + SESSION.0, self.used_by + SESSION.1]
    }
}

/// Where an authorization request led.
enum Landed {
    Code(String),
    Login,
    Consent,
    Declined,
    Blocked,
}

fn landed(reply: &Reply) -> Result<Landed, Broken> {
    let location = reply.header(header::LOCATION);
    let query = location.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let field = |name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    if location.contains("/u/login?") {
        return Ok(Landed::Login);
    }
    if location.contains("/u/consent?") {
        return Ok(Landed::Consent);
    }
    match (field("code"), field("error").as_deref()) {
        (Some(code), None) => Ok(Landed::Code(code)),
        (None, Some("login_required")) => Ok(Landed::Login),
        (None, Some("consent_required")) => Ok(Landed::Consent),
        (None, Some("access_denied")) => Ok(Landed::Declined),
        (None, Some("unauthorized")) => Ok(Landed::Blocked),
        _ => Err(format!("{} (to {location:?})", unexpected(reply))),
    }
}

impl Oracle {
    pub(super) fn person_at(&self, browser: u64) -> Option<usize> {
        self.browsers.get(&browser).map(|browser| browser.person)
    }

    pub(super) fn logged_in(&mut self, person: usize, cookie: String, begun: Begun) {
        let (id, made) = (self.id(), self.since(begun));
        let ended = Once::default();
        let browser = Browser {
            cookie,
            person,
            begun,
            made,
            ended,
            uses: Uses::new(begun),
            used_by: made.high,
            open: 0,
        };
        self.browsers.insert(id, browser);
        forget(&mut self.browsers, BROWSERS, |browser| browser.open > 0);
    }

    pub(super) fn use_session(&mut self, browser: u64) {
        if let Some(browser) = self.browsers.get_mut(&browser) {
            browser.open += 1;
        }
    }

    pub(super) fn logged_out(&mut self, browser: u64, reply: Option<&Reply>) -> Result<(), Broken> {
        let step = self.step;
        let Some(browser) = self.browsers.get_mut(&browser) else { return Ok(()) };
        match reply {
            None => browser.ended.end(step, Effect::Unknown),
            Some(reply) if reply.status.is_success() || reply.status.is_redirection() => {
                browser.ended.end(step, Effect::Certain);
                self.figures.logouts += 1;
            }
            Some(reply) => return Err(unexpected(reply)),
        }
        Ok(())
    }

    /// Whether a code was given; one that is given is remembered.
    pub(super) fn authorized(
        &mut self,
        id: u64,
        application: usize,
        verifier: usize,
        begun: Begun,
        reply: Option<&Reply>,
    ) -> Result<bool, Broken> {
        let (span, step) = (self.since(begun), self.step);
        let Some(browser) = self.browsers.get_mut(&id) else { return Ok(false) };
        browser.open -= 1;
        let used_before = browser.used_by;
        browser.used_by = used_before.max(span.high);
        let Some(reply) = reply else { return Ok(false) };
        let browser = &self.browsers[&id];
        let person = browser.person;
        if reply.status == StatusCode::BAD_REQUEST && span.high - span.low >= RESUME_WITHIN {
            // The clock went on in the middle of a dialog, which is over by that.
            return Ok(false);
        }
        match landed(reply)? {
            Landed::Code(text) => {
                if browser.ended.is_certain_before(begun.step) {
                    return Err("a code came of a session that was logged out".to_owned());
                }
                if span.low >= browser.made.high + SESSION.0 {
                    return Err("a code came of a session that had reached its end".to_owned());
                }
                if browser.open == 0 && span.low >= used_before + SESSION.1 {
                    return Err("a code came of a session that was unused for too long".to_owned());
                }
                self.must_be_allowed(person, application, begun)?;
                if self.codes.values().any(|code| code.text == text) {
                    return Err("one code was given twice".to_owned());
                }
                if let Some(browser) = self.browsers.get_mut(&id) {
                    browser.uses.push(step, begun);
                }
                let code = Code::new(text, application, person, verifier, begun, span);
                let id = self.id();
                self.codes.insert(id, code);
                forget(&mut self.codes, KEPT, |code| code.open > 0);
                self.figures.codes += 1;
                Ok(true)
            }
            Landed::Login => {
                let ever = self.since(browser.begun);
                let used = self.since(browser.uses.before(begun.step));
                let may_be_old = ever.high >= browser.made.low + SESSION.0
                    || used.high + RENEWED_EVERY >= used.low + SESSION.1;
                if !browser.ended.may_be(0) && !may_be_old {
                    return Err("a session that was acknowledged and not ended is gone".to_owned());
                }
                Ok(false)
            }
            Landed::Consent if self.may_lack_consent(person, application, begun) => Ok(false),
            Landed::Consent => Err("consent that was acknowledged and not withdrawn is gone".to_owned()),
            Landed::Blocked => self.must_be_blocked(person, begun).map(|()| false),
            Landed::Declined => Ok(false),
        }
    }
}
