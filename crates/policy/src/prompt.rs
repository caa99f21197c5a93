//! What does the person see next? (OpenID Connect Core 1.0 §3.1.2.1, §3.1.2.3, §3.1.2.4.)

use records::{ScopeSet, Session, SessionId, UnixTime, UserId};

use crate::consent::{self, ConsentNext, Why};
use crate::redirect_uri;

/// The words of the `prompt` parameter. That `none` stands alone is for the parser to see to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Nothing may be shown.
    pub none: bool,
    /// The person must prove again who they are.
    pub login: bool,
    /// The person must be asked again.
    pub consent: bool,
    /// The person must choose who to be.
    pub select_account: bool,
}

/// The person in the browser, as far as the session says.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// The browser's session.
    pub session: &'a Session,
    /// The question of consent, about the session's user.
    pub question: consent::Question<'a>,
}

/// What the answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The time.
    pub now: UnixTime,
    /// Who is there, if anybody.
    pub person: Option<Person<'a>>,
    /// The request's `prompt`.
    pub prompts: Prompts,
    /// The request's `max_age`, in seconds.
    pub max_age: Option<u32>,
    /// Whom the request means: by its `id_token_hint`, or by the value of `sub` in its `claims`.
    pub expected_user: Option<&'a UserId>,
    /// The session that a login in this very flow began, if there was one. Any other session answers nothing.
    pub login_answered: Option<&'a SessionId>,
    /// Whether the person saw a page in this flow and acted on it, the confirmation included.
    pub saw_a_page: bool,
}

/// Why the person must log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginReason {
    /// Nobody is logged in.
    NoSession,
    /// Somebody else than the request means is.
    AnotherUser,
    /// `prompt=login`.
    Prompted,
    /// `prompt=select_account`.
    SelectAccount,
    /// The last login is longer ago than `max_age`.
    TooLongAgo,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The login page.
    Login(LoginReason),
    /// The consent dialog.
    Consent {
        /// What of it is new.
        missing: ScopeSet,
    },
    /// A page that says which application is about to be opened, because its address does not.
    ConfirmCallback,
    /// The answer.
    Proceed {
        /// Why no dialog is needed any more.
        consent: Why,
    },
}

/// What a request with `prompt=none` would have to show, and is refused for (OpenID Connect Core 1.0 §3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// A login page.
    Login,
    /// A consent dialog.
    Consent,
    /// Any other page.
    Interaction,
}

impl Next {
    /// What must be shown; `None` where nothing must.
    pub fn required(&self) -> Option<Required> {
        match self {
            Self::Login(_) => Some(Required::Login),
            Self::Consent { .. } => Some(Required::Consent),
            Self::ConfirmCallback => Some(Required::Interaction),
            Self::Proceed { .. } => None,
        }
    }
}

/// What comes next: login, then consent, then the confirmation of a callback that shows nothing of its owner, then the
/// answer.
///
/// A login in this flow answers `prompt=login`, `prompt=select_account` and `max_age`, however long the person then
/// thinks about the consent. It does not answer for whom the request means: that is asked until it is so, since no token
/// may be for somebody else. A session that ended, is not the question's user's or is a blocked person's is none.
///
/// With `prompt=none` a request is refused where [`Next::required`] names something.
pub fn next(facts: &Facts<'_>) -> Next {
    let person = facts.person.as_ref().filter(|person| {
        let user = person.question.user;
        person.session.is_live(facts.now) && person.session.user == user.id && !user.is_blocked
    });
    let Some(person) = person else { return Next::Login(LoginReason::NoSession) };
    if let Some(reason) = must_log_in(facts, person.session) {
        return Next::Login(reason);
    }
    let consent = match consent::next(&person.question) {
        ConsentNext::Ask { missing } => return Next::Consent { missing },
        ConsentNext::Skip(why) => why,
    };
    if must_confirm_callback(facts, &person.question) {
        return Next::ConfirmCallback;
    }
    Next::Proceed { consent }
}

fn must_log_in(facts: &Facts<'_>, session: &Session) -> Option<LoginReason> {
    //= OIDC Core §3.1.2.1
    if facts.expected_user.is_some_and(|expected| *expected != session.user) {
        return Some(LoginReason::AnotherUser);
    }
    if facts.login_answered == Some(&session.id) {
        return None;
    }
    //= OIDC Core §3.1.2.3
    if facts.prompts.login {
        return Some(LoginReason::Prompted);
    }
    if facts.prompts.select_account {
        return Some(LoginReason::SelectAccount);
    }
    let age = facts.now.0.saturating_sub(session.authenticated_at.0);
    let is_too_long = |max_age: u32| max_age == 0 || age > u64::from(max_age);
    facts.max_age.is_some_and(is_too_long).then_some(LoginReason::TooLongAgo)
}

fn must_confirm_callback(facts: &Facts<'_>, question: &consent::Question<'_>) -> bool {
    let skips = question
        .client
        .skip_non_verifiable_callback_uri_confirmation_prompt
        .unwrap_or(question.settings.skip_non_verifiable_callback_uri_confirmation_prompt);
    !facts.saw_a_page && !skips && redirect_uri::shows_nothing_of_its_owner(question.redirect_uri)
}
