//! What must be true, for somebody who has nothing but the answers (RFC 6749 §4.1.2, §6; RFC 9700 §4.14.2; threats R1 to R3, R10).
//!
//! The oracle knows what was asked, when, and what was heard; not what is on the disk. Whatever was granted must have been
//! allowed at some time between question and answer; whatever was refused must have had a reason. Where an answer was lost,
//! both are possible from then on, and no more than both.

mod codes;
mod families;
mod sessions;

use std::collections::{BTreeMap, VecDeque};

use jwt_core::Algorithm;
use resource_server::{AccessTokenVerifier, Expectations};
use serde_json::Value;

use super::asked::{Asked, How};
use super::client::{Heard, issuer, who};
use super::clock::{Clock, Span};
use super::knowledge::{Effect, Switch};
use super::place::{API, API_SECRET, APPLICATIONS, PEOPLE, SCOPE, TOKEN_LIFETIME};
use crate::Reply;

pub(super) use codes::Code;
pub(super) use families::Family;
pub(super) use sessions::Browser;

/// How many codes and families the oracle keeps in mind; the oldest is forgotten, and asked for no more.
const KEPT: usize = 24;

/// When something began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) step: u64,
    /// What the clock showed then.
    pub(super) time: u64,
}

/// What was broken, in words.
pub(super) type Broken = String;

/// How often things came about. A run in which nothing happens proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Steps that were made.
    pub steps: u64,
    /// Requests that were answered.
    pub answers: u64,
    /// Requests whose answer was lost, whatever became of them.
    pub lost: u64,
    /// Servers that were killed.
    pub crashes: u64,
    /// Commits that met a conflict.
    pub conflicts: u64,
    /// Failures of the storage.
    pub failures: u64,
    /// Codes that were issued.
    pub codes: u64,
    /// Codes that were redeemed.
    pub redeemed: u64,
    /// Redemptions that were refused.
    pub codes_refused: u64,
    /// Refreshes that were granted.
    pub refreshed: u64,
    /// Refreshes that gave a successor a second time.
    pub retried: u64,
    /// Refreshes that were refused.
    pub refreshes_refused: u64,
    /// Refresh families that ended for certain.
    pub ended: u64,
    /// Sessions that were ended.
    pub logouts: u64,
    /// Consents that were given.
    pub consents: u64,
    /// Consents that were withdrawn.
    pub withdrawals: u64,
}

impl Figures {
    /// Adds another run's.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            steps,
            answers,
            lost,
            crashes,
            conflicts,
            failures,
            codes,
            redeemed,
            codes_refused,
            refreshed,
            retried,
            refreshes_refused,
            ended,
            logouts,
            consents,
            withdrawals,
        } = other;
        for (sum, more) in [
            (&mut self.steps, steps),
            (&mut self.answers, answers),
            (&mut self.lost, lost),
            (&mut self.crashes, crashes),
            (&mut self.conflicts, conflicts),
            (&mut self.failures, failures),
            (&mut self.codes, codes),
            (&mut self.redeemed, redeemed),
            (&mut self.codes_refused, codes_refused),
            (&mut self.refreshed, refreshed),
            (&mut self.retried, retried),
            (&mut self.refreshes_refused, refreshes_refused),
            (&mut self.ended, ended),
            (&mut self.logouts, logouts),
            (&mut self.consents, consents),
            (&mut self.withdrawals, withdrawals),
        ] {
            *sum += more;
        }
    }
}

/// What clients were told.
pub(super) struct Oracle {
    pub(super) step: u64,
    pub(super) clock: Clock,
    pub(super) figures: Figures,
    pub(super) browsers: BTreeMap<u64, Browser>,
    pub(super) codes: BTreeMap<u64, Code>,
    pub(super) families: BTreeMap<u64, Family>,
    next: u64,
    /// Whether each person allows the third party what it asks for.
    consents: [Switch; PEOPLE.len()],
    /// Whether each person is kept out.
    blocks: [Switch; PEOPLE.len()],
    /// What ends families of a person, at an application or at all, and is under way: by its task.
    endings: BTreeMap<u64, Ending>,
    /// Those that are over, and when that was: as many as may have met with what is under way.
    ended: VecDeque<(u64, Ending)>,
    /// How often codes of a person at an application may have been redeemed.
    redemptions: [[u64; APPLICATIONS.len()]; PEOPLE.len()],
    tokens: AccessTokenVerifier,
}

/// Families that are being ended.
struct Ending {
    person: usize,
    application: Option<usize>,
    families: Vec<u64>,
}

impl Oracle {
    pub(super) fn at(now: u64) -> Self {
        let expected = Expectations::new(&issuer(), API, &[Algorithm::Hs256]);
        Self {
            step: 0,
            clock: Clock::at(now),
            figures: Figures::default(),
            browsers: BTreeMap::new(),
            codes: BTreeMap::new(),
            families: BTreeMap::new(),
            next: 0,
            consents: [Switch::new(false), Switch::new(false)],
            blocks: [Switch::new(false), Switch::new(false)],
            endings: BTreeMap::new(),
            ended: VecDeque::new(),
            redemptions: Default::default(),
            tokens: expected.with_secret(API_SECRET.as_bytes()).expect("the secret is long enough"),
        }
    }

    pub(super) fn now(&self) -> Begun {
        Begun { step: self.step, time: self.clock.now() }
    }

    /// What the clock showed since something began.
    fn since(&self, begun: Begun) -> Span {
        self.clock.since(begun.step, begun.time)
    }

    /// Times at which something ends, and who is to ask for it then.
    pub(super) fn edges(&self) -> Vec<(u64, Asked)> {
        let now = self.clock.now();
        let codes = self.codes.iter().rev().filter(|(_, code)| code.is_good(now)).take(4);
        let codes = codes.map(|(id, code)| (code.edge(), Asked::Redeem { code: *id, how: How::Right }));
        let families = self.families.iter().rev().filter(|(_, family)| family.is_good(now)).take(4);
        let families = families.flat_map(|(id, family)| family.edges(*id));
        let browsers = self.browsers.iter().rev().filter(|(_, browser)| !browser.ended.may_be(0)).take(2);
        let browsers = browsers.flat_map(|(id, browser)| {
            let asked = Asked::Authorize { browser: *id, application: 0, verifier: 0 };
            browser.edges().map(|edge| (edge, asked))
        });
        let mut edges: Vec<_> =
            codes.chain(families).chain(browsers).filter(|(edge, _)| *edge > now).collect();
        edges.sort_by_key(|(edge, _)| *edge);
        edges
    }

    /// Whether a person may be kept out.
    pub(super) fn may_be_blocked(&self, person: usize) -> bool {
        !self.blocks[person].is_certain_before(self.step, false)
    }

    /// Somebody begins to ask.
    pub(super) fn begin(&mut self, task: u64, asked: &Asked) {
        match asked {
            Asked::Authorize { browser, .. } => self.use_session(*browser),
            Asked::Consent { browser, accepts, .. } => {
                self.use_session(*browser);
                if let Some(person) = self.person_at(*browser).filter(|_| *accepts) {
                    self.consents[person].begin(true);
                }
            }
            Asked::LogOut { browser } => {
                if let Some(browser) = self.browsers.get_mut(browser) {
                    browser.ended.begin();
                }
            }
            Asked::Redeem { code, how } => self.begin_redemption(*code, *how),
            Asked::Refresh { family, token, how } => self.begin_refresh(*family, *token, *how),
            Asked::Revoke { family, how: How::Right, .. } => {
                if let Some(family) = self.families.get_mut(family) {
                    family.ended.begin();
                }
            }
            Asked::Withdraw { person } => {
                self.consents[*person].begin(false);
                let third_party = APPLICATIONS.iter().position(|application| application.is_third_party);
                self.begin_ending(task, *person, third_party);
            }
            Asked::EndAll { person } => self.begin_ending(task, *person, None),
            Asked::Block { person, is_blocked } => self.blocks[*person].begin(*is_blocked),
            Asked::LogIn { .. } | Asked::Revoke { .. } | Asked::Sweep | Asked::Look => {}
        }
    }

    /// Somebody heard something, or (`None`) nothing.
    pub(super) fn end(
        &mut self,
        task: u64,
        asked: &Asked,
        begun: Begun,
        heard: Option<&Heard>,
    ) -> Result<(), Broken> {
        let reply = match heard {
            Some(Heard::Reply(reply)) => Some(reply),
            _ => None,
        };
        let is_done = matches!(heard, Some(Heard::Done));
        match asked {
            Asked::LogIn { person } => {
                if let Some(Heard::Cookie(cookie)) = heard {
                    self.logged_in(*person, cookie.clone(), begun);
                }
                Ok(())
            }
            Asked::Authorize { browser, application, verifier } => {
                self.authorized(*browser, *application, *verifier, begun, reply).map(drop)
            }
            Asked::Consent { browser, verifier, accepts } => {
                let application = Asked::THIRD_PARTY;
                let got = self.authorized(*browser, application, *verifier, begun, reply);
                if let Some(person) = self.person_at(*browser).filter(|_| *accepts) {
                    let is_certain = matches!(got, Ok(true));
                    self.figures.consents += u64::from(is_certain);
                    self.consents[person].end(self.step, true, begun.step, is_certain);
                }
                got.map(drop)
            }
            Asked::LogOut { browser } => self.logged_out(*browser, reply),
            Asked::Redeem { code, how } => self.redeemed(*code, *how, begun, reply),
            Asked::Refresh { family, token, how } => self.refreshed(*family, *token, *how, begun, reply),
            Asked::Revoke { family, how, .. } => self.revoked(*family, *how, reply),
            Asked::Withdraw { person } => {
                let is_certain = is_done || matches!(heard, Some(Heard::Refused(_)));
                self.figures.withdrawals += u64::from(is_done);
                self.consents[*person].end(self.step, false, begun.step, is_certain);
                self.end_ending(task, is_done);
                Ok(())
            }
            Asked::EndAll { .. } => {
                self.end_ending(task, is_done);
                Ok(())
            }
            Asked::Block { person, is_blocked } => {
                self.blocks[*person].end(self.step, *is_blocked, begun.step, is_done);
                Ok(())
            }
            Asked::Sweep | Asked::Look => Ok(()),
        }
    }

    fn begin_ending(&mut self, task: u64, person: usize, application: Option<usize>) {
        let mut families = Vec::new();
        for (id, family) in &mut self.families {
            if family.person == person && application.is_none_or(|at| at == family.application) {
                family.ended.begin();
                families.push(*id);
            }
        }
        self.endings.insert(task, Ending { person, application, families });
    }

    fn end_ending(&mut self, task: u64, is_done: bool) {
        let step = self.step;
        let Some(ending) = self.endings.remove(&task) else { return };
        for id in ending.families.iter().filter(|_| is_done) {
            if let Some(family) = self.families.get_mut(id) {
                family.ended.end(step, Effect::Certain);
                self.figures.ended += 1;
            }
        }
        self.ended.push_back((step, ending));
        while self.ended.len() > KEPT {
            self.ended.pop_front();
        }
    }

    /// How many are ending, or have ended since this step, what is this person's at this application.
    fn endings_since(&self, step: u64, person: usize, application: usize) -> usize {
        let over = self.ended.iter().filter(|(ended, _)| *ended > step).map(|(_, ending)| ending);
        let is_theirs = |ending: &&Ending| {
            ending.person == person && ending.application.is_none_or(|at| at == application)
        };
        self.endings.values().chain(over).filter(is_theirs).count()
    }

    /// What is given to nobody who is kept out, and to no third party without consent.
    fn must_be_allowed(&self, person: usize, application: usize, begun: Begun) -> Result<(), Broken> {
        if self.blocks[person].is_certain_before(begun.step, true) {
            return Err("something was given to a person who is kept out".to_owned());
        }
        if APPLICATIONS[application].is_third_party
            && self.consents[person].is_certain_before(begun.step, false)
        {
            return Err("something was given to a third party without the person's consent".to_owned());
        }
        Ok(())
    }

    /// Whether consent may have been missing.
    fn may_lack_consent(&self, person: usize, application: usize, begun: Begun) -> bool {
        APPLICATIONS[application].is_third_party && !self.consents[person].is_certain_before(begun.step, true)
    }

    /// A refusal that says that the person is kept out must have a reason.
    fn must_be_blocked(&self, person: usize, begun: Begun) -> Result<(), Broken> {
        if self.blocks[person].is_certain_before(begun.step, false) {
            return Err("a person was refused as kept out whom nobody keeps out".to_owned());
        }
        Ok(())
    }

    /// An access token says what was granted, and ends to the second.
    fn must_be_a_token(
        &self,
        body: &Value,
        person: usize,
        application: usize,
        span: Span,
    ) -> Result<(), Broken> {
        let text = body["access_token"].as_str().ok_or("an answer without an access token")?;
        let (_, claims) = jwt_core::dangerous_inspect(text).map_err(|_| "an access token that is no JWT")?;
        let claims: Value = serde_json::from_str(&claims).map_err(|_| "claims that are no JSON")?;
        let end = claims["exp"].as_u64().ok_or("an access token without an end")?;
        let token = self.tokens.verify(text, end - 1).map_err(|refusal| format!("the API says {refusal}"))?;
        if self.tokens.verify(text, end).is_ok() {
            return Err("an access token is accepted at its end".to_owned());
        }
        let issued_at = token.issued_at.unwrap_or_default();
        if issued_at < span.low || span.high < issued_at || end != issued_at + TOKEN_LIFETIME {
            return Err(format!("an access token from {issued_at} to {end}, asked for in {span:?}"));
        }
        let is_right = token.subject == who(person).as_str()
            && token.client_id.as_deref() == Some(APPLICATIONS[application].id)
            && SCOPE.split(' ').all(|scope| token.scope.contains(scope));
        if is_right { Ok(()) } else { Err(format!("an access token that says {token:?}")) }
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// Forgets the oldest of which nothing is under way, where there are too many.
fn forget<T>(from: &mut BTreeMap<u64, T>, at_most: usize, is_open: impl Fn(&T) -> bool) {
    while from.len() > at_most {
        let Some(oldest) = from.iter().find(|(_, one)| !is_open(one)).map(|(id, _)| *id) else { return };
        from.remove(&oldest);
    }
}

/// The code of an OAuth error.
fn error_of(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    body["error"].as_str().unwrap_or_default().to_owned()
}

fn unexpected(reply: &Reply) -> Broken {
    format!("an answer that nothing explains: {} {}", reply.status, reply.text())
}
