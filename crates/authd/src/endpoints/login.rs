//! `/u/login`: the page and its answer, for an application or for the person's own page (OpenID Connect Core 1.0 §3.1.2.3; threats LC-01, LC-02, LC-09, LC-10).

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, header};
use hyper::body::Body;
use oauth_grants::Moment;
use oauth_grants::authorize::{AuthorizeError, Destination, Flow, Rejected, ValidRequest, validate};
use records::{
    AuthenticationMethod, Connection, ConsumedHandle, LoginName, SecretText, Session, User, Versioned, Write,
};
use store::CommitError;

use super::authorize::{LOGIN_PATH, RESUME_PATH, answer, any_flow_of, facts, page_error};
use super::grants::GRANTS_PATH;
use crate::administration::ATTEMPTS;
use crate::app::{App, Called, Trace};
use crate::failure::Failure;
use crate::flow;
use crate::http::form::{self, Form};
use crate::http::peer::Peer;
use crate::http::response::{Answer, see_other, with_header};
use crate::http::{cookies, csrf};
use crate::keys::TenantKeys;
use crate::logins::{Counters, Source, Verdict};
use crate::pages::{self, LoginProblem};

/// Shows the login page, or takes what was typed into it.
pub async fn respond<B>(
    app: &App,
    called: &Called,
    parts: &Parts,
    body: B,
    trace: &mut Trace,
) -> Result<Answer, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let keys = app.keys().of(app.stores(), &called.tenant.record.id).await?;
    let is_answer = parts.method == Method::POST;
    if is_answer && !csrf::same_origin(&parts.headers, &called.origin) {
        return Ok(answer::cross_site(app, called, trace));
    }
    let form = match form::read(body, &parts.headers, &app.limits()).await {
        Ok(form) => form,
        Err(answer) => return Ok(answer),
    };
    let moment = app.moments().draw();
    let flow = match any_flow_of(app, called, parts, &keys, &moment, trace) {
        Ok(flow) => flow,
        Err(answer) => return Ok(answer),
    };
    let settings = &called.tenant.record.settings;
    if flow.destination == Destination::OwnPage {
        let attempt = Attempt { app, called, parts, keys: &keys, flow: &flow };
        let Some(name) = &settings.default_directory else {
            return Ok(answer::expired(app, called, trace));
        };
        let Some(connection) = called.store.connection(name).await? else {
            return Ok(answer::expired(app, called, trace));
        };
        if !is_answer {
            return Ok(attempt.page(None, "", None, &moment));
        }
        let (username, password) = typed(&form);
        return attempt.take(None, &connection.record, username, password, trace).await;
    }
    let client = facts::client(&called.store, &flow.params).await?;
    let client = client.as_ref().map(|client| &client.record);
    trace.client_id = client.map(|client| client.id.clone());
    let attempt = Attempt { app, called, parts, keys: &keys, flow: &flow };
    // What cannot be answered any more is refused by the authorization endpoint.
    let Ok(request) = validate(&flow.params, client, settings, &called.origin) else {
        return attempt.resume(flow.clone(), &moment);
    };
    let connection = match request.connection.as_ref().or(settings.default_directory.as_ref()) {
        Some(name) => called.store.connection(name).await?,
        None => None,
    };
    let Some(connection) =
        connection.filter(|found| found.record.enabled_clients.include(&request.client.id))
    else {
        return attempt.resume(flow.clone(), &moment);
    };
    if !is_answer {
        let hint = flow.params.text("login_hint").unwrap_or_default();
        return Ok(attempt.page(Some(&request), hint, None, &moment));
    }
    let (username, password) = typed(&form);
    attempt.take(Some(&request), &connection.record, username, password, trace).await
}

fn typed(form: &Form) -> (&str, &str) {
    (form.one("username").unwrap_or_default(), form.one("password").unwrap_or_default())
}

/// The surroundings of an attempt. Where a request is said to be `None`, the person logs in to their own page.
struct Attempt<'a> {
    app: &'a App,
    called: &'a Called,
    parts: &'a Parts,
    keys: &'a TenantKeys,
    flow: &'a Flow,
}

impl Attempt<'_> {
    /// Verifies what was typed; on success begins a session and goes on.
    async fn take(
        &self,
        request: Option<&ValidRequest<'_>>,
        connection: &Connection,
        username: &str,
        password: &str,
        trace: &mut Trace,
    ) -> Result<Answer, Failure> {
        let (app, called) = (self.app, self.called);
        let name = LoginName::typed(username);
        let source = Source::Peer(self.parts.extensions.get().copied().unwrap_or(Peer::Proxy));
        let counters = Counters::of(app, called, connection, name.as_ref(), source)?;
        let password = SecretText::new(password.to_owned());
        let moment = app.moments().draw();
        let refuse = |trace: &mut Trace, name: &str, problem: LoginProblem| {
            trace.refused = Some(name.to_owned());
            Ok(self.page(request, username, Some(problem), &moment))
        };
        let verified = match counters.verify(password, &moment).await? {
            Verdict::Matches(user) => user,
            Verdict::Differs => return refuse(trace, "wrong_credentials", LoginProblem::WrongCredentials),
            // Only the log says that it is something else.
            Verdict::Locked => return refuse(trace, "account_locked", LoginProblem::WrongCredentials),
            Verdict::TooMany(wait) => {
                let problem = LoginProblem::TooManyAttempts { wait: wait.0 };
                return refuse(trace, "too_many_attempts", problem);
            }
            Verdict::Busy => return refuse(trace, "busy", LoginProblem::Busy),
        };
        for _ in 0..ATTEMPTS {
            let Some(user) = counters.person_again(&verified.record).await? else {
                return refuse(trace, "wrong_credentials", LoginProblem::WrongCredentials);
            };
            if user.record.is_blocked {
                return self.blocked(request, trace).await;
            }
            match self.begin(&user, &counters).await? {
                Some(answer) => return Ok(answer),
                None => continue,
            }
        }
        Err(Failure::Contended)
    }

    /// Begins a session; `None` where something that it relied on changed.
    async fn begin(
        &self,
        user: &Versioned<User>,
        counters: &Counters<'_>,
    ) -> Result<Option<Answer>, Failure> {
        let (called, moment) = (self.called, self.app.moments().draw());
        let (settings, scheme) = (&called.tenant.record.settings, called.origin.scheme());
        // Always another id: one that somebody planted before is worth nothing after (LC-02).
        let (id, cookie) = cookies::new_session(&moment, scheme, settings.session_lifetime)
            .map_err(|invalid| Failure::Unsigned(invalid.to_string()))?;
        let (expires_at, idle_expires_at) = policy::session::ends(settings, moment.now);
        let session = Session {
            id: id.clone(),
            user: user.record.id.clone(),
            authenticated_at: user.record.authenticated_at(moment.now),
            methods: vec![AuthenticationMethod::Password],
            created_at: moment.now,
            expires_at,
            idle_expires_at,
            // The client joins when it gets something: the person may yet decline.
            clients: Vec::new(),
        };
        let _turn = counters.turn().await;
        let mut writes =
            vec![Write::CreateSession(session), Write::RelyOnUser(user.map(|user| user.id.clone()))];
        writes.extend(counters.cleared(&user.record).await?);
        let old = match cookies::session_id(&self.parts.headers, scheme) {
            Some(old) => called.store.session(&old).await?,
            None => None,
        };
        // Somebody else is logged out by this, and their applications are told; one's own session goes on under a new id.
        let told = match &old {
            Some(old) if old.record.user != user.record.id && old.record.is_live(moment.now) => {
                self.app.backchannel().writes(called, &old.record, &moment).await?
            }
            Some(_) | None => Vec::new(),
        };
        let tells = !told.is_empty();
        writes.extend(told);
        writes.extend(old.map(Write::DeleteSession));
        match called.store.commit(writes).await {
            Ok(()) => {
                if tells {
                    self.app.backchannel().due_now(&called.tenant.record.id, moment.now);
                }
                let answer = match self.flow.destination {
                    Destination::Authorization => {
                        self.resume(self.flow.with_login(id, moment.now), &moment)?
                    }
                    Destination::OwnPage => see_other(GRANTS_PATH),
                };
                Ok(Some(with_header(answer, header::SET_COOKIE, &cookie)))
            }
            Err(CommitError::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The client learns that the person is blocked: only who knows the password gets here.
    async fn blocked(
        &self,
        request: Option<&ValidRequest<'_>>,
        trace: &mut Trace,
    ) -> Result<Answer, Failure> {
        let (app, called) = (self.app, self.called);
        let consumed = ConsumedHandle { id: self.flow.id.clone(), expires_at: self.flow.expires_at };
        match called.store.commit(vec![Write::ConsumeHandle(consumed)]).await {
            Ok(()) => {}
            Err(CommitError::Conflict) => return Ok(answer::already_answered(app, called, trace)),
            Err(error) => return Err(error.into()),
        }
        trace.refused = Some("user_blocked".to_owned());
        let Some(request) = request else {
            let text = "Your account is blocked. Ask whoever runs this site.";
            return Ok(answer::page(app, called, StatusCode::FORBIDDEN, "access_denied", text));
        };
        Ok(match Rejected::of(request.target.clone(), AuthorizeError::UserBlocked) {
            Rejected::Page(error) => page_error(app, called, &error, trace),
            Rejected::Redirect(target, error) => {
                let profile = called.tenant.record.settings.error_profile;
                answer::deliver(app, &target, error.fields(profile))
            }
        })
    }

    /// Back to the authorization endpoint with this flow.
    fn resume(&self, flow: Flow, moment: &Moment) -> Result<Answer, Failure> {
        let back =
            if flow.resume_by.is_some() { flow } else { flow.answered(flow.answers.clone(), moment.now) };
        let handle = flow::seal(self.keys, self.called, &back, moment)?;
        Ok(see_other(&format!("{RESUME_PATH}?state={handle}")))
    }

    fn page(
        &self,
        request: Option<&ValidRequest<'_>>,
        username: &str,
        problem: Option<LoginProblem>,
        moment: &Moment,
    ) -> Answer {
        let page = pages::LoginPage {
            tenant: &self.called.tenant.record.settings.friendly_name,
            client_name: request.map(|request| request.client.name.as_str()),
            logo: request.and_then(|request| request.client.logo_uri.as_deref()),
            action_url: &format!("{LOGIN_PATH}?{}", self.parts.uri.query().unwrap_or_default()),
            username,
            problem,
        };
        pages::login(&page, moment)
    }
}
