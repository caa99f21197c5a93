//! What the server acknowledged, and when: what must hold however its process ends.

use std::collections::VecDeque;

use super::dice::Stamp;

/// How many things of a kind are remembered; older ones were checked many times.
const MOST: usize = 60;
/// How many tokens of a family are remembered.
const TOKENS: usize = 2_000;

/// Something that was asked for, and perhaps acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// When it was first sent.
    pub(crate) at: Stamp,
    /// When the whole answer was there, if it came.
    pub(crate) answered: Option<Stamp>,
}

/// The moment whose state is looked at: what was answered before `from` had to be durable, what was asked after `to` cannot
/// have happened, and what lies between may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) from: Stamp,
    pub(crate) to: Stamp,
}

/// Whether something happened, as of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Yes,
    Perhaps,
    No,
}

impl Asked {
    /// Sent then, and not answered yet.
    pub(crate) fn at(at: Stamp) -> Self {
        Self { at, answered: None }
    }

    /// Whether it had happened.
    pub(crate) fn as_of(&self, cut: Cut) -> Happened {
        match self.answered {
            Some(answered) if answered <= cut.from => Happened::Yes,
            _ if self.at > cut.to => Happened::No,
            _ => Happened::Perhaps,
        }
    }
}

/// The same of something that may not even have been asked for.
pub(crate) fn as_of(asked: Option<&Asked>, cut: Cut) -> Happened {
    asked.map_or(Happened::No, |asked| asked.as_of(cut))
}

/// A refresh token that was received.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) asked: Asked,
}

/// A family of refresh tokens: a login at an application.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// The name that the ledger gave it.
    pub(crate) number: u64,
    /// The tokens in the order in which they were received.
    pub(crate) tokens: VecDeque<Token>,
    /// A rotation that was asked for and not answered: the next answer is to it, too.
    pub(crate) rotation: Option<Stamp>,
    /// Revoked, or ended by a replay.
    pub(crate) ended: Option<Asked>,
    /// Somebody goes on rotating it, so it is not forgotten.
    pub(crate) is_turned: bool,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) issued: Asked,
    pub(crate) redeemed: Option<Asked>,
    /// The family that it began: using the code again ends that.
    pub(crate) family: Option<u64>,
}

/// Somebody who logged in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) cookies: String,
    pub(crate) begun: Asked,
    pub(crate) ended: Option<Asked>,
}

/// An API that was registered.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) identifier: String,
    pub(crate) made: Asked,
    pub(crate) removed: Option<Asked>,
}

/// What one client was told, or all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) families: VecDeque<Family>,
    pub(crate) codes: VecDeque<Code>,
    pub(crate) sessions: VecDeque<Session>,
    pub(crate) apis: VecDeque<Api>,
    /// The public keys, which must stay.
    pub(crate) jwks: String,
    /// Acknowledged operations, those of machines included.
    pub(crate) acknowledged: u64,
    /// Of those, how many changed something.
    pub(crate) changes: u64,
    /// Answers that said the server cannot answer now (503).
    pub(crate) unavailable: u64,
    /// Answers that must not have come.
    pub(crate) wrong: Vec<String>,
    next: u64,
}

impl Ledger {
    /// Notes an acknowledged change.
    pub(crate) fn changed(&mut self) {
        self.acknowledged += 1;
        self.changes += 1;
    }

    /// Notes a new family by its first token; returns its number.
    pub(crate) fn family(&mut self, text: String, asked: Asked) -> u64 {
        self.next += 1;
        let tokens = VecDeque::from([Token { text, asked }]);
        self.families.push_back(Family {
            number: self.next,
            tokens,
            rotation: None,
            ended: None,
            is_turned: false,
        });
        // The server itself lets go of the oldest where a person has 200 at an application.
        let is_over = |family: &Family| family.ended.is_some() || !family.is_turned;
        if self.families.len() > MOST
            && let Some(oldest) = self.families.iter().position(is_over)
        {
            self.families.remove(oldest);
        }
        self.next
    }

    /// The family of this number.
    pub(crate) fn family_mut(&mut self, number: u64) -> Option<&mut Family> {
        self.families.iter_mut().rev().find(|family| family.number == number)
    }

    /// Notes a code.
    pub(crate) fn code(&mut self, code: Code) {
        push(&mut self.codes, code);
    }

    /// Notes a session.
    pub(crate) fn session(&mut self, session: Session) {
        push(&mut self.sessions, session);
    }

    /// Notes an API.
    pub(crate) fn api(&mut self, api: Api) {
        push(&mut self.apis, api);
    }

    /// Adds what another client was told. Numbers of families are then no names any more.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.families.extend(other.families);
        self.codes.extend(other.codes);
        self.sessions.extend(other.sessions);
        self.apis.extend(other.apis);
        if self.jwks.is_empty() {
            self.jwks = other.jwks;
        }
        self.acknowledged += other.acknowledged;
        self.changes += other.changes;
        self.unavailable += other.unavailable;
        self.wrong.extend(other.wrong);
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T) {
    queue.push_back(item);
    if queue.len() > MOST {
        queue.pop_front();
    }
}

impl Family {
    /// Notes the token that a rotation gave.
    pub(crate) fn rotated(&mut self, text: String, asked: Asked) {
        self.rotation = None;
        self.tokens.push_back(Token { text, asked });
        if self.tokens.len() > TOKENS {
            self.tokens.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_answered_before_the_moment_must_hold() {
        let cut = Cut { from: 10, to: 12 };
        let asked = |at, answered| Asked { at, answered };
        assert_eq!(asked(5, Some(10)).as_of(cut), Happened::Yes);
        assert_eq!(asked(5, Some(11)).as_of(cut), Happened::Perhaps);
        assert_eq!(asked(5, None).as_of(cut), Happened::Perhaps);
        assert_eq!(asked(12, Some(20)).as_of(cut), Happened::Perhaps);
        assert_eq!(asked(13, Some(20)).as_of(cut), Happened::No);
        assert_eq!(as_of(None, cut), Happened::No);
    }

    #[test]
    fn a_family_that_is_rotated_is_not_forgotten() {
        let mut ledger = Ledger::default();
        let kept = ledger.family("a".to_owned(), Asked::at(1));
        ledger.family_mut(kept).unwrap().rotated("b".to_owned(), Asked::at(2));
        ledger.family_mut(kept).unwrap().is_turned = true;
        for number in 0..200 {
            ledger.family(format!("t{number}"), Asked::at(3));
        }
        assert_eq!(ledger.families.len(), MOST);
        assert_eq!(ledger.family_mut(kept).unwrap().tokens.len(), 2);
    }
}
