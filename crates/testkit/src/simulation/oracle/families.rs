//! Refresh families: one live successor, a lost answer given again, a second holder found out, an end that stays (RFC 6749 §6; RFC 9700 §4.14.2).

use http::StatusCode;

use super::{Begun, Broken, Oracle, error_of, unexpected};
use crate::Reply;
use crate::simulation::asked::{Asked, How};
use crate::simulation::clock::Span;
use crate::simulation::knowledge::{Effect, Once, Uses};
use crate::simulation::place::APPLICATIONS;

/// So many families of a person at an application there may be before the oldest leaves, and a few less.
const MANY: u64 = oauth_grants::refresh_token::MOST_FAMILIES as u64 - 10;

/// A family, as its client knows it.
#[derive(Debug)]
pub(in super::super) struct Family {
    pub(in super::super) application: usize,
    pub(in super::super) tokens: Vec<Token>,
    pub(in super::super) person: usize,
    pub(super) ended: Once,
    code: u64,
    begun: Begun,
    made: Span,
    /// When what its successes rely on began.
    uses: Uses,
    /// The latest time at which it can have been used.
    used_by: u64,
    /// Refreshes of its own client that are under way.
    pub(super) open: u32,
    /// How many redemptions there had been.
    count: u64,
}

/// A token, as its client got it.
#[derive(Debug)]
pub(in super::super) struct Token {
    pub(in super::super) text: String,
    /// When it was first presented.
    first: Option<Begun>,
    /// How often.
    tries: u32,
    /// The step in which it was certain that it had been rotated, and the latest time of that.
    rotated: Option<(u64, u64)>,
}

impl Token {
    fn new(text: String) -> Self {
        Self { text, first: None, tries: 0, rotated: None }
    }
}

impl Family {
    pub(super) fn new(
        code: u64,
        application: usize,
        person: usize,
        text: String,
        begun: Begun,
        made: Span,
        count: u64,
    ) -> Self {
        Self {
            application,
            tokens: vec![Token::new(text)],
            person,
            ended: Once::default(),
            code,
            begun,
            made,
            uses: Uses::new(begun),
            used_by: made.high,
            open: 0,
            count,
        }
    }

    /// Whether it should be possible to refresh.
    pub(in super::super) fn is_good(&self, now: u64) -> bool {
        let application = &APPLICATIONS[self.application];
        let is_over = now >= self.made.low + application.lifetime || now >= self.used_by + application.idle;
        !self.ended.may_be(0) && !is_over
    }

    /// Whether it may have ended.
    pub(in super::super) fn may_be_over(&self) -> bool {
        self.ended.may_be(0)
    }

    /// When it ends, when it was unused for too long, and when its last rotation is not answered again any more.
    pub(super) fn edges(&self, id: u64) -> Vec<(u64, Asked)> {
        let application = &APPLICATIONS[self.application];
        let last = self.tokens.len() - 1;
        let ask = |token: usize| Asked::Refresh { family: id, token, how: How::Right };
        let mut edges = vec![
            (self.made.low + application.lifetime, ask(last)),
            (self.used_by + application.idle, ask(last)),
        ];
        let before = last.checked_sub(1);
        if let Some((place, (_, by))) = before.and_then(|place| Some((place, self.tokens[place].rotated?))) {
            edges.push((by + application.leeway + 1, ask(place)));
        }
        edges
    }
}

impl Oracle {
    pub(super) fn begin_refresh(&mut self, id: u64, token: usize, how: How) {
        let now = self.now();
        let Some(family) = self.families.get_mut(&id).filter(|_| how == How::Right) else { return };
        family.open += 1;
        family.tokens[token].first.get_or_insert(now);
        family.tokens[token].tries += 1;
    }

    pub(super) fn refreshed(
        &mut self,
        id: u64,
        token: usize,
        how: How,
        begun: Begun,
        reply: Option<&Reply>,
    ) -> Result<(), Broken> {
        if how != How::Right {
            return match reply {
                Some(reply) if reply.status == StatusCode::OK => {
                    Err(format!("a refresh token was accepted from {how:?}"))
                }
                _ => Ok(()),
            };
        }
        let span = self.since(begun);
        let Some(family) = self.families.get_mut(&id) else { return Ok(()) };
        family.open -= 1;
        let used_before = family.used_by;
        family.used_by = used_before.max(span.high);
        match reply {
            Some(reply) if reply.status == StatusCode::OK => {
                self.granted(id, token, begun, used_before, reply)
            }
            Some(reply) => self.refused(id, token, begun, reply),
            None => {
                if self.may_be_reuse(id, token, span) {
                    self.families.get_mut(&id).into_iter().for_each(|family| family.ended.begin());
                }
                Ok(())
            }
        }
    }

    fn granted(
        &mut self,
        id: u64,
        place: usize,
        begun: Begun,
        used_before: u64,
        reply: &Reply,
    ) -> Result<(), Broken> {
        let (span, step) = (self.since(begun), self.step);
        let family = &self.families[&id];
        let application = &APPLICATIONS[family.application];
        if family.ended.is_certain_before(begun.step) {
            return Err("a refresh token was accepted after its family had ended".to_owned());
        }
        if span.low >= family.made.high + application.lifetime {
            return Err("a refresh token was accepted after its end".to_owned());
        }
        if family.open == 0 && span.low >= used_before + application.idle {
            return Err("a refresh token was accepted that was unused for too long".to_owned());
        }
        self.must_be_allowed(family.person, family.application, begun)?;
        let body = reply.json();
        self.must_be_a_token(&body, family.person, family.application, span)?;
        let successor = body["refresh_token"].as_str();
        self.figures.refreshed += 1;
        if !application.rotates {
            let family = self.families.get_mut(&id).ok_or("a family is missing")?;
            family.uses.push(step, begun);
            return match successor {
                None => Ok(()),
                Some(_) => Err("a token that does not rotate has a successor".to_owned()),
            };
        }
        let successor = successor.ok_or("a rotation without a successor")?;
        let token = &family.tokens[place];
        let first = token.first.ok_or("a token that nobody presented")?;
        let rotated = (step, self.since(first).high);
        if let Some((since, by)) = token.rotated.filter(|(since, _)| *since < begun.step) {
            if application.leeway == 0 || span.low > by + application.leeway {
                return Err(format!(
                    "a token that was rotated by step {since} was accepted after its leeway"
                ));
            }
            self.figures.retried += 1;
        }
        match family.tokens.get(place + 1) {
            Some(next) if next.text != successor => {
                return Err("a token has two successors: two branches live".to_owned());
            }
            Some(next) if next.rotated.is_some_and(|(since, _)| since < begun.step) => {
                return Err("a token was accepted though its successor had been rotated".to_owned());
            }
            None if family.tokens.iter().any(|token| token.text == successor) => {
                return Err("a successor is a token of before".to_owned());
            }
            _ => {}
        }
        let family = self.families.get_mut(&id).ok_or("a family is missing")?;
        family.tokens[place].rotated.get_or_insert(rotated);
        if family.tokens.len() == place + 1 {
            family.tokens.push(Token::new(successor.to_owned()));
            family.uses.push(step, first);
        }
        Ok(())
    }

    /// Whether a refresh with this token may be told that it was used before.
    fn may_be_reuse(&self, id: u64, place: usize, span: Span) -> bool {
        let family = &self.families[&id];
        let (application, token) = (&APPLICATIONS[family.application], &family.tokens[place]);
        let Some(first) = token.first.filter(|_| application.rotates) else { return false };
        let is_over = application.leeway == 0 || span.high > self.since(first).low + application.leeway;
        let was_tried_by_others = token.tries > 1;
        (was_tried_by_others && is_over) || family.tokens.get(place + 1).is_some_and(|next| next.tries > 0)
    }

    fn refused(&mut self, id: u64, place: usize, begun: Begun, reply: &Reply) -> Result<(), Broken> {
        let span = self.since(begun);
        let family = &self.families[&id];
        let application = &APPLICATIONS[family.application];
        self.figures.refreshes_refused += 1;
        match error_of(reply).as_str() {
            "unauthorized" => return self.must_be_blocked(family.person, begun),
            "invalid_grant" => {}
            _ => return Err(unexpected(reply)),
        }
        let (ever, used) = (self.since(family.begun), self.since(family.uses.before(begun.step)));
        // A token that does not rotate notes now and then that it is used.
        let noted_every = if application.rotates { 0 } else { application.idle / 20 };
        let may_be_old = ever.high >= family.made.low + application.lifetime
            || used.high + noted_every >= used.low + application.idle;
        let may_lack_consent = self.may_lack_consent(family.person, family.application, begun);
        let may_be_ended = family.ended.may_be(0)
            || family.open > 0
            || self.codes.get(&family.code).is_some_and(|code| code.open > 0)
            || self.redemptions[family.person][family.application] >= family.count + MANY;
        let may_be_reuse = self.may_be_reuse(id, place, span);
        if !(may_be_old || may_lack_consent || may_be_ended || may_be_reuse) {
            return Err("a refresh token that was acknowledged and is good is refused".to_owned());
        }
        let step = self.step;
        if let Some(family) = self.families.get_mut(&id).filter(|_| may_be_reuse) {
            // RFC 9700 §4.14.2
            // Two hold the token: its family ends, before anybody is answered.
            family.ended.begin();
            if !may_be_old && !may_lack_consent {
                family.ended.end(step, Effect::Certain);
                self.figures.ended += 1;
            }
        }
        Ok(())
    }

    pub(super) fn revoked(&mut self, id: u64, how: How, reply: Option<&Reply>) -> Result<(), Broken> {
        let step = self.step;
        let Some(family) = self.families.get_mut(&id).filter(|_| how == How::Right) else { return Ok(()) };
        match reply {
            None => family.ended.end(step, Effect::Unknown),
            // RFC 7009 §2.2
            Some(reply) if reply.status == StatusCode::OK => {
                family.ended.end(step, Effect::Certain);
                self.figures.ended += 1;
            }
            Some(reply) => return Err(unexpected(reply)),
        }
        Ok(())
    }
}
