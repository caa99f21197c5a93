//! What happens next with a valid request: a page, an answer or a refusal (OpenID Connect Core 1.0 §3.1.2.3 to §3.1.2.6).

use policy::UserScopeRefusal;
use policy::consent::{self, Question};
use policy::lifetime::Channel;
use policy::prompt::{self, LoginReason, Next, Person, Required};
use records::{
    AdministrativeConsent, ApiIdentifier, Audience, AuthorizationCode, ClientGrant, CodeState, Connection,
    ConsumedHandle, Lifetime, Origin, ResourceServer, ScopeSet, ScopeToken, SecretText, Session,
    TenantSettings, User, UserGrant, UserId, Versioned, Write,
};

use super::flow::without;
use super::validate::is_open_id;
use super::{Answers, AuthorizeError, Fields, Flow, ValidRequest};
use crate::Moment;
use crate::error::Echo;
use crate::grants::authorization_code::new_code;
use crate::issue::{UserToken, UserTokenFacts, user_access_token};
use crate::metadata::USERINFO_PATH;
use crate::oidc::claims::UserClaims;
use crate::oidc::id_token::{IdToken, left_half_hash};

/// How long a code may be redeemed. RFC 6749 §4.1.2 allows ten minutes; programs take seconds.
const CODE_LIFETIME: Lifetime = Lifetime(60);
/// The most applications that a session remembers for its logout; the oldest is forgotten.
const CLIENTS_OF_A_SESSION: usize = 100;

/// What the `id_token_hint` says once it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// There is none.
    Absent,
    /// It is not an ID token of this server for this client.
    Refused,
    /// It is this person's. It may have expired long ago.
    Of(UserId),
}

/// What must be known to decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// The origin that the request came in on; the issuer.
    pub origin: &'f Origin,
    /// The API that [`ValidRequest::api`] names, if it is registered.
    pub api: Option<&'f ResourceServer>,
    /// The client's grant for that API on people's behalf (subject type user), if there is one.
    pub client_grant: Option<&'f ClientGrant>,
    /// The connection that the request names, else the tenant's default one.
    pub connection: Option<&'f Connection>,
    /// The session of the browser's cookie, whether or not it still holds.
    pub session: Option<&'f Versioned<Session>>,
    /// The session's person, if there still is one.
    pub user: Option<&'f Versioned<User>>,
    /// The connection that knows that person.
    pub home: Option<&'f Connection>,
    /// What the person allowed this client on this audience.
    pub grant: Option<&'f Versioned<UserGrant>>,
    /// What an administrator allowed this client on this API.
    pub administrative: Option<&'f AdministrativeConsent>,
    /// What the `id_token_hint` says.
    pub hint: &'f Hint,
    /// The flow that this request comes back from, if it comes back from one.
    pub flow: Option<&'f Flow>,
}

/// What is to be written, and what happens once it is.
#[must_use = "the writes are committed before anything is answered"]
#[derive(Clone, Debug)]
pub struct AuthorizeDecision<'f> {
    /// Commit all of these or none, before answering. On a conflict, load again and decide again.
    pub writes: Vec<Write>,
    /// What happens next.
    pub step: Step<'f>,
}

/// What happens next.
#[derive(Clone, Debug)]
pub enum Step<'f> {
    /// The login page is shown.
    Login(LoginReason),
    /// The consent dialog is shown.
    Consent(Asked),
    /// The person confirms where the answer goes.
    ConfirmCallback,
    /// The client is answered with what was asked for: sign, then commit, then deliver.
    Respond(Box<Issue<'f>>),
    /// The client is answered with an error.
    Refuse(AuthorizeError),
}

/// What a consent dialog is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the access token is for.
    pub audience: Audience,
    /// All that is asked for.
    pub scopes: ScopeSet,
    /// What of it was not allowed before.
    pub missing: ScopeSet,
}

/// What a client is answered with, before it is signed.
#[derive(Clone, Debug)]
pub struct Issue<'f> {
    /// The code's text.
    pub code: Option<SecretText>,
    /// The access token of the front channel.
    pub access_token: Option<UserToken<'f>>,
    id_token: Option<IdToken<'f>>,
    names_scope: Option<ScopeSet>,
}

impl<'f> Issue<'f> {
    /// The ID token of the front channel, tied to the signed access token and the code that come with it.
    pub fn id_token(&self, access_token: Option<&str>) -> Option<IdToken<'f>> {
        let mut id_token = self.id_token.clone()?;
        //= OpenID Connect Core 1.0 §3.3.2.11
        id_token.at_hash = access_token.map(left_half_hash);
        id_token.c_hash = self.code.as_ref().map(|code| left_half_hash(code.expose()));
        Some(id_token)
    }

    /// The answer's fields, with the signed tokens.
    pub fn fields(&self, access_token: Option<String>, id_token: Option<String>) -> Fields {
        let mut fields = Fields::new();
        fields.extend(self.code.as_ref().map(|code| ("code", code.expose().to_owned())));
        if let (Some(token), Some(text)) = (&self.access_token, access_token) {
            //= RFC 6749 §4.2.2
            fields.push(("access_token", text));
            fields.push(("expires_in", token.lifetime().0.to_string()));
            fields.push(("token_type", "Bearer".to_owned()));
            fields.extend(self.names_scope.as_ref().map(|scopes| ("scope", scopes.to_string())));
        }
        fields.extend(id_token.map(|text| ("id_token", text)));
        fields
    }
}

impl ValidRequest<'_> {
    /// The API to load before deciding; `None`: the userinfo endpoint alone, or an identifier that none can have.
    pub fn api(&self, origin: &Origin) -> Option<ApiIdentifier> {
        let audience = self.audience.filter(|audience| !is_user_info(audience, origin))?;
        ApiIdentifier::requested(audience, origin).ok()
    }
}

/// Auth0 names the userinfo endpoint as an audience too, and means what no audience means.
fn is_user_info(audience: &str, origin: &Origin) -> bool {
    audience.strip_prefix(origin.issuer()) == Some(USERINFO_PATH)
}

/// What the request may carry at all, before anybody is asked.
///
/// # Errors
/// Where no API has the identifier, or it gives the client no tokens of people.
pub fn requested_scopes(request: &ValidRequest<'_>, facts: &Facts<'_>) -> Result<ScopeSet, AuthorizeError> {
    let api = match request.audience.filter(|audience| !is_user_info(audience, facts.origin)) {
        None => None,
        Some(audience) => {
            // Another API than the one meant would be a mistake of the caller; its tokens are not given away.
            let meant = ApiIdentifier::requested(audience, facts.origin).ok();
            let api = facts.api.filter(|api| Some(&api.identifier) == meant.as_ref());
            Some(api.ok_or_else(|| AuthorizeError::UnknownApi(Echo::of(audience)))?)
        }
    };
    let echo = || Echo::of(request.audience.unwrap_or_default());
    //= OpenID Connect Core 1.0 §11
    // "MUST ignore the offline_access request unless the Client is using a response_type value that would result in an
    // Authorization Code being returned"
    let is_heard = |scope: &&ScopeToken| request.response_type.code || scope.as_str() != "offline_access";
    let heard: ScopeSet = request.scopes.iter().filter(is_heard).cloned().collect();
    policy::scope::for_user(&heard, request.client, api, facts.client_grant)
        .map(|scopes| scopes.granted)
        .map_err(|refusal| match refusal {
            UserScopeRefusal::ApiRefusesPeople => AuthorizeError::ApiRefusesPeople(echo()),
            UserScopeRefusal::NoClientGrant | UserScopeRefusal::ClientIsThirdParty => {
                AuthorizeError::NoClientGrant(echo())
            }
        })
}

/// Whether what a code or a refresh token carries needs no more consent than there is by now: whether nobody would be
/// asked this question.
pub fn consent_holds(question: &Question<'_>) -> bool {
    let grant = question.grant.filter(|grant| is_since(grant, question.client, question.api));
    matches!(consent::next(&Question { grant, ..*question }), consent::ConsentNext::Skip(_))
}

/// Decides what happens next. The request was validated with the same settings, client and origin.
pub fn decide<'f>(request: &ValidRequest<'f>, facts: Facts<'f>, moment: &Moment) -> AuthorizeDecision<'f> {
    match next(request, facts, moment) {
        Ok(decision) => decision,
        // A refusal answers the flow: it cannot be taken up again. For a browser in which nobody is logged in nothing is
        // stored, not even that.
        Err(error) => {
            let flow = facts.flow.filter(|_| facts.user.is_some());
            AuthorizeDecision { writes: consume(flow), step: Step::Refuse(error) }
        }
    }
}

fn consume(flow: Option<&Flow>) -> Vec<Write> {
    let consumed = |flow: &Flow| ConsumedHandle { id: flow.id.clone(), expires_at: flow.expires_at };
    flow.map(|flow| Write::ConsumeHandle(consumed(flow))).into_iter().collect()
}

fn next<'f>(
    request: &ValidRequest<'f>,
    facts: Facts<'f>,
    moment: &Moment,
) -> Result<AuthorizeDecision<'f>, AuthorizeError> {
    let none = Answers::default();
    let answers = facts.flow.map_or(&none, |flow| &flow.answers);
    let api = facts.api.filter(|_| request.api(facts.origin).is_some());
    let scopes = requested_scopes(request, &facts)?;
    let connection = connection(request, &facts)?;
    if *facts.hint == Hint::Refused {
        return Err(AuthorizeError::MalformedHint);
    }
    if request.claims.as_ref().is_some_and(|claims| claims.demands_unknown_acr()) {
        //= OpenID Connect Core 1.0 §5.5.1.1
        return Err(AuthorizeError::EssentialAcr);
    }
    let present = present(request, &facts, connection, moment)?;
    let consent_answer = present
        .and_then(|(session, _)| answers.consent.as_ref().filter(|given| given.session == session.record.id));
    if consent_answer.is_some_and(|given| !given.accepted) {
        return Err(AuthorizeError::Declined);
    }
    if answers.confirmed == Some(false) && present.is_some() {
        return Err(AuthorizeError::NotConfirmed);
    }
    let asks_for_consent = request.prompts.consent && consent_answer.is_none();
    let grant = present.and_then(|(_, user)| live_grant(request, &facts, api, &user.record));
    // What was left out before is not asked for again, unless the request says so or the API requires it by now.
    let scopes = match grant.filter(|_| !asks_for_consent) {
        Some(grant) => consent::accepted(&scopes, api, &without(&scopes, &grant.left_out)),
        None => scopes,
    };
    let person = present.map(|(session, user)| Person {
        session: &session.record,
        question: Question {
            client: request.client,
            settings: facts.settings,
            api,
            scopes: &scopes,
            redirect_uri: request.redirect_uri(),
            asks_for_consent,
            grant,
            administrative: facts.administrative,
            user: &user.record,
        },
    });
    let expected = expected_user(request, &facts)?;
    //= OpenID Connect Core 1.0 §5.5.1
    // Several subjects may be prescribed, and differently for the ID token and for userinfo.
    let is_somebody_else = present.is_some_and(|(_, user)| {
        request.claims.as_ref().is_some_and(|claims| !claims.allows_subject(&user.record.id))
    });
    if is_somebody_else && (request.prompts.none || answers.login.is_some()) {
        return Err(AuthorizeError::LoginRequired);
    }
    let person = person.filter(|_| !is_somebody_else);
    let step = prompt::next(&prompt::Facts {
        now: moment.now,
        person,
        prompts: request.prompts,
        max_age: request.max_age,
        expected_user: expected.as_ref(),
        login_answered: answers.login.as_ref(),
        saw_a_page: answers.saw_a_page(),
    });
    if request.prompts.none {
        //= OpenID Connect Core 1.0 §3.1.2.6
        match step.required() {
            Some(Required::Login) => return Err(AuthorizeError::LoginRequired),
            Some(Required::Consent) => return Err(AuthorizeError::ConsentRequired),
            Some(Required::Interaction) => return Err(AuthorizeError::InteractionRequired),
            None => {}
        }
    }
    let page = |step| Ok(AuthorizeDecision { writes: Vec::new(), step });
    match (step, present) {
        (Next::Login(reason), _) => {
            // Whoever just logged in and is somebody else than was meant would be asked for ever.
            if reason == LoginReason::AnotherUser && answers.login.is_some() {
                return Err(AuthorizeError::LoginRequired);
            }
            // Nobody can log in where nobody is known, or nobody of this client's.
            let connection = connection.ok_or(AuthorizeError::UnknownConnection)?;
            if !connection.enabled_clients.include(&request.client.id) {
                return Err(AuthorizeError::ConnectionNotEnabled);
            }
            page(Step::Login(reason))
        }
        (Next::Consent { missing }, _) => {
            page(Step::Consent(Asked { audience: audience(api), scopes, missing }))
        }
        (Next::ConfirmCallback, _) => page(Step::ConfirmCallback),
        (Next::Proceed { .. }, Some((session, user))) => {
            respond(request, facts, Present { api, session, user, scopes }, moment)
        }
        (Next::Proceed { .. }, None) => page(Step::Login(LoginReason::NoSession)),
    }
}

/// What the access token is for, as records name it.
fn audience(api: Option<&ResourceServer>) -> Audience {
    api.map_or(Audience::UserInfo, |api| Audience::Api(api.id.clone()))
}

fn connection<'f>(
    request: &ValidRequest<'_>,
    facts: &Facts<'f>,
) -> Result<Option<&'f Connection>, AuthorizeError> {
    let Some(named) = &request.connection else { return Ok(facts.connection) };
    let connection = facts
        .connection
        .filter(|connection| connection.name == *named)
        .ok_or(AuthorizeError::UnknownConnection)?;
    if !connection.enabled_clients.include(&request.client.id) {
        return Err(AuthorizeError::ConnectionNotEnabled);
    }
    Ok(Some(connection))
}

/// A session and its person.
type Here<'f> = (&'f Versioned<Session>, &'f Versioned<User>);

/// The browser's session and its person, where the session holds for this request.
fn present<'f>(
    request: &ValidRequest<'_>,
    facts: &Facts<'f>,
    connection: Option<&Connection>,
    moment: &Moment,
) -> Result<Option<Here<'f>>, AuthorizeError> {
    let session = facts.session.filter(|session| session.record.is_live(moment.now));
    let (Some(session), Some(user)) = (session, facts.user) else { return Ok(None) };
    if session.record.user != user.record.id {
        return Ok(None);
    }
    if session.record.authenticated_at < user.record.credentials_changed_at {
        return Ok(None);
    }
    if user.record.is_blocked {
        // Somebody else may log in in this browser, where the request lets them.
        let just_logged_in =
            facts.flow.is_some_and(|flow| flow.answers.login.as_ref() == Some(&session.record.id));
        let lets_another = !just_logged_in && (request.prompts.login || request.prompts.select_account);
        return if lets_another { Ok(None) } else { Err(AuthorizeError::UserBlocked) };
    }
    // Whoever is known by another connection than the one that is asked for logs in there.
    let is_elsewhere = request.connection.is_some()
        && connection.is_none_or(|connection| connection.name != user.record.connection);
    // A connection says to which applications its people have a way, however they logged in before.
    let is_let_in = facts.home.is_some_and(|home| {
        home.name == user.record.connection && home.enabled_clients.include(&request.client.id)
    });
    Ok((!is_elsewhere && is_let_in).then_some((session, user)))
}

/// What the person allowed, unless it was allowed to another client or API that had the same id once.
fn live_grant<'f>(
    request: &ValidRequest<'_>,
    facts: &Facts<'f>,
    api: Option<&ResourceServer>,
    user: &User,
) -> Option<&'f UserGrant> {
    let grant = &facts.grant?.record;
    let is_theirs =
        grant.user == user.id && grant.client == request.client.id && grant.audience == audience(api);
    (is_theirs && is_since(grant, request.client, api)).then_some(grant)
}

/// Whether the grant was given to this client and this API, and not to earlier ones of the same ids.
pub(super) fn is_since(grant: &UserGrant, client: &records::Client, api: Option<&ResourceServer>) -> bool {
    grant.updated_at >= client.created_at && api.is_none_or(|api| grant.updated_at >= api.created_at)
}

/// Whom the request means, by its hint or by a prescribed `sub`.
fn expected_user(request: &ValidRequest<'_>, facts: &Facts<'_>) -> Result<Option<UserId>, AuthorizeError> {
    let by_claims = request.claims.as_ref().and_then(|claims| claims.sub());
    let by_hint = match facts.hint {
        Hint::Of(user) => Some(user.clone()),
        Hint::Absent | Hint::Refused => None,
    };
    match (by_claims, by_hint) {
        (None, by_hint) => Ok(by_hint),
        //= OpenID Connect Core 1.0 §5.5.1
        // Nobody can be who cannot be, or two people at once.
        (Some(sub), by_hint) => match UserId::parse(sub) {
            Ok(user) if by_hint.as_ref().is_none_or(|hinted| *hinted == user) => Ok(Some(user)),
            _ => Err(AuthorizeError::LoginRequired),
        },
    }
}

/// Whom and what an answer is about.
struct Present<'f> {
    api: Option<&'f ResourceServer>,
    session: &'f Versioned<Session>,
    user: &'f Versioned<User>,
    scopes: ScopeSet,
}

fn respond<'f>(
    request: &ValidRequest<'f>,
    facts: Facts<'f>,
    present: Present<'f>,
    moment: &Moment,
) -> Result<AuthorizeDecision<'f>, AuthorizeError> {
    let Present { api, session, user, scopes } = present;
    // A sealed token says which single claims were asked for, so it needs no scope for them. An API's token does not.
    let scopes = if api.is_none() { scopes.intersection(&request.named_scopes) } else { scopes };
    let response_type = request.response_type;
    let mut writes = consume(facts.flow);
    let code = if response_type.code {
        let parts = Parts { api, session: &session.record, user: &user.record, scopes: &scopes };
        let (text, record) = code(request, &facts, &parts, moment)?;
        writes.push(Write::IssueCode(record));
        Some(text)
    } else {
        None
    };
    let access_token = response_type.token.then(|| {
        let token = UserTokenFacts {
            client: request.client,
            user: &user.record.id,
            api,
            scope: scopes.clone(),
            channel: Channel::FrontChannel,
            grant_type: None,
            session: Some(&session.record.id),
            claims: request.claims.as_ref().map(|claims| claims.of_user_info()).unwrap_or_default(),
            origin: facts.origin,
        };
        user_access_token(token, moment)
    });
    let id_token = (response_type.id_token && is_open_id(&scopes)).then(|| IdToken {
        issuer: facts.origin.issuer(),
        user: &user.record.id,
        client: &request.client.id,
        issued_at: moment.now,
        lifetime: request.client.id_token_lifetime,
        nonce: request.nonce,
        at_hash: None,
        c_hash: None,
        auth_time: names_auth_time(request).then_some(session.record.authenticated_at),
        session: Some(&session.record.id),
        methods: &session.record.methods,
        claims: UserClaims::of_id_token(
            &user.record,
            &scopes,
            request.claims.as_ref(),
            facts.settings.updated_at,
        ),
        signing_algorithm: request.client.id_token_algorithm,
    });
    writes.extend(session_use(request, &facts, session, moment));
    if !writes.is_empty() {
        // What was relied on cannot be withdrawn between now and the commit.
        writes.push(Write::RelyOnSession(session.map(|session| session.id.clone())));
        writes.push(Write::RelyOnUser(user.map(|user| user.id.clone())));
        writes.extend(facts.grant.map(|grant| Write::RelyOnUserGrant(grant.map(UserGrant::key))));
    }
    //= RFC 6749 §3.3
    let names_scope = (scopes != request.named_scopes).then_some(scopes);
    let step = Step::Respond(Box::new(Issue { code, access_token, id_token, names_scope }));
    Ok(AuthorizeDecision { writes, step })
}

/// Whether ID tokens say when the person authenticated (OpenID Connect Core 1.0 §2, `auth_time`).
fn names_auth_time(request: &ValidRequest<'_>) -> bool {
    request.max_age.is_some()
        || request.prompts.login
        || request.claims.as_ref().is_some_and(|claims| claims.names_auth_time())
}

struct Parts<'p> {
    api: Option<&'p ResourceServer>,
    session: &'p Session,
    user: &'p User,
    scopes: &'p ScopeSet,
}

fn code(
    request: &ValidRequest<'_>,
    facts: &Facts<'_>,
    parts: &Parts<'_>,
    moment: &Moment,
) -> Result<(SecretText, AuthorizationCode), AuthorizeError> {
    let (text, id) = new_code(moment).map_err(|_| AuthorizeError::ServerError)?;
    //= RFC 6749 §4.1.2
    let record = AuthorizationCode {
        id,
        state: CodeState::Unused,
        client: request.client.id.clone(),
        redirect_uri: request.redirect_uri().to_owned(),
        redirect_uri_was_sent: request.redirect_uri_was_sent,
        code_challenge: request.challenge.map(|challenge| challenge.to_bytes()),
        origin: facts.origin.clone(),
        user: parts.user.id.clone(),
        session: parts.session.id.clone(),
        authenticated_at: parts.session.authenticated_at,
        methods: parts.session.methods.clone(),
        audience: audience(parts.api),
        scopes: parts.scopes.clone(),
        is_as_requested: *parts.scopes == request.named_scopes,
        nonce: request.nonce.map(str::to_owned),
        names_auth_time: names_auth_time(request),
        claims: request.claims.as_ref().filter(|claims| !claims.is_empty()).map(|claims| claims.to_json()),
        issued_at: moment.now,
        expires_at: moment.now.after(CODE_LIFETIME),
    };
    Ok((text, record))
}

/// The session's new state, where there is one worth writing.
fn session_use(
    request: &ValidRequest<'_>,
    facts: &Facts<'_>,
    session: &Versioned<Session>,
    moment: &Moment,
) -> Option<Write> {
    let renewed = policy::session::renewed(facts.settings, &session.record, moment.now);
    let is_known = session.record.clients.contains(&request.client.id);
    if renewed.is_none() && is_known {
        return None;
    }
    let mut next = session.record.clone();
    next.idle_expires_at = renewed.unwrap_or(next.idle_expires_at);
    if !is_known {
        if next.clients.len() >= CLIENTS_OF_A_SESSION {
            next.clients.remove(0);
        }
        next.clients.push(request.client.id.clone());
    }
    Some(Write::ReplaceSession(session.clone(), next))
}
