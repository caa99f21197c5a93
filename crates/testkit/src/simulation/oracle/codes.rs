//! Codes: redeemed once, by whom and with what they were issued for, and not a second too late (RFC 6749 §4.1.2, §4.1.3).

use http::StatusCode;

use super::families::Family;
use super::{Begun, Broken, KEPT, Oracle, error_of, forget, unexpected};
use crate::Reply;
use crate::simulation::asked::How;
use crate::simulation::clock::Span;
use crate::simulation::knowledge::{Effect, Once};
use crate::simulation::place::{CODE_LIFETIME, CODE_REMEMBERED};

/// A code that somebody was given.
#[derive(Debug)]
pub(in super::super) struct Code {
    pub(in super::super) text: String,
    pub(in super::super) application: usize,
    pub(in super::super) verifier: usize,
    pub(super) person: usize,
    begun: Begun,
    /// The earliest and the latest time of its making.
    made: Span,
    used: Once,
    /// Attempts of its own client that are under way.
    pub(super) open: u32,
    /// When the last one of these ended.
    last_end: u64,
    /// What came of it.
    pub(in super::super) family: Option<u64>,
}

impl Code {
    pub(super) fn new(
        text: String,
        application: usize,
        person: usize,
        verifier: usize,
        begun: Begun,
        made: Span,
    ) -> Self {
        let used = Once::default();
        Self { text, application, verifier, person, begun, made, used, open: 0, last_end: 0, family: None }
    }

    /// When it ends.
    pub(super) fn edge(&self) -> u64 {
        self.made.low + CODE_LIFETIME
    }

    /// Whether it should be possible to redeem it.
    pub(in super::super) fn is_good(&self, now: u64) -> bool {
        !self.used.may_be(0) && now < self.edge()
    }
}

impl Oracle {
    pub(super) fn begin_redemption(&mut self, id: u64, how: How) {
        let Some(code) = self.codes.get_mut(&id) else { return };
        if how.is_of_the_client() {
            code.open += 1;
        }
        if how == How::Right {
            code.used.begin();
            self.redemptions[code.person][code.application] += 1;
        }
    }

    pub(super) fn redeemed(
        &mut self,
        id: u64,
        how: How,
        begun: Begun,
        reply: Option<&Reply>,
    ) -> Result<(), Broken> {
        let (span, step) = (self.since(begun), self.step);
        let Some(code) = self.codes.get_mut(&id) else { return Ok(()) };
        let last_end = code.last_end;
        if how.is_of_the_client() {
            code.open -= 1;
            code.last_end = step;
        }
        let Some(reply) = reply else {
            if how == How::Right {
                code.used.end(step, Effect::Unknown);
            }
            // It may have been a second use, which ends what came of the first.
            if how.is_of_the_client()
                && let Some(family) = code.family.and_then(|family| self.families.get_mut(&family))
            {
                family.ended.begin();
            }
            return Ok(());
        };
        let code = &self.codes[&id];
        let (person, application) = (code.person, code.application);
        if reply.status == StatusCode::OK {
            if how != How::Right {
                return Err(format!("a code was redeemed by {how:?}"));
            }
            if code.used.is_certain_before(step) {
                return Err("a code was redeemed twice".to_owned());
            }
            if span.low >= code.made.high + CODE_LIFETIME {
                return Err(format!("a code of {:?} was redeemed in {span:?}", code.made));
            }
            self.must_be_allowed(person, application, begun)?;
            let body = reply.json();
            self.must_be_a_token(&body, person, application, span)?;
            let text = body["refresh_token"].as_str().ok_or("no refresh token came of a code")?.to_owned();
            let is_contested = code.open > 0 || last_end >= begun.step;
            return self.family_of(id, text, begun, span, is_contested);
        }
        let ever = self.since(code.begun);
        let may_be_old = ever.high >= code.made.low + CODE_LIFETIME;
        let may_lack_consent = self.may_lack_consent(person, application, begun);
        let may_be_used = code.used.may_be(u32::from(how == How::Right));
        let is_used = code.used.is_certain_before(begun.step);
        let is_remembered = ever.high < code.made.low + CODE_LIFETIME + CODE_REMEMBERED;
        self.figures.codes_refused += 1;
        match error_of(reply).as_str() {
            "unauthorized" if how == How::Right => self.must_be_blocked(person, begun)?,
            "invalid_grant" if how == How::Right && !may_be_used && !may_be_old && !may_lack_consent => {
                return Err("a code that was acknowledged and not used is refused".to_owned());
            }
            "invalid_grant" | "invalid_request" | "unauthorized" => {}
            _ => return Err(unexpected(reply)),
        }
        let family = code.family;
        if let Some(code) = self.codes.get_mut(&id).filter(|_| how == How::Right) {
            code.used.end(step, Effect::None);
        }
        // RFC 6749 §4.1.2
        // A second use ends what came of the first.
        if let Some(family) = family.and_then(|family| self.families.get_mut(&family))
            && how.is_of_the_client()
            && may_be_used
            && error_of(reply) != "unauthorized"
        {
            family.ended.begin();
            let nothing_else = how == How::Right && !may_be_old && !may_lack_consent;
            if is_remembered && (is_used || nothing_else) {
                family.ended.end(step, Effect::Certain);
                self.figures.ended += 1;
            }
        }
        Ok(())
    }

    fn family_of(
        &mut self,
        code: u64,
        text: String,
        begun: Begun,
        span: Span,
        is_contested: bool,
    ) -> Result<(), Broken> {
        let (id, step) = (self.id(), self.step);
        let Some(redeemed) = self.codes.get_mut(&code) else { return Ok(()) };
        redeemed.used.end(step, Effect::Certain);
        redeemed.family = Some(id);
        let (person, application) = (redeemed.person, redeemed.application);
        let count = self.redemptions[person][application];
        let mut family = Family::new(code, application, person, text, begun, span, count);
        // Another use of the code may have ended it already, or whoever ends families of this kind.
        let endings = self.endings_since(begun.step, person, application);
        for _ in 0..endings + usize::from(is_contested) {
            family.ended.begin();
        }
        self.families.insert(id, family);
        forget(&mut self.families, KEPT, |family| family.open > 0);
        self.figures.redeemed += 1;
        Ok(())
    }
}
