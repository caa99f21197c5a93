//! What may be asked next: the dice choose, among what there is.

use super::client::{Heard, Presented, Server};
use super::dice::Dice;
use super::oracle::{Code, Family, Oracle};
use super::place::{APPLICATIONS, PEOPLE};
use crate::callback_of;

/// How something is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As it should be.
    Right,
    /// By another client, which authenticates as itself and knows everything else.
    OtherClient,
    /// With another code verifier.
    OtherVerifier,
    /// Without a code verifier.
    NoVerifier,
    /// With another redirect URI.
    OtherRedirect,
    /// At another tenant, by the client of the same name.
    Elsewhere,
}

impl How {
    /// Whether it is presented by the client that it was given to.
    pub(super) fn is_of_the_client(self) -> bool {
        !matches!(self, Self::OtherClient | Self::Elsewhere)
    }

    fn of_code(dice: &mut Dice) -> Self {
        match dice.below(20) {
            0 | 1 => Self::OtherClient,
            2 => Self::OtherVerifier,
            3 => Self::NoVerifier,
            4 => Self::OtherRedirect,
            5 => Self::Elsewhere,
            _ => Self::Right,
        }
    }

    fn of_token(dice: &mut Dice) -> Self {
        match dice.below(20) {
            0 => Self::OtherClient,
            1 => Self::Elsewhere,
            _ => Self::Right,
        }
    }
}

/// A question. Numbers name what the oracle keeps in mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A person logs in in a new browser.
    LogIn { person: usize },
    /// An application asks for a code, without a dialog.
    Authorize { browser: u64, application: usize, verifier: usize },
    /// The third party asks for a code, and the person answers.
    Consent { browser: u64, verifier: usize, accepts: bool },
    /// A code is redeemed.
    Redeem { code: u64, how: How },
    /// A token is refreshed.
    Refresh { family: u64, token: usize, how: How },
    /// A token is taken back.
    Revoke { family: u64, token: usize, how: How },
    /// A browser is logged out.
    LogOut { browser: u64 },
    /// A person withdraws what the third party was allowed.
    Withdraw { person: usize },
    /// An administrator keeps a person out, or lets them in.
    Block { person: usize, is_blocked: bool },
    /// An administrator ends all refresh tokens of a person.
    EndAll { person: usize },
    /// The timer lets rows leave.
    Sweep,
    /// The timer looks for what others changed.
    Look,
}

/// How likely each question is. Each run likes others: some never block anybody, some do little else than refresh.
#[derive(Clone, Debug)]
pub(super) struct Habits([u64; 12]);

impl Habits {
    pub(super) fn of(dice: &mut Dice) -> Self {
        let mut weights = [4, 24, 8, 26, 30, 3, 2, 1, 1, 1, 2, 1];
        for (place, weight) in weights.iter_mut().enumerate() {
            // What everything else comes of is done in every run.
            let needed = matches!(place, 0 | 1 | 3);
            *weight *= match dice.below(4) {
                0 if !needed => 0,
                3 => 3,
                _ => 1,
            };
        }
        Self(weights)
    }
}

impl Asked {
    /// The third party's place among the applications.
    pub(super) const THIRD_PARTY: usize = 2;

    /// What is asked next.
    pub(super) fn choose(dice: &mut Dice, habits: &Habits, oracle: &Oracle) -> Self {
        let person = dice.index(PEOPLE.len());
        if oracle.may_be_blocked(person) && dice.percent(10) {
            return Self::Block { person, is_blocked: false };
        }
        if oracle.browsers.is_empty() {
            return Self::LogIn { person };
        }
        let recent = |dice: &mut Dice, ids: Vec<u64>| {
            // Half of all questions are about what is new: there they meet.
            let among = if dice.percent(50) { ids.len().saturating_sub(2) } else { 0 };
            dice.pick(&ids[among..])
        };
        // What is good is presented more often than what is not: it takes many steps to come by.
        let is_good = dice.percent(75);
        let codes = |oracle: &Oracle| -> Vec<u64> {
            let now = oracle.clock.now();
            let good = |code: &Code| !is_good || code.is_good(now);
            oracle.codes.iter().filter(|(_, code)| good(code)).map(|(id, _)| *id).collect()
        };
        let families = |oracle: &Oracle| -> Vec<u64> {
            let good = |family: &Family| !is_good || family.is_good(oracle.clock.now());
            oracle.families.iter().filter(|(_, family)| good(family)).map(|(id, _)| *id).collect()
        };
        let browser = recent(dice, oracle.browsers.keys().copied().collect()).unwrap_or_default();
        let verifier = dice.index(super::client::VERIFIERS.len());
        let authorize = Self::Authorize { browser, application: dice.index(APPLICATIONS.len()), verifier };
        let mut rest = dice.below(habits.0.iter().sum());
        let mut place = 0;
        for weight in habits.0 {
            if rest < weight {
                break;
            }
            rest -= weight;
            place += 1;
        }
        match place {
            0 => Self::LogIn { person },
            2 => Self::Consent { browser, verifier, accepts: dice.percent(85) },
            3 => match recent(dice, codes(oracle)) {
                Some(code) => Self::Redeem { code, how: How::of_code(dice) },
                None => authorize,
            },
            4 | 5 => {
                let Some(family) = recent(dice, families(oracle)) else {
                    return authorize;
                };
                let count = oracle.families[&family].tokens.len();
                let token = match dice.below(10) {
                    0 => dice.index(count),
                    1 | 2 => count.saturating_sub(2),
                    _ => count - 1,
                };
                let how = How::of_token(dice);
                if place == 4 {
                    Self::Refresh { family, token, how }
                } else {
                    Self::Revoke { family, token, how }
                }
            }
            6 => Self::LogOut { browser },
            7 => Self::Withdraw { person },
            // Whoever is kept out is let in again soon.
            8 => Self::Block { person, is_blocked: !oracle.may_be_blocked(person) },
            9 => Self::EndAll { person },
            10 => Self::Sweep,
            11 => Self::Look,
            _ => authorize,
        }
    }

    /// Whether what is asked for is still kept in mind.
    pub(super) fn is_possible(&self, oracle: &Oracle) -> bool {
        match self {
            Self::Authorize { browser, .. } | Self::Consent { browser, .. } | Self::LogOut { browser } => {
                oracle.browsers.contains_key(browser)
            }
            Self::Redeem { code, .. } => oracle.codes.contains_key(code),
            Self::Refresh { family, .. } | Self::Revoke { family, .. } => {
                oracle.families.contains_key(family)
            }
            _ => true,
        }
    }

    /// What somebody would try next who wants to see whether the answer was meant; whoever heard nothing asks again.
    pub(super) fn afterwards(self, dice: &mut Dice, is_heard: bool, oracle: &Oracle) -> Option<Self> {
        let how = How::Right;
        let refresh = |family: u64| {
            let token = oracle.families.get(&family)?.tokens.len() - 1;
            Some(Self::Refresh { family, token, how })
        };
        let is_lost = !is_heard;
        match self {
            Self::Redeem { how: How::Right, .. }
            | Self::Refresh { how: How::Right, .. }
            | Self::Withdraw { .. }
                if is_lost =>
            {
                Some(self)
            }
            Self::Redeem { code, .. } => refresh(oracle.codes.get(&code)?.family?),
            Self::Refresh { family, .. } | Self::Revoke { family, .. } => refresh(family),
            Self::LogOut { browser } => Some(Self::Authorize { browser, application: 0, verifier: 0 }),
            // What was allowed once more may not bring back what was given before.
            Self::Withdraw { person } => {
                let mut theirs = oracle.browsers.iter().filter(|(_, browser)| browser.person == person);
                let (browser, _) = theirs.next_back()?;
                Some(Self::Consent { browser: *browser, verifier: 0, accepts: true })
            }
            Self::Consent { browser, .. } => {
                let person = oracle.browsers.get(&browser)?.person;
                let is_theirs = |family: &Family| {
                    family.person == person && family.application == Self::THIRD_PARTY && family.may_be_over()
                };
                let theirs: Vec<u64> = oracle
                    .families
                    .iter()
                    .filter(|(_, family)| is_theirs(family))
                    .map(|(id, _)| *id)
                    .collect();
                refresh(dice.pick(&theirs)?)
            }
            Self::EndAll { person } | Self::Block { person, .. } => {
                let mut theirs = oracle.families.iter().rev().filter(|(_, family)| family.person == person);
                theirs.next().and_then(|(family, _)| refresh(*family))
            }
            _ => None,
        }
    }

    /// The application that sends the request, where one does.
    pub(super) fn client(&self, oracle: &Oracle) -> Option<&'static str> {
        let (owner, how) = match self {
            Self::Redeem { code, how } => (oracle.codes.get(code)?.application, *how),
            Self::Refresh { family, how, .. } | Self::Revoke { family, how, .. } => {
                (oracle.families.get(family)?.application, *how)
            }
            _ => return None,
        };
        Some(APPLICATIONS[sender(owner, how)].id)
    }

    /// The question, on its way to a server.
    pub(super) async fn ask(self, server: Server, said: Said) -> Heard {
        match (self, said) {
            (Self::LogIn { person }, _) => server.log_in(person).await,
            (Self::Authorize { application, verifier, .. }, Said::Cookie(cookie)) => {
                server.authorize(application, verifier, cookie).await
            }
            (Self::Consent { verifier, accepts, .. }, Said::Cookie(cookie)) => {
                server.consent(Self::THIRD_PARTY, verifier, cookie, accepts).await
            }
            (Self::LogOut { .. }, Said::Cookie(cookie)) => server.log_out(cookie).await,
            (Self::Redeem { how, .. }, Said::Code(owner, code)) => {
                server.redeem(tenant(how), sender(owner, how), code).await
            }
            (Self::Refresh { how, .. }, Said::Token(owner, token)) => {
                server.refresh(tenant(how), sender(owner, how), token).await
            }
            (Self::Revoke { how, .. }, Said::Token(owner, token)) => {
                server.revoke(tenant(how), sender(owner, how), token).await
            }
            (Self::Withdraw { person }, _) => server.withdraw(person, Self::THIRD_PARTY).await,
            (Self::Block { person, is_blocked }, _) => server.block(person, is_blocked).await,
            (Self::EndAll { person }, _) => server.end_all(person).await,
            (Self::Sweep, _) => server.sweep().await,
            (Self::Look, _) => server.look().await,
            (asked, said) => Heard::Refused(format!("{asked:?} says {said:?}")),
        }
    }

    /// What is said with the question.
    pub(super) fn said(&self, oracle: &Oracle) -> Said {
        match self {
            Self::Authorize { browser, .. } | Self::Consent { browser, .. } | Self::LogOut { browser } => {
                Said::Cookie(oracle.browsers[browser].cookie.clone())
            }
            Self::Redeem { code, how } => {
                let code = &oracle.codes[code];
                let other = APPLICATIONS[(code.application + 1) % APPLICATIONS.len()].id;
                let own = APPLICATIONS[code.application].id;
                let to = if *how == How::OtherRedirect { other } else { own };
                let verifier = match how {
                    How::NoVerifier => None,
                    How::OtherVerifier => Some((code.verifier + 1) % super::client::VERIFIERS.len()),
                    _ => Some(code.verifier),
                };
                let code_text = code.text.clone();
                let presented = Presented { code: code_text, redirect_uri: callback_of(to), verifier };
                Said::Code(code.application, presented)
            }
            Self::Refresh { family, token, .. } | Self::Revoke { family, token, .. } => {
                let family = &oracle.families[family];
                Said::Token(family.application, family.tokens[*token].text.clone())
            }
            _ => Said::Nothing,
        }
    }
}

/// What is said with a question.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Nothing,
    Cookie(String),
    Code(usize, Presented),
    Token(usize, String),
}

/// Who presents what was given to the owner.
fn sender(owner: usize, how: How) -> usize {
    if how == How::OtherClient { (owner + 1) % APPLICATIONS.len() } else { owner }
}

fn tenant(how: How) -> usize {
    usize::from(how == How::Elsewhere)
}
