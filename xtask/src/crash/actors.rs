//! What each of the busy clients does, and what it writes down of it.

use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::browser::{Browser, Went, redeem, refresh, revoke};
use super::dice::{Dice, Stamp, stamp};
use super::ledger::{Api, Asked, Code, Ledger, Session};
use super::load::Gate;
use super::site::{Site, machine_token};
use super::wire::Wire;
use crate::process::{Failure, failed};

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Rotates refresh tokens.
    Rotator,
    /// Gets codes, redeems them, replays them, revokes what they gave.
    Redeemer,
    /// Asks for its own tokens, and reads the public keys.
    Machine,
    /// Logs in by the pages, and out.
    Person,
    /// Registers and removes APIs by command.
    Administrator,
}

/// How many families a rotator turns.
const FAMILIES: usize = 3;
/// How long nobody is asked who did not answer.
const REST: Duration = Duration::from_millis(3);

/// One client.
pub(crate) struct Actor {
    role: Role,
    number: usize,
    site: Site,
    dice: Dice,
    wire: Wire,
    browser: Browser,
    ledger: Arc<Mutex<Ledger>>,
    gate: Arc<Gate>,
    /// The families of a rotator.
    turned: Vec<u64>,
    made: u64,
}

impl Actor {
    /// A client of this role, logged in where people are.
    pub(crate) fn new(
        role: Role,
        number: usize,
        site: Site,
        dice: Dice,
        ledger: Arc<Mutex<Ledger>>,
        gate: Arc<Gate>,
    ) -> Result<Self, Failure> {
        let (wire, mut browser) = (site.wire(), Browser::new(site.wire()));
        if matches!(role, Role::Rotator | Role::Redeemer) {
            let person = site.cast.people.get(number).cloned().unwrap_or_default();
            match browser.log_in(&site.cast, &person) {
                Went::Code(_) => {}
                went => return failed(format!("{person} cannot log in: {went:?}")),
            }
        }
        Ok(Self { role, number, site, dice, wire, browser, ledger, gate, turned: Vec::new(), made: 0 })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing.
    pub(crate) fn step(&mut self) {
        match self.role {
            Role::Rotator => self.rotate(),
            Role::Redeemer => self.redeem(),
            Role::Machine => self.ask_as_machine(),
            Role::Person => self.come_and_go(),
            Role::Administrator => self.administer(),
        }
    }

    /// An answer that was not hoped for: cut off, 503, or one that must not have come.
    fn surprise(&mut self, what: &str, status: u16, body: &str) {
        match status {
            0 => self.gate.rest(REST),
            503 => {
                self.ledger().unavailable += 1;
                self.gate.rest(REST);
            }
            _ => {
                let text = format!("{what}: {status} {}", body.chars().take(300).collect::<String>());
                self.ledger().wrong.push(text);
                self.gate.rest(Duration::from_millis(50));
            }
        }
    }

    fn surprised_by(&mut self, what: &str, went: &Went) {
        match went {
            Went::Nothing => self.surprise(what, 0, ""),
            Went::Unavailable => self.surprise(what, 503, ""),
            Went::Code(_) => self.surprise(what, 1, "a code"),
            Went::TooMany => self.surprise(what, 1, "too many attempts"),
            Went::LoggedOut => self.surprise(what, 1, "nobody is logged in"),
            Went::Odd(text) => self.surprise(what, 1, text),
        }
    }

    /// A code by the session, without a page.
    fn code(&mut self) -> Option<(String, Asked)> {
        let at = stamp();
        match self.browser.silently(&self.site.cast) {
            Went::Code(code) => {
                let issued = Asked { at, answered: Some(stamp()) };
                let mut ledger = self.ledger();
                ledger.changed();
                ledger.code(Code { text: code.clone(), issued, redeemed: None, family: None });
                Some((code, issued))
            }
            went => {
                self.surprised_by("a code for somebody who is logged in", &went);
                None
            }
        }
    }

    /// Redeems a code that was just issued; returns the number of the family that it began.
    fn family(&mut self, code: &str) -> Option<u64> {
        let at = stamp();
        let note = |ledger: &mut Ledger, asked: Asked| {
            if let Some(code) = ledger.codes.iter_mut().rev().find(|known| known.text == code) {
                code.redeemed = Some(asked);
            }
        };
        note(&mut self.ledger(), Asked::at(at));
        let reply = redeem(&mut self.wire, &self.site.cast, code);
        let Some(token) = reply.text("refresh_token").filter(|_| reply.status() == 200) else {
            self.surprise("redeeming a fresh code", reply.status(), reply.body());
            return None;
        };
        let asked = Asked { at, answered: Some(stamp()) };
        let mut ledger = self.ledger();
        ledger.changed();
        note(&mut ledger, asked);
        let number = ledger.family(token, asked);
        if let Some(code) = ledger.codes.iter_mut().rev().find(|known| known.text == code) {
            code.family = Some(number);
        }
        Some(number)
    }

    fn rotate(&mut self) {
        if self.turned.len() < FAMILIES {
            if let Some((code, _)) = self.code()
                && let Some(number) = self.family(&code)
            {
                self.turned.push(number);
                if let Some(family) = self.ledger().family_mut(number) {
                    family.is_turned = true;
                }
            }
            return;
        }
        let Some(&number) = self.dice.one_of(&self.turned) else { return };
        let ending = self.ledger().family_mut(number).is_some_and(|family| family.ended.is_some());
        if ending || self.dice.percent(1) {
            if self.end_family(number) {
                self.turned.retain(|turned| *turned != number);
            }
            return;
        }
        let present = self.ledger().family_mut(number).and_then(|family| {
            let asked = family.rotation.unwrap_or_else(stamp);
            family.rotation = Some(asked);
            Some((family.tokens.back()?.text.clone(), asked))
        });
        let Some((token, at)) = present else {
            self.turned.retain(|turned| *turned != number);
            return;
        };
        let reply = refresh(&mut self.wire, &self.site.cast, &token);
        match reply.text("refresh_token").filter(|_| reply.status() == 200) {
            Some(next) => {
                let mut ledger = self.ledger();
                ledger.changed();
                if let Some(family) = ledger.family_mut(number) {
                    family.rotated(next, Asked { at, answered: Some(stamp()) });
                }
            }
            None => {
                self.surprise("rotating the present token", reply.status(), reply.body());
                if reply.status() >= 400 && reply.status() != 503 {
                    self.turned.retain(|turned| *turned != number);
                }
            }
        }
    }

    /// Revokes a family, or asks again where no answer came. Whether it was acknowledged.
    fn end_family(&mut self, number: u64) -> bool {
        let present = self.ledger().family_mut(number).and_then(|family| {
            let ended = *family.ended.get_or_insert_with(|| Asked::at(stamp()));
            Some((family.tokens.back()?.text.clone(), ended.at))
        });
        let Some((token, at)) = present else { return true };
        let reply = revoke(&mut self.wire, &self.site.cast, &token);
        if reply.status() != 200 {
            self.surprise("revoking", reply.status(), reply.body());
            return false;
        }
        self.ended(number, at);
        true
    }

    fn ended(&mut self, number: u64, at: Stamp) {
        let mut ledger = self.ledger();
        ledger.changed();
        if let Some(family) = ledger.family_mut(number) {
            family.ended = Some(Asked { at, answered: Some(stamp()) });
        }
    }

    fn redeem(&mut self) {
        let Some((code, _)) = self.code() else { return };
        if self.dice.percent(30) {
            // It is left for the check, or until it expires.
            return;
        }
        let Some(number) = self.family(&code) else { return };
        match self.dice.below(4) {
            0 => {
                // Once more, should the answer have been lost; after that it stays in doubt.
                let _acknowledged = self.end_family(number) || self.end_family(number);
            }
            1 => {
                let at = stamp();
                if let Some(family) = self.ledger().family_mut(number) {
                    family.ended = Some(Asked::at(at));
                }
                let reply = redeem(&mut self.wire, &self.site.cast, &code);
                match reply.status() {
                    400..=499 => self.ended(number, at),
                    status => self.surprise("redeeming a code again", status, reply.body()),
                }
            }
            _ => {}
        }
    }

    fn ask_as_machine(&mut self) {
        if self.dice.percent(5) || self.ledger().jwks.is_empty() {
            let reply = self.wire.fetch("/.well-known/jwks.json");
            if reply.status() != 200 {
                return self.surprise("the public keys", reply.status(), reply.body());
            }
            let mut ledger = self.ledger();
            if ledger.jwks.is_empty() {
                reply.body().clone_into(&mut ledger.jwks);
            } else if ledger.jwks != reply.body() {
                ledger.wrong.push("the public keys changed".to_owned());
            }
            ledger.acknowledged += 1;
            return;
        }
        let reply = machine_token(&mut self.wire, &self.site.cast);
        match reply.text("access_token").filter(|_| reply.status() == 200) {
            Some(_) => self.ledger().acknowledged += 1,
            None => self.surprise("a machine's token", reply.status(), reply.body()),
        }
        self.gate.rest(Duration::from_millis(1));
    }

    fn come_and_go(&mut self) {
        let others = self.site.cast.people.get(self.number..).unwrap_or_default();
        let person = self.dice.one_of(others).cloned().unwrap_or_default();
        let (mut browser, at) = (Browser::new(self.site.wire()), stamp());
        match browser.log_in(&self.site.cast, &person) {
            // A login that was cut off counts as a wrong guess, until one succeeds or time passes.
            Went::TooMany => return self.gate.rest(Duration::from_millis(100)),
            Went::Code(_) => {
                let begun = Asked { at, answered: Some(stamp()) };
                let mut ledger = self.ledger();
                ledger.changed();
                ledger.session(Session { cookies: browser.cookies(), begun, ended: None });
            }
            went => return self.surprised_by("a login by the pages", &went),
        }
        if self.dice.percent(50) {
            let at = stamp();
            let note = |ledger: &mut Ledger, asked: Asked| {
                if let Some(session) = ledger.sessions.back_mut() {
                    session.ended = Some(asked);
                }
            };
            note(&mut self.ledger(), Asked::at(at));
            let reply = browser.log_out(&self.site.cast);
            if reply.status() == 302 {
                let mut ledger = self.ledger();
                ledger.changed();
                note(&mut ledger, Asked { at, answered: Some(stamp()) });
            } else {
                self.surprise("a logout", reply.status(), reply.body());
            }
        }
        // Passwords are verified slowly, on purpose.
        self.gate.rest(Duration::from_millis(300));
    }

    fn administer(&mut self) {
        let removed = if self.dice.percent(30) { self.known_api() } else { None };
        let at = stamp();
        let identifier = match &removed {
            Some(identifier) => identifier.clone(),
            None => {
                self.made += 1;
                format!("urn:crash:{}:{at}:{}", self.number, self.made)
            }
        };
        let note = |ledger: &mut Ledger, asked: Asked| match (
            &removed,
            ledger.apis.iter_mut().find(|api| api.identifier == identifier),
        ) {
            (Some(_), Some(api)) => api.removed = Some(asked),
            (None, Some(api)) => api.made = asked,
            (None, None) => {
                ledger.api(Api { identifier: identifier.clone(), made: asked, removed: None });
            }
            (Some(_), None) => {}
        };
        note(&mut self.ledger(), Asked::at(at));
        let mut command = match &removed {
            Some(identifier) => self.site.command(&["apis", "delete", identifier]),
            None => self.site.command(&["apis", "create", "-n", "Made", "-i", &identifier, "-s", "read"]),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Some are killed on the way, too.
        let killed = self.dice.percent(20).then(|| self.dice.milliseconds(1, 60));
        let began = Instant::now();
        let Ok(mut child) = command.spawn() else { return self.gate.rest(Duration::from_millis(50)) };
        let done = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status.success(),
                Ok(None) if killed.is_some_and(|after| began.elapsed() > after) => {
                    let _it_may_have_ended = child.kill();
                    let _reaped = child.wait();
                    break false;
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Err(_) => break false,
            }
        };
        if done {
            let mut ledger = self.ledger();
            ledger.changed();
            note(&mut ledger, Asked { at, answered: Some(stamp()) });
        }
        self.gate.rest(Duration::from_millis(20));
    }

    fn known_api(&mut self) -> Option<String> {
        let known: Vec<String> = {
            let ledger = self.ledger();
            let kept = ledger.apis.iter().filter(|api| api.made.answered.is_some() && api.removed.is_none());
            kept.map(|api| api.identifier.clone()).collect()
        };
        // Some are left for the check.
        if known.len() < 4 { None } else { self.dice.one_of(&known).cloned() }
    }
}
