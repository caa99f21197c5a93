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

/// What a request with `prompt=none` would have to show, and is refused for (OpenID Connect Core 1.0
/// §3.1.2.6).
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

/// What comes next: login, then consent, then the confirmation of a callback that shows nothing of its owner,
/// then the answer.
///
/// A login in this flow answers `prompt=login`, `prompt=select_account` and `max_age`, however long the
/// person then thinks about the consent. It does not answer for whom the request means: that is asked until
/// it is so, since no token may be for somebody else. A session that ended, is not the question's user's or
/// is a blocked person's is none.
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
    //= OpenID Connect Core 1.0 §3.1.2.1
    if facts.expected_user.is_some_and(|expected| *expected != session.user) {
        return Some(LoginReason::AnotherUser);
    }
    if facts.login_answered == Some(&session.id) {
        return None;
    }
    //= OpenID Connect Core 1.0 §3.1.2.3
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::Question;
    use crate::fixtures::{client, resource_server, session, user};
    use records::{Audience, Client, Lifetime, ResourceServer, TenantSettings, User, UserGrant, UserGrantId};

    const NOW: u64 = 1_000_000;

    /// The records behind the facts. As made, nothing stands in the way of the answer.
    #[derive(Clone)]
    struct Case {
        client: Client,
        settings: TenantSettings,
        api: ResourceServer,
        scopes: ScopeSet,
        redirect_uri: &'static str,
        asks_for_consent: bool,
        grant: Option<UserGrant>,
        user: User,
        session: Option<Session>,
        now: UnixTime,
        prompts: Prompts,
        max_age: Option<u32>,
        expected_user: Option<UserId>,
        login_answered: Option<SessionId>,
        saw_a_page: bool,
    }

    impl Case {
        fn new() -> Self {
            let scopes = ScopeSet::parse("openid read").unwrap();
            let api = resource_server("read write");
            Self {
                client: client(),
                settings: TenantSettings::default(),
                grant: Some(UserGrant {
                    id: UserGrantId::parse("0123456789abcdef01234567").unwrap(),
                    user: user().id,
                    client: client().id,
                    audience: Audience::Api(api.id.clone()),
                    scopes: scopes.clone(),
                    left_out: ScopeSet::default(),
                    created_at: UnixTime(0),
                    updated_at: UnixTime(0),
                }),
                api,
                scopes,
                redirect_uri: "https://app.example.com/cb",
                asks_for_consent: false,
                user: user(),
                session: Some(session(UnixTime(NOW))),
                now: UnixTime(NOW),
                prompts: Prompts::default(),
                max_age: None,
                expected_user: None,
                login_answered: None,
                saw_a_page: false,
            }
        }

        fn next(&self) -> Next {
            let question = Question {
                client: &self.client,
                settings: &self.settings,
                api: Some(&self.api),
                scopes: &self.scopes,
                redirect_uri: self.redirect_uri,
                asks_for_consent: self.asks_for_consent,
                grant: self.grant.as_ref(),
                administrative: None,
                user: &self.user,
            };
            next(&Facts {
                now: self.now,
                person: self.session.as_ref().map(|session| Person { session, question }),
                prompts: self.prompts,
                max_age: self.max_age,
                expected_user: self.expected_user.as_ref(),
                login_answered: self.login_answered.as_ref(),
                saw_a_page: self.saw_a_page,
            })
        }

        /// The same after a login in this flow.
        fn logged_in(&self) -> Self {
            let session = session(self.now);
            Self {
                login_answered: Some(session.id.clone()),
                session: Some(session),
                saw_a_page: true,
                ..self.clone()
            }
        }
    }

    const PROCEED: Next = Next::Proceed { consent: Why::Granted };

    fn consent(missing: &str) -> Next {
        Next::Consent { missing: ScopeSet::parse(missing).unwrap() }
    }

    fn another() -> UserId {
        UserId::parse("auth0|another").unwrap()
    }

    #[test]
    fn who_is_logged_in_and_consented_gets_the_answer_at_once() {
        assert_eq!(Case::new().next(), PROCEED);
    }

    //= AZ-24
    //= OpenID Connect Core 1.0 §3.1.2.3
    #[test]
    fn az_24_who_is_not_logged_in_must_log_in() {
        let next = Case { session: None, ..Case::new() }.next();
        assert_eq!(next, Next::Login(LoginReason::NoSession));
        assert_eq!(next.required(), Some(Required::Login));
    }

    #[test]
    fn a_session_that_ended_or_is_somebody_elses_is_none() {
        let case = Case::new();
        let mut other = session(UnixTime(NOW));
        other.user = another();
        for case in [
            Case { now: UnixTime(NOW + 3600), ..case.clone() },
            Case { session: Some(other), ..case.clone() },
            Case { user: User { is_blocked: true, ..user() }, ..case.clone() },
            Case { user: User { is_blocked: true, ..user() }, ..case.logged_in() },
        ] {
            assert_eq!(case.next(), Next::Login(LoginReason::NoSession));
        }
    }

    //= AZ-27
    //= OpenID Connect Core 1.0 §3.1.2.1
    #[test]
    fn az_27_prompt_login_and_select_account_want_a_login_in_this_flow() {
        for (prompts, reason) in [
            (Prompts { login: true, ..Prompts::default() }, LoginReason::Prompted),
            (Prompts { select_account: true, ..Prompts::default() }, LoginReason::SelectAccount),
        ] {
            let case = Case { prompts, ..Case::new() };
            assert_eq!(case.next(), Next::Login(reason));
            assert_eq!(Case { saw_a_page: true, ..case.clone() }.next(), Next::Login(reason));
            assert_eq!(case.logged_in().next(), PROCEED);
        }
    }

    #[test]
    fn a_login_that_began_another_session_answers_nothing() {
        let prompts = Prompts { login: true, ..Prompts::default() };
        let other = Some(SessionId::parse("session-two").unwrap());
        let case = Case { prompts, max_age: Some(0), login_answered: other, ..Case::new() };
        assert_eq!(case.next(), Next::Login(LoginReason::Prompted));
        let case = Case { prompts: Prompts::default(), ..case };
        assert_eq!(case.next(), Next::Login(LoginReason::TooLongAgo));
    }

    //= AZ-28
    //= OpenID Connect Core 1.0 §3.1.2.1
    #[test]
    fn az_28_a_login_longer_ago_than_max_age_does_not_count() {
        for (age, max_age, counts) in [
            (0, 1, true),
            (1, 1, true),
            (2, 1, false),
            (3599, 3599, true),
            (3599, 3598, false),
            (3599, u32::MAX, true),
        ] {
            let case = Case { now: UnixTime(NOW + age), max_age: Some(max_age), ..Case::new() };
            let expected = if counts { PROCEED } else { Next::Login(LoginReason::TooLongAgo) };
            assert_eq!(case.next(), expected, "{age} {max_age}");
        }
    }

    #[test]
    fn max_age_0_forces_a_login_even_in_the_same_second() {
        let case = Case { max_age: Some(0), ..Case::new() };
        assert_eq!(case.next(), Next::Login(LoginReason::TooLongAgo));
        assert_eq!(case.logged_in().next(), PROCEED);
    }

    #[test]
    fn who_thinks_longer_than_max_age_about_the_consent_need_not_log_in_again() {
        for max_age in [0, 1] {
            let case = Case { max_age: Some(max_age), ..Case::new() }.logged_in();
            assert_eq!(Case { now: UnixTime(NOW + 600), ..case }.next(), PROCEED);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_login_old() {
        let session = Session { authenticated_at: UnixTime(NOW + 100), ..session(UnixTime(NOW)) };
        assert_eq!(Case { session: Some(session), max_age: Some(1), ..Case::new() }.next(), PROCEED);
    }

    //= AZ-29, AZ-33
    //= OpenID Connect Core 1.0 §3.1.2.1, §5.5.1
    #[test]
    fn az_29_somebody_else_than_the_request_means_never_gets_the_answer() {
        let case = Case { expected_user: Some(another()), ..Case::new() };
        assert_eq!(case.next(), Next::Login(LoginReason::AnotherUser));
        assert_eq!(case.logged_in().next(), Next::Login(LoginReason::AnotherUser), "not even after a login");
        assert_eq!(case.next().required(), Some(Required::Login));
        assert_eq!(Case { expected_user: Some(user().id), ..case }.next(), PROCEED);
    }

    //= AZ-25
    //= OpenID Connect Core 1.0 §3.1.2.4
    #[test]
    fn az_25_what_is_not_allowed_yet_is_asked_after_the_login() {
        let prompts = Prompts { login: true, ..Prompts::default() };
        let case = Case { scopes: ScopeSet::parse("openid read write").unwrap(), prompts, ..Case::new() };
        assert_eq!(
            case.next(),
            Next::Login(LoginReason::Prompted),
            "nobody is asked who may not be the person"
        );
        assert_eq!(case.logged_in().next(), consent("write"));
        assert_eq!(case.logged_in().next().required(), Some(Required::Consent));
        assert_eq!(Case { grant: None, ..case }.logged_in().next(), consent("openid read write"));
    }

    #[test]
    fn prompt_consent_is_asked_until_it_is_answered() {
        let prompts = Prompts { consent: true, ..Prompts::default() };
        let case = Case { prompts, asks_for_consent: true, ..Case::new() };
        assert_eq!(case.next(), consent(""));
        assert_eq!(Case { asks_for_consent: false, ..case }.next(), PROCEED);
    }

    //= RFC 8252 §8.6
    #[test]
    fn a_callback_that_shows_nothing_of_its_owner_is_confirmed_last() {
        for redirect_uri in ["com.example.app:/cb", "http://127.0.0.1:9999/cb", "http://localhost:3000/"] {
            let case = Case { redirect_uri, ..Case::new() };
            assert_eq!(case.next(), Next::ConfirmCallback);
            assert_eq!(case.next().required(), Some(Required::Interaction));
            assert_eq!(Case { session: None, ..case.clone() }.next(), Next::Login(LoginReason::NoSession));
            assert_eq!(Case { grant: None, ..case.clone() }.next(), consent("openid read"));
            assert_eq!(Case { saw_a_page: true, ..case.clone() }.next(), PROCEED);
            assert_eq!(case.logged_in().next(), PROCEED, "the login page named the application");
        }
    }

    #[test]
    fn the_client_and_then_the_tenant_say_whether_callbacks_are_confirmed() {
        for (of_client, of_tenant, skips) in [
            (None, false, false),
            (None, true, true),
            (Some(false), true, false),
            (Some(true), false, true),
            (Some(false), false, false),
            (Some(true), true, true),
        ] {
            let client =
                Client { skip_non_verifiable_callback_uri_confirmation_prompt: of_client, ..client() };
            let settings = TenantSettings {
                skip_non_verifiable_callback_uri_confirmation_prompt: of_tenant,
                ..TenantSettings::default()
            };
            let case = Case { client, settings, redirect_uri: "com.example.app:/cb", ..Case::new() };
            assert_eq!(
                case.next(),
                if skips { PROCEED } else { Next::ConfirmCallback },
                "{of_client:?} {of_tenant}"
            );
        }
    }

    #[test]
    fn the_answer_says_why_no_dialog_was_needed() {
        let case = Case::new();
        let api =
            ResourceServer { skip_consent_for_verifiable_first_party_clients: true, ..case.api.clone() };
        let next = Case { api, grant: None, ..case }.next();
        assert_eq!(next, Next::Proceed { consent: Why::ApiSkipsForFirstParty });
        assert_eq!(next.required(), None);
    }

    #[test]
    fn whatever_the_request_wants_each_page_is_shown_at_most_once() {
        let flags = |bits: u32| {
            let has = |bit: u32| bits & (1 << bit) != 0;
            Case {
                prompts: Prompts { none: false, login: has(0), consent: has(1), select_account: has(2) },
                asks_for_consent: has(1),
                session: has(3).then(|| session(UnixTime(NOW))),
                max_age: has(4).then_some(0),
                grant: Case::new().grant.filter(|_| has(5)),
                redirect_uri: if has(6) { "com.example.app:/cb" } else { "https://app.example.com/cb" },
                ..Case::new()
            }
        };
        for bits in 0..1 << 7 {
            let mut case = flags(bits);
            let mut pages = Vec::new();
            loop {
                case.now = case.now.after(Lifetime(30));
                match case.next() {
                    Next::Login(_) => {
                        pages.push("login");
                        case = case.logged_in();
                    }
                    Next::Consent { .. } => {
                        pages.push("consent");
                        case.asks_for_consent = false;
                        case.saw_a_page = true;
                        case.grant = Case::new().grant;
                    }
                    Next::ConfirmCallback => {
                        pages.push("confirmation");
                        case.saw_a_page = true;
                    }
                    Next::Proceed { .. } => break,
                }
                assert!(pages.len() <= 2, "{bits:b}: {pages:?}");
            }
            let mut distinct = pages.clone();
            distinct.dedup();
            assert_eq!(pages, distinct, "{bits:b}");
            assert!(!pages.contains(&"confirmation") || pages.len() == 1, "{bits:b}: {pages:?}");
        }
    }
}
