//! A login and consent under way: what the browser carries for us, sealed (docs/adr/0007).

use records::{HandleId, ScopeSet, SecretBytes, SessionId, UnixTime};
use serde::{Deserialize, Serialize};

use super::AuthorizeParams;
use crate::Moment;

/// How long a person may take from the first page to the answer, in seconds.
pub const FLOW_LIFETIME: u64 = 3600;
/// How long the browser may take from a page's answer back to the authorization endpoint, in seconds.
pub const RESUME_WITHIN: u64 = 300;
/// The most bytes of names and values that a flow carries.
pub(super) const CARRIES: usize = 5120;

/// The person's answer to the consent dialog of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentGiven {
    /// The session in which it was answered. What was allowed stands in the store, not here.
    pub session: SessionId,
    /// Whether anything was allowed.
    pub accepted: bool,
}

/// What was answered in a flow so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// The session that a login in this flow began.
    pub login: Option<SessionId>,
    /// The answer to the consent dialog.
    pub consent: Option<ConsentGiven>,
    /// The answer to the confirmation of the callback.
    pub confirmed: Option<bool>,
}

impl Answers {
    /// Whether the person saw a page of ours in this flow.
    pub fn saw_a_page(&self) -> bool {
        self.login.is_some() || self.consent.is_some() || self.confirmed.is_some()
    }
}

/// Where a flow leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// Back to the authorization endpoint, which answers a client.
    #[default]
    Authorization,
    /// To a person's own page with us. There is no client, and no request.
    OwnPage,
}

/// A flow. Its id is used up by the commit that answers the client.
#[derive(Clone, PartialEq, Eq)]
pub struct Flow {
    /// Its own id.
    pub id: HandleId,
    /// Where it leads.
    pub destination: Destination,
    /// The request that is to be answered. Empty where there is none.
    pub params: AuthorizeParams,
    /// The digest of the cookie of the browser in which it began, and where alone it goes on.
    pub browser: String,
    /// When it is over.
    pub expires_at: UnixTime,
    /// Until when the authorization endpoint takes it back; `None` while a page is to be answered.
    pub resume_by: Option<UnixTime>,
    /// The session about which a page asks, so that nobody else's answer counts.
    pub asked: Option<SessionId>,
    /// What a dialog shows ([`super::consent::fingerprint`]), so that an answer is an answer to that and nothing else.
    pub shown: Option<String>,
    /// What was answered so far.
    pub answers: Answers,
}

impl Flow {
    /// A flow that begins now in the browser whose cookie has this digest.
    ///
    /// # Errors
    /// None in practice: what is made fits the alphabet.
    pub fn begin(
        params: AuthorizeParams,
        browser: String,
        moment: &Moment,
    ) -> Result<Self, records::Invalid> {
        let id = crate::generate::prefixed(moment, "flow_", 32);
        Ok(Self {
            id: HandleId::parse(&id)?,
            destination: Destination::Authorization,
            params,
            browser,
            expires_at: UnixTime(moment.now.0.saturating_add(FLOW_LIFETIME)),
            resume_by: None,
            asked: None,
            shown: None,
            answers: Answers::default(),
        })
    }

    /// A flow that leads to a person's own page.
    ///
    /// # Errors
    /// None in practice: what is made fits the alphabet.
    pub fn begin_to_own_page(browser: String, moment: &Moment) -> Result<Self, records::Invalid> {
        let begun = Self::begin(AuthorizeParams::default(), browser, moment)?;
        Ok(Self { destination: Destination::OwnPage, ..begun })
    }

    /// The flow as a page carries it: about this session if there is one, and about what a dialog shows.
    #[must_use]
    pub fn asking(&self, about: Option<SessionId>, shown: Option<String>) -> Self {
        Self { asked: about, shown, resume_by: None, ..self.clone() }
    }

    /// The flow as the browser carries it back, with another answer.
    #[must_use]
    pub fn answered(&self, answers: Answers, now: UnixTime) -> Self {
        let resume_by = UnixTime(now.0.saturating_add(RESUME_WITHIN)).min(self.expires_at);
        Self { asked: None, shown: None, resume_by: Some(resume_by), answers, ..self.clone() }
    }

    /// The flow after a login in it began this session.
    #[must_use]
    pub fn with_login(&self, session: SessionId, now: UnixTime) -> Self {
        // A consent that somebody else gave before is no answer any more.
        let answers = Answers { login: Some(session), consent: None, confirmed: self.answers.confirmed };
        self.answered(answers, now)
    }

    /// Whether it is over.
    pub fn is_over(&self, now: UnixTime) -> bool {
        now >= self.expires_at
    }

    /// Whether the authorization endpoint takes it back.
    pub fn may_resume(&self, now: UnixTime) -> bool {
        !self.is_over(now) && self.resume_by.is_some_and(|by| now < by)
    }

    /// The flow as it is sealed.
    pub fn to_bytes(&self) -> SecretBytes {
        let consent = self.answers.consent.as_ref();
        let form = Form {
            id: self.id.as_str(),
            request: self.params.entries().collect(),
            browser: &self.browser,
            exp: self.expires_at.0,
            resume: self.resume_by.map(|at| at.0),
            asked: self.asked.as_ref().map(SessionId::as_str),
            shown: self.shown.as_deref(),
            login: self.answers.login.as_ref().map(SessionId::as_str),
            consent: consent.map(|given| (given.session.as_str(), given.accepted)),
            confirmed: self.answers.confirmed,
            own: self.destination == Destination::OwnPage,
        };
        // Strings, numbers and flags: nothing that could fail to serialize.
        SecretBytes::new(serde_json::to_vec(&form).unwrap_or_default())
    }

    /// The flow that was sealed; `None` where it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let form: OwnedForm = serde_json::from_slice(bytes).ok()?;
        let session = |text: String| SessionId::parse(&text).ok();
        let optional = |text: Option<String>| match text {
            Some(text) => session(text).map(Some),
            None => Some(None),
        };
        let consent = match form.consent {
            Some((text, accepted)) => Some(ConsentGiven { session: session(text)?, accepted }),
            None => None,
        };
        Some(Self {
            id: HandleId::parse(&form.id).ok()?,
            destination: if form.own { Destination::OwnPage } else { Destination::Authorization },
            params: AuthorizeParams::of_entries(
                form.request.iter().map(|(name, value)| (name.as_str(), value.as_str())),
            )?,
            browser: form.browser,
            expires_at: UnixTime(form.exp),
            resume_by: form.resume.map(UnixTime),
            asked: optional(form.asked)?,
            shown: form.shown,
            answers: Answers { login: optional(form.login)?, consent, confirmed: form.confirmed },
        })
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow").field("id", &self.id).field("params", &self.params).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Form<'f> {
    id: &'f str,
    request: Vec<(&'static str, &'f str)>,
    browser: &'f str,
    exp: u64,
    resume: Option<u64>,
    asked: Option<&'f str>,
    shown: Option<&'f str>,
    login: Option<&'f str>,
    consent: Option<(&'f str, bool)>,
    confirmed: Option<bool>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    own: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedForm {
    id: String,
    request: Vec<(String, String)>,
    browser: String,
    exp: u64,
    resume: Option<u64>,
    asked: Option<String>,
    shown: Option<String>,
    login: Option<String>,
    consent: Option<(String, bool)>,
    confirmed: Option<bool>,
    #[serde(default)]
    own: bool,
}

/// What of the optional scopes the person left out and is not asked for again.
pub(super) fn without(scopes: &ScopeSet, left_out: &ScopeSet) -> ScopeSet {
    scopes.difference(left_out)
}
