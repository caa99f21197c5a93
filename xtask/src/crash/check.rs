//! Whether a server still stands by everything that was acknowledged, and by nothing that was ended.

use std::collections::BTreeSet;
use std::time::Duration;

use super::browser::{Browser, Went, redeem, refresh};
use super::dice::{Dice, Stamp, stamp};
use super::ledger::{Asked, Code, Cut, Family, Happened, Ledger, Session, Token, as_of};
use super::site::Site;
use super::wire::{Reply, Wire};
use crate::process::{Failure, failed, output};

/// How much of a ledger is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The newest of each kind and some others, so that the clients can go on with what is left.
    Newest,
    /// Everything, until nothing is left to go on with.
    Everything,
}

/// How many of the newest of a kind are looked at, and how many older ones.
const NEWEST: usize = 8;
const OLDER: usize = 4;
/// A code lives for 60 seconds; younger ones than this must be good, however slow the machine is.
const YOUNG: Stamp = 30_000_000;
/// How often an answer is waited for that a server which has just started may not be able to give yet.
const TRIES: usize = 5;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// How many acknowledged answers were held against the server.
    pub(crate) checked: u64,
    /// What was acknowledged and is not there.
    pub(crate) lost: Vec<String>,
    /// What had ended and is there again.
    pub(crate) resurrected: Vec<String>,
    /// Answers that are neither.
    pub(crate) odd: Vec<String>,
}

impl Findings {
    /// Adds those of another check.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.checked += other.checked;
        self.lost.extend(other.lost);
        self.resurrected.extend(other.resurrected);
        self.odd.extend(other.odd);
    }

    /// Whether something is wrong.
    pub(crate) fn is_bad(&self) -> bool {
        !(self.lost.is_empty() && self.resurrected.is_empty() && self.odd.is_empty())
    }

    /// A failure where something is wrong.
    pub(crate) fn must_be_clean(&self) -> Result<(), Failure> {
        if self.is_bad() { failed(self.to_string()) } else { Ok(()) }
    }
}

impl std::fmt::Display for Findings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (lost, resurrected) = (self.lost.len(), self.resurrected.len());
        write!(f, "{} answers checked, {lost} lost, {resurrected} resurrected", self.checked)?;
        for (kind, found) in
            [("lost", &self.lost), ("resurrected", &self.resurrected), ("an odd answer", &self.odd)]
        {
            for text in found.iter().take(5) {
                write!(f, "\n    {kind}: {text}")?;
            }
        }
        Ok(())
    }
}

/// What the server says of a credential.
enum Says {
    Good(Reply),
    Dead,
    Odd(String),
}

/// The moment now: everything that was answered must hold.
pub(crate) fn now() -> Cut {
    let now = stamp();
    Cut { from: now, to: now }
}

/// Holds a ledger against a server whose state is that of the moment `cut`. What the check itself changes is written down.
pub(crate) fn check(
    site: &Site,
    ledger: &mut Ledger,
    cut: Cut,
    depth: Depth,
    dice: &mut Dice,
) -> Result<Findings, Failure> {
    check_with(site, ledger, cut, depth, (TRIES, dice))
}

/// The same of a server whose "later" never ends.
pub(crate) fn check_impatiently(
    site: &Site,
    ledger: &mut Ledger,
    cut: Cut,
    dice: &mut Dice,
) -> Result<Findings, Failure> {
    check_with(site, ledger, cut, Depth::Everything, (1, dice))
}

fn check_with(
    site: &Site,
    ledger: &mut Ledger,
    cut: Cut,
    depth: Depth,
    (tries, dice): (usize, &mut Dice),
) -> Result<Findings, Failure> {
    let mut check = Check { site, wire: site.wire(), cut, depth, tries, dice, found: Findings::default() };
    check.keys(ledger);
    for at in check.chosen(ledger.families.len()) {
        if let Some(family) = ledger.families.get_mut(at) {
            check.family(family);
        }
    }
    for at in check.chosen(ledger.codes.len()) {
        check.code(ledger, at);
    }
    for at in check.chosen(ledger.sessions.len()) {
        if let Some(session) = ledger.sessions.get(at) {
            check.session(session);
        }
    }
    check.apis(ledger)?;
    Ok(check.found)
}

struct Check<'a> {
    site: &'a Site,
    wire: Wire,
    cut: Cut,
    depth: Depth,
    /// How often something is asked that is answered "later".
    tries: usize,
    dice: &'a mut Dice,
    found: Findings,
}

impl Check<'_> {
    /// Which of so many are looked at.
    fn chosen(&mut self, count: usize) -> BTreeSet<usize> {
        match self.depth {
            Depth::Everything => (0..count).collect(),
            Depth::Newest => {
                let newest = count.saturating_sub(NEWEST);
                let older = (0..OLDER).map(|_| self.dice.below(newest)).filter(|at| *at < newest);
                older.chain(newest..count).collect()
            }
        }
    }

    /// Asks until the answer is none of "later".
    fn patiently(&mut self, ask: impl Fn(&mut Wire, &Site) -> Reply) -> Says {
        let mut reply = ask(&mut self.wire, self.site);
        for _ in 1..self.tries {
            if !matches!(reply.status(), 0 | 503) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            reply = ask(&mut self.wire, self.site);
        }
        match reply.status() {
            200 => Says::Good(reply),
            400..=403 if reply.text("error").as_deref() == Some("invalid_grant") => Says::Dead,
            status => Says::Odd(format!("{status} {}", reply.body().chars().take(300).collect::<String>())),
        }
    }

    fn present(&mut self, token: &str) -> Says {
        self.patiently(|wire, site| refresh(wire, &site.cast, token))
    }

    fn keys(&mut self, ledger: &Ledger) {
        if ledger.jwks.is_empty() {
            return;
        }
        match self.patiently(|wire, _| wire.fetch("/.well-known/jwks.json")) {
            Says::Good(reply) if reply.body() == ledger.jwks => self.found.checked += 1,
            Says::Good(reply) => self.found.lost.push(format!("the public keys are {}", reply.body())),
            Says::Dead => self.found.odd.push("the public keys are refused".to_owned()),
            Says::Odd(why) => self.found.odd.push(format!("the public keys: {why}")),
        }
    }

    fn family(&mut self, family: &mut Family) {
        match as_of(family.ended.as_ref(), self.cut) {
            Happened::Yes => self.ended_family(family),
            Happened::No => self.living_family(family),
            Happened::Perhaps if self.depth == Depth::Everything => {
                let Some(token) = family.tokens.back().map(|token| token.text.clone()) else { return };
                if let Says::Odd(why) = self.present(&token) {
                    self.found.odd.push(format!("a token of a family that may have ended: {why}"));
                }
            }
            // Who asked for its end asks again.
            Happened::Perhaps => {}
        }
    }

    fn ended_family(&mut self, family: &Family) {
        let oldest = family.tokens.get(self.dice.below(family.tokens.len()));
        let tokens: Vec<Token> = family.tokens.back().into_iter().chain(oldest).cloned().collect();
        for token in tokens {
            self.must_be_dead(&token.text, "a token of a revoked family");
        }
    }

    /// Returns whether the server says so.
    fn must_be_dead(&mut self, token: &str, what: &str) -> bool {
        match self.present(token) {
            Says::Dead => {
                self.found.checked += 1;
                return true;
            }
            Says::Good(_) => self.found.resurrected.push(what.to_owned()),
            Says::Odd(why) => self.found.odd.push(format!("{what}: {why}")),
        }
        false
    }

    /// The newest token that the server knows must be one that was surely given, or a later one.
    fn living_family(&mut self, family: &mut Family) {
        let count = family.tokens.len();
        let Some(sure) = family.tokens.iter().rposition(|token| token.asked.as_of(self.cut) == Happened::Yes)
        else {
            return;
        };
        // What was given after the moment is not known yet and refused, which ends nothing.
        let mut held = None;
        for at in (sure..count).rev() {
            let Some(token) = family.tokens.get(at).cloned() else { continue };
            if token.asked.as_of(self.cut) == Happened::No {
                continue;
            }
            match self.present(&token.text) {
                Says::Good(reply) => {
                    held = reply.text("refresh_token");
                    break;
                }
                Says::Dead => {}
                Says::Odd(why) => return self.found.odd.push(format!("a live token: {why}")),
            }
        }
        let (at, answered) = (stamp(), Some(stamp()));
        let Some(next) = held else {
            self.found.lost.push(format!("the newest token of a family, its {}th", sure + 1));
            self.older_tokens(family, sure);
            family.ended = Some(Asked { at, answered });
            return;
        };
        self.found.checked += 1;
        family.rotated(next.clone(), Asked { at, answered });
        // The one before it is the one that a lost answer is asked for again with; what is older is reuse.
        if sure >= 2 && (self.depth == Depth::Everything || self.dice.percent(4)) {
            let at = stamp();
            let old = family.tokens.get(self.dice.below(sure - 1)).cloned();
            if !old.is_some_and(|old| self.must_be_dead(&old.text, "a token that was rotated away")) {
                // A server that could not end it said so.
                return;
            }
            self.must_be_dead(&next, "a family whose old token was used again");
            family.ended = Some(Asked { at, answered: Some(stamp()) });
        }
    }

    /// Whether a family that is not where it should be is where it was before.
    fn older_tokens(&mut self, family: &Family, sure: usize) {
        for token in family.tokens.iter().take(sure).rev().take(200) {
            if let Says::Good(_) = self.present(&token.text) {
                return self.found.resurrected.push("a token that was rotated away".to_owned());
            }
        }
    }

    fn code(&mut self, ledger: &mut Ledger, at: usize) {
        let Some(code) = ledger.codes.get(at).cloned() else { return };
        let says = |check: &mut Self, code: &Code| {
            check.patiently(|wire, site| redeem(wire, &site.cast, &code.text))
        };
        let begun = stamp();
        match (code.issued.as_of(self.cut), as_of(code.redeemed.as_ref(), self.cut)) {
            (_, Happened::Yes) => {
                let over = code
                    .family
                    .and_then(|number| ledger.family_mut(number))
                    .is_none_or(|family| family.ended.is_some_and(|ended| ended.answered.is_some()));
                // It ends what the code began, so it is done to some only.
                if !over && self.depth == Depth::Newest && !self.dice.percent(5) {
                    return;
                }
                match says(self, &code) {
                    Says::Dead => self.found.checked += 1,
                    Says::Good(_) => self.found.resurrected.push("a code that was redeemed".to_owned()),
                    Says::Odd(why) => self.found.odd.push(format!("a code that was redeemed: {why}")),
                }
                if let Some(family) = code.family.and_then(|number| ledger.family_mut(number)) {
                    family.ended = Some(Asked { at: begun, answered: Some(stamp()) });
                }
            }
            (Happened::Yes, Happened::No) if stamp().saturating_sub(code.issued.at) < YOUNG => {
                match says(self, &code) {
                    Says::Good(reply) => {
                        self.found.checked += 1;
                        let asked = Asked { at: begun, answered: Some(stamp()) };
                        let number = reply.text("refresh_token").map(|token| ledger.family(token, asked));
                        if let Some(code) = ledger.codes.get_mut(at) {
                            (code.redeemed, code.family) = (Some(asked), number);
                        }
                    }
                    Says::Dead => self.found.lost.push("a code that was not redeemed yet".to_owned()),
                    Says::Odd(why) => self.found.odd.push(format!("a fresh code: {why}")),
                }
            }
            _ => {}
        }
    }

    fn session(&mut self, session: &Session) {
        let expected = match (session.begun.as_of(self.cut), as_of(session.ended.as_ref(), self.cut)) {
            (_, Happened::Yes) => false,
            (Happened::Yes, Happened::No) => true,
            _ => return,
        };
        let mut browser = Browser::with_cookies(self.site.wire(), &session.cookies);
        let mut went = browser.silently(&self.site.cast);
        for _ in 1..self.tries {
            if !matches!(went, Went::Nothing | Went::Unavailable) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            went = browser.silently(&self.site.cast);
        }
        match (expected, went) {
            (true, Went::Code(_)) | (false, Went::LoggedOut) => self.found.checked += 1,
            (true, Went::LoggedOut) => self.found.lost.push("a session".to_owned()),
            (false, Went::Code(_)) => self.found.resurrected.push("a session".to_owned()),
            (_, went) => self.found.odd.push(format!("a session: {went:?}")),
        }
    }

    fn apis(&mut self, ledger: &Ledger) -> Result<(), Failure> {
        if ledger.apis.is_empty() {
            return Ok(());
        }
        let text = output(&mut self.site.command(&["apis", "list", "--json"]))?;
        let list: Vec<serde_json::Value> = match serde_json::from_str(&text) {
            Ok(list) => list,
            Err(error) => return failed(format!("`authd apis list --json`: {error}: {text}")),
        };
        let there: BTreeSet<&str> =
            list.iter().filter_map(|api| api.get("identifier").and_then(|name| name.as_str())).collect();
        for api in &ledger.apis {
            let is_there = there.contains(api.identifier.as_str());
            match (api.made.as_of(self.cut), as_of(api.removed.as_ref(), self.cut), is_there) {
                (_, Happened::Yes, false) | (Happened::Yes, Happened::No, true) => self.found.checked += 1,
                (_, Happened::Yes, true) => {
                    self.found.resurrected.push(format!("the API {}", api.identifier))
                }
                (Happened::Yes, Happened::No, false) => {
                    self.found.lost.push(format!("the API {}", api.identifier));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
