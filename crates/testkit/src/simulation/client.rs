//! What clients, people and administrators do: requests to a server's handlers, as they would come from outside.

use std::sync::Arc;

use authd::administration::{Refusal, revocations, users};
use authd::app::App;
use authd::backchannel::Look;
use authd::backend::AnyStore;
use authd::http::cookies;
use authd::http::peer::Peer;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use records::{
    Audience, AuthenticationMethod, ClientId, Lifetime, Origin, Scheme, Session, TenantId, UserId, Write,
};
use store::CommitError;

use super::place::{API, APPLICATIONS, PEOPLE, SCOPE, SESSION};
use crate::request::query;
use crate::world::secret_of;
use crate::{Reply, TENANTS, callback_of, user_id};

/// Pairs of code verifier and challenge (RFC 7636 §4.2).
pub(super) const VERIFIERS: [(&str, &str); 3] = [
    ("a-verifier-of-the-simulation-number-0-0123456789", "QUYiN-01_lsaaT_zUMMSqZcXWTVNke2XRjsy4KZh_jo"),
    ("a-verifier-of-the-simulation-number-1-0123456789", "zvS9G_vRNqnYoEGV3CubpI9s4tAo5LcgpLsPTucOqiA"),
    ("a-verifier-of-the-simulation-number-2-0123456789", "c4hyxhkE40P0DV2tZ7TzwZncIG3eBl9y8tLlM1HZxDU"),
];

/// What whoever asked has heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// An answer.
    Reply(Reply),
    /// A session's cookie.
    Cookie(String),
    /// It was done.
    Done,
    /// The server could not.
    Failed(String),
    /// It was not done, for this reason.
    Refused(String),
}

/// A server, seen from outside.
#[derive(Clone)]
pub(super) struct Server(pub(super) Arc<App>);

/// One request.
struct Sent<'a> {
    method: Method,
    tenant: usize,
    path: &'a str,
    cookies: &'a str,
    form: Option<String>,
}

impl Server {
    async fn send(&self, sent: Sent<'_>) -> Reply {
        let origin = TENANTS[sent.tenant].1;
        let authority = origin.trim_start_matches("https://").trim_end_matches('/');
        let mut request =
            Request::builder().method(sent.method).uri(sent.path).header(header::HOST, authority);
        if !sent.cookies.is_empty() {
            request = request.header(header::COOKIE, sent.cookies);
        }
        if sent.form.is_some() {
            let origin = origin.trim_end_matches('/');
            request = request
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(header::ORIGIN, origin);
        }
        let body = Full::new(Bytes::from(sent.form.unwrap_or_default()));
        let mut request = request.body(body).expect("the request is well-formed");
        request.extensions_mut().insert(Peer::Person([192, 0, 2, 1].into()));
        let (parts, body) = self.0.respond(request, Scheme::Https).await.into_parts();
        let body = body.collect().await.expect("a body in memory does not fail").to_bytes();
        Reply { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str, cookies: &str) -> Reply {
        self.send(Sent { method: Method::GET, tenant: 0, path, cookies, form: None }).await
    }

    async fn post(&self, tenant: usize, path: &str, cookies: &str, form: &[(&str, &str)]) -> Reply {
        self.send(Sent { method: Method::POST, tenant, path, cookies, form: Some(query(form)) }).await
    }

    fn store(&self) -> AnyStore {
        self.0.stores().tenant(&TenantId::parse(TENANTS[0].0).expect("a tenant's name"))
    }

    /// Begins a session as the login page does once it has verified the password: that is left out, because it is done
    /// in threads of its own.
    pub(super) async fn log_in(self, person: usize) -> Heard {
        let user = match self.store().user(&who(person)).await {
            Ok(user) => user.expect("the person is never removed"),
            Err(error) => return Heard::Failed(error.to_string()),
        };
        let moment = self.0.moments().draw();
        let (absolute, idle) = SESSION;
        let (id, cookie) = cookies::new_session(&moment, Scheme::Https, Lifetime(absolute as u32))
            .expect("what is made fits");
        let session = Session {
            id,
            user: user.record.id.clone(),
            authenticated_at: moment.now,
            methods: vec![AuthenticationMethod::Password],
            created_at: moment.now,
            expires_at: moment.now.after(Lifetime(absolute as u32)),
            idle_expires_at: moment.now.after(Lifetime(idle as u32)),
            clients: Vec::new(),
        };
        match self
            .store()
            .commit(vec![Write::CreateSession(session), Write::RelyOnUser(user.map(|user| user.id.clone()))])
            .await
        {
            Ok(()) => Heard::Cookie(cookie.split(';').next().unwrap_or_default().to_owned()),
            Err(CommitError::Conflict) => Heard::Refused("something changed meanwhile".to_owned()),
            Err(error) => Heard::Failed(error.to_string()),
        }
    }

    /// Asks for a code; nobody is asked.
    pub(super) async fn authorize(self, application: usize, verifier: usize, cookie: String) -> Heard {
        Heard::Reply(self.get(&authorize(application, verifier, "none"), &cookie).await)
    }

    /// Asks for a code, and answers the consent dialog if there is one.
    pub(super) async fn consent(
        self,
        application: usize,
        verifier: usize,
        cookie: String,
        accepts: bool,
    ) -> Heard {
        let asked = self.get(&authorize(application, verifier, ""), &cookie).await;
        let Some(dialog) = asked.at_home("/u/consent?") else { return Heard::Reply(asked) };
        let cookies = match set_cookie(&asked.headers) {
            Some(browser) => format!("{cookie}; {browser}"),
            None => cookie,
        };
        let action = if accepts { "accept" } else { "deny" };
        let answered = self.post(0, &dialog, &cookies, &[("action", action)]).await;
        let Some(resume) = answered.at_home("/authorize/resume?") else { return Heard::Reply(answered) };
        Heard::Reply(self.get(&resume, &cookies).await)
    }

    /// Redeems a code.
    pub(super) async fn redeem(self, tenant: usize, application: usize, code: Presented) -> Heard {
        let secret = secret_of(TENANTS[tenant].0);
        let mut form = client(application, &secret);
        form.extend([
            ("grant_type", "authorization_code"),
            ("code", &code.code),
            ("redirect_uri", &code.redirect_uri),
        ]);
        form.extend(code.verifier.map(|verifier| ("code_verifier", VERIFIERS[verifier].0)));
        Heard::Reply(self.post(tenant, "/oauth/token", "", &form).await)
    }

    /// Refreshes.
    pub(super) async fn refresh(self, tenant: usize, application: usize, token: String) -> Heard {
        let secret = secret_of(TENANTS[tenant].0);
        let mut form = client(application, &secret);
        form.extend([("grant_type", "refresh_token"), ("refresh_token", &token)]);
        Heard::Reply(self.post(tenant, "/oauth/token", "", &form).await)
    }

    /// Takes a refresh token back.
    pub(super) async fn revoke(self, tenant: usize, application: usize, token: String) -> Heard {
        let secret = secret_of(TENANTS[tenant].0);
        let mut form = client(application, &secret);
        form.push(("token", &token));
        Heard::Reply(self.post(tenant, "/oauth/revoke", "", &form).await)
    }

    /// Logs a browser out.
    pub(super) async fn log_out(self, cookie: String) -> Heard {
        Heard::Reply(self.get("/v2/logout", &cookie).await)
    }

    /// A person withdraws what they allowed an application.
    pub(super) async fn withdraw(self, person: usize, application: usize) -> Heard {
        let (store, user) = (self.store(), who(person));
        let found = async {
            let client = ClientId::parse(APPLICATIONS[application].id)?;
            let api = authd::administration::resource_servers::find(&store, API).await?;
            let audience = Audience::Api(api.record.id.clone());
            Ok::<_, Refusal>(store.user_grant(&user, &client, &audience).await?)
        };
        match found.await {
            Ok(Some(grant)) => match revocations::user_grant(&store, &grant.record.id).await {
                Err(Refusal::Missing(_)) => Heard::Done,
                other => done(other),
            },
            Ok(None) => Heard::Done,
            Err(refusal) => done::<()>(Err(refusal)),
        }
    }

    /// An administrator keeps a person out, or lets them in again.
    pub(super) async fn block(self, person: usize, is_blocked: bool) -> Heard {
        let change = |user| records::User { is_blocked, ..user };
        done(users::update(&self.store(), &who(person), change, self.0.moments()).await)
    }

    /// An administrator ends all refresh tokens of a person.
    pub(super) async fn end_all(self, person: usize) -> Heard {
        done(revocations::refresh_tokens_of_user(&self.store(), &who(person)).await)
    }

    /// The timer lets rows leave.
    pub(super) async fn sweep(self) -> Heard {
        done(self.0.sweep(64).await.map_err(Refusal::from))
    }

    /// The timer looks for others' changes of the configuration, and for logouts that are to be told.
    pub(super) async fn look(self) -> Heard {
        let refreshed = self.0.refresh().await;
        let told = self.0.deliver_logouts(Look::Everywhere).await;
        done(refreshed.and(told).map_err(Refusal::from))
    }
}

/// A code, and what is said with it.
#[derive(Clone, Debug)]
pub(super) struct Presented {
    pub(super) code: String,
    pub(super) redirect_uri: String,
    pub(super) verifier: Option<usize>,
}

impl Reply {
    /// Where the browser is sent on to, if that is here.
    fn at_home(&self, path: &str) -> Option<String> {
        let location = self.header(header::LOCATION);
        let location = location.strip_prefix(TENANTS[0].1.trim_end_matches('/')).unwrap_or(location);
        (self.status == StatusCode::SEE_OTHER && location.starts_with(path)).then(|| location.to_owned())
    }
}

pub(super) fn who(person: usize) -> UserId {
    user_id(PEOPLE[person])
}

fn done<T>(outcome: Result<T, Refusal>) -> Heard {
    match outcome {
        Ok(_) => Heard::Done,
        Err(Refusal::Failed(failure)) => Heard::Failed(failure.to_string()),
        Err(other) => Heard::Refused(other.to_string()),
    }
}

fn client(application: usize, secret: &str) -> Vec<(&'static str, &str)> {
    let mut form = vec![("client_id", APPLICATIONS[application].id)];
    if APPLICATIONS[application].is_confidential {
        form.push(("client_secret", secret));
    }
    form
}

fn authorize(application: usize, verifier: usize, prompt: &str) -> String {
    let id = APPLICATIONS[application].id;
    let redirect_uri = callback_of(id);
    let mut pairs = vec![
        ("client_id", id),
        ("redirect_uri", redirect_uri.as_str()),
        ("response_type", "code"),
        ("audience", API),
        ("scope", SCOPE),
        ("state", "s"),
        ("code_challenge", VERIFIERS[verifier].1),
        ("code_challenge_method", "S256"),
    ];
    if !prompt.is_empty() {
        pairs.push(("prompt", prompt));
    }
    format!("/authorize?{}", query(&pairs))
}

/// The cookie that an answer sets.
fn set_cookie(headers: &HeaderMap) -> Option<String> {
    let field = headers.get(header::SET_COOKIE)?.to_str().ok()?;
    field.split(';').next().map(str::to_owned)
}

/// The issuer of the first tenant.
pub(super) fn issuer() -> String {
    Origin::parse(TENANTS[0].1).expect("a tenant's origin").issuer().to_owned()
}
